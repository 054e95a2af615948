"""Operators that treat every position alike, and branches that meet."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torch import fx

from wavestack.layers.a_trous import phases
from wavestack.layers.a_trous.grid import Grid
from wavestack.layers.a_trous.window_rules import has_nodes

if TYPE_CHECKING:
    from wavestack.layers.a_trous.walk import Walk

# Where a constant operand must not know the strided network's positions.
ARITHMETIC = (
    *("add", "sub", "mul", "truediv", "div", "pow", "maximum", "minimum", "max", "min", "where"),
    *("lerp", "addcmul", "addcdiv"),
)
JOINS = ("cat", "concat", "concatenate")
ACTIVATIONS = (
    *("relu", "relu6", "leaky_relu", "prelu", "rrelu", "elu", "celu", "selu", "gelu", "silu"),
    *("mish", "hardtanh", "hardswish", "hardsigmoid", "sigmoid", "logsigmoid", "tanh"),
    *("softplus", "softsign", "threshold", "clamp", "clip"),
)
DROPOUTS = (
    *("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"),
    *("stochastic_depth", "drop_path"),
)
POINTWISE = (
    *(name for name in ARITHMETIC if name not in ("max", "min")),
    *ACTIVATIONS,
    *DROPOUTS,
    *("neg", "abs", "exp", "log", "sqrt", "rsqrt", "square", "reciprocal"),
    *("batch_norm", "local_response_norm", "channel_shuffle", "contiguous", "clone", "detach"),
    *("float", "half", "double", "bfloat16"),
)
CASTS = ("to", "type", "type_as")
ALONG_A_DIM = ("softmax", "log_softmax", "softmin", "normalize", "glu")


def pointwise(walk: Walk, node: fx.Node, *args: Any, **kwargs: Any) -> None:
    """The same at every position; several inputs meet."""
    _meet(walk, node, node.all_input_nodes)


def cast(walk: Walk, node: fx.Node, input: fx.Node, *args: Any, **kwargs: Any) -> None:
    """Another type; a second tensor only lends its own."""
    _meet(walk, node, [input])


def along_a_dim_module(walk: Walk, node: fx.Node, input: fx.Node, module: Any) -> None:
    """torch.nn.Softmax and its kin."""
    along_a_dim(walk, node, input, dim=module.dim)


def along_a_dim(
    walk: Walk, node: fx.Node, input: fx.Node, *args: Any, dim: int | None = None, **kwargs: Any
) -> None:
    """One dimension is normalized or gated; it must not be an axis."""
    grid = walk.grid(input)
    if dim is None and args and isinstance(args[-1], int):
        dim = args[-1]
    if dim is None and walk.operator_name(node) == "normalize":
        dim = 1
    if grid is not None and grid.is_dense:
        if dim is None or dim % len(input.meta["shape"]) in grid.dims:
            walk.refuse(node, f"{walk.operator_name(node)} joins the positions of an axis")
        if grid.folded and dim < 0:
            walk.refuse(node, "its dim must count from the front: the phases come last")
    pointwise(walk, node)


def join(walk: Walk, node: fx.Node, tensors: Sequence[fx.Node], dim: int = 0) -> None:
    """A concatenation, of channels."""
    rank = len(node.meta["shape"])
    grids = [grid for grid in map(walk.grid, tensors) if grid is not None]
    if any(grid.is_dense and dim % rank in grid.dims for grid in grids):
        walk.refuse(node, "it joins images side by side")
    _meet(walk, node, list(tensors))


def expand_as(walk: Walk, node: fx.Node, input: fx.Node, other: fx.Node) -> None:
    """One position per phase, spread over another tensor's; what follows broadcasts."""
    grid, like = walk.grid(input), walk.grid(other)
    if grid is None or not grid.is_dense:
        if like is not None:
            walk.grids[node] = like
        return
    if grid.folded or like is None or (like.dims, like.rate) != (grid.dims, grid.rate):
        walk.refuse(node, "it spreads a tensor without the axes of the other")
    dims = tuple(d - len(node.meta["shape"]) for d in grid.dims)
    met = walk.before(node, phases.meet, (input, other), None, dims=dims, rate=grid.rate)
    walk.replace(node, operator.getitem, (met, 0), like)


