"""Clip compression on captioned videos of public sets: `clip_compression.py` with real frames.

The frozen tower sees every frame of every step, because a set's clips do not fit a cache as the
daily world's do. The caption is written behind H, and behind H-hat for a third of the clips.

Options in the recipe: `folder` (of the set), `index` and `validation_index` (of
`readers.index.write_index`, both of captions), `follow_links`, and `pixels`, how a frame becomes
the tower's square: "whole" (as it is unless told otherwise), "crop" or "squash", which must be what
the compressor will be run with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from omnilive.errors import ConfigError
from omnilive.events import NS_PER_S
from omnilive.nn.clip_pixels import PixelPath, tower_pixels
from omnilive.nn.clip_text import TimeOrigin, clip_text
from omnilive.nn.memory_network import EncodedClip
from omnilive.nn.memory_rows import ClipInput, stacked
from omnilive.nn.pool_projector import merge_patches
from omnilive.training.memory_passes import Told, telling_loss
from omnilive.training.networks import Networks
from omnilive.training.readers.index import RecordIndex
from omnilive.training.real_clips import RealClip, RealClipSource
from omnilive.training.recipe import TaskSettings
from omnilive.training.task import Losses
from omnilive.training.tasks.clip_compression import memory_parameters

_VALIDATED = 4  # batches
_VALIDATION_SEED = 0
_LONGEST_TEXT = 2000  # characters of a caption that are told
_EVERY_GLOBAL = 3  # of so many clips one is told from H-hat, too
_ORIGIN = TimeOrigin("file", 0)
_PIXELS = {
    "whole": PixelPath.WHOLE,
    "crop": PixelPath.OFFLINE_CROP,
    "squash": PixelPath.LIVE_SQUASH,
}


class RealClipCompression:
    """Trains projector and decoder of the memory; the tower stays as it is."""

    name = "real_clip_compression"

    def __init__(
        self,
        networks: Networks,
        train: RecordIndex,
        validation: RecordIndex,
        batch_size: int,
        *,
        pixels: PixelPath = PixelPath.WHOLE,
    ) -> None:
        self._networks = networks
        self._pixels = pixels
        self.source = RealClipSource(train, batch_size)
        self._validation = RealClipSource(validation, batch_size)

    def trained(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Everything of the memory but its tower."""
        return memory_parameters(self._networks)

    def loss(self, batch: Sequence[RealClip]) -> Losses:
        """Return the loss of the captions."""
        total, right, right_global = self._tell(batch)
        parts = {"loss": float(total.detach()), "right": right, "right_global": right_global}
        return Losses(total, parts)

    @torch.no_grad()
    def validate(self) -> Mapping[str, float]:
        """Return loss and share of right tokens on captions of the validation index."""
        batches = [self._validation.draw(_VALIDATION_SEED, step) for step in range(_VALIDATED)]
        rows = [self._tell(batch) for batch in batches]
        names = ("loss", "right", "right_global")
        return {
            name: sum(float(row[at]) for row in rows) / len(rows) for at, name in enumerate(names)
        }

    def _tell(self, batch: Sequence[RealClip]) -> tuple[torch.Tensor, float, float]:
        network, tokenizer = self._networks.memory, self._networks.tokenizers.memory
        encoded = self._encode(batch)
        texts = [_cut(clip.text) for clip in batch]
        told = [Told(clip.short_term, text) for clip, text in zip(encoded, texts, strict=True)]
        few = [
            Told(clip.global_memory[None], text)
            for clip, text in zip(encoded[::_EVERY_GLOBAL], texts[::_EVERY_GLOBAL], strict=True)
        ]
        loss, right = telling_loss(network, tokenizer, told)
        loss_global, right_global = telling_loss(network, tokenizer, few)
        return loss + 0.5 * loss_global, right, right_global

    def _encode(self, batch: Sequence[RealClip]) -> list[EncodedClip]:
        """Return H and H-hat of each clip; gradients flow where they are enabled."""
        network, tokenizer = self._networks.memory, self._networks.tokenizers.memory
        config, tower = network.config, network.model.vision_tower.vision_tower
        inputs = []
        for clip in batch:
            pixels = tower_pixels(clip.frames, self._pixels, size=config.tower.image_size).to(
                network.model.device
            )
            with torch.no_grad():
                merged = merge_patches(tower(pixels, config.tower_layer))
            start_ns, end_ns = (round(at_s * NS_PER_S) for at_s in (clip.start_s, clip.end_s))
            ids = tuple(tokenizer.encode(clip_text(start_ns, end_ns, _ORIGIN)))
            inputs.append(ClipInput(ids, network.model.mm_projector(merged)))
        return network.read_clips(stacked(network.clip_rows(inputs)))


def from_options(networks: Networks, settings: TaskSettings) -> RealClipCompression:
    """Return the task that a recipe's options describe.

    Raises:
        ConfigError: an option is missing or of the wrong kind.
        MediaError: an index cannot be read.
    """
    options = settings.options
    paths = [options.get(key) for key in ("folder", "index", "validation_index")]
    texts = [Path(path).expanduser() for path in paths if isinstance(path, str) and path]
    if len(texts) != len(paths):
        raise ConfigError(
            "The task real_clip_compression needs the options folder, index and validation_index; "
            "docs/training.md shows how an index is written."
        )
    folder, *indices = texts
    pixels = _PIXELS.get(str(options.get("pixels", "whole")))
    if pixels is None:
        raise ConfigError(f"The option pixels is one of {', '.join(_PIXELS)}.")
    follow_links = bool(options.get("follow_links", False))
    train, validation = (RecordIndex(index, folder, follow_links=follow_links) for index in indices)
    return RealClipCompression(networks, train, validation, settings.batch_size, pixels=pixels)


def _cut(text: str) -> str:
    """Return the beginning of a caption, up to a word's end."""
    if len(text) <= _LONGEST_TEXT:
        return text
    return text[:_LONGEST_TEXT].rsplit(maxsplit=1)[0]
