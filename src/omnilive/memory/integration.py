"""Long-term memory of a stream, in step with the store: H-bar, or the frontier that stands for it.

The database is the truth: what is integrated is read from it, in 16 bits, and a block that is over
gets its H-bar written beside its digest. What is kept here are keys and values of blocks that are
still open, each with the row ids it was made from. If the store does not begin with those rows any
more (something was forgotten, another process wrote), the block is made anew. So a restart,
forgetting and a bounded question need no way of their own.

Blocks follow memory's tree (`omnilive.memory.blocks`): 32 clips, a gap of ten minutes, local
midnight. As in `omnilive.nn.memory_integration`, the block of the newest clip counts as open until
the next clip comes, so that up to 32 clips "blocks" is "exact".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from omnilive.errors import BackendError
from omnilive.memory import clip_tokens
from omnilive.memory.clip_tokens import NUMBER_BYTES, Child, ChildTokens
from omnilive.memory.compressor_config import CompressorConfig
from omnilive.memory.database import Database
from omnilive.memory.eviction import TOKENS
from omnilive.memory.learned import LearnedMemory

if TYPE_CHECKING:
    from torch import Tensor

    from omnilive.nn.memory_integration import OpenBlock

END = 1 << 62


class LongTerm(NamedTuple):
    """H-bar of each part, coarsest first (rows, width); `problem` is a sentence or ""."""

    parts: tuple[Tensor, ...]
    problem: str


class _Made(Enum):
    """What became of a block whose H-bar was missing."""

    MADE = "its H-bar is there now"
    EMPTY = "nothing in it has pictures"
    LOST = "H of something in it is gone"


class _Wanted(NamedTuple):
    """What one level of the frontier is made of; `parent` is None where no block is open there."""

    parent: int | None
    level: int
    children: list[Child]


@dataclass(slots=True)
class _Block:
    """An open block and the rows of the store that it was made from."""

    rows: tuple[int, ...]
    block: OpenBlock


@dataclass(slots=True)
class _Running:
    """What is kept of a stream between two clips."""

    levels: list[_Block] = field(default_factory=list)
    exact: _Block | None = None
    is_outgrown: bool = False


class Integration:
    """Long-term memory of all streams of a store."""

    def __init__(
        self, database: Database, learned: LearnedMemory, config: CompressorConfig
    ) -> None:
        self._database = database
        self._learned = learned
        self._way = config.integration
        self._running: dict[int, _Running] = {}
        self._cannot: dict[int, _Made] = {}
        self._transient: dict[int, ChildTokens] = {}
        self._stamp = -1

    def keep_up(self, stream: int) -> None:
        """Integrate what was stored of a stream since the last call.

        Raises:
            BackendError: the network cannot integrate it; what is stored is not touched.
        """
        self._look_for_changes()
        running = self._running.setdefault(stream, _Running())
        model = clip_tokens.model_of(self._database, self._learned.model)
        if model is None:
            return
        is_exact = self._keep_exact(running, stream, model)
        # Also where all is exact: blocks that are over get their H-bar while it is cheap.
        wanted = self._wanted(stream, model, END)
        if not is_exact:
            running.levels = self._advanced(running.levels, wanted)

    def long_term(self, stream: int, before_ns: int = END) -> LongTerm:
        """Return what question pass and prompt receive of clips that begin before `before_ns`.

        Raises:
            BackendError: the network cannot integrate it.
        """
        self._look_for_changes()
        model = clip_tokens.model_of(self._database, self._learned.model)
        if model is None:
            return LongTerm((), "")
        running = self._running.setdefault(stream, _Running())
        if self._keep_exact(running, stream, model):
            return self._exactly(running, stream, model, before_ns)
        if self._way == "exact" and running.is_outgrown:
            return LongTerm(
                (),
                "There are more clips than the memory network's window holds; set "
                'memory.compressor.integration to "auto" or "blocks".',
            )
        levels = self._advanced(running.levels, self._wanted(stream, model, before_ns))
        if _is_later(levels, running.levels):
            running.levels = levels
        parts = [self._learned.long_term(each.block) for each in reversed(levels) if each.rows]
        return LongTerm(tuple(parts), "")

    def num_bytes(self, stream: int) -> int:
        """Return the bytes of keys and values that are kept of a stream."""
        running = self._running.get(stream, _Running())
        held = [*running.levels, *([running.exact] if running.exact else [])]
        return sum(each.block.num_bytes for each in held)

    # --- exact --------------------------------------------------------------------------

    def _keep_exact(self, running: _Running, stream: int, model: int) -> bool:
        """Bring the exact memory of a stream along; False if it is not kept that way."""
        if self._way == "blocks" or running.is_outgrown:
            return False
        clips = self._all_clips(stream, model)
        if clips is None:
            running.exact, running.is_outgrown = None, True
            return False
        running.exact = self._grown(running.exact, clips, 0)
        return True

    def _exactly(self, running: _Running, stream: int, model: int, before_ns: int) -> LongTerm:
        exact = running.exact
        if before_ns < END:
            earlier = [
                each for each in self._all_clips(stream, model) or () if each.start_ns < before_ns
            ]
            exact = self._grown(exact, earlier, 0)
        if exact is None or not exact.rows:
            return LongTerm((), "")
        return LongTerm((self._learned.long_term(exact.block),), "")

    def _all_clips(self, stream: int, model: int) -> list[Child] | None:
        """Return all clips of a stream that have tokens; None if they do not fit the window."""
        dropped = self._database.value(
            "SELECT 1 FROM horizon WHERE stream = ? AND rung = ?", (stream, TOKENS)
        )
        if dropped:
            return None  # the oldest are gone: what is left is not the whole
        window = self._learned.window
        rows = self._database.rows(
            "SELECT t.id, n.id, n.start_ns, length(t.data) FROM node n "
            "JOIN clip_token t ON t.node = n.id WHERE n.stream = ? AND n.level = 0 "
            "AND t.model = ? ORDER BY n.start_ns LIMIT ?",
            (stream, model, window),
        )
        width = NUMBER_BYTES * self._learned.width
        if sum(row[3] // width + 1 for row in rows) > window:
            return None
        return [Child(*row[:3]) for row in rows]

    # --- blocks -------------------------------------------------------------------------

    def _wanted(self, stream: int, model: int, before_ns: int) -> list[_Wanted]:
        """Return of what each level of the frontier is made, clips first."""
        database = self._database
        last = database.row(
            "SELECT n.parent, t.id, n.id, n.start_ns FROM node n "
            "JOIN clip_token t ON t.node = n.id WHERE n.stream = ? AND n.level = 0 "
            "AND n.start_ns < ? AND t.model = ? ORDER BY n.start_ns DESC LIMIT 1",
            (stream, before_ns, model),
        )
        if last is None:
            return []
        block: int | None = last[0]
        start_ns = int(last[3])
        if block is None:
            return [_Wanted(None, 0, [Child(*last[1:])])]
        clips = clip_tokens.children(database, block, model, 0, before_ns)
        found = [_Wanted(block, 0, clips)]
        highest = database.value(
            "SELECT level FROM node WHERE stream = ? ORDER BY level DESC LIMIT 1", (stream,)
        )
        for level in range(1, highest):
            above: int | None = None
            if block is not None:
                above, start_ns = database.row(
                    "SELECT parent, start_ns FROM node WHERE id = ?", (block,)
                ) or (None, start_ns)
            if above is None:
                newest = database.row(
                    "SELECT id, closed FROM node WHERE stream = ? AND level = ? AND start_ns <= ? "
                    "ORDER BY start_ns DESC LIMIT 1",
                    (stream, level + 1, start_ns),
                )
                above = newest[0] if newest is not None and not newest[1] else None
            children = [] if above is None else self._blocks(above, level, model, start_ns)
            found.append(_Wanted(above, level, children))
            block = above
        return found

    def _blocks(self, parent: int, level: int, model: int, before_ns: int) -> list[Child]:
        """Return the blocks under a block; those that lack their H-bar get it if they can."""
        nodes = self._database.rows(
            "SELECT n.id, n.start_ns, t.id, t.model FROM node n "
            "LEFT JOIN clip_token t ON t.node = n.id WHERE n.parent = ? AND n.level = ? "
            "AND n.start_ns < ? ORDER BY n.start_ns, n.id",
            (parent, level, before_ns),
        )
        found = []
        for node, start_ns, row, of_model in nodes:
            if row is not None and of_model == model:
                found.append(Child(row, node, start_ns))
            elif row is None and (made := self._make(node, level, model)) is not None:
                found.append(Child(made, node, start_ns))
        return found

    def _make(self, node: int, level: int, model: int) -> int | None:
        """Integrate a block that is over; returns its row, None if there is nothing to make it of.

        A process that only reads keeps what it made to itself, under the node's negative number.
        """
        if node in self._transient:
            return -node
        if node in self._cannot:
            return None
        database = self._database
        if level == 1:
            children = clip_tokens.children(database, node, model, 0, END)
            is_lost = database.value(
                "SELECT 1 FROM node n JOIN global_memory g ON g.node = n.id "
                "LEFT JOIN clip_token t ON t.node = n.id WHERE n.parent = ? AND t.id IS NULL",
                (node,),
            )
        else:
            children = self._blocks(node, level - 1, model, END)
            is_lost = any(
                self._cannot.get(child) is _Made.LOST
                for (child,) in database.rows("SELECT id FROM node WHERE parent = ?", (node,))
            )
        if is_lost or database.value("SELECT faded FROM node WHERE id = ?", (node,)):
            self._cannot[node] = _Made.LOST
            return None
        if not children:
            self._cannot[node] = _Made.EMPTY
            return None
        rows = tuple(child.row for child in children)
        block = next(
            (
                each
                for running in self._running.values()
                for each in running.levels[level - 1 : level]
                if each.rows == rows
            ),
            None,
        ) or self._grown(None, children, level - 1)
        made = self._learned.rows(self._learned.long_term(block.block))
        if not database.write:
            self._transient[node] = ChildTokens(made, made[-1])
            return -node
        with database.transaction():
            return clip_tokens.insert_rows(
                database, node, model, made, inputs=[child.node for child in children]
            )

    # --- both ---------------------------------------------------------------------------

    def _advanced(self, levels: Sequence[_Block], wanted: Sequence[_Wanted]) -> list[_Block]:
        """Return the open blocks that are wanted, grown from those that are there."""
        return [
            self._grown(
                levels[each.level] if each.level < len(levels) else None, each.children, each.level
            )
            for each in wanted
        ]

    def _grown(self, before: _Block | None, children: Sequence[Child], level: int) -> _Block:
        rows = tuple(child.row for child in children)
        if before is None or before.rows != rows[: len(before.rows)]:
            before = _Block((), self._learned.empty_block())
        new = children[len(before.rows) :]
        if not new:
            return before
        tokens = []
        for child in new:
            read = (
                self._transient.get(child.node)
                if child.row < 0
                else clip_tokens.read(self._database, child, level, self._learned.width)
            )
            if read is None:
                raise BackendError("Memory tokens went while they were being read; ask again.")
            tokens.append(read)
        return _Block(rows, self._learned.grown(before.block, tokens))

    def _look_for_changes(self) -> None:
        """After something was erased (or, for a reader, written) blocks are looked at again."""
        database = self._database
        stamp = database.erased if database.write else database.generation
        if stamp != self._stamp:
            self._stamp = stamp
            self._cannot.clear()
            self._transient.clear()
            for running in self._running.values():
                running.is_outgrown = False


def _is_later(levels: Sequence[_Block], before: Sequence[_Block]) -> bool:
    """Whether open blocks hold all that the ones before held, or went on to another block."""
    return len(levels) >= len(before) and all(
        new.rows[: len(old.rows)] == old.rows or (new.rows[:1] > old.rows[:1])
        for new, old in zip(levels, before, strict=False)
    )
