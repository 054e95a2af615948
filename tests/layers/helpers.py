"""Streaming a signal in pieces, for every layer's tests."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def stream_in_blocks(
    module: Any,
    x: Tensor,
    sizes: list[int],
    condition: Tensor | None = None,
    end: bool = False,
) -> Tensor:
    """The concatenated outputs of blocks whose sizes repeat; condition has x's length or 1.

    With end, the last block is marked as final.
    """
    state = module.initial_state(x.shape[0])
    outputs, start, k = [], 0, 0
    while start < x.shape[-1]:
        stop = start + sizes[k % len(sizes)]
        k += 1
        extra: dict[str, Any] = {}
        if condition is not None:
            per_sample = condition.shape[-1] > 1
            extra["condition"] = condition[..., start:stop] if per_sample else condition
        if end and stop >= x.shape[-1]:
            extra["final"] = True
        y, state = module.stream(x[..., start:stop], state, **extra)
        outputs.append(y[0] if isinstance(y, tuple) else y)
        start = stop
    return torch.cat(outputs, dim=-1)


def tolerance(dtype: torch.dtype) -> float:
    """Two orders of summation of numbers near 1 differ by a few units in the last place."""
    return 1e-6 if dtype == torch.float32 else 1e-13
