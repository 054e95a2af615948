"""ASPP: what it sees, torchvision's weights, one image at a time in training."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from wavestack.layers import ASPP, PooledBatchNorm2d, atrous_rates
from wavestack.receptive_field import analyze


def test_rates_stay_the_same_in_pixels_of_the_image():
    assert atrous_rates(16) == (6, 12, 18)
    assert atrous_rates(8) == (12, 24, 36)
    assert {stride * rate for stride in (4, 8, 16, 32) for rate in atrous_rates(stride)} == {
        96, 192, 288,
    }  # fmt: skip
    for stride in (0, 5, 64):
        with pytest.raises(ValueError, match=f"got {stride}"):
            atrous_rates(stride)


@pytest.mark.parametrize("separable", [False, True])
def test_an_output_reads_25_of_1369_features(separable):
    aspp = ASPP(2, (6, 12, 18), 2, separable=separable, image_pooling=False).eval()
    report = analyze(aspp, torch.zeros(1, 2, 48, 48))
    assert report.axes["H"].size == report.axes["W"].size == 37
    assert (report.area.used, report.area.box) == (25, 1369)
    assert report.verify()


def test_image_pooling_is_global_and_the_rest_stays_local():
    axis = analyze(ASPP(2, (6, 12, 18), 2).eval(), torch.zeros(1, 2, 48, 48)).axes["H"]
    assert (axis.size, axis.local_size) == (math.inf, 37)


def test_the_undilated_control_has_the_same_parameters():
    control = ASPP(4, (6, 12, 18), 2, dilated=False)
    shapes = {name: p.shape for name, p in control.state_dict().items()}
    assert shapes == {name: p.shape for name, p in ASPP(4, (6, 12, 18), 2).state_dict().items()}
    assert control.atrous_rates == (1, 1, 1)
    report = analyze(control.eval(), torch.zeros(1, 4, 16, 16))
    assert report.axes["H"].local_size == 3


def test_torchvisions_weights_give_torchvisions_function():
    deeplabv3 = pytest.importorskip("torchvision.models.segmentation.deeplabv3")
    theirs = deeplabv3.ASPP(8, [2, 4, 6], 16)
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    ours = ASPP(8, (2, 4, 6), 16, dropout=0.5)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.randn(2, 8, 13, 9)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x), atol=1e-5, rtol=0)


@pytest.mark.parametrize("separable", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (5, 8)])
def test_one_image_trains(separable, size):
    aspp = ASPP(3, (2, 4), 4, separable=separable, dropout=0.0).train()
    if size == (1, 1):  # then every normalization behind a convolution has one value
        aspp = nn.Sequential(nn.Upsample(scale_factor=2), aspp)
    aspp(torch.randn(1, 3, *size)).square().mean().backward()
    for name, parameter in aspp.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_a_single_value_is_a_sample_of_a_weighted_stream():
    norm = PooledBatchNorm2d(1, momentum=0.25).double().train()
    values = torch.tensor([3.0, -1.0, 2.5, 0.5], dtype=torch.float64)
    outputs = [norm(v.view(1, 1, 1, 1)).item() for v in values]
    # The stream so far: the start (mean 0, variance 1) and the samples, each with its weight.
    for count in range(1, 5):
        weights = torch.tensor([0.75**count, *(0.25 * 0.75 ** (count - 1 - k)
                                               for k in range(count))])  # fmt: skip
        points = torch.cat([torch.zeros(1), values[:count]]).double()
        mean = (weights * points).sum()
        variance = (weights * (points - mean) ** 2).sum() + weights[0] * 1.0
        expected = (values[count - 1] - mean) / (variance + norm.eps).sqrt()
        assert outputs[count - 1] == pytest.approx(expected.item(), abs=1e-9)
    assert norm.running_mean.item() == pytest.approx(mean.item())
    assert norm.running_var.item() == pytest.approx(variance.item())
    assert norm.num_batches_tracked.item() == 4


def test_training_on_single_values_is_what_evaluation_computes():
    norm = PooledBatchNorm2d(3).train()
    nn.init.normal_(norm.weight)
    x = torch.randn(1, 3, 1, 1)
    trained = norm(x)
    torch.testing.assert_close(norm.eval()(x), trained, atol=0, rtol=0)


def test_no_single_value_is_normalized_beyond_3():
    norm = PooledBatchNorm2d(1).train()
    for scale in (1.0, 1e3, 1e6):
        assert abs(norm(torch.full((1, 1, 1, 1), scale)).item()) <= 3.0 + 1e-5


def test_two_calls_before_one_backward():
    norm = PooledBatchNorm2d(2).train()
    x = torch.randn(1, 2, 1, 1, requires_grad=True)
    (norm(x) + norm(2 * x)).sum().backward()
    assert x.grad.isfinite().all()


def test_larger_batches_are_normalized_as_by_torch():
    ours, theirs = PooledBatchNorm2d(3).train(), nn.BatchNorm2d(3).train()
    x = torch.randn(4, 3, 1, 1)
    torch.testing.assert_close(ours(x), theirs(x), atol=0, rtol=0)
    for mine, other in zip(ours.buffers(), theirs.buffers(), strict=True):
        torch.testing.assert_close(mine, other, atol=0, rtol=0)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="at least one rate"):
        ASPP(3, ())
    with pytest.raises(ValueError, match=r"dropout must be in \[0, 1\), got 1"):
        ASPP(3, (6,), dropout=1.0)
    with pytest.raises(ValueError, match="dilation must be >= 1, got 0"):
        ASPP(3, (0,))
