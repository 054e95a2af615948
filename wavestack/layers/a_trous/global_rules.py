"""Operators over the whole image, what follows them, and resizing."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import torch
from torch import fx, nn

from wavestack.layers.a_trous import phases
from wavestack.layers.a_trous.meeting_rules import pointwise, spread
from wavestack.layers.a_trous.window_rules import BETWEEN, has_nodes

if TYPE_CHECKING:
    from wavestack.layers.a_trous.walk import Walk

# A sum grows with the number of positions, and what divides it is not known to be that number.
PER_PHASE = ("mean", "amax", "amin")
REDUCTIONS = ("sum", "std", "var", "prod", "norm", "max", "min", "argmax", "argmin", "logsumexp")


def reduce(
    walk: Walk, node: fx.Node, input: fx.Node, dim: Any = None, keepdim: bool = False, **kw: Any
) -> None:
    """A mean or the like: over channels at every position, or over the image."""
    if isinstance(dim, fx.Node):  # torch.max of two tensors
        pointwise(walk, node)
        return
    grid = walk.grid(input)
    if grid is None:
        return
    rank = len(input.meta["shape"])
    listed = range(rank) if dim is None else (dim,) if isinstance(dim, int) else dim
    reduced = {d % rank for d in listed}
    joined = reduced & set(grid.dims)
    if grid.is_dense and (grid.folded or joined):
        _reduce_phases(walk, node, input, reduced, keepdim)
    elif keepdim or not joined:
        gone = () if keepdim else reduced
        dims = tuple(d - sum(g < d for g in gone) for d in grid.dims)
        resized = grid.resized([None if d in joined else Fraction(1) for d in grid.dims])
        walk.grids[node] = replace(resized, dims=dims)


def _reduce_phases(
    walk: Walk, node: fx.Node, input: fx.Node, reduced: set[int], keepdim: bool
) -> None:
    grid = walk.grids[input]
    name = walk.operator_name(node)
    if grid.folded:
        walk.refuse(node, f"{name} reduces a pooled vector")
    walk.refuse_global(node)
    axes = reduced & set(grid.dims)
    if name not in PER_PHASE:
        walk.refuse(node, f"{name} has no form per phase")
    if reduced != axes or (not keepdim and len(axes) < len(grid.dims)):
        walk.refuse(node, "it reduces some axes of the image, or channels with them")
    rates = tuple(grid.rate[grid.dims.index(d)] for d in sorted(axes))
    if not keepdim:
        # One vector per phase, its phases last.
        last = tuple(range(-len(grid.dims), 0))
        input = walk.before(node, torch.movedim, (input, grid.dims, last), None)
        args = (input, last, grid.rate, name)
        folded = replace(grid, dims=(), folded=True)
        walk.replace(node, phases.phase_reduce, args, folded)
    else:
        args = (input, tuple(sorted(axes)), rates, name)
        walk.replace(node, phases.phase_reduce, args, grid.resized([None] * len(grid.dims)))


def linear_module(walk: Walk, node: fx.Node, input: fx.Node, module: nn.Linear) -> None:
    """See linear."""
    linear(walk, node, input)


def linear(walk: Walk, node: fx.Node, input: fx.Node, *args: Any, **kwargs: Any) -> None:
    """Channels that come last, or a vector per phase, whose phases come last."""
    grid = walk.grid(input)
    if grid is None:
        return
    if grid.folded:
        front = walk.before(node, torch.movedim, (input, 1, -1), None)
        node.replace_input_with(input, front)
        with walk.graph.inserting_after(node):
            back = walk.graph.call_function(torch.movedim, (node, -1, 1))
        back.meta = dict(node.meta)
        node.replace_all_uses_with(back, delete_user_cb=lambda user: user is not back)
        walk.grids[back] = grid
    elif len(input.meta["shape"]) - 1 not in grid.dims:
        walk.grids[node] = grid
    elif grid.is_dense:
        walk.refuse(node, "a linear layer over an axis of the image knows its length")


def layer_norm_module(walk: Walk, node: fx.Node, input: fx.Node, module: Any) -> None:
    """See layer_norm."""
    layer_norm(walk, node, input, module.normalized_shape)


def layer_norm(walk: Walk, node: fx.Node, input: fx.Node, shape: Any, *a: Any, **kw: Any) -> None:
    """Over channels that come last."""
    grid = walk.grid(input)
    if grid is None:
        return
    first = len(input.meta["shape"]) - len(shape)
    if grid.is_dense and (grid.folded or any(d >= first for d in grid.dims)):
        walk.refuse(node, "layer normalization over an axis of the image knows its length")
    walk.grids[node] = grid


def group_norm_module(walk: Walk, node: fx.Node, input: fx.Node, module: Any) -> None:
    """See group_norm; instance normalization has one group for each channel."""
    if isinstance(module, nn.modules.instancenorm._InstanceNorm):
        if module.track_running_stats:
            pointwise(walk, node)
            return
        groups = module.num_features
    else:
        groups = module.num_groups
    grid = walk.grid(input)
    weight = bias = None
    if grid is not None and grid.is_dense and module.affine:
        with walk.graph.inserting_before(node):
            weight = walk.graph.get_attr(f"{node.target}.weight")
            bias = walk.graph.get_attr(f"{node.target}.bias")
    group_norm(walk, node, input, groups, weight, bias, module.eps)


def group_norm(
    walk: Walk,
    node: fx.Node,
    input: fx.Node,
    num_groups: int,
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
    *rest: Any,
    **others: Any,
) -> None:
    """Every phase by its own mean and variance."""
    grid = walk.grid(input)
    if grid is None:
        return
    walk.grids[node] = grid
    if grid.is_dense:
        walk.refuse_global(node)
        walk.image_grid(node, input, len(grid.dims), True)
        args = (input, num_groups, weight, bias, eps, grid.rate)
        walk.replace(node, phases.phase_group_norm, args, grid)


def resize_module(walk: Walk, node: fx.Node, input: fx.Node, module: nn.Upsample) -> None:
    """See resize."""
    resize(walk, node, input, module.size, module.scale_factor)


def resize(
    walk: Walk, node: fx.Node, input: fx.Node, size: Any = None, scale_factor: Any = None, **kw: Any
) -> None:
    """Interpolation: kept where both networks hold the same tensor, else of pooled images alone."""
    grid = walk.grid(input)
    if grid is None:
        return
    if grid.is_dense:
        if size is None or not has_nodes(size):
            walk.refuse(node, BETWEEN)
        spread(walk, node, input, size)
        return
    axes = len(grid.dims)
    factors: list[Fraction | None] = [None] * axes
    if isinstance(scale_factor, int | float):
        factors = [Fraction(scale_factor)] * axes
    elif isinstance(scale_factor, tuple | list):
        factors = [Fraction(f) for f in scale_factor]
    walk.grids[node] = grid.resized(factors)


def pixel_shuffle_module(
    walk: Walk, node: fx.Node, input: fx.Node, module: nn.PixelShuffle
) -> None:
    """See pixel_shuffle."""
    pixel_shuffle(walk, node, input, module.upscale_factor)


def pixel_shuffle(walk: Walk, node: fx.Node, input: fx.Node, upscale_factor: int) -> None:
    """Channels become positions: only where both networks hold the same tensor."""
    grid = walk.grid(input)
    if grid is not None:
        if grid.is_dense:
            walk.refuse(node, BETWEEN)
        walk.grids[node] = grid.resized([Fraction(upscale_factor)] * len(grid.dims))
