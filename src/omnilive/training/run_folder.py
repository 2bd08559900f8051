"""A run on disk: always the newest whole checkpoint, whatever happens.

Order of a save: weights beside the old ones, to the disk, under a name that is their checksum;
then `run.json`, which names them, in one rename. Before that rename the old checkpoint counts,
after it the new one; what neither `run.json` nor a file of `after/` names is deleted last.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from omnilive.errors import CheckpointError, ConfigError, StoreBusy, TrainingError
from omnilive.training.files import locked, replace_whole, sync_file, sync_folder
from omnilive.training.state import RunState, from_json, to_json

RUN = "run.json"
_AFTER = "after"
_LOCK = "lock"
_END = ".safetensors"
_OPTIMIZER = "optimizer/"
_NETWORK = "network/"
_SPARE = 1 << 20  # bytes that must be free beside the weights
_CHUNK = 1 << 22


class RunFolder:
    """The folder of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def is_begun(self) -> bool:
        """Whether there is a run in it."""
        return (self.path / RUN).is_file()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Make the folder and keep other processes from training in it.

        Raises:
            StoreBusy: another process does.
            ConfigError: the folder cannot be made.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"The folder {self.path} cannot be made ({error.strerror}); name another --run."
            ) from error
        with locked(self.path / _LOCK, wait=False) as held:
            if not held:
                raise StoreBusy(f"Another process trains in {self.path}; stop it first.")
            yield

    def read(self) -> RunState:
        """Return where the run is.

        Raises:
            CheckpointError: `run.json` is missing, damaged, or of something else.
        """
        return from_json(self._manifest(self.path / RUN), str(self.path / RUN))

    def load(self, modules: Mapping[str, nn.Module]) -> dict[str, Tensor]:
        """Give the networks the run's weights; nothing changes unless all is well.

        Returns:
            The optimiser's tensors, by the names that `save` got; empty between stages.

        Raises:
            CheckpointError: the weights are missing, cut short, changed, or of other networks.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        file = self._weights(self._manifest(self.path / RUN))
        try:
            held = load_file(file)
        except (SafetensorError, OSError) as error:
            raise self._damaged(file) from error
        states = {name: module.state_dict() for name, module in modules.items()}
        wanted = {
            f"{_NETWORK}{name}/{key}": tensor
            for name, state in states.items()
            for key, tensor in state.items()
        }
        given = {name: each for name, each in held.items() if name.startswith(_NETWORK)}
        odd = sorted(set(wanted) ^ set(given)) + sorted(
            name
            for name in set(wanted) & set(given)
            if wanted[name].shape != given[name].shape or wanted[name].dtype != given[name].dtype
        )
        if odd:
            raise CheckpointError(
                f"{file} is of other networks than these ({len(odd)} tensors differ, "
                f"{odd[0].removeprefix(_NETWORK)} first); go on with the version and the settings "
                "that made it, or begin a new run in another folder."
            )
        self._clean()  # of a save that was killed
        with torch.no_grad():
            for name, tensor in wanted.items():
                # Into the networks' own memory, which is aligned: see `workers.aligned`.
                tensor.copy_(given[name])
        return {
            name.removeprefix(_OPTIMIZER): each
            for name, each in held.items()
            if name.startswith(_OPTIMIZER)
        }

    def save(
        self,
        state: RunState,
        modules: Mapping[str, nn.Module],
        optimizer: Mapping[str, Tensor],
        *,
        stage_end: str = "",
    ) -> None:
        """Write a checkpoint; the one before counts until this one is whole.

        Args:
            state: where the run is.
            modules: the networks.
            optimizer: its tensors by name.
            stage_end: the stage that has just ended: kept, so that one can go back to it.

        Raises:
            TrainingError: there is no room, or the disk failed; or a weight is no number.
        """
        tensors = _apart(
            {
                f"{_NETWORK}{name}/{key}": tensor
                for name, module in modules.items()
                for key, tensor in module.state_dict().items()
            }
            | {f"{_OPTIMIZER}{name}": tensor for name, tensor in optimizer.items()}
        )
        for name, tensor in tensors.items():
            if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                raise TrainingError(
                    f"{state.place}: {name} holds numbers that are not finite; nothing was saved, "
                    f"{self._good()}; lower the learning rate and go back with --back-to."
                )
        needed = sum(each.nbytes for each in tensors.values()) + _SPARE
        try:
            free = shutil.disk_usage(self.path).free
            if free < needed:
                raise self._no_room(f"{free / 1e6:.0f} MB are free", needed)
            file = self._write_weights(tensors)
            manifest = to_json(state) | {"weights": file}
            content = json.dumps(manifest, indent=1).encode()
            if stage_end:
                (self.path / _AFTER).mkdir(exist_ok=True)
                replace_whole(self.path / _AFTER / f"{stage_end}.json", content)
            replace_whole(self.path / RUN, content)
        except OSError as error:
            raise self._no_room(error.strerror or str(error), needed) from error
        self._clean()

    def back_to(self, stage: str) -> None:
        """Make the end of a stage the run's newest checkpoint.

        Raises:
            ConfigError: that end was not kept.
            CheckpointError: it is damaged.
        """
        path = self.path / _AFTER / f"{stage}.json"
        if not path.is_file():
            kept = ", ".join(sorted(each.stem for each in path.parent.glob("*.json"))) or "none"
            raise ConfigError(f'The end of "{stage}" is not kept in {self.path}; kept are: {kept}.')
        manifest = self._manifest(path)
        dropped = {each.stem for each in path.parent.glob("*.json")}
        dropped -= {each.stage.name for each in from_json(manifest, str(path)).stages}
        self._weights(manifest)
        try:
            replace_whole(self.path / RUN, json.dumps(manifest, indent=1).encode())
            for each in dropped:
                (path.parent / f"{each}.json").unlink(missing_ok=True)
        except OSError as error:
            raise self._no_room(error.strerror or str(error), _SPARE) from error
        self._clean()

    def _manifest(self, path: Path) -> dict[str, Any]:
        try:
            held = json.loads(path.read_bytes())
        except FileNotFoundError as error:
            raise CheckpointError(
                f"There is no run in {self.path}; name its folder with --run."
            ) from error
        except (OSError, ValueError) as error:
            raise self._damaged(path) from error
        from_json(held, str(path))  # refuses what is not ours
        return held

    def _weights(self, manifest: Mapping[str, Any]) -> Path:
        """Return the weights' file after comparing its size and its checksum."""
        named = manifest.get("weights")
        if not isinstance(named, dict) or not isinstance(name := named.get("file"), str):
            raise self._damaged(self.path / RUN)
        file = self.path / name
        if Path(name).name != name or not file.is_file():
            raise CheckpointError(
                f"The weights {name} are missing from {self.path}; copy them there, go back to a "
                "finished stage with --back-to, or begin a new run."
            )
        if file.stat().st_size != named.get("bytes") or _checksum(file) != named.get("sha256"):
            raise self._damaged(file)
        return file

    def _write_weights(self, tensors: Mapping[str, Tensor]) -> dict[str, object]:
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        unfinished = self.path / f"weights{_END}.part"
        try:
            save_file(dict(tensors), unfinished)
            sync_file(unfinished)
            checksum = _checksum(unfinished)
            size = unfinished.stat().st_size
            file = self.path / f"{checksum[:16]}{_END}"
            os.replace(unfinished, file)
            sync_folder(self.path)
        except (OSError, SafetensorError) as error:
            unfinished.unlink(missing_ok=True)
            raise OSError(getattr(error, "errno", None) or 0, str(error)) from error
        return {"file": file.name, "bytes": size, "sha256": checksum}

    def _clean(self) -> None:
        """Delete weights that nothing names."""
        named = set()
        for manifest in (self.path / RUN, *(self.path / _AFTER).glob("*.json")):
            with suppress(OSError, ValueError, KeyError, TypeError):
                named.add(json.loads(manifest.read_bytes())["weights"]["file"])
        for file in (*self.path.glob(f"*{_END}"), *self.path.glob(f"*{_END}.part")):
            if file.name not in named:
                file.unlink(missing_ok=True)

    def _good(self) -> str:
        with suppress(CheckpointError):
            return f"the last good checkpoint ({self.read().place}) is whole"
        return "there is no checkpoint yet"

    def _no_room(self, why: str, needed: int) -> TrainingError:
        return TrainingError(
            f"The run could not be saved in {self.path} ({why}; {needed / 1e6:.0f} MB are needed); "
            f"{self._good()}: make room and give the same command again."
        )

    def _damaged(self, path: Path) -> CheckpointError:
        kept = sorted(each.stem for each in (self.path / _AFTER).glob("*.json"))
        back = f"go back with --back-to ({', '.join(kept)})" if kept else "copy the run again"
        return CheckpointError(
            f"{path} is damaged or was cut short; {back}, or begin a new run in another folder."
        )


def _apart(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors on the CPU that share no memory, as the format wants it."""
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


def _checksum(file: Path) -> str:
    with file.open("rb") as opened:
        digest = hashlib.sha256()
        while chunk := opened.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
