// The film strip: one picture for each piece of the stretch shown. Pieces lie on a fixed grid, so they stay while time moves on.
import { picture } from "./api.js";
import { $, el } from "./dom.js";
import { clipBetween, knownClip } from "./timeline_data.js";

const FRAME_PX = 80;
const kept = new Map(); // start of a piece -> its node

export function drawFilm(view, data, fresh = false) {
  const film = $("film");
  const width = film.clientWidth;
  if (!width) return;
  const piece = view.span / Math.max(4, Math.round(width / FRAME_PX));
  if (fresh || film.dataset.piece !== String(piece)) {
    film.dataset.piece = String(piece);
    film.replaceChildren();
    kept.clear();
  }
  const wanted = new Set();
  for (let index = Math.floor(view.from / piece); index * piece < view.to; index += 1) {
    wanted.add(index);
    if (!kept.has(index)) {
      kept.set(index, el("i"));
      film.append(kept.get(index));
    }
    const node = kept.get(index);
    node.style.left = `${100 * view.share(index * piece)}%`;
    node.style.width = `calc(${(100 * piece) / view.span}% - 2px)`;
    fillPiece(node, data, index * piece, piece);
  }
  for (const [index, node] of kept) {
    if (!wanted.has(index)) {
      node.remove();
      kept.delete(index);
    }
  }
}

async function fillPiece(node, data, from, length) {
  if (node.dataset.clip || !data) return;
  const middle = from + length / 2;
  let clip = knownClip(data, middle, length / 2);
  if (!clip && !data.clips.length && covers(data, from, from + length)) {
    try {
      clip = await clipBetween(from, from + length);
    } catch {
      return; // the timeline itself says what is wrong
    }
  }
  if (!clip || node.dataset.clip) return;
  node.dataset.clip = clip.id;
  const image = el("img", { src: picture(clip.id), alt: "", decoding: "async" });
  image.addEventListener("error", () => image.remove());
  node.replaceChildren(image);
}

const covers = (data, from, to) => data.watched.some((one) => one.from < to && one.to > from);
