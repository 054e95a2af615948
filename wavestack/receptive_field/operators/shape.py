"""Views, slices, padding, concatenation, constant indices: operators that move positions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from wavestack.receptive_field.graph import Dim, Edge, Node, same, view_groups
from wavestack.receptive_field.operators.call import (
    Call,
    Made,
    broadcast,
    dimension,
    everything,
    joined,
)
from wavestack.receptive_field.relation import (
    IDENTITY,
    Constant,
    Linear,
    Map,
    Pad,
    Roll,
    Segment,
    Table,
)


def _nothing(call: Call) -> list[Made]:
    return [Made([]) for _ in call.outputs]


def view(call: Call) -> list[Made]:
    """Any reshape; torch gives the new shape."""
    node = call.find(call["self"])
    if node is None:
        return _nothing(call)
    if call.out == node.shape:
        return [Made([Edge(node.index, same(len(node.shape)))], note=node.note)]
    return [Made([Edge(node.index, groups=view_groups(call.out, node.shape))])]


def permute_edge(node: Node, order: Sequence[int]) -> Edge:
    """Output dimension d is input dimension order[d]."""
    back = {source: d for d, source in enumerate(order)}
    return Edge(node.index, tuple((back[i], IDENTITY) for i in range(len(node.shape))))


def permute(call: Call) -> list[Made]:
    """permute, transpose, t and their like."""
    node = call.find(call["self"])
    if node is None:
        return _nothing(call)
    rank = len(node.shape)
    order = list(range(rank))
    if call.name in ("permute", "permute_copy"):
        order = [dimension(d, rank) for d in call["dims"]]
    elif call.name in ("t", "t_copy", "numpy_T"):
        order.reverse()
    else:
        a, b = dimension(call["dim0"], rank), dimension(call["dim1"], rank)
        order[a], order[b] = order[b], order[a]
    return [Made([permute_edge(node, order)])]


def unsqueeze(call: Call) -> list[Made]:
    """A new dimension of length 1."""
    node = call.find(call["self"])
    if node is None:
        return _nothing(call)
    new = dimension(call["dim"], len(call.out))
    dims: list[Dim] = [(i if i < new else i + 1, IDENTITY) for i in range(len(node.shape))]
    return [Made([Edge(node.index, tuple(dims))], note=_pool_note(node))]


def squeeze(call: Call) -> list[Made]:
    """Dimensions of length 1 removed."""
    node = call.find(call["self"])
    if node is None:
        return _nothing(call)
    rank = len(node.shape)
    chosen = call.values.get("dim")
    if chosen is None:
        gone = {d for d in range(rank) if node.shape[d] == 1}
    else:
        listed = [chosen] if isinstance(chosen, int) else chosen
        gone = {dimension(d, rank) for d in listed if node.shape[dimension(d, rank)] == 1}
    dims: list[Dim] = []
    at = 0
    for d in range(rank):
        if d in gone:
            dims.append((-1, Constant(range(1))))
        else:
            dims.append((at, IDENTITY))
            at += 1
    return [Made([Edge(node.index, tuple(dims))], note=_pool_note(node))]


def _pool_note(node: Node) -> object:
    """The pool that made some indices is remembered where 1D pools borrow a dimension."""
    return node.note if isinstance(node.note, tuple) and node.note[0] == "pool" else None


def expand(call: Call) -> list[Made]:
    """Broadcasting made explicit."""
    node = call.find(call["self"])
    return _nothing(call) if node is None else [Made([broadcast(node, call.out)])]


def slice_edge(node: Node, d: int, start: int, step: int) -> Edge:
    """A slice along one dimension."""
    dims = list(same(len(node.shape)))
    dims[d] = (d, Linear(step, start))
    return Edge(node.index, tuple(dims))


def slice_start(call: Call, length: int) -> int:
    """The first index of a slice, as Python counts it."""
    start = call.values.get("start")
    start = 0 if start is None else start
    return min(max(start + length if start < 0 else start, 0), length)


def slice_(call: Call) -> list[Made]:
    """``x[start:end:step]`` along one dimension."""
    node = call.find(call["self"])
    if node is None:
        return _nothing(call)
    d = dimension(call.get("dim", 0), len(node.shape))
    return [Made([slice_edge(node, d, slice_start(call, node.shape[d]), call.get("step", 1))])]


def select_edge(node: Node, d: int, index: int) -> Edge:
    """One index of a dimension, the dimension removed."""
    dims: list[Dim] = []
    for i in range(len(node.shape)):
        if i == d:
            dims.append((-1, Constant(range(index, index + 1))))
        else:
            dims.append((i if i < d else i - 1, IDENTITY))
    return Edge(node.index, tuple(dims))


def select(call: Call) -> list[Made]:
    """``x[index]`` along one dimension."""
    node = call.find(call["self"])
    if node is None:
        return _nothing(call)
    d = dimension(call["dim"], len(node.shape))
    return [Made([select_edge(node, d, call["index"] % node.shape[d])])]


def unbind(call: Call) -> list[Made]:
    """Every index of a dimension on its own."""
    node = call.find(call["self"])
    if node is None:
        return _nothing(call)
    d = dimension(call.get("dim", 0), len(node.shape))
    return [Made([select_edge(node, d, k)]) for k in range(len(call.outputs))]


def split(call: Call) -> list[Made]:
    """A dimension cut into parts."""
    node = call.find(call["self"])
    if node is None:
        return _nothing(call)
    d = dimension(call.get("dim", 0), len(node.shape))
    made, start = [], 0
    for output in call.outputs:
        made.append(Made([slice_edge(node, d, start, 1)]))
        start += output.shape[d]
    return made


def cat(call: Call) -> list[Made]:
    """Concatenation; beside constants alone a part is only padded."""
    tensors = [
        t for t in call["tensors"] if not (t.dim() == 1 and t.shape[0] == 0 and len(call.out) > 1)
    ]
    rank = len(call.out)
    d = dimension(call.get("dim", 0), rank)
    nodes = [call.find(t) for t in tensors]
    alone = sum(node is not None for node in nodes) == 1
    edges, offset = [], 0
    for tensor, node in zip(tensors, nodes, strict=True):
        length = tensor.shape[d]
        if node is not None and length:
            dims = list(same(rank))
            dims[d] = (d, Segment(offset, length, call.out[d], alone and bool(node.axes[d])))
            edges.append(Edge(node.index, tuple(dims)))
        offset += length
    return [Made(edges)]


def stack(call: Call) -> list[Made]:
    """A new dimension that says which tensor it was."""
    new = dimension(call.get("dim", 0), len(call.out))
    edges = []
    for k, tensor in enumerate(call["tensors"]):
        node = call.find(tensor)
        if node is not None:
            dims = tuple((i if i < new else i + 1, IDENTITY) for i in range(len(node.shape)))
            edges.append(Edge(node.index, dims, only=((new, range(k, k + 1)),)))
    return [Made(edges)]


_PADS = {
    "constant": "constant",
    "reflect": "reflect",
    "replicate": "replicate",
    "circular": "circular",
}


def pad_edge(node: Node, pads: Sequence[int], mode: str) -> Edge:
    """Padding given as torch gives it: (left, right) from the last dimension on."""
    rank = len(node.shape)
    dims = list(same(rank))
    for k in range(len(pads) // 2):
        d = rank - 1 - k
        if pads[2 * k] or pads[2 * k + 1]:
            dims[d] = (d, Pad(pads[2 * k], mode, node.shape[d]))
    return Edge(node.index, tuple(dims))


def pad(call: Call) -> list[Made]:
    """constant, reflection and replication padding as aten operators."""
    node = call.find(call["self"])
    if node is None:
        return _nothing(call)
    pads = call["pad"] if "pad" in call.values else call["padding"]
    mode = "constant"
    if call.name.startswith("reflection"):
        mode = "reflect"
    elif call.name == "circular_pad":
        mode = "circular"
    elif call.name.startswith("replication"):
        mode = "replicate"
    return [Made([pad_edge(node, list(pads), mode)])]


def flip(call: Call) -> list[Made]:
    """Reversal of some dimensions."""
    node = call.find(call["self"])
    if node is None:
        return _nothing(call)
    dims = list(same(len(node.shape)))
    for d in call["dims"]:
        d = dimension(d, len(node.shape))
        dims[d] = (d, Linear(-1, node.shape[d] - 1))
    return [Made([Edge(node.index, tuple(dims))])]


def roll(call: Call) -> list[Made]:
    """Circular shifts; without dimensions the tensor is rolled as one line."""
    node = call.find(call["self"])
    if node is None:
        return _nothing(call)
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


def repeat(call: Call) -> list[Made]:
    """Tiling: each repeated dimension is (repeat, place)."""
    node = call.find(call["self"])
    if node is None:
        return _nothing(call)
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
        return _nothing(call)
    r = call["upscale_factor"]
    *batch, channels, height, width = node.shape
    b = len(batch)
    order = [*range(b), b, b + 3, b + 1, b + 4, b + 2]
    return _chain(call, node, (*batch, channels // (r * r), r, r, height, width), order)


def pixel_unshuffle(call: Call) -> list[Made]:
    """(C, H * r, W * r) -> (C * r * r, H, W)."""
    node = call.find(call["self"])
    if node is None:
        return _nothing(call)
    r = call["downscale_factor"]
    *batch, channels, height, width = node.shape
    b = len(batch)
    order = [*range(b), b, b + 2, b + 4, b + 1, b + 3]
    return _chain(call, node, (*batch, channels, height // r, r, width // r, r), order)


def channel_shuffle(call: Call) -> list[Made]:
    """Channels dealt out over the groups."""
    node = call.find(call["self"])
    if node is None:
        return _nothing(call)
    groups = call["groups"]
    batch, channels, *rest = node.shape
    parts = (batch, groups, channels // groups, *rest)
    return _chain(call, node, parts, [0, 2, 1, *range(3, len(parts))])


def table_map(index: np.ndarray, length: int) -> Map:
    """A constant index along one dimension: a step where it is regular, else a table."""
    index = np.where(index < 0, index + length, index)
    if index.size > 1:
        steps = np.diff(index)
        if (steps == steps[0]).all() and steps[0] != 0:
            return Linear(int(steps[0]), int(index[0]))
    if index.size == 1:
        return Constant(range(int(index[0]), int(index[0]) + 1))
    return Table(tuple(range(int(i), int(i) + 1) for i in index))


def index_select(call: Call) -> list[Made]:
    """Rows chosen by a constant index; by one that depends on the input, any row."""
    node = call.find(call["self"])
    chosen = call.concrete(call["index"])
    edges = []
    if node is not None:
        d = dimension(call["dim"], len(node.shape))
        if chosen is not None:
            dims = list(same(len(node.shape)))
            relation = table_map(chosen.reshape(-1).numpy(), node.shape[d])
            dims[d] = (d, relation)
            edges.append(Edge(node.index, tuple(dims)))
        else:
            edges.append(joined(node, [d]))
    other = call.find(call["index"])
    if other is not None:
        d = dimension(call["dim"], len(call.out))
        edges.append(Edge(other.index, tuple((d, IDENTITY) for _ in other.shape)))
    return [Made(edges)]


def index(call: Call) -> list[Made]:
    """``x[i, j, :]`` with index tensors: constants are looked up, others may read anything."""
    node = call.find(call["self"])
    chosen = list(call["indices"])
    places = [k for k, value in enumerate(chosen) if value is not None]
    if node is None:
        return [Made([_index_edge(other, call.out) for other in call.nodes()])]
    constants = {k: call.concrete(chosen[k]) for k in places}
    if any(value is None for value in constants.values()):
        edges = [_picked(node, places, chosen, call.out)]
        edges += [
            _index_edge(other, call.out) for other in map(call.find, chosen) if other is not None
        ]
        return [Made(edges)]
    arrays: list[np.ndarray] = []
    covered: list[int] = []
    for k in places:
        value = constants[k]
        assert value is not None
        if value.dtype in (torch.bool, torch.uint8):
            found = np.nonzero(value.numpy())
            arrays += list(found)
            covered += range(k, k + value.dim())
        else:
            arrays.append(value.numpy())
            covered.append(k)
    if len(places) != len(covered) and len(places) > 1:
        return [Made([everything(node)], unknown=True)]
    arrays = list(np.broadcast_arrays(*arrays))
    width = arrays[0].ndim
    adjacent = covered == list(range(covered[0], covered[-1] + 1))
    at = covered[0] if adjacent else 0
    rest = [d for d in range(len(node.shape)) if d not in covered]
    place = {}
    for position, d in enumerate(rest):
        place[d] = position if adjacent and d < covered[0] else position + width
    if adjacent:
        place = {d: (d if d < covered[0] else d - len(covered) + width) for d in rest}
    return _looked_up(call, node, covered, arrays, at, width, place)


def _looked_up(
    call: Call,
    node: Node,
    covered: list[int],
    arrays: list[np.ndarray],
    at: int,
    width: int,
    place: dict[int, int],
) -> list[Made]:
    dims: dict[int, Dim] = {d: (out, IDENTITY) for d, out in place.items()}
    regular = True
    for d, array in zip(covered, arrays, strict=True):
        relation = _one_dimension(array, node.shape[d])
        if relation is None:
            regular = False
            break
        axis, found = relation
        dims[d] = (at + axis if axis >= 0 else -1, found)
    if regular:
        return [Made([Edge(node.index, tuple(dims[d] for d in range(len(node.shape))))])]
    if len(covered) == 1:
        # One index tensor of several dimensions: look up along its flattened dimension, then view.
        d = covered[0]
        flat = [node.shape[k] for k in range(len(node.shape))]
        flat[d] = arrays[0].size
        if at != d:
            return [Made([everything(node)], unknown=True)]
        relation_flat = table_map(arrays[0].reshape(-1), node.shape[d])
        inner = list(same(len(node.shape)))
        inner[d] = (d, relation_flat)
        rows = call.graph.add("index", flat, [Edge(node.index, tuple(inner))], call.module)
        return [Made([Edge(rows.index, groups=view_groups(call.out, flat))])]
    if not any(node.axes[d] for d in covered) or arrays[0].size > 20_000:
        loose: list[Dim] = []
        for d in range(len(node.shape)):
            loose.append(
                (place[d], IDENTITY) if d in place else (-1, Constant(range(node.shape[d])))
            )
        unknown = any(node.axes[d] for d in covered)
        return [Made([Edge(node.index, tuple(loose))], unknown=unknown)]
    edges = []
    for position in np.ndindex(arrays[0].shape):
        own: list[Dim] = []
        for d in range(len(node.shape)):
            if d in place:
                own.append((place[d], IDENTITY))
            else:
                value = int(arrays[covered.index(d)][position]) % node.shape[d]
                own.append((-1, Constant(range(value, value + 1))))
        only = tuple((at + k, range(p, p + 1)) for k, p in enumerate(position))
        edges.append(Edge(node.index, tuple(own), only=only))
    return [Made(edges)]


def _one_dimension(array: np.ndarray, length: int) -> tuple[int, Map] | None:
    """The one dimension an index array varies along, and how; None if there are several."""
    varying = [k for k in range(array.ndim) if array.shape[k] > 1]
    varying = [k for k in varying if (array != array.take([0], axis=k)).any()]
    if not varying:
        value = int(array.reshape(-1)[0]) % length
        return -1, Constant(range(value, value + 1))
    if len(varying) > 1:
        return None
    axis = varying[0]
    line = np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)[:, 0]
    return axis, table_map(line, length)


def _index_edge(other: Node, out: Sequence[int]) -> Edge:
    """An index that depends on the input: in step where its shape is part of the output's."""
    n = len(other.shape)
    for lead in range(len(out) - n + 1):
        if tuple(out[lead : lead + n]) == other.shape:
            return Edge(other.index, tuple((lead + d, IDENTITY) for d in range(n)))
    return everything(other)


