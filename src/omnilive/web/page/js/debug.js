// window.omnilive: what the page knows, for tests and the curious. Reading it changes nothing.
//   state()     a copy of state.js: session, floor, settings, devices, connection ...
//   received()  how many messages of each kind came
//   ignored()   messages the page leaves alone, and why
//   output()    {context, node}: the audio node that really goes to the loudspeaker; a test may record it
//   held()      whether the page has muted the answer
//   timeline()  the stretch of time the timeline shows
//   figures()   promise of {captured_s, elapsed_s, buffered_ms, received_ms} of the connection, or null
import { IGNORED, received } from "./events.js";
import { current } from "./link.js";
import { isHeld, output } from "./playback.js";
import { state } from "./state.js";
import { timelineState } from "./timeline.js";

export function exposeDebug() {
  const handle = {
    state: () => structuredClone(state),
    received,
    ignored: () => ({ ...IGNORED }),
    output,
    held: isHeld,
    timeline: timelineState,
    figures: async () => (current() ? current().figures() : null),
  };
  Object.defineProperty(window, "omnilive", { value: Object.freeze(handle) });
}
