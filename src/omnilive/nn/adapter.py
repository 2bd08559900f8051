"""The adapter of the release: LoRA on every decoder layer in PEFT's layout, and a memory projector.

    W' = W + factor * B A        factor = alpha / r; the picture branch is untouched

`video_mem_proj` is replaced as a whole. An adapter is checked against the network before anything
of it changes; then it lies on top (`attach`, also over 8-bit weights) or goes into the weights
once (`merge_into`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from omnilive.errors import CheckpointError
from omnilive.nn.checkpoint import Checkpoint, read_config
from omnilive.nn.plora import LowRank, PictureLoraLinear
from omnilive.nn.reasoning_network import ReasoningNetwork

CONFIG = "adapter_config.json"
_PREFIX = "base_model.model."
_PLAIN_ONLY = ("use_dora", "use_rslora", "fan_in_fan_out", "rank_pattern", "alpha_pattern")


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter in memory, not yet on a network.

    Attributes:
        path: where it came from.
        factor: alpha / r.
        rank: r.
        layers: for every adapted layer its A (r, in) and B (out, r).
        replaced: parameters that are replaced, by name.
    """

    path: Path
    factor: float
    rank: int
    layers: Mapping[str, tuple[Tensor, Tensor]]
    replaced: Mapping[str, Tensor]

    @classmethod
    def open(cls, folder: Path) -> Adapter:
        """Read `adapter_config.json` and the weights beside it.

        Raises:
            CheckpointError: missing, damaged, not a plain LoRA, or numbers that are none.
        """
        values = read_config(folder, CONFIG)
        rank, factor, targets, replaced_modules = _settings(values, folder)
        downs: dict[str, Tensor] = {}
        ups: dict[str, Tensor] = {}
        replaced: dict[str, Tensor] = {}
        for full_name, tensor in Checkpoint.open(folder).read():
            name = _plain(full_name)
            if name is None:
                continue
            if not tensor.is_floating_point() or not bool(torch.isfinite(tensor).all()):
                raise CheckpointError(f"{full_name} in {folder} holds no numbers; fetch it again.")
            # The file may be replaced while the adapter lives: keep no view of it.
            kept = tensor.clone()
            if name.endswith(".lora_A.weight"):
                downs[name.removesuffix(".lora_A.weight")] = kept
            elif name.endswith(".lora_B.weight"):
                ups[name.removesuffix(".lora_B.weight")] = kept
            elif name.split(".")[0] in replaced_modules:
                replaced[name] = kept
            else:
                raise CheckpointError(f"{full_name} in {folder} belongs to no part of the adapter.")
        if set(downs) != set(ups):
            odd = sorted(set(downs) ^ set(ups))[0]
            raise CheckpointError(f"The adapter in {folder} has only one half for {odd}.")
        for name in downs:
            if not name.endswith(tuple(f".{target}" for target in targets)):
                raise CheckpointError(f"The adapter in {folder} adapts {name} without naming it.")
        return cls(folder, factor, rank, {n: (downs[n], ups[n]) for n in sorted(downs)}, replaced)

    def check(self, network: ReasoningNetwork) -> None:
        """Compare with a network.

        Raises:
            CheckpointError: a layer that the network lacks or the adapter leaves out, another
                shape, or another adapter that is still on it.
        """
        held = _layers(network)
        strange = sorted(set(self.layers) - set(held))
        if strange:
            raise CheckpointError(
                f"The adapter in {self.path} is for {strange[0]}, which this network lacks; "
                "is it of another model?"
            )
        kinds = {name.split(".", 3)[3] for name in self.layers}
        left_out = [
            name for name in held if name.split(".", 3)[3] in kinds and name not in self.layers
        ]
        if left_out:
            raise CheckpointError(
                f"The adapter in {self.path} leaves out {sorted(left_out)[0]}; is it complete?"
            )
        for name, (down, up) in self.layers.items():
            outputs, inputs = held[name].shape
            if tuple(down.shape) != (self.rank, inputs) or tuple(up.shape) != (outputs, self.rank):
                raise CheckpointError(
                    f"The adapter in {self.path} has {tuple(up.shape)} x {tuple(down.shape)} for "
                    f"{name}, which is {(outputs, inputs)}; is it of another model?"
                )
            if held[name].adapter is not None:
                raise CheckpointError("The network carries an adapter already; take it off first.")
        state = dict(network.named_parameters())
        modules = {name.split(".")[0] for name in self.replaced}
        wanted = {name for name in state if name.split(".")[0] in modules}
        if wanted != set(self.replaced):
            odd = sorted(wanted ^ set(self.replaced))[0]
            raise CheckpointError(f"The adapter in {self.path} and the network differ in {odd}.")
        for name, tensor in self.replaced.items():
            if state[name].shape != tensor.shape:
                raise CheckpointError(
                    f"{name} is {tuple(tensor.shape)} in {self.path} and "
                    f"{tuple(state[name].shape)} in the network; is it of another model?"
                )

    def attach(self, network: ReasoningNetwork) -> AttachedAdapter:
        """Lay the adapter over the weights, which stay as they are (they may be in 8 bits).

        Raises:
            CheckpointError: it does not fit; the network is unchanged.
        """
        self.check(network)
        before = {name: network.get_parameter(name).detach() for name in self.replaced}
        for name, layer in _layers(network).items():
            if name in self.layers:
                down, up = (_like(each, network) for each in self.layers[name])
                branch = LowRank(down, up, self.factor)
                layer.adapter = branch.requires_grad_(_trains(network))
        self._replace(network)
        return AttachedAdapter(network, before)

    def merge_into(self, network: ReasoningNetwork) -> None:
        """Add the adapter to the weights for good.

        Raises:
            CheckpointError: it does not fit, or the weights are in 8 bits; the network is
            unchanged.
        """
        self.check(network)
        held = _layers(network)
        if any(held[name].weight is None for name in self.layers):
            raise CheckpointError("Weights in 8 bits cannot take an adapter in; attach it instead.")
        for name, (down, up) in self.layers.items():
            weight = held[name].weight
            assert weight is not None, "checked above"
            added = LowRank(down.float(), up.float(), self.factor).as_weight()
            with torch.no_grad():
                # Added in float32 and rounded once.
                weight.copy_(weight.float() + added.to(weight.device))
        self._replace(network)

    def _replace(self, network: ReasoningNetwork) -> None:
        with torch.no_grad():
            for name, tensor in self.replaced.items():
                held = network.get_parameter(name)
                held.data = _like(tensor, network).to(held.dtype)


