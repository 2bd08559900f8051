"""Everything that one page sends, whichever way it comes: sound, pictures, what it says of them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from omnilive.events import NS_PER_S, Pixels, Samples
from omnilive.media.pushed import PushedReader
from omnilive.serving.client import Client
from omnilive.web.inbound_audio import InboundSound
from omnilive.web.inbound_video import InboundPictures
from omnilive.web.placing import PicturePlace, SoundPlace
from omnilive.web.recording import Recording
from omnilive.web.sound_health import SoundHealth

if TYPE_CHECKING:
    from omnilive.serving.conversation import LiveConversation
    from omnilive.web.inbound_audio import Piece
    from omnilive.web.inbound_video import Picture

DEAD_AFTER_S = 15.0
"""A page from which nothing has come for this long, no sound and no message, is gone."""
CONNECT_WITHIN_S = 15.0
"""An offer that has not become a connection by then is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception:
    """How what pages send is taken in.

    Attributes:
        ice_addresses: of this machine, offered for WebRTC (`omnilive.web.addresses`).
        frame_interval_ns: perception gets one picture in each such stretch.
        frame_max_side: its longer side is at most this.
        record: whether what comes is recorded.
        record_height: lines of a recorded picture at most.
        record_fps: pictures a second that are recorded.
        dead_after_s: see `DEAD_AFTER_S`.
        connect_within_s: see `CONNECT_WITHIN_S`.
    """

    ice_addresses: tuple[str, ...] = ("127.0.0.1", "::1")
    frame_interval_ns: int = NS_PER_S
    frame_max_side: int = 1280
    record: bool = False
    record_height: int = 480
    record_fps: float = 5.0
    dead_after_s: float = DEAD_AFTER_S
    connect_within_s: float = CONNECT_WITHIN_S


class Intake:
    """The way in of one connection. Belongs to the loop that receives.

    Args:
        conversation: whose person this is.
        client: who carries the conversation; gets `health`.
        reception: how media are taken in.
        pool: where pictures are converted.
        has_audio, has_video: what will come.
    """

    def __init__(
        self,
        conversation: LiveConversation,
        client: Client,
        reception: Reception,
        pool: Executor,
        *,
        has_audio: bool,
        has_video: bool,
    ) -> None:
        self._conversation = conversation
        self._client = client
        record = reception.record and (has_audio or has_video)
        self._dead_after_ns = round(reception.dead_after_s * NS_PER_S)
        now_ns = time.monotonic_ns()
        self.reader = PushedReader(
            has_video=has_video, has_audio=has_audio, record=record, name="The page"
        )
        self.health = SoundHealth(now_ns)
        self._recording = (
            Recording(self.reader, height=reception.record_height, fps=reception.record_fps)
            if record
            else None
        )
        place = SoundPlace()
        self.sound = InboundSound(
            self.reader,
            place,
            self.health,
            on_sound=self._keep_sound,
        )
        self.pictures = InboundPictures(
            self.reader,
            PicturePlace(place),
            pool,
            interval_ns=reception.frame_interval_ns,
            max_side=reception.frame_max_side,
            on_picture=self._keep_picture,
            record_fps=reception.record_fps if record else 0.0,
            record_side=2 * reception.record_height,
        )

    def sound_came(self, piece: Piece, sent_ns: int) -> None:
        """Take a piece of sound that came just now."""
        self.sound.take(piece, sent_ns, time.monotonic_ns())

    def picture_came(self, picture: Picture, sent_ns: int) -> None:
        """Take a picture that came just now."""
        now_ns = time.monotonic_ns()
        self.health.alive(now_ns)
        self.pictures.take(picture, sent_ns, now_ns)

    def message_came(self, message: Mapping[str, object]) -> None:
        """Look at a message of the page that came just now."""
        now_ns = time.monotonic_ns()
        self.health.alive(now_ns)
        if message.get("command") == "capture":
            self.health.capture(message, now_ns)

    def check(self) -> bool:
        """Tell the page what is wrong, if that has changed; False if the page is gone."""
        now_ns = time.monotonic_ns()
        health = self.health.check(now_ns, self._conversation.settings.language)
        if health is not None:
            self._client.send(health.message())
        return self.health.silent_for_ns(now_ns) < self._dead_after_ns

    def end(self, error: str = "") -> None:
        """No more will come."""
        self.sound.finish()
        if self._recording is None:
            self.reader.end(error)
        else:
            self._recording.end(error)

    def _keep_sound(self, at_ns: int, samples: Samples) -> None:
        if self._recording is not None:
            self._recording.sound(at_ns, samples)

    def _keep_picture(self, at_ns: int, pixels: Pixels) -> None:
        if self._recording is not None:
            self._recording.picture(at_ns, pixels)
