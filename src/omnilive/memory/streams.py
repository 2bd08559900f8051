"""Streams, epochs, anchors and the files they came from.

A live stream's time goes on by the true gap when it comes back; a file's stream time is the
file's own time, so watching the rest of it later continues where it stopped.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from omnilive.errors import StoreError
from omnilive.events import NS_PER_S, StreamStarted, Voice
from omnilive.memory.database import Database
from omnilive.memory.timeline import Anchor, Epoch, Timeline

ANCHOR_INTERVAL_NS = 600 * NS_PER_S
_LONGEST_LINE_NS = 86_400 * NS_PER_S
_OFF_LINE_NS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A user's own file, as it was when it was watched. `fingerprint` stands for its content."""

    path: str
    size: int
    mtime_ns: int
    fingerprint: str


class ResumePoint(NamedTuple):
    """How far a file has been watched into a stream; `file_ns` is in the file's own time."""

    state: Literal["none", "part", "complete"]
    file_ns: int


def begin_epoch(
    database: Database,
    name: str,
    *,
    wall_ns: int,
    zone: str,
    origin: Literal["live", "creation", "watching", "given"],
    voice: Voice,
    has_video: bool,
    has_audio: bool,
    live: bool,
    source: str,
    file: SourceFile | None = None,
    file_start_ns: int = 0,
    at_ns: int | None = None,
) -> StreamStarted:
    """Open an epoch of the stream `name` (made if new) and say what its times mean.

    `wall_ns` is the wall time of the epoch's first instant (of a resumed file: of `file_start_ns`).
    `at_ns` is the stream time it starts at, for a caller who knows it (a wall clock that stepped);
    None continues a file where it stopped and a live source by the true gap.
    """
    with database.transaction():
        stream = database.value("SELECT id FROM stream WHERE name = ?", (name,))
        if stream is None:
            stream = database.insert("INSERT INTO stream(name) VALUES(?)", (name,))
        file_id = None if file is None else _file_id(database, file)
        start_ns = at_ns
        if start_ns is None:
            start_ns = _next_start(database, stream, wall_ns, live, file_id, file_start_ns)
        _close_open_epochs(database, stream, start_ns)
        epoch = database.insert(
            "INSERT INTO epoch(stream, start_ns, wall_ns, zone, origin, voice, has_video, "
            "has_audio, live, source, file, file_start_ns) VALUES(?,?,?,?,?,?,?,?,?,?,?,?)",
            (stream, start_ns, wall_ns, zone, origin, voice, has_video, has_audio, live, source)
            + (file_id, file_start_ns),
        )
    return StreamStarted(
        stream=stream,
        name=name,
        epoch=epoch,
        at_ns=start_ns,
        wall_ns=wall_ns,
        zone=zone,
        origin=origin,
        voice=voice,
        has_video=has_video,
        has_audio=has_audio,
        live=live,
        source=source,
    )


def adopt(database: Database, started: StreamStarted) -> None:
    """Make sure the store knows an epoch that was announced; nothing to do if it opened it itself.

    A replayed journal and a rendered world bring their own numbers.
    """
    database.clock.clear()
    known = database.row("SELECT stream, start_ns, live FROM epoch WHERE id = ?", (started.epoch,))
    name = database.value("SELECT name FROM stream WHERE id = ?", (started.stream,))
    if (known is not None and known[0] != started.stream) or (
        name is not None and name != started.name
    ):
        raise StoreError(
            "The store already holds another stream under the number of the one that starts; "
            "give another --store."
        )
    if known is not None:
        if known[1:] != (started.at_ns, started.live):
            # Whoever announced it knows best where it starts.
            with database.transaction():
                database.run(
                    "UPDATE epoch SET start_ns = ?, live = ?, wall_ns = ? WHERE id = ?",
                    (started.at_ns, started.live, started.wall_ns, started.epoch),
                )
        return
    with database.transaction():
        if name is None:
            database.run("INSERT INTO stream VALUES(?, ?)", (started.stream, started.name))
        _close_open_epochs(database, started.stream, started.at_ns)
        database.run(
            "INSERT INTO epoch(id, stream, start_ns, wall_ns, zone, origin, voice, has_video, "
            "has_audio, live, source) VALUES(?,?,?,?,?,?,?,?,?,?,?)",
            (started.epoch, started.stream, started.at_ns, started.wall_ns, started.zone)
            + (started.origin, started.voice, started.has_video, started.has_audio)
            + (started.live, started.source),
        )


