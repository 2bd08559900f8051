// The live picture and the buttons below it.
import { $, setIcon, show } from "./dom.js";
import { isMirrored, switchDevice, track } from "./devices.js";
import { command } from "./events.js";
import { onLanguage, t } from "./i18n.js";
import { leave } from "./link.js";
import { state, watch } from "./state.js";

function draw() {
  const found = track("camera");
  const video = $("picture");
  if (found && video.srcObject?.getVideoTracks()[0] !== found) video.srcObject = new MediaStream([found]);
  if (!found) video.srcObject = null;
  video.classList.toggle("mirrored", Boolean(found) && isMirrored());
  show($("no-picture"), !found);
  $("no-picture-text").textContent = t(state.camera === "off" ? "camera_off" : "no_live");
  button("toggle-microphone", state.microphone === "on", "mic");
  button("toggle-camera", state.camera === "on", "camera");
  button("toggle-sound", state.settings.speak !== false, "sound");
  if (state.viewer) return;
  show($("stream-name"), Boolean(state.stream));
  $("stream-name").textContent = state.stream;
}

function button(id, pressed, name) {
  $(id).setAttribute("aria-pressed", String(pressed));
  setIcon($(id), pressed ? name : `${name}-off`);
}

export function startPicture(ended) {
  for (const name of ["camera", "microphone", "settings", "stream", "connection"]) watch(name, draw);
  onLanguage(draw);
  $("toggle-microphone").addEventListener("click", () => switchDevice("microphone"));
  $("toggle-camera").addEventListener("click", () => switchDevice("camera"));
  $("toggle-sound").addEventListener("click", () => command("settings", { speak: state.settings.speak === false }));
  $("leave").addEventListener("click", async () => {
    await leave();
    ended();
  });
  draw();
}
