// What the timeline knows of the stretch it shows: bins, clips, and one clip for any place in it.
import * as api from "./api.js";
import { chosenStream } from "./streams.js";
import { isoLocal, parts } from "./when.js";

const NUM_BINS = 240;
const MOST_KEPT = 400;
const found = new Map(); // "stream from to" -> a clip of that stretch, or null

const instant = (iso) => parts(iso)?.instant ?? 0;

export async function load(view, signal) {
  const answer = await api.timeline(
    { from: isoLocal(view.from), to: isoLocal(view.to), bins: NUM_BINS, stream: chosenStream() },
    signal,
  );
  return {
    from: instant(answer.from),
    to: instant(answer.to),
    exact: answer.exact,
    bins: answer.bins.map((bin) => ({ ...bin, time: instant(bin.at) })),
    clips: answer.clips.map((clip) => ({ ...clip, time: instant(clip.at) })),
    watched: answer.watched.map((one) => ({ from: instant(one.from), to: instant(one.to) })),
  };
}

export function binAt(data, time) {
  if (!data || !data.bins.length || time < data.from || time >= data.to) return null;
  const index = Math.floor(((time - data.from) / (data.to - data.from)) * data.bins.length);
  return data.bins[Math.min(index, data.bins.length - 1)];
}

// The clip that plays at `time`, or the nearest within `near` ms; null if it is not among those known.
export function knownClip(data, time, near) {
  let best = null;
  let least = near;
  for (const clip of data?.clips || []) {
    const length = (clip.end_s - clip.start_s) * 1000;
    const apart = Math.max(clip.time - time, time - clip.time - length, 0);
    if (apart <= least) [best, least] = [clip, apart];
  }
  return best;
}

// A clip between two times, asked for once; null if nothing was seen then.
export async function clipBetween(from, to) {
  const key = `${chosenStream()} ${Math.round(from)} ${Math.round(to)}`;
  if (!found.has(key)) {
    const listed = await api.moments({ kind: "picture", after: isoLocal(from), before: isoLocal(to), limit: 1, stream: chosenStream() });
    // What is still running may yet fill it.
    if (listed.length || to < Date.now() - 120_000) found.set(key, listed[0] || null);
    if (found.size > MOST_KEPT) found.delete(found.keys().next().value);
    return listed[0] || null;
  }
  return found.get(key);
}

export function forgetFound() {
  found.clear();
}
