"""Pools over dilated windows, with torch's rules for borders, ceil_mode and counts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def dilated_max_pool(
    x: Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    ceil_mode: bool,
    rate: Sequence[int],
    kept: Sequence[int],
) -> Tensor:
    """The maximum over each phase's windows.

    Args:
        x: dense tensor.
        kernel_size, stride, padding, dilation, ceil_mode: of the strided network's pool.
        rate: number of phases of x along each axis.
        kept: the stride that the dense network keeps, a divisor of stride.

    Example:
        >>> x = torch.tensor([[[3.0, 0.0, 1.0, 7.0, 2.0]]])
        >>> dilated_max_pool(x, [2], [2], [0], [1], False, [1], [1])
        tensor([[[3., 1., 7., 7.]]])
    """
    axes = list(zip(kernel_size, stride, padding, dilation, rate, kept, strict=True))
    sizes = x.shape[-len(axes) :]
    extra = [
        _rest(size, *axis, ceil_mode=ceil_mode) for size, axis in zip(sizes, axes, strict=True)
    ]
    pads = [p * r for _, _, p, _, r, _ in axes]
    spread = [d * r for _, _, _, d, r, _ in axes]
    # torch pads itself, without a copy, up to half of the kernel (without its holes).
    if any(extra) or any(2 * p > k for p, k in zip(pads, kernel_size, strict=True)):
        sides = [(p, p + e) for p, e in zip(pads, extra, strict=True)]
        x = F.pad(x, [s for pair in reversed(sides) for s in pair], value=-torch.inf)
        pads = [0] * len(pads)
    pool = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[len(axes) - 1]
    return pool(x, list(kernel_size), list(kept), pads, spread)


def dilated_avg_pool(
    x: Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
    rate: Sequence[int],
    kept: Sequence[int],
) -> Tensor:
    """The mean over each phase's windows; torch's own average pools have no dilation.

    The sum over a window is separable, and so is the number of positions that torch divides by:
    with ``count_include_pad`` those up to the padding's end, else those inside the signal.

    Args:
        x: dense tensor.
        kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override: of the
            strided network's pool.
        rate: number of phases of x along each axis.
        kept: the stride that the dense network keeps, a divisor of stride.

    Example:
        >>> x = torch.tensor([[[2.0, 4.0, 6.0]]])
        >>> dilated_avg_pool(x, [2], [2], [0], True, True, None, [1], [1])
        tensor([[[3., 5., 6.]]])
    """
    for axis, (k, s, p, r, keep) in enumerate(
        zip(kernel_size, stride, padding, rate, kept, strict=True)
    ):
        dim = x.ndim - len(rate) + axis
        size = x.shape[dim]
        rest = _rest(size, k, s, p, 1, r, keep, ceil_mode=ceil_mode)
        x = _sums(x, dim, p * r, p * r + rest, k, r, keep)
        if divisor_override is None and (count_include_pad and not rest):
            x = x / k
        elif divisor_override is None:
            inside, outside = (size + 2 * p * r, 0) if count_include_pad else (size, p * r)
            ones = x.new_ones(inside)
            counted = _sums(ones, 0, outside, outside + rest, k, r, keep)
            shape = [-1 if d == dim else 1 for d in range(x.ndim)]
            x = x / counted.clamp(min=1).view(shape)
    return x if divisor_override is None else x / divisor_override


def _rest(
    size: int,
    kernel: int,
    stride: int,
    padding: int,
    dilation: int,
    rate: int,
    kept: int,
    *,
    ceil_mode: bool,
) -> int:
    """How far the windows of a pool with ceil_mode reach beyond its padding, densely."""
    if not ceil_mode:
        return 0
    span = dilation * (kernel - 1)
    length = -(-size // rate)
    # torch: the last window starts inside the signal or its left padding.
    outputs = -(-(length + 2 * padding - span - 1) // stride) + 1
    if (outputs - 1) * stride >= length + padding:
        outputs -= 1
    dense = min(outputs * rate * stride // kept, -(-(size + padding * rate) // kept))
    return max(0, (dense - 1) * kept + span * rate + 1 - (size + 2 * padding * rate))


def _sums(
    x: Tensor, dim: int, before: int, behind: int, kernel: int, rate: int, step: int
) -> Tensor:
    """The sums of kernel positions, rate apart, along one axis that zeros continue."""
    if before or behind:
        x = F.pad(x, [0, 0] * (x.ndim - 1 - dim) + [before, behind])
    reach = x.shape[dim] - rate * (kernel - 1)
    lead = (slice(None),) * dim
    total = x[(*lead, slice(0, reach, step))]
    for j in range(1, kernel):
        total = total + x[(*lead, slice(j * rate, j * rate + reach, step))]
    return total
