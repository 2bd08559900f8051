"""Which rows go when something is forgotten, worked out before anything is touched.

Words said also lie in the sound, words shown in the picture: an utterance takes the recording of
its span with it, a text on the screen also the picture, and the pictures after it for as long as
they look like that one, because a text is only reported when it is new.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from omnilive.errors import MomentPinned, UnknownMoment
from omnilive.events import NS_PER_S, moment_id
from omnilive.memory.database import Database
from omnilive.memory.forget_request import StreamSpan
from omnilive.memory.moments import COLUMNS, KINDS, MomentRow, find
from omnilive.memory.vectors import unpack_vectors

CLIPS_A_BATCH = 128
STILL_SHOWN_COSINE = 0.9
LOOK_BACK_NS = 3_600 * NS_PER_S  # no clip, utterance or fragment is longer than that
_PICTURED = ("screen", "motion", "picture")


@dataclass(slots=True)
class Doomed:
    """Row ids of what goes; `stripped` clips stay, but lose their picture."""

    moments: dict[int, MomentRow] = field(default_factory=dict)
    clips: dict[int, str] = field(default_factory=dict)
    stripped: set[int] = field(default_factory=set)
    fragments: set[int] = field(default_factory=set)
    blocks: set[int] = field(default_factory=set)
    pinned: set[int] = field(default_factory=set)
    extent: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Per stream the stretch of time that is touched."""

    def reach(self, stream: int, start_ns: int, end_ns: int) -> None:
        """Note that this stretch of a stream is touched."""
        low, high = self.extent.get(stream, (start_ns, end_ns))
        self.extent[stream] = (min(low, start_ns), max(high, end_ns))


