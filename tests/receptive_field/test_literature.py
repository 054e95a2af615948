"""Numbers that the literature states, and what other calculators get wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.receptive_field import slim
from wavestack.receptive_field import analyze


@pytest.mark.parametrize(
    ("build", "size", "padding"),
    [
        (slim.alexnet_v2, 195, (64, 64)),
        (slim.vgg_16, 212, (90, 90)),
        (slim.mobilenet_v1, 315, (126, 157)),
        (lambda: slim.resnet_v1(3, 4, 6, 3), 483, (239, 241)),
        (lambda: slim.resnet_v1(3, 4, 23, 3), 1027, (511, 513)),
        (lambda: slim.resnet_v1(3, 8, 36, 3), 1507, (751, 753)),
        (lambda: slim.resnet_v1(3, 24, 36, 3), 1763, (879, 881)),
        (slim.inception_v2, 699, (318, 349)),
        (slim.inception_v3, 1311, (618, 618)),
        (slim.inception_v4, 2071, (998, 998)),
        (slim.inception_resnet_v2, 3039, (1482, 1482)),
        (lambda: slim.inception_resnet_v2(align_feature_maps=True), 3039, (1488, 1519)),
    ],
    ids=[
        "alexnet_v2",
        "vgg_16",
        "mobilenet_v1",
        "resnet_v1_50",
        "resnet_v1_101",
        "resnet_v1_152",
        "resnet_v1_200",
        "inception_v2",
        "inception_v3",
        "inception_v4",
        "inception_resnet_v2",
        "inception_resnet_v2-same",
    ],
)
def test_table_of_araujo_et_al(
    build: Callable[[], nn.Module], size: int, padding: tuple[int, int]
) -> None:
    """Computing receptive fields of convolutional neural networks, Distill (2019), the table.

    Padding at 224 and at 321 pixels, as the table of the authors' library has it: where a strided
    layer is SAME it depends on the size of the input. Inception v3, v4 and Inception-ResNet v2 are
    VALID there, in their stem and where they stride, so that theirs does not.
    """
    for pixels, start in zip((224, 321), padding, strict=True):
        report = analyze(build(), torch.zeros(1, 1, pixels, pixels))
        for axis in report.axes.values():
            assert (axis.size, axis.jump, axis.start, axis.period) == (size, 32, -start, 1)


class WaveNet(nn.Module):
    """A plain WaveNet of kernel 2."""

    def __init__(self, cycle: int, repeats: int, width: int = 2) -> None:
        super().__init__()
        dilations = [2**k for _ in range(repeats) for k in range(cycle)]
        self.gates = nn.ModuleList(nn.Conv1d(width, 2 * width, 2, dilation=d) for d in dilations)
        self.mixes = nn.ModuleList(nn.Conv1d(width, width, 1) for _ in dilations)

    def forward(self, x: Tensor) -> Tensor:
        skips = torch.zeros_like(x)
        for gate, mix in zip(self.gates, self.mixes, strict=True):
            a, b = gate(F.pad(x, (gate.dilation[0], 0))).chunk(2, 1)
            h = mix(torch.tanh(a) * torch.sigmoid(b))
            skips, x = skips + h, x + h
        return skips


def test_wavenet_sees_1024_samples() -> None:
    axis = analyze(WaveNet(10, 1), torch.zeros(1, 2, 2000)).axes["T"]
    assert (axis.size, axis.start, axis.lookahead, axis.coverage) == (1024, -1023, 0, 1.0)
    report = analyze(WaveNet(10, 3), torch.zeros(1, 2, 2000))
    assert report.axes["T"].size == 3070
    assert report.is_causal
    assert report.latency == 0


def test_temporal_convolutional_network() -> None:
    """Bai et al. (2018): blocks of two convolutions see 1 + 2 (k - 1) sum(d)."""
    layers = []
    for dilation in (1, 2, 4, 8):
        for _ in range(2):
            layers += [
                nn.ConstantPad1d((2 * dilation, 0), 0.0),
                nn.Conv1d(1, 1, 3, dilation=dilation),
            ]
    assert analyze(nn.Sequential(*layers), torch.zeros(1, 1, 99)).axes["T"].size == 1 + 2 * 2 * 15


def test_context_module_of_yu_and_koltun() -> None:
    fields = []
    layers: list[nn.Module] = []
    for dilation, kernel in zip((1, 1, 2, 4, 8, 16, 1, 1), (3,) * 7 + (1,), strict=True):
        layers.append(nn.Conv2d(1, 1, kernel, padding=dilation * (kernel // 2), dilation=dilation))
        fields.append(analyze(nn.Sequential(*layers), torch.zeros(1, 1, 64, 64)).axes["H"].size)
    assert fields == [3, 5, 9, 17, 33, 65, 67, 67]


def test_front_end_of_dilation8() -> None:
    """VGG-16 without pool4 and pool5, conv5 dilated by 2, fc6 by 4: 380 pixels, jump 8."""
    layers: list[nn.Module] = []
    for number, dilation, pool in ((2, 1, 1), (2, 1, 1), (3, 1, 1), (3, 1, 0), (3, 2, 0)):
        layers += [nn.Conv2d(1, 1, 3, padding=dilation, dilation=dilation) for _ in range(number)]
        layers += [nn.MaxPool2d(2)] * pool
    layers.append(nn.Conv2d(1, 1, 7, padding=12, dilation=4))
    axis = analyze(nn.Sequential(*layers), torch.zeros(1, 1, 128, 128)).axes["W"]
    assert (axis.size, axis.jump) == (380, 8)


def test_neural_amp_modeler_a2() -> None:
    """Kernel 6 with dilations 1 to 239 three times, kernel 15 with 1 and 13, head kernel 16."""
    cycle = [(6, d) for d in (1, 3, 7, 17, 41, 101, 239)]
    layers = [*cycle, *cycle, (15, 1), (15, 13), *cycle, (16, 1)]
    model = nn.Sequential(*(nn.Conv1d(1, 1, k, dilation=d) for k, d in layers))
    assert analyze(model, torch.zeros(1, 1, 8000)).axes["T"].size == 6347


def test_aspp_uses_25_of_1369_pixels() -> None:
    class ASPP(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.branches = nn.ModuleList(
                [nn.Conv2d(1, 1, 1)]
                + [nn.Conv2d(1, 1, 3, padding=r, dilation=r) for r in (6, 12, 18)]
            )
            self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(1, 1, 1))

        def forward(self, x: Tensor) -> Tensor:
            pooled = F.interpolate(
                self.pool(x), size=x.shape[-2:], mode="bilinear", align_corners=False
            )
            return torch.cat([*(branch(x) for branch in self.branches), pooled], 1)

    report = analyze(ASPP(), torch.zeros(1, 1, 60, 60))
    axis = report.axes["H"]
    assert math.isinf(axis.size)
    assert (axis.local_size, axis.used) == (37, 7)
    assert (report.area.used, report.area.box) == (25, 1369)
    assert ("pool.0", "mean", "H", "both") in report.global_ops


def test_u_net_of_ronneberger_has_period_8_after_three_poolings() -> None:
    def double(i: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(i, 1, 3, padding=1), nn.ReLU(), nn.Conv2d(1, 1, 3, padding=1)
        )

    class UNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down = nn.ModuleList(double(1) for _ in range(4))
            self.rise = nn.ModuleList(nn.ConvTranspose2d(1, 1, 2, 2) for _ in range(3))
            self.join = nn.ModuleList(double(2) for _ in range(3))

        def forward(self, x: Tensor) -> Tensor:
            kept = []
            for k, step in enumerate(self.down):
                x = step(x)
                if k < 3:
                    kept.append(x)
                    x = F.max_pool2d(x, 2)
            for rise, join in zip(self.rise, self.join, strict=True):
                x = join(torch.cat([rise(x), kept.pop()], 1))
            return x

    axis = analyze(UNet(), torch.zeros(1, 1, 64, 64)).axes["H"]
    assert (axis.period, axis.jump) == (8, Fraction(1))
    # Up-convolutions with kernel 2 add nothing: outputs differ only by where their block lies.
    assert len({phase.start for phase in axis.phases}) > 1
