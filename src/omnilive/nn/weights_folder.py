"""Which part of a folder belongs to which network: the release's layout, and our own.

    DIR/base/        language model in shards, tower's configuration, tokenizer.model
    DIR/adapter/     LoRA in PEFT's layout; merged while loading
    DIR/merge_lora/  both in one; taken before the two
    DIR/reasoning/   the same in our own format (`omnilive models merge`); taken first
    DIR/memory/      memory module and its tokenizer
    DIR/audio/       audio module and its tokenizer
    DIR/siglip/      the release's cut detector, if wanted

A folder that holds a `config.json` itself is one network alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from omnilive.errors import CheckpointError
from omnilive.nn.checkpoint import CONFIG, read_config

Role: TypeAlias = Literal["reasoning", "memory", "audio"]
ROLES: tuple[Role, ...] = ("reasoning", "memory", "audio")
TOKENIZER_FILES = ("tokenizer.model", "vocab.json", "merges.txt", "tokenizer.json")
_MERGED = ("reasoning", "merge_lora")
_BASE, _ADAPTER = "base", "adapter"


@dataclass(frozen=True, slots=True)
class ModuleFolder:
    """Where one network lies.

    Attributes:
        role: which network.
        path: folder of its configuration and weights.
        adapter: the adapter that goes into them while loading, if any.
        tokenizer: folder of its tokenizer.
    """

    role: Role
    path: Path
    adapter: Path | None
    tokenizer: Path


def find_module(root: Path, role: Role) -> ModuleFolder | None:
    """Return where a network lies below `root`; None if it is not there."""
    if (root / CONFIG).is_file():
        return ModuleFolder(role, root, None, root) if role_of(root) == role else None
    if role != "reasoning":
        folder = root / role
        return ModuleFolder(role, folder, None, folder) if folder.is_dir() else None
    for name in _MERGED:
        if (root / name).is_dir():
            folder = root / name
            # The release's merging leaves the tokenizer where it was.
            own = (folder / "tokenizer.model").is_file()
            return ModuleFolder(role, folder, None, folder if own else root / _BASE)
    base, adapter = root / _BASE, root / _ADAPTER
    if not base.is_dir():
        return None
    return ModuleFolder(role, base, adapter if adapter.is_dir() else None, base)


def need_module(root: Path, role: Role) -> ModuleFolder:
    """Return where a network lies below `root`.

    Raises:
        CheckpointError: it is not there, or the folder does not exist.
    """
    if not root.is_dir():
        raise CheckpointError(f"There is no folder {root}; name the folder of the weights.")
    found = find_module(root, role)
    if found is None:
        wanted = "base/ and adapter/ (or merge_lora/)" if role == "reasoning" else f"{role}/"
        raise CheckpointError(
            f"{root} lacks {wanted}; fetch them, or name the folder that holds "
            "base/, adapter/, audio/ and memory/."
        )
    return found


def role_of(folder: Path) -> Role | None:
    """Return which network a folder's configuration is of; None if of none that is known."""
    values = read_config(folder)
    if values.get("mm_projector_type"):
        return "memory"
    if values.get("audio_config"):
        return "audio"
    return "reasoning" if "rope_scaling" in values and "vocab_size" in values else None


def plan(root: Path, memory: str, texts: str, audio: str) -> list[ModuleFolder]:
    """Return what a system will load.

    Args:
        root: folder of all weights, where the language model is looked for.
        memory: folder of the memory module.
        texts: folder of its tokenizer; "" if that lies beside it.
        audio: folder of the audio module; "" without one.

    Raises:
        CheckpointError: there is no language model.
    """
    folder = Path(memory).expanduser()
    tokenizer = Path(texts).expanduser() if texts else folder
    found = [
        need_module(root, "reasoning"),
        ModuleFolder("memory", folder, None, tokenizer),
    ]
    if audio:
        sound = Path(audio).expanduser()
        found.append(ModuleFolder("audio", sound, None, sound))
    return found
