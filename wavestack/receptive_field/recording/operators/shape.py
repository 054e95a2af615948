"""Views, slices, padding, concatenation, constant indices: operators that move positions."""

from __future__ import annotations

from collections.abc import Sequence

from wavestack.receptive_field.recording.graph import Dim, Edge, Node, same, view_groups
from wavestack.receptive_field.recording.operators.call import (
    Call,
    Made,
    broadcast,
    dimension,
    nothing,
)
from wavestack.receptive_field.relation import (
    IDENTITY,
    Constant,
    Linear,
    Pad,
    Segment,
)


def view(call: Call) -> list[Made]:
    """Any reshape; torch gives the new shape."""
    node = call.find(call["self"])
    if node is None:
        return nothing(call)
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
        return nothing(call)
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
        return nothing(call)
    new = dimension(call["dim"], len(call.out))
    dims: list[Dim] = [(i if i < new else i + 1, IDENTITY) for i in range(len(node.shape))]
    return [Made([Edge(node.index, tuple(dims))], note=_pool_note(node))]


def squeeze(call: Call) -> list[Made]:
    """Dimensions of length 1 removed."""
    node = call.find(call["self"])
    if node is None:
        return nothing(call)
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
    return nothing(call) if node is None else [Made([broadcast(node, call.out)])]


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
        return nothing(call)
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
        return nothing(call)
    d = dimension(call["dim"], len(node.shape))
    return [Made([select_edge(node, d, call["index"] % node.shape[d])])]


def unbind(call: Call) -> list[Made]:
    """Every index of a dimension on its own."""
    node = call.find(call["self"])
    if node is None:
        return nothing(call)
    d = dimension(call.get("dim", 0), len(node.shape))
    return [Made([select_edge(node, d, k)]) for k in range(len(call.outputs))]


def split(call: Call) -> list[Made]:
    """A dimension cut into parts."""
    node = call.find(call["self"])
    if node is None:
        return nothing(call)
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
    lengths = [tensor.shape[d] for tensor in tensors]
    longest = max(
        (n for n, node in zip(lengths, nodes, strict=True) if node is not None), default=0
    )
    before = sum(lengths[: lengths.index(longest)]) if longest else 0
    main = range(before, before + longest)
    edges, offset = [], 0
    for tensor, node in zip(tensors, nodes, strict=True):
        length = tensor.shape[d]
        if node is not None and length:
            dims = list(same(rank))
            dims[d] = (d, Segment(offset, length, main, alone and bool(node.axes[d])))
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
        return nothing(call)
    pads = call["pad"] if "pad" in call.values else call["padding"]
    mode = "constant"
    if call.name.startswith("reflection"):
        mode = "reflect"
    elif call.name == "circular_pad":
        mode = "circular"
    elif call.name.startswith("replication"):
        mode = "replicate"
    return [Made([pad_edge(node, list(pads), mode)])]


def as_real(call: Call) -> list[Made]:
    """Complex numbers opened to pairs."""
    node = call.find(call["self"])
    return nothing(call) if node is None else [Made([Edge(node.index, same(len(node.shape)))])]


def as_complex(call: Call) -> list[Made]:
    """Pairs closed to complex numbers."""
    node = call.find(call["self"])
    if node is None:
        return nothing(call)
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
    "view_as_real": as_real,
    "view_as_complex": as_complex,
}
