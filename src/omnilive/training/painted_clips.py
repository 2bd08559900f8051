"""The frames of the pool's clips, painted by worker processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray

from omnilive.media.synthetic.daily.catalogue import Split
from omnilive.media.synthetic.daily.painting import paint
from omnilive.training.clip_pool import PAINTED, frame_times, pool_scene

Clip = list[NDArray[np.uint8]]


def paint_clip(split: Split, number: int) -> Clip:
    """Return the frames of one clip, (288, 288, 3) each."""
    scene = pool_scene(split, number)
    return [paint(scene, at_ns, PAINTED) for at_ns in frame_times(scene)]


def painter(split: Split, workers: int) -> Callable[[Iterable[int]], Iterable[Clip]]:
    """Return what paints clips in order, by so many processes; in this one if 0."""

    def painted(numbers: Iterable[int]) -> Iterator[Clip]:
        work = partial(paint_clip, split)
        if not workers:
            yield from map(work, numbers)
            return
        with get_context("spawn").Pool(workers) as pool:
            yield from pool.imap(work, numbers, chunksize=4)

    return painted
