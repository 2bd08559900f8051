// The connection in words: one line in the header, a notice for each thing that is wrong.
import { $, show } from "./dom.js";
import { on } from "./events.js";
import { onLanguage, t } from "./i18n.js";
import { dismiss, notice } from "./notices.js";
import { isBlocked, onBlocked, wake } from "./playback.js";
import { set, state, watch } from "./state.js";

// These the page says itself, sooner and with a button.
const SAID_HERE = /^(microphone|camera)_/;
const PASSING_MS = 12_000;

function draw() {
  const { connection } = state;
  const poor = connection === "live" && state.problems.length > 0;
  const fallback = connection === "live" && state.transport === "websocket";
  document.body.dataset.connection = connection;
  document.body.dataset.health = poor ? "poor" : "good";
  const key = poor ? "poor" : fallback ? "fallback" : connection;
  $("connection-text").textContent = connection === "idle" ? "" : t(`conn_${key}`);
  show($("connection"), connection !== "idle");
}

function problems({ problems: sentences = [], codes = [] }) {
  const told = sentences.filter((_, index) => {
    const code = codes[index] || "";
    return !SAID_HERE.test(code) && !(code === "silent_microphone" && state.microphone !== "on");
  });
  set("problems", told);
  if (told.length) notice("health", () => told.join(" "));
  else dismiss("health");
}

export function startHealth() {
  for (const name of ["connection", "problems", "transport"]) watch(name, draw);
  onLanguage(draw);
  on("health", problems);
  on("failure", ({ stage, error }) => notice(`failure ${stage}`, () => error, { bad: true }));
  on("notice", ({ text }) => notice("notice", () => text, { forMs: PASSING_MS }));
  on("error", ({ message }) => notice("error", () => message, { bad: true, forMs: PASSING_MS }));
  on("gap", ({ reason }) => notice("gap", () => reason, { forMs: PASSING_MS }));
  watch("connection", (now) => {
    if (now !== "live") return;
    for (const key of ["gone", "offline", "replaced", "ended", "locked"]) dismiss(key);
    // After a reload nobody has clicked yet, and some browsers then keep the sound off.
    setTimeout(() => isBlocked() && blocked(true), 800);
  });
  onBlocked(blocked);
  draw();
}

function blocked(isNow) {
  if (!isNow || state.connection !== "live") dismiss("sound");
  else notice("sound", () => t("sound_blocked"), { act: { label: "sound_on", run: wake } });
}
