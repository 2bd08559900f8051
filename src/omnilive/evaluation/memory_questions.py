"""Questions about videos as a file, `questions.jsonl` (`docs/evaluation.md`).

One object a line. A file is what somebody else wrote: it is read in bounded pieces, every error
names its line, and no name in it leads out of the folder of the videos.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from omnilive.errors import UsageError

VERSION = 1
HEADER = "omnilive_questions"
_MOST_QUESTIONS = 100_000
_LONGEST_LINE = 1 << 20
_LONGEST_TEXT = 10_000
_MOST_ITEMS = 1000
_MOST_CHOICES = 26
_LONGEST_VIDEO_S = 366 * 86_400.0
_KEYS = [
    "id",
    "video",
    "question",
    "ask_time_s",
    "choices",
    "answer",
    "accepted",
    "evidence",
    "kind",
    "needs",
    "known",
    "note",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryQuestion:
    """A question about a video, asked at a moment of it.

    Attributes:
        id: unique within its file.
        video: path below the media folder, name of a stream of a store, or of a world.
        text: as a person asks it.
        ask_time_s: when it is asked, in seconds of the video; what comes later does not count.
        choices: what is to be chosen from; empty for an open question.
        accepted: answers that are right; all words of one of them must be there. Empty where only
            the evidence is known.
        evidence: spans (start_s, end_s) of the video that show it; empty where nothing does.
        kind: a word by which results are told apart.
        needs: what is needed to answer it.
        known: False where the right answer is that it was not seen.
    """

    id: str
    video: str
    text: str
    ask_time_s: float
    choices: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()
    evidence: tuple[tuple[float, float], ...] = ()
    kind: str = "any"
    needs: Literal["past", "present"] = "past"
    known: bool = True

    @property
    def age_s(self) -> float | None:
        """How long before the question the newest evidence ended; None without evidence."""
        if not self.evidence:
            return None
        return max(0.0, self.ask_time_s - max(end for _, end in self.evidence))

    @property
    def answer_choice(self) -> int | None:
        """The place of the right choice; None for an open question."""
        for place, choice in enumerate(self.choices):
            if choice in self.accepted:
                return place
        return None


def read_questions(file: Path) -> tuple[MemoryQuestion, ...]:
    """Return the questions of a file, in its order.

    Raises:
        UsageError: it cannot be read, is empty, cut short, too large, newer than this program, or
            a line of it is wrong; the message names the line.
    """
    questions: list[MemoryQuestion] = []
    lines: dict[str, int] = {}
    for number, line in _lines(file):
        where = f"{file}, line {number}"
        values = _object(line, where)
        if HEADER in values:
            _check_header(values, where, is_first=not questions)
            continue
        question = _question(values, where)
        if question.id in lines:
            raise UsageError(
                f'{where}: the id "{_short(question.id)}" was used in line {lines[question.id]} '
                "already; give each question its own."
            )
        lines[question.id] = number
        questions.append(question)
        if len(questions) > _MOST_QUESTIONS:
            raise UsageError(
                f"{file} holds more than {_MOST_QUESTIONS} questions; split it into several files."
            )
    if not questions:
        raise UsageError(f"{file} holds no questions; write one JSON object a line.")
    return tuple(questions)


def write_questions(file: Path, questions: Iterable[MemoryQuestion]) -> None:
    """Write questions so that `read_questions` returns equal ones."""
    with file.open("w", encoding="utf-8") as out:
        out.write(json.dumps({HEADER: VERSION}) + "\n")
        for each in questions:
            values: dict[str, Any] = {
                "id": each.id,
                "video": each.video,
                "question": each.text,
                "ask_time_s": each.ask_time_s,
                "kind": each.kind,
                "needs": each.needs,
                "known": each.known,
            }
            if each.choices:
                values |= {"choices": list(each.choices), "answer": each.answer_choice}
            elif each.accepted:
                values |= {"answer": each.accepted[0], "accepted": list(each.accepted[1:])}
            if each.evidence:
                values["evidence"] = [list(span) for span in each.evidence]
            out.write(json.dumps(values, ensure_ascii=False) + "\n")


def find_videos(questions: Sequence[MemoryQuestion], media: Path) -> dict[str, Path]:
    """Return the file of each video that is asked about.

    Raises:
        UsageError: the folder or a video is missing, or a name leads out of the folder.
    """
    if not media.is_dir():
        raise UsageError(f"{media} is no folder; name the folder of the videos with --media.")
    root = media.resolve()
    found: dict[str, Path] = {}
    missing: list[str] = []
    for video in dict.fromkeys(each.video for each in questions):
        _check_name(video, f'The video "{_short(video)}"')
        try:
            path = (root / video).resolve()
            is_file = path.is_file()
        except (OSError, RuntimeError, ValueError):  # a name too long, links in a circle
            missing.append(video)
            continue
        if not path.is_relative_to(root):
            raise UsageError(
                f'The video "{_short(video)}" lies outside of {media}; copy it into that folder.'
            )
        if is_file:
            found[video] = path
        else:
            missing.append(video)
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise UsageError(f'The video "{_short(missing[0])}"{more} is not in {media}.')
    return found


# --- lines ------------------------------------------------------------------------------


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    try:
        with file.open("rb") as opened:
            number = 0
            while data := opened.readline(_LONGEST_LINE + 1):
                number += 1
                if len(data) > _LONGEST_LINE:
                    raise UsageError(
                        f"{file}, line {number}: longer than {_LONGEST_LINE} bytes; is this a file "
                        "of questions, one JSON object a line?"
                    )
                try:
                    line = data.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                except UnicodeDecodeError:
                    raise UsageError(f"{file}, line {number}: not UTF-8 text.") from None
                if line:
                    yield number, line
    except OSError as error:
        raise UsageError(
            f"{file} cannot be read: {error.strerror or 'the system refused'}."
        ) from error


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        values = json.loads(line, parse_constant=_no_constant, object_pairs_hook=_unique)
    except _Twice as twice:
        raise UsageError(f'{where}: "{_short(str(twice))}" stands there twice.') from None
    except (ValueError, RecursionError):
        raise UsageError(
            f"{where}: no JSON object; the line may be cut short or hold more than one."
        ) from None
    if not isinstance(values, dict):
        raise UsageError(f"{where}: not a JSON object in {{braces}}.")
    return values


class _Twice(Exception):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            raise _Twice(key)
        values[key] = value
    return values


def _no_constant(name: str) -> float:
    raise ValueError(name)


def _check_header(values: dict[str, Any], where: str, *, is_first: bool) -> None:
    version = values[HEADER]
    if not is_first or set(values) != {HEADER}:
        raise UsageError(f'{where}: "{HEADER}" stands alone, before the first question.')
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise UsageError(f'{where}: "{HEADER}" is the version of the format, {VERSION}.')
    if version > VERSION:
        raise UsageError(
            f"{where}: version {version} of the format is newer than this program; update omnilive."
        )


# --- fields -----------------------------------------------------------------------------


def _question(values: dict[str, Any], where: str) -> MemoryQuestion:
    for key in values:
        if key not in _KEYS:
            raise UsageError(f'{where}: unknown key "{_short(key)}"; there are {", ".join(_KEYS)}.')
    for key in ("id", "video", "question", "ask_time_s"):
        if key not in values:
            raise UsageError(f'{where}: "{key}" is missing.')
    ask_time_s = _seconds(values["ask_time_s"], f'{where}: "ask_time_s"')
    video = _text(values["video"], f'{where}: "video"')
    _check_name(video, f'{where}: "video"')
    known = values.get("known", True)
    if not isinstance(known, bool):
        raise UsageError(f'{where}: "known" must be true or false.')
    needs = values.get("needs", "past")
    if needs not in ("past", "present"):
        raise UsageError(f'{where}: "needs" must be "past" or "present".')
    choices = _texts(values.get("choices", []), f'{where}: "choices"')
    if choices and not 2 <= len(set(choices)) == len(choices) <= _MOST_CHOICES:
        raise UsageError(f'{where}: "choices" are 2 to {_MOST_CHOICES} different texts.')
    accepted = _accepted(values, choices, where)
    evidence = _evidence(values.get("evidence", []), ask_time_s, where)
    if known and not accepted and not evidence:
        raise UsageError(
            f'{where}: nothing to hold an answer against; give "answer", "accepted", "evidence" '
            'or "known": false.'
        )
    if not known and (evidence or (accepted and not choices)):
        raise UsageError(
            f'{where}: what was not seen ("known": false) has no evidence and no answer.'
        )
    return MemoryQuestion(
        id=_text(values["id"], f'{where}: "id"'),
        video=video,
        text=_text(values["question"], f'{where}: "question"'),
        ask_time_s=ask_time_s,
        choices=choices,
        accepted=accepted,
        evidence=evidence,
        kind=_text(values.get("kind", "any"), f'{where}: "kind"'),
        needs=needs,
        known=known,
    )


def _accepted(values: dict[str, Any], choices: tuple[str, ...], where: str) -> tuple[str, ...]:
    accepted = _texts(values.get("accepted", []), f'{where}: "accepted"')
    answer = values.get("answer")
    if not choices:
        return accepted if answer is None else (_text(answer, f'{where}: "answer"'), *accepted)
    if accepted:
        raise UsageError(f'{where}: with "choices" there is one "answer" and no "accepted".')
    if answer is None:
        return ()
    place = -1
    if isinstance(answer, int) and not isinstance(answer, bool):
        place = answer
    elif isinstance(answer, str):
        if answer in choices:
            place = choices.index(answer)
        elif len(answer) == 1 and answer.isascii() and answer.isalpha():
            place = ord(answer.upper()) - ord("A")
    if not 0 <= place < len(choices):
        raise UsageError(
            f'{where}: "answer" must be one of the choices, its letter (A is the first) or its '
            "place (0 is the first)."
        )
    return (choices[place],)


def _evidence(value: Any, ask_time_s: float, where: str) -> tuple[tuple[float, float], ...]:
    name = f'{where}: "evidence"'
    if not isinstance(value, list) or len(value) > _MOST_ITEMS:
        raise UsageError(f"{name} must be a list of at most {_MOST_ITEMS} [start_s, end_s].")
    spans = []
    for each in value:
        if not isinstance(each, list) or len(each) != 2:
            raise UsageError(f"{name} must be a list of [start_s, end_s].")
        start, end = (_seconds(one, name) for one in each)
        if end < start:
            raise UsageError(f"{name} ends before it starts ({start:g} to {end:g} s).")
        if start > ask_time_s:
            raise UsageError(
                f"{name} starts at {start:g} s, after the question is asked ({ask_time_s:g} s)."
            )
        spans.append((start, min(end, ask_time_s)))
    return tuple(sorted(spans))


def _seconds(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"{name} must be a number of seconds.")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not 0 <= number <= _LONGEST_VIDEO_S:
        raise UsageError(f"{name} must be between 0 and {_LONGEST_VIDEO_S:g} seconds.")
    return number


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > _LONGEST_TEXT:
        raise UsageError(f"{name} must be a text of 1 to {_LONGEST_TEXT} characters.")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError(f"{name} holds half a character.") from None
    return value.strip()


def _texts(value: Any, name: str) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > _MOST_ITEMS:
        raise UsageError(f"{name} must be a list of at most {_MOST_ITEMS} texts.")
    return tuple(_text(each, name) for each in value)


def _check_name(video: str, name: str) -> None:
    """Refuse what is no plain path below a folder, on any system."""
    parts = PurePosixPath(video).parts
    if (
        video.startswith(("/", "~"))
        or "\\" in video
        or ":" in video.split("/")[0][1:2]
        or ".." in parts
        or not parts
        or any(ord(letter) < 32 for letter in video)
    ):
        raise UsageError(f"{name} must be a path below the folder of the videos, without ..")


def _short(text: str) -> str:
    """Return at most 80 printable characters of what somebody else wrote."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in text)
    return plain if len(plain) <= 80 else plain[:77] + "..."
