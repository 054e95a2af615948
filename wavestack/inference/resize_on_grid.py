"""Interpolation of a tile on the grid of the whole picture.

A network that ends with "resize to the size of the picture" takes 23 rows of features to 360 rows
of pixels: a ratio that no tile has. On a tile each interpolation therefore asks the whole picture's
positions, moved by where the tile stands; what it computes is then what the whole computes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from wavestack.receptive_field.crop import ResizeSite

# Keys' constant of torch's bicubic kernel.
_CUBIC = -0.75


class ResizeOnGrid(TorchFunctionMode):
    """While it is entered, a model's interpolations are those of the whole picture.

    Args:
        sites: the interpolations of the whole picture in order of execution, axis by axis.
        starts: where the tile begins in the picture, by axis.

    Raises:
        ValueError: when the model interpolates more often than it did on the whole.
    """

    def __init__(
        self, sites: Sequence[Mapping[str, ResizeSite]], starts: Mapping[str, int]
    ) -> None:
        super().__init__()
        self.sites = sites
        self.starts = starts
        self.done = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is not F.interpolate:
            return func(*args, **kwargs)
        x: Tensor = args[0] if args else kwargs["input"]
        with torch._C.DisableTorchFunction():
            y: Tensor = func(*args, **kwargs)
        mode = args[3] if len(args) > 3 else kwargs.get("mode", "nearest")
        if mode == "area":  # a pooling
            return y
        if self.done == len(self.sites):
            raise ValueError(
                "the model interpolates more often on a tile than on the whole picture"
            )
        site = self.sites[self.done]
        self.done += 1
        axes = list(zip(("H", "W"), (2, 3), strict=True))
        if all(
            self._is_same(site[name], name, x.shape[d], y.shape[d])
            for name, d in axes
            if name in site
        ):
            return y
        for name, d in axes:
            if name in site:
                x = self._resized(x, d, y.shape[d], site[name], self.starts[name])
        return x

    def _is_same(self, site: ResizeSite, name: str, length_in: int, length_out: int) -> bool:
        """Whether torch's own grid on the tile is that of the whole, to the last bit."""
        whole, start = site.relation, self.starts[name]
        if (length_in, length_out) == (whole.length_in, whole.length_out):
            return True
        if whole.is_aligned:
            return False
        step = Fraction(length_in, length_out) if whole.scale is None else whole.step
        if step != whole.step or start * (site.density_out * step - site.density_in) != 0:
            return False
        # Positions far from the corner are coarse in float32, unless the step is a power of two.
        return start == 0 or (step.numerator.bit_count() == step.denominator.bit_count() == 1)

    def _resized(self, x: Tensor, d: int, length: int, site: ResizeSite, start: int) -> Tensor:
        """One axis of a tile brought to ``length`` positions of the whole picture's grid."""
        first_in, first_out = int(start * site.density_in), int(start * site.density_out)
        outputs = torch.arange(first_out, first_out + length, device=x.device)
        y: Tensor | None = None
        for positions, weights in _taps(outputs, site):
            near = (positions - first_in).clamp(0, x.shape[d] - 1)
            part = x.index_select(d, near)
            if weights is not None:
                part = part * weights.to(x.dtype).view([-1] + [1] * (x.dim() - d - 1))
            y = part if y is None else y + part
        assert y is not None
        return y


def _taps(outputs: Tensor, site: ResizeSite) -> list[tuple[Tensor, Tensor | None]]:
    """The input positions of each output and their weights, in the float type that torch takes."""
    whole = site.relation
    last = whole.length_in - 1
    real = torch.float32 if whole.single else torch.float64
    place = outputs.double()
    step = torch.tensor(float(whole.step), dtype=real, device=outputs.device).double()
    if whole.mode == "nearest":
        return [((place * step).to(real).floor().long().clamp(max=last), None)]
    if whole.mode == "nearest-exact":
        return [(((place + 0.5) * step).to(real).floor().long().clamp(max=last), None)]
    # Rounded once: torch's kernels multiply and subtract in one instruction.
    source = (place * step if whole.align_corners else step * (place + 0.5) - 0.5).to(real)
    if whole.mode == "linear":
        source = source.clamp(min=0)
        low = source.floor().long().clamp(max=last)
        share = source - low
        return [(low, 1 - share), ((low + 1).clamp(max=last), share)]
    low = source.floor().long()
    share = source - low
    distances = (1 + share, share, 1 - share, 2 - share)
    return [
        ((low + k - 1).clamp(0, last), _cubic(distance)) for k, distance in enumerate(distances)
    ]


def _cubic(distance: Tensor) -> Tensor:
    """Keys' kernel at distances between 0 and 2."""
    a = _CUBIC
    near = ((a + 2) * distance - (a + 3)) * distance * distance + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return torch.where(distance <= 1, near, far)
