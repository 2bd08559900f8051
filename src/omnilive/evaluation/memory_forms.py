"""What a clip could be remembered as, at the bytes that the compressor takes for it.

    compressor    H and H-hat, in 16 bits: this is what the others may spend
    mean_grid     means of the memory tower's patches over 2 x 2 parts of the picture and as many
                  stretches of time as fit
    mean_frames   the mean of each frame's patches, of as many frames as fit
    kmeans        centroids of all patches of the clip (Lloyd 1982), in order of time
    frames        pictures, evenly spread, as JPEG, as many as fit; the language model's own tower
                  sees them again
    text          what the memory network tells of the clip (greedy), cut to the bytes

Vectors come from the same frozen tower that the compressor reads, go in where H goes, and get a
projector of their own. All but the compressor are also told the clip's seconds in words, which
they could not know; those words are not counted, in their favour.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, Protocol, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from omnilive.evaluation.network_answers import Given, memory_of
from omnilive.evaluation.network_captions import captions
from omnilive.evaluation.network_subject import Subject
from omnilive.media.synthetic.daily.records import DailyScene
from omnilive.nn.clip_pixels import PixelPath, tower_pixels
from omnilive.nn.pool_projector import merge_patches
from omnilive.training.clip_pool import ClipPool
from omnilive.training.painted_clips import paint_clip
from omnilive.training.streams import text_of

FormName = Literal["compressor", "mean_grid", "mean_frames", "kmeans", "frames", "text"]
FORMS: tuple[FormName, ...] = get_args(FormName)
_JPEG_QUALITY = 50
_ROUNDS = 12  # of k-means


@dataclass(frozen=True, slots=True)
class Held:
    """One clip as it is remembered.

    Attributes:
        num_bytes: that it takes.
        vectors: (n, width), or None.
        pictures: maps of pictures.
        words: told of it.
    """

    num_bytes: int
    vectors: Tensor | None = None
    pictures: tuple[Tensor, ...] = ()
    words: str = ""


class Form(Protocol):
    """Remembers clips of a pool in one way."""

    @property
    def width(self) -> int:
        """Numbers of a vector; 0 without vectors, -1 for those of the memory network."""
        ...

    def held(
        self, pool: ClipPool, numbers: Sequence[int], scenes: Sequence[DailyScene]
    ) -> list[Held]:
        """Return clips as they are remembered, at their times."""
        ...


def form_of(name: FormName, subject: Subject) -> Form:
    """Return a form by its name."""
    if name == "compressor":
        return Compressor(subject)
    if name == "frames":
        return Frames(subject)
    if name == "text":
        return Summary(subject)
    return Pooled(subject, name)


def given_of(held: Sequence[Held]) -> Given:
    """Return what the language model is given of clips, in order of time."""
    vectors = [each.vectors for each in held if each.vectors is not None]
    return Given(
        memory_of(vectors),
        pictures=tuple(picture for each in held for picture in each.pictures),
        words="".join(each.words for each in held),
    )


def budget(subject: Subject, num_frames: int) -> int:
    """Return the bytes of H and H-hat of a clip."""
    config = subject.memory.config
    return 2 * config.decoder.width * (config.num_slots * num_frames + 1)


@dataclass(frozen=True)
class Compressor:
    """The trained compressor."""

    subject: Subject
    width: int = -1

    def held(
        self, pool: ClipPool, numbers: Sequence[int], scenes: Sequence[DailyScene]
    ) -> list[Held]:
        """Return H; H-hat counts, since it is what finds the clip."""
        clips = self.subject.encoded(pool, numbers, scenes)
        return [
            Held(
                2 * (one.short_term.numel() + one.global_memory.numel()),
                one.short_term.half().float(),
            )
            for one in clips
        ]


@dataclass(frozen=True)
class Pooled:
    """Vectors of the frozen tower, made fewer without training."""

    subject: Subject
    name: FormName
    _kept: dict[tuple[str, int], Tensor] = field(default_factory=dict)

    @cached_property
    def width(self) -> int:
        """Channels of four merged patches."""
        return 4 * self.subject.memory.config.tower.width

    def held(
        self, pool: ClipPool, numbers: Sequence[int], scenes: Sequence[DailyScene]
    ) -> list[Held]:
        """Return pooled vectors."""
        return [self._one(pool, *each) for each in zip(numbers, scenes, strict=True)]

    def _one(self, pool: ClipPool, number: int, scene: DailyScene) -> Held:
        key = (pool.split, number)
        if key not in self._kept:
            frames = pool.clip(number)
            num_vectors = max(1, budget(self.subject, len(frames)) // (2 * self.width))
            self._kept[key] = _POOLS[self.name](frames, num_vectors).half().float()
        vectors = self._kept[key]
        return Held(2 * vectors.numel(), vectors, words=_seconds(scene))


@dataclass(frozen=True)
class Frames:
    """Pictures of the clip, decoded again when they are needed."""

    subject: Subject
    width: int = 0
    _kept: dict[tuple[str, int], tuple[Tensor, int]] = field(default_factory=dict)

    def held(
        self, pool: ClipPool, numbers: Sequence[int], scenes: Sequence[DailyScene]
    ) -> list[Held]:
        """Return the maps of the pictures that fit."""
        return [self._one(pool, *each) for each in zip(numbers, scenes, strict=True)]

    def _one(self, pool: ClipPool, number: int, scene: DailyScene) -> Held:
        key = (pool.split, number)
        if key not in self._kept:
            self._kept[key] = self._seen(pool, number)
        maps, num_bytes = self._kept[key]
        # A picture of one tile is its own thumbnail.
        pictures = tuple(torch.stack((each, each)).float() for each in maps)
        return Held(num_bytes, pictures=pictures, words=_seconds(scene))

    @torch.no_grad()
    def _seen(self, pool: ClipPool, number: int) -> tuple[Tensor, int]:
        network = self.subject.reasoning
        painted = paint_clip(pool.split, number)
        size = network.config.tower.image_size
        room = budget(self.subject, len(painted))
        files: list[bytes] = []
        for wanted in range(1, len(painted) + 1):
            several = [
                jpeg(painted[(2 * place + 1) * len(painted) // (2 * wanted)], size)
                for place in range(wanted)
            ]
            if sum(map(len, several)) > room:
                break
            files = several
        if not files:  # not even one fits: the one in the middle, all the same
            files = [jpeg(painted[len(painted) // 2], size)]
        frames = [np.asarray(Image.open(io.BytesIO(each)).convert("RGB")) for each in files]
        pixels = tower_pixels(frames, PixelPath.WHOLE, size=size)
        maps = merge_patches(network.vit.vision_tower(pixels, -1))
        return maps.half(), sum(map(len, files))


@dataclass(frozen=True)
class Summary:
    """The memory network's own words about the clip."""

    subject: Subject
    width: int = 0

    def held(
        self, pool: ClipPool, numbers: Sequence[int], scenes: Sequence[DailyScene]
    ) -> list[Held]:
        """Return what is told of the clips."""
        clips = self.subject.encoded(pool, numbers, scenes)
        told = captions(self.subject, [clip.short_term for clip in clips])
        found = []
        for number, scene, text in zip(numbers, scenes, told, strict=True):
            kept = text.encode()[: budget(self.subject, len(pool.clip(number)))]
            words = kept.decode(errors="ignore")
            found.append(Held(len(kept), words=f"{_seconds(scene)}{words}\n"))
        return found


