"""Element-wise operators, and those that look up or hide nothing else than their own position."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from wavestack.receptive_field.recording.operators.call import Call, Made, elementwise
from wavestack.receptive_field.recording.operators.masks import (
    HIDES,
    hidden_matrix,
    merge_hidden,
    scores_mask,
)

# Element-wise operators that torch does not tag as such.
_MORE = [
    "_conj",
    "_fake_quantize_learnable",
    "_neg_view",
    "_prelu_kernel",
    "_to_copy",
    "abs",
    "add",
    "addcdiv",
    "addcmul",
    "alias",
    "alpha_dropout",
    "angle",
    "bernoulli",
    "bucketize",
    "celu",
    "clamp",
    "clamp_max",
    "clamp_min",
    "clone",
    "complex",
    "conj",
    "contiguous",
    "copy",
    "dequantize",
    "detach",
    "div",
    "dropout",
    "elu",
    "exp",
    "fake_quantize_per_tensor_affine",
    "feature_alpha_dropout",
    "feature_dropout",
    "floor_divide",
    "frac",
    "gelu",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "heaviside",
    "imag",
    "isclose",
    "isfinite",
    "isinf",
    "leaky_relu",
    "lerp",
    "lift",
    "lift_fresh",
    "lift_fresh_copy",
    "log_sigmoid",
    "log_sigmoid_forward",
    "logical_not",
    "logit",
    "masked_fill",
    "maximum",
    "minimum",
    "mish",
    "mul",
    "nan_to_num",
    "native_alpha_dropout",
    "native_dropout",
    "neg",
    "nextafter",
    "normal",
    "poisson",
    "polar",
    "positive",
    "pow",
    "prelu",
    "quantize_per_tensor",
    "real",
    "relu",
    "relu6",
    "resolve_conj",
    "resolve_neg",
    "rrelu",
    "rrelu_with_noise",
    "rsub",
    "selu",
    "sigmoid",
    "silu",
    "softplus",
    "softshrink",
    "special_erf",
    "special_logit",
    "square",
    "sub",
    "tanh",
    "tanhshrink",
    "threshold",
    "to",
    "tril",
    "triu",
    "type_as",
    "view_dtype",
    "where",
]


def _masked_fill(call: Call) -> list[Made]:
    """masked_fill: a constant mask with minus infinity hides keys from an attention."""
    made = elementwise(call)
    node = call.find(call["self"])
    mask = call.concrete(call["mask"])
    value = call.values.get("value")
    if isinstance(value, Tensor):
        known = call.concrete(value)
        value = None if known is None else float(known)
    if node is not None and mask is not None and isinstance(value, int | float) and _hides(value):
        _note(call, made, [scores_mask(node), _matrix(call, mask)])
    return made


def _add(call: Call) -> list[Made]:
    """Addition: a constant term of minus infinity hides keys from an attention."""
    made = elementwise(call)
    if len(call.out) < 2 or len(made[0].edges) != 1:
        return made
    known = [scores_mask(node) for node in call.nodes()]
    for tensor in call.tensors():
        value = call.concrete(tensor) if tensor.is_floating_point() else None
        if value is not None and value.dim() >= 2 and bool((value <= HIDES).any()):
            known.append(_matrix(call, value))
    _note(call, made, known)
    return made


def _where(call: Call) -> list[Made]:
    """where(mask, scores, -inf) hides keys as masked_fill does."""
    made = elementwise(call)
    mask, one, other = (call.values.get(key) for key in ("condition", "self", "other"))
    condition = call.concrete(mask)
    if condition is None or len(call.out) < 2:
        return made
    for scores, fill, hidden in ((one, other, ~condition.bool()), (other, one, condition.bool())):
        value = call.concrete(fill) if isinstance(fill, Tensor) else None
        node = call.find(scores)
        if node is not None and value is not None and value.numel() == 1 and _hides(float(value)):
            _note(call, made, [scores_mask(node), _matrix(call, hidden)])
    return made


def _kept(call: Call) -> list[Made]:
    """Scaling, casting and dropout leave a mask as it is."""
    made = elementwise(call)
    nodes = call.nodes()
    if len(nodes) == 1 and nodes[0].shape == call.out:
        made[0].note = nodes[0].note
    return made


def _hides(value: float) -> bool:
    return value <= HIDES


def _matrix(call: Call, mask: Tensor) -> np.ndarray | None:
    return hidden_matrix(mask, call.out[-2], call.out[-1]) if len(call.out) >= 2 else None


def _note(call: Call, made: list[Made], known: list) -> None:
    hidden = merge_hidden(known)
    if hidden is not None:
        made[0].note = ("scores", hidden)


RULES = {
    **dict.fromkeys(_MORE, elementwise),
    **dict.fromkeys(("masked_fill",), _masked_fill),
    **dict.fromkeys(("add",), _add),
    **dict.fromkeys(("where",), _where),
    **dict.fromkeys(
        (
            "mul",
            "div",
            "clone",
            "contiguous",
            "detach",
            "alias",
            "_to_copy",
            "to",
            "native_dropout",
        ),
        _kept,
    ),
}


def is_pointwise(func: torch._ops.OpOverload) -> bool:
    """Whether torch itself says that an operator works element by element."""
    return torch.Tag.pointwise in func.tags
