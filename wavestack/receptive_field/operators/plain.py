"""Element-wise operators, and those that look up or hide nothing else than their own position."""

from __future__ import annotations

import torch
from torch import Tensor

from wavestack.receptive_field.operators.call import Call, Made, elementwise
from wavestack.receptive_field.operators.masks import (
    HIDES,
    hidden_matrix,
    merge_hidden,
    scores_mask,
)

# Element-wise operators that torch does not tag as such.
_MORE = [
    "clone",
    "contiguous",
    "detach",
    "alias",
    "lift",
    "lift_fresh",
    "lift_fresh_copy",
    "_to_copy",
    "to",
    "_conj",
    "_neg_view",
    "conj",
    "resolve_conj",
    "resolve_neg",
    "real",
    "imag",
    "copy",
    "native_dropout",
    "dropout",
    "bernoulli",
    "rrelu",
    "rrelu_with_noise",
    "prelu",
    "_prelu_kernel",
    "_fake_quantize_learnable",
    "fake_quantize_per_tensor_affine",
    "angle",
    "abs",
    "nan_to_num",
    "where",
    "masked_fill",
    "masked_fill_scalar",
    "tril",
    "triu",
    "type_as",
    "native_alpha_dropout",
    "feature_dropout",
    "glu_jvp",
    "normal",
    "poisson",
    "frac",
    "isclose",
    "isfinite",
    "isinf",
    "complex",
    "polar",
    "lerp",
    "floor_divide",
    "div",
    "mul",
    "add",
    "sub",
    "_foreach_add",
    "special_erf",
    "heaviside",
    "bucketize",
    "searchsorted_scalar",
    "fill",
    "square",
    "positive",
    "rsub",
    "_assert_tensor_metadata",
    "quantize_per_tensor",
    "dequantize",
    "logical_not",
    "nextafter",
    "alpha_dropout",
    "feature_alpha_dropout",
    "view_dtype",
    "celu",
    "selu",
    "hardtanh",
    "relu6",
    "mish",
    "silu",
    "gelu",
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


def _matrix(call: Call, mask: Tensor) -> object:
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
