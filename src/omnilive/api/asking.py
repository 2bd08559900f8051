"""Everything that can be done with a memory, from any process, also while another one writes it."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from omnilive.api.forgetting import ForgetPreview, preview
from omnilive.api.pictures import picture_question
from omnilive.api.watching import store_path
from omnilive.cancel import Cancel
from omnilive.errors import MomentPinned, OmniLiveError, StoreError, UsageError
from omnilive.events import AnswerEnded, Event, Moment, Pin, Question, Retrieval, Utterance
from omnilive.memory.commands import Command
from omnilive.memory.conversation import NewTurn
from omnilive.memory.forget_request import Forgotten
from omnilive.memory.moments import MomentQuery
from omnilive.memory.performing import perform
from omnilive.memory.store import Store
from omnilive.presets import embedded
from omnilive.system import Config, System

_WRITER_TAKES_S = 30.0  # how long the writer may take to carry out a command
_counter = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer and what it rests on.

    Attributes:
        question, text: as asked and as answered.
        known: False when it says that this was not seen or cannot be known.
        citations: the moments it rests on.
        took_ms: from the question to the end of the answer.
    """

    question: str
    text: str
    known: bool
    citations: tuple[Moment, ...]
    took_ms: int


class OpenedMemory:
    """A store, open for questions. Use it in a `with` block, or close it."""

    def __init__(self, store: Path, config: Config) -> None:
        self._path = store
        self._system = System(config, store, write=False, wall_clock=time.time_ns)

    # --- asking --------------------------------------------------------------------------

    def ask(self, question: str, *, stream: str = "", picture: Path | str | None = None) -> Answer:
        """Answer from everything remembered (of one stream, if it is named).

        With a `picture` file the question is when it last looked like that; time words in it hold.

        Raises:
            MediaError: the picture cannot be read.
            UsageError: the question is empty.
            OmniLiveError: no answer could be given; says why.
        """
        started = time.monotonic()
        ended: AnswerEnded | None = None
        for event in self.ask_events(question, stream=stream, picture=picture):
            if isinstance(event, AnswerEnded):
                ended = event
        if ended is None or ended.outcome == "failed":
            raise OmniLiveError((ended and ended.error) or "The question got no answer.")
        return Answer(
            question=ended.question,
            text=ended.text,
            known=ended.known,
            citations=ended.citations,
            took_ms=round((time.monotonic() - started) * 1000),
        )

    def ask_events(
        self,
        question: str,
        *,
        stream: str = "",
        picture: Path | str | None = None,
        cancel: Cancel | None = None,
    ) -> Iterator[Event]:
        """Answer event by event, as the words come; the turn is kept in the store."""
        question = question.strip()
        if not question:
            raise UsageError("The question is empty; write what you want to know.")
        self._known_stream(stream)
        turn = f"q{time.time_ns() // 1_000_000}-{next(_counter)}"
        asked: Event = Utterance(
            id=turn,
            stream=0,
            start_ns=0,
            end_ns=0,
            text=question,
            voice="user",
            typed=True,
            scope=stream,
        )
        if picture is not None:
            # Whoever shows a picture asks us: there is nothing for the gate to decide.
            asked = picture_question(turn, question, picture, stream)
        for event in self._system.run([asked], cancel):
            yield event
            if isinstance(event, AnswerEnded) and event.outcome == "completed":
                self._keep_turn(event)

    # --- looking -------------------------------------------------------------------------

    def newest(self, *, stream: str = "", limit: int = 50) -> Sequence[Moment]:
        """Return the newest moments, oldest first; over all streams by the wall clock."""
        return self._system.store.newest(self._known_stream(stream), limit)

    def clips(self, *, stream: str = "", limit: int = 50) -> Sequence[Moment]:
        """Return the newest clips with their pictures, oldest first."""
        return self._system.store.clips(self._known_stream(stream), limit)

    def search(
        self,
        words: str = "",
        *,
        stream: str = "",
        limit: int = 10,
        picture: Path | str | None = None,
    ) -> Sequence[Moment]:
        """Return moments that match `words`, best first; nothing if nothing passes the floor.

        With a `picture` file: those that look like it, at the times that `words` name, if any.
        """
        self._known_stream(stream)
        question = Question(turn_id="search", text=words, needs="past", scope=stream)
        if picture is not None:
            question = picture_question("search", words, picture, stream)
        for event in self._system.shared["memory"].push(question, Cancel()):
            if isinstance(event, Retrieval):
                alike = sorted(event.look_alikes[::-1], key=lambda one: one.score, reverse=True)
                return (*alike, *event.hits)[:limit]
        return ()

    def show(self, moment: str) -> Sequence[Moment]:
        """Return a moment; of a clip or block, everything inside it follows."""
        found = self._system.store.get(moment)
        if found.id != found.clip:
            return [found]
        query = MomentQuery(
            stream=found.stream, start_ns=found.start_ns, end_ns=found.end_ns, limit=1000
        )
        inside = (each for each in self._system.store.moments(query) if each.id != found.id)
        return [found, *inside]

    def picture(self, moment: str) -> bytes:
        """Return the JPEG kept of a moment's clip; b"" if there is none."""
        return self._system.store.get(moment).picture

    @property
    def store(self) -> Store:
        """The store, for reading."""
        return self._system.store

    def stream_number(self, name: str) -> int | None:
        """Return the number of a stream; None for "".

        Raises:
            UsageError: there is no stream of this name.
        """
        return self._known_stream(name)

    def stats(self) -> dict[str, object]:
        """Return what is remembered and what it takes on disk."""
        return asdict(self._system.store.stats())

    # --- keeping, exporting, forgetting ---------------------------------------------------

    def export(self, moment: str, out: Path | None = None) -> Path:
        """Write a moment as a clip that any player plays; returns the file written."""
        from omnilive.media.export import export_clip, export_from_file

        parts = self._system.store.play_parts(moment)
        target = out or Path(f"{moment}.mp4")
        if parts.file is not None:
            return export_from_file(parts.file, parts.file_start_ns, parts.file_end_ns, target).path
        if not parts.fragments:
            raise StoreError(f"{moment} cannot be played any more: its recording is not kept.")
        return export_clip(
            [(part.path, part.offset, part.num_bytes) for part in parts.fragments],
            parts.start_ns,
            parts.end_ns,
            target,
        ).path

    def pin(self, moment: str, *, keep: bool = True) -> None:
        """Keep a moment whatever the budget says (or no longer)."""
        self._system.store.get(moment)
        self._command(Pin(moment=moment, keep=keep))

    def would_forget(
        self,
        moment: str = "",
        *,
        span: tuple[str, str] | None = None,
        stream: str = "",
        query: str = "",
        pinned: bool = False,
    ) -> ForgetPreview:
        """Return what `forget` would delete; see there for the arguments."""
        return preview(
            self._system.store,
            moment=moment,
            span=span,
            stream=stream,
            query=query,
            pinned=pinned,
        )

    def forget(
        self,
        moment: str | ForgetPreview = "",
        *,
        span: tuple[str, str] | None = None,
        stream: str = "",
        query: str = "",
        pinned: bool = False,
    ) -> Forgotten:
        """Delete moments and everything derived from them, for good.

        Args:
            moment: id of a moment, clip or block; or what `would_forget` returned.
            span: two ISO 8601 times (in the stream's own zone unless they carry an offset), or
                two positions in one stream ("90", "1:30", "1:02:03").
            stream: only of this stream; alone: all of it.
            query: only moments that hold all these words.
            pinned: also what is pinned.

        Returns:
            What went. `wal_truncated` is False if a reader keeps a copy in the log for now.

        Raises:
            UsageError: nothing was said, or nothing matches.
            UnknownMoment: nothing has this id.
            MomentPinned: it is pinned.
            StoreError: the store cannot be written.
        """
        if not isinstance(moment, ForgetPreview):
            moment = self.would_forget(moment, span=span, stream=stream, query=query, pinned=pinned)
        return self._command(moment.request)

    def close(self) -> None:
        """Let go of the store. Safe to call twice."""
        self._system.close()

    def __enter__(self) -> OpenedMemory:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # --- behind the scenes ---------------------------------------------------------------

    def _known_stream(self, name: str) -> int | None:
        if not name:
            return None
        names = {line.name: number for number, line in self._system.store.timelines().items()}
        if name not in names:
            known = ", ".join(sorted(names)) or "none yet"
            raise UsageError(f'There is no stream "{name}"; there are: {known}.')
        return names[name]

    def _command(self, command: Command) -> Forgotten:
        """Write ourselves if nobody does, else ask who writes and wait."""
        done = perform(self._path, command, doing="omnilive memory")
        if not isinstance(done, int):
            return done or Forgotten()
        deadline = time.monotonic() + _WRITER_TAKES_S
        while time.monotonic() < deadline:
            outcome = self._system.store.outcome(done)
            if outcome == "":
                return self._system.store.forgotten(done)
            if outcome is not None:
                pinned = MomentPinned()  # errors come through the store as their sentences
                raise pinned if outcome == str(pinned) else StoreError(outcome)
            time.sleep(0.05)
        raise StoreError(
            "The process that writes this store has not answered; it will do it when it can."
        )

    def _keep_turn(self, ended: AnswerEnded) -> None:
        """Keep a finished turn; a store that cannot be written still answers."""
        turn = NewTurn(
            turn_id=ended.turn_id,
            question=ended.question,
            answer=ended.text,
            outcome=ended.outcome,
            known=ended.known,
            citations=tuple(moment.id for moment in ended.citations),
            wall_ns=time.time_ns(),
        )
        with contextlib.suppress(StoreError):
            perform(self._path, turn, doing="omnilive ask")


def open_store(store: str | Path | None = None, *, config: Config | None = None) -> OpenedMemory:
    """Open a memory for questions, also while another process writes it.

    Args:
        store: directory of the memory; the configured one if None.
        config: what answers; the `embedded` preset if None.

    Raises:
        StoreError: there is no memory, or it cannot be read.
    """
    config = config or embedded()
    return OpenedMemory(store_path(store, config), config)
