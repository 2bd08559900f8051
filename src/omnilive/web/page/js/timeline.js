// The timeline one can scrub: pointer, touch and keys move a cursor; a picture shows what was there.
import { $, calmly, show } from "./dom.js";
import { on } from "./events.js";
import { drawFilm } from "./film.js";
import { onLanguage, t } from "./i18n.js";
import { openMoment } from "./moment.js";
import { hidePeek, showPeek } from "./peek.js";
import { loadStreams, onStream } from "./streams.js";
import { binAt, clipBetween, forgetFound, knownClip, load } from "./timeline_data.js";
import { drawTrack } from "./timeline_draw.js";
import { SPANS, TimelineView } from "./timeline_view.js";
import { local, parts } from "./when.js";

const STEPS = 240; // an arrow key moves by this part of the stretch
const PAGE = 0.75;
const TAP_PX = 8;

const view = new TimelineView(Date.now());
let data = null;
let cursor = null; // ms, or null while none is shown
let loading = null;
let nothingAtAll = false;

// --- showing ---------------------------------------------------------------------------------

function draw(fresh = false) {
  drawTrack($("bars"), view, data);
  drawFilm(view, data, fresh);
  for (const button of $("zoom").children) button.setAttribute("aria-pressed", String(button.dataset.zoom === view.zoom));
  $("range").textContent = rangeText();
  $("later").disabled = view.following;
  $("to-now").disabled = view.following;
  const empty = data && !data.bins.some((bin) => bin.clips > 0);
  show($("memory-empty"), Boolean(empty));
  if (empty) $("memory-empty").textContent = t(nothingAtAll ? "memory_nothing" : "memory_range");
  place();
}

function rangeText() {
  const date = { weekday: "short", day: "numeric", month: "short" };
  const time = { hour: "2-digit", minute: "2-digit" };
  const to = Math.min(view.to, Date.now());
  if (view.span > SPANS.day) return `${local(view.from, date)} – ${local(to, date)}`;
  if (view.span === SPANS.day) return `${local(view.from, { ...date, ...time })} – ${local(to, { ...date, ...time })}`;
  return `${local(view.from, { ...date, ...time })} – ${local(to, time)}`;
}

async function refresh(fresh = false) {
  loading?.abort();
  loading = new AbortController();
  try {
    data = await load(view, loading.signal);
    draw(fresh);
  } catch (error) {
    if (error.name === "AbortError") return;
    show($("memory-empty"));
    $("memory-empty").textContent = t("memory_failed", { reason: error.message || t("no_server") });
  }
}

const refreshSoon = calmly(200, () => refresh());
const refreshLater = calmly(5000, () => {
  if (!view.following || document.hidden) return;
  nothingAtAll = false;
  view.follow(Date.now());
  refresh();
});

function moved() {
  draw();
  refreshSoon();
}

// --- the cursor ------------------------------------------------------------------------------

function place() {
  const shown = cursor !== null && cursor >= view.from && cursor <= view.to;
  $("cursor").classList.toggle("shown", shown);
  if (!shown) return;
  const share = view.share(cursor);
  $("cursor").style.left = `${100 * share}%`;
  const track = $("track");
  track.setAttribute("aria-valuenow", String(Math.round(100 * share)));
  track.setAttribute("aria-valuetext", `${whenText(cursor)}: ${whatText(cursor)}`);
}

