"""Truth without the calculator: NaNs and gradients.

Which outputs change when an input position turns into NaN, or has a gradient?

Nothing here shares a line with wavestack.receptive_field.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

Forward = Callable[[nn.Module, Tensor], Tensor]


def call(model: nn.Module, x: Tensor) -> Tensor:
    """The model's one tensor."""
    out = model(x)
    while not isinstance(out, Tensor):
        out = next(iter(out.values())) if isinstance(out, dict) else out[0]
    return out


def nan_matrix(
    model: nn.Module, x: Tensor, axis: int, out_axis: int, forward: Forward = call
) -> np.ndarray:
    """matrix[o, i]: output o turns into NaN when input position i does."""
    columns = []
    with torch.no_grad():
        for i in range(x.shape[axis]):
            poisoned = x.clone()
            poisoned.select(axis, i).fill_(float("nan"))
            out = forward(model, poisoned)
            other = [d for d in range(out.dim()) if d != out_axis % out.dim()]
            columns.append(torch.isnan(out).any(dim=tuple(other)) if other else torch.isnan(out))
    return torch.stack([c.any(-1) if c.dim() > 1 else c for c in columns], 1).numpy()


def gradient_matrix(
    model: nn.Module, x: Tensor, axis: int, out_axis: int, forward: Forward = call, draws: int = 3
) -> np.ndarray:
    """matrix[o, i]: output o has a gradient at input position i, for any of some random inputs."""
    total = None
    for draw in range(draws):
        own = (x if draw == 0 else torch.randn_like(x)).clone().requires_grad_()
        out = forward(model, own)
        rows = []
        weights = torch.randn_like(out)
        for o in range(out.shape[out_axis]):
            (grad,) = torch.autograd.grad(
                (out * weights).select(out_axis, o).sum(), own, retain_graph=True
            )
            other = [d for d in range(x.dim()) if d != axis % x.dim()]
            rows.append(
                (grad != 0).any(dim=tuple(other)) if len(other) > 1 else (grad != 0).any(other[0])
            )
        found = torch.stack(rows).numpy()
        total = found if total is None else total | found
    return total


@dataclass
class Truth:
    """What the interior outputs of a large input show."""

    size: int
    jump: Fraction
    start: int | None
    period: int
    phases: tuple[tuple[int | None, int, int], ...]
    used: int


def pattern(matrix: np.ndarray, longest: int = 64) -> Truth:
    """The repeating pattern of the interior outputs of a dependency matrix."""
    outputs, inputs = matrix.shape
    sets: list[np.ndarray] = [np.flatnonzero(row) for row in matrix]
    # An interior output is one whose neighbours, for a whole third of the axis, see neither border.
    inner = list(range(outputs // 3, outputs - outputs // 3))
    touched = [o for o in inner if len(sets[o]) and (sets[o][0] == 0 or sets[o][-1] == inputs - 1)]
    if touched:
        raise ValueError(
            f"the input is too small for a truth: outputs {touched[:3]} reach a border"
        )
    for period in range(1, min(longest, len(inner) // 2) + 1):
        shift = None
        fits = True
        for o in inner:
            if o + period not in range(inner[0], inner[-1] + 1):
                break
            a, b = sets[o], sets[o + period]
            if len(a) != len(b):
                fits = False
                break
            if len(a):
                by = int(b[0] - a[0])
                shift = by if shift is None else shift
                if shift != by or not np.array_equal(a + by, b):
                    fits = False
                    break
        if fits and shift is not None:
            origin = -(-inner[0] // period) * period
            home = origin // period * shift
            phases = []
            for o in range(origin, origin + period):
                s = sets[o]
                if len(s):
                    phases.append((int(s[0]) - home, int(s[-1] - s[0]) + 1, len(s)))
                else:
                    phases.append((None, 0, 0))
            largest = max(phases, key=lambda p: p[1])
            return Truth(
                largest[1], Fraction(shift, period), phases[0][0], period, tuple(phases), largest[2]
            )
    raise ValueError("no repeating pattern found")


def compare(axis: Any, truth: Truth) -> list[str]:
    """What differs between the calculator's axis and the truth."""
    claims = {
        "local_size": (axis.local_size, truth.size),
        "jump": (axis.jump, truth.jump),
        "start": (axis.start, truth.start),
        "period": (axis.period, truth.period),
        "phases": (tuple((p.start, p.size, p.used) for p in axis.phases), truth.phases),
        "used": (axis.used, truth.used),
    }
    return [f"{key}: {a} is not {b}" for key, (a, b) in claims.items() if a != b]
