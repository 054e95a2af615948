"""VGG-16: torchvision's function with torchvision's weights, pools that give way to rates."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from tests.models.backbones.helpers import assert_close, shaken
from wavestack.models.backbones import VGG16
from wavestack.receptive_field import analyze


@pytest.mark.parametrize("batch_norm", [False, True])
@torch.no_grad()
def test_torchvision_s_weights_give_torchvision_s_features(batch_norm):
    build = torchvision.models.vgg16_bn if batch_norm else torchvision.models.vgg16
    # Its classifier alone has 124 million parameters: meta tensors cost nothing.
    with torch.device("meta"):
        reference = build()
    reference = shaken(reference.features.to_empty(device="cpu"))
    backbone = VGG16(batch_norm).eval()
    state = shaken(backbone).state_dict()
    reference.load_state_dict({k.removeprefix("features."): v for k, v in state.items()})
    x = torch.randn(1, 3, 65, 97)
    outputs = backbone(x)
    expected = []
    h = x
    for layer in reference:
        h = layer(h)
        if isinstance(layer, nn.MaxPool2d):
            expected.append(h)
    for output, reference_output in zip(outputs, expected, strict=True):
        assert_close(output, reference_output)


@torch.no_grad()
def test_dilated_form_is_the_front_end_of_yu_and_koltun():
    backbone = VGG16(output_stride=8, base_channels=8).eval()
    x = torch.randn(1, 3, 64, 64)
    h = x
    convolutions = [m for m in backbone.features if isinstance(m, nn.Conv2d)]
    for i, conv in enumerate(convolutions):
        rate = 2 if i >= 10 else 1  # conv5
        h = F.relu(F.conv2d(h, conv.weight, conv.bias, padding=rate, dilation=rate))
        if i in (1, 3, 6):  # pool1 to pool3; pool4 and pool5 are gone
            h = F.max_pool2d(h, 2)
    assert_close(backbone(x)[-1], h)
    assert backbone.dilation == 4  # of fc6


def test_names_and_shapes_are_the_same_at_every_output_stride():
    shapes = [
        {
            k: v.shape
            for k, v in VGG16(True, output_stride=stride, base_channels=2).state_dict().items()
        }
        for stride in (4, 8, 16, 32)
    ]
    assert all(other == shapes[0] for other in shapes)


def test_parameters_are_as_published():
    count = sum(p.numel() for p in VGG16().parameters())
    fully_connected = (512 * 49 + 1) * 4096 + (4096 + 1) * 4096 + (4096 + 1) * 1000
    assert round(count / 1e6, 2) == 14.71
    assert round((count + fully_connected) / 1e6, 2) == 138.36


@pytest.mark.parametrize(("output_stride", "size"), [(32, 212), (16, 196), (8, 188), (4, 184)])
def test_receptive_field_loses_what_the_pools_added(output_stride, size):
    # 196 at conv5, +16 from pool5; pool4 gave 8 and pool3 gave 4.
    backbone = VGG16(output_stride=output_stride, base_channels=1).eval()
    axis = analyze(backbone, backbone.example_input(), layer="features.30").axes["H"]
    assert (axis.size, axis.jump) == (size, output_stride)


def test_undilated_control_and_multi_grid():
    control = VGG16(output_stride=8, dilated=False, multi_grid=(1, 2, 4), base_channels=1)
    rates = [m.dilation[0] for m in control.features if isinstance(m, nn.Conv2d)]
    assert set(rates) == {1}
    assert control.strides == (2, 4, 8, 8, 8)
    grid = VGG16(output_stride=8, multi_grid=(1, 2, 4), base_channels=1)
    rates = [m.dilation[0] for m in grid.features if isinstance(m, nn.Conv2d)]
    assert rates == [1] * 10 + [2, 4, 8]
