"""Settings of the paper's memory: the network, how clips are compressed, integrated, selected."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from omnilive.nn.ixc_config import PlaceConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressorConfig:
    """How the paper's compressor is used; figures are those of the release.

    Attributes:
        weights: folder of the memory module's weights and tokenizer; "": there is no compressor.
        tokenizer: folder of Qwen2's tokenizer, where it does not lie beside the weights.
        place: where the network works, in which precision.
        frames_per_clip: at most so many frames of a clip, evenly spread.
        frame_interval_s: of frames that come faster, one in each such interval is compressed.
        pixels: "squash": the whole frame, distorted, as live in the release; "crop": the middle of
            it, as offline; "whole": all of it scaled at once, distorted (not the release's).
        origin_s: the seconds in a clip's text count from the epoch's start, and anew after this
            many; 504 full clips is what the network was trained to hold.
        integration: "exact": the release's numbers, an end at the network's window; "blocks": no
            end; "auto": exact while the window lasts, then blocks.
        select: clips are selected by "cosine" with the question, or by "probability" among the
            candidates (a softmax at temperature 0.1).
        min_cosine: least cosine; 0.3 in the release's live demo, 0.25 in its Gradio variant.
        min_probability: least probability; 0.2 in the release's offline example.
        num_candidates: clips nearest to the question that are considered, beside those that words
            and times found.
        most_selected: at most so many clips are selected, the best.
    """

    weights: str = ""
    tokenizer: str = ""
    place: PlaceConfig = field(default_factory=PlaceConfig)
    frames_per_clip: int = 16
    frame_interval_s: float = 1.0
    pixels: Literal["squash", "crop", "whole"] = "squash"
    origin_s: float = 8064.0
    integration: Literal["auto", "exact", "blocks"] = "auto"
    select: Literal["cosine", "probability"] = "cosine"
    min_cosine: float = 0.3
    min_probability: float = 0.2
    num_candidates: int = 64
    most_selected: int = 4

    def __post_init__(self) -> None:
        if not 1 <= self.frames_per_clip <= 64:
            raise ValueError("frames_per_clip must be between 1 and 64.")
        if not 0 <= self.frame_interval_s <= 60:
            raise ValueError("frame_interval_s must be between 0 and 60.")
        if not 16 <= self.origin_s <= 100_000:
            raise ValueError("origin_s must be between 16 and 100000.")
        if not -1 <= self.min_cosine <= 1 or not 0 <= self.min_probability <= 1:
            raise ValueError("min_cosine is at most 1, min_probability between 0 and 1.")
        if self.num_candidates < 1 or self.most_selected < 1:
            raise ValueError("num_candidates and most_selected must be at least 1.")
