"""Compares what backward says with finite differences, in float64.

The parameters are dealt into groups. In each group one direction is taken, half random and half
along the gradient; the loss a little before and after must differ as the gradient says. What is
computed in float32 on purpose (norms) is computed in float64 here, or its rounding would hide
errors. What is a constant on purpose (`detach`, `no_grad`) keeps the value that it had at the
parameters themselves: its slope is not part of the gradient, and must not be of the differences.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from omnilive.training.randomness import derived_seed
from omnilive.training.task import Task

_STEPS = (1e-4, 1e-5, 1e-6)
_TOLERANCE = 1e-4
_ROUNDING = 1e-15  # of a loss around 1; slopes that drown in it are taken for none


class Slope(NamedTuple):
    """One group of parameters.

    Attributes:
        names: of the parameters.
        analytic: slope of the loss along the direction as backward says it.
        numeric: as finite differences say it; of three step lengths the one that agrees best.
        error: their difference, relative to the larger.
    """

    names: tuple[str, ...]
    analytic: float
    numeric: float
    error: float

    @property
    def is_right(self) -> bool:
        """Whether they agree."""
        return self.error <= _TOLERANCE


def gradient_check(
    task: Task,
    batch: Any,
    modules: Mapping[str, nn.Module],
    *,
    directions: int = 8,
    seed: int = 0,
) -> tuple[Slope, ...]:
    """Check the gradients of one batch; networks and modes are as before afterwards.

    Args:
        task: whose loss.
        batch: of its source.
        modules: the networks that its loss uses.
        directions: groups of parameters, one direction each.
        seed: of groups, directions, and dropout.
    """
    with _in_float64(modules) as constants:
        wide = _wide(batch)
        parameters = dict(task.trained())
        before = {each: each.requires_grad for m in modules.values() for each in m.parameters()}
        try:
            for each in before:
                each.requires_grad_(False)
                each.grad = None
            for each in parameters.values():
                each.requires_grad_(True)

            def loss() -> Tensor:
                torch.manual_seed(seed)
                constants.begin()
                return task.loss(wide).total

            loss()  # fills what networks keep between passes (tables of positions)
            constants.forget()
            torch.autograd.backward(loss())
            gradients = {
                name: torch.zeros_like(each) if each.grad is None else each.grad.clone()
                for name, each in parameters.items()
            }
            return tuple(
                _slope(group, parameters, gradients, loss, derived_seed(seed, number))
                for number, group in enumerate(_groups(list(parameters), directions, seed))
            )
        finally:
            for each, wanted in before.items():
                each.requires_grad_(wanted)
                each.grad = None


def _groups(names: list[str], count: int, seed: int) -> Iterator[tuple[str, ...]]:
    order = np.random.default_rng(seed).permutation(len(names))
    for first in range(min(count, len(names))):
        yield tuple(sorted(names[at] for at in order[first::count]))


def _slope(
    group: tuple[str, ...],
    parameters: Mapping[str, nn.Parameter],
    gradients: Mapping[str, Tensor],
    loss: Callable[[], Tensor],
    seed: int,
) -> Slope:
    """Measure the loss along one direction of unit length."""
    generator = torch.Generator().manual_seed(seed)
    random = {
        name: torch.randn(parameters[name].shape, generator=generator, dtype=torch.float64).to(
            parameters[name].device
        )
        for name in group
    }
    along = {name: gradients[name] for name in group}
    direction = {
        name: random[name] / _length(random) + along[name] / (_length(along) or 1.0)
        for name in group
    }
    size = _length(direction)
    direction = {name: each / size for name, each in direction.items()}
    analytic = sum(float((gradients[name] * direction[name]).sum()) for name in group)
    at = {name: parameters[name].data.clone() for name in group}
    found: list[Slope] = []
    for step in _STEPS:
        values = []
        for sign in (1, -1):
            for name in group:
                parameters[name].data.copy_(at[name] + sign * step * direction[name])
            values.append(float(loss().data))
        for name in group:
            parameters[name].data.copy_(at[name])
        numeric = (values[0] - values[1]) / (2 * step)
        floor = _ROUNDING * max(1.0, abs(values[0])) / step / _TOLERANCE
        larger = max(abs(analytic), abs(numeric), floor)
        found.append(Slope(group, analytic, numeric, abs(analytic - numeric) / larger))
    return min(found, key=lambda each: each.error)


def _length(direction: Mapping[str, Tensor]) -> float:
    return sum(float(each.square().sum()) for each in direction.values()) ** 0.5


class _Constants(TorchFunctionMode):
    """Everything in float64; the first pass keeps its constants, later ones get them back."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: list[Any] = []
        self._next: int | None = None

    def forget(self) -> None:
        """The next pass is the first."""
        self._kept, self._next = [], None

    def begin(self) -> None:
        """A pass begins; the first one keeps its constants."""
        self._next = None if self._next is None and not self._kept else 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func is torch.Tensor.float:
            return args[0].double()
        name = getattr(func, "__name__", "")
        if _is_in_place(name):  # what is changed must stay what it is
            return func(*args, **(kwargs or {}))
        args = tuple(map(_double, args))
        result = func(*args, **{key: _double(each) for key, each in (kwargs or {}).items()})
        if func is not torch.Tensor.detach and torch.is_grad_enabled():
            return result
        if not _holds_tensor(result):
            return result
        if self._next is None:
            self._kept.append(_cloned(result))
            return result
        self._next += 1
        return _cloned(self._kept[self._next - 1])


