"""From a stage's name to its task: what a recipe may name, and the clips that tasks draw from."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from omnilive.errors import ConfigError
from omnilive.media.synthetic.daily.catalogue import Split
from omnilive.nn.frame_canvas import frames_to_picture
from omnilive.nn.tiles import cut_into_tiles, thumbnail
from omnilive.training.clip_pool import ClipPool, bytes_of_pool, make_pool
from omnilive.training.networks import Networks
from omnilive.training.painted_clips import painter
from omnilive.training.recipe import TaskSettings
from omnilive.training.scale import FULL, SMOKE, Scale
from omnilive.training.task import Task
from omnilive.training.tasks import real_clip_compression
from omnilive.training.tasks.audio_classification import AudioClassification
from omnilive.training.tasks.audio_recognition import AudioRecognition
from omnilive.training.tasks.clip_compression import ClipCompression
from omnilive.training.tasks.instruction_prediction import InstructionPrediction
from omnilive.training.tasks.integration import Integration
from omnilive.training.tasks.reasoning import Reasoning
from omnilive.training.tasks.retrieval import Retrieval
from omnilive.training.tasks.turns import Turns
from omnilive.training.tasks.vision_pretraining import VisionPretraining

_CLIPS, _VALIDATION_CLIPS = 10_000, 600
_SMOKE_CLIPS = 48


def build(name: str, networks: Networks, settings: TaskSettings) -> Task:
    """Return a stage's task.

    Args:
        name: of the task, one of `TASKS`.
        networks: that it trains.
        settings: batch size, cache, and options: `smoke` for a pool of a few clips, `clips` for
            how many there are to draw from, `keep_projectors` (see `VisionPretraining`).

    Raises:
        ConfigError: the task is unknown, or the cache has no room for its clips.
    """
    if name not in TASKS:
        raise ConfigError(f'There is no task "{name}"; there are {", ".join(sorted(TASKS))}.')
    return TASKS[name](networks, settings)


def _memory(networks: Networks, settings: TaskSettings) -> Task:
    pools, size, scale = _pools(networks, settings), settings.batch_size, _scale(settings)
    tasks = (
        ClipCompression(networks, pools, size, scale=scale),
        Integration(networks, pools, max(1, size // 8), scale=scale),
        Retrieval(networks, pools, max(1, size // 32), scale=scale),
    )
    # Retrieval is the hardest and comes most often; compression must not be forgotten meanwhile.
    return Turns("memory", tasks, (2, 0, 2, 2, 0, 1))


def _reasoning_and_gate(networks: Networks, settings: TaskSettings) -> Task:
    tasks = (
        Reasoning(
            networks, _pools(networks, settings), settings.batch_size, scale=_scale(settings)
        ),
        InstructionPrediction(networks, 8 * settings.batch_size),
    )
    return Turns("reasoning_and_gate", tasks, (0, 0, 0, 0, 0, 1))


TASKS: Mapping[str, Callable[[Networks, TaskSettings], Task]] = {
    "vision_pretraining": lambda networks, settings: VisionPretraining(
        networks,
        settings.batch_size,
        num_validated=2 * _scale(settings).validated_batches,
        keep_projectors=bool(settings.options.get("keep_projectors", False)),
    ),
    "clip_compression": lambda networks, settings: ClipCompression(
        networks, _pools(networks, settings), settings.batch_size, scale=_scale(settings)
    ),
    "real_clip_compression": real_clip_compression.from_options,
    "integration": lambda networks, settings: Integration(
        networks, _pools(networks, settings), settings.batch_size, scale=_scale(settings)
    ),
    "retrieval": lambda networks, settings: Retrieval(
        networks, _pools(networks, settings), settings.batch_size, scale=_scale(settings)
    ),
    "memory": _memory,
    "reasoning": lambda networks, settings: Reasoning(
        networks, _pools(networks, settings), settings.batch_size, scale=_scale(settings)
    ),
    "describing": lambda networks, settings: Reasoning(
        networks,
        _pools(networks, settings),
        settings.batch_size,
        scale=_scale(settings),
        describing=True,
    ),
    "instruction_prediction": lambda networks, settings: InstructionPrediction(
        networks, settings.batch_size
    ),
    "reasoning_and_gate": _reasoning_and_gate,
    "audio_recognition": lambda networks, settings: AudioRecognition(networks, settings.batch_size),
    "audio_classification": lambda networks, settings: AudioClassification(
        networks, settings.batch_size
    ),
}
"""Tasks by name. `memory` and `reasoning_and_gate` take turns between tasks of one network."""


def _scale(settings: TaskSettings) -> Scale:
    return SMOKE if settings.options.get("smoke", False) else FULL


def _pools(networks: Networks, settings: TaskSettings) -> dict[Split, ClipPool]:
    """Return the clips of training and validation, made now if the cache lacks them."""
    is_smoke = bool(settings.options.get("smoke", False))
    wanted = _SMOKE_CLIPS if is_smoke else int(str(settings.options.get("clips", _CLIPS)))
    held_out = _SMOKE_CLIPS if is_smoke else _VALIDATION_CLIPS
    each = bytes_of_pool(1, networks.memory)
    room = settings.cache_bytes // each - held_out
    if room < min(wanted, _SMOKE_CLIPS):
        needed = (held_out + _SMOKE_CLIPS) * each / 1e9
        raise ConfigError(f"The clips need a cache of {needed:.1f} GB or more; see --cache-gb.")
    counts: dict[Split, int] = {"train": min(wanted, room), "validation": held_out}
    towers = _fingerprint(networks)
    if settings.cache.is_dir():
        for stale in settings.cache.glob("clips-*"):
            if not stale.name.startswith(f"clips-{towers}-"):
                shutil.rmtree(stale, ignore_errors=True)
    return {
        split: _pool(networks, settings.cache / f"clips-{towers}-{split}-{count}", split, count)
        for split, count in counts.items()
    }


def _pool(networks: Networks, folder: Path, split: Split, count: int) -> ClipPool:
    if (folder / "pool.json").is_file():
        return ClipPool.open(folder)
    return make_pool(
        folder,
        split,
        count,
        networks.memory,
        networks.reasoning,
        lambda frame: picture_tiles(frame, networks.reasoning.config.tower.image_size),
        painter(split, 1 if count > _SMOKE_CLIPS else 0),
    )


def picture_tiles(frame: NDArray, tile: int) -> Tensor:  # type: ignore[type-arg]
    """Return one frame as the answerer shows it, (tiles, 3, tile, tile), thumbnail first."""
    picture = frames_to_picture([frame], canvas="squash", tile=tile)
    return torch.cat((thumbnail(picture, tile=tile)[None], cut_into_tiles(picture, tile=tile)))


def _fingerprint(networks: Networks) -> str:
    """Return a name for the weights of both towers."""
    digest = hashlib.sha256()
    towers: tuple[nn.Module, ...] = (networks.memory.model.vision_tower, networks.reasoning.vit)
    for tower in towers:
        for name, held in sorted(tower.state_dict().items()):
            digest.update(name.encode())
            digest.update(held.detach().cpu().numpy().tobytes())
    return digest.hexdigest()[:12]
