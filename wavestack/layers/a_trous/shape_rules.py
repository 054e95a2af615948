"""Views, slices and permutations: where the axes of the image go."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torch import fx

from wavestack.layers.a_trous import phases
from wavestack.layers.a_trous.window_rules import has_nodes
from wavestack.receptive_field.recording.graph import view_groups

if TYPE_CHECKING:
    from wavestack.layers.a_trous.walk import Walk


def view_module(walk: Walk, node: fx.Node, input: fx.Node, module: Any) -> None:
    """torch.nn.Flatten and Unflatten."""
    view(walk, node, input)


def view(walk: Walk, node: fx.Node, input: fx.Node, *sizes: Any, **kwargs: Any) -> None:
    """A view that keeps the axes, or flattens them all into channels."""
    grid = walk.grid(input)
    if grid is None:
        return
    before, after = input.meta["shape"], node.meta["shape"]
    if grid.folded:
        _view_of_vector(walk, node, input)
        return
    reached = {
        ins[0]: outs[0] for outs, ins in view_groups(after, before) if len(outs) == 1 == len(ins)
    }
    if all(d in reached for d in grid.dims):
        kept = tuple(reached[d] for d in grid.dims)
        _check_sizes(walk, node, kept, sizes, grid.is_dense)
        walk.grids[node] = replace(grid, dims=kept)
    elif grid.is_dense:
        axes = len(grid.dims)
        flat = (before[0], math.prod(before[1:]))
        if grid.dims != tuple(range(2, 2 + axes)) or len(before) != 2 + axes or after != flat:
            walk.refuse(node, "it merges the axes of the image with others")
        window = [before[d] for d in grid.dims]
        folded = replace(grid, dims=(), folded=True)
        walk.replace(node, phases.fold_windows, (input, window, grid.rate), folded)


def _view_of_vector(walk: Walk, node: fx.Node, input: fx.Node) -> None:
    """A flat vector stays one, or gets its axes of length 1 back: the phases are there already."""
    grid = walk.grids[input]
    before, after = input.meta["shape"], node.meta["shape"]
    axes = len(grid.rate)
    if after == before:
        unfolded = grid
    elif after == (*before, *(1,) * axes):
        dims = tuple(range(len(before), len(after)))
        unfolded = replace(grid, dims=dims, folded=False)
    else:
        walk.refuse(node, f"it views a vector of shape {before} as {after}")
    walk.replace(node, phases.as_it_is, (input,), unfolded)


def _check_sizes(
    walk: Walk, node: fx.Node, dims: tuple[int, ...], sizes: Sequence[Any], dense: bool
) -> None:
    if walk.operator_name(node) not in ("view", "reshape") or not dense:
        return
    wanted = sizes[0] if len(sizes) == 1 and isinstance(sizes[0], tuple | list) else sizes
    if any(d < len(wanted) and isinstance(wanted[d], int) and wanted[d] != -1 for d in dims):
        walk.refuse(node, "it gives an axis of the image a constant size")


def permute(walk: Walk, node: fx.Node, input: fx.Node, *order: Any, **kwargs: Any) -> None:
    """permute(x, (0, 2, 3, 1)) and x.permute(0, 2, 3, 1)."""
    listed = kwargs.get("dims") or (order[0] if len(order) == 1 else order)
    _reorder(walk, node, input, list(listed))


def transpose(walk: Walk, node: fx.Node, input: fx.Node, dim0: int, dim1: int) -> None:
    """Two dimensions change places."""
    order = list(range(len(input.meta["shape"])))
    order[dim0], order[dim1] = order[dim1], order[dim0]
    _reorder(walk, node, input, order)


def _reorder(walk: Walk, node: fx.Node, input: fx.Node, order: list[int]) -> None:
    grid = walk.grid(input)
    if grid is None:
        return
    if grid.folded:
        walk.refuse(node, "it permutes a pooled vector")
    rank = len(order)
    places = [d % rank for d in order]
    walk.grids[node] = replace(grid, dims=tuple(places.index(d) for d in grid.dims))


def split(walk: Walk, node: fx.Node, input: fx.Node, number: Any, dim: int = 0) -> None:
    """chunk, split and tensor_split, of channels."""
    grid = walk.grid(input)
    if grid is None:
        return
    if grid.is_dense and dim % len(input.meta["shape"]) in grid.dims:
        walk.refuse(node, "it cuts the image into pieces")
    walk.grids[node] = grid


def item(walk: Walk, node: fx.Node, input: fx.Node, index: Any) -> None:
    """One of several tensors, or a slice, whose step is a stride."""
    grid = walk.grid(input)
    if grid is None:
        return
    if input.meta["several"]:
        walk.grids[node] = grid
        return
    if grid.folded:
        walk.refuse(node, "it slices a pooled vector")
    listed = _full_index(index, len(input.meta["shape"]))
    if listed is None:
        if grid.is_dense:
            walk.refuse(node, "its index cannot be followed")
        return
    dims, steps = _places(listed, grid.dims), _steps(listed, grid.dims)
    if dims is None or steps is None:
        if grid.is_dense:
            walk.refuse(node, "it picks single positions of the image")
        return
    kept, after = walk.advance(grid, steps)
    walk.grids[node] = replace(after, dims=dims)
    if not grid.is_dense and kept == steps:
        return
    source_dim = 0
    for i, entry in enumerate(listed):
        if entry is None:
            continue
        if source_dim in grid.dims:
            axis = grid.dims.index(source_dim)
            listed[i] = _slice(walk, node, entry, grid.rate[axis], kept[axis])
        source_dim += 1
    node.args = (input, tuple(listed))


def _slice(walk: Walk, node: fx.Node, entry: slice, rate: int, kept: int) -> slice:
    start, stop = entry.start, entry.stop
    if rate > 1 and (has_nodes((start, stop)) or (start or 0) < 0):
        walk.refuse(node, "where its slice begins or ends depends on the size of the image")
    first, end = (v * rate if isinstance(v, int) else v for v in (start, stop))
    return slice(first, end, kept)


def _full_index(index: Any, rank: int) -> list[Any] | None:
    """One entry for each dimension; None where an entry is a tensor or a list."""
    entries = list(index) if isinstance(index, tuple) else [index]
    if any(not (e is None or e is Ellipsis or isinstance(e, int | slice)) for e in entries):
        return None
    missing = [slice(None)] * (rank - sum(e is not None and e is not Ellipsis for e in entries))
    if Ellipsis in entries:
        at = entries.index(Ellipsis)
        return [*entries[:at], *missing, *entries[at + 1 :]]
    return [*entries, *missing]


def _places(entries: list[Any], dims: tuple[int, ...]) -> tuple[int, ...] | None:
    """Where each axis is behind the index; None where one is gone."""
    found: dict[int, int] = {}
    source = target = 0
    for entry in entries:
        if entry is None:
            target += 1
            continue
        if isinstance(entry, slice):
            found[source] = target
            target += 1
        source += 1
    return tuple(found[d] for d in dims) if all(d in found for d in dims) else None


def _steps(entries: list[Any], dims: tuple[int, ...]) -> tuple[int, ...] | None:
    """The step of each axis's slice; None where one is none, or computed by the graph."""
    real = [e for e in entries if e is not None]
    steps: list[Any] = [real[d].step or 1 if isinstance(real[d], slice) else None for d in dims]
    return tuple(steps) if all(isinstance(s, int) and s > 0 for s in steps) else None
