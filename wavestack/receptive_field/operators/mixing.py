"""Reductions, norms, products of matrices, scans and transforms: operators that mix positions."""

from __future__ import annotations

import math

import numpy as np
import torch

from wavestack.receptive_field.graph import Dim, Edge, Node, same
from wavestack.receptive_field.operators.call import (
    Call,
    Made,
    broadcast,
    dimension,
    dimensions,
    elementwise,
    everything,
    joined,
    reduced,
)
from wavestack.receptive_field.operators.masks import (
    hidden_matrix,
    mask_relation,
    merge_hidden,
    scores_mask,
)
from wavestack.receptive_field.relation import IDENTITY, Constant, Global, Linear, Map, Past


def reduction(call: Call) -> list[Made]:
    """Sums, means, extremes and moments over some dimensions, or over all."""
    tensor = call.tensors()[0]
    node = call.find(tensor)
    if node is None:
        return [Made([]) for _ in call.outputs]
    if "other" in call.values:
        return elementwise(call)
    rank = len(node.shape)
    dims = dimensions(call.values.get("dim"), rank)
    return [Made([reduced(node, dims, call.out)]) for _ in call.outputs]


def softmax(call: Call) -> list[Made]:
    """Softmax: every position of the dimension, where a constant mask does not exclude it."""
    node = call.find(call["self"])
    if node is None:
        return [Made([])]
    d = dimension(call["dim"], len(node.shape))
    mask = scores_mask(node)
    if mask is not None and d == len(node.shape) - 1:
        # The weights of masked positions are exactly zero: say so to the product that follows.
        edge = joined(node, [d])
        relation = mask_relation(mask, d - 1)
        if relation is not None and d > 0:
            edge = Edge(node.index, (*edge.dims[:d], relation), follow={d: d})
        return [Made([edge], note=("weights", mask))]
    return [Made([joined(node, [d])])]


def layer_norm(call: Call) -> list[Made]:
    """Layer norm over the last dimensions."""
    node = call.find(call["input"])
    edges = []
    if node is not None:
        width = len(call["normalized_shape"])
        edges.append(joined(node, range(len(node.shape) - width, len(node.shape))))
    return _outputs(call, edges)


def group_norm(call: Call) -> list[Made]:
    """Group norm: the channels of a group and all positions."""
    node = call.find(call["input"])
    edges = []
    if node is not None:
        edges.append(joined(node, range(1, len(node.shape))))
    return _outputs(call, edges)


def batch_norm(call: Call) -> list[Made]:
    """Batch norm: element-wise in eval mode; in train mode it joins the batch and all positions."""
    node = call.find(call["input"])
    training = call.get("training", call.get("train", False))
    if call.name.endswith("no_training") or call.get("use_input_stats") is False:
        training = False
    edges = []
    if node is not None:
        rank = len(node.shape)
        if training:
            edges.append(joined(node, [0, *range(2, rank)], side="batch"))
        else:
            edges.append(Edge(node.index, same(rank)))
    return _outputs(call, edges)


def instance_norm(call: Call) -> list[Made]:
    """Instance norm: all positions of a channel, unless running statistics are used."""
    node = call.find(call["input"])
    if node is None:
        return [Made([])]
    rank = len(node.shape)
    if call.get("use_input_stats", True):
        return [Made([joined(node, range(2, rank))])]
    return [Made([Edge(node.index, same(rank))])]


def _outputs(call: Call, edges: list[Edge]) -> list[Made]:
    """The first output by its rule; the statistics beside it by everything."""
    rest = [Made([everything(node) for node in call.nodes()]) for _ in call.outputs[1:]]
    return [Made(edges), *rest]


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


def contract(
    call: Call, node: Node, place: list[int | None], partner: dict[int, int] | None = None
) -> Edge:
    """One operand of a product: its dimensions go to output dimensions, or are summed over (None).

    ``partner`` names, for a summed dimension, an output dimension that stays in step with it when
    the
    joining is cut: the rows of an attention matrix for its columns.
    """
    dims: list[Dim] = []
    for d, n in enumerate(node.shape):
        out = place[d]
        if out is None:
            local = None if partner is None else partner.get(d)
            dims.append((-1, Global(Constant(range(n)), "both", local)))
        elif n == call.out[out]:
            dims.append((out, IDENTITY))
        else:
            dims.append((-1, Constant(range(1))))
    return Edge(node.index, tuple(dims))