def jpeg(frame: NDArray[np.uint8], size: int) -> bytes:
    """Return a picture scaled to the tower's side, as a JPEG file."""
    picture = Image.fromarray(frame).resize((size, size), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    return file.getvalue()


def grid_means(frames_TNE: Tensor, num_vectors: int) -> Tensor:
    """Return means over quarters of the picture and equal stretches of time."""
    side = round(frames_TNE.shape[1] ** 0.5)
    parts = 2 if num_vectors >= 4 else 1
    stretches = max(1, min(len(frames_TNE), num_vectors // parts**2))
    window = side // parts
    squares = frames_TNE.view(len(frames_TNE), parts, window, parts, window, -1).mean(dim=(2, 4))
    few = [each.mean(dim=0) for each in torch.tensor_split(squares.flatten(1, 2), stretches)]
    return torch.cat(few)


def frame_means(frames_TNE: Tensor, num_vectors: int) -> Tensor:
    """Return the mean of each frame, of as many as there is room for."""
    means = frames_TNE.mean(dim=1)
    if num_vectors < len(means):
        means = torch.stack([few.mean(dim=0) for few in torch.tensor_split(means, num_vectors)])
    return means


def centroids(frames_TNE: Tensor, num_vectors: int) -> Tensor:
    """Return k-means centroids of all patches, in order of the time they were seen at.

    It begins with the patch nearest to the mean, then again and again with the one farthest from
    those chosen, so equal clips give equal centroids.
    """
    num_patches = frames_TNE.shape[1]
    patches = frames_TNE.flatten(0, 1)
    num_vectors = min(num_vectors, len(patches))
    middle = (patches - patches.mean(dim=0)).norm(dim=1).argmin()
    chosen = [int(middle)]
    far = (patches - patches[middle]).norm(dim=1)
    while len(chosen) < num_vectors:
        chosen.append(int(far.argmax()))
        far = torch.minimum(far, (patches - patches[chosen[-1]]).norm(dim=1))
    centres = patches[chosen].clone()
    for _ in range(_ROUNDS):
        nearest = torch.cdist(patches, centres).argmin(dim=1)
        for place in range(num_vectors):
            own = patches[nearest == place]
            if len(own):
                centres[place] = own.mean(dim=0)
    nearest = torch.cdist(patches, centres).argmin(dim=1)
    times = torch.arange(len(patches)).div(num_patches, rounding_mode="floor").float()
    at = [
        float(times[nearest == place].mean()) if bool((nearest == place).any()) else 0.0
        for place in range(num_vectors)
    ]
    return centres[torch.tensor(at).argsort(stable=True)]


_POOLS = {"mean_grid": grid_means, "mean_frames": frame_means, "kmeans": centroids}


def _seconds(scene: DailyScene) -> str:
    return f"{text_of(scene)}\n"
