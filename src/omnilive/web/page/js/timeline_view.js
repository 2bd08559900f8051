// Which stretch of time the timeline shows. Pure: the present is passed in, so it can be reasoned about.
const HOUR_MS = 3_600_000;
export const SPANS = { minutes: HOUR_MS / 6, hour: HOUR_MS, day: 24 * HOUR_MS, week: 7 * 24 * HOUR_MS, month: 30 * 24 * HOUR_MS };
const ZOOMS = Object.keys(SPANS);
const AHEAD = 0.02; // room right of now, so that the newest bar does not touch the edge

export class TimelineView {
  constructor(nowMs) {
    this.zoom = "hour";
    this.follow(nowMs);
  }

  get span() {
    return SPANS[this.zoom];
  }

  get from() {
    return this.to - this.span;
  }

  follow(nowMs) {
    this.following = true;
    this.to = nowMs + AHEAD * this.span;
  }

  // Ends at `endMs`, which is not the present.
  end(endMs) {
    this.following = false;
    this.to = endMs + AHEAD * this.span;
  }

  // Zooms around a time that keeps its place.
  zoomTo(zoom, aroundMs, nowMs) {
    const share = (this.to - aroundMs) / this.span;
    this.zoom = zoom;
    if (this.following) this.follow(nowMs);
    else this.#place(aroundMs + share * this.span, nowMs);
  }

  step(by) {
    return ZOOMS[Math.max(0, Math.min(ZOOMS.length - 1, ZOOMS.indexOf(this.zoom) + by))];
  }

  pan(byMs, nowMs) {
    this.#place(this.to + byMs, nowMs);
  }

  show(atMs, nowMs) {
    if (atMs < this.from || atMs > this.to) this.#place(atMs + this.span / 2, nowMs);
  }

  share(atMs) {
    return (atMs - this.from) / this.span;
  }

  at(share) {
    return this.from + share * this.span;
  }

  #place(toMs, nowMs) {
    const latest = nowMs + AHEAD * this.span;
    this.following = toMs >= latest;
    this.to = Math.min(toMs, latest);
  }
}

// Times of the axis' marks: every so many minutes, hours or days of the browser's own clock.
const MINUTE_MS = 60_000;
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720].map((minutes) => minutes * MINUTE_MS);

export function marks(view, most) {
  const step = view.span <= 2 * SPANS.day && STEPS.find((one) => view.span / one <= most);
  const found = [];
  const at = new Date(view.from);
  at.setSeconds(0, 0);
  if (step) {
    at.setHours(0, 0, 0, 0);
    const first = at.getTime() + Math.ceil((view.from - at.getTime()) / step) * step;
    for (let time = first; time <= view.to; time += step) found.push(time);
    return found;
  }
  const days = Math.max(1, Math.ceil(view.span / SPANS.day / most));
  at.setHours(24, 0, 0, 0);
  while (at.getTime() <= view.to) {
    found.push(at.getTime());
    at.setDate(at.getDate() + days);
  }
  return found;
}