def _picked(node: Node, places: list[int], chosen: list, out: Sequence[int]) -> Edge:
    """Rows picked by data: any of them."""
    if len(places) == 1 and isinstance(chosen[places[0]], torch.Tensor):
        k = places[0]
        width = chosen[k].dim()
        if len(out) == len(node.shape) - 1 + width:
            dims: list[Dim] = []
            for d, n in enumerate(node.shape):
                if d == k:
                    dims.append(joined(node, [k], keep=False).dims[k])
                    assert n
                else:
                    dims.append((d if d < k else d - 1 + width, IDENTITY))
            return Edge(node.index, tuple(dims))
    return everything(node)


def gather(call: Call) -> list[Made]:
    """gather and its like: along one dimension any position may be read."""
    node, other = call.find(call["self"]), call.find(call["index"])
    edges = []
    if node is not None:
        d = dimension(call["dim"], len(node.shape))
        chosen = call.concrete(call["index"])
        line = None if chosen is None else _one_dimension(chosen.numpy(), node.shape[d])
        if line is not None and line[0] in (-1, d):
            dims = list(same(len(node.shape)))
            dims[d] = (line[0], line[1])
            edges.append(Edge(node.index, tuple(dims)))
        else:
            edges.append(joined(node, [d]))
    if other is not None:
        edges.append(broadcast(other, call.out))
    return [Made(edges)]


