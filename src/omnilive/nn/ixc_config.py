"""What can be set about the paper's own networks (presets `ixc` and `tiny`); nothing needs torch.

Every value is the release's unless its line says otherwise. The release has two programs that
differ: a live demo and an offline example. Where they do, both are there by name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from omnilive.errors import ConfigError

Canvas: TypeAlias = Literal["composite", "squash"]
Precision: TypeAlias = Literal["auto", "bfloat16", "float16", "float32"]
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d{1,2})?")


@dataclass(frozen=True, kw_only=True)
class PlaceConfig:
    """Where one network works.

    Attributes:
        device: "auto" is the first GPU, or the CPU without one; else "cpu", "cuda", "cuda:1".
        dtype: of weights and activations; "auto" is bfloat16 on a GPU and float32 on the CPU.
    """

    device: str = "auto"
    dtype: Precision = "auto"

    def __post_init__(self) -> None:
        if not _DEVICE.fullmatch(self.device):
            raise ConfigError('A device of [ixc] is "auto", "cpu", "cuda" or "cuda:1".')


@dataclass(frozen=True, kw_only=True)
class GenerationConfig:
    """How the answer's tokens are chosen (live demo).

    Attributes:
        max_new_tokens: an answer has at most so many; the release gives no bound of its own.
        temperature: 0 takes the likeliest token, as the release's benchmarks do.
        top_k, top_p: of which tokens one is drawn; 0 and 1 for all.
        repetition_penalty: above 1, what was said loses score.
        seed: of the draw.
    """

    max_new_tokens: int = 512
    temperature: float = 0.1
    top_k: int = 50
    top_p: float = 0.8
    repetition_penalty: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1 or self.top_k < 0 or self.seed < 0:
            raise ConfigError(
                "ixc.generation needs max_new_tokens of at least 1, top_k and seed of at least 0."
            )
        if not (self.temperature >= 0 and 0 < self.top_p <= 1 and self.repetition_penalty > 0):
            raise ConfigError(
                "ixc.generation needs a temperature of at least 0, top_p above 0 and at most 1, "
                "and a repetition_penalty above 0."
            )


@dataclass(frozen=True, kw_only=True)
class IxcConfig:
    """The paper's language model, and the folder of all its networks.

    How clips are cut, compressed, integrated and retrieved is set where it is done:
    `seeing`, `memory.compressor`; sound in `hearing.recognition`. Their networks are taken from the
    folder below unless they name one of their own.

    Attributes:
        weights: folder of the checkpoint (`base/ adapter/ audio/ memory/`, or `merge_lora/` in
            place of the first two, or our own format).
        place: where the language model works, in which precision.
        eight_bit: hold the language model's plain weights in 8 bits, so that everything fits a card
            of 24 GB; not the release's.
        prompt: "release" or "paper": the wording around memory tokens. Both get them live, which
            the release's live demo never does.
        system: system text; the release's examples have none.
        clip_frames: pictures of retrieved clips that are shown, on one canvas.
        newest_frames: newest pictures that are shown, on one canvas (the release takes two).
        canvas: how frames become one picture: "composite" is the release's, "squash" gives each a
            tile of its own without a label, as small towers want it.
        texts: remembered words that are told beside the tokens; 0 is the release's way.
        not_seen: an answer of these words alone (whatever their case and points) says that it was
            not perceived: it is not known and cites nothing; "": the network has no such words.
        instruction: "model" asks the language model whether an utterance is meant for it, "rules"
            are those of the embedded preset.
        least_instruction: probability of "Yes" from which it is.
        scaling: rotary positions of a long text: "per_text", or "release" with its defects.
        generation: how tokens are chosen.
    """

    weights: str = ""
    place: PlaceConfig = field(default_factory=PlaceConfig)
    eight_bit: bool = False
    prompt: Literal["release", "paper"] = "release"
    system: str = ""
    clip_frames: int = 8
    newest_frames: int = 2
    canvas: Canvas = "composite"
    texts: int = 12
    not_seen: str = ""
    instruction: Literal["model", "rules"] = "model"
    least_instruction: float = 0.5
    scaling: Literal["per_text", "release"] = "per_text"
    generation: GenerationConfig = field(default_factory=GenerationConfig)

    def __post_init__(self) -> None:
        if not 0 <= self.least_instruction <= 1:
            raise ConfigError("ixc.least_instruction must be between 0 and 1.")
        for name, most in (("clip_frames", 64), ("newest_frames", 16), ("texts", 200)):
            if not 0 <= getattr(self, name) <= most:
                raise ConfigError(f"ixc.{name} must be between 0 and {most}.")

    def folder(self) -> Path:
        """Return the folder of the weights.

        Raises:
            ConfigError: none is named.
        """
        if not self.weights:
            raise ConfigError(
                "The preset ixc needs the folder of its weights: --weights DIR, or ixc.weights."
            )
        return Path(self.weights).expanduser()
