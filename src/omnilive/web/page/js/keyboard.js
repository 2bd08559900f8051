// Keys for everything, and the page that names them.
import { $, el, icon } from "./dom.js";
import { cut } from "./composer.js";
import { switchDevice } from "./devices.js";
import { onLanguage, t } from "./i18n.js";
import { close as closeSearch } from "./search.js";
import { state } from "./state.js";

const KEYS = [
  [["/"], "key_slash"], [["Enter"], "key_ask"], [["Shift", "Enter"], "key_newline"], [["Esc"], "key_stop"],
  [["s"], "key_search"], [["t"], "key_timeline"], [["m"], "key_mic"], [["v"], "key_camera"], [["?"], "key_help"],
];

function draw() {
  const close = el("button", { type: "button", class: "tool", "aria-label": t("close"), on: { click: () => $("help").close() } }, icon("close"));
  const keys = KEYS.flatMap(([names, what]) => [
    el("dt", {}, ...names.flatMap((name, index) => [index ? " + " : "", el("kbd", {}, name)])),
    el("dd", {}, t(what)),
  ]);
  $("help").replaceChildren(
    el("div", { class: "dialog-bar" }, el("h2", { id: "help-title", tabindex: "-1" }, t("help_title")), close),
    el("div", { class: "dialog-body" }, el("dl", { class: "keys" }, ...keys), el("p", { class: "hint" }, t("help_more"))),
  );
}

function openHelp() {
  draw();
  $("help").showModal();
  $("help-title").focus();
}

function focusOn(id, view) {
  document.body.dataset.view = view;
  document.dispatchEvent(new Event("omnilive-view"));
  $(id).focus();
}

const ACTS = {
  "/": () => focusOn("ask-text", "talk"),
  s: () => focusOn("search-text", "memory"),
  t: () => focusOn("track", "memory"),
  m: () => state.page === "talk" && !state.viewer && switchDevice("microphone"),
  v: () => state.page === "talk" && !state.viewer && switchDevice("camera"),
  "?": openHelp,
};

function press(event) {
  if (document.querySelector("dialog[open]") || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.key === "Escape") {
    if (!closeSearch()) cut();
    return;
  }
  const writing = event.target.closest?.("input, textarea, select");
  if (writing || !ACTS[event.key]) return;
  event.preventDefault();
  ACTS[event.key]();
}

export function startKeyboard() {
  document.addEventListener("keydown", press);
  $("open-help").addEventListener("click", openHelp);
  $("help").addEventListener("click", (event) => event.target === $("help") && $("help").close());
  onLanguage(() => $("help").open && draw());
}
