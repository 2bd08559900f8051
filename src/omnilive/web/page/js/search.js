// Searching the memory: what was found stands above the timeline, best first.
import * as api from "./api.js";
import { $, el, show } from "./dom.js";
import { on } from "./events.js";
import { onLanguage, t } from "./i18n.js";
import { openMoment } from "./moment.js";
import { chosenStream } from "./streams.js";
import { thumbButton } from "./thumbs.js";

const MOST = 24;
const narrow = matchMedia("(max-width: 759px)");
let found = null; // {words, moments}; words "" are the latest moments

async function search() {
  const words = $("search-text").value.trim();
  if (!words) {
    close();
    return;
  }
  try {
    found = { words, moments: await api.moments({ q: words, stream: chosenStream(), limit: MOST }) };
  } catch (error) {
    found = { words, moments: [], problem: error.message || t("no_server") };
  }
  draw();
}

function draw() {
  if (!found) return;
  const { words, moments, problem } = found;
  const title = words ? t(moments.length ? "results" : "no_results", { count: moments.length, words }) : t("latest");
  $("results-title").textContent = problem || title;
  show($("results-close"), Boolean(words));
  $("results-list").replaceChildren(
    ...moments.map((moment) => el("li", {}, thumbButton(moment, "card", openMoment))),
  );
  show($("results"));
}

export function close() {
  const wasOpen = Boolean(found?.words);
  found = null;
  show($("results"), false);
  if (wasOpen) showLatest();
  return wasOpen;
}

// On a phone the memory has a view of its own: without a search it shows what came last.
async function showLatest() {
  if (!narrow.matches || document.body.dataset.view !== "memory" || found) return;
  try {
    const among = { limit: MOST, stream: chosenStream() };
    let moments = await api.moments({ ...among, kind: "speech,screen,sound" });
    if (!moments.length) moments = await api.moments({ ...among, kind: "picture" });
    if (found || !moments.length) return;
    found = { words: "", moments };
    draw();
  } catch {
    // The timeline above says what is wrong.
  }
}

export function startSearch() {
  $("search").addEventListener("submit", (event) => {
    event.preventDefault();
    search();
  });
  $("search-text").addEventListener("search", () => !$("search-text").value && close());
  $("results-close").addEventListener("click", () => {
    close();
    $("search-text").focus();
  });
  document.addEventListener("omnilive-view", () => {
    if (found && !found.words) found = null;
    showLatest();
  });
  onLanguage(draw);
  on("forgotten", ({ moments }) => {
    if (!found) return;
    found.moments = found.moments.filter((one) => !moments.includes(one.id));
    draw();
  });
}
