"""LinkNet: its own shape at any size, the paper's parameters, the paper's receptive field."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch

from tests.models.dense_tester import DensePredictionTester
from wavestack.models.segmentation import LinkNet
from wavestack.models.segmentation.linknet import TransposedConv
from wavestack.receptive_field import analyze


class TestLinkNet(DensePredictionTester):
    model = LinkNet
    arguments: ClassVar = {"base_channels": 8, "channels": 4}
    has_aux = False


def test_parameters_as_published():
    """Table 2 of the paper: 11.5 million, for the 20 classes of Cityscapes."""
    with torch.device("meta"):
        count = sum(p.numel() for p in LinkNet(20).parameters())
    assert round(count / 1e6, 1) == 11.5


@pytest.mark.parametrize("size", [7, 8])
def test_a_transposed_convolution_goes_back_to_odd_and_even_sizes(size):
    """The paper's layer has output_padding 1 for even sizes; for odd ones it would be 0."""
    up = TransposedConv(2, 3).eval()
    x = torch.randn(1, 2, 4, 4)
    padding = size - 7
    expected = torch.nn.functional.conv_transpose2d(
        x, up.conv.weight, stride=2, padding=1, output_padding=padding
    )
    torch.testing.assert_close(
        up(x, (size, size)), torch.relu(up.norm(expected)), rtol=0, atol=1e-6
    )


def test_the_encoder_bypasses_reach_the_decoders():
    """With the deepest features cut off, what is left sees what ResNet's third stage sees."""
    model = LinkNet(3, base_channels=8).eval()
    deep = analyze(model, model.example_input(), layer="decoders.3").axes["H"]
    whole = analyze(model, model.example_input()).axes["H"]
    assert deep.jump == 16
    assert whole.jump == 1
    assert whole.size > deep.size > 435  # layer4 of a ResNet-18 sees 435


def test_other_backbones_are_refused():
    with pytest.raises(ValueError, match="must be a ResNet, got vgg16"):
        LinkNet(3, "vgg16", base_channels=1)
