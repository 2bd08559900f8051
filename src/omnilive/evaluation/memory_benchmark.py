"""The memory benchmark: every subject is watched once, then asked under every condition.

Answers are written as they come, one line each, to `results.jsonl` in the output folder; scores
are made from them at the end. A run that is cut goes on where it was: what stands in the file is
not asked again. The file's first line says what was run, so that two runs never mix.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from omnilive._version import __version__
from omnilive.errors import BackendError, OmniLiveError, UsageError
from omnilive.evaluation.conditions import CONDITIONS, Condition, NotPossible, ask
from omnilive.evaluation.memory_questions import MemoryQuestion
from omnilive.evaluation.memory_subjects import Subject
from omnilive.evaluation.recalling import Recalling
from omnilive.evaluation.scoring_memory import Cited, MemoryAnswer
from omnilive.events import AnswerEnded
from omnilive.system import Config, System

SCHEMA = 1  # of results.jsonl
RESULTS = "results.jsonl"
_OPEN_STREAMS = 4  # stores open at once: the one asked, and one that stands in


class Asked(NamedTuple):
    """One question under one condition, and what came of it.

    Attributes:
        subject: name of the stream.
        seed: of its world; None for a real video.
        question: as it stands in the file or was made.
        condition: under which it was asked.
        answer: None where the condition was not possible, or answering failed.
        not_possible: why; "" otherwise.
        error: why answering failed; "" otherwise.
    """

    subject: str
    seed: int | None
    question: MemoryQuestion
    condition: Condition
    answer: MemoryAnswer | None
    not_possible: str = ""
    error: str = ""


@dataclass(slots=True)
class Told:
    """What is told while it runs: all of it may be replaced."""

    watching: Callable[[str, float], None] = lambda _name, _share: None
    asking: Callable[[int, int], None] = lambda _done, _total: None
    asked: Callable[[Asked], None] = field(default=lambda _asked: None)


def run_benchmark(
    subjects: Sequence[Subject],
    config: Config,
    out: Path,
    *,
    conditions: Sequence[Condition] = CONDITIONS,
    told: Told | None = None,
) -> list[Asked]:
    """Watch and ask; return every answer, old and new, in the order of subjects and questions.

    Args:
        subjects: with their questions; names differ.
        config: of the preset.
        out: folder of `results.jsonl`; made if missing.
        conditions: under which every question is asked.
        told: progress.

    Raises:
        UsageError: the folder holds the results of another run.
        MediaError, StoreError, BackendError: something cannot be read, written or run.
        KeyboardInterrupt: stopped; the same call goes on.
    """
    told = told or Told()
    out.mkdir(parents=True, exist_ok=True)
    with Results.open(out / RESULTS, _run_id(subjects, config)) as results:
        for subject in subjects:
            name = subject.name
            subject.watch(config, lambda share, name=name: told.watching(name, share))  # type: ignore[misc]
        wanted = [
            (place, question, condition)
            for place, subject in enumerate(subjects)
            for question in sorted(subject.questions, key=lambda one: one.ask_time_s)
            for condition in conditions
        ]
        done: list[Asked] = []
        with ExitStack() as stack:
            streams = _Streams(subjects, config, stack)
            for number, (place, question, condition) in enumerate(wanted):
                told.asking(number, len(wanted))
                subject = subjects[place]
                line = results.get(subject.name, question.id, condition)
                if line is None:
                    line = _ask(streams, place, question, condition)
                    results.add(subject.name, question.id, condition, line)
                done.append(_asked(subject, question, condition, line))
                told.asked(done[-1])
        told.asking(len(wanted), len(wanted))
    return done


class _Streams:
    """The subjects' streams, opened when they are asked; the newest frame of a moment is kept."""

    def __init__(self, subjects: Sequence[Subject], config: Config, stack: ExitStack) -> None:
        self._subjects, self._config, self._stack = subjects, config, stack
        self._open: dict[Path, System] = {}
        self._newest: tuple[int, float, bytes] | None = None
        stack.callback(self._close)

    def stream(self, place: int) -> Recalling:
        """Return a subject's stream."""
        subject = self._subjects[place]
        system = self._open.pop(subject.store, None)
        if system is None:
            while len(self._open) >= _OPEN_STREAMS:
                self._open.pop(next(iter(self._open))).close()
            system = System(self._config, subject.store, write=False)
        self._open[subject.store] = system  # the one used last goes last
        return Recalling(system, subject.name)

    def other(self, place: int) -> Recalling | None:
        """Return the stream that stands in: the next one."""
        if len(self._subjects) < 2:
            return None
        return self.stream((place + 1) % len(self._subjects))

    def newest(self, place: int, at_s: float) -> bytes:
        """Return the newest frame at a moment of a subject."""
        if self._newest is None or self._newest[:2] != (place, at_s):
            frame = self._subjects[place].newest(at_s, self._config)
            self._newest = (place, at_s, frame)
        return self._newest[2]

    def _close(self) -> None:
        for system in self._open.values():
            system.close()


