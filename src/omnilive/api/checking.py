"""Whether a store holds together, and mending what can be mended."""

from __future__ import annotations

from pathlib import Path

from omnilive.api.watching import store_path
from omnilive.memory.embedding import build_embedder
from omnilive.memory.repair import Repaired
from omnilive.memory.store import Store
from omnilive.memory.verify import Progress, Verification
from omnilive.presets import embedded
from omnilive.system import Config


def verify_store(
    store: str | Path | None = None,
    *,
    quick: bool = False,
    progress: Progress | None = None,
    config: Config | None = None,
) -> Verification:
    """Check every pointer, checksum, count, index and derived row; writes nothing.

    Args:
        store: directory of the memory; the configured one if None.
        quick: leave out what reads every recording and every text.
        progress: told how far it is.
        config: where the memory is; the `embedded` preset if None.

    Raises:
        StoreError: there is no memory, or it cannot be read at all.
    """
    with Store.open(store_path(store, config or embedded()), write=False) as opened:
        return opened.verify(quick=quick, progress=progress)


def repair_store(
    store: str | Path | None = None,
    *,
    progress: Progress | None = None,
    config: Config | None = None,
) -> Repaired:
    """Check, make again what is derived, take out what is lost, and check again.

    Raises:
        StoreBusy: another process writes the memory.
        StoreError: there is no memory, or it cannot be written.
    """
    config = config or embedded()
    path = store_path(store, config)
    with Store.open(path, write=True, create=False, doing="omnilive memory verify") as opened:
        return opened.repair(build_embedder(config.memory), progress)
