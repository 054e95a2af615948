"""Every operator that densify knows: the dense tensor subsampled is the strided one."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from wavestack.layers import AtrousConv2d, DepthwiseSeparableConv2d, a_trous, densify

SIZES = ((17, 20), (16, 23), (21, 19))


class Call(nn.Module):
    """A function as a module; ``conv`` gives it weights to use."""

    def __init__(self, function, conv=None):
        super().__init__()
        self.function = function
        self.conv = conv

    def forward(self, x):
        return self.function(x) if self.conv is None else self.function(x, self.conv)


def strided_stem() -> nn.Module:
    return nn.Conv2d(2, 4, 3, stride=2, padding=1)


def assert_exact(model: nn.Module, stride: int, output_stride: int, sizes=SIZES, **options) -> None:
    """In double precision, where only a wrong index can make a difference."""
    model = model.double().eval()
    dense = densify(model, output_stride, **options)
    k = stride // output_stride
    for size in sizes:
        x = torch.randn(2, 2, *size, dtype=torch.float64)
        with torch.no_grad():
            strided = model(x)
            subsampled = dense(x)[(..., *(slice(None, None, k),) * len(size))]
        torch.testing.assert_close(subsampled, strided, atol=1e-12, rtol=0)


POOLS = [
    nn.MaxPool2d(2),
    nn.MaxPool2d(3, 2, 1),
    nn.MaxPool2d(3, 2, ceil_mode=True),
    nn.MaxPool2d(2, 2, 1, ceil_mode=True),
    nn.MaxPool2d(3, 2, 1, dilation=2, ceil_mode=True),
    nn.MaxPool2d((3, 2), (2, 2), (1, 0)),
    nn.AvgPool2d(2),
    nn.AvgPool2d(2, ceil_mode=True),
    nn.AvgPool2d(3, 2, 1),
    nn.AvgPool2d(3, 2, 1, ceil_mode=True),
    nn.AvgPool2d(3, 2, 1, count_include_pad=False),
    nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False),
    nn.AvgPool2d((2, 3), 2, divisor_override=5),
]


@pytest.mark.parametrize("pool", POOLS, ids=str)
@pytest.mark.parametrize("output_stride", [1, 2, 4])
def test_pools_at_every_border(pool, output_stride):
    model = nn.Sequential(strided_stem(), pool, nn.Conv2d(4, 3, 3, 2, 1))
    assert_exact(model, 8, output_stride)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4, (2, 5)])
@pytest.mark.parametrize("padding", [0, 1, (1, 0)])
def test_convolutions_of_even_and_uneven_kernels(kernel_size, padding):
    conv = nn.Conv2d(4, 4, kernel_size, stride=(2, 1), padding=padding, dilation=(1, 2), groups=2)
    model = nn.Sequential(strided_stem(), conv, nn.Conv2d(4, 3, 2, padding="same"))
    dense = densify(model, 1)
    x = torch.randn(1, 2, 19, 22)
    torch.testing.assert_close(dense(x)[..., ::4, ::2], model(x), atol=1e-5, rtol=0)


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
def test_padding_modes_of_convolutions(mode):
    body = nn.Conv2d(4, 4, 3, stride=2, padding=2 if mode != "zeros" else 1, padding_mode=mode)
    assert_exact(nn.Sequential(strided_stem(), body, nn.Conv2d(4, 2, 3)), 4, 1)


@pytest.mark.parametrize(
    "pad",
    [
        nn.ZeroPad2d((2, 0, 1, 3)),
        nn.ConstantPad2d((0, 1, 2, 0), 0.7),
        nn.ReflectionPad2d((2, 1, 0, 3)),
        nn.ReplicationPad2d(2),
        nn.CircularPad2d((1, 2, 2, 1)),
        nn.ZeroPad2d((-1, 0, 0, -2)),
        Call(lambda x: F.pad(x, (1, 2))),
    ],
    ids=str,
)
def test_padding_layers(pad):
    assert_exact(nn.Sequential(strided_stem(), pad, nn.Conv2d(4, 2, 3, 2)), 4, 1)


@pytest.mark.parametrize("output_stride", [1, 2, 3, 4, 6, 12])
def test_a_stride_may_be_kept_in_part(output_stride):
    model = nn.Sequential(nn.Conv2d(2, 4, 5, stride=4, padding=1), nn.Conv2d(4, 4, 3, 3, 1))
    assert_exact(model, 12, output_stride, sizes=((41, 40),))


FUNCTIONS = {
    "functional pool": lambda x: F.max_pool2d(x, 3, 2, 1),
    "functional mean": lambda x: F.avg_pool2d(x, 2, ceil_mode=True),
    "slice": lambda x: x[:, :, 1::2, ::2],
    "crop": lambda x: F.max_pool2d(x[..., 1:-1, :-2], 2),
    "branches": lambda x: F.max_pool2d(x, 2, 2, ceil_mode=True) + F.avg_pool2d(x, 3, 2, 1),
    "joined": lambda x: torch.cat([x[..., ::2, ::2], F.max_pool2d(x, 3, 2, 1)], 1),
    "focus": lambda x: torch.cat([x[..., :-1:2, ::2], x[..., 1::2, ::2]], 1),
    "shuffled": lambda x: (
        F.max_pool2d(x.view(x.shape[0], 2, 2, *(x.shape[2], x.shape[3])).transpose(1, 2)
        .flatten(1, 2), 2)
    ),
    "split": lambda x: F.max_pool2d(x.chunk(2, 1)[1] * torch.softmax(x, 1)[:, :2], 2),
    "channels last": lambda x: F.max_pool2d(
        F.layer_norm(x.permute(0, 2, 3, 1), (4,)).permute(0, 3, 1, 2), 2
    ),
    "greater of two": lambda x: torch.max(F.max_pool2d(x, 2), F.normalize(x[..., 1::2, ::2])),
    "channel mean": lambda x: F.max_pool2d(x - x.mean(1, keepdim=True) * x.amax(1).unsqueeze(1), 2),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_in_forward(name):
    sizes = ((20, 24), (32, 12)) if name == "focus" else SIZES
    assert_exact(nn.Sequential(strided_stem(), Call(FUNCTIONS[name])), 4, 1, sizes=sizes)


def test_our_own_convolutions():
    model = nn.Sequential(
        AtrousConv2d(2, 4, (3, 2), stride=2, padding=("causal", "same")),
        DepthwiseSeparableConv2d(4, 4, 3, stride=2),
        AtrousConv2d(4, 3, 4, dilation=2),
    )
    assert_exact(model, 4, 1)
    dense = densify(model, 1)
    assert dict(dense.named_parameters()).keys() == dict(model.named_parameters()).keys()


def test_weight_norm_stays():
    conv = nn.utils.parametrizations.weight_norm(AtrousConv2d(4, 3, 3))
    model = nn.Sequential(strided_stem(), conv)
    assert_exact(model, 2, 1)
    assert densify(model, 1).state_dict().keys() == model.state_dict().keys()


def test_signals_and_volumes():
    signal = nn.Sequential(nn.Conv1d(2, 3, 4, 2, 1), nn.MaxPool1d(2), nn.AvgPool1d(3, 2, 1))
    assert_exact(signal, 8, 1, sizes=((45,), (50,)))
    volume = nn.Sequential(nn.Conv3d(2, 3, 3, 2, 1), nn.MaxPool3d(2), nn.Conv3d(3, 2, 2))
    assert_exact(volume, 4, 2, sizes=((10, 13, 12),))


def test_one_module_at_two_rates_keeps_one_weight():
    shared = nn.Conv2d(4, 4, 3, 2, 1)
    model = nn.Sequential(strided_stem(), shared, nn.ReLU(), shared)
    assert_exact(model, 8, 1)
    assert_exact(model, 8, 4)
    assert len(list(densify(model, 1).parameters())) == 4


@pytest.mark.parametrize("name", [m.name for m in pkgutil.iter_modules(a_trous.__path__)])
def test_examples_in_docstrings(name):
    result = doctest.testmod(importlib.import_module(f"{a_trous.__name__}.{name}"))
    assert result.failed == 0
