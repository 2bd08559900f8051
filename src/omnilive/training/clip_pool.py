"""Clips whose frames went through the frozen towers already: made once, drawn from for ever.

Scenes do not depend on one another, so a stream of any length is a draw of clips from the pool,
put one after the other; only the words about them are made anew. On disk, per split:

    frames.npy      (all frames, N, E) fp16   what the memory's tower gives, merged two by two
    pictures.npy    (clips, tiles, N, E) fp16 what the language model's tower gives of one frame
    labels.npy      (all frames, 8, 8, 6) i1  what lies in each patch (`painting.patch_labels`)
    pool.json       how many clips, where each one's frames start, which instant was pictured
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from random import Random

import numpy as np
import torch
from numpy.typing import NDArray

from omnilive.errors import CheckpointError
from omnilive.events import NS_PER_S
from omnilive.media.synthetic.daily.catalogue import Split
from omnilive.media.synthetic.daily.painting import patch_labels
from omnilive.media.synthetic.daily.planning import plan_scene
from omnilive.media.synthetic.daily.records import DailyScene
from omnilive.nn.clip_pixels import PixelPath, tower_pixels
from omnilive.nn.memory_network import MemoryNetwork
from omnilive.nn.pool_projector import merge_patches
from omnilive.nn.reasoning_network import ReasoningNetwork
from omnilive.training.patch_heads import TRAITS

PAINTED = 192  # side of the frames before they are scaled to the tower
_TOGETHER = 64  # clips that go through the towers together


@lru_cache(maxsize=65_536)
def pool_scene(split: Split, number: int) -> DailyScene:
    """Return a scene of the pool; it starts at 0."""
    rng = Random(f"pool {split} {number}")
    return plan_scene(rng, split, 0, rng.randint(5, 8) * NS_PER_S)


def moved(scene: DailyScene, by_ns: int) -> DailyScene:
    """Return the scene that much later; what is in it keeps its own times."""
    return replace(scene, start_ns=scene.start_ns + by_ns, end_ns=scene.end_ns + by_ns)


def frame_times(scene: DailyScene) -> list[int]:
    """Return when frames are taken of it: the middle of every second."""
    return list(range(scene.start_ns + NS_PER_S // 2, scene.end_ns, NS_PER_S))


@dataclass(frozen=True, slots=True)
class ClipPool:
    """Clips of one split.

    Attributes:
        split: whose combinations of things they show.
        starts: (clips + 1,) where each one's frames start.
        frames: (all frames, N, E), mapped.
        pictured_ns: (clips,) instant of each one's picture.
        pictures: (clips, tiles, N, E), mapped.
        labels: (all frames, grid, grid, traits), mapped.
    """

    split: Split
    starts: NDArray[np.int64]
    frames: NDArray[np.float16]
    pictured_ns: NDArray[np.int64]
    pictures: NDArray[np.float16]
    labels: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def scene(self, number: int) -> DailyScene:
        """Return what a clip shows; it starts at 0."""
        return pool_scene(self.split, number)

    def clip(self, number: int) -> torch.Tensor:
        """Return the merged patches of a clip's frames, (T, N, E)."""
        start, end = self.starts[number : number + 2]
        return torch.from_numpy(self.frames[start:end].astype(np.float32))

    def labels_of(self, number: int) -> NDArray[np.int8]:
        """Return what lies in each patch of a clip's frames, (T, grid, grid, traits)."""
        start, end = self.starts[number : number + 2]
        return np.asarray(self.labels[start:end])

    def picture(self, number: int) -> torch.Tensor:
        """Return the maps of the picture of a clip, (tiles, N, E)."""
        return torch.from_numpy(self.pictures[number].astype(np.float32))

    @classmethod
    def open(cls, folder: Path) -> ClipPool:
        """Open a finished pool.

        Raises:
            CheckpointError: it is missing or damaged.
        """
        try:
            told = json.loads((folder / "pool.json").read_text(encoding="utf-8"))
            pool = cls(
                told["split"],
                np.array(told["starts"], dtype=np.int64),
                np.load(folder / "frames.npy", mmap_mode="r"),
                np.array(told["pictured_ns"], dtype=np.int64),
                np.load(folder / "pictures.npy", mmap_mode="r"),
                np.load(folder / "labels.npy", mmap_mode="r"),
            )
        except (OSError, ValueError, KeyError) as error:
            raise CheckpointError(f"The clips in {folder} are damaged; delete them.") from error
        if len(pool.frames) != pool.starts[-1] or len(pool.pictures) != len(pool):
            raise CheckpointError(f"The clips in {folder} are not whole; delete them.")
        return pool


