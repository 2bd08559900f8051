"""What is there, what is missing, what does not fit, and how much memory it will take.

Only headers are read (of the adapter, which is small, the numbers too), so that a folder of tens of
gigabytes is judged in seconds and before anything of it is loaded. Checksums are another matter:
they read every byte and are made on request.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import nn

from omnilive.errors import BackendError, CheckpointError
from omnilive.nn.adapter import Adapter
from omnilive.nn.audio_translation import HEAD as AUDIO_HEAD
from omnilive.nn.audio_translation import AudioTranslationConfig, AudioTranslationNetwork
from omnilive.nn.checkpoint import Checkpoint, read_config
from omnilive.nn.memory_config import MemoryConfig
from omnilive.nn.memory_network import HEAD, MemoryNetwork
from omnilive.nn.places import Place, free_bytes
from omnilive.nn.plora import PictureLoraLinear
from omnilive.nn.reasoning_network import ReasoningConfig, ReasoningNetwork
from omnilive.nn.tokenizer_internlm2 import TURN_END, TURN_START, InternLM2Tokenizer
from omnilive.nn.tokenizer_qwen2 import Qwen2Tokenizer
from omnilive.nn.weights_folder import ROLES, ModuleFolder, Role, find_module

PRECISIONS = ("float32", "bfloat16", "float16", "8 bits")
SUMS = "SHA256SUMS"
_CHUNK = 1 << 24
_HUB = Path(".cache/huggingface/download")
Progress = Callable[[int, int, str], None]  # bytes done, bytes in all, what


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleReport:
    """What was found of one network.

    Attributes:
        role: which network.
        path: its folder; None if it is not there.
        adapter: folder of the adapter that goes in while loading, if any.
        num_parameters: of the network; 0 if its configuration cannot be read.
        on_disk: bytes of its weights.
        stored: kinds of numbers in the files.
        files: files that hold the weights.
        memory: bytes of its weights by precision (`PRECISIONS` that it can be held in).
        problems: a sentence for everything that is wrong; empty if it can be loaded.
    """

    role: Role
    path: Path | None
    adapter: Path | None = None
    num_parameters: int = 0
    on_disk: int = 0
    stored: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    memory: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """One word: "whole", "missing" or "wrong"."""
        return "missing" if self.path is None else "wrong" if self.problems else "whole"


def check_folder(root: Path, roles: Sequence[Role] = ROLES) -> tuple[ModuleReport, ...]:
    """Judge the networks below `root`, each on its own, then whether they fit one another.

    Raises:
        CheckpointError: there is no such folder.
    """
    if not root.is_dir():
        raise CheckpointError(f"There is no folder {root}; name the folder of the weights.")
    reports: list[ModuleReport] = []
    folders: list[ModuleFolder] = []
    for role in roles:
        try:
            found = find_module(root, role)
        except CheckpointError as error:
            reports.append(ModuleReport(role=role, path=root, problems=(str(error),)))
            continue
        reports.append(ModuleReport(role=role, path=None) if found is None else check_module(found))
        if found is not None:
            folders.append(found)
    if not any(each.problems for each in reports):
        reports = [
            replace(each, problems=tuple(strangers(folders))) if each.role == "memory" else each
            for each in reports
        ]
    return tuple(reports)


def need_whole(folders: Sequence[ModuleFolder]) -> list[ModuleReport]:
    """Judge the networks that will be loaded.

    Raises:
        CheckpointError: a folder is missing or wrong; names the first fault and how many there are.
    """
    for each in folders:
        if not each.path.is_dir():
            raise CheckpointError(
                f"The {each.role} network is missing: there is no folder {each.path}; "
                "`omnilive models check` says what is there."
            )
    reports = [check_module(each) for each in folders]
    faults = [problem for each in reports for problem in each.problems] or strangers(folders)
    if faults:
        more = f" ({len(faults)} faults in all)" if len(faults) > 1 else ""
        raise CheckpointError(
            f"The weights cannot be used{more}: {faults[0]} `omnilive models check` says more."
        )
    return reports


def strangers(folders: Sequence[ModuleFolder]) -> list[str]:
    """Return what is wrong between networks of which each is right by itself."""
    at = {each.role: each.path for each in folders}
    if "reasoning" not in at or "memory" not in at:
        return []
    takes = ReasoningConfig.of_folder(at["reasoning"]).memory_width
    gives = MemoryConfig.from_dict(read_config(at["memory"])).decoder.width
    if takes == gives:
        return []
    return [
        f"The memory network in {at['memory']} gives vectors of {gives} numbers and the language "
        f"model in {at['reasoning']} takes {takes}; they are not of one checkpoint."
    ]


def need_room(
    reports: Sequence[ModuleReport], places: Mapping[Role, Place], *, eight_bit: bool
) -> None:
    """Compare what the networks take with what is free where they shall work.

    Raises:
        BackendError: it is not enough; says how much is wanted and what takes less.
    """
    wanted: dict[str, int] = {}
    passing = 0
    for each in reports:
        place = places[each.role]
        narrow = eight_bit and each.role == "reasoning"
        whole = each.memory[place.dtype]
        # In 8 bits, what stays wide has the width of the activations.
        extra = 2 * (each.memory["float32"] // 4) if place.dtype == "float32" else 0
        taken = min(whole, each.memory["8 bits"] + extra) if narrow else whole
        wanted[place.device] = wanted.get(place.device, 0) + taken
        if narrow or (each.role == "reasoning" and each.adapter is not None):
            # Merged and rounded in main memory, then moved.
            passing = whole - (taken if place.device == "cpu" else 0)
    if passing:
        wanted["cpu"] = wanted.get("cpu", 0) + passing
    for device, count in wanted.items():
        free = free_bytes(device)
        if free is not None and free < count:
            raise BackendError(
                f"The networks take {count / 1e9:.1f} GB of memory on {device} and "
                f"{free / 1e9:.1f} GB are free; set ixc.eight_bit = true, a narrower dtype or "
                "another device for one of them, or end what else runs there."
            )


def check_module(found: ModuleFolder) -> ModuleReport:
    """Judge one network."""
    problems: list[str] = []
    network: nn.Module | None = None
    try:
        network = _empty_network(found)
    except CheckpointError as error:
        problems.append(str(error))
    try:
        weights = Checkpoint.open(found.path)
    except CheckpointError as error:
        problems.append(str(error))
        weights = None
    if network is not None and weights is not None:
        shapes = {name: tuple(held.shape) for name, held in network.state_dict().items()}
        problems += weights.problems(shapes, unused=(HEAD, AUDIO_HEAD))
    if isinstance(network, ReasoningNetwork) and found.adapter is not None:
        try:
            Adapter.open(found.adapter).check(network)
        except CheckpointError as error:
            problems.append(str(error))
    problems += _tokenizer_problems(found, network)
    tensors = [] if weights is None else list(weights.tensors.values())
    return ModuleReport(
        role=found.role,
        path=found.path,
        adapter=found.adapter,
        num_parameters=0 if network is None else _count(network),
        on_disk=0 if weights is None else weights.num_bytes,
        stored=tuple(sorted({str(each.dtype).removeprefix("torch.") for each in tensors})),
        files=tuple(sorted({each.file for each in tensors})),
        memory={} if network is None else _memory(network),
        problems=tuple(problems),
    )


# --- checksums ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FileSum:
    """A file's SHA-256, and the one it should have ("" if nobody says)."""

    file: Path
    found: str
    wanted: str

    @property
    def is_wrong(self) -> bool:
        """Whether the file is not what its publisher sent."""
        return bool(self.wanted) and self.found != self.wanted


