"""Looking into the memory: moments, streams, timeline, earlier turns; keeping, forgetting."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Annotated, cast

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from omnilive.api import OpenedMemory
from omnilive.api.looking import Place, page, streams
from omnilive.api.shape import MAX_BINS, shape
from omnilive.errors import UnknownMoment
from omnilive.events import NS_PER_S, Kind, Moment
from omnilive.serving.wire import seconds
from omnilive.web.context import Context, Served
from omnilive.web.errors import Refusal
from omnilive.web.models import (
    ForgetPreview,
    Forgotten,
    MomentPage,
    Pinned,
    Streams,
    StreamView,
    TimelineBin,
    TimelineClip,
    TimelineStretch,
    TimelineView,
    Turns,
    TurnView,
    WholeMoment,
)
from omnilive.web.views import moment_views, parse_id, parse_kinds, parse_time, shown_time

router = APIRouter(prefix="/v1", tags=["memory"])

_MOST_SEARCHED = 200  # of which those outside a window of time are left out
_NEVER_NS = 1 << 62

MomentId = Annotated[str, Path(description="Of any moment, clip or block.", max_length=200)]
StreamName = Annotated[str, Query(description="Only this stream; all if empty.", max_length=100)]
Time = Annotated[str, Query(description="ISO 8601, or seconds since 1970.", max_length=40)]


@router.get("/moments")
def list_moments(
    served: Served,
    q: Annotated[str, Query(description="Words to search for.", max_length=1000)] = "",
    stream: StreamName = "",
    kind: Annotated[str, Query(description="Only these kinds, with commas.", max_length=100)] = "",
    after: Time = "",
    before: Time = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str, Query(description="`next` of the page before.", max_length=100)] = "",
) -> MomentPage:
    """List moments, newest first; with `q`, search for them, best first."""
    kinds = parse_kinds(kind)
    after_ns, before_ns = parse_time(after, "after"), parse_time(before, "before")
    with served.memories.looking() as memory:
        number = memory.stream_number(stream)
        if q.strip():
            found = memory.search(q, stream=stream, limit=_MOST_SEARCHED)
            found = _within(memory, found, kinds, after_ns, before_ns)[:limit]
            return MomentPage(moments=moment_views(memory, found), next=None)
        start = Place(_NEVER_NS if before_ns is None else before_ns)
        if cursor:
            start = min(start, Place.parse(cursor))
        listed = page(
            memory.store,
            stream=number,
            kinds=cast(Sequence[Kind], kinds),
            after_wall_ns=-_NEVER_NS if after_ns is None else after_ns,
            before=start,
            limit=limit,
        )
        following = None if listed.following is None else str(listed.following)
        return MomentPage(moments=moment_views(memory, listed.moments), next=following)


def _within(
    memory: OpenedMemory,
    moments: Sequence[Moment],
    kinds: Sequence[str],
    after_ns: int | None,
    before_ns: int | None,
) -> list[Moment]:
    lines = memory.store.timelines()
    kept = []
    for moment in moments:
        wall_ns = lines[moment.stream].wall_at(moment.start_ns)
        if (
            (not kinds or moment.kind in kinds)
            and (after_ns is None or wall_ns >= after_ns)
            and (before_ns is None or wall_ns < before_ns)
        ):
            kept.append(moment)
    return kept


@router.get("/moments/{id}")
def show_moment(id: MomentId, served: Served) -> WholeMoment:
    """Show one moment; of a clip or block, also what lies in it."""
    with served.memories.looking() as memory:
        first, *inside = moment_views(memory, memory.show(parse_id(id)))
        return WholeMoment(**first.model_dump(), inside=inside)


@router.get("/moments/{id}/picture.jpg", response_class=Response)
def show_picture(id: MomentId, request: Request, served: Served) -> Response:
    """Return the picture kept of a moment's clip."""
    with served.memories.looking() as memory:
        picture = memory.picture(parse_id(id))
    if not picture:
        raise Refusal(404, "not_found", "No picture is kept of this moment.")
    etag = f'"{hashlib.sha256(picture).hexdigest()[:32]}"'
    # Asked for again each time, so that a forgotten picture is gone from the browser's cache too.
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    known = [part.strip() for part in request.headers.get("if-none-match", "").split(",")]
    if etag in known:
        return Response(status_code=304, headers=headers)
    return Response(picture, media_type="image/jpeg", headers=headers)


@router.post("/moments/{id}/pin")
def pin_moment(id: MomentId, served: Served) -> Pinned:
    """Keep a moment whatever the budget says."""
    return _pin(served, parse_id(id), keep=True)


@router.delete("/moments/{id}/pin")
def unpin_moment(id: MomentId, served: Served) -> Pinned:
    """Take the pin away."""
    return _pin(served, parse_id(id), keep=False)


