// Sound at one rate from sound at another: a windowed sinc, in pieces, the same as in one go.
const ZERO_CROSSINGS = 16;
const PHASES = 512; // places between two samples; nearer than this cannot be told apart at 16 bits of speech

export class Resampler {
  constructor(from, to) {
    this.step = from / to;
    this.cutoff = Math.min(1, to / from) * 0.94; // of the lower Nyquist frequency
    this.half = Math.ceil(ZERO_CROSSINGS / this.cutoff);
    this.kept = new Float32Array(this.half);
    this.at = this.half; // where the next sample lies in what is kept
    this.weights = new Map(); // by phase, made when first met: few of them for the usual rates
  }

  // Returns what became whole with these samples; the last few wait for the next piece.
  push(samples) {
    const all = new Float32Array(this.kept.length + samples.length);
    all.set(this.kept);
    all.set(samples, this.kept.length);
    const out = [];
    while (this.at + this.half < all.length) {
      out.push(this.#value(all, this.at));
      this.at += this.step;
    }
    const from = Math.max(0, Math.floor(this.at) - this.half);
    this.kept = all.slice(from);
    this.at -= from;
    return Float32Array.from(out);
  }

  #value(all, at) {
    const whole = Math.floor(at);
    const weights = this.#weightsOf(Math.floor((at - whole) * PHASES));
    let sum = 0;
    for (let index = 0; index < weights.length; index += 1) {
      sum += (all[whole - this.half + 1 + index] || 0) * weights[index];
    }
    return sum;
  }

  #weightsOf(phase) {
    const made = this.weights.get(phase);
    if (made) return made;
    const weights = new Float32Array(2 * this.half);
    for (let index = 0; index < weights.length; index += 1) {
      const x = index - this.half + 1 - phase / PHASES;
      const angle = Math.PI * x * this.cutoff;
      const sinc = Math.abs(angle) < 1e-9 ? 1 : Math.sin(angle) / angle;
      weights[index] = this.cutoff * sinc * (0.5 + 0.5 * Math.cos((Math.PI * x) / this.half));
    }
    this.weights.set(phase, weights);
    return weights;
  }
}
