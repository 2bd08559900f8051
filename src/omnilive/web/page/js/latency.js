// How long the last answer took, from the end of the question to its first sound, stage by stage.
import { $, el, show } from "./dom.js";
import { on } from "./events.js";
import { known, milliseconds, onLanguage, t } from "./i18n.js";

let last = null;

// Stages come as an object {name: ms} in their order.
function draw() {
  if (!last) return;
  const stages = Object.entries(last.stages).filter(([, ms]) => ms > 0);
  const name = (stage) => (known(`stage_${stage}`) ? t(`stage_${stage}`) : stage.replaceAll("_", " "));
  $("latency-total").textContent = milliseconds(last.total_ms);
  $("latency-bar").replaceChildren(
    ...stages.map(([, ms]) => {
      const part = el("i");
      part.style.flexGrow = String(Math.max(1, ms));
      return part;
    }),
  );
  $("latency-stages").replaceChildren(
    ...stages.map(([stage, ms]) => el("li", {}, `${name(stage)} `, el("b", {}, milliseconds(ms)))),
  );
  show($("latency"));
}

export function startLatency() {
  on("latency", (message) => {
    last = message;
    draw();
  });
  onLanguage(draw);
}
