// The settings: those of the conversation go to the server, those of the page stay in this browser.
import { $, el, icon } from "./dom.js";
import { chooseDevice, listDevices, openDevice, track } from "./devices.js";
import { command, on } from "./events.js";
import { onLanguage, pageLanguage, setLanguage, t } from "./i18n.js";
import { kept, keep } from "./kept.js";
import { setTheme, theme } from "./theme.js";
import { set, state, watch } from "./state.js";

const VOICES = {
  "en-us": "English (US)", "en-gb": "English (UK)", "en-gb-scotland": "English (Scotland)", "en-gb-x-rp": "English (RP)",
  cmn: "普通话", yue: "粤语", de: "Deutsch", "fr-fr": "Français", es: "Español", it: "Italiano", ja: "日本語",
};

const change = (name, value) => command("settings", { [name]: value });

function row(key, control, small = "") {
  control.id ||= `setting-${key}`;
  return el("label", { class: "setting", for: control.id }, el("span", {}, t(key), small && el("small", {}, t(small))), control);
}

function toggle(id, checked, act) {
  const box = el("input", { type: "checkbox", class: "switch", id, checked });
  box.addEventListener("change", () => act(box.checked));
  return box;
}

function choice(id, options, value, act) {
  const listed = value in options ? options : { [value]: value, ...options };
  const select = el("select", { id }, ...Object.entries(listed).map(([name, label]) => el("option", { value: name }, label)));
  select.value = value;
  select.addEventListener("change", () => act(select.value));
  return select;
}

const serverToggle = (name) => toggle(`set-${name}`, state.settings[name], (value) => change(name, value));
const group = (key, ...rows) => el("fieldset", {}, el("legend", {}, t(key)), ...rows);

function voiceGroup() {
  const { settings } = state;
  const told = el("output", { for: "set-rate_wpm" }, String(settings.rate_wpm));
  const rate = el("input", { type: "range", id: "set-rate_wpm", min: "80", max: "450", step: "5" });
  rate.value = settings.rate_wpm;
  rate.addEventListener("input", () => (told.textContent = rate.value));
  rate.addEventListener("change", () => change("rate_wpm", Number(rate.value)));
  const rateRow = row("set_rate", rate);
  rateRow.append(told);
  return group(
    "set_voice_group",
    row("set_speak", serverToggle("speak")),
    row("set_voice", choice("set-voice", VOICES, settings.voice, (value) => change("voice", value))),
    rateRow,
    row("set_language", choice("set-language", { en: "English", zh: "中文" }, settings.language, (value) => change("language", value))),
  );
}

function listenGroup() {
  const { settings } = state;
  const phrase = el("input", { type: "text", id: "set-wake_phrase", maxlength: "80", value: settings.wake_phrase, autocomplete: "off" });
  phrase.addEventListener("change", () => phrase.value.trim() && change("wake_phrase", phrase.value.trim()));
  const address = { always: t("address_always"), wake: t("address_wake") };
  return group(
    "set_listen_group",
    row("set_address", choice("set-address", address, settings.address, (value) => change("address", value))),
    row("set_wake", phrase),
    row("set_hearing", serverToggle("hearing"), "set_hearing_off"),
    row("set_seeing", serverToggle("seeing"), "set_seeing_off"),
    row("set_reading", serverToggle("reading")),
  );
}

async function deviceGroup() {
  const found = await listDevices();
  const rows = ["microphone", "camera"].filter((device) => found[device].length > 1).map((device) => {
    const options = Object.fromEntries([["", t("device_default")], ...found[device].map((one) => [one.deviceId, one.label])]);
    return row(device, choice(`set-${device}`, options, kept(device, ""), (value) => chooseDevice(device, value)));
  });
  const echo = toggle("set-echo", kept("echo", true), (value) => {
    keep("echo", value);
    if (track("microphone")) openDevice("microphone");
  });
  return group("set_devices_group", ...rows, row("set_echo", echo, "set_echo_why"));
}

function pageGroup() {
  const themes = { auto: t("theme_auto"), light: t("theme_light"), dark: t("theme_dark") };
  return group(
    "set_page_group",
    row("set_page_language", choice("set-page-language", { en: "English", zh: "中文" }, pageLanguage(), setLanguage)),
    row("set_theme", choice("set-theme", themes, theme(), setTheme)),
  );
}

async function draw() {
  const inTalk = Object.keys(state.settings).length > 0 && state.connection === "live";
  const groups = inTalk ? [voiceGroup(), listenGroup()] : [el("p", { class: "hint" }, t("settings_later"))];
  groups.push(await deviceGroup(), pageGroup());
  const close = el("button", { type: "button", class: "tool", id: "settings-close", "aria-label": t("close"), on: { click: () => $("settings").close() } }, icon("close"));
  const focused = document.activeElement?.id;
  $("settings").replaceChildren(
    el("div", { class: "dialog-bar" }, el("h2", { id: "settings-title", tabindex: "-1" }, t("settings")), close),
    el("div", { class: "dialog-body" }, ...groups),
  );
  if (focused && $(focused) && $("settings").contains($(focused))) $(focused).focus();
}

async function openSettings() {
  await draw();
  if (!$("settings").open) $("settings").showModal();
  $("settings-title").focus();
}

export function startSettings() {
  const take = ({ settings }) => set("settings", settings);
  on("hello", take);
  on("settings", take);
  $("open-settings").addEventListener("click", openSettings);
  $("settings").addEventListener("click", (event) => event.target === $("settings") && $("settings").close());
  const redraw = () => $("settings").open && draw();
  watch("settings", redraw);
  onLanguage(redraw);
}
