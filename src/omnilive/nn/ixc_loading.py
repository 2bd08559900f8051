"""The preset's networks: judged together before one is loaded; what is loaded is said.

What is said goes to the log `omnilive.loading`, which the command line shows.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from omnilive.nn.ixc_config import IxcConfig, PlaceConfig
from omnilive.nn.places import Place, need_packages, place_of
from omnilive.nn.sharing import is_held, shared

if TYPE_CHECKING:
    from omnilive.nn.reasoner import Reasoner

LOADING = logging.getLogger("omnilive.loading")


def check_networks(
    config: IxcConfig,
    *,
    memory: str,
    tokenizer: str,
    memory_place: PlaceConfig,
    audio: str,
    audio_place: PlaceConfig,
) -> None:
    """Judge the weights that will be loaded, and whether there is room; reads headers only.

    Args:
        config: names the folder of all weights, where the language model is looked for.
        memory: folder of the memory module.
        tokenizer: folder of its tokenizer; "" if that lies beside it.
        memory_place: where it shall work.
        audio: folder of the audio module; "" without one.
        audio_place: where it shall work.

    Raises:
        BackendError: a package is missing, or memory is too small.
        ConfigError: a device is not there.
        CheckpointError: weights are missing, damaged or of another network.
    """
    need_packages("The preset")
    from omnilive.nn.weights_check import need_room, need_whole
    from omnilive.nn.weights_folder import Role, plan

    LOADING.info("Checking the weights")
    reports = need_whole(plan(config.folder(), memory, tokenizer, audio))
    places: dict[Role, Place] = {
        "reasoning": place_of(config.place, "ixc.place"),
        "memory": place_of(memory_place, "memory.compressor.place"),
        "audio": place_of(audio_place, "hearing.recognition.place"),
    }
    need_room(reports, places, eight_bit=config.eight_bit)


def is_loaded(config: IxcConfig) -> bool:
    """Whether the language model of this configuration is in use in this process."""
    return is_held(config)


def load_reasoner(config: IxcConfig) -> Reasoner:
    """Return the language model, loaded once for all sessions and systems of this process.

    Raises:
        CheckpointError: weights or tokenizer are missing, damaged or of another network.
        ConfigError: the device is not there.
    """
    from omnilive.nn.reasoner import Reasoner

    return shared(config, lambda: Reasoner.load(config, LOADING.info))
