"""Run as a program: kills training runs at many instants and says where each resumed run ends.

    training_kills.py FOLDER

Every run is a process of its own, forked before torch has computed anything. An instant is the
n-th time that the run brings something to the disk, renames or deletes it (just before or just
after), or the n-th loss. Prints one JSON line: the digest of an uninterrupted run, and for each
instant that of the resumed one and whether the kill came at all.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors.torch  # noqa: F401 - once here, not in each process
import torch

from training_support import RECIPE, Fitting, Regressor, finished, trainer

CALLS = ("fsync", "replace", "unlink")


def forked(work: Callable[[], None]) -> int:
    """Run `work` in a process of its own; return how it ended (negative: the signal)."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at_call(number: int, *, after: bool) -> None:
    """Arm the kill at the n-th call that changes the disk."""
    count = 0

    def armed(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            nonlocal count
            count += 1
            mine = count == number
            if mine and not after:
                die()
            done = real(*args, **named)
            if mine:
                die()
            return done

        return call

    for name in CALLS:
        setattr(os, name, armed(getattr(os, name)))


def train(folder: Path, kill_in_loss: int = -1) -> None:
    def on_loss(number: int) -> None:
        if number == kill_in_loss:
            die()

    def build(networks: Regressor, stage: Any) -> Fitting:
        return Fitting(networks, stage, on_loss)

    made, _ = trainer(folder, build=build)
    made.train()


def warm_up() -> None:
    """Let torch import what its optimisers want; no backward, whose threads would not survive."""
    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.ones(2)
    torch.optim.AdamW([weight], fused=True).step()


def main(root: Path) -> None:
    warm_up()

    def digest(folder: Path) -> str:
        out = folder / "digest"
        assert forked(lambda: out.write_text(finished(folder)) and None) == 0
        return out.read_text()

    curves: dict[str, str] = {}

    def killed(name: str, arm: Callable[[Path], None]) -> tuple[int, str]:
        folder = root / name
        folder.mkdir()
        code = forked(lambda: arm(folder))
        end = digest(folder)
        curves[name] = (folder / "curves.jsonl").read_text()
        return code, end

    (root / "whole").mkdir()
    found: dict[str, Any] = {"whole": digest(root / "whole"), "killed": {}}
    for number in range(1, 100, 8):
        for after in (False, True):

            def arm(folder: Path, number: int = number, after: bool = after) -> None:
                kill_at_call(number, after=after)
                train(folder)

            name = f"call {number} {'after' if after else 'before'}"
            found["killed"][name] = killed(name, arm)
    for number in (0, 2, 3):

        def in_loss(folder: Path, number: int = number) -> None:
            train(folder, number)

        found["killed"][f"loss {number}"] = killed(f"loss {number}", in_loss)
    found["stages"] = [each.name for each in RECIPE.stages]
    found["left"] = {
        name: sorted(each.name for each in (root / name).glob("*.safetensors*"))
        for name in found["killed"]
    }
    steps = [
        [(point["stage"], point["step"], point["split"], point["figures"]) for point in points]
        for points in (
            [json.loads(line) for line in text.splitlines()]
            for text in ((root / "whole" / "curves.jsonl").read_text(), *curves.values())
        )
    ]
    found["curves_equal"] = [each == steps[0] for each in steps[1:]]
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
