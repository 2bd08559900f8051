// What a screen reader is told: whole sentences, one at a time, never a flood.
import { $ } from "./dom.js";

const APART_MS = 2500;
const MOST_WAITING = 3; // older ones are dropped: the transcript has them
let waiting = [];
let timer = 0;

export function announce(text) {
  waiting = [...waiting, text].slice(-MOST_WAITING);
  if (!timer) next();
}

function next() {
  timer = 0;
  const text = waiting.shift();
  if (text === undefined) return;
  $("announcer").textContent = text;
  timer = setTimeout(next, APART_MS);
}
