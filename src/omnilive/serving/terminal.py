"""The other end of a conversation in a terminal: this machine's microphone, loudspeaker, camera.

What a page does for a browser is done here: sound and pictures go in at the times they were heard
and seen, the answer is played, and what was played is told to the conversation (never from the
sound device's own thread, which must not wait).
"""

from __future__ import annotations

import queue
import threading
from typing import Literal

from omnilive.clock import Clock
from omnilive.events import NS_PER_S, SAMPLE_RATE, Pixels, Samples
from omnilive.media.encode import PictureEncoder, SoundEncoder
from omnilive.media.pushed import PushCounts, PushedReader
from omnilive.media.sound_device import Loudspeaker, Microphone, Pcm
from omnilive.serving.client import ClientKind
from omnilive.serving.conversation import LiveConversation
from omnilive.serving.local_camera import LocalCamera
from omnilive.serving.playout import Taken
from omnilive.serving.wire import Json
from omnilive.system import Config

_LOST_NS = 3 * NS_PER_S
"""A microphone from which nothing came for this long has stopped."""
_IDLE_NS = 3 * NS_PER_S
"""A talk whose input is over ends when nothing has happened for this long."""
_LOOK_S = 0.5
_CAPTURE_EVERY = 4  # looks
_MOST_TAKEN = 3000  # pieces: a minute
_MOST_MESSAGES = 10_000
_SKEW_WEIGHT = 0.02
_LEAVE_S = 5.0


