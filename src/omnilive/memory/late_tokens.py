"""Memory tokens that come when their clip is remembered already, which is usual while live.

What was forgotten meanwhile must not come back with them: tokens that were on their way when
something was forgotten are refused.
"""

from __future__ import annotations

from collections.abc import Mapping

from omnilive.events import ClipTokens
from omnilive.memory.forget_request import ForgetRequest
from omnilive.memory.store import Store

_MOST_WAITING = 64  # some ten megabytes


class LateTokens:
    """Stores late tokens, and knows which streams have new ones. For the writer of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[ClipTokens] = []
        self._refused_before: dict[int, int] = {}
        self._streams: set[int] = set()
        self._num_left_out = 0

    def take(self, tokens: ClipTokens) -> None:
        """Take tokens of a clip that is no longer pending; of very many the oldest go."""
        if tokens.start_ns < self._refused_before.get(tokens.stream, 0):
            return
        self._waiting.append(tokens)
        if len(self._waiting) > _MOST_WAITING:
            del self._waiting[0]
            self._num_left_out += 1

    def store(self) -> None:
        """Store what waits, if its clip is still there.

        Raises:
            StoreError: the store cannot be written; what waits is tried again the next time.
        """
        while self._waiting:
            if self._store.set_tokens(self._waiting[0]):
                self.note_stream(self._waiting[0].stream)
            del self._waiting[0]

    def note_stream(self, stream: int) -> None:
        """Note that a stream has new tokens in the store."""
        self._streams.add(stream)

    def take_streams(self) -> list[int]:
        """Return the streams that have new tokens in the store, once."""
        streams, self._streams = sorted(self._streams), set()
        return streams

    def notices(self) -> list[str]:
        """Return what the user should be told, once."""
        if not self._num_left_out:
            return []
        number, self._num_left_out = self._num_left_out, 0
        return [f"The memory tokens of {number} clips were left out: the store took none so long."]

    def refuse(self, request: ForgetRequest, newest_ns: Mapping[int, int]) -> None:
        """Something is being forgotten: what is on its way of those streams is not stored.

        Args:
            request: what.
            newest_ns: up to where each running stream has come.
        """
        spans = {span.stream for span in request.spans} | set(request.streams)
        for stream, reached_ns in self._reached().items():
            if request.moments or stream in spans:
                end_ns = max(reached_ns, newest_ns.get(stream, 0))
                self._refused_before[stream] = max(end_ns, self._refused_before.get(stream, 0))
        self._waiting = [
            each
            for each in self._waiting
            if each.start_ns >= self._refused_before.get(each.stream, 0)
        ]

    def _reached(self) -> dict[int, int]:
        """Return up to where each stream is remembered."""
        return dict(
            self._store.database.rows(
                "SELECT id, coalesce((SELECT n.end_ns FROM node n WHERE n.stream = stream.id "
                "AND n.level = 0 ORDER BY n.start_ns DESC LIMIT 1), 0) FROM stream"
            )
        )
