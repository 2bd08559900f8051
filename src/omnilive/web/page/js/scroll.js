// The transcript stays at its newest line, unless a person has scrolled up to read.
import { $, show } from "./dom.js";

const NEAR_PX = 48;
let following = true;

const room = () => $("scroll");

export function followNewest() {
  if (following) room().scrollTop = room().scrollHeight;
  else show($("to-newest"));
}

export function toNewest() {
  following = true;
  show($("to-newest"), false);
  room().scrollTop = room().scrollHeight;
}

export function startScroll() {
  room().addEventListener("scroll", () => {
    following = room().scrollHeight - room().scrollTop - room().clientHeight < NEAR_PX;
    if (following) show($("to-newest"), false);
  }, { passive: true });
  $("to-newest").addEventListener("click", toNewest);
  new ResizeObserver(() => following && followNewest()).observe(room());
}
