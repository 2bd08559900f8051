// Who has the floor, calmly: one mark, one line, a hint of what a person can do.
import { announce } from "./announcer.js";
import { command, on } from "./events.js";
import { $ } from "./dom.js";
import { onLanguage, t } from "./i18n.js";
import { hold, release } from "./playback.js";
import { set, state, watch } from "./state.js";

const SPEAKING = ["thinking", "answering", "held"];

function hint() {
  const { settings } = state;
  if (state.floor === "answering") return t("hint_answering");
  if (state.floor === "held") return t("hint_held");
  if (state.floor !== "listening") return "";
  if (state.microphone === "off") return t("hint_muted");
  if (state.microphone !== "on") return t("hint_typing");
  if (settings.hearing === false) return t("hint_hearing_off");
  return settings.address === "wake" ? t("hint_wake", { phrase: settings.wake_phrase }) : t("hint_listening");
}

function draw() {
  const connected = state.connection === "live";
  const shown = connected ? state.floor : "away";
  const deaf = state.microphone !== "on" && shown === "listening";
  $("floor").dataset.state = shown;
  $("floor-text").textContent = t(`floor_${deaf ? "typing" : shown}`);
  $("floor-hint").textContent = connected ? hint() : "";
  $("stop").classList.toggle("unseen", !connected || !SPEAKING.includes(state.floor)); // keeps its place
}

// Cuts the answer: silent here at once, and then everywhere.
export function stop() {
  if (!SPEAKING.includes(state.floor)) return false;
  hold();
  return command("stop");
}

export function startFloor() {
  $("stop").addEventListener("click", stop);
  for (const name of ["connection", "floor", "settings", "microphone"]) watch(name, draw);
  onLanguage(draw);
  on("floor", (message) => {
    set("turn", message.turn || "");
    if (message.state === "thinking" && state.floor !== "thinking") announce(t("floor_thinking"));
    set("floor", message.state);
  });
  on("hello", () => {
    release();
    set("floor", "listening");
  });
  draw();
}