def _pin(served: Context, moment: str, *, keep: bool) -> Pinned:
    with served.memories.looking() as memory:
        memory.pin(moment, keep=keep)
    return Pinned(id=moment, pinned=keep)


@router.post("/moments/{id}/forget")
def forget_moment(
    id: MomentId,
    served: Served,
    preview: Annotated[bool, Query(description="Only say what would go.")] = False,
    pinned: Annotated[bool, Query(description="Also if it is pinned.")] = False,
) -> ForgetPreview | Forgotten:
    """Delete a moment and everything derived from it, for good; with `preview`, say what goes."""
    with served.memories.looking() as memory:
        wanted = memory.would_forget(parse_id(id), pinned=pinned)
        whole = memory.show(id)
        if preview:
            return ForgetPreview(
                moments=moment_views(memory, whole[:50]),
                num_moments=sum(1 for each in whole if each.id != each.clip or len(whole) == 1),
                num_clips=sum(1 for each in whole if each.id == each.clip),
            )
        done = memory.forget(wanted)
        served.clips.note_deletions(memory.store.database.erased)
    # Of what another process forgot for us only the numbers are known.
    gone = list(dict.fromkeys([*done.ids, *(each.id for each in whole)]))
    served.house.broadcast({"event": "forgotten", "moments": gone})
    return Forgotten(
        forgotten=gone,
        moments=done.moments,
        clips=done.clips,
        turns=done.turns,
        pictures=done.pictures,
        fragments=done.fragments,
    )


@router.get("/streams")
def list_streams(served: Served) -> Streams:
    """List the streams."""
    with served.memories.looking() as memory:
        found = streams(memory.store)
    return Streams(
        streams=[
            StreamView(
                name=each.name,
                source=each.source,
                live=each.live,
                clips=each.clips,
                watched_s=round(each.watched_ns / NS_PER_S, 3),
                first_at=each.first_at,
                last_at=each.last_at,
            )
            for each in found
        ]
    )


@router.get("/timeline")
def show_timeline(
    served: Served,
    stream: StreamName = "",
    from_: Annotated[str, Query(alias="from", max_length=40)] = "",
    to: Time = "",
    bins: Annotated[int, Query(ge=1, le=MAX_BINS)] = 200,
) -> TimelineView:
    """Return how much is remembered over a stretch of time, whatever its length."""
    from_ns, to_ns = parse_time(from_, "from"), parse_time(to, "to")
    if from_ns is not None and to_ns is not None and to_ns <= from_ns:
        raise Refusal(400, "bad_request", "to must be later than from.", param="to")
    with served.memories.looking() as memory:
        found = shape(
            memory.store,
            stream=memory.stream_number(stream),
            from_wall_ns=from_ns,
            to_wall_ns=to_ns,
            num_bins=bins,
        )
        lines = memory.store.timelines()
    width = (found.to_wall_ns - found.from_wall_ns) / bins
    return TimelineView(
        **{"from": shown_time(found.from_wall_ns)},
        to=shown_time(found.to_wall_ns),
        bins=[
            TimelineBin(
                at=shown_time(found.from_wall_ns + round(index * width)),
                clips=round(each.clips, 2),
                **(each.kinds if found.exact else dict.fromkeys(each.kinds)),
            )
            for index, each in enumerate(found.bins)
        ],
        clips=[
            TimelineClip(
                id=each.id,
                stream=lines[each.stream].name,
                at=lines[each.stream].local_at(each.start_ns),
                start_s=seconds(each.start_ns),
                end_s=seconds(each.end_ns),
                changed=each.changed,
            )
            for each in found.clips
        ],
        watched=[
            TimelineStretch(
                stream=lines[each.stream].name,
                **{"from": shown_time(each.from_wall_ns)},
                to=shown_time(each.to_wall_ns),
            )
            for each in found.watched
        ],
        exact=found.exact,
    )


@router.get("/turns")
def list_turns(served: Served, limit: Annotated[int, Query(ge=1, le=200)] = 20) -> Turns:
    """List the newest turns of the conversation, oldest first."""
    with served.memories.looking() as memory:
        return Turns(
            turns=[
                TurnView(
                    turn=turn.turn_id,
                    question=turn.question,
                    answer=turn.answer,
                    outcome=turn.outcome,
                    known=turn.known,
                    redacted=turn.redacted,
                    at=shown_time(turn.wall_ns),
                    citations=moment_views(memory, _still_there(memory, turn.citations)),
                )
                for turn in memory.store.turns(limit)
            ]
        )


def _still_there(memory: OpenedMemory, ids: Sequence[str]) -> list[Moment]:
    found = []
    for each in ids:
        try:
            found.append(memory.store.get(each))
        except UnknownMoment:
            continue
    return found


@router.get("/stats")
def show_stats(served: Served) -> dict[str, object]:
    """Return what is remembered, what it takes on disk, and what is open."""
    with served.memories.looking() as memory:
        values = memory.stats()
    return values | {"live": served.house.stats()}