@dataclass(slots=True)
class AttachedAdapter:
    """An adapter that lies over a network's weights."""

    network: ReasoningNetwork
    before: dict[str, Tensor]

    def detach(self) -> None:
        """Take it off; the network is what it was."""
        for layer in _layers(self.network).values():
            layer.adapter = None
        with torch.no_grad():
            for name, tensor in self.before.items():
                self.network.get_parameter(name).data = tensor
        self.before = {}


def merge_folders(
    base: Path, adapter: Path, into: Path, *, dtype: torch.dtype | None = None
) -> None:
    """Merge an adapter into the weights in `base` and write our own format into `into`.

    Raises:
        CheckpointError: either is missing, damaged or does not fit; nothing is written then.
    """
    opened = Adapter.open(adapter)
    network = ReasoningNetwork.load(base, dtype=dtype)
    opened.merge_into(network)
    network.save(into)


def _settings(
    values: Mapping[str, Any], folder: Path
) -> tuple[int, float, tuple[str, ...], tuple[str, ...]]:
    try:
        kind = str(values["peft_type"]).upper()
        rank, alpha = int(values["r"]), float(values["lora_alpha"])
        targets = tuple(str(each) for each in values["target_modules"])
        replaced = tuple(str(each) for each in values.get("modules_to_save") or ())
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{folder / CONFIG} has no usable {error}.") from error
    unknown = [name for name in _PLAIN_ONLY if values.get(name)]
    if kind != "LORA" or rank < 1 or unknown or values.get("bias", "none") != "none":
        what = unknown[0] if unknown else "its kind, rank or bias"
        raise CheckpointError(f"{folder / CONFIG} is no plain LoRA adapter ({what}).")
    return rank, alpha / rank, targets, replaced


def _plain(name: str) -> str | None:
    """The name without what PEFT's versions put around it; None for copies of old weights."""
    if ".original_module." in name:
        return None
    name = name.removeprefix(_PREFIX).replace(".modules_to_save.default.", ".")
    return name.replace(".modules_to_save.", ".").replace(".default.weight", ".weight")


def _layers(network: nn.Module) -> dict[str, PictureLoraLinear]:
    return {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, PictureLoraLinear)
    }


def _like(tensor: Tensor, network: ReasoningNetwork) -> Tensor:
    return tensor.to(device=network.device, dtype=network.dtype)


def _trains(network: ReasoningNetwork) -> bool:
    return any(each.requires_grad for each in network.parameters())
