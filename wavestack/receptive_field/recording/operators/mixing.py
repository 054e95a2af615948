"""Reductions, softmax and norms: operators that join the positions of a dimension."""

from __future__ import annotations

from wavestack.receptive_field.recording.graph import Edge, same
from wavestack.receptive_field.recording.operators.call import (
    Call,
    Made,
    dimension,
    dimensions,
    elementwise,
    everything,
    joined,
    reduced,
)
from wavestack.receptive_field.recording.operators.masks import (
    mask_relation,
    scores_mask,
)
from wavestack.receptive_field.relation import Linear


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


def loss(call: Call) -> list[Made]:
    """Losses: element by element, or over everything."""
    if call.out:
        return elementwise(call)
    return [Made([everything(node) for node in call.nodes()]) for _ in call.outputs]


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
    **dict.fromkeys(("native_layer_norm", "layer_norm", "_fused_rms_norm", "rms_norm"), layer_norm),
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
    "glu": glu,
    **dict.fromkeys(("mse_loss", "huber_loss", "smooth_l1_loss", "binary_cross_entropy"), loss),
}
