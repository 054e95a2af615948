"""Nets that nobody thought of: random chains of operators, and odd things that users write."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.receptive_field import probes
from wavestack.receptive_field import analyze


class Step(nn.Module):
    """One function of a chain, with the modules it needs."""

    def __init__(self, name: str, function: Callable[..., Tensor], *modules: nn.Module) -> None:
        super().__init__()
        self.name = name
        self.function = function
        self.parts = nn.ModuleList(modules)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, *self.parts)


def run_module(x: Tensor, module: nn.Module) -> Tensor:
    return module(x)


def convolution(r: random.Random) -> Step:
    k, s, d, p = (
        r.choice((1, 2, 3, 4, 5)),
        r.choice((1, 1, 2, 3)),
        r.choice((1, 2, 3)),
        r.choice((0, 1, 2)),
    )
    mode = r.choice(("zeros", "zeros", "reflect", "replicate", "circular"))
    layer = nn.Conv1d(2, 2, k, s, p, d, padding_mode=mode)
    return Step(f"conv k{k} s{s} d{d} p{p} {mode}", run_module, layer)


def transposed(r: random.Random) -> Step:
    k, s, d = r.choice((1, 2, 3, 4)), r.choice((1, 2, 3)), r.choice((1, 2))
    extra = r.choice(range(max(s, d)))
    layer = nn.ConvTranspose1d(2, 2, k, s, output_padding=extra, dilation=d)
    return Step(f"transposed k{k} s{s} d{d} +{extra}", run_module, layer)


def pooling(r: random.Random) -> Step:
    k, s, ceil = r.choice((2, 3)), r.choice((1, 2, 3)), r.random() < 0.5
    return Step(f"pool k{k} s{s} {ceil}", lambda x: F.avg_pool1d(x, k, s, ceil_mode=ceil))


def slicing(r: random.Random) -> Step:
    part = slice(r.choice((0, 1, 2)), r.choice((None, -1, -2)), r.choice((1, 1, 2)))
    return Step(f"{part}", lambda x: x[..., part])


def padding(r: random.Random) -> Step:
    mode = r.choice(("constant", "reflect", "replicate", "circular"))
    sides = (r.choice((0, 1, 3)), r.choice((0, 1, 2)))
    return Step(f"pad {sides} {mode}", lambda x: F.pad(x, sides, mode=mode))


def resizing(r: random.Random) -> Step:
    mode, scale = r.choice(("nearest", "nearest-exact")), r.choice((2, 3, 0.5, 1.5))
    return Step(f"{mode} {scale}", lambda x: F.interpolate(x, scale_factor=scale, mode=mode))


def to_channels(r: random.Random) -> Step:
    def function(x: Tensor, mix: nn.Module) -> Tensor:
        x = x[..., : x.shape[-1] // 2 * 2]
        return mix(x.reshape(x.shape[0], 2, -1, 2).permute(0, 1, 3, 2).flatten(1, 2))

    return Step("time to channels", function, nn.Conv1d(4, 2, 1))


def to_time(r: random.Random) -> Step:
    def function(x: Tensor, mix: nn.Module) -> Tensor:
        return mix(x).view(x.shape[0], 2, 2, -1).permute(0, 1, 3, 2).flatten(2)

    return Step("channels to time", function, nn.Conv1d(2, 4, 1))


def residual(r: random.Random) -> Step:
    d = r.choice((1, 2, 4))
    layer = nn.Conv1d(2, 2, 3, padding=d, dilation=d)
    return Step(f"residual d{d}", lambda x, part: x + part(x), layer)


def framing(r: random.Random) -> Step:
    k, s = r.choice((2, 3, 4)), r.choice((1, 2))
    return Step(f"unfold {k} {s}", lambda x, mix: mix(x.unfold(-1, k, s))[..., 0], nn.Linear(k, 1))


def around(r: random.Random) -> Step:
    by = r.choice((-2, 1, 3))
    return Step(f"roll {by}", lambda x: torch.roll(x, by, -1) + x)


def down_and_up(r: random.Random) -> Step:
    n = r.choice((2, 3))

    def function(x: Tensor, down: nn.Module, up: nn.Module) -> Tensor:
        y = up(down(x))
        return y + x[..., : y.shape[-1]]

    return Step(f"down and up {n}", function, nn.Conv1d(2, 2, n, n), nn.ConvTranspose1d(2, 2, n, n))


def flipping(r: random.Random) -> Step:
    return Step("flip", lambda x: x.flip(-1))


STEPS = (
    *(convolution, convolution, transposed, pooling, slicing, padding, resizing, to_channels),
    *(to_time, residual, framing, around, down_and_up, flipping),
)


def chain(seed: int, x: Tensor) -> nn.Sequential:
    """A random chain that runs on x."""
    r = random.Random(seed)
    while True:
        model = nn.Sequential(*(r.choice(STEPS)(r) for _ in range(r.randint(2, 5)))).double()
        try:
            model(x)
        except RuntimeError:  # a kernel or a reflection longer than what is left
            continue
        return model


@pytest.mark.parametrize("seed", range(60))
def test_random_chains_agree_with_nan_probes(seed: int) -> None:
    x = torch.randn(1, 2, 48 + seed % 5, dtype=torch.float64)
    model = chain(seed, x)
    report = analyze(model, x)
    axis = report.axes["T"]
    truth = probes.nan_matrix(model, x, 2, 2)
    names = [step.name for step in model]
    for output, row in enumerate(truth):
        expected = np.flatnonzero(row).tolist()
        assert report.depends_on(output)["T"].tolist() == expected, (names, output)
        if axis.period is None:
            continue
        phase = axis.phases[output % axis.period]
        unclipped = report.depends_on(output, clipped=False)["T"]
        assert len(unclipped) == phase.used, (names, output)
        if phase.start is not None:
            start = phase.start + output // axis.period * axis.period * axis.jump
            assert unclipped[0] == start, (names, output)
            assert unclipped[-1] - unclipped[0] + 1 == phase.size, (names, output)


def by_hand(x: Tensor, weight: nn.Linear) -> Tensor:
    """A dilated convolution as unfold and matrix product."""
    columns = F.unfold(x, 3, dilation=2, padding=2).transpose(1, 2)
    return weight(columns).transpose(1, 2).view(x.shape[0], -1, *x.shape[2:])


def haar(x: Tensor, mix: nn.Module) -> Tensor:
    """A wavelet split, a convolution of the halves, and their interleaving."""
    even, odd = x[..., ::2], x[..., 1::2]
    low, high = mix(torch.cat([even + odd, even - odd], 1)).chunk(2, 1)
    return torch.stack([low + high, low - high], -1).flatten(-2)


def dual_path(x: Tensor, inner: nn.Module, outer: nn.Module) -> Tensor:
    """Chunks of time as a plane: along the chunk, then across the chunks."""
    y = x.view(x.shape[0], 2, 6, 8)
    return outer(F.pad(inner(y), (0, 0, 1, 1))).reshape(x.shape)


def overlap_add(x: Tensor, mix: nn.Module) -> Tensor:
    """Frames of eight every four, mixed and added up again."""
    frames = mix(x[:, 0].unfold(-1, 8, 4)).transpose(1, 2)
    return F.fold(frames, (1, x.shape[-1]), (1, 8), stride=(1, 4))[:, :, 0]


def both_ways(x: Tensor, layer: nn.Conv1d) -> Tensor:
    """A causal layer forwards and backwards."""
    forwards = layer(F.pad(x, (4, 0)))
    return forwards + layer(F.pad(x.flip(-1), (4, 0))).flip(-1)


def written_into(x: Tensor, layer: nn.Module) -> Tensor:
    """Results written into a part of zeros."""
    y = torch.zeros_like(x)
    y[..., 2:] = layer(x)
    return y + x


def strided_view(x: Tensor, mix: nn.Module) -> Tensor:
    """Frames by as_strided."""
    return mix(x[:, 0].contiguous().as_strided((1, 12, 6), (40, 3, 1))).transpose(1, 2)


def coupling(x: Tensor, net: nn.Module) -> Tensor:
    """An affine coupling of a flow."""
    a, b = x.chunk(2, 1)
    scale, shift = net(a).split(1, 1)
    return torch.cat([a, b * torch.exp(scale) + shift], 1)


def recurrent_by_hand(x: Tensor, cell: nn.Module) -> Tensor:
    """A recurrent cell in a Python loop."""
    state = torch.zeros(x.shape[0], 2, dtype=x.dtype)
    states = []
    for t in range(x.shape[-1]):
        state = torch.tanh(cell(torch.cat([x[..., t], state], 1)))
        states.append(state)
    return torch.stack(states, -1)


LINES: dict[str, tuple[Step, tuple[int, ...]]] = {
    "haar": (Step("", haar, nn.Conv1d(4, 4, 3, padding=1)), (1, 2, 40)),
    "dual path": (
        Step("", dual_path, nn.Conv2d(2, 2, (1, 3), padding="same"), nn.Conv2d(2, 2, (3, 1))),
        (1, 2, 48),
    ),
    "overlap add": (Step("", overlap_add, nn.Linear(8, 8)), (1, 1, 64)),
    "both ways": (Step("", both_ways, nn.Conv1d(2, 2, 3, dilation=2)), (1, 2, 30)),
    "written into": (Step("", written_into, nn.Conv1d(2, 2, 3)), (1, 2, 30)),
    "strided view": (Step("", strided_view, nn.Linear(6, 3)), (1, 1, 40)),
    "coupling": (Step("", coupling, nn.Conv1d(1, 2, 5, padding=4, dilation=2)), (1, 2, 40)),
    "recurrent by hand": (Step("", recurrent_by_hand, nn.Linear(4, 2)), (1, 2, 12)),
}


@pytest.mark.parametrize("name", LINES)
def test_odd_signal_models_agree_with_nan_probes(name: str) -> None:
    model, shape = LINES[name]
    model = model.double()
    x = torch.randn(shape, dtype=torch.float64)
    report = analyze(model, x)
    assert not report.unknown
    for output, row in enumerate(probes.nan_matrix(model, x, 2, 2)):
        assert report.depends_on(output)["T"].tolist() == np.flatnonzero(row).tolist(), output


def test_convolution_by_unfold_and_matrix_product_is_local() -> None:
    model = Step("", by_hand, nn.Linear(18, 3)).double()
    report = analyze(model, torch.randn(1, 2, 14, 12, dtype=torch.float64))
    assert report.global_ops == []
    for name in ("H", "W"):
        axis = report.axes[name]
        assert (axis.size, axis.used, axis.jump, axis.start) == (5, 3, 1, -2)
    assert (report.area.used, report.area.box) == (9, 25)
