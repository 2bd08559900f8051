// What the page tells the server of itself: how far its loudspeaker is behind, what its devices give.
import { command, on } from "./events.js";
import { current } from "./link.js";
import { isBlocked, isHeld, outputMs } from "./playback.js";
import { state } from "./state.js";

const SECOND_MS = 1000;
const AFTER_MS = 2000; // an answer's last words are still on their way for a while
let saidMs = -Infinity;
let beat = 0;

async function report() {
  beat += 1;
  const link = current();
  if (!link) return;
  if (state.floor === "answering" || state.floor === "held") saidMs = performance.now();
  const isSaying = performance.now() - saidMs < AFTER_MS;
  const isCaptureDue = beat % 2 === 0;
  if (!isSaying && !isCaptureDue) return;
  let figures;
  try {
    figures = await link.figures();
  } catch {
    return; // the link closed meanwhile
  }
  if (isSaying) {
    const { buffered_ms, received_ms } = figures;
    command("playback", { buffered_ms, output_ms: outputMs(), muted: isHeld() || isBlocked(), received_ms });
  }
  if (isCaptureDue) {
    const { captured_s, elapsed_s } = figures;
    command("capture", { captured_s, elapsed_s, microphone: state.microphone, camera: state.camera });
  }
}

setInterval(report, SECOND_MS);
on("speaking", () => {
  saidMs = performance.now();
});
