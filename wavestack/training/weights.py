"""Weights and optimizer states as plain whole tensors, whatever the number of ranks.

Under FSDP every parameter is a ``DTensor`` of which a rank holds one shard. Checkpoints hold the
whole tensors by name, so that a run may be continued on another number of devices.
"""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor


def whole(tensor: Tensor) -> Tensor:
    """A detached CPU copy of the whole tensor (gathers shards: every rank must call it)."""
    tensor = tensor.detach()
    if isinstance(tensor, DTensor):
        tensor = tensor.full_tensor()
    # A copy of its own storage: torch.save writes the whole storage of a view.
    return torch.empty(tensor.shape, dtype=tensor.dtype).copy_(tensor)


def like(tensor: Tensor, parameter: Tensor) -> Tensor:
    """``tensor`` spread over the ranks as ``parameter`` is, on its device."""
    tensor = tensor.to(parameter.device)
    if isinstance(parameter, DTensor):
        return distribute_tensor(tensor, parameter.device_mesh, parameter.placements)
    return tensor


def local(tensor: Tensor) -> Tensor:
    """The part of the tensor that this rank holds, sharing its memory."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def model_state(model: nn.Module) -> dict[str, Tensor]:
    """The whole ``state_dict`` of a model on the CPU."""
    return {name: whole(value) for name, value in model.state_dict().items()}


def optimizer_state(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The optimizer's state by parameter name: ``{"state": {name: {...}}, "groups": [...]}``."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    state = {
        names[id(parameter)]: {
            k: whole(v) if isinstance(v, Tensor) else v for k, v in slots.items()
        }
        for parameter, slots in optimizer.state.items()
    }
    groups = [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups]
    return {"state": state, "groups": groups}


def load_optimizer_state(
    model: nn.Module, optimizer: torch.optim.Optimizer, saved: dict[str, Any]
) -> None:
    """Puts what :func:`optimizer_state` returned back, sharded as the parameters are now.

    Raises:
        ValueError: when the parameters' names or groups differ from those saved.
    """
    parameters = dict(model.named_parameters())
    names = {id(parameter): name for name, parameter in parameters.items()}
    unknown = sorted(set(saved["state"]) - set(parameters))
    if unknown or len(saved["groups"]) != len(optimizer.param_groups):
        raise ValueError(f"optimizer state does not fit this model: {unknown or 'other groups'}")
    state, groups, index = {}, [], 0
    for group, saved_group in zip(optimizer.param_groups, saved["groups"], strict=True):
        indices = []
        for parameter in group["params"]:
            slots = saved["state"].get(names[id(parameter)])
            if slots is not None:
                state[index] = {k: _slot_like(v, parameter) for k, v in slots.items()}
            indices.append(index)
            index += 1
        groups.append({**saved_group, "params": indices})
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def checkpoint_weights(checkpoint: dict[str, Any]) -> dict[str, Tensor]:
    """The weights of a checkpoint that count: averaged ones where there are any."""
    return {**checkpoint["model"], **checkpoint["average"]}


def weights_sha256(state: dict[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes of a state dict, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = whole(state[name]).contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _slot_like(value: Any, parameter: Tensor) -> Any:
    # Adam's step counters are tensors without the parameter's shape; they are the same everywhere.
    if isinstance(value, Tensor) and value.shape == parameter.shape:
        return like(value, parameter)
    return value
