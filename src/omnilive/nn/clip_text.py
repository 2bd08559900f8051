"""The sentence in front of a clip: "This contains a clip sampled in 4 to 16 seconds".

The release counts these seconds from its start, by processed frames. Here they count in stream
time from an origin that has a name, so that a stream that runs for months still gives numbers
such as the decoder was trained on.
"""

from __future__ import annotations

from dataclasses import dataclass

from omnilive.errors import BackendError

_SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class TimeOrigin:
    """Where the seconds in clip texts begin.

    Attributes:
        name: what begins there ("conversation", "block"); kept beside what was compressed.
        at_ns: stream time.
    """

    name: str
    at_ns: int


def clip_text(start_ns: int, end_ns: int, origin: TimeOrigin) -> str:
    """Return the sentence for a clip from `start_ns` to `end_ns` of stream time.

    Raises:
        BackendError: the clip begins before its origin, or ends before it begins.
    """
    if not origin.at_ns <= start_ns <= end_ns:
        raise BackendError(
            f"A clip must begin after its {origin.name} and end after it began; "
            "give it the origin of the block that it belongs to."
        )
    start, end = (_whole_seconds(at_ns - origin.at_ns) for at_ns in (start_ns, end_ns))
    return f"This contains a clip sampled in {start} to {end} seconds"


def _whole_seconds(span_ns: int) -> int:
    """Round to seconds, halves to the even one (4.5 gives 4, 15.5 gives 16), in integers."""
    seconds, rest_ns = divmod(span_ns, _SECOND_NS)
    above = rest_ns * 2 > _SECOND_NS or (rest_ns * 2 == _SECOND_NS and seconds % 2 == 1)
    return seconds + int(above)
