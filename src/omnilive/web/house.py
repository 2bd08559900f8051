"""The writing side of a server: the models, the one memory and the conversations; or why not.

A store has one writer. While another process writes it, the server only looks, searches and asks;
whoever then opens a session finds out whether the writer has gone, and if so we take its place.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from omnilive.clock import Clock
from omnilive.errors import OmniLiveError, StoreBusy
from omnilive.events import NS_PER_S
from omnilive.serving.conversation import LiveConversation
from omnilive.serving.conversations import Conversations
from omnilive.serving.wire import Json
from omnilive.system import Config, System
from omnilive.web.errors import Refusal

if TYPE_CHECKING:
    from omnilive.web.intake import Reception
    from omnilive.web.webrtc import Peers

_log = logging.getLogger(__name__)

DOING = "omnilive serve"


class House:
    """Where conversations live; any thread may call it.

    Args:
        config: what to run.
        store: directory of the memory.
        clock: time.
        ice_addresses: at which addresses media may come in.
        observer: is given the messages of all conversations that figures are made from.
    """

    def __init__(
        self,
        config: Config,
        store: Path,
        *,
        clock: Clock,
        ice_addresses: Sequence[str],
        observer: Callable[[Json], None],
    ) -> None:
        self._config, self._store, self._clock = config, store, clock
        self._ice_addresses = tuple(ice_addresses)
        self._observer = observer
        self._lock = threading.RLock()
        self._system: System | None = None
        self._conversations: Conversations | None = None
        self._peers: Peers | None = None
        self._refusal = ""
        self._loading = False
        self._problem = ""
        self._closed = False

    def open(self) -> None:
        """Become the store's writer, or note who is.

        Raises:
            StoreError: the store cannot be used at all.
        """
        with self._lock:
            try:
                self._move_in()
            except StoreBusy as busy:
                self._refusal = str(busy)

    @property
    def remembers(self) -> bool:
        """Whether this process writes the store."""
        return self._conversations is not None

    @property
    def refusal(self) -> str:
        """Why no session can be opened; "" if one can."""
        return self._refusal

    def reasons(self) -> list[str]:
        """Return why it is not ready, in sentences."""
        reasons = ["The models are being loaded."] if self._loading else []
        if self._problem:
            reasons.append(self._problem)
        if self._closed:
            reasons.append("The server is going down.")
        return reasons

    def conversations(self) -> Conversations:
        """Return the conversations; take the writer's place if it has gone.

        Raises:
            StoreBusy: another process writes the store.
            Refusal: the server is going down.
        """
        with self._lock:
            if self._closed:
                raise Refusal(503, "going_down", "The server is going down.")
            if self._conversations is None:
                try:
                    self._move_in()
                except StoreBusy as busy:
                    self._refusal = str(busy)
                    raise
            assert self._conversations is not None
            return self._conversations

    def peers(self) -> Peers:
        """Return what carries conversations by WebRTC; it is made when it is first needed."""
        with self._lock:
            self.conversations()
            if self._peers is None:
                from omnilive.web.webrtc import Peers

                self._peers = Peers(self._reception())
            return self._peers

    def broadcast(self, message: Json) -> None:
        """Tell every open conversation."""
        conversations = self._conversations
        if conversations is not None:
            conversations.broadcast(message)

    def stats(self) -> Json:
        """Return figures of the conversations; {} while there are none."""
        conversations = self._conversations
        return conversations.stats() if conversations is not None else {}

    def open_ones(self) -> list[LiveConversation]:
        """Return the conversations that are open, oldest first."""
        conversations = self._conversations
        return conversations.list() if conversations is not None else []

    def close(self) -> None:
        """Say goodbye to every client, commit what was perceived, let go of the store."""
        with self._lock:
            self._closed = True
            conversations, self._conversations = self._conversations, None
            peers, self._peers = self._peers, None
            system, self._system = self._system, None
        try:
            if conversations is not None:
                conversations.close_all()
            if peers is not None:
                peers.close()
        finally:
            if system is not None:
                system.close()

    # --- behind the scenes ---------------------------------------------------------------

    def _reception(self) -> Reception:
        from omnilive.web.intake import Reception

        live, media = self._config.live, self._config.media
        return Reception(
            ice_addresses=self._ice_addresses,
            frame_interval_ns=round(media.frame_interval_s * NS_PER_S),
            frame_max_side=media.frame_max_side,
            record=live.record,
            record_height=live.record_height,
            record_fps=live.record_fps,
        )

    def _move_in(self) -> None:
        system = System(
            self._config,
            self._store,
            write=True,
            doing=DOING,
            now_wall_ns=time.time_ns(),
        )
        try:
            conversations = Conversations(system, self._config.live, self._clock)
        except BaseException:
            system.close()
            raise
        conversations.observer = self._observer
        self._system, self._conversations, self._refusal = system, conversations, ""
        self._loading = True
        threading.Thread(
            target=self._warm, args=(conversations,), name="omnilive loads models", daemon=True
        ).start()

    def _warm(self, conversations: Conversations) -> None:
        """Load the models before the first session asks for them."""
        try:
            conversations.warm()
        except OmniLiveError as error:
            self._problem = str(error)
        except Exception as error:  # whatever a model's package raises: not ready, and why
            self._problem = f"The models could not be loaded ({type(error).__name__})."
            _log.error("loading the models failed: %s", type(error).__name__)
        finally:
            self._loading = False
