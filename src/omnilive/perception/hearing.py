"""The stage that listens: speech, sounds and silences of one stream.

Everything is decided block by block (32 ms), so the size of the chunks that come in changes
nothing. Recognition happens inside `push`: when a watermark passes an utterance, its text has
been reported.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from omnilive.cancel import Cancel
from omnilive.events import (
    NS_PER_S,
    AudioChunk,
    Event,
    OwnSpeech,
    SoundEvent,
    StreamEnded,
    StreamGap,
    StreamStarted,
    Tick,
    Voice,
    Watermark,
    moment_id,
)
from omnilive.perception.ambient_voices import AmbientVoices
from omnilive.perception.kept_sound import KeptSound, WordFinder
from omnilive.perception.levels import (
    SILENCE,
    LevelMeter,
    LevelsConfig,
    Sound,
    SoundClassifier,
)
from omnilive.perception.own_voice import OwnVoice, OwnVoiceConfig
from omnilive.perception.recognition import Recogniser, RecognitionConfig
from omnilive.perception.segmentation import Mark, Segmenter, VoiceEnded, VoiceStarted
from omnilive.perception.sound_blocks import SoundBlock, SoundBlocks
from omnilive.perception.sound_names import SoundNamer, SoundNames, SoundNamesConfig
from omnilive.perception.turn_end import TurnEndConfig
from omnilive.perception.user_turns import UserTurns
from omnilive.perception.voice_activity import (
    BLOCK_NS,
    VoiceActivity,
    VoiceActivityConfig,
    VoiceActivityState,
)

# After this long without a single sample that is not zero, the network is not asked any more.
_DEAF_AFTER_BLOCKS = 32
# A tick says that all sound before it has come; a hole this long is then known to be one.
_HOLE_NS = 2 * NS_PER_S


@dataclass(frozen=True, kw_only=True)
class HearingConfig:
    """How a stream is listened to.

    Attributes:
        enabled: whether it is listened to at all.
        voice_activity: when somebody is speaking.
        recognition: what is said.
        levels: loud sounds and silences.
        turn_end: when a user's turn is over; other voices end by `voice_activity`'s pauses.
        names: when a sound gets a name, where a backend can name sounds.
        own_voice: how the system's own voice is told from a person's.
    """

    enabled: bool = True
    voice_activity: VoiceActivityConfig = field(default_factory=VoiceActivityConfig)
    recognition: RecognitionConfig = field(default_factory=RecognitionConfig)
    levels: LevelsConfig = field(default_factory=LevelsConfig)
    names: SoundNamesConfig = field(default_factory=SoundNamesConfig)
    turn_end: TurnEndConfig = field(default_factory=TurnEndConfig)
    own_voice: OwnVoiceConfig = field(default_factory=OwnVoiceConfig)


class Hearing:
    """Listens to one stream; the network states are its own, the recogniser may be shared.

    Args:
        config: how it listens.
        voice_activity: None only where `config.enabled` is false.
        recogniser: None: voices are noticed, words are not.
        classifier: puts names to loud sounds; None: they stay "loud sound".
        namer: puts names to all sounds, also during speech; it takes the classifier's place.
    """

    def __init__(
        self,
        config: HearingConfig,
        voice_activity: VoiceActivity | None,
        recogniser: Recogniser | None = None,
        classifier: SoundClassifier | None = None,
        namer: SoundNamer | None = None,
    ) -> None:
        if config.enabled and voice_activity is None:
            raise ValueError("a Hearing that is enabled needs a voice activity backend")
        self._config = config
        self._voice_activity = voice_activity
        self._classifier = classifier
        self._is_on = config.enabled
        self._state: VoiceActivityState | None = None
        activity = config.voice_activity
        pad_blocks = activity.speech_pad_ms * 1_000_000 // BLOCK_NS
        self._max_blocks = round(activity.max_speech_duration_s * NS_PER_S / BLOCK_NS)
        kept_s = max(
            activity.max_speech_duration_s + 5.0, config.levels.max_loud_s, config.names.window_s
        )
        self._kept = KeptSound(round(kept_s * NS_PER_S / BLOCK_NS) + 2 * pad_blocks)
        self._finder = WordFinder(self._kept, recogniser, pad_blocks)
        self._names = None if namer is None else SoundNames(config.names, namer, self._kept)
        # Whether a block is speech is known later than its level: these wait for it.
        self._unmeasured: deque[tuple[SoundBlock, float]] = deque()
        self._cancel = Cancel()  # of the event that is being worked on
        self._stream = 0
        self._voice: Voice = "ambient"
        self._position_ns = 0
        self._begin_epoch(0, has_audio=False)

    @property
    def accepts(self) -> tuple[type[Event], ...]:
        """The event types this stage wants."""
        return (StreamStarted, AudioChunk, StreamGap, Tick, StreamEnded, OwnSpeech)

    def push(self, event: Event, cancel: Cancel) -> Iterator[Event]:
        """Take one event; yield what was heard, and how far everything heard is reported.

        Raises:
            BackendError: a segment could not be recognised; everything else was reported, and
                listening goes on with the next event.
        """
        self._cancel = cancel
        if isinstance(event, StreamStarted):
            yield from self._break_off(cancel)
            self._stream, self._voice = event.stream, event.voice
            self._begin_epoch(event.at_ns, has_audio=event.has_audio)
        elif not self._has_audio:
            return
        elif isinstance(event, OwnSpeech):
            self._own.take(event)
        elif isinstance(event, AudioChunk):
            if self._blocks.breaks_at(event):
                yield from self._break_off(cancel)
            for block in self._blocks.feed(event):
                yield from self._hear(block, cancel)
        elif isinstance(event, StreamGap):
            if event.sense != "video":
                yield from self._break_off(cancel)
                yield from self._advance(event.end_ns)
        elif isinstance(event, Tick):
            heard_ns = self._blocks.end_ns or self._position_ns
            if event.at_ns - heard_ns > _HOLE_NS:
                yield from self._break_off(cancel)
                self._position_ns = max(self._position_ns, event.at_ns)
            yield from self._advance(self._safe_ns())
        elif isinstance(event, StreamEnded):
            yield from self._break_off(cancel)
            yield from self._advance(event.at_ns)
        error = self._finder.take_error() or (
            None if self._names is None else self._names.take_error()
        )
        if error is not None:
            raise error

    def configure(self, config: HearingConfig) -> None:
        """Turn hearing on or off; nothing else of it can be changed while a stream runs.

        Raises:
            ValueError: it was built without the backend that it now needs.
        """
        if config.enabled and self._voice_activity is None:
            raise ValueError("a Hearing that is enabled needs a voice activity backend")
        self._config = replace(self._config, enabled=config.enabled)

    def close(self) -> None:
        """Let go of the network; shared backends are closed by who built them."""
        self._state = None
        self._kept.clear()

    def _begin_epoch(self, at_ns: int, *, has_audio: bool) -> None:
        self._has_audio = has_audio
        self._blocks = SoundBlocks()
        self._own = OwnVoice(self._config.own_voice)
        self._levels = LevelMeter(self._config.levels)
        self._kept.clear()
        self._voices: AmbientVoices | UserTurns
        activity = self._config.voice_activity
        if self._voice == "user":
            pause_ms = self._config.turn_end.pause_ms
            self._segmenter = Segmenter(replace(activity, min_silence_duration_ms=pause_ms))
            self._voices = UserTurns(
                self._stream,
                self._config.turn_end,
                self._segmenter,
                self._max_blocks,
                self._finder,
                self._own,
            )
        else:
            self._segmenter = Segmenter(activity)
            self._voices = AmbientVoices(self._stream, self._voice, self._finder, self._own)
        self._num_zero = 0
        self._position_ns = at_ns
        self._watermark_ns = at_ns
        if self._state is not None:
            self._state.reset()

    # --- one block ----------------------------------------------------------------------

    def _hear(self, block: SoundBlock, cancel: Cancel) -> Iterator[Event]:
        if self._is_on != self._config.enabled:
            # Switched between two blocks: what is open ends here, like at a hole.
            yield from self._close_open(cancel)
            self._is_on = self._config.enabled
        self._position_ns = block.end_ns
        if self._is_on:
            self._kept.push(block)
            self._own.hear(block)
            power = float(np.dot(block.samples, block.samples)) / block.num_samples
            probability = self._probability(block, power)
            marks = self._segmenter.push(block.at_ns, probability, power**0.5)
            self._unmeasured.append((block, power))
            yield from self._report(marks, cancel)
            yield from self._voices.after_block(self._position_ns, cancel)
            if self._segmenter.open_ns is None:
                yield from self._measure(self._position_ns, is_speech=False)
            if self._names is not None:
                yield from map(self._sound_event, self._names.push(block, power, cancel))
        safe_ns = self._safe_ns()
        if safe_ns - self._watermark_ns >= NS_PER_S:
            yield from self._advance(safe_ns)

    def _probability(self, block: SoundBlock, power: float) -> float:
        """Ask the network; a silent track is not worth asking about."""
        self._num_zero = self._num_zero + 1 if power == 0.0 else 0
        if self._num_zero > _DEAF_AFTER_BLOCKS:
            return 0.0
        if self._state is None:
            assert self._voice_activity is not None
            self._state = self._voice_activity.start()
        if self._num_zero == _DEAF_AFTER_BLOCKS:
            self._state.reset()
            return 0.0
        return self._state.probability(block.samples)

    def _report(self, marks: list[Mark], cancel: Cancel) -> Iterator[Event]:
        for mark in marks:
            if isinstance(mark, VoiceStarted):
                yield from self._measure(mark.start_ns, is_speech=False)
                yield from self._sounds(self._levels.speech_began(mark.start_ns))
            else:
                # Endless talk must not let the waiting levels pile up.
                yield from self._measure(mark.end_ns, is_speech=True)
                if isinstance(mark, VoiceEnded):
                    self._levels.speech_ended(mark.end_ns)
            yield from self._voices.take(mark, self._position_ns, cancel)

    def _measure(self, until_ns: int, *, is_speech: bool) -> Iterator[SoundEvent]:
        """Measure the levels of blocks of which it is now known whether they are speech."""
        while self._unmeasured and self._unmeasured[0][0].at_ns < until_ns:
            block, power = self._unmeasured.popleft()
            yield from self._sounds(
                self._levels.push(block.at_ns, block.end_ns, power, is_speech=is_speech)
            )

    def _sounds(self, sounds: list[Sound]) -> Iterator[SoundEvent]:
        for sound in sounds:
            if sound.label != SILENCE and self._names is not None:
                named = self._names.told(sound, self._cancel)
                if named is None:
                    continue
                sound = named
            elif sound.label != SILENCE and self._classifier is not None:
                heard = self._kept.between(sound.start_ns, sound.end_ns)
                sound = replace(sound, label=self._classifier.classify(heard) or sound.label)
            yield self._sound_event(sound)

    def _sound_event(self, sound: Sound) -> SoundEvent:
        return SoundEvent(
            id=moment_id("s", self._stream, sound.start_ns),
            stream=self._stream,
            start_ns=sound.start_ns,
            end_ns=sound.end_ns,
            label=sound.label,
            level_db=sound.level_db,
        )

    # --- breaks and watermarks ----------------------------------------------------------

    def _break_off(self, cancel: Cancel) -> Iterator[Event]:
        """Close everything: what comes next does not follow on from what came."""
        last = self._blocks.flush()
        if last is not None:
            yield from self._hear(last, cancel)
        yield from self._close_open(cancel)

    def _close_open(self, cancel: Cancel) -> Iterator[Event]:
        yield from self._report(self._segmenter.flush(), cancel)
        yield from self._voices.flush(self._position_ns, cancel)
        yield from self._measure(self._position_ns, is_speech=False)
        yield from self._sounds(self._levels.flush())
        if self._names is not None:
            yield from map(self._sound_event, self._names.flush(self._position_ns, cancel))
        self._own.pause()
        self._kept.clear()
        self._num_zero = 0
        if self._state is not None:
            self._state.reset()

    def _safe_ns(self) -> int:
        """Return up to where nothing more can be reported."""
        starts = (
            self._segmenter.open_ns,
            self._voices.open_ns,
            self._levels.open_ns,
            None if self._names is None else self._names.open_ns,
            self._blocks.waiting_ns,
        )
        known = [start for start in starts if start is not None]
        return min([self._position_ns, *known])

    def _advance(self, at_ns: int) -> Iterator[Watermark]:
        if at_ns > self._watermark_ns:
            self._watermark_ns = at_ns
            self._position_ns = max(self._position_ns, at_ns)
            yield Watermark(stream=self._stream, sense="hearing", at_ns=at_ns)
