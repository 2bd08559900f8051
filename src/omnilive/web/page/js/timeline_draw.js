// The track of the timeline: a bar a bin (said, read, heard), a line where something was watched, the hours.
import { SPANS, marks } from "./timeline_view.js";
import { local } from "./when.js";

const AXIS_PX = 18;
const TOP_PX = 6;
const LABEL_PX = 76;
const LEAST_PX = 2;

function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  return { said: of("--accent"), read: of("--quiet"), heard: of("--faint"), line: of("--line"), label: of("--quiet"), font: getComputedStyle(document.body).fontFamily };
}

export function drawTrack(canvas, view, data) {
  const { width, height } = canvas.parentElement.getBoundingClientRect();
  const scale = window.devicePixelRatio || 1;
  if (!width) return;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  const ink = colours();
  const floor = height - AXIS_PX;
  pen.fillStyle = ink.line;
  pen.fillRect(0, floor - 1, width, 1);
  if (data) {
    drawWatched(pen, view, data, width, floor, ink);
    drawBins(pen, view, data, width, floor, ink);
  }
  drawAxis(pen, view, width, height, ink);
}

function drawWatched(pen, view, data, width, floor, ink) {
  pen.fillStyle = ink.heard;
  for (const { from, to } of data.watched) {
    const left = Math.max(0, view.share(from) * width);
    const right = Math.min(width, view.share(to) * width);
    if (right > left) pen.fillRect(left, floor - LEAST_PX, Math.max(1, right - left), LEAST_PX);
  }
}

function drawBins(pen, view, data, width, floor, ink) {
  const parts = data.bins.map((bin) =>
    data.exact ? [[bin.speech, ink.said], [bin.screen, ink.read], [bin.sound, ink.heard]] : [[bin.clips, ink.heard]],
  );
  const total = (part) => part.reduce((sum, [count]) => sum + (count || 0), 0);
  const most = Math.max(1, ...parts.map(total));
  const slot = (width * (data.to - data.from)) / view.span / Math.max(1, data.bins.length);
  const thick = Math.max(1, slot > 3 ? slot - 1 : slot);
  data.bins.forEach((bin, index) => {
    const all = total(parts[index]);
    if (!all) return;
    // The square root lets a quiet minute be seen beside a busy one.
    const high = Math.max(4, Math.sqrt(all / most) * (floor - TOP_PX));
    let bottom = floor;
    for (const [count, colour] of parts[index]) {
      const part = (high * (count || 0)) / all;
      pen.fillStyle = colour;
      pen.fillRect(view.share(bin.time) * width, bottom - part, thick, part);
      bottom -= part;
    }
  });
}

function drawAxis(pen, view, width, height, ink) {
  pen.font = `11px ${ink.font}`;
  pen.textBaseline = "alphabetic";
  const byDay = view.span > 2 * SPANS.day;
  for (const time of marks(view, Math.max(2, Math.floor(width / LABEL_PX)))) {
    const x = Math.round(view.share(time) * width);
    pen.fillStyle = ink.line;
    pen.fillRect(x, height - AXIS_PX, 1, 4);
    const midnight = local(time, { hour: "2-digit", minute: "2-digit" }) === "00:00";
    const options = byDay || midnight ? { weekday: "short", day: "numeric" } : { hour: "2-digit", minute: "2-digit" };
    const text = local(time, options);
    const wide = pen.measureText(text).width;
    if (x + 4 + wide > width) continue;
    pen.fillStyle = ink.label;
    pen.fillText(text, x + 4, height - 3);
  }
}
