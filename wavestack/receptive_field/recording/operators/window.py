"""Convolutions, pools and interpolation: operators with a window that moves."""

from __future__ import annotations

import math

from wavestack.receptive_field.recording.graph import Dim, Edge, numel
from wavestack.receptive_field.recording.operators.call import (
    Call,
    Made,
    everything,
    is_single,
    joined,
    spread,
)
from wavestack.receptive_field.relation import (
    IDENTITY,
    Adaptive,
    Constant,
    Global,
    Group,
    Map,
    Transposed,
    Window,
)
from wavestack.receptive_field.resize import Resize


def convolution(call: Call) -> list[Made]:
    """All convolutions, plain and transposed, grouped or not, in any number of axes."""
    x, weight = call["input"], call["weight"]
    shape = tuple(weight.shape)
    axes = len(shape) - 2
    stride = spread(call["stride"], axes)
    padding = spread(call["padding"], axes)
    dilation = spread(call["dilation"], axes)
    groups = call["groups"]
    transposed = call["transposed"]
    kernel = shape[2:]
    channels_in = shape[0] if transposed else shape[1] * groups
    channels_out = shape[1] * groups if transposed else shape[0]
    edges = []
    node = call.find(x)
    if node is not None:
        lead = len(node.shape) - axes - 1
        dims: list[Dim] = [(d, IDENTITY) for d in range(lead)]
        if groups == 1:
            dims.append((-1, Constant(range(channels_in))))
        elif groups == channels_in == channels_out:
            dims.append((lead, IDENTITY))
        else:
            dims.append((lead, Group(channels_out // groups, channels_in // groups)))
        for a in range(axes):
            kind: type[Window] | type[Transposed] = Transposed if transposed else Window
            dims.append((lead + 1 + a, kind(kernel[a], stride[a], padding[a], dilation[a])))
        if groups == 1 and node.outer[lead]:
            # A convolution whose channels are an axis of the input joins that axis.
            dims[lead] = (-1, Global(Constant(range(channels_in)), "both"))
        edges.append(Edge(node.index, tuple(dims)))
    for name in ("weight", "bias"):
        other = call.find(call.get(name))
        if other is not None:
            edges.append(everything(other))
    taps = math.prod(kernel)
    if transposed:
        macs = numel(x.shape) * (channels_out // groups) * taps
    else:
        macs = numel(call.out) * (channels_in // groups) * taps
    return [Made(edges, (kernel, stride, dilation), macs)]


def deform_conv(call: Call) -> list[Made]:
    """Deformable convolution: offsets may reach anywhere; cut, it is the plain convolution."""
    values = list(call.values.values())
    x, weight, offset, mask = values[:4]
    axes = 2
    numbers = [v for v in values[5:] if isinstance(v, int) and not isinstance(v, bool)]
    stride, padding, dilation = (tuple(numbers[k : k + 2]) for k in (0, 2, 4))
    kernel = tuple(weight.shape[2:])
    edges = []
    node = call.find(x)
    if node is not None:
        dims: list[Dim] = [(0, IDENTITY), (-1, Constant(range(node.shape[1])))]
        for a in range(axes):
            window = Window(kernel[a], stride[a], padding[a], dilation[a])
            reach = Constant(range(node.shape[2 + a]))
            dims.append((2 + a, Global(reach, "both", 2 + a, window)))
        edges.append(Edge(node.index, tuple(dims)))
    for other in (call.find(offset), call.find(mask)):
        if other is not None:
            dims = [
                (0, IDENTITY),
                (-1, Constant(range(other.shape[1]))),
                (2, IDENTITY),
                (3, IDENTITY),
            ]
            edges.append(Edge(other.index, tuple(dims)))
    macs = numel(call.out) * weight.shape[1] * math.prod(kernel)
    return [Made(edges, (kernel, stride, dilation), macs)]


def pool(call: Call) -> list[Made]:
    """Maximum and average pooling, with ceil mode and dilation."""
    node = call.find(call.tensors()[0])
    if node is None:
        return [Made([]) for _ in call.outputs]
    axes = int(call.name.split("pool")[1][0])
    kernel = spread(call["kernel_size"], axes)
    stride = spread(call.get("stride") or kernel, axes)
    padding = spread(call.get("padding", 0), axes)
    dilation = spread(call.get("dilation", 1), axes)
    lead = len(node.shape) - axes
    dims: list[Dim] = [(d, IDENTITY) for d in range(lead)]
    for a in range(axes):
        dims.append((lead + a, Window(kernel[a], stride[a], padding[a], dilation[a])))
    made = Made([Edge(node.index, tuple(dims))], (kernel, stride, dilation))
    made.note = ("pool", kernel, stride, padding)
    return [made for _ in call.outputs]


def adaptive_pool(call: Call) -> list[Made]:
    """Adaptive pooling; to length 1 it joins the whole axis."""
    node = call.find(call.tensors()[0])
    if node is None:
        return [Made([]) for _ in call.outputs]
    size = call.get("output_size")
    axes = int(call.name.split("pool")[1][0])
    size = spread(size, axes)
    lead = len(node.shape) - axes
    dims: list[Dim] = [(d, IDENTITY) for d in range(lead)]
    for a in range(axes):
        n = node.shape[lead + a]
        if size[a] == 1:
            dims.append((-1, Global(Constant(range(n)), "both")))
        else:
            dims.append((lead + a, IDENTITY if n == size[a] else Adaptive(n, size[a])))
    return [Made([Edge(node.index, tuple(dims))]) for _ in call.outputs]


def max_unpool(call: Call) -> list[Made]:
    """Unpooling: an output may come from any pool window that held it."""
    x, indices = call.find(call["self"]), call.find(call["indices"])
    note = indices.note if indices is not None else None
    if not (isinstance(note, tuple) and note[0] == "pool"):
        return [Made([everything(n) for n in (x, indices) if n is not None], unknown=True)]
    _, kernel, stride, padding = note
    lead = len(call.out) - len(kernel)
    edges = []
    for node in (x, indices):
        if node is not None:
            dims: list[Dim] = [(d, IDENTITY) for d in range(lead)]
            # In 1D, pooling and unpooling borrow different dimensions of length 1.
            windows = iter(
                [w for w in zip(kernel, stride, padding, strict=True) if w[:2] != (1, 1)]
            )
            for a in range(lead, len(call.out)):
                if node.shape[a] == 1 and call.out[a] == 1:
                    dims.append((a, IDENTITY))
                else:
                    dims.append((a, Transposed(*next(windows, (1, 1, 0)))))
            edges.append(Edge(node.index, tuple(dims)))
    return [Made(edges, (kernel, stride, (1,) * len(kernel)))]


_MODES = (
    ("nearest_exact", "nearest-exact"),
    ("nearest", "nearest"),
    ("bicubic", "cubic"),
    ("linear", "linear"),
)


def upsample(call: Call) -> list[Made]:
    """Interpolation to another size."""
    x = call.tensors()[0]
    node = call.find(x)
    if node is None:
        return [Made([])]
    mode = next(kind for key, kind in _MODES if key in call.name)
    axes = len(node.shape) - 2
    scales: list[float | None] = [None] * axes
    if call.get("scale_factors") is not None:
        scales = list(call["scale_factors"])
    else:
        names = {
            1: ["scales"],
            2: ["scales_h", "scales_w"],
            3: ["scales_d", "scales_h", "scales_w"],
        }
        scales = [call.get(key) for key in names[axes]]
    dims: list[Dim] = [(0, IDENTITY), (1, IDENTITY)]
    for a in range(axes):
        relation: Map = Resize(
            node.shape[2 + a],
            call.out[2 + a],
            mode,
            bool(call.get("align_corners", False)),
            scales[a],
            is_single(x),
            call.name.endswith("_aa"),
        )
        if node.shape[2 + a] == 1:
            if call.out[2 + a] == 1:
                relation = IDENTITY
            elif not node.axes[2 + a]:
                relation = Constant(range(1))
        dims.append((2 + a, relation))
    return [Made([Edge(node.index, tuple(dims))])]


def grid_sample(call: Call) -> list[Made]:
    """Sampling at positions that data decide: any position may be read."""
    x, grid = call.find(call.values["input"]), call.find(call.values["grid"])
    edges = []
    if x is not None:
        edges.append(joined(x, range(2, len(x.shape))))
    if grid is not None:
        axes = len(grid.shape) - 2
        dims: list[Dim] = [(0, IDENTITY)]
        dims += [(2 + a, IDENTITY) for a in range(axes)]
        dims.append((-1, Constant(range(grid.shape[-1]))))
        edges.append(Edge(grid.index, tuple(dims)))
    return [Made(edges)]


RULES = {
    "convolution": convolution,
    "_convolution": convolution,
    "deform_conv2d": deform_conv,
    "grid_sampler_2d": grid_sample,
    "grid_sampler_3d": grid_sample,
    **dict.fromkeys(
        (
            "max_pool1d",
            "max_pool2d",
            "max_pool3d",
            "max_pool1d_with_indices",
            "max_pool2d_with_indices",
            "max_pool3d_with_indices",
            "avg_pool1d",
            "avg_pool2d",
            "avg_pool3d",
        ),
        pool,
    ),
    **{
        f"{prefix}{kind}{axes}d": adaptive_pool
        for prefix in ("", "_")
        for kind in ("adaptive_avg_pool", "adaptive_max_pool")
        for axes in (1, 2, 3)
    },
    "max_unpool2d": max_unpool,
    "max_unpool3d": max_unpool,
    **dict.fromkeys(
        (
            "upsample_nearest1d",
            "upsample_nearest2d",
            "upsample_nearest3d",
            "_upsample_nearest_exact1d",
            "_upsample_nearest_exact2d",
            "_upsample_nearest_exact3d",
            "upsample_linear1d",
            "upsample_bilinear2d",
            "upsample_trilinear3d",
            "upsample_bicubic2d",
            "_upsample_bilinear2d_aa",
            "_upsample_bicubic2d_aa",
        ),
        upsample,
    ),
}
