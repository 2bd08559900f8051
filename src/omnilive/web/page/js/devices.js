// Microphone and camera: asked for, switched, lost and found again. Tracks live here, links only send them.
import { kept, keep } from "./kept.js";
import { set, state } from "./state.js";

const PROBLEMS = {
  NotAllowedError: "denied", SecurityError: "denied",
  NotFoundError: "none", OverconstrainedError: "none",
  NotReadableError: "busy", AbortError: "busy",
};
const tracks = { microphone: null, camera: null };
const acts = { problem: () => {}, changed: () => {} };

// problem(device, what): what is denied, none, busy or lost. changed(device, track or null): to be sent from now on.
export function onDevices({ problem, changed }) {
  Object.assign(acts, { problem, changed });
}

export const track = (device) => tracks[device];
export const canAsk = () => Boolean(navigator.mediaDevices?.getUserMedia);

function wanted(device) {
  const chosen = kept(device);
  const exactly = chosen ? { deviceId: { ideal: chosen } } : {};
  if (device === "camera") {
    const facing = chosen ? {} : { facingMode: "user" };
    return { video: { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 24, max: 30 }, ...exactly, ...facing } };
  }
  // Sounds are to be told apart by level and timbre, so only the echo is taken out.
  return { audio: { channelCount: 1, echoCancellation: kept("echo", true), noiseSuppression: false, autoGainControl: false, ...exactly } };
}

// Both at once, so that a person is asked once; where that fails, each by itself.
export async function openDevices(names) {
  if (!canAsk() || names.length === 0) return;
  if (names.length === 2) {
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ ...wanted("microphone"), ...wanted("camera") });
      take("microphone", stream.getAudioTracks()[0]);
      take("camera", stream.getVideoTracks()[0]);
      return;
    } catch {
      // One of them is missing or refused: which, is found out below.
    }
  }
  for (const name of names) await openDevice(name);
}

export async function openDevice(device) {
  try {
    const stream = await navigator.mediaDevices.getUserMedia(wanted(device));
    take(device, stream.getTracks()[0]);
    return true;
  } catch (error) {
    const what = PROBLEMS[error.name] || "busy";
    set(device, what === "denied" ? "denied" : "lost");
    acts.problem(device, what);
    return false;
  }
}

function take(device, found) {
  drop(device);
  tracks[device] = found;
  if (device === "camera") found.contentHint = "detail";
  found.addEventListener("ended", () => {
    if (tracks[device] !== found) return;
    tracks[device] = null;
    set(device, "lost");
    acts.changed(device, null);
    acts.problem(device, "lost");
  });
  set(device, "on");
  acts.changed(device, found);
}

function drop(device) {
  const old = tracks[device];
  tracks[device] = null;
  old?.stop();
}

// The microphone is muted in place (at once, nothing to ask again); the camera is let go, so its light goes out.
export async function switchDevice(device) {
  const now = tracks[device];
  if (now && device === "microphone") {
    now.enabled = !now.enabled;
    set(device, now.enabled ? "on" : "off");
  } else if (now) {
    drop(device);
    set(device, "off");
    acts.changed(device, null);
  } else {
    await openDevice(device);
  }
}

export async function chooseDevice(device, name) {
  keep(device, name);
  if (tracks[device]) await openDevice(device);
}

// As in a mirror only where the camera surely looks at its user: what one shows it should be readable.
export const isMirrored = () => tracks.camera?.getSettings().facingMode === "user";

export function closeDevices() {
  for (const device of Object.keys(tracks)) {
    drop(device);
    if (state[device] === "on") set(device, "off");
  }
}

export async function listDevices() {
  if (!navigator.mediaDevices?.enumerateDevices) return { microphone: [], camera: [] };
  const all = await navigator.mediaDevices.enumerateDevices();
  const named = (kind) => all.filter((one) => one.kind === kind && one.label);
  return { microphone: named("audioinput"), camera: named("videoinput") };
}

// Whether the browser will give a device without asking a person.
export async function isGranted(device) {
  try {
    return (await navigator.permissions.query({ name: device })).state === "granted";
  } catch {
    return false;
  }
}
