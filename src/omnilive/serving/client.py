"""Who carries a conversation to a person: a page over WebRTC or WebSocket, or a terminal."""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

from omnilive.serving.wire import Json

ClientKind: TypeAlias = Literal["webrtc", "websocket", "terminal"]


class Client(Protocol):
    """The other end of a conversation; one at a time."""

    @property
    def kind(self) -> ClientKind:
        """How it is connected."""
        ...

    def send(self, message: Json) -> None:
        """Send a message, in order; from any thread, without waiting."""
        ...

    def close(self, reason: str) -> None:
        """End the connection; from any thread, without waiting, and twice."""
        ...
