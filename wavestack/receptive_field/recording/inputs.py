"""The example input: its tensors, their names, and which of their dimensions are axes."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from wavestack.errors import UserError

# Names of the dimensions of a tensor, by its rank.
LAYOUTS: dict[int, tuple[str, ...]] = {
    1: ("T",),
    2: ("B", "T"),
    3: ("B", "C", "T"),
    4: ("B", "C", "H", "W"),
    5: ("B", "C", "T", "H", "W"),
}
_NO_AXES = ("B", "C")


@dataclass
class Input:
    """One tensor of the example input.

    Attributes:
        name: the argument's name
        tensor: its value
        axes: (name, dimension, number) of each axis; the numbers count through all inputs
    """

    name: str
    tensor: Tensor
    axes: list[tuple[str, int, int]]


@dataclass
class Inputs:
    """How the model is called."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    items: list[Input]

    @property
    def names(self) -> dict[int, str]:
        """id of a tensor -> its name."""
        return {id(item.tensor): item.name for item in self.items}

    @property
    def axis_dims(self) -> dict[str, list[tuple[int, int]]]:
        """name -> (dimension, axis number)."""
        return {item.name: [(d, number) for _, d, number in item.axes] for item in self.items}

    def filled(self, values: dict[str, Tensor]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The same call with other tensors, by name."""
        swapped = {id(item.tensor): values[item.name] for item in self.items}
        return _swap(self.args, swapped), _swap(self.kwargs, swapped)

    def resized(self, sizes: dict[str, tuple[int, ...]]) -> Inputs:
        """The same call with inputs of other shapes (tiled from the example)."""
        swapped = {id(item.tensor): _tile(item.tensor, sizes[item.name]) for item in self.items}

        items = [Input(item.name, swapped[id(item.tensor)], item.axes) for item in self.items]
        return Inputs(_swap(self.args, swapped), _swap(self.kwargs, swapped), items)

    def scaled(self, factor: int) -> Inputs:
        """The same call with every axis ``factor`` times as long."""
        sizes = {}
        for item in self.items:
            shape = list(item.tensor.shape)
            for _, d, _ in item.axes:
                shape[d] *= factor
            sizes[item.name] = tuple(shape)
        return self.resized(sizes)


def _swap(value: Any, swapped: dict[int, Tensor]) -> Any:
    if isinstance(value, Tensor):
        return swapped.get(id(value), value)
    if isinstance(value, dict):
        return {key: _swap(item, swapped) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_swap(item, swapped) for item in value)
    return value


def _tile(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A tensor of another shape without its memory: one stored element, expanded."""
    if tuple(tensor.shape) == shape:
        return tensor
    if tensor.numel() == 0:
        return tensor.new_zeros(shape)
    flat = tensor.detach().reshape(-1)[:1].reshape([1] * len(shape))
    return flat.expand(shape)


def read_inputs(model: nn.Module, example: Any, axes: Sequence[str] | None) -> Inputs:
    """Sort an example input into arguments, names and axes.

    Raises:
        UserError: if it holds no tensor, a complex or ragged one, or one whose axes have no names,
            or if ``axes`` repeats a name or fits no tensor
    """
    if isinstance(example, dict):
        args, kwargs = (), dict(example)
        named = list(kwargs.items())
    else:
        args = tuple(example) if isinstance(example, tuple | list) else (example,)
        kwargs = {}
        named = list(zip(_parameter_names(model, len(args)), args, strict=True))
    tensors: dict[int, tuple[str, Tensor]] = {}
    for name, tensor in _open(named):
        _check(name, tensor)
        tensors.setdefault(id(tensor), (name, tensor))
    if axes is not None and tensors:
        _check_axes(axes, list(tensors.values()))
    items: list[Input] = []
    number = 0
    for name, tensor in tensors.values():
        found = []
        for d, label in enumerate(_labels(name, tensor, axes)):
            if label not in _NO_AXES:
                found.append((label, d, number))
                number += 1
        items.append(Input(name, tensor, found))
    if not items:
        raise UserError(f"example_input holds no tensor, got {type(example).__name__}")
    if not any(item.axes for item in items):
        shapes = ", ".join(f"{item.name} {tuple(item.tensor.shape)}" for item in items)
        raise UserError(
            f"no input has an axis in time or space: {shapes}; name the axes with axes="
        )
    return Inputs(args, kwargs, items)


def _open(named: list[tuple[str, Any]]) -> list[tuple[str, Tensor]]:
    found: list[tuple[str, Tensor]] = []
    for name, value in named:
        if isinstance(value, Tensor):
            found.append((name, value))
        elif isinstance(value, dict):
            found += _open([(f"{name}.{key}", item) for key, item in value.items()])
        elif isinstance(value, list | tuple):
            found += _open([(f"{name}.{k}", item) for k, item in enumerate(value)])
    return found


def _parameter_names(model: nn.Module, number: int) -> list[str]:
    try:
        parameters = list(inspect.signature(model.forward).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [p.name for p in parameters if p.kind in kinds]
    return [names[k] if k < len(names) else f"input{k}" for k in range(number)]


def _check(name: str, tensor: Tensor) -> None:
    if tensor.is_nested or tensor.layout != torch.strided:
        raise UserError(f"{name} is ragged or sparse ({tensor.layout}): give a padded dense tensor")
    if tensor.is_complex():
        raise UserError(
            f"{name} is complex ({tensor.dtype}): give its real and imaginary parts as channels"
        )
    if 0 in tensor.shape:
        raise UserError(f"{name} has no elements, its shape is {tuple(tensor.shape)}")


def _check_axes(axes: Sequence[str], tensors: list[tuple[str, Tensor]]) -> None:
    if len(set(axes)) != len(axes):
        raise UserError(f"axes must have different names, got {tuple(axes)}")
    if not any(tensor.dim() == len(axes) for _, tensor in tensors):
        shapes = " or ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in tensors)
        raise UserError(f"axes must name every dimension of {shapes}, got {tuple(axes)}")


def _labels(name: str, tensor: Tensor, axes: Sequence[str] | None) -> Sequence[str]:
    rank = tensor.dim()
    if axes is not None:
        if len(axes) == rank:
            return axes
        if rank not in LAYOUTS or rank < 3:
            return ("B",) * rank
    if rank == 0 or (rank == 1 and not tensor.is_floating_point()):
        return ("B",) * rank  # lengths, classes, steps
    if rank not in LAYOUTS:
        raise UserError(
            f"{name} has {rank} dimensions, shape {tuple(tensor.shape)}: "
            'name them with axes=, for example axes=("B", "C", "T", "H", "W", "D")'
        )
    return LAYOUTS[rank]
