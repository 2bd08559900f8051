"""Values of the memory as the models of the routes, and times as people write them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote

from omnilive.api import OpenedMemory
from omnilive.api.looking import Marks, marks
from omnilive.clock import local_zone
from omnilive.events import NS_PER_S, Moment
from omnilive.memory.moments import KINDS
from omnilive.memory.timeline import local_time
from omnilive.serving import wire
from omnilive.web.errors import Refusal
from omnilive.web.models import MomentView

_BLANK_OFFSET = re.compile(r" (\d\d:?\d\d)$")  # a "+" that nobody escaped in an address
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,199}")
_FARTHEST_S = 32_503_680_000  # the year 3000


def moment_views(memory: OpenedMemory, moments: Sequence[Moment]) -> list[MomentView]:
    """Return moments as they are sent."""
    return [
        _view(moment, mark)
        for moment, mark in zip(moments, marks(memory.store, moments), strict=True)
    ]


def _view(moment: Moment, mark: Marks) -> MomentView:
    place = quote(moment.id, safe="")
    return MomentView.model_validate(
        wire.citation(moment)
        | {
            "clip": moment.clip,
            "speaker": moment.voice,
            "score": round(moment.score, 4),
            "pinned": mark.pinned,
            "has_picture": mark.has_picture,
            "picture": f"/v1/moments/{place}/picture.jpg" if mark.has_picture else None,
            "media": f"/v1/clips/{place}.mp4" if moment.playable else None,
        }
    )


def parse_id(text: str) -> str:
    """Return a moment's id as it came in an address.

    Raises:
        Refusal: no moment's id is spelled like this.
    """
    if not _ID.fullmatch(text):
        raise Refusal(404, "unknown_moment", "No moment has an id of this form.", param="id")
    return text


def parse_kinds(text: str) -> list[str]:
    """Return the kinds of moments that are named, separated by commas.

    Raises:
        Refusal: there is no such kind.
    """
    kinds = [part.strip() for part in text.split(",") if part.strip()]
    for kind in kinds:
        if kind not in KINDS:
            raise Refusal(400, "bad_request", f"The kinds are {', '.join(KINDS)}.", param="kind")
    return list(dict.fromkeys(kinds))


def parse_time(text: str, name: str) -> int | None:
    """Return a time as UTC in nanoseconds; None for "".

    ISO 8601, in this machine's zone unless it has an offset; or seconds since 1970.

    Raises:
        Refusal: it is no time.
    """
    text = text.strip()
    if not text:
        return None
    try:
        seconds = float(text) if _is_number(text) else _of_iso(text)
    except (ValueError, OverflowError, OSError):
        seconds = math.nan
    if not 0 <= seconds <= _FARTHEST_S:
        raise Refusal(
            400,
            "bad_request",
            f"{name} is not a time; write it as 2026-05-04T09:30:00+02:00, or as seconds since "
            "1970.",
            param=name,
        )
    return round(seconds * 1000) * (NS_PER_S // 1000)


def shown_time(wall_ns: int) -> str:
    """Return UTC in nanoseconds as local time of this machine, ISO 8601 with offset."""
    return local_time(wall_ns, local_zone())


def _is_number(text: str) -> bool:
    return re.fullmatch(r"\d{1,12}(\.\d{1,9})?", text) is not None


def _of_iso(text: str) -> float:
    return datetime.fromisoformat(_BLANK_OFFSET.sub(r"+\1", text)).astimezone().timestamp()
