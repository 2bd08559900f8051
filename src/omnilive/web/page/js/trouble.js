// What can go wrong, and what the page then says and offers.
import { openDevice, openDevices } from "./devices.js";
import { t } from "./i18n.js";
import { onTrouble, reconnect } from "./link.js";
import { dismiss, notice } from "./notices.js";
import { state, watch } from "./state.js";

const again = { label: "retry", run: reconnect };

const CONNECTION = {
  fresh_session: () => notice("fresh", () => t("fresh_session"), { forMs: 8000 }),
  gone: () => notice("gone", () => t("gone"), { bad: true, act: again }),
  full: (error) => notice("gone", () => t("session_limit", { seconds: error.retry || 5 }), { bad: true, act: again }),
  offline: () => notice("offline", () => t("offline"), { bad: true }),
  replaced: () => notice("replaced", () => t("replaced"), { act: { label: "take_back", run: reconnect } }),
  ended: () => notice("ended", () => t("ended"), { act: { label: "fresh", run: reconnect } }),
  locked: () => notice("locked", () => t("locked"), { bad: true, act: again }),
  store_busy: () => notice("locked", () => t("viewer"), { bad: true, act: again }),
};

export function startTrouble() {
  onTrouble({
    trouble: (code, error) => CONNECTION[code]?.(error),
    device: (device, what) => {
      if (device === "camera" && what === "denied" && state.microphone === "denied") {
        const run = () => openDevices(["microphone", "camera"]);
        notice("microphone", () => t("both_denied"), { bad: true, act: { label: "retry", run } });
        return;
      }
      const key = `${device === "camera" ? "cam" : "mic"}_${what}`;
      notice(device, () => t(key), { bad: device === "microphone", act: { label: "retry", run: () => openDevice(device) } });
    },
  });
  for (const device of ["microphone", "camera"]) watch(device, (now) => now === "on" && dismiss(device));
  document.addEventListener("visibilitychange", hiddenTab());
}

// Background tabs give fewer pictures; sound goes on. Said on return, once it was long enough to matter.
function hiddenTab() {
  let since = 0;
  return () => {
    if (document.hidden) since = performance.now();
    else if (performance.now() - since > 60_000) notice("hidden", () => t("hidden_tab"), { forMs: 8000 });
  };
}
