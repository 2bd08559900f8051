"""From the bytes of a chat server's reply to the pieces of text in it.

Servers that claim to speak the protocol differ; whatever is not understood is refused with a
sentence, never passed on. No sentence holds a word of the reply.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from omnilive.errors import BackendError


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyLimits:
    """How much of a reply is accepted, in bytes."""

    max_line_bytes: int
    max_reply_bytes: int


class ReplyCut(BackendError):
    """The server stopped at its limit of tokens: what came is sound but not whole."""


def bounded(chunks: Iterable[bytes], limits: ReplyLimits, server: str) -> Iterator[bytes]:
    """Yield `chunks`, refusing a reply that grows over its limit."""
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > limits.max_reply_bytes:
            raise BackendError(f"{server} sent more than {limits.max_reply_bytes} bytes.")
        yield chunk


def streamed(chunks: Iterable[bytes], limits: ReplyLimits, server: str) -> Iterator[str]:
    """Yield the text of a server-sent event stream, delta by delta.

    Raises:
        BackendError: a reply that is malformed, too long or not finished.
        ReplyCut: after the last delta, if the server stopped at its limit of tokens.
    """
    finish = ""
    anything = False
    for data in _events(_lines(bounded(chunks, limits, server), limits, server)):
        if data.strip() == "[DONE]":
            finish = finish or "stop"
            break
        delta, reason = _delta(_parse(data, server), server)
        finish = reason or finish
        if delta:
            anything = True
            yield delta
    _check_end(finish, anything, server)


def whole(chunks: Iterable[bytes], limits: ReplyLimits, server: str) -> Iterator[str]:
    """Yield the text of a reply that came as one JSON object, from a server that cannot stream."""
    body = b"".join(bounded(chunks, limits, server))
    text, finish = _delta(_parse(_decoded(body, server), server), server, key="message")
    if text:
        yield text
    _check_end(finish or "stop", bool(text), server)


def _check_end(finish: str, anything: bool, server: str) -> None:
    if not finish:
        raise BackendError(f"{server} broke its answer off before the end.")
    if finish == "length":
        raise ReplyCut(f"{server} stopped at its limit of tokens; raise vlm.max_tokens.")
    if finish == "content_filter":
        raise BackendError(f"{server} withheld its answer (content filter).")
    if not anything:
        raise BackendError(f"{server} sent an empty answer.")


def _lines(chunks: Iterable[bytes], limits: ReplyLimits, server: str) -> Iterator[str]:
    # Kept as bytes until a line is whole: a character may be cut between two chunks.
    rest = b""
    for chunk in chunks:
        rest += chunk
        *lines, rest = rest.replace(b"\r\n", b"\n").split(b"\n")
        if len(rest) > limits.max_line_bytes:
            raise BackendError(f"{server} sent a line of more than {limits.max_line_bytes} bytes.")
        for line in lines:
            yield _decoded(line, server)
    if rest:
        yield _decoded(rest, server)


def _events(lines: Iterable[str]) -> Iterator[str]:
    """Yield the data of each event; an event's data may span lines, an empty line ends it."""
    data: list[str] = []
    for line in lines:
        line = line.rstrip("\r")
        if not line:
            if data:
                yield "\n".join(data)
            data = []
        elif line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line.startswith((":", "event:", "id:", "retry:")):
            data.append(line)  # not the protocol: let the parser refuse it
    if data:
        yield "\n".join(data)


def _decoded(line: bytes, server: str) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise BackendError(f"{server} sent text that is not UTF-8.") from None


def _parse(data: str, server: str) -> dict[str, object]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise BackendError(f"{server} sent something that is not a chat reply.") from None
    if not isinstance(value, dict):
        raise BackendError(f"{server} sent something that is not a chat reply.")
    if value.get("error"):
        raise BackendError(f"{server} reported an error while it was answering.")
    return value


def _delta(reply: dict[str, object], server: str, key: str = "delta") -> tuple[str, str]:
    choices = reply.get("choices")
    if choices == [] and key == "delta":
        return "", ""  # a closing count of tokens has no choice
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise BackendError(f"{server} sent a reply without a choice.")
    choice = choices[0]
    reason = choice.get("finish_reason")
    part = choice.get(key)
    content = part.get("content") if isinstance(part, dict) else None
    if content is not None and not isinstance(content, str):
        raise BackendError(f"{server} sent an answer that is not text.")
    return content or "", reason if isinstance(reason, str) else ""
