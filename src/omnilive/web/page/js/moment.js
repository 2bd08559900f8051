// A moment, opened: its recording or picture, what was perceived in it, and what one can do with it.
import * as api from "./api.js";
import { $, el, icon } from "./dom.js";
import { askToForget } from "./forget.js";
import { t } from "./i18n.js";
import { KIND_ICONS, kindName, words } from "./thumbs.js";
import { propose } from "./composer.js";
import { clock, isoDay, isoLocal, parts, when } from "./when.js";

const AHEAD_MS = [60_000, 1_800_000, 86_400_000];

let shown = "";

export async function openMoment(moment, { play = true } = {}) {
  const dialog = $("moment");
  shown = moment.id;
  draw(moment, play);
  if (!dialog.open) dialog.showModal();
  dialog.querySelector("h2").focus();
  try {
    const found = await whole(moment);
    if (shown !== moment.id || !dialog.open) return;
    // The timeline knows a clip's id and time only.
    if (found.playable !== moment.playable) draw(found, play);
    detail(found);
  } catch (error) {
    const gone = error.status === 404 || error.status === 410;
    dialog.querySelector(".inside").replaceChildren(el("li", {}, el("span"), el("span", {}, gone ? t("gone_moment") : t("no_server"))));
  }
}

function draw(moment, play) {
  const title = el("h2", { id: "moment-when", tabindex: "-1" }, when(moment.at), el("small", {}, moment.stream || ""));
  const close = el("button", { type: "button", class: "tool", "aria-label": t("close"), on: { click: () => $("moment").close() } }, icon("close"));
  const before = step("previous", "left", moment, -1);
  const after = step("next", "right", moment, 1);
  const hint = el("p", { class: "hint" });
  const box = el("div", { class: "screen-box" });
  const actions = el("div", { class: "actions" }, pinButton(moment), forgetButton(moment), askButton(moment));
  const inside = el("ul", { class: "inside" }, el("li", {}, el("span"), el("span", {}, t("loading"))));
  $("moment").replaceChildren(
    el("div", { class: "dialog-bar" }, title, before, after, close),
    el("div", { class: "dialog-body" }, el("div", {}, box, hint), el("div", { class: "side" }, inside, actions)),
  );
  if (moment.playable && play) playInto(box, hint, moment);
  else stillInto(box, hint, moment);
}

function playInto(box, hint, moment) {
  const video = el("video", { src: api.clip(moment.id), poster: api.picture(moment.id), controls: true, autoplay: true, playsinline: true, preload: "auto", "aria-label": words(moment) });
  video.addEventListener("error", () => {
    stillInto(box, hint, moment);
    hint.textContent = t("clip_failed");
  });
  box.replaceChildren(video);
}

function stillInto(box, hint, moment) {
  const image = el("img", { src: api.picture(moment.id), alt: words(moment), width: "640", height: "480" });
  image.addEventListener("error", () => box.replaceChildren(icon(KIND_ICONS[moment.kind] || "camera", "kind")));
  box.replaceChildren(image);
  hint.textContent = moment.playable ? "" : t("not_playable");
}

// What was said, read and heard there; the opened one stands out.
function detail({ inside, ...moment }) {
  const lines = (inside.length ? inside : [moment]).filter((one) => one.text);
  const list = lines.map((one) =>
    el(
      "li",
      { class: one.id === moment.id ? "this" : undefined },
      icon(KIND_ICONS[one.kind] || "camera"),
      el("span", { dir: "auto" }, one.text, el("small", {}, `${kindName(one.kind)} · ${clock(one.at, true)}`)),
    ),
  );
  if (!list.length) list.push(el("li", {}, el("span"), el("span", {}, t("nothing_inside"))));
  $("moment").querySelector(".inside").replaceChildren(...list);
  const button = $("moment-pin");
  if (button) setPinned(button, Boolean(moment.pinned));
}

// The moment, with everything perceived in its clip.
async function whole(moment) {
  const found = await api.moment(moment.id);
  if (found.inside.length || !found.clip || found.clip === found.id) return found;
  const clip = await api.moment(found.clip).catch(() => found);
  return { ...found, inside: clip.inside };
}

function pinButton(moment) {
  const button = el("button", { type: "button", id: "moment-pin", "aria-pressed": "false" }, icon("pin"), el("span", {}, t("pin")));
  setPinned(button, Boolean(moment.pinned));
  button.addEventListener("click", async () => {
    const wanted = button.getAttribute("aria-pressed") !== "true";
    setPinned(button, wanted);
    try {
      await api.pin(moment.id, wanted);
    } catch (error) {
      setPinned(button, !wanted);
      say(error);
    }
  });
  return button;
}

function setPinned(button, pinned) {
  button.setAttribute("aria-pressed", String(pinned));
  button.querySelector("span").textContent = t(pinned ? "pinned" : "pin");
}

function forgetButton(moment) {
  const act = async () => {
    if (await askToForget(moment)) $("moment").close();
  };
  return el("button", { type: "button", id: "moment-forget", on: { click: act } }, icon("trash"), t("forget"));
}

function askButton(moment) {
  const act = () => {
    $("moment").close();
    propose(t("ask_about_text", { day: isoDay(moment.at), time: clock(moment.at) }), moment.stream);
    document.body.dataset.view = "talk";
    document.dispatchEvent(new Event("omnilive-view"));
  };
  return el("button", { type: "button", id: "moment-ask", on: { click: act } }, icon("ask"), t("ask_about"));
}

// The clip before or after, in the same stream.
function step(key, name, moment, direction) {
  const act = async () => {
    try {
      const next = await neighbour(moment, direction);
      if (next) openMoment(next);
    } catch (error) {
      say(error);
    }
  };
  return el("button", { type: "button", class: "tool", "aria-label": t(key), title: t(key), on: { click: act } }, icon(name));
}

// Moments are listed newest first, so what comes after is looked for in stretches that grow.
async function neighbour(moment, direction) {
  const others = { kind: "picture", stream: moment.stream };
  const isOther = (one) => one.id !== moment.id && one.id !== moment.clip;
  if (direction < 0) return (await api.moments({ ...others, before: moment.at, limit: 2 })).find(isOther);
  for (const length of AHEAD_MS) {
    const before = isoLocal(parts(moment.at).instant + length);
    const found = await api.moments({ ...others, after: moment.at, before, limit: 200 });
    const next = found.filter(isOther).at(-1);
    if (next) return next;
  }
  return null;
}

function say(error) {
  const hint = $("moment").querySelector(".hint");
  if (hint) hint.textContent = error.message || t("no_server");
}

export function startMoment() {
  const dialog = $("moment");
  // Closing lets the recording go, however it is closed.
  dialog.addEventListener("close", () => dialog.replaceChildren());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
}