class Collector:
    """Works out what goes. `pinned` says that what is pinned goes too."""

    def __init__(self, database: Database, *, pinned: bool) -> None:
        self._database = database
        self._pinned = pinned

    def span_of(self, public_id: str) -> StreamSpan | None:
        """Return the span of a block or a calendar row; None for a moment or a clip."""
        node = find(self._database, public_id).node
        row = self._database.row(
            "SELECT stream, start_ns, end_ns FROM node WHERE id = ? AND level != 0", (node,)
        )
        return None if row is None else StreamSpan(*row)

    def by_id(self, public_id: str) -> Doomed:
        """Return what goes with one moment or clip.

        Raises:
            UnknownMoment: nothing has this id.
            MomentPinned: it is pinned, and that was not said to go.
        """
        doomed = Doomed()
        found = find(self._database, public_id)
        if found.node is not None:
            self._node(found.node, doomed)
        else:
            (row,) = self._database.rows(
                f"SELECT {COLUMNS} FROM moment m WHERE m.id = ?", (found.moment,)
            )
            self._moment(MomentRow(*row), doomed)
        if doomed.pinned:
            raise MomentPinned
        return doomed

    def by_span(self, span: StreamSpan) -> Iterator[Doomed]:
        """Yield what goes with a stretch of time, a bounded number of clips at a time.

        A part must have been removed before the next one is asked for.
        """
        after = (span.start_ns - LOOK_BACK_NS, -1)
        done_ns = span.start_ns
        while True:
            nodes = self._database.rows(
                "SELECT id, start_ns, end_ns FROM node WHERE stream = ? AND level = 0 "
                "AND (start_ns, id) > (?, ?) AND start_ns > ? AND start_ns < ? AND end_ns > ? "
                "ORDER BY start_ns, id LIMIT ?",
                (span.stream, *after, after[0] - 1, span.end_ns, span.start_ns, CLIPS_A_BATCH),
            )
            doomed = Doomed()
            for node, start_ns, end_ns in nodes:
                if span.start_ns <= start_ns and end_ns <= span.end_ns:
                    self._node(node, doomed)
                elif self._is_free(node, doomed):
                    self._strip(node, doomed)
                after = (start_ns, node)
            is_last = len(nodes) < CLIPS_A_BATCH
            # The part of the span that this batch is responsible for; the last takes the rest.
            end_ns = span.end_ns if is_last else max(done_ns, min(span.end_ns, nodes[-1][2]))
            self._between(span.stream, done_ns, end_ns, doomed)
            done_ns = end_ns
            yield doomed
            if is_last:
                return

    def _between(self, stream: int, start_ns: int, end_ns: int, doomed: Doomed) -> None:
        for row in self._database.rows(
            f"SELECT {COLUMNS} FROM moment m WHERE m.stream = ? AND m.start_ns > ? "
            "AND m.start_ns < ? AND max(m.end_ns, m.start_ns + 1) > ?",
            (stream, start_ns - LOOK_BACK_NS, end_ns, start_ns),
        ):
            moment = MomentRow(*row)
            if moment.id not in doomed.moments and self._is_free(moment.node, doomed):
                self._moment(moment, doomed)
        self._fragments(stream, start_ns, end_ns, doomed)
        doomed.reach(stream, start_ns, end_ns)
        # Also blocks whose clips have gone before: their digests still tell of them.
        highest = self._database.value(
            "SELECT level FROM node WHERE stream = ? ORDER BY level DESC LIMIT 1", (stream,)
        )
        for level in range(1, 1 + (highest or 0)):
            doomed.blocks.update(overlapping(self._database, stream, level, start_ns, end_ns))

    def _node(self, node: int, doomed: Doomed) -> None:
        row = self._database.row(
            "SELECT stream, start_ns, end_ns, parent, name FROM node WHERE id = ?", (node,)
        )
        assert row is not None
        stream, start_ns, end_ns, parent, name = row
        if not self._is_free(node, doomed):
            return
        doomed.clips[node] = name or moment_id("c", stream, start_ns)
        if parent is not None:
            doomed.blocks.add(parent)
        for moment in self._database.rows(
            f"SELECT {COLUMNS} FROM moment m WHERE m.node = ?", (node,)
        ):
            doomed.moments[moment[0]] = MomentRow(*moment)
            end_ns = max(end_ns, moment[5])
        self._fragments(stream, start_ns, end_ns, doomed)
        for (fragment,) in self._database.rows("SELECT id FROM fragment WHERE node = ?", (node,)):
            doomed.fragments.add(fragment)
        doomed.reach(stream, start_ns, end_ns)

    def _moment(self, moment: MomentRow, doomed: Doomed) -> None:
        if not self._is_free(moment.node, doomed):
            return
        doomed.moments[moment.id] = moment
        end_ns = max(moment.end_ns, moment.start_ns + 1)
        self._fragments(moment.stream, moment.start_ns, end_ns, doomed)
        doomed.reach(moment.stream, moment.start_ns, end_ns)
        kind = KINDS[moment.kind]
        if kind in _PICTURED:
            if kind == "screen":
                self._still_showing(moment, doomed)
            self._strip(moment.node, doomed)
        parent = self._database.value("SELECT parent FROM node WHERE id = ?", (moment.node,))
        if parent is not None:
            doomed.blocks.add(parent)

    def _strip(self, node: int, doomed: Doomed) -> None:
        """Take a clip's picture, and what was said of the picture."""
        doomed.stripped.add(node)
        for row in self._database.rows(
            f"SELECT {COLUMNS} FROM moment m WHERE m.node = ? AND m.kind = ?",
            (node, KINDS.index("picture")),
        ):
            doomed.moments[row[0]] = MomentRow(*row)
        parent = self._database.value("SELECT parent FROM node WHERE id = ?", (node,))
        if parent is not None:
            doomed.blocks.add(parent)

    def _still_showing(self, text: MomentRow, doomed: Doomed) -> None:
        """Take the pictures and recordings that go on showing a text on the screen.

        Clips in which nothing changed show what the one before them showed; of the others those
        whose picture looks like the first one. The first that looks different ends it.
        """
        first = self._database.row(
            "SELECT n.epoch, n.start_ns, v.model, v.data, d.dimension FROM node n "
            "LEFT JOIN node_vector v ON v.node = n.id LEFT JOIN model d ON d.id = v.model "
            "WHERE n.id = ?",
            (text.node,),
        )
        assert first is not None
        epoch, start_ns, model, data, dimension = first
        shown = None if data is None else unpack_vectors([data], dimension)[0]
        after = start_ns
        while True:
            rows = self._database.rows(
                "SELECT n.id, n.start_ns, n.end_ns, n.changed, v.data FROM node n "
                "LEFT JOIN node_vector v ON v.node = n.id AND v.model IS ? "
                "WHERE n.stream = ? AND n.level = 0 AND n.start_ns > ? AND n.epoch = ? "
                "ORDER BY n.start_ns LIMIT ?",
                (model, text.stream, after, epoch, CLIPS_A_BATCH),
            )
            for node, node_start_ns, end_ns, changed, vector in rows:
                if changed:
                    if shown is None or vector is None:
                        return
                    if float(unpack_vectors([vector], dimension)[0] @ shown) < STILL_SHOWN_COSINE:
                        return
                if self._is_free(node, doomed):
                    self._strip(node, doomed)
                    self._fragments(text.stream, node_start_ns, end_ns, doomed)
                after = node_start_ns
            if len(rows) < CLIPS_A_BATCH:
                return

    def _fragments(self, stream: int, start_ns: int, end_ns: int, doomed: Doomed) -> None:
        for fragment, node in self._database.rows(
            "SELECT id, node FROM fragment WHERE stream = ? AND start_ns < ? AND start_ns > ? "
            "AND end_ns > ?",
            (stream, end_ns, start_ns - LOOK_BACK_NS, start_ns),
        ):
            if self._is_free(node, doomed):
                doomed.fragments.add(fragment)

    def _is_free(self, node: int, doomed: Doomed) -> bool:
        """Whether a clip may be touched; a pinned one is noted."""
        if self._pinned or not self._database.value(
            "SELECT pinned FROM node WHERE id = ?", (node,)
        ):
            return True
        doomed.pinned.add(node)
        return False


def overlapping(
    database: Database, stream: int, level: int, start_ns: int, end_ns: int
) -> list[int]:
    """Return the derived rows of one level that reach into a stretch of a stream."""
    # Rows of a level do not overlap: the one that starts last before is far enough back.
    first = database.value(
        "SELECT start_ns FROM node WHERE stream = ? AND level = ? AND start_ns <= ? "
        "ORDER BY start_ns DESC LIMIT 1",
        (stream, level, start_ns),
    )
    rows = database.rows(
        "SELECT id FROM node WHERE stream = ? AND level = ? AND start_ns >= ? AND start_ns < ? "
        "AND end_ns > ?",
        (stream, level, start_ns if first is None else first, end_ns, start_ns),
    )
    return [node for (node,) in rows]


def known(database: Database, public_id: str) -> bool:
    """Whether anything has this id."""
    try:
        find(database, public_id)
    except UnknownMoment:
        return False
    return True
