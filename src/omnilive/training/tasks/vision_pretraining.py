"""Vision pre-training: what lies in each patch, so that the tower sees before it is frozen.

The paper starts from CLIP's towers, trained on pictures and texts of the web. From nothing, on a
CPU, dense labels teach a small tower in minutes what contrast with captions takes hours for: every
patch says which thing, colour, texture, size, number and letter lies there. Pictures are shown
whole, smaller, and moved, as the language model's tiles show them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from omnilive.events import NS_PER_S
from omnilive.media.synthetic.daily.catalogue import PLACES, Split
from omnilive.media.synthetic.daily.painting import paint, patch_labels
from omnilive.media.synthetic.daily.planning import plan_scene
from omnilive.nn.clip_pixels import PixelPath, tower_pixels
from omnilive.nn.pool_projector import merge_patches
from omnilive.training.networks import Networks
from omnilive.training.patch_heads import TRAITS, UNKNOWN
from omnilive.training.task import Losses
from omnilive.training.whitening import start_projector

_FINE = 2  # label cells along one side of a patch
_LEAST_CELLS = 1  # of the 4, for a thing to be what the patch shows
_TYPICAL = 16  # batches that the projectors are started on
_GREY = 0.3  # of training pictures
_PAINTED = 288  # side of the pictures before they are scaled, as in the world's videos


@dataclass(frozen=True, slots=True)
class Pictures:
    """A batch.

    Attributes:
        pixels: (B, side, side, 3) RGB.
        labels: (B, patches, traits); see `patch_heads.TRAITS`.
        places: (B,).
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int16]
    places: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PictureSource:
    """Paints pictures of random scenes.

    Attributes:
        split: whose combinations of things are painted.
        batch_size: pictures a batch.
        side: of the tower's pictures, pixels.
        grid: patches along a side.
    """

    split: Split
    batch_size: int
    side: int
    grid: int

    def draw(self, seed: int, step: int) -> Pictures:
        """Return one batch."""
        rng = Random(f"pictures {self.split} {seed} {step}")
        made = [self._picture(rng) for _ in range(self.batch_size)]
        pixels, labels, places = zip(*made, strict=True)
        return Pictures(np.stack(pixels), np.stack(labels), np.array(places))

    def _picture(self, rng: Random) -> tuple[NDArray[np.uint8], NDArray[np.int16], int]:
        scene = plan_scene(rng, self.split, 0, rng.randint(5, 8) * NS_PER_S)
        at_ns = rng.randrange(scene.end_ns)
        grid = self.grid * _FINE
        if rng.random() < 0.5:
            picture = Image.fromarray(paint(scene, at_ns, _PAINTED))
            picture = picture.resize((self.side, self.side), Image.Resampling.BICUBIC)
        else:
            picture = Image.fromarray(paint(scene, at_ns, self.side))
        labels = patch_labels(scene, at_ns, grid).astype(np.int16)
        if rng.random() < 0.5:
            picture, labels = _moved(rng, picture, labels)
        pixels: NDArray[np.float64] = np.asarray(picture).astype(np.float64)
        if rng.random() < 0.5:
            noise = np.random.default_rng(rng.getrandbits(32)).normal(0, 6, pixels.shape)
            pixels = pixels * rng.uniform(0.85, 1.1) + noise
        of_patches = _of_patches(labels, self.grid)
        if self.split == "train" and rng.random() < _GREY:
            # Without colours, shapes have to be told by themselves, so that they are known again
            # in colours that they never had.
            pixels = np.repeat(pixels @ np.array([[0.299], [0.587], [0.114]]), 3, axis=2)
            colour = TRAITS.index("colour")
            of_patches[of_patches[:, colour] > 0, colour] = UNKNOWN
        return (
            np.clip(pixels, 0, 255).astype(np.uint8),
            of_patches,
            PLACES.index(scene.place),
        )


