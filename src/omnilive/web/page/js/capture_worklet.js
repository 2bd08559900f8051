// In the audio thread: the microphone as 16 kHz pieces of 40 ms.
import { Resampler } from "./resample.js";

const RATE = 16000;
const PIECE = 640;

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = new Resampler(sampleRate, RATE);
    this.piece = new Int16Array(PIECE);
    this.filled = 0;
  }

  process([[channel]]) {
    if (!channel) return true;
    for (const value of this.resampler.push(channel)) {
      this.piece[this.filled] = Math.max(-32768, Math.min(32767, Math.round(value * 32768)));
      this.filled += 1;
      if (this.filled === PIECE) this.#send();
    }
    return true;
  }

  #send() {
    const piece = this.piece.slice();
    this.port.postMessage(piece, [piece.buffer]);
    this.filled = 0;
  }
}

registerProcessor("omnilive-capture", Capture);
