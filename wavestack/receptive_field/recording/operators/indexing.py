"""Lookups by an index tensor: constants are followed, what data decide may read anything."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from wavestack.receptive_field.recording.graph import Dim, Edge, Node, same, view_groups
from wavestack.receptive_field.recording.operators.call import (
    Call,
    Made,
    broadcast,
    dimension,
    everything,
    joined,
    nothing,
)
from wavestack.receptive_field.relation import (
    IDENTITY,
    Constant,
    Linear,
    Map,
    Table,
)


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
    return nothing(call) if node is None else [Made([Edge(node.index, same(len(node.shape)))])]


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


RULES = {
    "index_select": index_select,
    "index": index,
    "_unsafe_index": index,
    **dict.fromkeys(("index_put", "_unsafe_index_put", "_index_put_impl"), index_put),
    "gather": gather,
    "embedding": embedding,
    "one_hot": one_hot,
}