const whenText = (time) =>
  local(time, { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", ...(view.span <= SPANS.day && { second: "2-digit" }) });

function whatText(time) {
  const bin = binAt(data, time);
  if (!bin || !bin.clips) return t("timeline_nothing");
  if (!data.exact) return "";
  const told = ["speech", "screen", "sound"].filter((kind) => bin[kind] > 0);
  return told.map((kind) => t(`count_${kind}`, { count: bin[kind] })).join(" · ") || t("count_none");
}

function moveTo(time) {
  cursor = Math.max(view.from, Math.min(view.to, time));
  place();
  const near = view.span / 60;
  const clip = knownClip(data, cursor, near);
  const seen = Boolean(binAt(data, cursor)?.clips);
  const later = () => (seen && !data.clips.length ? clipBetween(...around(cursor)) : null);
  showPeek(view.share(cursor), whenText(cursor), whatText(cursor), clip, later);
}

// The bins beside one place, on the grid of bins, so that neighbours share an answer.
function around(time) {
  const width = view.span / 60;
  const from = Math.floor(time / width) * width;
  return [from, from + width];
}

async function openAt(time) {
  const clip = knownClip(data, time, view.span / 60) || (await clipBetween(...around(time)).catch(() => null));
  if (clip) openMoment({ playable: false, text: "", kind: "picture", ...clip }, { play: true });
}

const timeOf = (event) => {
  const box = $("track").getBoundingClientRect();
  return view.at((event.clientX - box.left) / box.width);
};

// --- what a person does ----------------------------------------------------------------------

function zoom(to) {
  view.zoomTo(to, cursor ?? view.to - view.span / 2, Date.now());
  moved();
}

function pan(byMs) {
  view.pan(byMs, Date.now());
  if (cursor !== null) cursor = Math.max(view.from, Math.min(view.to, cursor));
  moved();
}

function key(event) {
  const step = event.shiftKey ? view.span / 12 : view.span / STEPS;
  const time = cursor ?? Math.min(view.to, Date.now());
  const acts = {
    ArrowLeft: () => go(time - step), ArrowRight: () => go(time + step),
    PageUp: () => go(time - PAGE * view.span), PageDown: () => go(time + PAGE * view.span),
    Home: () => go(view.from), End: () => go(view.to),
    "+": () => zoom(view.step(-1)), "=": () => zoom(view.step(-1)), "-": () => zoom(view.step(1)),
    Enter: () => openAt(time), " ": () => openAt(time),
  };
  if (!acts[event.key] || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  acts[event.key]();
}

function go(time) {
  const bounded = Math.min(time, Date.now());
  if (bounded < view.from) pan(-PAGE * view.span);
  else if (bounded > view.to) pan(PAGE * view.span);
  moveTo(bounded);
}

function listenToPointer() {
  const track = $("track");
  let downX = null;
  track.addEventListener("pointermove", (event) => moveTo(timeOf(event)));
  track.addEventListener("pointerdown", (event) => {
    downX = event.clientX;
    moveTo(timeOf(event));
  });
  track.addEventListener("pointerup", (event) => {
    if (downX !== null && Math.abs(event.clientX - downX) < TAP_PX) openAt(timeOf(event));
    downX = null;
  });
  track.addEventListener("pointerleave", () => {
    if (document.activeElement !== track || !track.matches(":focus-visible")) leave();
  });
  track.addEventListener("wheel", (event) => {
    const by = Math.abs(event.deltaX) > Math.abs(event.deltaY) ? event.deltaX : event.shiftKey ? event.deltaY : 0;
    if (!by) return;
    event.preventDefault();
    pan((by / track.clientWidth) * view.span);
  }, { passive: false });
}

function leave() {
  cursor = null;
  place();
  hidePeek();
}

function showNow() {
  view.follow(Date.now());
  moved();
}

export async function startTimeline() {
  for (const button of $("zoom").children) button.addEventListener("click", () => zoom(button.dataset.zoom));
  $("earlier").addEventListener("click", () => pan(-PAGE * view.span));
  $("later").addEventListener("click", () => pan(PAGE * view.span));
  $("to-now").addEventListener("click", showNow);
  $("track").addEventListener("keydown", key);
  $("track").addEventListener("blur", leave);
  listenToPointer();
  onLanguage(() => draw());
  onStream(() => refresh(true));
  new ResizeObserver(() => draw()).observe($("track"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw());
  document.addEventListener("omnilive-theme", () => draw());
  on("clip", refreshLater);
  on("forgotten", () => {
    forgetFound();
    refresh(true);
  });
  await reloadMemory();
}

// Begins where something is: at the present if it is being watched, else at the end of what was.
async function reloadMemory() {
  const streams = await loadStreams();
  nothingAtAll = streams.every((stream) => !stream.clips);
  const ends = streams.map((stream) => parts(stream.last_at)?.instant || 0);
  const last = Math.max(0, ...ends);
  const first = Math.min(last, ...streams.map((stream) => parts(stream.first_at)?.instant || last));
  if (last - first < SPANS.minutes) view.zoom = "minutes";
  if (last && Date.now() - last > SPANS.hour) view.end(last);
  else view.follow(Date.now());
  await refresh(true);
}

export const timelineState = () => ({ zoom: view.zoom, from: view.from, to: view.to, cursor, clips: data?.clips.length ?? 0 });
