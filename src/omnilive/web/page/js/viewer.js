// Only looking: another program writes the memory, so the newest picture it remembered stands for the camera.
import * as api from "./api.js";
import { $, show } from "./dom.js";
import { onLanguage, t } from "./i18n.js";
import { notice } from "./notices.js";
import { set } from "./state.js";
import { when } from "./when.js";

const EVERY_MS = 10_000;
let newest = null;

function draw() {
  if (!newest) return;
  $("last-seen").src = api.picture(newest.id);
  $("stream-name").textContent = `${newest.stream} · ${t("last_seen", { when: when(newest.at) })}`;
  for (const id of ["last-seen", "stream-name"]) show($(id));
  show($("no-picture"), false);
}

async function look() {
  if (document.hidden) return;
  try {
    const [found] = await api.moments({ kind: "picture", limit: 1 });
    if (!found || found.id === newest?.id) return;
    newest = found;
    draw();
  } catch {
    // The timeline says what is wrong with the memory.
  }
}

export function startViewing() {
  set("connection", "viewer");
  document.body.classList.add("viewing");
  notice("viewer", () => t("viewer"));
  onLanguage(draw);
  look();
  setInterval(look, EVERY_MS);
}
