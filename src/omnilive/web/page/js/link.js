// The connection of this tab's conversation: opened, kept through reloads and lost networks, ended.
import { endSession, openSession, Refused } from "./api.js";
import { closeDevices, onDevices } from "./devices.js";
import { on, receive, setSender } from "./events.js";
import { keepSession, keptSession } from "./kept.js";
import { closeSound, openSound } from "./playback.js";
import { set, state } from "./state.js";
import { SocketLink } from "./websocket.js";
import { WebRtcLink } from "./webrtc.js";

const RTC_MS = 6000; // WebRTC has this long to find a way
const SOCKET_MS = 6000;
const WAITS_MS = [500, 1000, 2000, 4000, 8000];
const NO_OFFER = [400, 415, 500, 501]; // the server cannot take our offer: worth the other way
const PING_MS = 5000;
const SILENT_MS = 15_000; // no answer to a ping for so long: the server is gone, whatever the link says

// A goodbye after which the page does not come back by itself: `bye` says it in the language of the conversation.
const LAST = [
  ["replaced", /^replaced|took the place|取代/],
  ["ended", /^closed|^grace|was ended|已结束/],
];

let link = null;
let attempt = 0; // counts tries to connect; an older one that comes back late is dropped
let failures = 0;
let timer = 0;
let socketOnly = false;
let farewell = "";
let heardMs = 0;
const acts = { trouble: () => {}, device: () => {} };

// trouble(code, Refused or null): something a person should know, see trouble.js.
export function onTrouble({ trouble, device }) {
  Object.assign(acts, { trouble, device });
}

export const current = () => link;
export const hasSession = () => Boolean(keptSession().id);
export const keptMode = () => keptSession().mode || null;
export const keptSince = () => keptSession().since || 0;

// Starts or continues this tab's conversation. Throws Refused where the server will not have it.
export async function begin(mode) {
  openSound();
  const before = keptSession();
  await connect(before.id, mode);
}

async function connect(session, mode) {
  clearTimeout(timer);
  const mine = ++attempt;
  set("connection", failures || link ? "waiting" : "connecting");
  drop();
  let id = session;
  let opened;
  try {
    if (!id) id = await newSession();
    try {
      opened = await dial(id);
    } catch (error) {
      if (error.status !== 404) throw error;
      // The server forgot it (it ended after a minute alone, or the server is another one by now).
      id = await newSession();
      acts.trouble("fresh_session", null);
      opened = await dial(id);
    }
  } catch (error) {
    if (mine !== attempt) return; // a newer try is under way: this one's failure concerns nobody
    throw error;
  }
  if (mine !== attempt) {
    opened.close();
    return;
  }
  keepSession({ id, mode, since: keptSession().since || Date.now() });
  link = opened;
  failures = 0;
  farewell = "";
  heardMs = performance.now();
  setSender((message) => link?.send(message) ?? false);
  set("session", id);
  set("transport", link.kind);
  set("connection", "live");
}

async function newSession() {
  const { id } = await openSession();
  keepSession({});
  return id;
}

async function dial(session) {
  if (!socketOnly && "RTCPeerConnection" in window) {
    let made = null;
    try {
      made = new WebRtcLink(session, linkActs());
      return await within(RTC_MS, made);
    } catch (error) {
      if (error instanceof Refused && !NO_OFFER.includes(error.status)) throw error;
      if (isLate(error) && !made?.answered) throw new Refused("", 0, "unreachable");
      socketOnly = true;
    }
  }
  return within(SOCKET_MS, new SocketLink(session, linkActs()));
}

const isLate = (error) => error.name === "AbortError" || error.message === "time";

async function within(ms, made) {
  const abort = new AbortController();
  const late = setTimeout(() => abort.abort(), ms);
  try {
    await made.open(abort.signal);
    return made;
  } catch (error) {
    made.close(true);
    throw error;
  } finally {
    clearTimeout(late);
  }
}

function linkActs() {
  return {
    message: (object) => {
      heardMs = performance.now();
      receive(object);
    },
    down: () => lost(),
  };
}

function lost() {
  setSender(null);
  const last = LAST.find(([, words]) => words.test(farewell));
  if (last) {
    drop();
    set("connection", "lost");
    acts.trouble(last[0], null);
    return;
  }
  again();
}

// Tries again after a while, longer each time; what is on the page stays.
function again(error = null) {
  if (state.connection === "idle") return;
  set("connection", "waiting");
  if (error instanceof Refused && [401, 403, 409].includes(error.status)) {
    set("connection", "lost");
    acts.trouble(error.status === 409 ? "store_busy" : "locked", error);
    return;
  }
  failures += 1;
  if (error?.status === 429) acts.trouble("full", error);
  else if (failures === 2) acts.trouble(navigator.onLine ? "gone" : "offline", error);
  clearTimeout(timer);
  const wait = Math.max(WAITS_MS[Math.min(failures, WAITS_MS.length) - 1], (error?.retry || 0) * 1000);
  timer = setTimeout(reconnect, wait);
}

export async function reconnect() {
  const { id, mode } = keptSession();
  try {
    await connect(id, mode || { microphone: true, camera: true });
  } catch (error) {
    again(error);
  }
}

export async function leave() {
  const { id } = keptSession();
  attempt += 1;
  clearTimeout(timer);
  drop(true);
  closeDevices();
  closeSound();
  keepSession({});
  failures = 0;
  set("connection", "idle");
  set("session", "");
  if (id) await endSession(id).catch(() => {}); // gone already: that is what was wanted
}

// Ends a try that failed before it began, so that a person can start again.
export function giveUp() {
  attempt += 1;
  clearTimeout(timer);
  drop();
  closeDevices();
  set("connection", "idle");
}

function drop(goodbye = false) {
  setSender(null);
  const old = link;
  link = null;
  old?.close(goodbye);
}

onDevices({
  problem: (device, what) => acts.device(device, what),
  changed: (device, found) => {
    // A device that this link was not opened with needs a new offer, to the same session.
    if (link && !link.replace(device, found)) reconnect();
  },
});

on("hello", (message) => {
  set("stream", message.stream);
  set("session", message.session);
});
on("bye", ({ reason, code }) => {
  farewell = `${code || ""} ${reason || ""}`;
});
on("pong", () => {
  heardMs = performance.now();
});

setInterval(() => {
  if (!link) return;
  link.send({ command: "ping", time: Math.round(performance.now()) });
  // A tab in the background is slowed down; only silence while it looked counts.
  if (performance.now() - heardMs > SILENT_MS && !document.hidden) {
    link.close();
    lost();
  }
}, PING_MS);

window.addEventListener("online", () => {
  socketOnly = false; // another network, another chance
  if (state.connection === "waiting") reconnect();
});
window.addEventListener("offline", () => state.connection !== "idle" && acts.trouble("offline", null));
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) heardMs = performance.now();
});