def product(
    call: Call,
    left: Node | None,
    right: Node | None,
    places: tuple[list[int | None], list[int | None]],
    depth: int,
) -> Made:
    """A product of two tensors that sums over one dimension (the last but in ``places`` None)."""
    edges = []
    rows = None
    columns = None
    if left is not None:
        columns = places[0].index(None)
        row = len(left.shape) - 2
        if row >= 0 and left.outer[columns] and left.outer[columns] & left.outer[row]:
            rows = places[0][row]
    if left is not None:
        partner = None if rows is None or columns is None else {columns: rows}
        edges.append(contract(call, left, places[0], partner))
    if right is not None:
        summed = places[1].index(None)
        step: int | None = rows
        if step is not None and right.shape[summed] != call.out[step]:
            step = None
        edge = contract(call, right, places[1], None if step is None else {summed: step})
        mask = _weights_mask(left)
        if mask is not None and rows is not None:
            edge = _masked(edge, summed, rows, mask)
            own = edges[0]
            edges[0] = _masked(own, columns or 0, rows, mask)
        edges.append(edge)
    return Made(edges, macs=math.prod(call.out) * depth)


def _weights_mask(node: Node | None) -> object:
    """The mask that attention weights have come from, if any."""
    note = None if node is None else node.note
    return note[1] if isinstance(note, tuple) and note and note[0] == "weights" else None


def _masked(edge: Edge, summed: int, rows: int, mask: object) -> Edge:
    dims = list(edge.dims)
    relation = mask_relation(mask, rows)
    if relation is None:
        return edge
    dims[summed] = relation
    return Edge(edge.source, tuple(dims))


def matmul(call: Call) -> list[Made]:
    """mm, bmm, matmul and vectors, with broadcasting of the leading dimensions."""
    a, b = (t for t in call.tensors()[:2])
    left, right = call.find(a), call.find(b)
    rank = len(call.out)
    if a.dim() == 1 or b.dim() == 1:
        return _vector_product(call, a, b, left, right)
    places_a: list[int | None] = [rank - a.dim() + d for d in range(a.dim() - 1)]
    places_b: list[int | None] = [rank - b.dim() + d for d in range(b.dim() - 2)]
    return [
        product(call, left, right, ([*places_a, None], [*places_b, None, rank - 1]), a.shape[-1])
    ]


def _vector_product(
    call: Call, a: object, b: object, left: Node | None, right: Node | None
) -> list[Made]:
    edges = []
    rank = len(call.out)
    if left is not None:
        n = len(left.shape)
        places: list[int | None] = [None] if n == 1 else [*range(rank), None]
        edges.append(contract(call, left, places))
    if right is not None:
        n = len(right.shape)
        places = [None] if n == 1 else [*range(n - 2), None, rank - 1]
        edges.append(contract(call, right, places))
    return [Made(edges)]


def addmm(call: Call) -> list[Made]:
    """A product plus a term."""
    bias, a, b = call.tensors()[:3]
    rank = len(call.out)
    lead: list[int | None] = list(range(rank - 2))
    if b.dim() == 1:
        made = Made([])
        for tensor, places in ((a, [0, None]), (b, [None])):
            node = call.find(tensor)
            if node is not None:
                made.edges.append(contract(call, node, list(places)))
    else:
        places_a: list[int | None] = [*lead, rank - 2, None]
        places_b: list[int | None] = [*lead, None, rank - 1]
        made = product(call, call.find(a), call.find(b), (places_a, places_b), a.shape[-1])
    term = call.find(bias)
    if term is not None:
        made.edges.append(broadcast(term, call.out))
    return [made]


def linear(call: Call) -> list[Made]:
    """A linear layer on the last dimension."""
    x, weight = call["input"], call["weight"]
    node, other = call.find(x), call.find(weight)
    edges = []
    rank = len(call.out)
    if node is not None:
        places: list[int | None] = [*range(len(node.shape) - 1), None]
        edges.append(contract(call, node, places))
    if other is not None:
        places = [rank - 1, None] if len(other.shape) == 2 else [None]
        edges.append(contract(call, other, places))
    bias = call.find(call.get("bias"))
    if bias is not None:
        edges.append(broadcast(bias, call.out))
    return [Made(edges, macs=math.prod(call.out) * x.shape[-1])]


