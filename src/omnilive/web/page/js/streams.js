// Which streams are remembered, and which of them the memory shows. One alone needs no choice.
import * as api from "./api.js";
import { $, el, show } from "./dom.js";
import { on } from "./events.js";
import { onLanguage, t } from "./i18n.js";

let known = [];
const acts = new Set();

export const chosenStream = () => $("stream-choice").value;

export function onStream(act) {
  acts.add(act);
}

function draw() {
  const choice = $("stream-choice");
  const before = choice.value;
  const options = known.map((stream) => el("option", { value: stream.name }, stream.name));
  choice.replaceChildren(el("option", { value: "" }, t("all_streams")), ...options);
  choice.value = known.some((stream) => stream.name === before) ? before : "";
  show(choice, known.length > 1);
}

export async function loadStreams() {
  try {
    known = await api.streams();
    draw();
  } catch {
    // The timeline, asked at the same time, says why.
  }
  return known;
}

export function startStreams() {
  $("stream-choice").addEventListener("change", () => acts.forEach((act) => act()));
  onLanguage(draw);
  on("stream", loadStreams);
}
