// The running transcript: which line a message concerns, and where a new one goes.
import { Answer } from "./answer.js";
import { announce } from "./announcer.js";
import { $, show } from "./dom.js";
import { on } from "./events.js";
import { onLanguage, t } from "./i18n.js";
import { answerLine, makeQuestion, questionLine, screenLine, soundLine, speechLine, timeOf, writeSpeech } from "./lines.js";
import { followNewest, startScroll, toNewest } from "./scroll.js";
import { state } from "./state.js";
import { isoLocal } from "./when.js";

const MOST_LINES = 500;
const spoken = new Map(); // id of an utterance -> its line
const answers = new Map(); // turn -> Answer
const questions = new Map(); // turn -> its question's line

const now = () => isoLocal(Date.now());

export const isEmpty = () => $("transcript").childElementCount === 0;

function add(node, before = null) {
  const list = $("transcript");
  const previous = before ? before.previousElementSibling : list.lastElementChild;
  if (previous && timeOf(previous) === timeOf(node) && !node.classList.contains("question")) node.classList.add("same-time");
  list.insertBefore(node, before);
  while (list.childElementCount > MOST_LINES) forgetLine(list.firstElementChild);
  show($("conversation-empty"), false);
  followNewest();
  return node;
}

function forgetLine(node) {
  for (const known of [spoken, questions]) {
    for (const [key, value] of known) if (value === node) known.delete(key);
  }
  for (const [turn, answer] of answers) if (node.contains(answer.node)) answers.delete(turn);
  node.remove();
}

function said(message) {
  const partial = message.event === "partial";
  const known = spoken.get(message.id);
  if (!message.text || message.speaker === "own") {
    if (known && !known.classList.contains("question")) forgetLine(known);
    return;
  }
  if (known) writeSpeech(known, message, partial);
  else spoken.set(message.id, add(speechLine(message, message.at || now())));
  if (!partial && message.speaker === "user") announce(`${t("you")}: ${message.text}`);
  followNewest();
}

function asked({ turn, text, utterance }) {
  if (questions.has(turn)) return;
  const line = spoken.get(utterance);
  if (line) makeQuestion(line, text);
  questions.set(turn, line || add(questionLine(text, now())));
  if (!line) toNewest();
}

function answerOf(turn, question = "") {
  if (!answers.has(turn)) {
    if (!questions.has(turn) && question) asked({ turn, text: question });
    const answer = new Answer(turn);
    const after = questions.get(turn)?.nextElementSibling || null;
    answer.line = add(answerLine(answer.node, now()), after);
    answer.line.dataset.turn = turn;
    answers.set(turn, answer);
  }
  return answers.get(turn);
}

function ended(message) {
  const answer = answerOf(message.turn, message.question);
  answer.line.classList.remove("writing");
  answer.end(message);
  // Spoken answers are heard; a screen reader would talk over them.
  if (!state.settings.speak || state.viewer) announce(t("answered", { text: message.answer }));
  followNewest();
}

// Answers of before this page was loaded, oldest first.
export function addEarlier(turns) {
  for (const turn of turns) {
    const key = turn.turn || `earlier ${turn.at} ${turn.question}`;
    if (answers.has(key)) continue;
    questions.set(key, add(questionLine(turn.question, turn.at)));
    const answer = new Answer(key);
    answer.line = add(answerLine(answer.node, turn.at));
    answers.set(key, answer);
    answer.end(turn);
  }
  if (turns.length) toNewest();
}

function forgotten({ moments }) {
  const gone = new Set(moments);
  for (const [id, line] of spoken) if (gone.has(id)) forgetLine(line);
  for (const answer of answers.values()) {
    for (const cite of answer.cites.querySelectorAll("[data-moment]")) {
      if (gone.has(cite.dataset.moment)) cite.remove();
    }
  }
}

export function clearConversation() {
  $("transcript").replaceChildren();
  for (const known of [spoken, answers, questions]) known.clear();
  show($("conversation-empty"));
}

export function startConversation() {
  startScroll();
  on("partial", said);
  on("utterance", said);
  on("sound", (message) => add(soundLine(message)));
  on("screen_text", (message) => add(screenLine(message)));
  on("question", asked);
  on("dismissed", ({ utterance }) => spoken.get(utterance)?.setAttribute("title", t("not_for_us")));
  on("answer_started", ({ turn, question }) => answerOf(turn, question).line.classList.add("writing"));
  on("answer_text", ({ turn, delta }) => {
    answerOf(turn).grow(delta);
    followNewest();
  });
  on("answer", ended);
  on("speaking", ({ turn, text }) => answers.get(turn)?.speak(text));
  on("heard", (message) => answers.get(message.turn)?.heard(message));
  on("forgotten", forgotten);
  onLanguage(() => {
    for (const answer of answers.values()) answer.redraw();
  });
}
