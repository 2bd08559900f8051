"""Where a network works and in which precision; and what is told where torch is missing."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from omnilive.errors import BackendError, ConfigError
from omnilive.nn.ixc_config import PlaceConfig

if TYPE_CHECKING:
    import torch

NEEDED = ("torch", "safetensors", "sentencepiece", "tokenizers")


class Place(NamedTuple):
    """A device and a precision, by torch's names ("cuda:0", "bfloat16")."""

    device: str
    dtype: str

    def torch_dtype(self) -> torch.dtype:
        """Return the precision as torch has it."""
        import torch

        return getattr(torch, self.dtype)


def need_packages(what: str = "The preset ixc") -> None:
    """Say what must be installed.

    Args:
        what: needs it.

    Raises:
        BackendError: a package of the extra `nn` is missing.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise BackendError(
            f"{what} needs {', '.join(missing)}: run `pip install torch==2.13.0` and then "
            '`pip install "omnilive[nn]"`.'
        )


def place_of(config: PlaceConfig, name: str) -> Place:
    """Return the device and precision that `config` means on this machine.

    Args:
        config: what was set.
        name: of the setting, for the error ("ixc.memory").

    Raises:
        ConfigError: the device is not there.
    """
    import torch

    device = config.device
    if device == "auto":
        device = "cuda:0" if torch.cuda.is_available() else "cpu"
    if device == "cuda":
        device = "cuda:0"
    if device.startswith("cuda:"):
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if int(device.partition(":")[2]) >= count:
            raise ConfigError(
                f"{name}.device is {config.device}, and this machine has {count} such devices; "
                'use "auto" or "cpu".'
            )
    elif device == "mps" and not torch.backends.mps.is_available():
        raise ConfigError(f'{name}.device is mps, which is not here; use "auto" or "cpu".')
    dtype: str = config.dtype
    if dtype == "auto":
        dtype = "float32" if device == "cpu" else "bfloat16"
    return Place(device, dtype)


def free_bytes(device: str) -> int | None:
    """Return the bytes that are free on a device; None where nobody says."""
    import torch

    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    held = {name: rest.split()[0] for name, _, rest in (line.partition(":") for line in lines)}
    return int(held["MemAvailable"]) * 1024 if "MemAvailable" in held else None
