"""What a page may send as a message: bounded JSON, nothing else."""

from __future__ import annotations

import json

from omnilive.errors import ProtocolError
from omnilive.serving.messages import MOST_MESSAGE_BYTES
from omnilive.serving.wire import Json


def read_message(data: str | bytes) -> Json | ProtocolError:
    """Return a message of a page, or why it is none."""
    if isinstance(data, bytes) or len(data) > MOST_MESSAGE_BYTES:
        return ProtocolError("A message is text of at most 64 KiB.", "too_long")
    try:
        message = json.loads(data)
    except (ValueError, RecursionError):
        return ProtocolError("A message is a JSON object.")
    if not isinstance(message, dict):
        return ProtocolError("A message is a JSON object.")
    return message