def embedding(call: Call) -> list[Made]:
    """A table lookup: one new dimension at the end, all else in step."""
    edges = []
    ids, weight = call.find(call["indices"]), call.find(call["weight"])
    if ids is not None:
        edges.append(Edge(ids.index, same(len(ids.shape))))
    if weight is not None:
        last = len(call.out) - 1
        edges.append(Edge(weight.index, ((-1, Constant(range(weight.shape[0]))), (last, IDENTITY))))
    return [Made(edges)]


def one_hot(call: Call) -> list[Made]:
    """A new dimension of classes at the end."""
    node = call.find(call["self"])
    return _nothing(call) if node is None else [Made([Edge(node.index, same(len(node.shape)))])]


def index_put(call: Call) -> list[Made]:
    """``x[i] = v``: known where the indexed dimensions carry no axis."""
    base = call.find(call["self"])
    values = call.find(call["values"])
    edges = []
    if base is not None:
        edges.append(Edge(base.index, same(len(base.shape))))
    if values is not None:
        edges.append(everything(values))
    carrying = any(node is not None and any(node.axes) for node in (base, values))
    moved = [k for k, chosen in enumerate(call["indices"]) if chosen is not None]
    plain = values is None and base is not None and not any(base.axes[k] for k in moved)
    edges += [everything(node) for node in map(call.find, call["indices"]) if node is not None]
    return [Made(edges, unknown=carrying and not plain)]


