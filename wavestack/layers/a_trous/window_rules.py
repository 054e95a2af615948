"""Convolutions, pools and padding: the stride before them becomes their dilation."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import torch
from torch import fx, nn

from wavestack.layers.a_trous import phases
from wavestack.layers.conv2d import AtrousConv2d

if TYPE_CHECKING:
    from wavestack.layers.a_trous.walk import Walk

Sizes = int | Sequence[int]
BETWEEN = "it puts positions of its own between those of the strided network"


def convolution_module(
    walk: Walk, node: fx.Node, input: fx.Node, module: nn.modules.conv._ConvNd
) -> None:
    """A convolution keeps its weights; stride, padding and dilation change in the copy."""
    axes = len(module.kernel_size)
    padding: Any = module.borders if isinstance(module, AtrousConv2d) else module.padding
    mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
    geometry = (module.kernel_size, module.stride, padding, module.dilation)
    changed = _convolve(walk, node, input, *geometry, mode)
    path = str(node.target)
    if walk.chosen.setdefault(path, changed) == changed:
        if changed is not None:
            _set_geometry(walk.copy, path, module, *changed)
        return
    # The same weights at several rates: this call takes them by itself.
    if changed is None:
        if not isinstance(padding, str) and mode == "constant" and not _uneven(padding):
            changed = (module.stride, each(padding, axes), module.dilation)
        else:
            walk.refuse(node, "its weights are used at several rates, once with uneven padding")
    with walk.graph.inserting_before(node):
        weight = walk.graph.get_attr(f"{path}.weight")
        bias = None if module.bias is None else walk.graph.get_attr(f"{path}.bias")
    function = (torch.conv1d, torch.conv2d, torch.conv3d)[axes - 1]
    args = (input, weight, bias, *changed, module.groups)
    walk.replace(node, function, args, walk.grids[node])


def convolution(
    walk: Walk,
    node: fx.Node,
    input: fx.Node,
    weight: fx.Node,
    bias: Any = None,
    stride: Sizes = 1,
    padding: Any = 0,
    dilation: Sizes = 1,
    groups: Any = 1,
) -> None:
    """A functional convolution."""
    kernel = weight.meta["shape"][2:]
    steps, spread = each(stride, len(kernel)), each(dilation, len(kernel))
    changed = _convolve(walk, node, input, kernel, steps, padding, spread, "constant")
    if changed is not None:
        source = node.args[0] if node.args else node.kwargs["input"]
        node.args = (source, weight, bias, *changed, groups)
        node.kwargs = {}


def _convolve(
    walk: Walk,
    node: fx.Node,
    source: Any,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Any,
    dilation: Sequence[int],
    mode: str,
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]] | None:
    """Stride, padding and dilation in the dense network; None where nothing changes.

    Padding that the convolution cannot do itself is put in front of the node.
    """
    grid = walk.image_grid(node, source, len(kernel), max(stride) > 1)
    if grid is None:
        return None
    kept, walk.grids[node] = walk.advance(grid, stride)
    if not grid.is_dense and kept == tuple(stride):
        return None
    spans = [(k - 1) * d for k, d in zip(kernel, dilation, strict=True)]
    spread = tuple(d * r for d, r in zip(dilation, grid.rate, strict=True))
    if padding == "same":
        borders = [(span // 2, span - span // 2) for span in spans]
    elif padding == "valid":
        borders = [(0, 0)] * len(spans)
    else:
        borders = [p if isinstance(p, tuple) else (p, p) for p in each(padding, len(spans))]
    if mode == "constant" and not _uneven(borders):
        return kept, tuple(a * r for (a, _), r in zip(borders, grid.rate, strict=True)), spread
    if any(a or b for a, b in borders):
        padded = walk.before(node, phases.phase_pad, (source, borders, grid.rate, mode), grid)
        node.replace_input_with(source, padded)
    return kept, (0,) * len(spans), spread


def _set_geometry(
    copy: nn.Module,
    path: str,
    module: nn.modules.conv._ConvNd,
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
) -> None:
    """Give the convolution of the copy another geometry; its parameters stay where they are."""
    here: Any = copy.get_submodule(path)
    here.stride, here.padding, here.dilation = stride, padding, dilation
    here.padding_mode = "zeros"
    here._reversed_padding_repeated_twice = [p for p in reversed(padding) for _ in range(2)]
    if isinstance(module, AtrousConv2d):
        here.borders, here._rest = tuple((p, p) for p in padding), (0,) * 4


def transposed_convolution_module(walk: Walk, node: fx.Node, input: fx.Node, module: Any) -> None:
    """Only where both networks still hold the same tensor."""
    transposed_convolution(walk, node, input, None, None, module.stride)


def transposed_convolution(
    walk: Walk,
    node: fx.Node,
    input: fx.Node,
    weight: Any,
    bias: Any = None,
    stride: Sizes = 1,
    *rest: Any,
    **others: Any,
) -> None:
    """See transposed_convolution_module."""
    grid = walk.grid(input)
    if grid is not None:
        if grid.is_dense:
            walk.refuse(node, BETWEEN)
        steps = each(stride, len(grid.dims))
        walk.grids[node] = grid.resized([Fraction(s) for s in steps])


def pad_module(walk: Walk, node: fx.Node, input: fx.Node, module: Any) -> None:
    """torch.nn's padding layers."""
    name = type(module).__name__
    mode = {"Refl": "reflect", "Repl": "replicate", "Circ": "circular"}.get(name[:4], "constant")
    pad(walk, node, input, module.padding, mode, getattr(module, "value", 0.0))


def pad(
    walk: Walk,
    node: fx.Node,
    input: fx.Node,
    pad: Any,
    mode: str = "constant",
    value: float | None = None,
) -> None:
    """Padding is counted in positions of a phase."""
    grid = walk.grid(input)
    if grid is None:
        return
    walk.grids[node] = grid
    if not grid.is_dense:
        return
    if has_nodes(pad):
        walk.refuse(node, "its padding is computed from the size of its input")
    axes = len(grid.dims)
    walk.image_grid(node, input, axes, True)
    sides = [*each(pad, 2 * axes)] if isinstance(pad, int) else list(pad)
    pairs = list(zip(sides[0::2], sides[1::2], strict=True))
    if any(a or b for a, b in pairs[axes:]):
        walk.refuse(node, "it pads channels")
    borders = [*pairs[:axes], *[(0, 0)] * (axes - len(pairs))][::-1]
    args = (input, borders, grid.rate, mode, value or 0.0)
    walk.replace(node, phases.phase_pad, args, grid)


def has_nodes(value: Any) -> bool:
    """Whether a number or one of several is computed by the graph."""
    found: list[fx.Node] = []
    fx.node.map_arg(value, found.append)
    return bool(found)


def each(value: Any, axes: int) -> tuple[Any, ...]:
    if isinstance(value, int) or value is None:
        return (value,) * axes
    values = tuple(value)
    return values * axes if len(values) == 1 and axes > 1 else values


def _uneven(borders: Any) -> bool:
    return not isinstance(borders, int) and any(
        isinstance(p, tuple) and p[0] != p[1] for p in borders
    )
