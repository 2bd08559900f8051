"""Reading digests of hours, days and months: their lines, each as what it says of its own time.

A line keeps the id of its digest, because that is what memory can show and what is cited.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from omnilive.events import NS_PER_S, Kind, Moment

_LINE = re.compile(
    r"(?:(?P<day>\d{4}-\d\d-\d\d) )?(?P<clock>\d\d:\d\d:\d\d) "
    r"(?P<label>heard|read|sound|seen): (?P<text>.+)"
)
_KINDS: dict[str, Kind] = {
    "heard": "speech",
    "read": "screen",
    "sound": "sound",
    "seen": "picture",
}


def lines_of(digests: Iterable[Moment], kinds: Iterable[Kind] = ()) -> Iterator[list[Moment]]:
    """Yield what each digest tells, line by line, in order of time.

    Left out are movement and silence: how long they lasted a digest does not say.
    """
    wanted = set(kinds)
    for digest in digests:
        lines = []
        for line in digest.text.splitlines():
            match = _LINE.fullmatch(line)
            if match is None or match["text"] == "silence":
                continue
            kind = _KINDS[match["label"]]
            if not wanted or kind in wanted:
                lines.append(_at(digest, match["day"], match["clock"], kind, match["text"]))
        if lines:
            yield lines


def _at(digest: Moment, day: str | None, clock: str, kind: Kind, text: str) -> Moment:
    start = datetime.fromisoformat(digest.at)
    when = datetime.fromisoformat(f"{day or digest.at[:10]}T{clock}").replace(tzinfo=start.tzinfo)
    seconds = (when - start.replace(microsecond=0)) / timedelta(seconds=1)
    start_ns = min(max(digest.start_ns, digest.start_ns + int(seconds) * NS_PER_S), digest.end_ns)
    return replace(
        digest,
        kind=kind,
        text=text,
        start_ns=start_ns,
        end_ns=min(digest.end_ns, start_ns + NS_PER_S),
        at=when.isoformat(timespec="milliseconds"),
    )
