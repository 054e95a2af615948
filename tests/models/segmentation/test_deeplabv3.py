"""DeepLabV3: torchvision's function with torchvision's weights, rates that follow the stride."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from torch import nn
from torchvision.models import segmentation

from tests.models.backbones.helpers import shaken
from tests.models.dense_tester import DensePredictionTester
from wavestack.models.segmentation import DeepLabV3
from wavestack.receptive_field import analyze

SMALL = {"backbone": "resnet18", "base_channels": 8, "channels": 8}


class TestDeepLabV3(DensePredictionTester):
    model = DeepLabV3
    arguments = SMALL


class TestSeparable(DensePredictionTester):
    model = DeepLabV3
    arguments: ClassVar = {**SMALL, "separable": True, "multi_grid": (1, 2), "in_channels": 1}


class TestOnVGG(DensePredictionTester):
    """Its pools drop what does not fill a stride; images smaller than one are answered too."""

    model = DeepLabV3
    arguments: ClassVar = {"backbone": "vgg16_bn", "base_channels": 4, "channels": 8}
    sizes = ((31, 33), (65, 97))
    output_strides = (32, 8)

    def build(self, **options):
        return super().build(**{"output_stride": 32, **options})


@torch.no_grad()
@pytest.mark.parametrize("aux", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize("depth", [50, pytest.param(101, marks=pytest.mark.slow)])
def test_torchvision_s_weights_give_torchvision_s_logits(depth, aux):
    build = getattr(segmentation, f"deeplabv3_resnet{depth}")
    theirs = shaken(build(weights=None, weights_backbone=None, num_classes=5, aux_loss=aux)).eval()
    ours = DeepLabV3(5, f"resnet{depth}", output_stride=8, aux=aux).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.randn(1, 3, 41, 56)
    expected = theirs(x)
    found = ours(x) if aux else {"out": ours(x)}
    assert set(found) == set(expected)
    for name, logits in expected.items():
        error = (found[name] - logits).abs().max() / logits.abs().max()
        assert error < 1e-5


@pytest.mark.parametrize(
    ("options", "millions"),
    [
        ({"backbone": "resnet50", "aux": True}, 42004074),
        ({"backbone": "resnet50"}, 39638869),
        ({"backbone": "resnet101", "aux": True}, 60996202),
    ],
)
def test_parameters_as_published(options, millions):
    """torchvision's `num_params`, for 21 classes; without the auxiliary head 39.6 million."""
    with torch.device("meta"):
        assert sum(p.numel() for p in DeepLabV3(21, **options).parameters()) == millions


@pytest.mark.parametrize(("stride", "rates"), [(8, (12, 24, 36)), (16, (6, 12, 18))])
def test_the_pyramid_s_rates_follow_the_output_stride(stride, rates):
    assert DeepLabV3(3, output_stride=stride, **SMALL).classifier[0].atrous_rates == rates


def test_rates_can_be_chosen():
    model = DeepLabV3(3, atrous_rates=(2, 4), **SMALL)
    assert model.classifier[0].atrous_rates == (2, 4)


def test_multi_grid_multiplies_the_last_stage_s_rates():
    model = DeepLabV3(3, multi_grid=(1, 2), output_stride=16, **SMALL)
    rates = [m.dilation for m in model.backbone.layer4.modules() if isinstance(m, nn.Conv2d)]
    assert max(rates) == (4, 4)


def test_image_pooling_is_reported_as_global():
    model = DeepLabV3(3, **SMALL).eval()
    report = analyze(model, model.example_input(64, 64))
    assert report.axes["H"].size == float("inf")
    assert any("classifier.0" in path for path, *_ in report.global_ops)
