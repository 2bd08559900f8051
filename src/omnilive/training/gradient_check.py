"""Compares what backward says with finite differences, in float64.

The parameters are dealt into groups. In each group one direction is taken, half random and half
along the gradient; the loss a little before and after must differ as the gradient says. What is
computed in float32 on purpose (norms) is computed in float64 here, or its rounding would hide
errors.
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

    A task that stops a gradient on purpose names the parameters before the stop in an attribute
    `stopped` (prefixes of names); those are left out, as their slope is not their gradient.

    Args:
        task: whose loss.
        batch: of its source.
        modules: the networks that its loss uses.
        directions: groups of parameters, one direction each.
        seed: of groups, directions, and dropout.
    """
    stopped: tuple[str, ...] = tuple(getattr(task, "stopped", ()))
    with _in_float64(modules):
        wide = _wide(batch)
        parameters = {
            name: each for name, each in task.trained() if not name.startswith(stopped or ("\0",))
        }
        before = {each: each.requires_grad for m in modules.values() for each in m.parameters()}
        try:
            for each in before:
                each.requires_grad_(False)
                each.grad = None
            for each in parameters.values():
                each.requires_grad_(True)

            def loss() -> Tensor:
                torch.manual_seed(seed)
                return task.loss(wide).total

            loss().backward()
            gradients = {
                name: torch.zeros_like(each) if each.grad is None else each.grad.clone()
                for name, each in parameters.items()
            }
            with torch.no_grad():
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
    at = {name: parameters[name].detach().clone() for name in group}
    found: list[Slope] = []
    for step in _STEPS:
        values = []
        for sign in (1, -1):
            for name in group:
                parameters[name].copy_(at[name] + sign * step * direction[name])
            values.append(float(loss()))
        for name in group:
            parameters[name].copy_(at[name])
        numeric = (values[0] - values[1]) / (2 * step)
        floor = _ROUNDING * max(1.0, abs(values[0])) / step / _TOLERANCE
        larger = max(abs(analytic), abs(numeric), floor)
        found.append(Slope(group, analytic, numeric, abs(analytic - numeric) / larger))
    return min(found, key=lambda each: each.error)


def _length(direction: Mapping[str, Tensor]) -> float:
    return sum(float(each.square().sum()) for each in direction.values()) ** 0.5


class _NoFloat32(TorchFunctionMode):
    """What asks for float32 gets float64."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func is torch.Tensor.float:
            return args[0].double()
        wide = tuple(torch.float64 if each is torch.float32 else each for each in args)
        named = {
            key: torch.float64 if each is torch.float32 else each
            for key, each in (kwargs or {}).items()
        }
        return func(*wide, **named)


@contextmanager
def _in_float64(modules: Mapping[str, nn.Module]) -> Iterator[None]:
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
        with _NoFloat32():
            yield
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
