"""AdamW, its state by the names of the parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from omnilive.errors import CheckpointError
from omnilive.training.recipe import Stage

_BETAS = (0.9, 0.95)


class NamedAdamW:
    """AdamW (arXiv 1711.05101) on named parameters; gains and biases do not decay.

    Args:
        parameters: by name, in a fixed order.
        stage: whose settings it takes.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], stage: Stage) -> None:
        self._parameters = parameters
        self._stage = stage
        held = list(parameters.values())
        groups: list[dict[str, Any]] = [
            {"params": [each for each in held if each.ndim >= 2]},
            {"params": [each for each in held if each.ndim < 2], "weight_decay": 0.0},
        ]
        self._adam = torch.optim.AdamW(
            groups,
            lr=stage.learning_rate,
            betas=_BETAS,
            weight_decay=stage.weight_decay,
            fused=True,
        )

    def clear(self) -> None:
        """Forget the gradients of the step before."""
        self._adam.zero_grad(set_to_none=True)

    def clip(self) -> float:
        """Shorten the gradient to the stage's largest length; return the length it had."""
        most = self._stage.clip_norm or float("inf")
        return float(nn.utils.clip_grad_norm_(self._parameters.values(), most))

    def step(self, step: int) -> float:
        """Change the parameters; return the learning rate."""
        rate = self._stage.rate_at(step)
        for group in self._adam.param_groups:
            group["lr"] = rate
        self._adam.step()
        return rate

    def state(self) -> dict[str, Tensor]:
        """Return its tensors by "parameter/what"."""
        return {
            f"{name}/{key}": value
            for name, parameter in self._parameters.items()
            for key, value in self._adam.state.get(parameter, {}).items()
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take the tensors that `state` returned.

        Raises:
            CheckpointError: they are of other parameters.
        """
        by_name: dict[str, dict[str, Tensor]] = {}
        for path, tensor in state.items():
            name, _, key = path.rpartition("/")
            by_name.setdefault(name, {})[key] = tensor
        for name, held in by_name.items():
            parameter = self._parameters.get(name)
            if parameter is None or held["exp_avg"].shape != parameter.shape:
                raise CheckpointError(
                    f"The checkpoint's optimiser state holds {name}, which stage "
                    f"{self._stage.name} does not train; go on with the version that wrote it, or "
                    "go back to a finished stage with --back-to."
                )
            # In the parameter's own layout and alignment: the same bits as if never interrupted.
            self._adam.state[parameter] = {
                key: (
                    torch.empty_like(parameter, requires_grad=False)
                    if tensor.shape == parameter.shape and key != "step"
                    else torch.empty(tensor.shape, dtype=tensor.dtype, device=parameter.device)
                ).copy_(tensor)
                for key, tensor in held.items()
            }
