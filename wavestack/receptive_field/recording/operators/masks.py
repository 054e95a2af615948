"""Attention masks that do not depend on the input: which keys may a query really see?

A score that a constant mask sets to minus infinity becomes a weight of exactly zero, fixed by the
operator itself; such pairs are no dependence. The mask is kept as one boolean matrix (True:
hidden), the intersection over batch and heads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from wavestack.receptive_field import sets
from wavestack.receptive_field.recording.graph import Dim, Node
from wavestack.receptive_field.relation import Constant, Global, Past, Table, Taps

# exp of anything below this is exactly zero in every float type.
HIDES = -1e4

# Larger masks are not looked at: they would cost more than they tell.
_LARGEST = 1 << 24


def hidden_matrix(mask: Tensor, rows: int, columns: int) -> np.ndarray | None:
    """What a mask hides from everybody: the intersection over its leading dimensions."""
    if mask.numel() > _LARGEST or mask.dim() < 1:
        return None
    hidden = mask if mask.dtype == torch.bool else mask.to(torch.float64) <= HIDES
    while hidden.dim() > 2:
        hidden = hidden.all(0)
    if hidden.dim() == 1:
        hidden = hidden[None]
    try:
        hidden = hidden.expand(rows, columns)
    except RuntimeError:
        return None
    found = hidden.detach().cpu().numpy()
    return found if found.any() else None


def scores_mask(node: Node) -> np.ndarray | None:
    """The mask that a tensor of scores has been given, if any."""
    note = node.note
    if isinstance(note, tuple) and note and note[0] == "scores":
        return note[1]
    return None


def merge_hidden(notes: list[Any]) -> np.ndarray | None:
    """Several masks one after another hide what any of them hides."""
    found = [note for note in notes if note is not None]
    if not found:
        return None
    result = found[0]
    for other in found[1:]:
        if other.shape == result.shape:
            result = result | other
    return result


def mask_relation(hidden: Any, rows: int) -> Dim | None:
    """How a summed key dimension is read from the output's row dimension under a mask."""
    if hidden is None:
        return None
    visible = ~np.asarray(hidden)
    height, width = visible.shape
    if visible.all():
        return None
    if height == width and np.array_equal(visible, np.tril(np.ones_like(visible))):
        return rows, Global(Past(), "past", rows)
    offsets = _band(visible)
    if offsets is not None:
        return rows, Taps(offsets)
    table = Table(tuple(sets.from_array(np.flatnonzero(line)) for line in visible))
    past = height == width and not np.triu(visible, 1).any()
    if not visible.any():
        return rows, Constant(range(0))
    return rows, Global(table, "past" if past else "both", rows if height == width else None)


def _band(visible: np.ndarray) -> tuple[int, ...] | None:
    """The offsets of a banded mask that is the same for every row; None if it reaches across."""
    height, width = visible.shape
    if height != width or height < 3:
        return None
    offsets = [k for k in range(1 - height, height) if np.diagonal(visible, k).any()]
    if not offsets or min(offsets) <= 1 - height or max(offsets) >= height - 1:
        return None
    if all(np.diagonal(visible, k).all() for k in offsets):
        return tuple(offsets)
    return None
