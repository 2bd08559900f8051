// The small picture over the timeline: what was seen at the cursor.
import { picture } from "./api.js";
import { $, show } from "./dom.js";

const WAIT_MS = 120; // a cursor that only passes asks for nothing
let timer = 0;
let wanted = 0;

// clip: known already, or null; later: asks for one.
export function showPeek(share, when, what, clip, later) {
  const box = $("peek");
  const mine = ++wanted;
  box.querySelector("p").textContent = what ? `${when}\n${what}` : when;
  show(box);
  const room = $("timeline").clientWidth;
  const left = Math.max(0, Math.min(room - box.offsetWidth, share * room - box.offsetWidth / 2));
  box.style.left = `${left}px`;
  clearTimeout(timer);
  if (clip) {
    put(clip);
    return;
  }
  timer = setTimeout(async () => {
    const found = await Promise.resolve(later()).catch(() => null);
    if (mine === wanted) put(found);
  }, WAIT_MS);
}

function put(clip) {
  const image = $("peek").querySelector("img");
  image.classList.toggle("none", !clip);
  const address = clip ? picture(clip.id) : "";
  if (!clip) image.removeAttribute("src");
  else if (image.getAttribute("src") !== address) image.src = address;
}

export function hidePeek() {
  wanted += 1;
  clearTimeout(timer);
  show($("peek"), false);
}
