"""Weights on disk: opened and checked as a whole before one number reaches a network.

Three layouts, told apart by what lies there: one `.safetensors` file, one `.bin` file (read with
weights only, so that code hidden in it never runs), or either of them in shards with an index.
Names stay those of the file. `Checkpoint.open` reads headers; `load_into` compares them with the
network's parameters (nothing missing, nothing left over, shapes and kinds of numbers right), then
reads every tensor, and only then hands them over.
"""

from __future__ import annotations

import json
import os
import pickle
import warnings
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from omnilive.errors import CheckpointError

CONFIG = "config.json"
_STEMS = ("model", "pytorch_model", "adapter_model", "weights")
_PLAIN = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
_NO_WEIGHTS = ("position_ids", "rotary_emb.inv_freq")
"""Ends of names of constants that older files carry beside their weights."""


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """What a file's header says of one tensor."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    file: Path

    @property
    def num_bytes(self) -> int:
        """Bytes of its numbers, as they lie in the file."""
        return torch.Size(self.shape).numel() * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Weights on disk, by name; only their headers are in memory."""

    path: Path
    tensors: Mapping[str, TensorInfo]

    @classmethod
    def open(cls, path: Path) -> Checkpoint:
        """Find the weights at `path`, a file or a folder, and read their headers.

        Raises:
            CheckpointError: nothing there, a shard missing, a file cut short, a pickle that holds
                more than tensors, or an index that does not fit its files.
        """
        if path.is_file() and not path.name.endswith(".index.json"):
            return cls(path, _headers(path))
        index = path if path.is_file() else _one_of(path, _index_names())
        if index is not None:
            return cls(path, _sharded(index))
        file = _one_of(
            path, [f"{stem}{end}" for end in (".safetensors", ".bin") for stem in _STEMS]
        )
        if file is None:
            raise CheckpointError(
                f"There are no weights in {path}; name the folder that holds them."
            )
        return cls(path, _headers(file))

    @property
    def num_bytes(self) -> int:
        """Bytes of all tensors, as they lie in the files."""
        return sum(info.num_bytes for info in self.tensors.values())

    def check(self, shapes: Mapping[str, tuple[int, ...]], *, unused: Collection[str] = ()) -> None:
        """Compare names, shapes and kinds of numbers with what a network wants.

        Args:
            shapes: what the network wants, by name.
            unused: names that may be there and are not read (a tied head, for instance).

        Raises:
            CheckpointError: naming the first few that are missing, left over or wrong.
        """
        for problem in self.problems(shapes, unused=unused):
            raise CheckpointError(problem)

    def problems(
        self, shapes: Mapping[str, tuple[int, ...]], *, unused: Collection[str] = ()
    ) -> Iterator[str]:
        """Yield a sentence for each way in which this is not what a network wants; see `check`."""
        missing = [name for name in shapes if name not in self.tensors]
        if missing:
            yield f"{self.path} lacks {_some(missing)}; is it of another network?"
        left_over = [
            name
            for name in self.tensors
            if name not in shapes and name not in unused and not name.endswith(_NO_WEIGHTS)
        ]
        if left_over:
            yield (
                f"{self.path} has {_some(left_over)}, which this network does not know; "
                "is it of another network?"
            )
        for name, shape in shapes.items():
            info = self.tensors.get(name)
            if info is None:
                continue
            if info.shape != tuple(shape):
                yield (
                    f"{name} in {info.file.name} is {_size(info.shape)} instead of {_size(shape)}; "
                    "the weights and their configuration do not belong together."
                )
            elif info.dtype not in _PLAIN:
                yield (
                    f"{name} in {info.file.name} holds {_kind(info.dtype)}, "
                    "not floating-point numbers of 16 bits or more; take the unquantised weights."
                )

    def read(self, names: Collection[str] | None = None) -> Iterator[tuple[str, Tensor]]:
        """Yield tensors by name, file by file, as they lie on disk (CPU)."""
        wanted = set(self.tensors if names is None else names)
        by_file: dict[Path, list[str]] = {}
        for name in sorted(wanted):
            by_file.setdefault(self.tensors[name].file, []).append(name)
        for file, held in by_file.items():
            yield from _read(file, held)

    def load_into(
        self,
        module: nn.Module,
        *,
        prefix: str = "",
        unused: Collection[str] = (),
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        """Give `module` its weights: all of them, or none and an error.

        Args:
            module: the network; its parameters may lie on the `meta` device.
            prefix: what comes before the module's own names in the file; names in the file that
                do not begin with it are left alone.
            unused: names in the file that are not read.
            dtype: precision to load into; the file's own if None.
            device: where to; the CPU if None.

        Raises:
            CheckpointError: the weights do not fit, before anything of `module` has changed.
        """
        wanted = {prefix + name: tuple(held.shape) for name, held in module.state_dict().items()}
        inside = {name: info for name, info in self.tensors.items() if name.startswith(prefix)}
        Checkpoint(self.path, inside).check(wanted, unused=unused)
        state: dict[str, Tensor] = {}
        for name, tensor in self.read(wanted):
            moved = tensor.to(device=device, dtype=dtype)
            if not bool(torch.isfinite(moved).all()):
                raise CheckpointError(f"{name} in {self.path} holds no numbers; fetch it again.")
            # A mapped file may be replaced while the network lives: keep no view of it.
            same = moved.data_ptr() == tensor.data_ptr()
            state[name.removeprefix(prefix)] = moved.clone() if same else moved
        module.load_state_dict(state, strict=True, assign=True)


def read_config(folder: Path, name: str = CONFIG) -> dict[str, Any]:
    """Read the JSON object beside some weights.

    Raises:
        CheckpointError: there is none, or it is no JSON object.
    """
    path = folder / name if folder.is_dir() else folder.parent / name
    return _json_object(path)


def save_checkpoint(
    folder: Path,
    state: Mapping[str, Tensor],
    config: Mapping[str, Any],
    *,
    dtype: torch.dtype | None = None,
) -> None:
    """Write weights and configuration into one folder, in our own layout; replaced as a whole.

    The layout is `model.safetensors` and `config.json`, with names as in `state`.

    Args:
        folder: is made if missing.
        state: tensors by name.
        config: what `config.json` says.
        dtype: precision in the file; that of the tensors if None.

    Raises:
        CheckpointError: the folder cannot be written, or a number does not fit `dtype`.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    if dtype is not None:
        state = {name: each.detach().to(dtype) for name, each in state.items()}
        wrong = [name for name, each in state.items() if not bool(torch.isfinite(each).all())]
        if wrong:
            raise CheckpointError(
                f"{_some(wrong)} hold values that are no numbers of {_kind(dtype)}; "
                "nothing was written."
            )

    weights, settings = folder / "model.safetensors", folder / CONFIG
    try:
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / "model.safetensors.part"
        save_file(_apart(state), unfinished, metadata={"format": "pt"})
        os.replace(unfinished, weights)
        unfinished = folder / "config.json.part"
        unfinished.write_text(json.dumps(dict(config), indent=1, sort_keys=True), encoding="utf-8")
        os.replace(unfinished, settings)
    except (OSError, SafetensorError) as error:
        # What was there before is whole: files are put in place only when they are complete.
        why = error.strerror if isinstance(error, OSError) else "is the disk full?"
        raise CheckpointError(
            f"{folder} could not be written ({why}); free the disk or choose another folder."
        ) from error


def _apart(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors that share no memory, as the format wants it; copied only where they do."""
    held: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, each in state.items():
        tensor = each.detach().cpu().contiguous()
        storage = tensor.untyped_storage()
        if storage.data_ptr() in seen or storage.nbytes() != tensor.nbytes:
            tensor = tensor.clone()
        seen.add(tensor.untyped_storage().data_ptr())
        held[name] = tensor
    return held


def _index_names() -> list[str]:
    return [f"{stem}{end}.index.json" for end in (".safetensors", ".bin") for stem in _STEMS]


def _one_of(folder: Path, names: list[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _sharded(index: Path) -> dict[str, TensorInfo]:
    places = _json_object(index).get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(each, str) for each in places.values()):
        raise CheckpointError(f"{index} is no index of shards; fetch it again.")
    held: dict[str, TensorInfo] = {}
    for shard in sorted(set(places.values())):
        if Path(shard).name != shard:
            raise CheckpointError(f"{index} names {shard!r}, which is not beside it.")
        if not (index.parent / shard).is_file():
            raise CheckpointError(f"The shard {shard} is missing from {index.parent}; fetch it.")
        held.update(_headers(index.parent / shard))
    if set(held) != set(places):
        odd = sorted(set(held) ^ set(places))
        raise CheckpointError(f"{index} and its shards disagree about {_some(odd)}.")
    return held


def _headers(file: Path) -> dict[str, TensorInfo]:
    if file.suffix == ".safetensors":
        return {
            name: TensorInfo(tuple(shape), dtype, file)
            for name, shape, dtype in _safetensors_header(file)
        }
    return {
        name: TensorInfo(tuple(each.shape), each.dtype, file) for name, each in _bin(file).items()
    }


_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def _safetensors_header(file: Path) -> Iterator[tuple[str, list[int], torch.dtype]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as held:
            for name in held.keys():  # noqa: SIM118 - not a dict
                part = held.get_slice(name)
                kind = part.get_dtype()
                if kind not in _DTYPES:
                    raise CheckpointError(f"{name} in {file} has the unknown kind {kind}.")
                yield name, part.get_shape(), _DTYPES[kind]
    except (SafetensorError, OSError) as error:
        raise _damaged(file) from error


def _bin(file: Path) -> dict[str, Tensor]:
    try:
        with warnings.catch_warnings():
            # About the age of the format: nothing a user could act on.
            warnings.simplefilter("ignore")
            held = _unpickled(file)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{file} holds more than numbers and was not read: code can hide in such a file; "
            "take the weights from their publisher, as .safetensors if there are any."
        ) from error
    except Exception as error:  # a damaged pickle can raise whatever its bytes lead to
        raise _damaged(file) from error
    if not isinstance(held, dict) or not all(
        isinstance(name, str) and isinstance(each, Tensor) for name, each in held.items()
    ):
        raise CheckpointError(f"{file} is no table of tensors by name.")
    return held


def _unpickled(file: Path) -> Any:
    try:
        return torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except RuntimeError as error:
        if "mmap can only be used" not in str(error):
            raise
        return torch.load(file, map_location="cpu", weights_only=True)


def _read(file: Path, names: list[str]) -> Iterator[tuple[str, Tensor]]:
    if file.suffix != ".safetensors":
        held = _bin(file)
        for name in names:
            yield name, held[name]
        return
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as opened:
            for name in names:
                yield name, opened.get_tensor(name)
    except (SafetensorError, OSError) as error:
        raise _damaged(file) from error


def _json_object(path: Path) -> dict[str, Any]:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing; it belongs beside the weights.") from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} could not be read as JSON; fetch it again.") from error
    if not isinstance(read, dict):
        raise CheckpointError(f"{path} holds no JSON object; fetch it again.")
    return read


def _damaged(file: Path) -> CheckpointError:
    return CheckpointError(f"{file} is damaged or was cut short; fetch it again.")


def _some(names: Collection[str]) -> str:
    first = sorted(names)[:3]
    rest = len(names) - len(first)
    return ", ".join(first) + (f" and {rest} more" if rest else "")


def _size(shape: Collection[int]) -> str:
    return " x ".join(map(str, shape)) or "one number"


def _kind(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
