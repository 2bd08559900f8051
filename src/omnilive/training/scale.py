"""How long streams are and how much is validated: whole, or just enough to show that it runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """Sizes that a batch size does not say.

    Attributes:
        longest: clips of a stream.
        validated_batches: at each validation.
        validated_clips: of a batch of clips.
        validated_streams: of a batch of streams.
    """

    longest: int = 32
    validated_batches: int = 4
    validated_clips: int = 64
    validated_streams: int = 4


FULL = Scale()
SMOKE = Scale(longest=8, validated_batches=1, validated_clips=8, validated_streams=1)
