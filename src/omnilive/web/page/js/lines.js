// Lines of the transcript: what was said, read and heard, each with its time.
import { el, icon } from "./dom.js";
import { t } from "./i18n.js";
import { clock } from "./when.js";

const WHO = { user: "you", ambient: "someone" };

function line(className, at, ...content) {
  const label = clock(at);
  return el("li", { class: `line ${className}`, data: { clock: label } }, el("time", { datetime: at || "" }, label), el("div", { class: "content" }, ...content));
}

export const timeOf = (node) => node.dataset.clock;

export function speechLine(message, at) {
  const who = el("span", { class: "who", data: { t: WHO[message.speaker] || "someone" } }, t(WHO[message.speaker] || "someone"));
  const node = line("speech", at, who, el("span", { class: "words", dir: "auto" }));
  return writeSpeech(node, message, message.event === "partial");
}

export function writeSpeech(node, message, partial) {
  node.querySelector(".words").textContent = message.text;
  node.classList.toggle("partial", partial && !message.settled);
  node.classList.toggle("ambient", message.speaker !== "user");
  return node;
}

export const soundLine = ({ label, at }) =>
  line("mark-line sound", at, icon("note"), hiddenName("heard_sound"), el("span", { class: "words" }, label));

export const screenLine = ({ lines, text, at }) =>
  line("mark-line screen", at, icon("screen"), hiddenName("read"), el("span", { class: "words", dir: "auto" }, (lines || [text]).join("  ·  ")));

export function questionLine(text, at) {
  const who = el("span", { class: "who", data: { t: "you" } }, t("you"));
  return line("question", at, who, el("p", { class: "words", dir: "auto" }, text));
}

// A spoken line that turned out to be a question for us.
export function makeQuestion(node, text) {
  node.classList.remove("speech", "partial", "ambient", "same-time");
  node.classList.add("question");
  node.querySelector(".words").textContent = text || node.querySelector(".words").textContent;
}

export const answerLine = (body, at) => line("answer same-time", at, body);

const hiddenName = (key) => el("span", { class: "hidden", data: { t: key } }, t(key));
