// The language of the page: looks words up, fills the document, writes times and numbers.
import { STRINGS } from "./strings.js";
import { kept, keep } from "./kept.js";
import { changed, watch } from "./state.js";

// {name}, or {name|clip|clips}: a number with its noun.
const BLANK = /\{(\w+)(?:\|([^|}]*)\|([^}]*))?\}/g;
const LANGUAGES = ["en", "zh"];
let language = kept("language") || (/^zh\b/i.test(navigator.language) ? "zh" : "en");

export const pageLanguage = () => language;

export function t(key, values = {}) {
  const pair = STRINGS[key];
  const text = pair ? pair[LANGUAGES.indexOf(language)] : key;
  return text.replace(BLANK, (_, name, one, more) => {
    const value = String(values[name] ?? "");
    return one === undefined ? value : `${value} ${value === "1" ? one : more}`;
  });
}

export const known = (key) => key in STRINGS;

// Fills what is marked: data-t (its words), data-t-label (its name), data-t-placeholder.
export function fill(root = document) {
  for (const node of root.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  for (const node of root.querySelectorAll("[data-t-label]")) {
    node.setAttribute("aria-label", t(node.dataset.tLabel));
    if (node.tagName === "BUTTON") node.title = t(node.dataset.tLabel);
  }
  for (const node of root.querySelectorAll("[data-t-placeholder]")) {
    node.placeholder = t(node.dataset.tPlaceholder);
  }
}

export function setLanguage(value) {
  language = LANGUAGES.includes(value) ? value : "en";
  keep("language", language);
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  fill();
  changed("language");
}

export const onLanguage = (act) => watch("language", act);

// Dates as this person's region writes them, in the language of the page.
const regions = [...(navigator.languages || []), "zh-CN", "en"];
export const locale = () => regions.find((one) => one.toLowerCase().startsWith(language));

export function milliseconds(value) {
  if (value >= 1000) return t("seconds", { value: (value / 1000).toFixed(2) });
  return t("milliseconds", { value: Math.round(value) });
}
