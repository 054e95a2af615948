"""Windows laid out as dimensions of their own: unfold, fold, and views by their strides."""

from __future__ import annotations

from typing import Any

from wavestack.receptive_field.recording.graph import Dim, Edge, Node, same, view_groups
from wavestack.receptive_field.recording.operators.call import Call, Made, everything, spread
from wavestack.receptive_field.relation import IDENTITY, Constant, Sum, Transposed


def _patches(shape: tuple[int, ...], call: Call) -> tuple[list[tuple[int, ...]], list[int]]:
    """Kernel, dilation, padding and stride of (un)fold, and the number of windows per axis."""
    parts = [spread(call[key], 2) for key in ("kernel_size", "dilation", "padding", "stride")]
    kernel, dilation, padding, stride = parts
    windows = [
        (shape[a] + 2 * padding[a] - dilation[a] * (kernel[a] - 1) - 1) // stride[a] + 1
        for a in range(2)
    ]
    return parts, windows


def im2col(call: Call) -> list[Made]:
    """``F.unfold``: windows side by side, as (B, C * kh * kw, windows)."""
    node = call.find(call["self"])
    if node is None:
        return [Made([])]
    (kernel, dilation, padding, stride), windows = _patches(node.shape[-2:], call)
    lead = len(node.shape) - 2
    middle = (*node.shape[:lead], *kernel, *windows)
    dims: list[Dim] = [(d, IDENTITY) for d in range(lead)]
    for a in range(2):
        reach = (lead + a, lead + 2 + a)
        dims.append((reach, Sum((dilation[a], stride[a]), -padding[a])))
    taps = call.graph.add("unfold", middle, [Edge(node.index, tuple(dims))], call.module)
    return [Made([Edge(taps.index, groups=view_groups(call.out, middle))])]


def col2im(call: Call) -> list[Made]:
    """``F.fold``: windows added where they overlap."""
    node = call.find(call["self"])
    if node is None:
        return [Made([])]
    size = spread(call["output_size"], 2)
    (kernel, dilation, padding, stride), windows = _patches(size, call)
    lead = len(node.shape) - 2
    channels = node.shape[-2] // (kernel[0] * kernel[1])
    middle = (*node.shape[:lead], channels, *kernel, *windows)
    taps = call.graph.add(
        "fold", middle, [Edge(node.index, groups=view_groups(middle, node.shape))], call.module
    )
    edges = []
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            dims: list[Dim] = [(d, IDENTITY) for d in range(lead + 1)]
            dims += [(-1, Constant(range(i, i + 1))), (-1, Constant(range(j, j + 1)))]
            for a, tap in enumerate((i, j)):
                dims.append(
                    (lead + 1 + a, Transposed(1, stride[a], padding[a] - dilation[a] * tap))
                )
            edges.append(Edge(taps.index, tuple(dims)))
    return [Made(edges)]


def unfold_dimension(call: Call) -> list[Made]:
    """``Tensor.unfold``: a dimension becomes (windows, ..., place in the window)."""
    node = call.find(call["self"])
    if node is None:
        return [Made([])]
    d = call["dimension"] % len(node.shape)
    reach = (d, len(node.shape))
    dims = list(same(len(node.shape)))
    dims[d] = (reach, Sum((call["step"], 1)))
    return [Made([Edge(node.index, tuple(dims))])]


def as_strided(call: Call) -> list[Made]:
    """A strided view of a contiguous tensor, where its strides are those of whole dimensions."""
    x = call["self"]
    node = call.find(x)
    if node is None:
        return [Made([])]
    size, stride = list(call["size"]), list(call["stride"])
    offset = call.get("storage_offset")
    offset = x.storage_offset() if offset is None else offset
    edge = strided_edge(node, x, size, stride, offset - x.storage_offset())
    if edge is None:
        return [Made([everything(node)], unknown=True)]
    return [Made([edge])]


def strided_edge(
    node: Node, x: Any, size: list[int], stride: list[int], offset: int
) -> Edge | None:
    """Each output stride is taken apart into steps along the input's dimensions."""
    order = sorted(range(len(node.shape)), key=lambda d: -x.stride(d))
    order = [d for d in order if node.shape[d] > 1]
    if any(x.stride(d) == 0 for d in order) or offset < 0:
        return None
    factors: dict[int, dict[int, int]] = {d: {} for d in range(len(node.shape))}
    starts = dict.fromkeys(range(len(node.shape)), 0)
    for o, (n, step) in enumerate(zip(size, stride, strict=True)):
        rest = step
        if n == 1:
            continue
        for d in order:
            whole_steps, rest = divmod(rest, x.stride(d))
            if whole_steps:
                factors[d][o] = whole_steps
        if rest:
            return None
    rest = offset
    for d in order:
        starts[d], rest = divmod(rest, x.stride(d))
    dims: list[Dim] = []
    for d, n in enumerate(node.shape):
        found = factors[d]
        furthest = starts[d] + sum(f * (size[o] - 1) for o, f in found.items())
        if furthest >= n:
            return None
        reach = tuple(found) or (0,)
        dims.append((reach, Sum(tuple(found.get(o, 0) for o in reach), starts[d])))
    return Edge(node.index, tuple(dims))


RULES = {
    "im2col": im2col,
    "col2im": col2im,
    "unfold": unfold_dimension,
    "as_strided": as_strided,
    "as_strided_copy": as_strided,
}
