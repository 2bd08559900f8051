// Short notices beside the picture: what is wrong or new, in words, with what one can do about it.
import { $, el, icon } from "./dom.js";
import { onLanguage, t } from "./i18n.js";

const MOST = 4;
const shown = new Map(); // key -> {node, words}

// words: () => text, asked again when the language changes. act: {label: key, run}.
export function notice(key, words, { bad = false, act = null, forMs = 0 } = {}) {
  dismiss(key);
  const text = el("p", {}, words());
  const close = el("button", { type: "button", class: "tool", "aria-label": t("close"), on: { click: () => dismiss(key) } }, icon("close"));
  const button = act && el("button", { type: "button", class: "plain", on: { click: () => act.run() } }, t(act.label));
  const node = el("div", { class: bad ? "notice bad" : "notice", data: { key } }, text, button, close);
  shown.set(key, { node, redraw: () => {
    text.textContent = words();
    if (button) button.textContent = t(act.label);
  } });
  $("notices").prepend(node);
  for (const [old] of [...shown].slice(0, Math.max(0, shown.size - MOST))) dismiss(old);
  if (forMs) setTimeout(() => shown.get(key)?.node === node && dismiss(key), forMs);
}

export function dismiss(key) {
  shown.get(key)?.node.remove();
  shown.delete(key);
}

onLanguage(() => {
  for (const { redraw } of shown.values()) redraw();
});
