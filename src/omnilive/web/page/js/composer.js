// The box to ask in writing: Enter asks, Shift+Enter breaks the line, Esc stops the answer.
import { ask as askMemory, Refused } from "./api.js";
import { $, el, show } from "./dom.js";
import { command, receive } from "./events.js";
import { stop } from "./floor.js";
import { onLanguage, t } from "./i18n.js";
import { notice } from "./notices.js";
import { set, state } from "./state.js";

const EXAMPLES = ["example_1", "example_2", "example_3"];
let scope = "";
let asking = null; // AbortController of a question without a conversation

function setScope(stream) {
  scope = stream || "";
  $("ask-scope").querySelector("span").textContent = t("scope", { stream: scope });
  show($("ask-scope"), Boolean(scope));
}

// Puts words into the box, marked so that typing replaces them.
export function propose(text, stream = "") {
  setScope(stream);
  const box = $("ask-text");
  box.value = text;
  fit();
  box.focus();
  box.select();
}

async function submit() {
  const box = $("ask-text");
  const text = box.value.trim();
  if (!text) return;
  if (state.viewer) {
    box.value = "";
    fit();
    await askWithout(text);
  } else if (command("ask", scope ? { text, scope } : { text })) {
    box.value = "";
    fit();
  } else {
    notice("ask", () => t("no_link"), { bad: true, forMs: 8000 });
  }
}

// Looking only: the question goes to the memory itself, one after the other.
async function askWithout(text) {
  asking?.abort();
  asking = new AbortController();
  set("floor", "thinking");
  try {
    await askMemory(text, scope, receive, asking.signal);
  } catch (error) {
    if (error instanceof Refused) notice("ask", () => error.message || t("no_server"), { bad: true });
    else if (error.name !== "AbortError") notice("ask", () => t("no_server"), { bad: true });
  } finally {
    set("floor", "listening");
  }
}

export function cut() {
  if (!state.viewer) return stop();
  asking?.abort();
  return Boolean(asking);
}

// Grows with its text where the browser does not do so by itself.
function fit() {
  const box = $("ask-text");
  if (!CSS.supports("field-sizing", "content")) {
    box.style.height = "auto";
    box.style.height = `${Math.min(136, box.scrollHeight)}px`;
  }
  $("send").disabled = !box.value.trim();
}

function examples() {
  const button = (key) => el("button", { type: "button", on: { click: () => propose(t(key)) } }, t(key));
  $("examples").replaceChildren(...EXAMPLES.map((key) => el("li", {}, button(key))));
}

export function startComposer() {
  const box = $("ask-text");
  $("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  box.addEventListener("keydown", (event) => {
    // While an input method composes (Chinese), Enter takes its choice.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submit();
  });
  box.addEventListener("input", fit);
  $("ask-scope").querySelector("button").addEventListener("click", () => setScope(""));
  onLanguage(() => {
    setScope(scope);
    examples();
  });
  examples();
  fit();
}
