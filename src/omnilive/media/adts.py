"""AAC as transport streams carry it (each packet with an ADTS head) to AAC as files want it."""

from __future__ import annotations

_HEAD = 7
_HEAD_WITH_CHECKSUM = 9


def strip_adts(data: bytes) -> tuple[bytes, bytes] | None:
    """Return the packet without its head, and the set-up bytes that the head stood for.

    None if there is no head, or several frames in one packet (which cannot be split by a cut).
    """
    if len(data) < _HEAD or data[0] != 0xFF or data[1] & 0xF6 != 0xF0:
        return None
    head = _HEAD if data[1] & 1 else _HEAD_WITH_CHECKSUM
    length = (data[3] & 3) << 11 | data[4] << 3 | data[5] >> 5
    if length != len(data) or length <= head or data[6] & 3:
        return None
    object_type = (data[2] >> 6) + 1
    frequency = data[2] >> 2 & 0xF
    channels = (data[2] & 1) << 2 | data[3] >> 6
    # AudioSpecificConfig: 5 bits object type, 4 bits frequency index, 4 bits channels.
    config = object_type << 11 | frequency << 7 | channels << 3
    return data[head:], config.to_bytes(2, "big")