def bytes_of_pool(num_clips: int, memory: MemoryNetwork, tiles: int = 3) -> int:
    """Return about how many bytes so many clips take."""
    config = memory.config
    vector = 2 * 4 * config.tower.width * config.num_merged
    return num_clips * vector * (7 + tiles)


@torch.no_grad()
def make_pool(
    folder: Path,
    split: Split,
    num_clips: int,
    memory: MemoryNetwork,
    reasoning: ReasoningNetwork,
    picture_of: Callable[[NDArray[np.uint8]], torch.Tensor],
    painted: Callable[[Iterable[int]], Iterable[list[NDArray[np.uint8]]]],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> ClipPool:
    """Paint clips, run both towers over them, and write the pool.

    Args:
        folder: is made; `pool.json` comes last, so a folder with it is whole.
        split: whose combinations of things are painted.
        num_clips: how many.
        memory: its tower sees every frame.
        reasoning: its tower sees one frame a clip.
        picture_of: the tiles of one frame, (tiles, 3, side, side), thumbnail first.
        painted: paints clips by their numbers, in order (`painted_clips.painter`).
        progress: called with how many are done, of how many.
    """
    folder.mkdir(parents=True, exist_ok=True)
    numbers = range(num_clips)
    scenes = [pool_scene(split, number) for number in numbers]
    starts = np.cumsum([0, *(len(frame_times(scene)) for scene in scenes)])
    config = memory.config
    each = (config.num_merged, 4 * config.tower.width)
    frames: NDArray[np.float16] | None = None
    pictures: NDArray[np.float16] | None = None
    pictured: list[int] = []
    tower = memory.model.vision_tower.vision_tower
    frames = np.lib.format.open_memmap(
        folder / "frames.npy", "w+", np.float16, (int(starts[-1]), *each)
    )
    grid = config.tower.grid
    labels = np.lib.format.open_memmap(
        folder / "labels.npy", "w+", np.int8, (int(starts[-1]), grid, grid, len(TRAITS))
    )
    for number, clip in enumerate(painted(numbers)):
        times = frame_times(scenes[number])
        pixels = tower_pixels(clip, PixelPath.OFFLINE_CROP, size=config.tower.image_size)
        merged = merge_patches(tower(pixels, config.tower_layer))
        for place, at_ns in enumerate(times):
            labels[starts[number] + place] = patch_labels(scenes[number], at_ns, config.tower.grid)
        frames[starts[number] : starts[number + 1]] = merged.half().numpy()
        chosen = Random(f"picture {split} {number}").randrange(len(clip))
        pictured.append(times[chosen])
        maps = merge_patches(reasoning.vit.vision_tower(picture_of(clip[chosen]), -1))
        if pictures is None:
            shape = (num_clips, *maps.shape)
            pictures = np.lib.format.open_memmap(folder / "pictures.npy", "w+", np.float16, shape)
        pictures[number] = maps.half().numpy()
        if progress is not None and (number + 1) % _TOGETHER == 0:
            progress(number + 1, num_clips)
    for array in (frames, pictures, labels):
        if isinstance(array, np.memmap):
            array.flush()
    told = {"split": split, "starts": starts.tolist(), "pictured_ns": pictured}
    part = folder / "pool.json.part"
    part.write_text(json.dumps(told), encoding="utf-8")
    os.replace(part, folder / "pool.json")
    return ClipPool.open(folder)
