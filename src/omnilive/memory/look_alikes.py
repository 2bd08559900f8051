"""Pictures that look like one: the channel of visual descriptors.

A descriptor tells the layout of light, colour and edges, so "alike" means: as good as the same
picture. The floor is fixed, not relative to what else is there: most cameras look like
themselves all day. Below the best finding a small margin decides, so that of many slides of one
design the very one that was shown comes first. Neighbouring clips that look alike are one run: an
empty room all night is one finding, not thousands. One pass reads 247 bytes a clip.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from omnilive.events import Descriptor, Moment, Question, Span, moment_id
from omnilive.memory.database import Database
from omnilive.memory.moments import COLUMNS, KINDS, MomentRow, Presenter
from omnilive.memory.vectors import unpack_vectors
from omnilive.memory.view import View, lies_in

_PART = 4_096
_MOST_ALIKE = 50_000  # clips above the floor that are looked at, the newest of a stream


class PendingPicture(NamedTuple):
    """The descriptor of a clip that is not committed yet; `moment` is its picture."""

    moment: str
    model: str
    descriptor: Descriptor


class _Seen(NamedTuple):
    """One clip's picture: its node (or the place of a pending moment) and how alike it is."""

    node: int
    pending: int
    start_ns: int
    end_ns: int
    cosine: float


def look_alikes(
    database: Database,
    presenter: Presenter,
    view: View,
    question: Question,
    spans: Sequence[Span],
    pending: Sequence[PendingPicture],
    *,
    floor: float,
    margin: float,
    limit: int,
) -> tuple[Moment, ...]:
    """Return the newest picture of each of the `limit` newest runs that look like the question's.

    Args:
        database: where to look.
        presenter: how to show what is found.
        view: what the question may see.
        question: with the descriptor and its model.
        spans: only in these; anywhere without.
        pending: descriptors of what is not committed.
        floor: least cosine of two pictures of one scene.
        margin: how far below the best cosine a finding may lie.
        limit: how many runs.
    """
    asked = np.asarray(question.picture, dtype=np.float32)
    length = float(np.linalg.norm(asked))
    if not np.isfinite(length) or length == 0.0:
        return ()
    asked /= length
    alike: dict[int, list[tuple[int, _Seen]]] = {}
    for stream in view.lines:
        pictures = _newest_first(database, view, stream, question.picture_model, asked, pending)
        alike[stream] = [
            (place, seen)
            for place, seen in enumerate(pictures)
            if seen.cosine >= floor and lies_in(stream, seen.start_ns, seen.end_ns, spans)
        ][:_MOST_ALIKE]
    best = max((seen.cosine for found in alike.values() for _, seen in found), default=0.0)
    newest = [
        (stream, seen)
        for stream, found in alike.items()
        for seen in _newest_of_runs(found, max(floor, best - margin))
    ]

    def when(one: tuple[int, _Seen]) -> tuple[int, int]:
        stream, seen = one
        return view.lines[stream].wall_at(seen.start_ns), stream

    newest.sort(key=when)
    return tuple(
        _moment(database, presenter, view, stream, seen) for stream, seen in newest[-limit:]
    )


def _newest_of_runs(found: Sequence[tuple[int, _Seen]], floor: float) -> Iterator[_Seen]:
    """Yield the newest picture of each run of neighbours above the floor."""
    expected = -1
    for place, seen in found:
        if seen.cosine < floor:
            continue
        if place != expected:
            yield seen
        expected = place + 1


def _newest_first(
    database: Database,
    view: View,
    stream: int,
    model: str,
    asked: Descriptor,
    pending: Sequence[PendingPicture],
) -> Iterator[_Seen]:
    waiting = {one.moment: one for one in pending if one.model == model}
    places = [
        (place, moment)
        for place, moment in enumerate(view.pending)
        if moment.stream == stream and moment.kind == "picture" and moment.id in waiting
    ]
    for place, moment in sorted(places, key=lambda one: -one[1].start_ns):
        descriptor = waiting[moment.id].descriptor
        if descriptor.size == asked.size:
            cosine = float(descriptor @ asked)
            yield _Seen(0, place, moment.start_ns, moment.end_ns, cosine)
    known = database.row("SELECT id, dimension FROM model WHERE name = ?", (model,))
    if known is None or known[1] != asked.size:
        return
    before_ns = view.bound(stream)
    while True:
        rows = database.rows(
            "SELECT n.id, n.start_ns, n.end_ns, v.data FROM node n "
            "JOIN node_vector v ON v.node = n.id AND v.model = ? "
            "WHERE n.stream = ? AND n.level = 0 AND n.start_ns < ? "
            "ORDER BY n.start_ns DESC LIMIT ?",
            (known[0], stream, before_ns, _PART),
        )
        cosines = unpack_vectors([row[3] for row in rows], asked.size) @ asked
        for (node, start_ns, end_ns, _), cosine in zip(rows, cosines, strict=True):
            yield _Seen(node, -1, start_ns, end_ns, float(cosine))
        if len(rows) < _PART:
            return
        before_ns = rows[-1][1]


def _moment(
    database: Database, presenter: Presenter, view: View, stream: int, seen: _Seen
) -> Moment:
    score = round(min(1.0, max(0.0, seen.cosine)), 4)
    if seen.pending >= 0:
        return replace(view.pending[seen.pending], score=score)
    row = database.row(
        f"SELECT {COLUMNS} FROM moment m WHERE m.node = ? AND m.kind = ?",
        (seen.node, KINDS.index("picture")),
    )
    if row is not None:
        (moment,) = presenter.present([MomentRow(*row)], pictures=True)
        return replace(moment, score=score)
    # The picture itself is gone, but how it looked is still known: the clip stands for it.
    name = database.value("SELECT name FROM node WHERE id = ?", (seen.node,))
    public_id = name or moment_id("c", stream, seen.start_ns)
    line = view.lines[stream]
    return Moment(
        id=public_id,
        clip=public_id,
        stream=stream,
        stream_name=line.name,
        kind="picture",
        start_ns=seen.start_ns,
        end_ns=seen.end_ns,
        at=line.local_at(seen.start_ns),
        text="the picture changed",
        playable=presenter.playable(seen.node, stream, seen.start_ns),
        score=score,
    )
