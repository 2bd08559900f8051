"""One live conversation: a person and the system, talking while it goes on perceiving.

The feeder brings what the client sends into the session; the session's events come back here, to
one thread (the pump), which asks the floor what to do, does it, and tells the client. What stops
sound goes out before anything else. Clients come and go; the conversation, its dialogue and its
stream stay.
"""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from omnilive.clock import Clock, local_zone
from omnilive.errors import ConfigError, OmniLiveError, UsageError
from omnilive.events import (
    NS_PER_S,
    SAMPLE_RATE,
    AudioChunk,
    Event,
    StreamStarted,
    Tick,
    VideoFrame,
)
from omnilive.media.contract import MediaEvent, MediaReader
from omnilive.media.source import Source
from omnilive.serving import messages
from omnilive.serving.client import Client, ClientKind
from omnilive.serving.common_memory import CommonMemory
from omnilive.serving.entrance import Doorway, Entrance, Sense
from omnilive.serving.feeder import Feed, Feeder
from omnilive.serving.floor import FloorRules
from omnilive.serving.live_stages import LiveStages, settings_of
from omnilive.serving.loudness import Loudness
from omnilive.serving.messages import Ask, Capture, Change, Ping, Playback, Stop
from omnilive.serving.playout import Playout, Taken
from omnilive.serving.sentences import sentence
from omnilive.serving.session import Session
from omnilive.serving.settings import Settings
from omnilive.serving.talk import Latency, Talk
from omnilive.serving.wire import Json
from omnilive.stage import Stage
from omnilive.system import LiveConfig, System

__all__ = ["Client", "ClientKind", "LiveConversation"]

_NS_PER_MS = 1_000_000
_BUSY_S = 0.05  # how often the pump looks round while somebody speaks or is waited for
_IDLE_S = 0.5
_DRAIN_S = 5.0
_OBSERVED = ("latency", "interruption", "resume", "failure")
_counter = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationStats:
    """Figures of one conversation; counts since it was opened.

    Attributes:
        frames: pictures that were "ingested".
        dropped: what was dropped, by name.
        queues: what waits before each stage now.
        failures: how often which stage failed.
        interruptions: answers that a voice cut.
        resumes: holds that were nothing.
        latencies: of the newest turns: milliseconds by stage, and in all.
        is_up: whether media come now.
    """

    frames: Counter[str]
    dropped: Counter[str]
    queues: dict[str, int]
    failures: Counter[str]
    interruptions: int
    resumes: int
    latencies: list[Latency]
    is_up: bool


