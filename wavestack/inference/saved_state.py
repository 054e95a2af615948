"""A stream's state under flat names, for files."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from wavestack.layers import State


def named_tensors(state: State, prefix: str = "") -> dict[str, Tensor]:
    """Every tensor of a nested state under its path.

    Example:
        >>> import torch
        >>> list(named_tensors((torch.zeros(1), (torch.zeros(2), ()))))
        ['0', '1.0']
    """
    if isinstance(state, Tensor):
        return {prefix or "0": state}
    found: dict[str, Tensor] = {}
    for index, part in enumerate(state):
        found |= named_tensors(part, f"{prefix}.{index}" if prefix else str(index))
    return found


def with_tensors(template: State, tensors: Mapping[str, Tensor]) -> State:
    """The nested state that ``named_tensors`` took apart.

    Args:
        template: a state of the same model and batch size; its tensors say device and float type.
        tensors: what ``named_tensors`` gave. The lengths along time may differ from the
            template's, since a strided convolution keeps its phase there.

    Raises:
        ValueError: when a name is missing or unknown, or rows or channels differ.
    """
    expected = named_tensors(template)
    if set(expected) != set(tensors):
        odd = sorted(set(expected) ^ set(tensors))[0]
        raise ValueError(
            f"state must hold {len(expected)} tensors of this model, got {len(tensors)}; "
            f"{odd} is in one alone"
        )
    for name, like in expected.items():
        if tensors[name].shape[:-1] != like.shape[:-1]:
            raise ValueError(
                f"state {name} must have shape {(*like.shape[:-1], 'T')}, "
                f"got {tuple(tensors[name].shape)}"
            )
    return _rebuilt(template, tensors, "")


def _rebuilt(template: State, tensors: Mapping[str, Tensor], prefix: str) -> State:
    if isinstance(template, Tensor):
        like, saved = template, tensors[prefix or "0"]
        return saved.to(like, copy=True)
    return tuple(
        _rebuilt(part, tensors, f"{prefix}.{index}" if prefix else str(index))
        for index, part in enumerate(template)
    )
