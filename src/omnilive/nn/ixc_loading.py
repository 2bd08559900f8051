"""The preset's networks: judged together before one is loaded; what is loaded is said.

What is said goes to the log `omnilive.loading`, which the command line shows.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from omnilive.nn.ixc_config import IxcConfig
from omnilive.nn.places import need_packages

if TYPE_CHECKING:
    from omnilive.nn.reasoner import Reasoner

LOADING = logging.getLogger("omnilive.loading")


def check_networks(config: IxcConfig, memory: str, tokenizer: str, audio: str) -> None:
    """Judge the weights that will be loaded; reads headers only.

    Args:
        config: names the folder of all weights, where the language model is looked for.
        memory: folder of the memory module.
        tokenizer: folder of its tokenizer; "" if that lies beside it.
        audio: folder of the audio module; "" without one.

    Raises:
        BackendError: a package is missing.
        CheckpointError: weights are missing, damaged or of another network.
    """
    need_packages()
    from omnilive.nn.weights_check import need_whole
    from omnilive.nn.weights_folder import plan

    LOADING.info("Checking the weights")
    need_whole(plan(config.folder(), memory, tokenizer, audio))


def load_reasoner(config: IxcConfig) -> Reasoner:
    """Load the language model, once for all sessions.

    Raises:
        CheckpointError: weights or tokenizer are missing, damaged or of another network.
        ConfigError: the device is not there.
    """
    from omnilive.nn.reasoner import Reasoner

    return Reasoner.load(config, LOADING.info)