class LiveConversation:
    """A person and the system, talking.

    Args:
        id_: of the conversation.
        name: of its stream.
        system: the models and configuration that conversations share.
        memory: the one memory of all conversations.
        clock: monotonic and wall time.
        settings: to begin with; the configuration's if None.
        observe: is given the messages that figures are made from.
        shared: stages to use instead of the system's own, by name; for tests and programs.
    """

    def __init__(
        self,
        id_: str,
        name: str,
        system: System,
        memory: CommonMemory,
        clock: Clock,
        *,
        settings: Settings | None = None,
        observe: Callable[[Json], None] | None = None,
        shared: Mapping[str, Stage] | None = None,
    ) -> None:
        self.id = id_
        self.stream_name = name
        self.settings = settings or settings_of(system.config)
        self.playout = Playout()
        self.capture: Capture | None = None
        config = system.config
        self._clock = clock
        self._observe = observe or (lambda _message: None)
        self._lock = threading.RLock()
        self._client: Client | None = None
        self._reader: MediaReader | None = None
        self._gone_ns: int | None = clock.monotonic_ns()
        self._gone_reason = ""
        self._closing = False
        self._closed = threading.Event()
        self._loudness = Loudness()
        self._frames: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()  # at entrances that were left
        self._entrance: Entrance | None = None
        self._position_ns = 0
        self._stages = LiveStages(
            system, memory.port(self._remembered), self.playout, self._made, shared
        )
        self._session = Session(self._stages, lossless=False)
        self._stages.configure(self._session, self.settings)
        self._talk = Talk(
            self._session, self.playout, _rules(config.live), clock, self._send, self._nobody
        )
        self._doorway = Doorway()
        feed = Feed(
            source=Source(kind="device", address="conversation", shown="conversation"),
            name=name,
            voice="user" if self.settings.address == "always" else "ambient",
            realtime=False,
            started_at_ns=None,
            again=False,
            zone=local_zone(),
            read=config.media.read_options(record=config.live.record, detect=None),
            opening=self._doorway,
        )
        self._feeder = Feeder(feed, self._session, memory, clock, alone=False, fed=self._fed)
        self._pump = threading.Thread(target=self._run, name=f"omnilive pump {id_}", daemon=True)
        self._feeder.start()
        self._pump.start()

    # --- clients -------------------------------------------------------------------------

    def attach(self, client: Client, reader: MediaReader) -> None:
        """Take `client` as the other end; the one before gets `bye` and is closed."""
        with self._lock:
            before, reason = (client, "closed") if self._closing else (self._client, "replaced")
            if not self._closing:
                self._leave()
                client.send(
                    messages.hello(session=self.id, stream=self.stream_name, settings=self.settings)
                )
                self._client, self._gone_ns = client, None
                self.capture = None
                self._talk.join(client.kind)
                self._set_audible()
                self._entrance = Entrance(reader, lambda: self.settings, self._why_off)
                self._reader = reader
                self._doorway.offer(self._entrance)
        if before is client:
            reader.close()
        if before is not None:
            self._part(before, reason)

    def detach(self, client: Client, reason: str) -> None:
        """The client is gone (`reason`, one sentence); the conversation waits for the next one."""
        with self._lock:
            if client is self._client:
                self._leave()
                self._gone_reason = reason

    def receive(self, client: Client, message: Json) -> None:
        """Take a message of the page; what is wrong with it is answered with `error`."""
        with self._lock:
            if client is not self._client:
                return
        try:
            self._obey(client, message)
        except OmniLiveError as problem:
            client.send(messages.error(problem))

    @property
    def gone_since(self) -> float | None:
        """Monotonic seconds since when nobody is connected; None while somebody is."""
        gone_ns = self._gone_ns
        return None if gone_ns is None else gone_ns / NS_PER_S

    # --- talking -------------------------------------------------------------------------

    def ask(self, text: str, scope: str = "") -> str:
        """Ask in writing; it cuts what is being said. Returns the turn's id.

        Raises:
            UsageError: the question is empty, or too many are open.
        """
        if not text.strip():
            raise UsageError("The question is empty; write what you want to know.")
        turn = f"q{self._clock.wall_ns() // _NS_PER_MS}-{self.id}-{next(_counter)}"
        with self._lock:
            self._talk.typed(turn)
            try:
                self._session.ask(text, scope=scope, turn=turn)
            except UsageError:
                self._talk.refused(turn)
                raise
        return turn

    def stop(self) -> None:
        """Cut the answer."""
        with self._lock:
            self._talk.stop()

    def taken(self, piece: Taken) -> None:
        """Take note of what goes out; the pacing side calls it with every piece of sound."""
        with self._lock:
            self._talk.taken(piece, self._position_ns)

    def configure(self, **changes: Any) -> None:
        """Change settings.

        Raises:
            ConfigError: a value is wrong.
        """
        with self._lock:
            before, settings = self.settings, self.settings.changed(changes)
            if settings == before:
                return
            if settings.voice != before.voice:
                _check_voice(settings.voice)
            self.settings = settings
            self._stages.configure(self._session, settings)
            self._set_audible()
            if before.speak and not settings.speak:
                self._talk.silence()
            if settings.address != before.address:
                self._feeder.change_voice("user" if settings.address == "always" else "ambient")
            if settings.address != before.address or not settings.hearing:
                self._talk.nobody_speaks()
            self._send({"event": "settings", "settings": settings.as_json()})

    def send(self, message: Json) -> None:
        """Send a message to the client, if there is one."""
        with self._lock:
            self._send(message)

    # --- looking and ending --------------------------------------------------------------

    def snapshot(self) -> Json:
        """Return what is known of the conversation, for lists."""
        with self._lock:
            gone_ns = None
            if self._gone_ns is not None:
                gone_ns = self._clock.monotonic_ns() - self._gone_ns
            return {
                "id": self.id,
                "stream": self.stream_name,
                "state": self._talk.floor.state.shown,
                "turn": self._talk.floor.turn,
                "client": None if self._client is None else self._client.kind,
                "gone_reason": "" if gone_ns is None else self._gone_reason,
                "gone_s": None if gone_ns is None else round(gone_ns / NS_PER_S, 1),
                "live": self._talk.epoch is not None,
                "position_s": round(self._position_ns / NS_PER_S, 3),
                "settings": self.settings.as_json(),
            }

    def stats(self) -> ConversationStats:
        """Return figures of this conversation."""
        with self._lock:
            dropped = self._session.dropped + self._dropped
            if self._entrance is not None:
                dropped += self._entrance.dropped
            return ConversationStats(
                frames=Counter(self._frames),
                dropped=dropped,
                queues=self._session.queues(),
                failures=Counter(self._session.failures),
                interruptions=self._talk.floor.num_interruptions,
                resumes=self._talk.floor.num_resumes,
                latencies=list(self._talk.latencies),
                is_up=self._talk.epoch is not None,
            )

    def close(self, reason: str = "closed") -> None:
        """End the conversation; what was perceived is committed. Safe to call twice.

        `reason` names a sentence of `omnilive.serving.sentences`.
        """
        with self._lock:
            first, self._closing = not self._closing, True
            client = self._client
            self._leave()
        if not first:
            self._closed.wait()
            return
        if client is not None:
            self._part(client, reason)
        self._doorway.close()
        if not self._feeder.join(_DRAIN_S):  # what the client sent is perceived to its end
            self._feeder.stop()
            self._feeder.join()
        self._session.shed_captions()
        self._session.interrupt_all()
        self._session.close()
        self._pump.join()
        self._closed.set()

    # --- behind the scenes ---------------------------------------------------------------

    def _obey(self, client: Client, message: Json) -> None:
        match messages.parse(message):
            case Ask(text=text, scope=scope):
                self.ask(text, scope)
            case Stop():
                self.stop()
            case Change(changes=changes):
                self.configure(**changes)
            case Playback() as playback:
                with self._lock:
                    if client is self._client:
                        self._talk.playback = playback
            case Capture() as capture:
                self.capture = capture
            case Ping(time=time):
                client.send({"event": "pong", "time": time})
            case None:
                pass

    def _leave(self) -> None:
        """Let go of the client there is; what it sent is still perceived."""
        if self._client is None:
            return
        self._client, self._gone_ns = None, self._clock.monotonic_ns()
        if self._entrance is not None:
            self._dropped.update(self._entrance.dropped)
        self._entrance = None
        reader, self._reader = self._reader, None
        if reader is not None:
            end = getattr(reader, "end", reader.close)
            end()
        self._talk.leave()
        self._stages.spoken.audible = False

    def _part(self, client: Client, reason: str) -> None:
        text = sentence(reason, self.settings.language)
        client.send({"event": "bye", "reason": text, "code": reason})
        client.close(text)

    def _set_audible(self) -> None:
        audible = self.settings.speak and self._client is not None
        self._talk.is_audible = self._stages.spoken.audible = audible

    def _fed(self, event: MediaEvent | StreamStarted) -> None:
        """Look at what comes, in the feeder's thread."""
        if isinstance(event, AudioChunk):
            end_ns = event.at_ns + len(event.samples) * NS_PER_S // SAMPLE_RATE
            self._position_ns = max(self._position_ns, end_ns)
            level_db = self._loudness.push(event.samples)
            with self._lock:
                self._talk.arrived(end_ns)
                if level_db is not None:
                    self._send({"event": "level", "rms_db": level_db})
        elif isinstance(event, VideoFrame):
            self._frames["ingested"] += 1
        elif isinstance(event, Tick | StreamStarted):
            self._position_ns = max(self._position_ns, event.at_ns)

    def _remembered(self, event: Event) -> None:
        """Take what memory remembered of this conversation while another one worked."""
        self._session.tell(event)

    def _made(self, turn: str) -> None:
        """A phrase has become sound, in the thread of speech."""
        with self._lock:
            self._talk.made(turn)

    def _run(self) -> None:
        """Follow what happens until the session is closed."""
        while True:
            event = self._session.next_event(_BUSY_S if self._talk.is_busy else _IDLE_S)
            with self._lock:
                if event is not None:
                    self._talk.take(event)
                self._talk.pass_time()
            if event is None and self._session.is_closed:
                return

    def _send(self, message: Json) -> None:
        if message["event"] in _OBSERVED:
            self._observe(message)
        if self._client is not None:
            self._client.send(message)

    def _why_off(self, sense: Sense) -> str:
        name = "hearing off" if sense == "audio" else "seeing off"
        return sentence(name, self.settings.language)

    def _nobody(self) -> str:
        return sentence("nobody", self.settings.language)


def _rules(live: LiveConfig) -> FloorRules:
    return FloorRules(
        interrupt_ns=live.interrupt_ms * _NS_PER_MS,
        held_most_ns=live.held_most_ms * _NS_PER_MS,
        undecided_ns=live.undecided_ms * _NS_PER_MS,
        max_holds=live.max_holds,
    )


def _check_voice(voice: str) -> None:
    from omnilive.media.espeak import Espeak

    espeak = Espeak()
    tag, _, variant = voice.partition("+")
    if tag.lower() not in espeak.voices() or (variant and variant not in espeak.variants()):
        raise ConfigError(f"There is no voice {voice!r}; use a tag such as en-us or en-gb+f3.")
