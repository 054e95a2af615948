"""DeepLabV3+: the decoder joins features of stride 4 with the pyramid's."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from torch import nn

from tests.models.dense_tester import DensePredictionTester
from wavestack.layers import DepthwiseSeparableConv2d
from wavestack.models.segmentation import DeepLabV3Plus

SMALL = {"backbone": "resnet18", "base_channels": 8, "channels": 8, "low_level_channels": 4}


class TestDeepLabV3Plus(DensePredictionTester):
    model = DeepLabV3Plus
    arguments = SMALL


class TestDense(DensePredictionTester):
    model = DeepLabV3Plus
    arguments: ClassVar = {**SMALL, "separable": False}


def test_shallow_features_have_stride_4_and_48_channels():
    with torch.device("meta"):
        model = DeepLabV3Plus(19)
    assert model.reduce[0].in_channels == model.backbone.out_channels[1] == 256
    assert model.reduce[0].out_channels == 48
    assert model.backbone.strides[model.low_level] == 4


@pytest.mark.parametrize("separable", [True, False])
def test_pyramid_and_decoder_are_separable_or_not(separable):
    with torch.device("meta"):
        model = DeepLabV3Plus(19, separable=separable)
    convs = [m for part in (model.aspp, model.decoder) for m in part.modules()]
    wide = [
        m for m in convs if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3) and m.groups == 1
    ]
    both = [m for m in convs if isinstance(m, DepthwiseSeparableConv2d)]
    assert (len(wide), len(both)) == ((0, 5) if separable else (5, 0))


def test_low_level_channels_are_checked():
    with pytest.raises(ValueError, match="low_level_channels must be >= 1, got 0"):
        DeepLabV3Plus(3, **{**SMALL, "low_level_channels": 0})