def checksums(
    root: Path, reports: Sequence[ModuleReport], progress: Progress | None = None
) -> Iterator[FileSum]:
    """Yield the SHA-256 of every file of weights below `root`.

    What it should be is taken from a file SHA256SUMS in the folder or above it, or from what the
    download tool of Hugging Face left behind.
    """
    files = sorted({file for each in reports for file in each.files})
    files += [
        file
        for each in reports
        if each.adapter is not None
        for file in sorted(each.adapter.glob("adapter_model.*"))
    ]
    total, done = sum(file.stat().st_size for file in files), 0
    for file in files:
        digest = hashlib.sha256()
        with file.open("rb") as source:
            while piece := source.read(_CHUNK):
                digest.update(piece)
                done += len(piece)
                if progress is not None:
                    progress(done, total, file.name)
        yield FileSum(file, digest.hexdigest(), _wanted_sum(root, file))


def _wanted_sum(root: Path, file: Path) -> str:
    for folder in (file.parent, root):
        listed = folder / SUMS
        if listed.is_file():
            for line in listed.read_text(encoding="utf-8", errors="replace").splitlines():
                digest, _, name = line.strip().partition(" ")
                named = folder / name.strip().lstrip("*")
                if len(digest) == 64 and named == file:
                    return digest.lower()
    for folder in (root, root.parent, file.parent):
        if file.is_relative_to(folder):
            note = folder / _HUB / f"{file.relative_to(folder)}.metadata"
            if note.is_file():
                # Lines: commit, entity tag, time. The tag of a large file is its SHA-256.
                lines = note.read_text(encoding="utf-8", errors="replace").splitlines()
                if len(lines) > 1 and len(lines[1].strip()) == 64:
                    return lines[1].strip().lower()
    return ""


# --- one network ----------------------------------------------------------------------------


def _empty_network(found: ModuleFolder) -> nn.Module:
    """The network without numbers."""
    with torch.device("meta"):
        if found.role == "reasoning":
            return ReasoningNetwork(ReasoningConfig.of_folder(found.path))
        values = read_config(found.path)
        if found.role == "memory":
            return MemoryNetwork(MemoryConfig.from_dict(values))
        return AudioTranslationNetwork(AudioTranslationConfig.from_dict(values))


def _tokenizer_problems(found: ModuleFolder, network: nn.Module | None) -> list[str]:
    try:
        if found.role == "reasoning":
            pieces = InternLM2Tokenizer(found.tokenizer / "tokenizer.model")
            pieces.id_of(TURN_START)
            pieces.id_of(TURN_END)
            size, room = pieces.vocab_size, None
            if isinstance(network, ReasoningNetwork):
                room = network.config.decoder.vocab_size
        else:
            size = len(Qwen2Tokenizer.load(found.tokenizer))
            room = None
            if isinstance(network, MemoryNetwork | AudioTranslationNetwork):
                room = network.config.decoder.vocab_size
    except CheckpointError as error:
        return [str(error)]
    if room is not None and size > room:
        return [
            f"The tokenizer in {found.tokenizer} has {size} tokens and the network {room}; "
            "do they belong together?"
        ]
    return []


def _count(network: nn.Module) -> int:
    return sum(each.numel() for each in network.parameters())


def _memory(network: nn.Module) -> dict[str, int]:
    count = _count(network)
    held = {"float32": 4 * count, "bfloat16": 2 * count, "float16": 2 * count}
    if isinstance(network, ReasoningNetwork):
        rounded = [each for each in network.modules() if isinstance(each, PictureLoraLinear)]
        numbers = sum(each.shape[0] * each.shape[1] for each in rounded)
        scales = sum(each.shape[0] for each in rounded)
        # What is not rounded stays in 16 bits; a scale of a row has 32.
        held["8 bits"] = 2 * (count - numbers) + numbers + 4 * scales
    return held