def timeline_of(started: StreamStarted) -> Timeline:
    """Return the timeline of one epoch alone: enough to show what is remembered in it."""
    epoch = Epoch(
        id=started.epoch,
        start_ns=started.at_ns,
        end_ns=started.at_ns,
        wall_ns=started.wall_ns,
        zone=started.zone,
        origin=started.origin,
        live=started.live,
        source=started.source,
        file="",
        file_start_ns=0,
        anchors=(Anchor(started.at_ns, started.wall_ns),),
    )
    return Timeline(started.stream, started.name, (epoch,))


def end_epoch(database: Database, epoch: int, at_ns: int, *, complete: bool) -> None:
    """Close an epoch; `complete` says that its source came to its true end."""
    database.run("UPDATE epoch SET end_ns = ?, complete = ? WHERE id = ?", (at_ns, complete, epoch))


def add_anchor(database: Database, epoch: int, at_ns: int, wall_ns: int) -> None:
    """Keep what the wall clock showed at a stream time."""
    database.run("INSERT OR REPLACE INTO anchor VALUES(?, ?, ?)", (epoch, at_ns, wall_ns))
    database.clock.clear()


def resume_point(database: Database, name: str, fingerprint: str) -> ResumePoint:
    """Return how far the file has been watched into the stream `name`, in acknowledged clips."""
    row = database.row(
        "SELECT e.id, e.start_ns, e.file_start_ns, e.complete FROM epoch e "
        "JOIN stream s ON s.id = e.stream JOIN source_file f ON f.id = e.file "
        "WHERE s.name = ? AND f.fingerprint = ? ORDER BY e.id DESC LIMIT 1",
        (name, fingerprint),
    )
    if row is None:
        return ResumePoint("none", 0)
    epoch, start_ns, file_start_ns, complete = row
    end_ns = _remembered_end(database, epoch)
    reached = file_start_ns + (max(0, end_ns - start_ns) if end_ns is not None else 0)
    if complete:
        return ResumePoint("complete", reached)
    return ResumePoint("part", reached) if reached else ResumePoint("none", 0)