def _is_in_place(name: str) -> bool:
    if name.endswith("__"):
        return name in ("__setitem__", "__set__", "__delitem__") or name.startswith("__i")
    return name.endswith("_")


def _holds_tensor(value: Any) -> bool:
    return isinstance(value, Tensor) or (
        isinstance(value, list | tuple) and any(map(_holds_tensor, value))
    )


def _cloned(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.clone()
    if type(value) in (list, tuple):
        return type(value)(map(_cloned, value))
    if isinstance(value, tuple):  # what torch returns of max, topk
        return type(value)(map(_cloned, value))
    return value


def _double(value: Any) -> Any:
    if value is torch.float32:
        return torch.float64
    if type(value) in (list, tuple):
        return type(value)(map(_double, value))
    if isinstance(value, Tensor) and value.is_floating_point() and value.dtype != torch.float64:
        return value.double()
    return value


@contextmanager
def _in_float64(modules: Mapping[str, nn.Module]) -> Iterator[_Constants]:
    """Networks and new tensors in float64; afterwards as they were, to the bit."""
    held = [
        (tensor, tensor.data)
        for module in modules.values()
        for tensor in (*module.parameters(), *module.buffers())
    ]
    modes = {part: part.training for module in modules.values() for part in module.modules()}
    usual = torch.get_default_dtype()
    try:
        for tensor, data in held:
            if data.is_floating_point():
                tensor.data = data.double()
        for module in modules.values():
            module.train()
        torch.set_default_dtype(torch.float64)
        with _Constants() as constants:
            yield constants
    finally:
        torch.set_default_dtype(usual)
        for tensor, data in held:
            tensor.grad = None
            tensor.data = data
        for part, training in modes.items():
            part.training = training


def _wide(batch: Any) -> Any:
    """Return a batch with its floating-point arrays in float64."""
    if isinstance(batch, np.ndarray):
        return batch.astype(np.float64) if batch.dtype.kind == "f" else batch
    if isinstance(batch, Tensor):
        return batch.double() if batch.is_floating_point() else batch
    if isinstance(batch, dict):
        return {key: _wide(each) for key, each in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*map(_wide, batch))
    if isinstance(batch, list | tuple):
        return type(batch)(map(_wide, batch))
    if dataclasses.is_dataclass(batch) and not isinstance(batch, type):
        names = [each.name for each in dataclasses.fields(batch) if each.init]
        return dataclasses.replace(batch, **{name: _wide(getattr(batch, name)) for name in names})
    return batch