class Terminal:
    """A client of a live conversation.

    Args:
        conversation: what to talk with.
        config: how often pictures are looked at, and what is recorded.
        clock: the conversation's.
        microphone, loudspeaker, camera: None where there is none; closed by `finish`.
    """

    kind: ClientKind = "terminal"

    def __init__(
        self,
        conversation: LiveConversation,
        config: Config,
        clock: Clock,
        *,
        microphone: Microphone | None = None,
        loudspeaker: Loudspeaker | None = None,
        camera: LocalCamera | None = None,
    ) -> None:
        self._conversation = conversation
        self._clock = clock
        self._microphone = microphone
        self._loudspeaker = loudspeaker
        self._camera = camera
        live = config.live
        is_recorded = live.record and (microphone is not None or camera is not None)
        self._reader = PushedReader(
            has_video=camera is not None,
            has_audio=microphone is not None,
            record=is_recorded,
            name="The terminal",
            now_ns=clock.monotonic_ns,
        )
        self._sound = SoundEncoder() if is_recorded else None
        self._pictures = (
            PictureEncoder(height=live.record_height, fps=live.record_fps) if is_recorded else None
        )
        self._interval_ns = round(config.media.frame_interval_s * NS_PER_S)
        self._seen_cell = -1
        self._messages: queue.SimpleQueue[Json] = queue.SimpleQueue()
        self._taken: queue.SimpleQueue[Taken | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._start_ns = clock.monotonic_ns()
        self._heard_ns = self._start_ns  # when sound came last
        self._skew_ns: float | None = None  # of the sound card's time against the machine's
        self._captured_samples = 0
        self._hears: Literal["on", "off", "lost"] = "on" if microphone is not None else "off"
        self._state, self._state_ns = "listening", self._start_ns
        self._input_over = False
        self._over_ns: int | None = None
        self._stop = threading.Event()
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._tell_taken, name="omnilive played", daemon=True),
            threading.Thread(target=self._look, name="omnilive terminal", daemon=True),
        ]

    # --- the client of the conversation --------------------------------------------------

    def send(self, message: Json) -> None:
        """Queue a message for `next_message`; levels are left out when nobody reads."""
        if message["event"] == "floor":
            with self._lock:
                self._state, self._state_ns = str(message["state"]), self._clock.monotonic_ns()
        if self._messages.qsize() < _MOST_MESSAGES or message["event"] != "level":
            self._messages.put(message)

    def close(self, reason: str) -> None:
        """The conversation ends the connection; whoever shows the talk ends the rest."""
        self._ended.set()

    # --- for whoever shows the talk ------------------------------------------------------

    def finish(self) -> None:
        """Let the devices go and say that nothing more comes. Safe to call twice.

        Raises:
            MediaError: a file that was to keep what was played could not be written.
        """
        if self._stop.is_set():
            return
        self._stop.set()
        if self._microphone is not None:
            self._microphone.close()
        if self._camera is not None:
            self._camera.close()
        for encoder in (self._pictures, self._sound):
            for packet in encoder.finish() if encoder is not None else ():
                self._reader.push_packet(packet)
        self._reader.end()
        try:
            if self._loudspeaker is not None:
                self._loudspeaker.close()
        finally:
            self._taken.put(None)
            for thread in self._threads:
                if thread.ident is not None and thread is not threading.current_thread():
                    thread.join(_LEAVE_S)

    def start(self) -> None:
        """Connect, and begin to hear, see and speak."""
        self._start_ns = self._heard_ns = self._clock.monotonic_ns()
        self._conversation.attach(self, self._reader)
        for thread in self._threads:
            thread.start()
        if self._loudspeaker is not None:
            self._loudspeaker.start(self._take)
        if self._camera is not None:
            self._camera.start(self._see, lambda why: self._notice("camera", why))
        if self._microphone is not None:
            self._microphone.start(self._hear)

    def next_message(self, timeout_s: float) -> Json | None:
        """Return the conversation's next message; None if none comes in time."""
        try:
            return self._messages.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def ask(self, text: str) -> None:
        """Ask in writing."""
        self._conversation.receive(self, {"command": "ask", "text": text})

    def cut(self) -> None:
        """Cut the answer."""
        self._conversation.receive(self, {"command": "stop"})

    def end_typing(self) -> None:
        """Say that nothing will be typed any more; without a microphone the talk then ends."""
        self._input_over = True

    @property
    def is_over(self) -> bool:
        """Whether the connection was ended, or all input is over and what followed from it."""
        if self._ended.is_set():
            return True
        if self._microphone is None:
            over = self._input_over and self._camera is None
        else:
            over = self._microphone.is_over
        now_ns = self._clock.monotonic_ns()
        with self._lock:
            if not over:
                self._over_ns = None
                return False
            if self._over_ns is None:
                self._over_ns = now_ns
            quiet_ns = now_ns - max(self._over_ns, self._state_ns)
            is_quiet = self._state == "listening" and quiet_ns >= _IDLE_NS
        return is_quiet and self._conversation.playout.is_idle

    @property
    def counts(self) -> PushCounts:
        """What came from the devices, and what of it was lost."""
        return self._reader.counts

    # --- sound and pictures --------------------------------------------------------------

    def _hear(self, at_ns: int, samples: Samples) -> None:
        """Take sound, in the microphone's thread."""
        now_ns = self._clock.monotonic_ns()
        self._heard_ns = now_ns
        self._captured_samples += samples.size
        self._hears = "on"
        skew_ns = at_ns + samples.size * NS_PER_S // SAMPLE_RATE - now_ns
        if self._skew_ns is None or abs(skew_ns - self._skew_ns) > NS_PER_S:
            self._skew_ns = float(skew_ns)
        self._skew_ns += (skew_ns - self._skew_ns) * _SKEW_WEIGHT
        source_ns = at_ns - self._start_ns
        self._reader.push_audio(source_ns, samples)
        if self._sound is not None:
            for packet in self._sound.encode(source_ns, samples):
                self._reader.push_packet(packet)

    def _see(self, at_ns: int, pixels: Pixels) -> None:
        """Take a picture, in the camera's thread."""
        # A sound card's second is not quite a second; pictures go with the sound.
        source_ns = at_ns - self._start_ns + round(self._skew_ns or 0.0)
        if source_ns // self._interval_ns > self._seen_cell:
            self._seen_cell = source_ns // self._interval_ns
            self._reader.push_frame(source_ns, pixels)
        if self._pictures is not None:
            for packet in self._pictures.encode(source_ns, pixels):
                self._reader.push_packet(packet)

    def _take(self, num_samples: int) -> Pcm:
        """Give the sound device what it plays next, in its own thread."""
        taken = self._conversation.playout.take(num_samples)
        if self._taken.qsize() < _MOST_TAKEN:
            self._taken.put(taken)
        return taken.samples

    def _tell_taken(self) -> None:
        while (taken := self._taken.get()) is not None:
            self._conversation.taken(taken)

    # --- looking after the devices -------------------------------------------------------

    def _look(self) -> None:
        """Tell the conversation what the devices do, until the end."""
        looks = 0
        while not self._clock.wait(self._stop, _LOOK_S):
            now_ns = self._clock.monotonic_ns()
            if self._hears == "on" and now_ns - self._heard_ns > _LOST_NS:
                self._hears = "lost"
                self._notice("microphone", "The microphone gives no sound; check its connection.")
            if self._loudspeaker is not None:
                self._tell(
                    "playback",
                    buffered_ms=0.0,
                    output_ms=self._loudspeaker.output_ms,
                    muted=False,
                )
            if looks % _CAPTURE_EVERY == 0:
                self._tell(
                    "capture",
                    captured_s=self._captured_samples / SAMPLE_RATE,
                    elapsed_s=(now_ns - self._start_ns) / NS_PER_S,
                    microphone=self._hears,
                    camera=self._camera.state if self._camera is not None else "off",
                )
            looks += 1

    def _tell(self, command: str, **fields: object) -> None:
        self._conversation.receive(self, {"command": command, **fields})

    def _notice(self, stage: str, text: str) -> None:
        self.send({"event": "notice", "stage": stage, "text": text})
