"""One live conversation (skeleton with the signatures of the contract)."""

from __future__ import annotations

from omnilive.media.contract import MediaReader
from omnilive.serving.client import Client, ClientKind
from omnilive.serving.playout import Playout, Taken
from omnilive.serving.settings import Settings
from omnilive.serving.wire import Json

__all__ = ["Client", "ClientKind", "LiveConversation"]


class LiveConversation:
    """A person and the system, talking."""

    id: str
    stream_name: str
    playout: Playout
    settings: Settings

    def attach(self, client: Client, reader: MediaReader) -> None:
        """Take `client` as the other end; the one before gets `bye` and is closed."""
        raise NotImplementedError

    def detach(self, client: Client, reason: str) -> None:
        """The client is gone; the conversation waits for the next one."""
        raise NotImplementedError

    def receive(self, client: Client, message: Json) -> None:
        """Take a message of the page; what is wrong with it is answered with `error`."""
        raise NotImplementedError

    def taken(self, piece: Taken) -> None:
        """Take note of what goes out; the pacing side calls it with every piece of sound."""
        raise NotImplementedError

    def ask(self, text: str, scope: str = "") -> str:
        """Ask in writing; returns the turn's id."""
        raise NotImplementedError

    def stop(self) -> None:
        """Cut the answer."""
        raise NotImplementedError

    def configure(self, **changes: object) -> None:
        """Change settings."""
        raise NotImplementedError

    def snapshot(self) -> Json:
        """Return what is known of the conversation, for lists."""
        raise NotImplementedError

    def close(self, reason: str) -> None:
        """End the conversation; what was perceived is committed. Safe to call twice."""
        raise NotImplementedError

    @property
    def gone_since(self) -> float | None:
        """Monotonic seconds since when nobody is connected; None while somebody is."""
        raise NotImplementedError
