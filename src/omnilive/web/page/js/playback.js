// What is heard: the source of a link -> gain -> loudspeaker. Holding is a gain of 0, so it is at once.
import { on } from "./events.js";

const RAMP_S = 0.005; // long enough not to click, short enough not to be heard
const GAIN_ALL = 1;

let context = null;
let gain = null;
let source = null;
let starter = null;
let held = false;
let blockedAct = () => {};

// Call from a click: browsers start sound only then. `rate` 0 is the device's own.
export function openSound(rate = 0) {
  if (context && context.state !== "closed" && (!rate || context.sampleRate === rate)) {
    context.resume().catch(() => {});
    return context;
  }
  disconnect();
  context?.close();
  context = new AudioContext({ latencyHint: "interactive", ...(rate && { sampleRate: rate }) });
  gain = context.createGain();
  gain.gain.value = held ? 0 : GAIN_ALL;
  gain.connect(context.destination);
  context.addEventListener("statechange", () => blockedAct(context.state === "suspended"));
  context.resume().catch(() => {});
  return context;
}

// act(blocked): the browser keeps the sound off until a person clicks.
export function onBlocked(act) {
  blockedAct = act;
}

export const isBlocked = () => context !== null && context.state === "suspended";
export const wake = () => context?.resume();

// Chromium decodes a received track only where a media element takes it; that one stays muted.
export function playTrack(track) {
  openSound();
  disconnect();
  const stream = new MediaStream([track]);
  starter = new Audio();
  starter.muted = true;
  starter.srcObject = stream;
  starter.play().catch(() => {});
  playNode(context.createMediaStreamSource(stream));
}

export function playNode(node) {
  if (source && source !== node) source.disconnect();
  source = node;
  source.connect(gain);
}

function disconnect() {
  source?.disconnect();
  source = null;
  if (starter) starter.srcObject = null;
  starter = null;
}

export const closeSound = disconnect;

function turn(value) {
  if (!gain) return;
  const now = context.currentTime;
  gain.gain.cancelScheduledValues(now);
  gain.gain.setValueAtTime(gain.gain.value, now);
  gain.gain.linearRampToValueAtTime(value, now + RAMP_S);
}

export function hold() {
  held = true;
  turn(0);
}

export function release() {
  held = false;
  turn(GAIN_ALL);
}

export const isHeld = () => held;
export const outputMs = () => (context ? 1000 * (context.outputLatency || context.baseLatency || 0) : 0);
export const output = () => ({ context, node: gain });

// A held answer comes back with `resume`; a new one begins with its first phrase.
on("hold", hold);
on("interruption", hold);
on("resume", release);
on("speaking", release);