class KnownEpochs:
    """The timelines of a store, read again only as far as they can have changed.

    A year has hundreds of epochs and fifty thousand anchors, and every commit asks anew. An epoch
    that was closed stays as it was until something is erased; anchors are only added.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._epochs: dict[int, Epoch] = {}
        self._closed: dict[int, tuple[int, ...]] = {}
        self._erased = -1

    def timelines(self) -> dict[int, Timeline]:
        """Return every stream with its epochs, by number."""
        erased = self._database.erased
        if erased != self._erased:
            self._closed.clear()
            self._erased = erased
        before, self._epochs = self._epochs, {}
        by_stream: dict[int, list[Epoch]] = {}
        for row in self._database.rows(
            "SELECT e.stream, e.id, e.start_ns, e.wall_ns, e.zone, e.origin, e.live, e.source, "
            "coalesce(f.path, ''), e.file_start_ns, e.end_ns FROM epoch e "
            "LEFT JOIN source_file f ON f.id = e.file ORDER BY e.stream, e.start_ns, e.id"
        ):
            epoch = row[1]
            known = before.get(epoch)
            if known is None or row != self._closed.get(epoch):
                known = self._read(row, known)
                if row[-1] is not None:
                    self._closed[epoch] = row
            self._epochs[epoch] = known
            by_stream.setdefault(row[0], []).append(known)
        return {
            stream: Timeline(stream, name, tuple(by_stream.get(stream, ())))
            for stream, name in self._database.rows("SELECT id, name FROM stream ORDER BY id")
        }

    def _read(self, row: tuple[Any, ...], known: Epoch | None) -> Epoch:
        _, epoch, start_ns, wall_ns, zone, origin, live, source, path, file_start_ns, _ = row
        own: tuple[Anchor, ...] = (Anchor(start_ns, wall_ns),)
        if known is not None and known.anchors[0] == own[0]:
            own = known.anchors
        own = _with_anchors(
            own,
            self._database.rows(
                "SELECT at_ns, wall_ns FROM anchor WHERE epoch = ? AND at_ns > ? ORDER BY at_ns",
                (epoch, own[-1].at_ns),
            ),
        )
        end_ns = _remembered_end(self._database, epoch)
        return Epoch(
            id=epoch,
            start_ns=start_ns,
            end_ns=start_ns if end_ns is None else end_ns,
            wall_ns=wall_ns,
            zone=zone,
            origin=origin,
            live=bool(live),
            source=source,
            file=path,
            file_start_ns=file_start_ns,
            anchors=own,
        )


def _with_anchors(
    anchors: tuple[Anchor, ...], more: Iterable[tuple[int, int]]
) -> tuple[Anchor, ...]:
    """Add anchors, without those that say nothing: they lie on the line through their neighbours.

    A clock that keeps its pace needs one a day, not one every ten minutes for a year.
    """
    kept = list(anchors)
    for at_ns, wall_ns in more:
        if len(kept) >= 2 and at_ns - kept[-2].at_ns <= _LONGEST_LINE_NS:
            (at_0, wall_0), (at_1, wall_1) = kept[-2:]
            on_line = wall_0 + (at_1 - at_0) * (wall_ns - wall_0) // (at_ns - at_0)
            if abs(on_line - wall_1) <= _OFF_LINE_NS:
                kept.pop()
        kept.append(Anchor(at_ns, wall_ns))
    return tuple(kept)


def timelines(database: Database) -> dict[int, Timeline]:
    """Return every stream with its epochs, by number; `KnownEpochs` for asking again and again."""
    return KnownEpochs(database).timelines()


def _file_id(database: Database, file: SourceFile) -> int:
    database.run(
        "INSERT INTO source_file(path, size, mtime_ns, fingerprint) VALUES(?,?,?,?) "
        "ON CONFLICT(fingerprint) DO UPDATE SET path = excluded.path, size = excluded.size, "
        "mtime_ns = excluded.mtime_ns",
        (file.path, file.size, file.mtime_ns, file.fingerprint),
    )
    return int(
        database.value("SELECT id FROM source_file WHERE fingerprint = ?", (file.fingerprint,))
    )


def _next_start(
    database: Database,
    stream: int,
    wall_ns: int,
    live: bool,
    file: int | None,
    file_start_ns: int,
) -> int:
    last = database.row(
        "SELECT id, start_ns, wall_ns, live, file, file_start_ns, end_ns, complete FROM epoch "
        "WHERE stream = ? ORDER BY start_ns DESC, id DESC LIMIT 1",
        (stream,),
    )
    if last is None:
        return file_start_ns
    epoch, start_ns, last_wall_ns, was_live, last_file, last_file_start_ns, end_ns, complete = last
    acknowledged = _remembered_end(database, epoch)
    acknowledged = start_ns if acknowledged is None else acknowledged
    if file is not None and file == last_file and not complete and file_start_ns > 0:
        # The same file goes on: its own time goes on too, over whatever was not acknowledged.
        return max(acknowledged, start_ns + file_start_ns - last_file_start_ns)
    at_ns = max(acknowledged, end_ns or 0)
    if live and was_live:
        anchor = database.row(
            "SELECT at_ns, wall_ns FROM anchor WHERE epoch = ? ORDER BY at_ns DESC LIMIT 1",
            (epoch,),
        ) or (start_ns, last_wall_ns)
        at_ns = max(at_ns, anchor[0], anchor[0] + wall_ns - anchor[1])
    return at_ns


def _close_open_epochs(database: Database, stream: int, before_ns: int) -> None:
    """Close what a crash left open; anchors of what was never acknowledged go."""
    for (epoch,) in database.rows(
        "SELECT id FROM epoch WHERE stream = ? AND end_ns IS NULL", (stream,)
    ):
        end_ns = _remembered_end(database, epoch)
        database.run(
            "UPDATE epoch SET end_ns = max(start_ns, coalesce(?, start_ns)) WHERE id = ?",
            (end_ns, epoch),
        )
        database.run("DELETE FROM anchor WHERE epoch = ? AND at_ns >= ?", (epoch, before_ns))


def _remembered_end(database: Database, epoch: int) -> int | None:
    # Through the index by time: an epoch's clips are neighbours there.
    return database.value(
        "SELECT n.end_ns FROM epoch e JOIN node n ON n.stream = e.stream AND n.level = 0 "
        "AND n.start_ns >= e.start_ns AND n.start_ns <= coalesce(e.end_ns, 9223372036854775807) "
        "AND n.epoch = e.id WHERE e.id = ? "
        "ORDER BY n.start_ns DESC LIMIT 1",
        (epoch,),
    )
