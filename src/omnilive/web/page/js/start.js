// The first screen: what will be used, one button; and what to do when the server will not have us.
import * as api from "./api.js";
import { $, show } from "./dom.js";
import { canAsk, isGranted, openDevices } from "./devices.js";
import { onLanguage, t } from "./i18n.js";
import { keep, kept } from "./kept.js";
import { begin, giveUp, hasSession, keptMode } from "./link.js";
import { openSound } from "./playback.js";
import { set, state } from "./state.js";

let entered = () => {};
let problem = null; // () => text
let ticking = 0;

function draw() {
  show($("start-problem"), Boolean(problem));
  $("start-problem").textContent = problem ? problem() : "";
  $("start-talking").textContent = t(state.connection === "connecting" ? "starting" : hasSession() ? "continue" : "start");
}

function say(words) {
  clearInterval(ticking);
  problem = words;
  draw();
}

const devicesOf = (mode) => ["microphone", "camera"].filter((device) => mode[device]);

async function talk(mode) {
  for (const id of ["start-talking", "start-typing"]) $(id).disabled = true;
  say(null);
  set("connection", "connecting");
  openSound(); // while the click still counts
  draw();
  try {
    await openDevices(devicesOf(mode));
    await begin(mode);
    entered();
  } catch (error) {
    giveUp();
    refused(error);
  } finally {
    for (const id of ["start-talking", "start-typing"]) $(id).disabled = false;
    draw();
  }
}

function refused(error) {
  if (error.status === 401) locked();
  else if (error.code === "store_busy") entered({ viewer: true });
  else if (error.status === 429) full(error.retry || 5);
  else if (!error.status) say(() => t("no_server"));
  else say(() => t("refused", { reason: error.message }));
}

function locked(key = "locked") {
  say(() => t(key));
  show($("login"));
  show($("start-buttons"), false);
}

// Counts down, so that a person sees when trying again makes sense.
function full(seconds) {
  let left = seconds;
  const words = () => t("session_limit", { seconds: left });
  say(words);
  ticking = setInterval(() => {
    left -= 1;
    if (left <= 0) clearInterval(ticking);
    draw();
  }, 1000);
}

async function login(event) {
  event.preventDefault();
  try {
    await api.login($("token").value.trim());
    location.replace("/");
  } catch (error) {
    if (error.status === 401) locked("token_wrong");
    else say(() => error.message || t("no_server"));
  }
}

// After a reload the conversation goes on by itself where the browser asks nothing.
async function goOn() {
  const mode = keptMode();
  const granted = await Promise.all(devicesOf(mode).map(isGranted));
  if (granted.every(Boolean)) await talk(mode);
}

export async function startStart(enter) {
  entered = enter;
  const insecure = !canAsk();
  for (const device of ["microphone", "camera"]) {
    const box = $(`use-${device}`);
    box.checked = !insecure && kept(`use_${device}`, true);
    box.disabled = insecure;
    box.addEventListener("change", () => keep(`use_${device}`, box.checked));
  }
  if (insecure) say(() => t("insecure"));
  $("start-talking").addEventListener("click", () => talk({ microphone: $("use-microphone").checked, camera: $("use-camera").checked }));
  $("start-typing").addEventListener("click", () => talk({ microphone: false, camera: false }));
  $("login").addEventListener("submit", login);
  onLanguage(draw);
  draw();
  const failed = new URLSearchParams(location.search).get("login") === "failed";
  if (failed) locked("token_wrong");
  try {
    const status = await api.status();
    if (status.leaves_machine?.length) leaves(status.leaves_machine);
    if (status.remembers === false) entered({ viewer: true });
    else if (hasSession()) await goOn();
  } catch (error) {
    if (error.status === 401) locked(failed ? "token_wrong" : "locked");
    else if (error.status !== 404) refused(error);
  }
}

// Said before anything is switched on: what another computer gets to see.
function leaves(sentences) {
  const hint = $("uses-elsewhere");
  hint.textContent = sentences.join(" ");
  show(hint);
}
