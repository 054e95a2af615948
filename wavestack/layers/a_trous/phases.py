"""What a dense network computes where torch has no dilated form of its own.

A dense tensor of rate r holds r interleaved signals along an axis, its phases. Phase 0 is the
strided network's tensor; here r = 3, and position i of phase c is written ci::

    dense      00 10 20 01 11 21 02 12
    phase 0    00       01       02        what the strided network holds
    phase 1       10       11       12

Phases may be one shorter than phase 0. Every function below does to each phase what the strided
network's operator does to its tensor.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Borders = Sequence[tuple[int, int]]


def phase_pad(
    x: Tensor, borders: Borders, rate: Sequence[int], mode: str = "constant", value: float = 0.0
) -> Tensor:
    """Pad every phase of the last axes.

    Args:
        x: dense tensor.
        borders: (before, behind) for each axis, in positions of a phase.
        rate: number of phases along each axis.
        mode: as in torch.nn.functional.pad.
        value: of constant padding.

    Example:
        >>> x = torch.tensor([[0, 10, 1, 11, 2, 12]])  # two phases: 0 1 2 and 10 11 12
        >>> phase_pad(x, [(1, 1)], [2], "reflect")
        tensor([[ 1, 11,  0, 10,  1, 11,  2, 12,  1, 11]])
    """
    if mode == "constant":
        scaled = [(a * r, b * r) for (a, b), r in zip(borders, rate, strict=True)]
        return F.pad(x, [side for pair in reversed(scaled) for side in pair], value=value)
    for axis, ((before, behind), r) in enumerate(zip(borders, rate, strict=True)):
        if before or behind:
            dim = x.ndim - len(rate) + axis
            length = x.shape[dim]
            q = torch.arange(-before * r, length + behind * r, device=x.device)
            phase, i = q.remainder(r), q.div(r, rounding_mode="floor")
            last = (length - 1 - phase).div(r, rounding_mode="floor").clamp(min=0)
            if mode == "reflect":
                i = torch.where(i > last, 2 * last - i, i.abs())
            elif mode == "circular":
                i = i.remainder(last + 1)
            # Phases too short to be reflected, never phase 0, repeat their border.
            i = torch.minimum(i.clamp(min=0), last)
            x = x.index_select(dim, (i * r + phase).clamp(max=length - 1))
    return x


def phase_adaptive_pool(
    x: Tensor, output_size: Sequence[int | None], rate: Sequence[int], kind: str
) -> Tensor:
    """Pool every phase to a fixed size: (..., H, W) -> (..., h * rate, w * rate).

    Args:
        x: dense tensor.
        output_size: of each phase, along each axis; None keeps its size.
        rate: number of phases along each axis.
        kind: "avg" or "max".

    Example:
        >>> x = torch.tensor([[[0.0, 10.0, 1.0, 11.0, 2.0]]])
        >>> phase_adaptive_pool(x, [1], [2], "avg")
        tensor([[[ 1.0000, 10.5000]]])
    """
    for axis, (size, r) in enumerate(zip(output_size, rate, strict=True)):
        if size is None:
            continue
        dim = x.ndim - len(rate) + axis
        pooled = [_adaptive(phase, size, dim, kind) for phase in _phases(x, dim, r)]
        x = torch.stack(pooled, dim=dim + 1).flatten(dim, dim + 1)
    return x


def phase_reduce(x: Tensor, dims: Sequence[int], rate: Sequence[int], kind: str) -> Tensor:
    """Mean, maximum or minimum of every phase: the axes ``dims`` get the lengths ``rate``."""
    for dim, r in zip(dims, rate, strict=True):
        phases = _phases(x, dim, r)
        reduced = [getattr(phase, kind)(dim=dim, keepdim=True) for phase in phases]
        x = torch.cat(reduced, dim=dim)
    return x


def phase_group_norm(
    x: Tensor,
    num_groups: int,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    rate: Sequence[int],
) -> Tensor:
    """Group normalization of every phase by its own mean and variance."""
    y = torch.empty_like(x)
    lead = (slice(None),) * (x.ndim - len(rate))
    for starts in itertools.product(*(range(r) for r in rate)):
        at = (*lead, *(slice(c, None, r) for c, r in zip(starts, rate, strict=True)))
        if x[at].numel():
            y[at] = F.group_norm(x[at], num_groups, weight, bias, eps)
    return y


def fold_windows(x: Tensor, sizes: Sequence[int], rate: Sequence[int]) -> Tensor:
    """Flatten a window of every phase into channels: what a linear layer reads.

    On an image of the size that the network was made for, phase 0 has one window, the whole
    tensor. A larger image has more of them: the network slides over it.

    Args:
        x: dense tensor.
        sizes: of the window along each axis, in positions of a phase.
        rate: number of phases along each axis.

    Shape:
        x: (B, C, H, W) -> (B, C * h * w, H - (h - 1) * rate, W - (w - 1) * rate)

    Example:
        >>> fold_windows(torch.tensor([[[0, 10, 1, 11]]]), [2], [2])
        tensor([[[ 0, 10],
                 [ 1, 11]]])
    """
    count = len(sizes)
    for axis, (size, r) in enumerate(zip(sizes, rate, strict=True)):
        dim = x.ndim - count + axis
        length = x.shape[dim] - (size - 1) * r
        taps = [x.narrow(dim, j * r, length) for j in range(size)]
        x = torch.stack(taps, dim=2 + axis)
    return x.flatten(1, 1 + count)


def meet(*tensors: Tensor, dims: Sequence[int], rate: Sequence[int]) -> tuple[Tensor, ...]:
    """Bring the branches of one sum or concatenation to one size.

    Branches that the strided network has at one length may differ in what follows the last
    position of phase 0; they keep what all have. A branch of one position per phase (pooled over
    the image) is spread over the others.

    Args:
        tensors: the branches.
        dims: their axes, counted from the end.
        rate: number of phases along each axis.
    """
    branches = list(tensors)
    for dim, r in zip(dims, rate, strict=True):
        lengths = [x.shape[dim] for x in branches]
        if len(set(lengths)) > 1:
            counts = [-(-length // r) for length in lengths]
            most = max(counts)
            common = min(n for n, count in zip(lengths, counts, strict=True) if count == most)
            for i, count in enumerate(counts):
                if count == 1 and most > 1:
                    branches[i] = spread(branches[i], [common], [dim], [r])
                elif count == most:
                    branches[i] = branches[i].narrow(dim, 0, common)
    return tuple(branches)


def spread(x: Tensor, sizes: Sequence[int], dims: Sequence[int], rate: Sequence[int]) -> Tensor:
    """Repeat the one position of every phase over the whole axis.

    Example:
        >>> spread(torch.tensor([7, 8, 9]), [7], [-1], [3])
        tensor([7, 8, 9, 7, 8, 9, 7])
    """
    for size, dim, r in zip(sizes, dims, rate, strict=True):
        index = torch.arange(size, device=x.device).remainder(r)
        x = x.index_select(dim, index.clamp(max=x.shape[dim] - 1))
    return x


def as_it_is(x: Tensor) -> Tensor:
    """A vector per phase is an image of one position per phase: only its name changes."""
    return x


def _phases(x: Tensor, dim: int, rate: int) -> list[Tensor]:
    """The phases along one axis; those beyond a short end repeat the last position."""
    last = x.shape[dim] - 1
    lead = (slice(None),) * (dim % x.ndim)
    return [x[(*lead, slice(min(c, last), None, rate))] for c in range(rate)]


def _adaptive(x: Tensor, size: int, dim: int, kind: str) -> Tensor:
    """Adaptive pooling along one axis: output i reads from floor(i n / size) on, as in torch."""
    n = x.shape[dim]
    pieces = []
    for i in range(size):
        first, end = i * n // size, -(-(i + 1) * n // size)
        window = x.narrow(dim, first, end - first)
        pieces.append(window.mean(dim) if kind == "avg" else window.amax(dim))
    return torch.stack(pieces, dim=dim)
