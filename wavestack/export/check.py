"""An exported file against the model it came from: the largest difference."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from wavestack.export.functions import Function

BLOCKS = (1, 7, 64, 20)  # samples: steps of a stream, of every kind of length


@torch.no_grad()
def largest_difference(run: Any, function: Function, model: Any) -> float:
    """How far an exported function is from the model's own, on random inputs of other sizes.

    A step is run over a signal in blocks of several lengths, its state handed on from one to the
    next, and compared with the model's own outputs for the whole of it.

    Args:
        run: the exported function, called with tensors by name.
        function: what was exported.
        model: the model it came from.

    Returns:
        The largest difference over all outputs, relative to their largest value where that is
        above 1.
    """
    torch.manual_seed(0)
    inputs = {
        name: _random(name, value, function.axes.get(name, {}), function, model)
        for name, value in function.inputs.items()
        if name != "state"
    }
    if function.name != "step":
        found, wanted = run(**inputs), function.module(**inputs)
    else:
        found = _streamed(run, inputs, function)
        wanted, _ = function.module(**inputs, state=_first_state(function, len(inputs["x"])))
    return float((found - wanted).abs().max() / wanted.abs().max().clamp(min=1))


def _streamed(run: Any, inputs: dict[str, Tensor], function: Function) -> Tensor:
    x, condition = inputs["x"], inputs.get("condition")
    state, outputs, start = _first_state(function, len(x)), [], 0
    for size in BLOCKS:
        block = {"x": x[..., start : start + size]}
        if condition is not None:
            wide = condition.shape[-1] > 1
            block["condition"] = condition[..., start : start + size] if wide else condition
        y, state = run(**block, state=state)
        outputs.append(y)
        start += size
    return torch.cat(outputs, dim=-1)


def _first_state(function: Function, rows: int) -> dict[str, Tensor]:
    return {
        name: tensor.new_zeros(rows, *tensor.shape[1:])
        for name, tensor in function.inputs["state"].items()
    }


def _random(
    name: str, like: Tensor, axes: dict[int, str], function: Function, model: Any
) -> Tensor:
    sizes = {"batch": 3, "time": sum(BLOCKS), "frames": 5, "height": 83, "width": 117}
    hop_length = function.hop_length or 1
    shape = [
        sizes.get(axes[k], sizes["frames"] * hop_length) if k in axes else size
        for k, size in enumerate(like.shape)
    ]
    if like.is_floating_point():
        return 0.5 * torch.randn(shape)
    if name == "labels":
        return torch.stack([torch.randint(0, n, (shape[0],)) for n in model.num_labels], dim=1)
    return torch.randint(0, model.embed.num_embeddings, shape)
