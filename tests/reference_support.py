"""Reference vectors: where they lie, and one line per case about how near we came.

A test asks `folders_with(config, "cases.json", ...)` for what to check, and reports each
tensor to the `case_log` fixture of `tests/reference/conftest.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "reference"


def reference_root(config: pytest.Config) -> Path | None:
    """The folder of `--reference`, else the one beside the checkout, else None."""
    given = config.getoption("--reference", default=None)
    if given is None:
        return DEFAULT if DEFAULT.is_dir() else None
    root = Path(given)
    if not root.is_dir():
        raise pytest.UsageError(f"--reference {given}: there is no such folder.")
    return root


def skipped(config: pytest.Config, what: str) -> Any:
    """One parameter that skips, because nothing of `what` is there."""
    root = reference_root(config)
    reason = (
        "no reference vectors: give their folder with --reference DIR"
        if root is None
        else f"no {what} under the folder given with --reference"
    )
    return pytest.param(None, marks=pytest.mark.skip(reason=reason), id="none")


@dataclass
class CaseLine:
    """What was compared of one case."""

    tensors: int = 0
    relative: float = 0.0
    relative_of: str = "-"
    share: float = 0.0
    share_of: str = "-"


@dataclass
class CaseLog:
    """Largest errors of every case, printed after the run."""

    cases: dict[str, CaseLine] = field(default_factory=dict)

    def note(self, case: str, name: str, *, absolute: float, largest: float, limit: float) -> None:
        """Record a largest absolute error beside the largest expected value and the limit."""
        line = self.cases.setdefault(case, CaseLine())
        line.tensors += 1
        relative = absolute / largest if largest > 0 else absolute
        if line.tensors == 1 or relative > line.relative:
            line.relative, line.relative_of = relative, name
        share = absolute / limit if limit > 0 else (0.0 if absolute == 0 else float("inf"))
        if line.tensors == 1 or share > line.share:
            line.share, line.share_of = share, name

    def check(self, case: str, name: str, got: Any, want: Any, limit: float) -> None:
        """Assert that no element of `got` is further than `limit` from `want`."""
        import torch

        got = torch.as_tensor(got).detach().to(torch.float64)
        want = torch.as_tensor(want).detach().to(torch.float64)
        assert tuple(got.shape) == tuple(want.shape), f"{case} {name}: shape {tuple(got.shape)}"
        error = float((got - want).abs().max()) if want.numel() else 0.0
        largest = float(want.abs().max()) if want.numel() else 0.0
        self.note(case, name, absolute=error, largest=largest, limit=limit)
        assert error <= limit, f"{case} {name}: off by {error:.3g}, allowed {limit:.3g}"

    def exact(self, case: str, name: str, got: Any, want: Any) -> None:
        """Assert that `got` equals `want` (ids, positions, shapes)."""
        same = bool(got == want)
        self.note(case, name, absolute=0.0 if same else 1.0, largest=1.0, limit=0.0)
        assert same, f"{case} {name}: {got!r} instead of {want!r}"

    def lines(self) -> list[str]:
        """One line per case, in order."""
        width = max((len(case) for case in self.cases), default=0)
        return [
            f"{case:<{width}}  {line.tensors:>4} compared  largest relative error "
            f"{line.relative:.1e} ({line.relative_of})  "
            f"{line.share:>5.0%} of the limit ({line.share_of})"
            for case, line in sorted(self.cases.items())
        ]


CASE_LOG = pytest.StashKey[CaseLog]()