class VisionPretraining:
    """Trains the memory's tower; the language model's tower is a copy of it.

    Args:
        networks: whose.
        batch_size: pictures a step.
        num_validated: batches of pictures that are validated on.
        keep_projectors: at the end, for projectors that have learned to read this tower.
    """

    name = "vision_pretraining"

    def __init__(
        self,
        networks: Networks,
        batch_size: int,
        *,
        num_validated: int = 8,
        keep_projectors: bool = False,
    ) -> None:
        self._networks = networks
        self._keep_projectors = keep_projectors
        self._tower = networks.memory.model.vision_tower.vision_tower
        self._heads = networks.patch_heads
        config = self._tower.config
        self.source = PictureSource("train", batch_size, config.image_size, config.grid)
        self._validation = PictureSource("validation", 64, config.image_size, config.grid)
        self._num_validated = num_validated

    def trained(self) -> Iterator[tuple[str, nn.Parameter]]:
        """The tower and its heads."""
        return self._networks.parameters("memory.model.vision_tower", "heads.patches")

    def loss(self, batch: Pictures) -> Losses:
        """Return the loss of the last two layers together."""
        total, parts = self._both(batch)
        return Losses(total, parts)

    @torch.no_grad()
    def validate(self) -> Mapping[str, float]:
        """Return the share of right patches, by trait, on combinations never painted before."""
        sums: dict[str, float] = {}
        for step in range(self._num_validated):
            _, parts = self._both(self._validation.draw(0, step))
            for name, value in parts.items():
                sums[name] = sums.get(name, 0.0) + value / self._num_validated
        return sums

    def finish(self) -> None:
        """Give the language model's tower what was learned, and start both projectors on it."""
        networks = self._networks
        networks.reasoning.vit.vision_tower.load_state_dict(self._tower.state_dict())
        if self._keep_projectors:
            return
        layers = (networks.memory.config.tower_layer, -1)
        found: list[list[Tensor]] = [[], []]
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            for step in range(_TYPICAL):
                pixels = normalised(self.source.draw(1, step).pixels, self.source.side)
                for states, several in zip(self._tower.layers(pixels, layers), found, strict=True):
                    several.append(merge_patches(states).flatten(0, 1))
            projectors = (networks.memory.model.mm_projector.mlp, networks.reasoning.vision_proj)
            for layer, projector in enumerate(projectors):
                start_projector(projector, torch.cat(found[layer]), self._heads.directions(layer))

    def _both(self, batch: Pictures) -> tuple[Tensor, dict[str, float]]:
        device = self._tower.vision_model.embeddings.patch_embedding.weight.device
        pixels = normalised(batch.pixels, self.source.side).to(device)
        labels = torch.from_numpy(batch.labels).long().to(device)
        places = torch.from_numpy(batch.places).to(device)
        before, last = self._tower.layers(pixels, (-2, -1))
        total, _ = self._heads.loss(0, before, labels, places)
        more, parts = self._heads.loss(1, last, labels, places)
        return total + more, {"loss": float((total + more).detach()), **parts}


def normalised(pixels: NDArray[np.uint8], side: int) -> Tensor:
    """Return square pictures as the towers take them, (B, 3, side, side)."""
    return tower_pixels(list(pixels), PixelPath.OFFLINE_CROP, size=side)


def _moved(
    rng: Random, picture: Image.Image, labels: NDArray[np.int16]
) -> tuple[Image.Image, NDArray[np.int16]]:
    """Make a picture smaller, upright or squeezed, and put it somewhere on a white ground."""
    side, grid = picture.width, labels.shape[0]
    width, height = (round(side * rng.uniform(0.7, 1.0)) for _ in range(2))
    left, top = rng.randint(0, side - width), rng.randint(0, side - height)
    ground = Image.new("RGB", (side, side), "white")
    ground.paste(picture.resize((width, height), Image.Resampling.BILINEAR), (left, top))
    centres = (np.arange(grid) + 0.5) * side / grid
    columns = np.floor((centres - left) / width * grid).astype(int)
    rows = np.floor((centres - top) / height * grid).astype(int)
    inside = ((rows >= 0) & (rows < grid))[:, None] & ((columns >= 0) & (columns < grid))[None]
    moved = labels[rows.clip(0, grid - 1)[:, None], columns.clip(0, grid - 1)[None]]
    return ground, np.where(inside[..., None], moved, 0).astype(np.int16)


def _of_patches(fine: NDArray[np.int16], grid: int) -> NDArray[np.int16]:
    """Return (grid * grid, traits): of each patch the thing that covers most of it, and letters."""
    cells = fine.reshape(grid, _FINE, grid, _FINE, -1).transpose(0, 2, 1, 3, 4)
    cells = cells.reshape(grid * grid, _FINE * _FINE, -1)
    out = np.zeros((grid * grid, cells.shape[2]), dtype=np.int16)
    for patch in np.flatnonzero(cells.any(axis=(1, 2))):
        own = cells[patch]
        things = own[own[:, 0] > 0]
        if len(things) >= _LEAST_CELLS:
            kinds, counts = np.unique(things[:, 0], return_counts=True)
            if counts.max() >= _LEAST_CELLS:
                out[patch] = things[things[:, 0] == kinds[counts.argmax()]][0]
        letters = own[own[:, 4] > 0, 4]
        out[patch, 4] = 0
        if len(letters) >= _LEAST_CELLS:
            names, counts = np.unique(letters, return_counts=True)
            out[patch, 4] = names[counts.argmax()]
    return out
