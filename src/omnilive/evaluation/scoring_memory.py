"""Answers about the past held against what is known to be right: words, honesty, citations.

Right is decided by words, never by a model. The words are compared without case, marks and
articles; numbers up to twelve count as their digits. What is measured is told in
`docs/evaluation.md`; `f1` stands beside it, because an answer that names every colour also names
the right one.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from omnilive.evaluation.memory_questions import MemoryQuestion

AGES = (("1 min", 60.0), ("10 min", 600.0), ("1 h", 3600.0), ("6 h", 21_600.0), ("24 h", 86_400.0))
"""Buckets of age by their upper end, in seconds; older is "over 24 h"."""
OLDER = "over 24 h"
_NUMBERS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
]
_DIGITS = {word: str(number) for number, word in enumerate(_NUMBERS)}
_ARTICLES = frozenset(("a", "an", "the"))
_NOT_SEEN = re.compile(
    r"\b(ha(ve|s|d) not|haven't|hasn't|hadn't|did not|didn't|never|not been|wasn't|was not|nothing)"
    r"( yet| been| ever)? (seen?|heard?|perceived?|observed?|shown|found|find|remembered?"
    r"|watched|seen or heard)\b"
    r"|\bnot[ _]seen\b|\b(cannot|can't|can not|could not|couldn't) (know|tell|say|find|see)\b"
    r"|\b(do not|don't) (know|remember|have (that|any|enough) (information|memory))\b"
    r"|\bnothing (like that|of (that|the kind)|that matches)\b|\bno (memory|record|trace) of\b"
    r"|\bunanswerable\b|\bnot (in|part of) (what|my memory)\b"
    r"|没有?(看见|看到|见过|听到|听见)|不知道",
    re.IGNORECASE,
)
_POLAR = ("yes", "no")
_LETTER = re.compile(r"^\W*(?i:(?:the )?answer(?: is)?:?\s*)?\(?([A-Za-z])\)?(?=[\s.:,)]|$)")
_POSITION = re.compile(
    r"\b(?:(\d{1,3}):)?(\d{1,2}):(\d{2})(?!:?\d)|\b(\d+(?:\.\d+)?) ?(?:seconds?|secs?|s)\b",
    re.IGNORECASE,
)
_TIME_SLACK_S = 1.0
_SHORTEST_SPAN_S = 1e-3


class Cited(NamedTuple):
    """A stretch of the question's own video that an answer rests on, in seconds."""

    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryAnswer:
    """An answer as it was given.

    Attributes:
        text: in words.
        known: False where the system itself says that it was not seen.
        cited: moments of the question's own video.
        num_cited: all moments cited, those of another video among them.
        took_ms: from question to the end of the answer.
        began_s: local time of day at the video's first instant, in seconds; None if unknown.
    """

    text: str
    known: bool
    cited: tuple[Cited, ...] = ()
    num_cited: int = 0
    took_ms: int = 0
    began_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryScore:
    """What an answer is worth; None where it cannot be told or does not apply.

    Attributes:
        right: it says what is right (of what was not seen: that it was not).
        f1: harmonic mean of precision and recall of its words; open questions only.
        seen: it claims to have seen what was asked about.
        cited_hit: a cited moment touches the evidence.
        evidence_recall: share of the evidence's spans that a cited moment touches.
        cited_precision: share of the cited moments that touch the evidence.
    """

    right: bool | None
    f1: float | None
    seen: bool
    cited_hit: bool | None
    evidence_recall: float | None
    cited_precision: float | None


def score_answer(question: MemoryQuestion, answer: MemoryAnswer) -> MemoryScore:
    """Hold one answer against the truth."""
    seen = answer.known and not says_not_seen(answer.text)
    right = _right(question, answer, seen)
    if question.choices and not question.known and right is not None:
        seen = not right  # one of the choices says that it was not seen
    hit: bool | None = None
    recall: float | None = None
    precision: float | None = None
    if question.evidence:
        touched = [any(_touch(span, one) for one in answer.cited) for span in question.evidence]
        hit, recall = any(touched), sum(touched) / len(touched)
        if answer.num_cited:
            good = sum(any(_touch(span, one) for span in question.evidence) for one in answer.cited)
            precision = good / answer.num_cited
    return MemoryScore(
        right=right,
        f1=_f1(question, answer) if question.known and not question.choices else None,
        seen=seen,
        cited_hit=hit,
        evidence_recall=recall,
        cited_precision=precision,
    )


