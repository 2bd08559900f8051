// The sound level: a bar of what the microphone gives, a mark at what arrives at the server.
import { $ } from "./dom.js";
import { track } from "./devices.js";
import { on } from "./events.js";
import { openSound } from "./playback.js";
import { state, watch } from "./state.js";

const QUIETEST_DB = -60;
const EVERY_MS = 60;
const FALL = 0.6; // each time: quick up, slow down, so that it can be read

let analyser = null;
let source = null;
let samples = null;
let shown = 0;
let written = "";
let running = false;

const share = (db) => Math.max(0, Math.min(1, 1 - db / QUIETEST_DB));

function listen() {
  source?.disconnect();
  source = null;
  const found = track("microphone");
  if (!found || state.connection !== "live") return;
  const context = openSound();
  analyser = context.createAnalyser();
  analyser.fftSize = 1024;
  samples = new Float32Array(analyser.fftSize);
  try {
    source = context.createMediaStreamSource(new MediaStream([found]));
    source.connect(analyser);
  } catch {
    source = null; // a browser that joins no two sample rates: the mark of what arrives is left
  }
  if (!running) measure();
}

function measure() {
  if (source) {
    analyser.getFloatTimeDomainData(samples);
    let sum = 0;
    for (const value of samples) sum += value * value;
    const db = 10 * Math.log10(sum / samples.length + 1e-9);
    shown = Math.max(share(db), shown * FALL);
  } else {
    shown *= FALL;
  }
  const value = shown.toFixed(2);
  if (value !== written) {
    written = value;
    $("level-bar").style.transform = `scaleX(${value})`;
    if (state.floor === "user") $("floor").style.setProperty("--level", value);
  }
  running = Boolean(source) || shown > 0.001;
  if (running) setTimeout(measure, EVERY_MS); // the style sheet smooths it: a frame each would cost a tenth of a core
}

export function startLevel() {
  watch("connection", listen);
  watch("microphone", listen);
  on("level", ({ rms_db }) => {
    $("level").style.setProperty("--arrives", share(rms_db).toFixed(3));
    $("level").setAttribute("aria-valuenow", String(Math.round(Math.max(QUIETEST_DB, Math.min(0, rms_db)))));
  });
}
