"""The effective receptive field: how much each input position really weighs in one output position.

The structural field says what *can* matter. Gradients on the user's own data say what *does*: they
fall off like a Gaussian from the centre (Luo et al., 2016), so half of a stack's context may carry
almost nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from wavestack.receptive_field.probed_input import ProbedInput

MASSES = (0.5, 0.95, 0.99)
_NO_GRADIENT = "the gradient is zero everywhere: this output does not move with the input"
_AXIS_NAMES = {2: ("T",), 3: ("T",), 4: ("H", "W"), 5: ("T", "H", "W")}


@dataclass(frozen=True)
class EffectiveField:
    """Gradient magnitude of one output position over the input positions.

    Attributes:
        axes: names of the axes of `magnitude`, such as ("T",) or ("H", "W").
        magnitude: float64 array, one entry per input position, non-negative, sums to 1.
        output_index: the output position that was probed; () when the output has no position left.
        theoretical: per axis, the extent that the structure allows (`inf` for a global operator);
            empty without a report.
        num_examples: how many examples were averaged.
    """

    axes: tuple[str, ...]
    magnitude: np.ndarray
    output_index: tuple[int, ...]
    theoretical: Mapping[str, float] = field(default_factory=dict)
    num_examples: int = 1

    def profile(self, axis: str) -> np.ndarray:
        """Mass per position of one axis, the other axes summed; sums to 1."""
        keep = self._dim(axis)
        others = tuple(dim for dim in range(self.magnitude.ndim) if dim != keep)
        return self.magnitude.sum(axis=others)

    def interval(self, axis: str, mass: float = 0.95) -> tuple[int, int]:
        """First and last position of the shortest run that holds `mass` of the whole."""
        return shortest_interval(self.profile(axis), mass)

    def width(self, axis: str, mass: float = 0.95) -> int:
        """Number of positions in `interval(axis, mass)`."""
        first, last = self.interval(axis, mass)
        return last - first + 1

    def ratio(self, axis: str, mass: float = 0.95) -> float | None:
        """`width` over the theoretical extent; None without a report.

        Where a global operator makes the extent infinite, the whole input is the extent.
        """
        if axis not in self.theoretical:
            return None
        extent = self.theoretical[axis]
        if math.isinf(extent):
            extent = self.magnitude.shape[self._dim(axis)]
        return self.width(axis, mass) / extent

    def mean(self, axis: str) -> float:
        """Centre of mass, in input positions."""
        profile = self.profile(axis)
        return float(profile @ np.arange(profile.size))

    def std(self, axis: str) -> float:
        """Standard deviation of the mass, in input positions."""
        profile = self.profile(axis)
        return float(np.sqrt(profile @ (np.arange(profile.size) - self.mean(axis)) ** 2))

    def summary(self) -> dict[str, dict[str, float | int | None]]:
        """Per axis: widths at 50, 95 and 99 % of the mass, their ratios, mean and std."""
        rows = {}
        for axis in self.axes:
            row: dict[str, float | int | None] = {}
            for mass in MASSES:
                row[f"width_{mass * 100:.0f}"] = self.width(axis, mass)
                row[f"ratio_{mass * 100:.0f}"] = self.ratio(axis, mass)
            row["mean"], row["std"] = self.mean(axis), self.std(axis)
            rows[axis] = row
        return rows

    def _dim(self, axis: str) -> int:
        if axis not in self.axes:
            raise ValueError(f"axis must be one of {', '.join(self.axes)}; got {axis!r}")
        return self.axes.index(axis)


def effective_receptive_field(
    model: nn.Module,
    inputs: Any,
    *,
    layer: str | None = None,
    output_index: int | Sequence[int] | None = None,
    report: Any = None,
    axes: Sequence[str] | None = None,
    num_probes: int = 8,
    seed: int = 0,
) -> EffectiveField:
    """Average the gradient magnitude of one output position over the user's data.

    For input position i the magnitude is the norm of the Jacobian block between all channels of i
    and all channels of the output position, estimated with random signs on the output channels and
    averaged over the examples. The module runs in eval mode, so that dropout and batch statistics
    stay out; its mode is put back afterwards.

    Args:
        model: any module; its first tensor argument is the input that is probed.
        inputs: one call's input (tensor, tuple or dict), or a list of them.
        layer: probe the output of this submodule (its last call) instead of the model's.
        output_index: output position, one number per axis. Default: the middle; the last position
            when `report` says that the model is causal.
        report: the model's `Report`, for the theoretical extents.
        axes: name of every dimension of the input, "B" for the batch and "C" for channels, when
            the layout is not (B, C, ...) or (B, T).
        num_probes: random sign vectors per example batch; one is enough for one output channel.
        seed: of the sign vectors.

    Raises:
        ValueError: when the output is not a floating tensor, an index lies outside, the gradient is
            not finite or is zero everywhere, or an integer input reaches no embedding.

    References:
        Luo, Li, Urtasun, Zemel (2016), Understanding the Effective Receptive Field in Deep
        Convolutional Neural Networks.
    """
    if num_probes < 1:
        raise ValueError(f"num_probes must be >= 1, got {num_probes}")
    generator = torch.Generator().manual_seed(seed)
    total: Tensor | None = None
    count = 0
    for example in inputs if isinstance(inputs, list) else [inputs]:
        with _eval_mode(model), ProbedInput(example) as probe:
            output = _run(model, probe.call_args, layer)
            dims = _position_dims(probe.shape, axes)
            index = _output_position(output, dims, output_index, axes, report)
            magnitude = _jacobian_norm(output, index, probe, num_probes, generator)
        other = tuple(d for d in range(magnitude.ndim) if d not in dims and d != 0)
        rows = magnitude.square().sum(dim=other).sqrt() if other else magnitude
        per_batch = rows.sum(dim=0)
        if total is not None and total.shape != per_batch.shape:
            raise ValueError(
                f"all inputs must have the same size: got {tuple(total.shape)} "
                f"and {tuple(per_batch.shape)}"
            )
        total = per_batch if total is None else total + per_batch
        count += magnitude.shape[0]
    if total is None:
        raise ValueError("inputs is empty")
    mass = total.double().numpy()
    if not np.isfinite(mass).all():
        raise ValueError("the gradient is not finite: run the model in float64 or smaller inputs")
    if mass.sum() == 0:
        raise ValueError(
            "the gradient is zero everywhere: this output does not move with the input"
        )
    names = tuple(axes[d] for d in dims) if axes else _AXIS_NAMES[len(probe.shape)]
    theoretical = {}
    if report is not None:
        stated = {n: report.axes[n].size for n in names if n in report.axes}
        theoretical = {n: float(size) for n, size in stated.items() if size is not None}
    position = tuple(index[d] for d in sorted(index))
    return EffectiveField(names, mass / mass.sum(), position, theoretical, count)


def shortest_interval(profile: np.ndarray, mass: float) -> tuple[int, int]:
    """First and last index of the shortest run of entries that sums to `mass` of the total.

    Args:
        profile: non-negative weights, (N,).
        mass: share of the total, in (0, 1].
    """
    if not 0 < mass <= 1:
        raise ValueError(f"mass must be in (0, 1], got {mass}")
    cumulative = np.concatenate([[0.0], np.cumsum(profile, dtype=np.float64)])
    wanted = mass * cumulative[-1] * (1 - 1e-12)  # a full sum may miss its total by rounding
    # For each first index, the earliest end at which the run holds enough.
    ends = np.searchsorted(cumulative, cumulative[:-1] + wanted, side="left")
    lengths = np.where(ends <= profile.size, ends - np.arange(profile.size), profile.size + 1)
    first = int(np.argmin(lengths))
    return first, int(ends[first]) - 1


def _jacobian_norm(
    output: Tensor,
    index: dict[int, int],
    probe: ProbedInput,
    num_probes: int,
    generator: torch.Generator,
) -> Tensor:
    """Root mean square over the probes of d(signs · output[index]) / d(input) per element."""
    picked = output[tuple(index.get(dim, slice(None)) for dim in range(output.ndim))]
    if not picked.requires_grad:
        raise ValueError(
            "the gradient is zero everywhere: this output does not move with the input"
        )
    total = torch.zeros(probe.shape, dtype=torch.float64)
    # One channel has nothing to mix: its sign cannot change the magnitude.
    probes = num_probes if picked[0].numel() > 1 else 1
    for _ in range(probes):
        signs = torch.randint(0, 2, picked.shape[1:], generator=generator) * 2 - 1
        scalar = (picked * signs.to(picked)).sum()
        total += probe.squared_gradients(scalar)
    return (total / probes).sqrt()


def _run(model: nn.Module, call: tuple[tuple, dict], layer: str | None) -> Tensor:
    caught: list[Any] = []
    handle = None
    if layer is not None:
        modules = dict(model.named_modules())
        if layer not in modules:
            raise ValueError(f"layer must name a module of the model, got {layer!r}")
        handle = modules[layer].register_forward_hook(lambda _m, _a, out: caught.append(out))
    try:
        with torch.enable_grad():
            output = model(*call[0], **call[1])
    finally:
        if handle is not None:
            handle.remove()
    if layer is not None:
        if not caught:
            raise ValueError(f"layer {layer!r} is never called by the model")
        output = caught[-1]
    if not isinstance(output, Tensor) or not output.is_floating_point():
        raise ValueError(
            f"the output must be a floating tensor, got {type(output).__name__}: name a layer="
        )
    return output


def _position_dims(shape: tuple[int, ...], axes: Sequence[str] | None) -> tuple[int, ...]:
    if axes is None:
        return tuple(range(len(shape) - len(_AXIS_NAMES[len(shape)]), len(shape)))
    if len(axes) != len(shape):
        raise ValueError(f"axes must name all {len(shape)} dimensions of the input, got {axes}")
    return tuple(dim for dim, name in enumerate(axes) if name not in ("B", "C"))


def _output_position(
    output: Tensor,
    input_dims: tuple[int, ...],
    wanted: int | Sequence[int] | None,
    axes: Sequence[str] | None,
    report: Any,
) -> dict[int, int]:
    """Which index of which output dimension is probed; {} when no position is left."""
    count = len(input_dims)
    if output.ndim < count + 1 or (output.ndim == 2 and wanted is None):
        return {}  # (B, K) logits
    keeps_layout = axes is not None and len(axes) == output.ndim
    dims = input_dims if keeps_layout else tuple(range(output.ndim - count, output.ndim))
    sizes = [output.shape[dim] for dim in dims]
    if wanted is None:
        causal = report is not None and report.is_causal
        wanted = [size - 1 if causal else size // 2 for size in sizes]
    wanted = [wanted] if isinstance(wanted, int) else list(wanted)
    if len(wanted) != count:
        raise ValueError(f"output_index must have {count} numbers, got {wanted}")
    for position, size in zip(wanted, sizes, strict=True):
        if not -size <= position < size:
            raise ValueError(f"output_index {position} is outside the output of size {size}")
    return {d: int(p) % s for d, p, s in zip(dims, wanted, sizes, strict=True)}


@contextmanager
def _eval_mode(model: nn.Module) -> Iterator[None]:
    training: Iterable[tuple[nn.Module, bool]] = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in training:
            module.training = mode
