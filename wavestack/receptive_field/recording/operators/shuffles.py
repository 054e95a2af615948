"""Rolls, flips, repeats and shuffles: positions change places."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wavestack.receptive_field.recording.graph import Dim, Edge, Node, same, view_groups
from wavestack.receptive_field.recording.operators.call import (
    Call,
    Made,
    dimension,
    everything,
    nothing,
)
from wavestack.receptive_field.recording.operators.shape import permute_edge
from wavestack.receptive_field.relation import (
    IDENTITY,
    Linear,
    Roll,
)


def repeat(call: Call) -> list[Made]:
    """Tiling: each repeated dimension is (repeat, place)."""
    node = call.find(call["self"])
    if node is None:
        return nothing(call)
    repeats = list(call["repeats"])
    lead = len(repeats) - len(node.shape)
    sizes = [1] * lead + list(node.shape)
    middle: list[int] = []
    dims: list[Dim] = []
    for r, (times, n) in enumerate(zip(repeats, sizes, strict=True)):
        middle += [times, n]
        if r >= lead:
            dims.append((2 * r + 1, IDENTITY))
    tiled = call.graph.add("repeat", middle, [Edge(node.index, tuple(dims))], call.module)
    groups = tuple(((r,), (2 * r, 2 * r + 1)) for r in range(len(repeats)))
    return [Made([Edge(tiled.index, groups=groups)])]


def repeat_interleave(call: Call) -> list[Made]:
    """Every element several times in a row."""
    node = call.find(call["self"])
    if node is None or not isinstance(call.get("repeats"), int) or call.get("dim") is None:
        return [Made([everything(n) for n in call.nodes()], unknown=True)]
    d = dimension(call["dim"], len(node.shape))
    times = call["repeats"]
    middle = (*node.shape[: d + 1], times, *node.shape[d + 1 :])
    dims = tuple((i if i <= d else i + 1, IDENTITY) for i in range(len(node.shape)))
    many = call.graph.add("repeat", middle, [Edge(node.index, dims)], call.module)
    return [Made([Edge(many.index, groups=view_groups(call.out, middle))])]


def _chain(call: Call, node: Node, split_shape: Sequence[int], order: Sequence[int]) -> list[Made]:
    """A view, a permutation and a view: how the shuffles work."""
    parts = call.graph.add(
        call.name,
        split_shape,
        [Edge(node.index, groups=view_groups(split_shape, node.shape))],
        call.module,
    )
    shape = [split_shape[d] for d in order]
    moved = call.graph.add(call.name, shape, [permute_edge(parts, order)], call.module)
    return [Made([Edge(moved.index, groups=view_groups(call.out, shape))])]


def pixel_shuffle(call: Call) -> list[Made]:
    """(C * r * r, H, W) -> (C, H * r, W * r)."""
    node = call.find(call["self"])
    if node is None:
        return nothing(call)
    r = call["upscale_factor"]
    *batch, channels, height, width = node.shape
    b = len(batch)
    order = [*range(b), b, b + 3, b + 1, b + 4, b + 2]
    return _chain(call, node, (*batch, channels // (r * r), r, r, height, width), order)


def pixel_unshuffle(call: Call) -> list[Made]:
    """(C, H * r, W * r) -> (C * r * r, H, W)."""
    node = call.find(call["self"])
    if node is None:
        return nothing(call)
    r = call["downscale_factor"]
    *batch, channels, height, width = node.shape
    b = len(batch)
    order = [*range(b), b, b + 2, b + 4, b + 1, b + 3]
    return _chain(call, node, (*batch, channels, height // r, r, width // r, r), order)


def channel_shuffle(call: Call) -> list[Made]:
    """Channels dealt out over the groups."""
    node = call.find(call["self"])
    if node is None:
        return nothing(call)
    groups = call["groups"]
    batch, channels, *rest = node.shape
    parts = (batch, groups, channels // groups, *rest)
    return _chain(call, node, parts, [0, 2, 1, *range(3, len(parts))])


def roll(call: Call) -> list[Made]:
    """Circular shifts; without dimensions the tensor is rolled as one line."""
    node = call.find(call["self"])
    if node is None:
        return nothing(call)
    listed = call.get("dims", [])
    if not listed:
        size = int(np.prod(node.shape))
        flat = call.graph.add(
            "roll",
            (size,),
            [Edge(node.index, groups=view_groups((size,), node.shape))],
            call.module,
        )
        moved = call.graph.add(
            "roll", (size,), [Edge(flat.index, ((0, Roll(call["shifts"][0], size)),))], call.module
        )
        return [Made([Edge(moved.index, groups=view_groups(call.out, (size,)))])]
    dims = list(same(len(node.shape)))
    for by, d in zip(call["shifts"], listed, strict=True):
        d = dimension(d, len(node.shape))
        before = dims[d][1]
        if isinstance(before, Roll):
            by += before.by
        dims[d] = (d, Roll(by, node.shape[d]))
    return [Made([Edge(node.index, tuple(dims))])]


def flip(call: Call) -> list[Made]:
    """Reversal of some dimensions."""
    node = call.find(call["self"])
    if node is None:
        return nothing(call)
    dims = list(same(len(node.shape)))
    for d in call["dims"]:
        d = dimension(d, len(node.shape))
        dims[d] = (d, Linear(-1, node.shape[d] - 1))
    return [Made([Edge(node.index, tuple(dims))])]


def rot90(call: Call) -> list[Made]:
    """Quarter turns in the plane of two dimensions."""
    node = call.find(call["self"])
    if node is None:
        return nothing(call)
    rank = len(node.shape)
    a, b = (dimension(d, rank) for d in call.get("dims", [0, 1]))
    turns = call.get("k", 1) % 4
    dims = list(same(rank))
    if turns in (1, 2):
        dims[b] = (b if turns == 2 else a, Linear(-1, node.shape[b] - 1))
    if turns in (2, 3):
        dims[a] = (a if turns == 2 else b, Linear(-1, node.shape[a] - 1))
    if turns == 1:
        dims[a] = (b, IDENTITY)
    if turns == 3:
        dims[b] = (a, IDENTITY)
    return [Made([Edge(node.index, tuple(dims))])]


def diagonal(call: Call) -> list[Made]:
    """The diagonal of two dimensions, put last."""
    node = call.find(call["self"])
    if node is None:
        return nothing(call)
    rank = len(node.shape)
    a, b = dimension(call.get("dim1", 0), rank), dimension(call.get("dim2", 1), rank)
    offset = call.get("offset", 0)
    dims: list[Dim] = []
    at = 0
    for d in range(rank):
        if d == a:
            dims.append((rank - 2, Linear(1, max(0, -offset))))
        elif d == b:
            dims.append((rank - 2, Linear(1, max(0, offset))))
        else:
            dims.append((at, IDENTITY))
            at += 1
    return [Made([Edge(node.index, tuple(dims))])]


RULES = {
    "flip": flip,
    "roll": roll,
    "rot90": rot90,
    "repeat": repeat,
    "repeat_interleave": repeat_interleave,
    "pixel_shuffle": pixel_shuffle,
    "pixel_unshuffle": pixel_unshuffle,
    "channel_shuffle": channel_shuffle,
    "native_channel_shuffle": channel_shuffle,
    "diagonal": diagonal,
}