def einsum(call: Call) -> list[Made]:
    """Any einsum: letters that leave are summed over."""
    equation: str = call["equation"].replace(" ", "")
    operands = call["operands"]
    inputs, _, output = equation.partition("->")
    terms = inputs.split(",")
    if "->" not in equation:
        letters = sorted(set(inputs) - {",", "."})
        output = ("..." if "..." in inputs else "") + "".join(
            letter for letter in letters if inputs.count(letter) == 1
        )
    rank = len(call.out)
    wide = rank - len(output.replace("...", ""))
    out_letters = _letters(output, rank, wide)
    named = [_letters(term, t.dim(), wide) for term, t in zip(terms, operands, strict=True)]
    edges = []
    depth = 1
    sizes: dict[str, int] = {}
    for letters, tensor in zip(named, operands, strict=True):
        sizes.update(zip(letters, tensor.shape, strict=True))
    for letter, n in sizes.items():
        if letter not in out_letters:
            depth *= n
    for letters, tensor in zip(named, operands, strict=True):
        node = call.find(tensor)
        if node is not None:
            places: list[int | None] = [
                out_letters.index(letter) if letter in out_letters else None for letter in letters
            ]
            edges.append(
                contract(
                    call,
                    node,
                    places,
                    _einsum_partners(call, named, operands, letters, out_letters),
                )
            )
    return [Made(edges, macs=math.prod(call.out) * depth)]


def _einsum_partners(
    call: Call, named: list[list[str]], operands: list, letters: list[str], out: list[str]
) -> dict[int, int]:
    """A summed letter stays in step with a kept letter that carries the same axis beside it."""
    partner = {}
    for d, letter in enumerate(letters):
        if letter in out:
            continue
        for others, tensor in zip(named, operands, strict=True):
            node = call.find(tensor)
            if node is None or letter not in others:
                continue
            outer = node.outer[others.index(letter)]
            for k, kept in enumerate(others):
                if kept in out and outer and outer & node.outer[k]:
                    partner[d] = out.index(kept)
    return partner


def _letters(term: str, rank: int, wide: int) -> list[str]:
    """One name per dimension; the dots stand for as many as are left."""
    if "..." not in term:
        return list(term)
    before, after = term.split("...")
    dots = rank - len(before) - len(after)
    return [*before, *(f".{wide - dots + k}" for k in range(dots)), *after]


def attention(call: Call) -> list[Made]:
    """Scaled dot-product attention as one operator, constant masks looked up."""
    query, key, value = (call.find(call[name]) for name in ("query", "key", "value"))
    rank = len(call.out)
    rows, columns = call["query"].shape[-2], call["key"].shape[-2]
    mask = attention_mask(call, rows, columns)
    edges = []
    if query is not None:
        dims: list[Dim] = [*same(rank - 1), (-1, Constant(range(query.shape[-1])))]
        edges.append(Edge(query.index, tuple(dims)))
    found = mask_relation(mask, rank - 2) if mask is not None else None
    for node in (key, value):
        if node is None:
            continue
        kept = rank - 2 if rows == columns else None
        join: Dim = (-1, Global(Constant(range(columns)), "both", kept))
        if found is not None:
            join = found
        lead: list[Dim] = [
            (d, IDENTITY) if node.shape[d] == call.out[d] else (-1, Constant(range(node.shape[d])))
            for d in range(rank - 2)
        ]
        final: Dim = (-1, Constant(range(node.shape[-1])))
        if node is value:
            final = (rank - 1, IDENTITY)
        edges.append(Edge(node.index, (*lead, join, final)))
    other = call.find(call.get("attn_mask"))
    if other is not None:
        lead_out = rank - len(other.shape)
        places: list[Dim] = [
            (lead_out + d, IDENTITY)
            if other.shape[d] == call.out[lead_out + d]
            else (-1, Constant(range(other.shape[d])))
            for d in range(len(other.shape) - 1)
        ]
        edges.append(
            Edge(other.index, (*places, (-1, Global(Constant(range(other.shape[-1])), "both"))))
        )
    macs = 2 * math.prod(call.out) * columns
    rest = [Made([]) for _ in call.outputs[1:]]
    return [Made(edges, macs=macs, note=None if mask is None else "masked"), *rest]


def attention_mask(call: Call, rows: int, columns: int) -> np.ndarray | None:
    """The matrix of hidden pairs of an attention operator, None without a constant mask."""
    hidden = np.triu(np.ones((rows, columns), dtype=bool), 1) if call.get("is_causal") else None
    mask = call.get("attn_mask", call.get("attn_bias"))
    known = call.concrete(mask) if mask is not None else None
    if known is not None:
        # A boolean mask of this operator says what may be seen.
        given = hidden_matrix(~known if known.dtype == torch.bool else known, rows, columns)
        hidden = merge_hidden([hidden, given])
    return hidden


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
    from wavestack.receptive_field.relation import Window

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
        from wavestack.receptive_field.relation import Pad

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
    from wavestack.receptive_field.relation import Transposed

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


