"""Presets: functions that return a `system.Config`, and how a configuration is put together.

Preset first, then the file, then single settings: each over what came before.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path

import platformdirs

from omnilive.config import merge, parse_override, read_toml
from omnilive.errors import ConfigError, UsageError
from omnilive.nn.ixc_config import GenerationConfig, PlaceConfig
from omnilive.nn.shipped import NETWORK_PRESETS
from omnilive.system import SCHEMA, Config

# What the trained checkpoint of the preset tiny was tuned to, on the validation streams.
TINY_MIN_COSINE = 0.35  # a clip is selected above it; 0.3 claims too much among many clips
# One clip, although it learns with up to two: of two it often reads the other one.
TINY_MOST_SELECTED = 1
TINY_LEAST_INSTRUCTION = 0.5  # probability of "Yes"
TINY_LEAST_SOUND = 0.5  # probability of a sound's name
TINY_SOUND_WINDOW_S = 4.0
TINY_TEXTS = 4  # remembered words beside the tokens
TINY_NEW_TOKENS = 24
TINY_CLIP_S = 8.0  # the longest clip it was trained on, one frame a second


def embedded() -> Config:
    """Pip packages only, no download at run time, CPU, no torch: hears English, reads screens."""
    return Config()


def server() -> Config:
    """The embedded senses, with a vision-language server for captions and answers."""
    return dataclasses.replace(Config(), preset="server")


def ixc(weights: str = "") -> Config:
    """The paper's networks: hears, compresses, retrieves and answers with the official weights.

    Args:
        weights: folder of the checkpoint (`docs/networks.md`).
    """
    config = Config()
    recognition = dataclasses.replace(config.hearing.recognition, backend="ixc")
    clips = dataclasses.replace(config.seeing.clips, cuts="siglip")
    return dataclasses.replace(
        config,
        preset="ixc",
        hearing=dataclasses.replace(config.hearing, recognition=recognition),
        seeing=dataclasses.replace(config.seeing, clips=clips),
        ixc=dataclasses.replace(config.ixc, weights=weights),
    )


def tiny(weights: str = "") -> Config:
    """The paper's architecture, small, trained on the synthetic world; its weights come along.

    Args:
        weights: folder of another checkpoint of the same layout; "" is the one in the package.
    """
    config = Config()
    place = PlaceConfig(device="cpu", dtype="float32")
    hearing, compressor = config.hearing, config.memory.compressor
    return dataclasses.replace(
        config,
        preset="tiny",
        hearing=dataclasses.replace(
            hearing,
            recognition=dataclasses.replace(hearing.recognition, backend="ixc", place=place),
            names=dataclasses.replace(
                hearing.names,
                window_s=TINY_SOUND_WINDOW_S,
                least_probability=TINY_LEAST_SOUND,
            ),
        ),
        seeing=dataclasses.replace(
            config.seeing,
            clips=dataclasses.replace(config.seeing.clips, max_clip_s=TINY_CLIP_S),
        ),
        memory=dataclasses.replace(
            config.memory,
            compressor=dataclasses.replace(
                compressor,
                place=place,
                frames_per_clip=round(TINY_CLIP_S),
                frame_interval_s=1.0,
                pixels="whole",
                integration="blocks",
                min_cosine=TINY_MIN_COSINE,
                most_selected=TINY_MOST_SELECTED,
            ),
        ),
        # It was never shown a dialogue: each question stands for itself.
        answerer=dataclasses.replace(config.answerer, max_dialogue_chars=0),
        ixc=dataclasses.replace(
            config.ixc,
            weights=weights,
            place=place,
            prompt="release",
            clip_frames=0,
            newest_frames=1,
            canvas="squash",
            texts=TINY_TEXTS,
            not_seen="i have not seen that",
            least_instruction=TINY_LEAST_INSTRUCTION,
            generation=GenerationConfig(max_new_tokens=TINY_NEW_TOKENS, temperature=0.0),
        ),
    )


PRESETS: dict[str, Callable[[], Config]] = {
    "embedded": embedded,
    "server": server,
    "ixc": ixc,
    "tiny": tiny,
}


def configure(
    *,
    file: Path | None = None,
    preset: str | None = None,
    overrides: Iterable[str] = (),
    vlm: str | None = None,
    vlm_model: str | None = None,
    weights: Path | None = None,
) -> Config:
    """Return the configuration in force.

    Args:
        file: a TOML file; the user's own (`config.toml` in the configuration directory) if None
            and it exists.
        preset: name of a preset, over the one that the file names.
        overrides: single settings, `section.key=value`.
        vlm: address of a vision-language server; chooses the preset `server`.
        vlm_model: the model that server shall run.
        weights: folder of the paper's networks; chooses the preset `ixc` unless `tiny` is named.

    Raises:
        ConfigError: unknown key, wrong value, newer schema.
        UsageError: unknown preset, or one that lacks what it needs.
    """
    if file is None:
        own = Path(platformdirs.user_config_dir("omnilive")) / "config.toml"
        file = own if own.is_file() else None
    tables = read_toml(file) if file is not None else {}
    schema = tables.get("schema", SCHEMA)
    if not isinstance(schema, int) or schema < 1:
        raise ConfigError('"schema" must be a whole number of at least 1.')
    if schema > SCHEMA:
        raise ConfigError(
            f"{file} has schema {schema}, newer than {SCHEMA}, which this version knows; upgrade."
        )
    name = preset or tables.get("preset") or "embedded"
    if weights is not None and preset is None and name not in NETWORK_PRESETS:
        name = "ixc"
    if weights is not None and name not in NETWORK_PRESETS:
        raise UsageError("--weights belongs to the presets ixc and tiny; leave one of both out.")
    if vlm and name == "embedded":
        name = "server"
    if name not in PRESETS:
        raise UsageError(f'There is no preset "{name}"; there are {", ".join(PRESETS)}.')
    config = merge(PRESETS[str(name)](), {k: v for k, v in tables.items() if k != "preset"})
    for text in overrides:
        config = merge(config, parse_override(text))
    config = dataclasses.replace(
        config,
        vlm=dataclasses.replace(
            config.vlm,
            url=config.vlm.url if vlm is None else vlm,
            model=config.vlm.model if vlm_model is None else vlm_model,
        ),
    )
    if weights is not None:
        config = dataclasses.replace(
            config, ixc=dataclasses.replace(config.ixc, weights=str(weights))
        )
    if config.preset == "server" and not (config.vlm.url and config.vlm.model):
        raise UsageError(
            "The preset server needs a server and a model: --vlm URL --vlm-model NAME, or [vlm]."
        )
    return config
