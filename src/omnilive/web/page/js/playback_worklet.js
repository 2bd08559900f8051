// In the audio thread: pieces from the network, played evenly. A small buffer evens out their arrival.
const START_MS = 80; // waits for this much, at the beginning and after running dry
const MOST_MS = 400; // more than this: silence between answers is skipped until it is less
const REPORT_MS = 250;

class Playback extends AudioWorkletProcessor {
  constructor() {
    super();
    this.pieces = [];
    this.at = 0; // next sample of the first piece
    this.buffered = 0;
    this.started = false;
    this.sinceReport = 0;
    this.port.onmessage = ({ data }) => this.#take(data);
  }

  #take(samples) {
    const tooMuch = this.buffered > (MOST_MS / 1000) * sampleRate;
    if (tooMuch && samples.every((value) => value === 0)) return;
    this.pieces.push(samples);
    this.buffered += samples.length;
    if (this.buffered >= (START_MS / 1000) * sampleRate) this.started = true;
  }

  process(_, [[out]]) {
    let filled = 0;
    while (this.started && filled < out.length && this.pieces.length) {
      const first = this.pieces[0];
      const count = Math.min(first.length - this.at, out.length - filled);
      for (let index = 0; index < count; index += 1) out[filled + index] = first[this.at + index] / 32768;
      filled += count;
      this.at += count;
      if (this.at === first.length) {
        this.pieces.shift();
        this.at = 0;
      }
    }
    this.buffered -= filled;
    if (this.started && this.buffered === 0) this.started = false;
    this.sinceReport += out.length;
    if (this.sinceReport >= (REPORT_MS / 1000) * sampleRate) {
      this.sinceReport = 0;
      this.port.postMessage(this.buffered);
    }
    return true;
  }
}

registerProcessor("omnilive-playback", Playback);
