// A moment as a small picture one can open: in answers, search results and the film strip.
import { picture } from "./api.js";
import { el, icon } from "./dom.js";
import { on } from "./events.js";
import { t } from "./i18n.js";
import { when } from "./when.js";

export const KIND_ICONS = { speech: "mic", screen: "screen", sound: "note", motion: "camera", picture: "camera", clip: "camera", digest: "ask" };

export const kindName = (kind) => t(`kind_${kind in KIND_ICONS ? kind : "clip"}`);
export const words = (moment) => moment.text || kindName(moment.kind);

const MOST_MISSING = 60;
const missing = new Map(); // holder of a picture that was not there yet -> the moment

// The picture is asked for when it comes into sight; without one, the kind's mark stays.
function thumb(moment) {
  const mark = icon(KIND_ICONS[moment.kind] || "camera", "kind");
  const play = moment.playable ? icon("play", "go") : null;
  const holder = el("span", { class: "thumb" }, mark, play);
  show(holder, moment);
  return holder;
}

function show(holder, moment) {
  const image = el("img", { src: picture(moment.id), alt: "", loading: "lazy", decoding: "async", width: "192", height: "144" });
  image.addEventListener("error", () => {
    image.remove();
    missing.set(holder, moment);
    if (missing.size > MOST_MISSING) missing.delete(missing.keys().next().value);
  });
  holder.firstElementChild.after(image);
}

// What was said a moment ago is cited before its clip is closed: its picture comes with that.
on("clip", () => {
  for (const [holder, moment] of missing) {
    missing.delete(holder);
    if (holder.isConnected) show(holder, moment);
  }
});

export function thumbButton(moment, className, open) {
  const label = t("play_moment", { when: when(moment.at), what: words(moment) });
  return el(
    "button",
    { type: "button", class: className, "aria-label": label, data: { moment: moment.id }, on: { click: () => open(moment) } },
    thumb(moment),
    el("span", { class: "when" }, when(moment.at)),
    el("span", { class: "what" }, words(moment)),
  );
}
