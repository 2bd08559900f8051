"""Names for what sounds, window after window, whether or not somebody speaks meanwhile.

The release asks for the name of the few seconds before somebody speaks; a bell during a sentence is
never heard there. Here every window that is not silent is named, and neighbours of one name are one
sound.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from omnilive.cancel import Cancel
from omnilive.errors import BackendError
from omnilive.events import NS_PER_S, Samples
from omnilive.perception.kept_sound import KeptSound
from omnilive.perception.levels import Sound, to_db
from omnilive.perception.sound_blocks import SoundBlock

_MAX_LABEL = 60
_TOLD = 8


@dataclass(frozen=True, kw_only=True)
class SoundNamesConfig:
    """When a sound gets a name. Used where a backend can name sounds.

    Attributes:
        window_s: seconds that are named together, 1 to 30.
        least_probability: of the name; below it the window has none.
        least_db: a window whose loudest 100 ms stay below this is not asked about, dB full scale.
        max_s: a longer sound is reported in parts, so that no clip waits for its end.
    """

    window_s: float = 4.0
    least_probability: float = 0.5
    least_db: float = -50.0
    max_s: float = 30.0

    def __post_init__(self) -> None:
        if not 1 <= self.window_s <= 30 or not self.window_s <= self.max_s <= 300:
            raise ValueError("window_s must be between 1 and 30, max_s between it and 300.")
        if not 0 <= self.least_probability <= 1:
            raise ValueError("least_probability must be between 0 and 1.")


class SoundNamer(Protocol):
    """Puts a name to any stretch of sound; may be called from several threads."""

    def name(self, samples: Samples, cancel: Cancel) -> tuple[str, float]:
        """Return a name ("" for speech, silence, nothing) and its probability; 16 kHz mono.

        Raises:
            BackendError: it failed.
            Cancelled: the turn was cut.
        """
        ...


class SoundNames:
    """Names the sounds of one stream."""

    def __init__(self, config: SoundNamesConfig, namer: SoundNamer, kept: KeptSound) -> None:
        """Name what is in `kept`, which must hold a window at least."""
        self._config = config
        self._namer = namer
        self._kept = kept
        self._window_ns = round(config.window_s * NS_PER_S)
        self._start_ns: int | None = None  # of the open window
        self._loudest = 0.0
        self._open: Sound | None = None  # what may go on in the next window
        self._told: deque[Sound] = deque(maxlen=_TOLD)
        self._error: BackendError | None = None

    @property
    def open_ns(self) -> int | None:
        """Start of whatever may still be reported; None if nothing is open."""
        return self._open.start_ns if self._open is not None else self._start_ns

    def take_error(self) -> BackendError | None:
        """Return why a window could not be named since the last call, if so."""
        error, self._error = self._error, None
        return error

    def push(self, block: SoundBlock, power: float, cancel: Cancel) -> Iterator[Sound]:
        """Take a block that is kept already; yield the sounds that are over."""
        if self._start_ns is None:
            self._start_ns = block.at_ns
        self._loudest = max(self._loudest, power)
        if block.end_ns - self._start_ns >= self._window_ns:
            yield from self._close_window(block.end_ns, cancel)

    def flush(self, end_ns: int, cancel: Cancel) -> Iterator[Sound]:
        """Close what is open: the sound breaks off here."""
        if self._start_ns is not None and end_ns > self._start_ns:
            yield from self._close_window(end_ns, cancel)
        yield from self._close_sound()
        self._start_ns = None

    def told(self, sound: Sound, cancel: Cancel) -> Sound | None:
        """Return a loud sound with its name, if it has one; None if it was told by that name."""
        try:
            label = self._named(sound.start_ns, sound.end_ns, cancel)
        except BackendError as error:
            self._error = error
            return sound
        if not label:
            return sound
        open_too = [*self._told, *([self._open] if self._open is not None else [])]
        if any(each.label == label and _overlap(each, sound) for each in open_too):
            return None
        found = Sound(
            start_ns=sound.start_ns, end_ns=sound.end_ns, label=label, level_db=sound.level_db
        )
        self._told.append(found)
        return found

    def _close_window(self, end_ns: int, cancel: Cancel) -> Iterator[Sound]:
        assert self._start_ns is not None
        start_ns, loudest_db = self._start_ns, round(to_db(self._loudest), 1)
        self._start_ns, self._loudest = end_ns, 0.0
        label = ""
        if loudest_db >= self._config.least_db:
            try:
                label = self._named(start_ns, end_ns, cancel)
            except BackendError as error:
                self._error = error
        before = self._open
        if before is not None and before.label == label:
            level_db = max(before.level_db, loudest_db)
            self._open = Sound(
                start_ns=before.start_ns, end_ns=end_ns, label=label, level_db=level_db
            )
        else:
            yield from self._close_sound()
            if label:
                self._open = Sound(
                    start_ns=start_ns, end_ns=end_ns, label=label, level_db=loudest_db
                )
        if self._open is not None and (
            self._open.end_ns - self._open.start_ns >= self._config.max_s * NS_PER_S
        ):
            yield from self._close_sound()

    def _close_sound(self) -> Iterator[Sound]:
        sound, self._open = self._open, None
        if sound is None:
            return
        if not any(each.label == sound.label and _overlap(each, sound) for each in self._told):
            self._told.append(sound)
            yield sound

    def _named(self, start_ns: int, end_ns: int, cancel: Cancel) -> str:
        samples = self._kept.between(start_ns, end_ns)
        label, probability = self._namer.name(samples, cancel)
        return label[:_MAX_LABEL] if probability >= self._config.least_probability else ""


def _overlap(one: Sound, other: Sound) -> bool:
    return one.start_ns < other.end_ns and other.start_ns < one.end_ns
