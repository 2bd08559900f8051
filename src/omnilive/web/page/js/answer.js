// One answer: written as it comes, the phrase being spoken marked, what it rests on below.
import { el } from "./dom.js";
import { t } from "./i18n.js";
import { openMoment } from "./moment.js";
import { thumbButton } from "./thumbs.js";

const blank = /\s+/g;

export class Answer {
  constructor(turn) {
    this.turn = turn;
    this.text = "";
    this.from = 0; // the next phrase is looked for from here
    this.whole = null; // the `answer` message
    this.note = null; // () => text
    this.words = el("p", { class: "answer-text", dir: "auto" });
    this.below = el("p", { class: "answer-note" });
    this.below.hidden = true;
    this.cites = el("div", { class: "citations" });
    this.cites.hidden = true;
    this.node = el("div", { class: "answer-body" }, this.words, this.below, this.cites);
  }

  grow(delta) {
    this.text += delta;
    this.#write(this.marked);
  }

  // The phrase now going out; words may be spaced otherwise than they are written.
  speak(phrase) {
    const start = find(this.text, phrase, this.from) ?? find(this.text, phrase, 0);
    if (!start) return;
    this.from = start[0];
    this.#write(start);
  }

  end(message) {
    this.whole = message;
    if (message.answer && message.answer !== this.text) {
      this.text = message.answer;
      this.marked = undefined;
    }
    this.#write(this.marked);
    if (message.outcome === "failed") this.#say(() => t("failed", { reason: message.error || "" }), true);
    else if (message.outcome === "interrupted") this.#say(() => t("cut"));
    this.#cite(message.citations || []);
  }

  // What of it was heard: after a cut, the rest is struck through.
  heard({ text, complete }) {
    this.marked = undefined;
    if (complete) {
      this.#write();
      return;
    }
    const place = text ? find(this.text, text, 0) : [0, 0];
    const end = place ? place[1] : 0;
    const rest = el("span", { class: "unheard" }, this.text.slice(end));
    this.words.replaceChildren(this.text.slice(0, end), rest);
    this.#say(() => t("cut"));
  }

  redraw() {
    if (this.note) this.below.textContent = this.note();
    if (this.whole) this.#cite(this.whole.citations || []);
  }

  #say(note, bad = false) {
    this.note = note;
    this.below.textContent = note();
    this.below.hidden = false;
    this.below.classList.toggle("bad", bad);
  }

  #cite(moments) {
    this.cites.hidden = moments.length === 0;
    this.cites.replaceChildren(...moments.map((moment) => thumbButton(moment, "citation", openMoment)));
  }

  #write(marked) {
    this.marked = marked;
    if (!marked) {
      this.words.textContent = this.text;
      return;
    }
    const [start, end] = marked;
    const spoken = el("mark", {}, this.text.slice(start, end));
    this.words.replaceChildren(this.text.slice(0, start), spoken, this.text.slice(end));
  }
}

// Returns [start, end] of `wanted` in `text` from `from` on, blanks compared as one; null if not there.
export function find(text, wanted, from) {
  const pieces = wanted.trim().split(blank).filter(Boolean);
  if (!pieces.length) return null;
  const escaped = pieces.map((piece) => piece.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const pattern = new RegExp(escaped.join("\\s*"), "g");
  pattern.lastIndex = from;
  const match = pattern.exec(text);
  return match && [match.index, match.index + match[0].length];
}
