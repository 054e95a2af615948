"""Rows of unequal length in one batch: what is signal and what is padding."""

from __future__ import annotations

import torch
from torch import Tensor


def valid_samples(x: Tensor, lengths: Tensor) -> Tensor:
    """Which samples of each row are signal; those behind its length are padding.

    Args:
        x: the padded batch, time last.
        lengths: samples of each row, 1 to T.

    Shape:
        x: (B, ..., T), lengths: (B,) integers -> (B, 1, T) booleans

    Raises:
        ValueError: when lengths has another shape or type, or a row is empty or longer than x.

    Example:
        >>> valid_samples(torch.zeros(2, 5, 3), torch.tensor([1, 3])).tolist()
        [[[True, False, False]], [[True, True, True]]]
    """
    rows, samples = x.shape[0], x.shape[-1]
    if not isinstance(lengths, Tensor):
        raise ValueError(f"lengths must be a tensor of integers, got a {type(lengths).__name__}")
    if lengths.shape != (rows,):
        raise ValueError(f"lengths must have shape ({rows},), got {tuple(lengths.shape)}")
    if lengths.is_floating_point() or lengths.is_complex() or lengths.dtype == torch.bool:
        raise ValueError(f"lengths must be integers, got {lengths.dtype}")
    # A compiled graph cannot look at values; there the caller vouches for them.
    if rows and not torch.compiler.is_compiling():
        least, most = (int(bound) for bound in lengths.aminmax())
        if least < 1 or most > samples:
            row = int((lengths < 1).nonzero()[0] if least < 1 else (lengths > samples).nonzero()[0])
            raise ValueError(
                f"lengths must be 1 to {samples} for this batch, got {int(lengths[row])} in row "
                f"{row}"
            )
    time = torch.arange(samples, device=x.device)
    return (time < lengths.to(x.device)[:, None])[:, None]


def align_ends(x: Tensor, lengths: Tensor) -> Tensor:
    """Every row moved to the right, its last sample to the last place; padding stands before it.

    Example:
        >>> align_ends(torch.tensor([[1, 2, 0, 0], [1, 2, 3, 4]]), torch.tensor([2, 4]))
        tensor([[0, 0, 1, 2],
                [1, 2, 3, 4]])
    """
    samples = x.shape[-1]
    time = torch.arange(samples, device=x.device)
    index = (time + lengths.to(x.device)[:, None]) % samples
    return x.gather(-1, index.view(-1, *[1] * (x.dim() - 2), samples).expand_as(x))


def hide_padding(x: Tensor, valid: Tensor | None) -> Tensor:
    """x with zeros in place of padding, whatever stood there; x itself where all is valid.

    Filled and not multiplied: NaN times zero is NaN, forward and in gradients.
    """
    return x if valid is None else x.masked_fill(~valid, 0)
