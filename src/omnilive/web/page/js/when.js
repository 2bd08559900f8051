// Times as people read them. A moment's own wall clock (ISO 8601 with offset) is shown as it stood.
import { locale, t } from "./i18n.js";

const ISO = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(Z|[+-]\d\d:?\d\d)?$/;

// Returns {instant: ms of UTC, wall: ms of that clock read as UTC}, or null for what is no time.
export function parts(iso) {
  const match = ISO.exec(iso || "");
  if (!match) return null;
  const [, year, month, day, hour, minute, second, fraction, zone] = match;
  const wall = Date.UTC(year, month - 1, day, hour, minute, second) + Number(`0.${fraction || 0}`) * 1000;
  return { wall, instant: wall - offsetMs(zone, wall) };
}

function offsetMs(zone, wall) {
  if (!zone) return -new Date(wall).getTimezoneOffset() * 60_000;
  if (zone === "Z") return 0;
  const [hours, minutes] = [zone.slice(1, 3), zone.slice(-2)].map(Number);
  return (zone[0] === "-" ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}

const written = (wall, options) =>
  new Intl.DateTimeFormat(locale(), { ...options, timeZone: "UTC", hourCycle: "h23" }).format(wall);

export const clock = (iso, seconds = false) => {
  const time = parts(iso);
  if (!time) return "";
  return written(time.wall, { hour: "2-digit", minute: "2-digit", ...(seconds && { second: "2-digit" }) });
};

// "Today 14:03:05", "Yesterday 09:12:40", "Tue 12 May 14:03:05".
export function day(iso) {
  const time = parts(iso);
  if (!time) return "";
  const now = Date.now() + (time.wall - time.instant);
  const apart = Math.floor(now / 86_400_000) - Math.floor(time.wall / 86_400_000);
  if (apart === 0) return t("today");
  if (apart === 1) return t("yesterday");
  const far = Math.abs(apart) > 300;
  return written(time.wall, { weekday: "short", day: "numeric", month: "short", ...(far && { year: "numeric" }) });
}

export const when = (iso) => `${day(iso)} ${clock(iso, true)}`.trim();
export const isoDay = (iso) => (iso || "").slice(0, 10);

// The page's own clock, for the timeline: what `at` (ms) reads in this browser's zone.
export function local(at, options) {
  return new Intl.DateTimeFormat(locale(), { hourCycle: "h23", ...options }).format(at);
}

export function isoLocal(at) {
  const offset = -new Date(at).getTimezoneOffset();
  const two = (value) => String(Math.floor(Math.abs(value))).padStart(2, "0");
  const wall = new Date(at + offset * 60_000).toISOString().slice(0, -1);
  return `${wall}${offset < 0 ? "-" : "+"}${two(offset / 60)}:${two(offset % 60)}`;
}
