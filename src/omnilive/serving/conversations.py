"""All live conversations of a process (skeleton with the signatures of the contract)."""

from __future__ import annotations

from omnilive.clock import Clock
from omnilive.serving.conversation import LiveConversation
from omnilive.serving.wire import Json
from omnilive.system import LiveConfig, System


class Conversations:
    """Opens, finds and ends conversations; they share models and one memory."""

    def __init__(self, system: System, config: LiveConfig, clock: Clock | None = None) -> None:
        raise NotImplementedError

    def open(self, name: str = "") -> LiveConversation:
        """Open a conversation.

        Raises:
            SessionLimit: as many are open as may be.
        """
        raise NotImplementedError

    def get(self, id_: str) -> LiveConversation:
        """Return an open conversation.

        Raises:
            UnknownSession: there is none with this id.
        """
        raise NotImplementedError

    def list(self) -> list[LiveConversation]:
        """Return the open conversations, oldest first."""
        raise NotImplementedError

    def close(self, id_: str) -> None:
        """End a conversation.

        Raises:
            UnknownSession: there is none with this id.
        """
        raise NotImplementedError

    def reap(self) -> None:
        """End the conversations whose client is gone for longer than the grace."""
        raise NotImplementedError

    def close_all(self) -> None:
        """End everything; nothing acknowledged is lost."""
        raise NotImplementedError

    def broadcast(self, message: Json) -> None:
        """Send a message to every client."""
        raise NotImplementedError

    def stats(self) -> Json:
        """Return figures for `/metrics`."""
        raise NotImplementedError
