"""Moments that a question brings back by time alone: within spans, around an anchor, the latest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from omnilive.events import Moment, Span
from omnilive.memory.database import Database
from omnilive.memory.moments import COLUMNS, KINDS, VOICES, MomentRow, Presenter, by_ids
from omnilive.memory.over_time import choose_within, matching_rows
from omnilive.memory.timeline import Timeline
from omnilive.memory.tokens import QueryWord, index_terms
from omnilive.memory.view import View, lies_in

_NEWEST_CLIPS = 100  # where none of them has a picture, there is none of "now"


def latest_moments(
    database: Database, presenter: Presenter, view: View, limit: int
) -> tuple[Moment, ...]:
    """Return the newest moments of every kind, in order of time, with pictures."""
    found: list[Moment] = []
    for number, kind in enumerate(KINDS):
        rows = [
            row
            for stream in view.lines
            for row in newest_rows(database, view, stream, "m.kind = ?", [number], limit + 1)
        ]
        rows = [row for row in rows if view.allows(row)]
        rows.sort(key=lambda row: (view.lines[row.stream].wall_at(row.start_ns), row.id))
        moments = [*presenter.present(rows[-limit:], pictures=True)]
        moments += [moment for moment in view.pending if moment.kind == kind]
        found += sorted(moments, key=lambda m: _when(view, m))[-limit:]
    return tuple(sorted(found, key=lambda moment: _when(view, moment)))


def newest_rows(
    database: Database, view: View, stream: int, condition: str, bindings: Sequence[Any], limit: int
) -> list[MomentRow]:
    """Return the newest rows of one stream that a question may see, read from the newest on.

    One stream at a time, because then the index by time gives them without looking at others.
    """
    return _select(
        database,
        f"{condition} AND m.stream = ? AND m.start_ns < ? AND m.voice != ? AND m.asked = 0 "
        "ORDER BY m.start_ns DESC LIMIT ?",
        [*bindings, stream, view.bound(stream), VOICES.index("own"), limit],
    )


def latest_picture(database: Database, view: View) -> bytes:
    """Return the newest picture of all streams asked about; b"" if there is none."""
    newest: tuple[int, bytes] = (-1, b"")
    for stream, line in view.lines.items():
        row = database.row(
            "SELECT n.start_ns, t.jpeg FROM (SELECT id, start_ns FROM node WHERE stream = ? "
            "AND level = 0 AND start_ns < ? ORDER BY start_ns DESC LIMIT ?) n "
            "JOIN thumbnail t ON t.node = n.id ORDER BY n.start_ns DESC LIMIT 1",
            (stream, view.bound(stream), _NEWEST_CLIPS),
        )
        if row is not None:
            newest = max(newest, (line.wall_at(row[0]), row[1]))
    for moment in view.pending:
        if moment.picture:
            newest = max(newest, (_when(view, moment)[0], moment.picture))
    return newest[1]


def within_spans(
    database: Database, presenter: Presenter, view: View, spans: Sequence[Span], limit: int
) -> tuple[tuple[Moment, ...], int]:
    """Return moments inside spans in order of time (all without spans), and how many there are.

    Where there are too many, what was said, read and heard goes first, evenly over the spans.
    """
    pending = [moment for _, moment in view.pending_in(spans)]
    chosen, total = choose_within(database, view, spans, max(0, limit - len(pending)))
    allowed = [row for row in by_ids(database, sorted(chosen)) if view.allows(row, spans)]
    total -= len(chosen) - len(allowed)
    moments = [*presenter.present(allowed), *pending[:limit]]
    return _in_order(view, moments), total + len(pending)


def around_anchor(
    database: Database,
    presenter: Presenter,
    view: View,
    anchor: Moment,
    relation: Literal["before", "after"],
    *,
    reach_ns: int,
    limit: int,
) -> tuple[Moment, ...]:
    """Return what came next to an anchor in its stream, in order of time, with pictures."""
    condition, bindings = view.condition()
    if relation == "after":
        # What is said overlaps a little with the sound or picture it follows.
        start_ns = anchor.start_ns if anchor.kind in ("screen", "picture") else anchor.end_ns
        start_ns = max(anchor.start_ns + 1, start_ns - 500_000_000)
        end_ns = anchor.end_ns + reach_ns
        order = "ASC"
    else:
        start_ns, end_ns = max(0, anchor.start_ns - reach_ns), anchor.start_ns
        order = "DESC"
    rows = _select(
        database,
        f"m.stream = ? AND m.start_ns >= ? AND m.start_ns < ? AND {condition} "
        f"ORDER BY m.start_ns {order} LIMIT ?",
        [anchor.stream, start_ns, end_ns, *bindings, limit + 1],
    )
    rows = [row for row in rows if view.allows(row) and row.public_id != anchor.id]
    moments = [*presenter.present(rows, pictures=True)]
    moments += [
        m
        for m in view.pending
        if m.stream == anchor.stream and start_ns <= m.start_ns < end_ns and m.id != anchor.id
    ]
    ordered = _in_order(view, moments)
    return ordered[:limit] if relation == "after" else ordered[-limit:]


def matching(
    database: Database,
    presenter: Presenter,
    view: View,
    words: Sequence[QueryWord],
    spans: Sequence[Span],
    limit: int,
) -> tuple[tuple[Moment, ...], int]:
    """Return moments that hold every word, in order of time, and how many there are."""
    terms = list(dict.fromkeys(term for word in words for term in word.terms))
    if not terms:
        return (), 0
    pending = [
        moment
        for _, moment in view.pending_in(spans)
        if set(terms) <= set(index_terms(moment.text))
    ]
    rows, total = matching_rows(database, view, terms, spans, limit)
    moments = _in_order(view, [*presenter.present(rows), *pending])
    return moments[:limit], total + len(pending)


def newest_loud_sound(
    database: Database, presenter: Presenter, view: View, spans: Sequence[Span]
) -> Moment | None:
    """Return the newest sound that is not a silence, or None."""
    sound = KINDS.index("sound")
    rows: list[MomentRow] = []
    if spans:
        condition, bindings = view.condition(spans)
        rows = _select(
            database,
            f"m.kind = ? AND m.text != 'silence' AND {condition} ORDER BY m.start_ns DESC LIMIT 1",
            [sound, *bindings],
        )
    else:
        for stream in view.lines:
            loud = "m.kind = ? AND m.text != 'silence'"
            rows += newest_rows(database, view, stream, loud, [sound], 1)
    moments = [*presenter.present(rows, pictures=True)]
    moments += [
        m
        for m in view.pending
        if m.kind == "sound"
        and m.text != "silence"
        and lies_in(m.stream, m.start_ns, m.end_ns, spans)
    ]
    return max(moments, key=lambda moment: _when(view, moment), default=None)


def newest_moments(
    database: Database, lines: Mapping[int, Timeline], limit: int
) -> tuple[MomentRow, ...]:
    """Return the newest rows of several streams, oldest first by the wall clock.

    Stream time says nothing between two streams: one may be years older than the other.
    """
    found: list[tuple[int, MomentRow]] = []
    for stream, line in lines.items():
        rows = _select(
            database,
            "m.stream = ? ORDER BY m.start_ns DESC, m.id DESC LIMIT ?",
            [stream, limit],
        )
        found += [(line.wall_at(row.start_ns), row) for row in rows]
    found.sort(key=lambda one: (one[0], one[1].stream, one[1].start_ns, one[1].id))
    return tuple(row for _, row in found[-limit:])


def _select(database: Database, rest: str, bindings: Sequence[Any]) -> list[MomentRow]:
    rows = database.rows(f"SELECT {COLUMNS} FROM moment m WHERE {rest}", bindings)
    return [MomentRow(*row) for row in rows]


def _in_order(view: View, moments: Iterable[Moment]) -> tuple[Moment, ...]:
    return tuple(sorted(moments, key=lambda moment: _when(view, moment)))


def _when(view: View, moment: Moment) -> tuple[int, int, int, str]:
    """Order by wall time, so that several streams interleave as they happened."""
    wall_ns = view.lines[moment.stream].wall_at(moment.start_ns)
    return wall_ns, moment.stream, moment.start_ns, moment.id
