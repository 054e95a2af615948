"""Scans, transforms and recurrent networks: operators along a whole axis."""

from __future__ import annotations

from wavestack.receptive_field.recording.graph import Dim, Edge, same
from wavestack.receptive_field.recording.operators.call import (
    Call,
    Made,
    dimension,
    dimensions,
    everything,
    joined,
    reduced,
)
from wavestack.receptive_field.relation import (
    IDENTITY,
    Constant,
    Global,
    Map,
    Pad,
    Past,
    Transposed,
    Window,
)


def scan(call: Call) -> list[Made]:
    """Cumulative sums and their like: the past and the present."""
    node = call.find(call["self"])
    if node is None:
        return [Made([]) for _ in call.outputs]
    d = dimension(call["dim"], len(node.shape))
    return [Made([joined(node, [d], side="past", exact=Past())]) for _ in call.outputs]


def sort(call: Call) -> list[Made]:
    """sort, topk and their like along one dimension."""
    node = call.find(call["self"])
    if node is None:
        return [Made([]) for _ in call.outputs]
    d = dimension(call.get("dim", -1), len(node.shape))
    if len(call.out) == len(node.shape):
        return [Made([joined(node, [d])]) for _ in call.outputs]
    return [Made([reduced(node, [d], call.out)]) for _ in call.outputs]


def transform(call: Call) -> list[Made]:
    """Fourier transforms: the whole dimension."""
    node = call.find(call["self"])
    if node is None:
        return [Made([])]
    rank = len(node.shape)
    dims = dimensions(call["dim"], rank)
    found: list[Dim] = []
    for d, n in enumerate(node.shape):
        if d in dims:
            found.append((-1, Global(Constant(range(n)), "both")))
        else:
            found.append((d, IDENTITY))
    return [Made([Edge(node.index, tuple(found))])]


def recurrent(call: Call) -> list[Made]:
    """RNN, LSTM and GRU as one operator each: the past, or everything when bidirectional."""
    x = call.find(call.extra["x"])
    time: int = call.extra["time"]
    bidirectional: bool = call.extra["bidirectional"]
    made = []
    for k, output in enumerate(call.outputs):
        edges = []
        if x is not None and k == 0:
            n = x.shape[time]
            exact: Map = Constant(range(n)) if bidirectional else Past()
            dims = list(same(len(x.shape)))
            dims[time] = (time, Global(exact, "both" if bidirectional else "past", time))
            dims[-1] = (-1, Constant(range(x.shape[-1])))
            edges.append(Edge(x.index, tuple(dims)))
        elif x is not None:
            # The final states have lost their time: (layers, batch, features).
            dims = [(-1, Constant(range(n))) for n in x.shape]
            dims[time] = (-1, Global(Constant(range(x.shape[time])), "both"))
            if len(x.shape) == 3:
                dims[1 - time] = (1, IDENTITY)
            edges.append(Edge(x.index, tuple(dims)))
        for state in call.extra["states"]:
            node = call.find(state)
            if node is not None:
                dims = [(-1, Constant(range(n))) for n in node.shape]
                edges.append(Edge(node.index, tuple(dims)))
        made.append(Made(edges, macs=call.extra["macs"] if k == 0 else 0))
        assert output.dim() >= 1
    return made


def stft(call: Call) -> list[Made]:
    """Short-time Fourier transform: frames are windows of the signal."""

    node = call.find(call["input"])
    if node is None:
        return [Made([])]
    width, hop = call.extra["n_fft"], call.extra["hop"]
    window = call.extra["window"]
    pad = width // 2 if call.extra["center"] else 0
    length = node.shape[-1]
    relation: Map = Window(window, hop, pad - (width - window) // 2)
    if pad and call.extra["pad_mode"] != "constant":
        # The signal is padded by its own samples first.

        dims = list(same(len(node.shape)))
        dims[-1] = (len(node.shape) - 1, Pad(pad, call.extra["pad_mode"], length))
        padded_shape = (*node.shape[:-1], length + 2 * pad)
        node = call.graph.add("stft", padded_shape, [Edge(node.index, tuple(dims))], call.module)
        relation = Window(window, hop, -((width - window) // 2))
    batch = len(node.shape) - 1
    dims = list(same(batch))
    dims.append((batch + 1, relation))
    geometry = ((window,), (hop,), (1,))
    return [Made([Edge(node.index, tuple(dims))], geometry)]


def istft(call: Call) -> list[Made]:
    """Inverse transform: overlapping windows added."""

    node = call.find(call["input"])
    if node is None:
        return [Made([])]
    width, hop = call.extra["n_fft"], call.extra["hop"]
    window = call.extra["window"]
    pad = (width // 2 if call.extra["center"] else 0) - (width - window) // 2
    batch = len(node.shape) - 2
    dims: list[Dim] = list(same(batch))
    dims.append((-1, Constant(range(node.shape[-2]))))
    dims.append((batch, Transposed(window, hop, pad)))
    return [Made([Edge(node.index, tuple(dims))], ((window,), (hop,), (1,)))]


def scatter(call: Call) -> list[Made]:
    """Writes at positions that data or an index decide: any position along the dimension."""
    edges = []
    base = call.find(call["self"])
    if base is not None:
        edges.append(Edge(base.index, same(len(base.shape))))
    rank = len(call.out)
    d = dimension(call["dim"], rank)
    for name in ("index", "src", "source", "value"):
        node = call.find(call.values.get(name))
        if node is None:
            continue
        if len(node.shape) == rank:
            edges.append(joined(node, [d]))
        else:
            edges.append(everything(node))
    return [Made(edges)]


RULES = {
    **dict.fromkeys(("cumsum", "cumprod", "logcumsumexp", "cummax", "cummin"), scan),
    **dict.fromkeys(("sort", "topk", "argsort", "kthvalue"), sort),
    **dict.fromkeys(("_fft_r2c", "_fft_c2r", "_fft_c2c"), transform),
    **dict.fromkeys(
        ("scatter", "scatter_add", "scatter_reduce", "index_add", "index_copy", "index_fill"),
        scatter,
    ),
    "recurrent": recurrent,
    "stft": stft,
    "istft": istft,
}