def _ask(
    streams: _Streams, place: int, question: MemoryQuestion, condition: Condition
) -> dict[str, Any]:
    """Return what is written of one question under one condition."""
    other = streams.other(place) if condition == "shuffled" else None
    stream = streams.stream(place)
    newest = b"" if condition == "blind" else streams.newest(place, question.ask_time_s)
    started = time.monotonic()
    try:
        ended = ask(stream, question, condition, newest=newest, other=other)
    except NotPossible as reason:
        return {"not_possible": str(reason)}
    except BackendError as error:
        return {"error": str(error)}
    if ended.outcome != "completed":
        return {"error": ended.error or "The answer was cut."}
    answer = MemoryAnswer(
        text=ended.text,
        known=ended.known,
        cited=_cited(ended, stream),
        num_cited=len(ended.citations),
        took_ms=round((time.monotonic() - started) * 1000),
        began_s=stream.began_s,
    )
    return {"answer": asdict(answer)}


def _cited(ended: AnswerEnded, stream: Recalling) -> tuple[Cited, ...]:
    return tuple(
        Cited(stream.position_s(one.start_ns), stream.position_s(one.end_ns))
        for one in ended.citations
        if one.stream_name == stream.name
    )


def _asked(
    subject: Subject, question: MemoryQuestion, condition: Condition, line: dict[str, Any]
) -> Asked:
    answer = None
    if "answer" in line:
        values = dict(line["answer"])
        values["cited"] = tuple(Cited(*each) for each in values["cited"])
        answer = MemoryAnswer(**values)
    return Asked(
        subject=subject.name,
        seed=subject.seed,
        question=question,
        condition=condition,
        answer=answer,
        not_possible=line.get("not_possible", ""),
        error=line.get("error", ""),
    )


def _run_id(subjects: Sequence[Subject], config: Config) -> str:
    """Return what stands for questions, system and program: answers of two never mix."""
    about = {
        "config": asdict(config),
        "subjects": [[one.name, one.seed, [asdict(q) for q in one.questions]] for one in subjects],
        "version": __version__,
        "weights": _weights(config),
    }
    data = json.dumps(about, sort_keys=True, default=str).encode()
    return hashlib.sha256(data).hexdigest()[:16]


def _weights(config: Config) -> list[tuple[str, int, int]]:
    """Return what tells one checkpoint from another in the same folder."""
    networks = config.with_networks()
    folders = {networks.ixc.weights, networks.memory.compressor.weights}
    return [
        (str(file.relative_to(folder)), file.stat().st_size, file.stat().st_mtime_ns)
        for folder in (Path(each).expanduser() for each in sorted(folders) if each)
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    ]


# --- results.jsonl ----------------------------------------------------------------------


class Results:
    """The answers so far, one line each; a line that a kill cut short is dropped."""

    def __init__(self, file: Path, lines: dict[tuple[str, str, str], dict[str, Any]]) -> None:
        self._lines = lines
        self._out = file.open("a", encoding="utf-8")

    @classmethod
    def open(cls, file: Path, run: str) -> closing[Results]:
        """Open the results of a run, new or cut.

        Raises:
            UsageError: the file is of another run, or no file of results.
        """
        header = {"omnilive_memory_results": SCHEMA, "run": run}
        lines: dict[tuple[str, str, str], dict[str, Any]] = {}
        good = 0
        if file.exists() and file.stat().st_size:
            for number, (line, end) in enumerate(_whole_lines(file)):
                if number == 0:
                    if line != header:
                        raise UsageError(
                            f"{file.parent} holds the results of another run (other questions, "
                            "preset, settings or version); give another --out."
                        )
                else:
                    key = (line.get("subject"), line.get("question"), line.get("condition"))
                    if not all(isinstance(one, str) for one in key):
                        raise UsageError(
                            f"{file}, line {number + 1}: no result; give another --out."
                        )
                    lines[str(key[0]), str(key[1]), str(key[2])] = line
                good = end
        if good:
            os.truncate(file, good)
            return closing(cls(file, lines))
        if file.exists() and file.stat().st_size > len(json.dumps(header)):
            raise UsageError(f"{file} holds no results of this program; give another --out.")
        file.write_text(json.dumps(header) + "\n", encoding="utf-8")
        return closing(cls(file, lines))

    def get(self, subject: str, question: str, condition: str) -> dict[str, Any] | None:
        """Return what was answered; None if it was not asked, or failed."""
        line = self._lines.get((subject, question, condition))
        return None if line is None or "error" in line else line

    def add(self, subject: str, question: str, condition: str, line: dict[str, Any]) -> None:
        """Keep what was answered, at once.

        Raises:
            OmniLiveError: it cannot be written.
        """
        whole = {"subject": subject, "question": question, "condition": condition} | line
        self._lines[subject, question, condition] = whole
        try:
            self._out.write(json.dumps(whole, ensure_ascii=False) + "\n")
            self._out.flush()
        except OSError as error:
            raise OmniLiveError(
                f"The results cannot be written ({error.strerror}); make room and run it again."
            ) from error

    def close(self) -> None:
        """Let go of the file."""
        self._out.close()


def _whole_lines(file: Path) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield each whole line with the place of its end; stop at one that was cut short."""
    end = 0
    with file.open("rb") as opened:
        for data in opened:
            end += len(data)
            try:
                line = json.loads(data)
            except ValueError:
                return
            if not isinstance(line, dict) or not data.endswith(b"\n"):
                return
            yield line, end
