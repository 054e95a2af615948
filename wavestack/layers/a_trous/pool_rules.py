"""Pools: over dilated windows, or over all positions of a phase."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import fx

from wavestack.layers.a_trous import phases, pools
from wavestack.layers.a_trous.window_rules import Sizes, each, has_nodes

if TYPE_CHECKING:
    from wavestack.layers.a_trous.walk import Walk


def max_pool_module(walk: Walk, node: fx.Node, input: fx.Node, module: Any) -> None:
    """See max_pool."""
    max_pool(
        walk,
        node,
        input,
        module.kernel_size,
        module.stride,
        module.padding,
        module.dilation,
        module.ceil_mode,
        module.return_indices,
    )


def max_pool(
    walk: Walk,
    node: fx.Node,
    input: fx.Node,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> None:
    """Maxima over dilated windows."""
    window = _window(walk, node, input, (kernel_size, stride, padding, dilation))
    if window is not None:
        if return_indices:
            walk.refuse(node, "it returns the positions of its maxima in the strided tensor")
        args, rate, kept = window
        call = (input, *args, ceil_mode, rate, kept)
        walk.replace(node, pools.dilated_max_pool, call, walk.grids[node])


def avg_pool_module(walk: Walk, node: fx.Node, input: fx.Node, module: Any) -> None:
    """See avg_pool."""
    avg_pool(
        walk,
        node,
        input,
        module.kernel_size,
        module.stride,
        module.padding,
        module.ceil_mode,
        module.count_include_pad,
        getattr(module, "divisor_override", None),
    )


def avg_pool(
    walk: Walk,
    node: fx.Node,
    input: fx.Node,
    kernel_size: Any,
    stride: Any = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> None:
    """Means over dilated windows; of the whole image where the kernel is the image's own size."""
    if has_nodes(kernel_size):
        _image_mean(walk, node, input, kernel_size)
        return
    window = _window(walk, node, input, (kernel_size, stride, padding, 1))
    if window is not None:
        (kernel, steps, sides, _), rate, kept = window
        counted = (ceil_mode, count_include_pad, divisor_override)
        call = (input, kernel, steps, sides, *counted, rate, kept)
        walk.replace(node, pools.dilated_avg_pool, call, walk.grids[node])


def _image_mean(walk: Walk, node: fx.Node, input: fx.Node, kernel_size: Any) -> None:
    """avg_pool2d(x, x.shape[2:]) is a mean of the whole image."""
    grid = walk.grid(input)
    if grid is not None and grid.is_dense:
        sizes = fx.node.map_arg(kernel_size, lambda n: n.meta["value"])
        if each(sizes, len(grid.dims)) != tuple(input.meta["shape"][d] for d in grid.dims):
            walk.refuse(node, "its kernel depends on the size of the image")
    adaptive_pool(walk, node, input, 1)


def _window(
    walk: Walk, node: fx.Node, source: fx.Node, geometry: tuple[Any, ...]
) -> tuple[list[tuple[int, ...]], tuple[int, ...], tuple[int, ...]] | None:
    """A pool's geometry per axis, its rate and the stride it keeps; None where nothing changes."""
    kernel, stride, padding, dilation = geometry
    grid = walk.grid(source)
    if grid is None:
        walk.image_grid(node, source, 0, True)
        return None
    axes = len(grid.dims)
    sizes = [each(v, axes) for v in (kernel, stride or kernel, padding, dilation)]
    grid = walk.image_grid(node, source, axes, max(sizes[1]) > 1)
    if grid is None:
        return None
    kept, walk.grids[node] = walk.advance(grid, sizes[1])
    unchanged = not grid.is_dense and kept == sizes[1]
    return None if unchanged else (sizes, grid.rate, kept)


def adaptive_pool_module(walk: Walk, node: fx.Node, input: fx.Node, module: Any) -> None:
    """See adaptive_pool."""
    adaptive_pool(walk, node, input, module.output_size)


def adaptive_pool(
    walk: Walk, node: fx.Node, input: fx.Node, output_size: Any, return_indices: bool = False
) -> None:
    """Every phase pools its own positions to the given size."""
    grid = walk.grid(input)
    if grid is None:
        return
    axes = len(grid.dims)
    resized = grid.resized([None] * axes)
    if not grid.is_dense:
        walk.grids[node] = resized
        return
    walk.refuse_global(node)
    walk.image_grid(node, input, axes, True)
    if has_nodes(output_size) or return_indices:
        walk.refuse(node, "its output size depends on the image")
    kind = "max" if "max" in walk.operator_name(node).lower() else "avg"
    args = (input, each(output_size, axes), grid.rate, kind)
    walk.replace(node, phases.phase_adaptive_pool, args, resized)