def glu(call: Call) -> list[Made]:
    """Gated linear unit: the same position of both halves of a dimension."""
    node = call.find(call["self"])
    if node is None:
        return [Made([])]
    d = dimension(call.get("dim", -1), len(node.shape))
    edges = []
    for start in (0, node.shape[d] // 2):
        dims = list(same(len(node.shape)))
        dims[d] = (d, Linear(1, start))
        edges.append(Edge(node.index, tuple(dims)))
    return [Made(edges)]


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


def loss(call: Call) -> list[Made]:
    """Losses: element by element, or over everything."""
    if call.out:
        return elementwise(call)
    return [Made([everything(node) for node in call.nodes()]) for _ in call.outputs]


def outer_product(call: Call) -> list[Made]:
    """Pairs of rows: every output (i, j) needs row i of one and row j of the other."""
    a, b = call.tensors()[:2]
    edges = []
    rank = len(call.out)
    for tensor, row in ((a, rank - 2), (b, rank - 1)):
        node = call.find(tensor)
        if node is not None:
            lead = rank - len(node.shape)
            dims: list[Dim] = [(lead + d, IDENTITY) for d in range(len(node.shape) - 2)]
            dims += [(row, IDENTITY), (-1, Constant(range(node.shape[-1])))]
            edges.append(Edge(node.index, tuple(dims)))
    return [Made(edges)]


REDUCTIONS = [
    "sum",
    "mean",
    "amax",
    "amin",
    "aminmax",
    "max",
    "min",
    "prod",
    "var",
    "std",
    "var_mean",
    "std_mean",
    "norm",
    "linalg_vector_norm",
    "logsumexp",
    "any",
    "all",
    "argmax",
    "argmin",
    "median",
    "nanmedian",
    "mode",
    "nansum",
    "nanmean",
    "count_nonzero",
    "cummaxall",
    "_softmax_sum",
]

RULES = {
    **dict.fromkeys(REDUCTIONS, reduction),
    **dict.fromkeys(
        ("_softmax", "_log_softmax", "softmax", "log_softmax", "_safe_softmax"), softmax
    ),
    "native_layer_norm": layer_norm,
    "layer_norm": layer_norm,
    "_fused_rms_norm": layer_norm,
    "rms_norm": layer_norm,
    "native_group_norm": group_norm,
    **dict.fromkeys(
        (
            "native_batch_norm",
            "_native_batch_norm_legit",
            "_native_batch_norm_legit_no_training",
            "_batch_norm_with_update",
            "_batch_norm_no_update",
            "cudnn_batch_norm",
            "miopen_batch_norm",
            "batch_norm",
        ),
        batch_norm,
    ),
    "instance_norm": instance_norm,
    **dict.fromkeys(("cumsum", "cumprod", "logcumsumexp", "cummax", "cummin"), scan),
    "_cummax_helper": scan,
    **dict.fromkeys(("sort", "topk", "argsort", "kthvalue"), sort),
    **dict.fromkeys(("_fft_r2c", "_fft_c2r", "_fft_c2c"), transform),
    **dict.fromkeys(("mm", "bmm", "matmul", "mv", "dot"), matmul),
    **dict.fromkeys(("addmm", "baddbmm", "addmv"), addmm),
    "linear": linear,
    "einsum": einsum,
    **dict.fromkeys(
        (
            "scaled_dot_product_attention",
            "_scaled_dot_product_flash_attention",
            "_scaled_dot_product_flash_attention_for_cpu",
            "_scaled_dot_product_efficient_attention",
            "_scaled_dot_product_cudnn_attention",
        ),
        attention,
    ),
    "recurrent": recurrent,
    "stft": stft,
    "istft": istft,
    "glu": glu,
    **dict.fromkeys(
        ("scatter", "scatter_add", "scatter_reduce", "index_add", "index_copy", "index_fill"),
        scatter,
    ),
    **dict.fromkeys(("mse_loss", "huber_loss", "smooth_l1_loss", "binary_cross_entropy"), loss),
    "_cdist_forward": outer_product,
    "cdist": outer_product,
}