def rot90(call: Call) -> list[Made]:
    """Quarter turns in the plane of two dimensions."""
    node = call.find(call["self"])
    if node is None:
        return _nothing(call)
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
        return _nothing(call)
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


def as_real(call: Call) -> list[Made]:
    """Complex numbers opened to pairs."""
    node = call.find(call["self"])
    return _nothing(call) if node is None else [Made([Edge(node.index, same(len(node.shape)))])]


def as_complex(call: Call) -> list[Made]:
    """Pairs closed to complex numbers."""
    node = call.find(call["self"])
    if node is None:
        return _nothing(call)
    dims: list[Dim] = [*same(len(node.shape) - 1), (-1, Constant(range(2)))]
    return [Made([Edge(node.index, tuple(dims))])]


RULES = {
    **dict.fromkeys(
        (
            "view",
            "_unsafe_view",
            "reshape",
            "_reshape_alias",
            "_reshape_copy",
            "view_copy",
            "flatten",
            "unflatten",
        ),
        view,
    ),
    **dict.fromkeys(
        ("permute", "permute_copy", "transpose", "transpose_copy", "t", "t_copy"), permute
    ),
    "unsqueeze": unsqueeze,
    "unsqueeze_copy": unsqueeze,
    "squeeze": squeeze,
    "squeeze_copy": squeeze,
    "expand": expand,
    "expand_copy": expand,
    "slice": slice_,
    "slice_copy": slice_,
    "select": select,
    "select_copy": select,
    "unbind": unbind,
    **dict.fromkeys(
        (
            "split",
            "split_with_sizes",
            "split_copy",
            "split_with_sizes_copy",
            "chunk",
            "tensor_split",
            "unsafe_split",
            "unsafe_split_with_sizes",
        ),
        split,
    ),
    "cat": cat,
    "stack": stack,
    **dict.fromkeys(
        (
            "constant_pad_nd",
            "reflection_pad1d",
            "reflection_pad2d",
            "reflection_pad3d",
            "replication_pad1d",
            "replication_pad2d",
            "replication_pad3d",
            "circular_pad",
        ),
        pad,
    ),
    "flip": flip,
    "roll": roll,
    "repeat": repeat,
    "repeat_interleave": repeat_interleave,
    "pixel_shuffle": pixel_shuffle,
    "pixel_unshuffle": pixel_unshuffle,
    "channel_shuffle": channel_shuffle,
    "native_channel_shuffle": channel_shuffle,
    "index_select": index_select,
    "index": index,
    "_unsafe_index": index,
    "gather": gather,
    "embedding": embedding,
    "one_hot": one_hot,
    **dict.fromkeys(("index_put", "_unsafe_index_put", "_index_put_impl"), index_put),
    "rot90": rot90,
    "diagonal": diagonal,
    "view_as_real": as_real,
    "view_as_complex": as_complex,
}