def expand(walk: Walk, node: fx.Node, input: fx.Node, *sizes: Any) -> None:
    """One position per phase, spread over a size that another tensor gave."""
    grid = walk.grid(input)
    if grid is None:
        return
    walk.grids[node] = grid
    if not grid.is_dense:
        return
    wanted = sizes[0] if len(sizes) == 1 else sizes
    if isinstance(wanted, fx.Node) or len(wanted) != len(input.meta["shape"]):
        walk.refuse(node, "what it expands to cannot be followed")
    if any(v != -1 for d, v in enumerate(wanted) if d not in grid.dims):
        walk.refuse(node, "it expands more than the image's axes")
    spread(walk, node, input, [wanted[d] for d in grid.dims])


def spread(walk: Walk, node: fx.Node, input: fx.Node, sizes: Any) -> None:
    """Replace a node by its input's one position per phase, over the given sizes."""
    grid = walk.grids[input]
    shape = input.meta["shape"]
    origins = [walk.grid(origin) for origin in _origins(sizes)]
    if any(shape[d] != 1 for d in grid.dims) or not origins:
        walk.refuse(node, "it resizes an image whose positions lie apart in the dense network")
    if any(origin is None or origin.rate != grid.rate for origin in origins):
        walk.refuse(node, "it takes the size of a tensor at another rate")
    dims = tuple(d - len(shape) for d in grid.dims)
    walk.replace(node, phases.spread, (input, sizes, dims, grid.rate), grid)


def _origins(sizes: Any) -> list[fx.Node]:
    """The tensors whose sizes these are."""
    found: list[fx.Node] = []
    queue: list[fx.Node] = []
    fx.node.map_arg(sizes, queue.append)
    while queue:
        node = queue.pop()
        if node.meta.get("shape") is not None:
            found.append(node)
        else:
            queue.extend(node.all_input_nodes)
    return found


def _meet(walk: Walk, node: fx.Node, sources: Sequence[fx.Node]) -> None:
    images = list(dict.fromkeys(n for n in sources if n in walk.grids))
    shape = node.meta["shape"]
    if not images or shape is None:
        return
    grids = [walk.grids[n] for n in images]
    # Broadcasting aligns the last dimensions.
    behind = [tuple(d - len(n.meta["shape"]) for d in walk.grids[n].dims) for n in images]
    grid = next((g for g in grids if None not in g.stride), grids[0])
    if not grid.folded:
        dims = behind[grids.index(grid)]
        grid = replace(grid, dims=tuple(d + len(shape) for d in dims))
    if any(g.is_dense for g in grids):
        if len({(g.rate, g.folded) for g in grids}) > 1 or len(set(behind)) > 1:
            rates = ", ".join(" x ".join(map(str, g.rate)) for g in grids)
            walk.refuse(node, f"branches of unequal rate meet in it ({rates})")
        if walk.operator_name(node) in (*ARITHMETIC, *JOINS):
            _check_constants(walk, node, grid)
        if len(images) > 1:
            axes = range(-len(grid.rate), 0) if grid.folded else behind[0]
            _insert_meeting(walk, node, images, tuple(axes), grid)
    walk.grids[node] = grid


def _insert_meeting(
    walk: Walk, node: fx.Node, images: list[fx.Node], dims: tuple[int, ...], grid: Grid
) -> None:
    met = walk.before(node, phases.meet, tuple(images), None, dims=dims, rate=grid.rate)
    for i, image in enumerate(images):
        part = walk.before(node, operator.getitem, (met, i), walk.grids[image])
        part.meta["shape"] = image.meta["shape"]
        node.replace_input_with(image, part)


def _check_constants(walk: Walk, node: fx.Node, grid: Grid) -> None:
    rank = len(node.meta["shape"])
    for n in node.all_input_nodes:
        if n in walk.grids:
            continue
        shape = n.meta.get("shape")
        if shape is None and has_nodes(n):
            walk.refuse(node, "it computes with the size of an image")
        sizes = shape or () if grid.folded else _aligned(shape or (), rank, grid.dims)
        if any(size != 1 for size in sizes):
            walk.refuse(node, "its constant has a value for each position of the strided network")


def _aligned(shape: tuple[int, ...], rank: int, dims: tuple[int, ...]) -> list[int]:
    """The sizes of a smaller tensor along the axes of the one that it is broadcast to."""
    return [shape[d - rank] for d in dims if rank - d <= len(shape)]
