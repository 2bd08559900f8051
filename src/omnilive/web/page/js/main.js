// The page begins here: each part is started once, and then they meet through state and messages.
import * as api from "./api.js";
import { startComposer } from "./composer.js";
import { addEarlier, clearConversation, isEmpty, startConversation } from "./conversation.js";
import { exposeDebug } from "./debug.js";
import { $ } from "./dom.js";
import { startFloor } from "./floor.js";
import { startHealth } from "./health.js";
import { fill } from "./i18n.js";
import { startKeyboard } from "./keyboard.js";
import { startLatency } from "./latency.js";
import { keptSince } from "./link.js";
import { startLevel } from "./level.js";
import { startMoment } from "./moment.js";
import { startPicture } from "./picture.js";
import "./reports.js";
import { startSearch } from "./search.js";
import { startSettings } from "./settings.js";
import { startStart } from "./start.js";
import { set, watch } from "./state.js";
import { startStreams } from "./streams.js";
import { startTimeline } from "./timeline.js";
import { startTrouble } from "./trouble.js";
import { startViewing } from "./viewer.js";
import { parts } from "./when.js";

const EARLIER = 10; // turns shown after a reload

async function enter({ viewer = false } = {}) {
  set("viewer", viewer);
  set("page", "talk");
  if (viewer) startViewing();
  $("scroll").focus({ preventScroll: true });
  if (!isEmpty()) return;
  const since = viewer ? new Date().setHours(0, 0, 0, 0) : keptSince();
  try {
    const turns = await api.turns(EARLIER);
    addEarlier(turns.filter((turn) => !turn.redacted && parts(turn.at)?.instant >= since));
  } catch {
    // The conversation is there all the same.
  }
}

function end() {
  set("page", "start");
  clearConversation();
}

// On a phone talk and memory are two views; on a wide screen both are there.
function startViews() {
  const views = { talk: $("view-talk"), memory: $("view-memory") };
  const draw = () => {
    for (const [name, button] of Object.entries(views)) {
      button.setAttribute("aria-pressed", String(document.body.dataset.view === name));
    }
  };
  for (const [name, button] of Object.entries(views)) {
    button.addEventListener("click", () => {
      document.body.dataset.view = name;
      document.dispatchEvent(new Event("omnilive-view"));
    });
  }
  document.addEventListener("omnilive-view", draw);
}

fill();
delete document.documentElement.dataset.loading;
watch("page", (page) => {
  document.body.dataset.page = page;
});
startViews();
startHealth();
startTrouble();
startFloor();
startLevel();
startPicture(end);
startConversation();
startComposer();
startLatency();
startMoment();
startSearch();
startStreams();
startSettings();
startKeyboard();
exposeDebug();
startTimeline();
startStart(enter);
