// Light, dark, or as the system has it.
import { kept, keep } from "./kept.js";

export const theme = () => kept("theme", "auto");

export function setTheme(value) {
  keep("theme", value);
  const root = document.documentElement;
  if (value === "light" || value === "dark") root.dataset.theme = value;
  else delete root.dataset.theme;
  document.dispatchEvent(new Event("omnilive-theme"));
}