def says_not_seen(text: str) -> bool:
    """Return whether an answer says, in its first sentence, that this was not seen."""
    first = re.split(r"(?<=[.!?])\s", text.replace("\u2019", "'").strip(), maxsplit=1)[0]
    return _NOT_SEEN.search(first) is not None


def age_of(question: MemoryQuestion) -> str:
    """Return the bucket of a question's age; "no evidence" or "present" where it has none."""
    if question.needs == "present":
        return "present"
    age_s = question.age_s
    if age_s is None:
        return "no evidence"
    return next((name for name, most_s in AGES if age_s <= most_s), OLDER)


def normalised(text: str) -> tuple[str, ...]:
    """Return the words that are compared: folded, without marks and articles."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("'s ", " ")
    words = "".join(letter if letter.isalnum() else " " for letter in folded).split()
    return tuple(_DIGITS.get(word, word) for word in words if word not in _ARTICLES)


def holds(answer: str, wanted: str) -> bool:
    """Return whether all words of `wanted` are in `answer`, each as often as it is wanted.

    "Yes" and "no" are decided by the first of the two that is said.
    """
    said, want = normalised(answer), normalised(wanted)
    if len(want) == 1 and want[0] in _POLAR:
        return next((word for word in said if word in _POLAR), "") == want[0]
    if not want:  # nothing but marks, or an article
        return wanted.strip().casefold() == answer.strip().casefold()
    return not Counter(want) - Counter(said)


def chosen(text: str, choices: Sequence[str]) -> int | None:
    """Return the place of the choice that an answer names; None if it names none, or several.

    Its whole words count first, then a letter at its start.
    """
    same = [place for place, one in enumerate(choices) if normalised(one) == normalised(text)]
    if len(same) == 1:
        return same[0]
    letter = _LETTER.match(text.strip())
    place = ord(letter[1].upper()) - ord("A") if letter else -1
    # "A dog" begins with a word, not with the letter of a choice.
    is_letter = letter is not None and (
        letter[1] != "A" or not re.match(r"^\W*A\s+[a-z]", text.strip())
    )
    if is_letter and 0 <= place < len(choices):
        return place
    named = [place for place, one in enumerate(choices) if holds(text, one)]
    # "red" and "dark red": the longer one is meant where both are there.
    longest = [
        place
        for place in named
        if not any(
            other != place and set(normalised(choices[place])) < set(normalised(choices[other]))
            for other in named
        )
    ]
    return longest[0] if len(longest) == 1 else None


def _right(question: MemoryQuestion, answer: MemoryAnswer, seen: bool) -> bool | None:
    if question.choices:
        place = question.answer_choice
        if place is not None:
            return chosen(answer.text, question.choices) == place
    if not question.known:
        return not seen
    if not question.accepted:
        return None
    if not seen:
        # Of what was watched, "I have not seen that" is the same claim as "no".
        return any(normalised(one) == ("no",) for one in question.accepted)
    if question.kind == "when" and question.evidence and _said_when(question, answer):
        return True
    return any(holds(answer.text, one) for one in question.accepted)


def _said_when(question: MemoryQuestion, answer: MemoryAnswer) -> bool:
    """Whether the first time that is named lies in the evidence (as a position, or a clock's)."""
    named = _POSITION.search(answer.text)
    if named is None:
        return False
    if named[4]:
        positions = [float(named[4])]
    else:
        hours, minutes, seconds = int(named[1] or 0), int(named[2]), int(named[3])
        # "14:05" of a clock has hours and minutes, 14:05 of a player minutes and seconds.
        positions = [hours * 3600.0 + minutes * 60.0 + seconds]
        if answer.began_s is not None and named[1]:
            positions.append((positions[0] - answer.began_s) % 86_400)
    return any(
        start - _TIME_SLACK_S <= at <= end + _TIME_SLACK_S
        for at in positions
        for start, end in question.evidence
    )


def _f1(question: MemoryQuestion, answer: MemoryAnswer) -> float | None:
    if not question.accepted:
        return None
    said = Counter(normalised(answer.text))
    best = 0.0
    for each in question.accepted:
        want = Counter(normalised(each))
        shared = (said & want).total()
        if shared:
            best = max(best, 2 * shared / (said.total() + want.total()))
    return best


def _touch(span: tuple[float, float], cited: Cited) -> bool:
    """Whether two stretches share an instant; one without length counts as a millisecond."""
    start, end = span[0], max(span[1], span[0] + _SHORTEST_SPAN_S)
    return cited.start_s < end and start < max(cited.end_s, cited.start_s + _SHORTEST_SPAN_S)
