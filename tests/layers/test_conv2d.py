"""The atrous convolution: sizes, borders, its 1D special case, the kernel with holes."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from wavestack.layers import AtrousConv2d, CausalConv1d, dilate_kernel
from wavestack.receptive_field import analyze

IMAGE = torch.tensor([[4, 5, 8, 7], [1, 8, 8, 8], [3, 6, 6, 4], [6, 5, 7, 8]])
KERNEL = torch.tensor([[10, -8], [15, -2]])


def by_hand(conv: AtrousConv2d, x: torch.Tensor) -> torch.Tensor:
    """The equation of the docstring, one output at a time."""
    (top, bottom), (left, right) = conv.borders
    padded = F.pad(x, (left, right, top, bottom))
    (kh, kw), (rh, rw), (sh, sw) = conv.kernel_size, conv.dilation, conv.stride
    height = (padded.shape[2] - (kh - 1) * rh - 1) // sh + 1
    width = (padded.shape[3] - (kw - 1) * rw - 1) // sw + 1
    y = x.new_zeros(x.shape[0], conv.out_channels, height, width)
    for i, j, m, n in product(range(height), range(width), range(kh), range(kw)):
        pixel = padded[:, :, sh * i + rh * m, sw * j + rw * n]
        y[:, :, i, j] += pixel @ conv.weight[:, :, m, n].T
    return y + conv.bias[:, None, None]


@pytest.mark.parametrize(
    ("kernel_size", "stride", "dilation", "padding"),
    [
        (3, 1, 1, "same"),
        (3, 1, 2, "same"),
        ((2, 4), (1, 2), (3, 1), "same"),
        ((1, 3), 1, (1, 4), ("same", "causal")),
        ((3, 2), (2, 3), (1, 2), ("causal", "valid")),
        (2, 1, 1, (3, "valid")),
        (3, 2, 2, ((0, 1), (2, 0))),
        (1, 1, 1, "valid"),
    ],
)
def test_outputs_are_the_sums_of_the_definition(kernel_size, stride, dilation, padding):
    conv = AtrousConv2d(2, 3, kernel_size, stride, dilation, padding=padding).double()
    x = torch.randn(2, 2, 9, 11, dtype=torch.float64)
    torch.testing.assert_close(conv(x), by_hand(conv, x), atol=1e-12, rtol=0)


@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("dilation", [1, 2, 7])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_same_and_causal_padding_keep_one_output_per_step_at_any_size(
    kernel_size, dilation, stride
):
    for rule, size in product(("same", "causal"), (1, 2, 9, 16)):
        conv = AtrousConv2d(1, 1, kernel_size, stride, dilation, padding=rule)
        outputs = math.ceil(size / stride)
        assert conv(torch.zeros(1, 1, size, size)).shape == (1, 1, outputs, outputs)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("kernel_size", [2, 3, 5])
@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_same_padding_is_that_of_torch(kernel_size, dilation):
    ours = AtrousConv2d(2, 4, kernel_size, dilation=dilation)
    theirs = nn.Conv2d(2, 4, kernel_size, dilation=dilation, padding="same")
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(1, 2, 12, 13)
    torch.testing.assert_close(ours(x), theirs(x), atol=1e-6, rtol=0)  # an odd zero stands behind


@pytest.mark.parametrize("kernel_size", [1, 2, 3])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2, 5])
@pytest.mark.parametrize("groups", [1, 2])
def test_causal_conv1d_is_the_case_of_one_row(kernel_size, stride, dilation, groups):
    line = CausalConv1d(4, 6, kernel_size, stride, dilation, groups).double()
    plane = AtrousConv2d(
        4, 6, (1, kernel_size), (1, stride), (1, dilation), groups, padding=("valid", "causal")
    ).double()
    plane.load_state_dict({name: p.reshape(plane.state_dict()[name].shape)
                           for name, p in line.state_dict().items()})  # fmt: skip
    for samples in (1, 2, 17):
        x = torch.randn(2, 4, samples, dtype=torch.float64)
        torch.testing.assert_close(plane(x.unsqueeze(2)).squeeze(2), line(x), atol=1e-13, rtol=0)


def test_symmetric_padding_makes_no_padded_copy():
    saved = []
    x = torch.randn(1, 2, 16, 16, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
        AtrousConv2d(2, 2, 3, dilation=4)(x)
    assert any(t is x or t.data_ptr() == x.data_ptr() for t in saved)
    assert all(t.numel() <= x.numel() for t in saved)


@pytest.mark.parametrize(("rule", "start", "lookahead"), [("same", -4, 4), ("causal", -8, 0)])
def test_the_calculator_sees_the_padding_of_each_axis(rule, start, lookahead):
    conv = AtrousConv2d(1, 1, (3, 2), dilation=(4, 3), padding=(rule, "valid"))
    report = analyze(conv, torch.zeros(1, 1, 20, 20))
    height, width = report.axes["H"], report.axes["W"]
    assert (height.size, height.used, height.start, height.lookahead) == (9, 3, start, lookahead)
    assert (width.size, width.used, width.start) == (4, 2, 0)
    assert (report.area.used, report.area.box) == (6, 36)


def test_worked_example_of_the_kernel_with_holes():
    x, w = IMAGE[None, None], KERNEL[None, None]
    assert F.conv2d(x, w)[0, 0].tolist() == [[-1, 90, 128], [-21, 94, 98], [62, 73, 117]]
    holes = dilate_kernel(w, 2)
    assert holes[0, 0].tolist() == [[10, 0, -8], [0, 0, 0], [15, 0, -2]]
    assert F.conv2d(x, holes)[0, 0].tolist() == [[9, 76], [22, 75]]
    assert F.conv2d(x, w, dilation=2)[0, 0].tolist() == [[9, 76], [22, 75]]


@pytest.mark.parametrize(
    ("axes", "rate"), [(1, 1), (1, 5), (2, 3), (2, (1, 4)), (3, 2), (3, (2, 1, 3))]
)
def test_dilated_kernel_computes_the_dilated_convolution(axes, rate):
    convolve = (F.conv1d, F.conv2d, F.conv3d)[axes - 1]
    weight = torch.randn(4, 3, *(3, 2, 4)[:axes], dtype=torch.float64, requires_grad=True)
    x = torch.randn(2, 3, *(17,) * axes, dtype=torch.float64)
    dense = convolve(x, dilate_kernel(weight, rate))
    sparse = convolve(x, weight, dilation=rate)
    torch.testing.assert_close(dense, sparse, atol=1e-12, rtol=0)
    probe = torch.randn_like(sparse)
    (through_holes,) = torch.autograd.grad(dense, weight, probe)
    (direct,) = torch.autograd.grad(sparse, weight, probe)
    torch.testing.assert_close(through_holes, direct, atol=1e-11, rtol=0)


@pytest.mark.parametrize(("k", "rate", "span"), [(3, 2, 5), (3, 6, 13), (1, 9, 1), (2, 4, 5)])
def test_effective_kernel_is_k_plus_k_minus_1_times_r_minus_1(k, rate, span):
    assert dilate_kernel(torch.ones(1, 1, k), rate).shape[-1] == span == k + (k - 1) * (rate - 1)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="kernel_size must be >= 1, got 0"):
        AtrousConv2d(1, 1, 0)
    with pytest.raises(ValueError, match=r"dilation must be >= 1, got \(1, -2\)"):
        AtrousConv2d(1, 1, 3, dilation=(1, -2))
    with pytest.raises(ValueError, match="out_channels must be >= 1, got 0"):
        AtrousConv2d(1, 0, 3)
    with pytest.raises(ValueError, match=r"kernel_size .* one for each axis, got \(3, 3, 3\)"):
        AtrousConv2d(1, 1, (3, 3, 3))
    with pytest.raises(ValueError, match="got 'full'"):
        AtrousConv2d(1, 1, 3, padding="full")
    with pytest.raises(ValueError, match="padding must be >= 0, got -1"):
        AtrousConv2d(1, 1, 3, padding=-1)
    with pytest.raises(ValueError, match=r"one for each axis, got \('same',\)"):
        AtrousConv2d(1, 1, 3, padding=("same",))
    with pytest.raises(ValueError, match=r"got shape \(3, 3\)"):
        dilate_kernel(torch.zeros(3, 3), 2)
    with pytest.raises(ValueError, match=r"rate must be >= 1, one number or 2 of them, got \(2,\)"):
        dilate_kernel(torch.zeros(1, 1, 3, 3), (2,))
