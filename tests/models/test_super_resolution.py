"""Super-resolution: sizes, where it starts, what a pixel sees, the control."""

from __future__ import annotations

import pytest
import torch

from wavestack.models import SuperResolutionNet
from wavestack.models.super_resolution import enlarge_bicubic
from wavestack.receptive_field import analyze
from wavestack.signal import resize_bicubic


def moved(model: SuperResolutionNet) -> SuperResolutionNet:
    """The model with a last layer that does something."""
    torch.manual_seed(0)
    torch.nn.init.normal_(model.last.weight, std=0.1)
    return model.eval()


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (5, 8), (17, 9)])
@torch.no_grad()
def test_any_size_is_enlarged(scale, size):
    model = moved(SuperResolutionNet(scale, 3, channels=4, dilations=[1, 2, 1]))
    y = model(torch.rand(2, 3, *size))
    assert y.shape == (2, 3, scale * size[0], scale * size[1])
    assert y.dtype == torch.float32
    assert torch.isfinite(y).all()


@torch.no_grad()
def test_training_begins_with_bicubic_interpolation():
    x = torch.rand(1, 1, 12, 15)
    torch.testing.assert_close(SuperResolutionNet(2, channels=8)(x), enlarge_bicubic(x, 2))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bicubic_inside_the_net_is_that_of_the_data(scale):
    x = torch.rand(1, 1, 14, 11, dtype=torch.float64)
    expected = torch.from_numpy(resize_bicubic(x[0, 0].numpy(), scale))
    inner = (slice(3 * scale, -3 * scale),) * 2  # borders are repeated there, left out here
    found = enlarge_bicubic(x, scale)[0, 0]
    torch.testing.assert_close(found[inner], expected[inner], rtol=0, atol=1e-12)


def test_an_output_pixel_sees_what_the_docstring_says():
    for dilated, size in ((True, 33), (False, 15)):
        model = SuperResolutionNet(2, channels=2, dilated=dilated)
        report = analyze(model, model.example_input())
        assert [report.axes[name].size for name in "HW"] == [size, size]
        assert report.axes["H"].jump == 0.5


def test_the_control_has_the_same_parameters():
    dilated, plain = (SuperResolutionNet(2, channels=4, dilated=flag) for flag in (True, False))
    shapes = [{name: p.shape for name, p in m.named_parameters()} for m in (dilated, plain)]
    assert shapes[0] == shapes[1]
    assert plain.dilations == (1,) * 7


def test_every_parameter_learns():
    model = moved(SuperResolutionNet(2, channels=4))
    model(torch.rand(1, 1, 9, 9)).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale": 1}, "scale must be >= 2, got 1"),
        ({"scale": 2, "channels": 0}, "channels must be >= 1, got 0"),
        ({"scale": 2, "dilations": [1]}, "dilations must be two or more"),
        ({"scale": 2, "dilations": [1, 0, 1]}, "dilation must be >= 1, got 0"),
    ],
)
def test_impossible_sizes_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        SuperResolutionNet(**arguments)


def test_other_channels_are_refused():
    with pytest.raises(ValueError, match=r"x must have shape \(B, 1, H, W\)"):
        SuperResolutionNet(2, channels=2)(torch.zeros(1, 3, 8, 8))
