"""Yu and Koltun's network: fields and parameters of the paper, and its three stages of training."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.models.dense_tester import DensePredictionTester
from wavestack.models.segmentation import DilatedVGG
from wavestack.models.segmentation.dilated_vgg import VARIANTS, mirrored, reflect
from wavestack.receptive_field import analyze

SMALL = {"base_channels": 4, "channels": 8}
CPU = torch.device("cpu")


class TestReflected(DensePredictionTester):
    model = DilatedVGG
    arguments = SMALL
    sizes = ((65, 97), (37, 200))
    has_aux = False


class TestPaddedInEachLayer(DensePredictionTester):
    model = DilatedVGG
    arguments: ClassVar = {
        **SMALL,
        **{"padding": "same", "backbone": "vgg16_bn", "variant": "dilation7"},
    }
    num_classes = 6  # of fewer, all scores of this seed are negative, and a ReLU makes them 0
    has_aux = False


class TestPascalVOC(DensePredictionTester):
    model = DilatedVGG
    arguments: ClassVar = {**SMALL, "padding": "zeros", "variant": "dilation8_voc"}
    sizes = ((65, 97),)
    output_strides = (8,)
    has_aux = False


@pytest.mark.parametrize("backbone", ["vgg16", "vgg16_bn"])
def test_the_front_end_sees_380_pixels_in_steps_of_8(backbone):
    model = DilatedVGG(2, backbone, stage="front_end", **SMALL).eval()
    axis = analyze(model, model.example_input(512, 512), layer="front_end").axes["H"]
    assert (axis.size, axis.jump, model.margin) == (380, 8, 186)
    # The first output stands for pixels 0 to 7 and sees as much on either side of them.
    assert axis.start == -186


@pytest.mark.parametrize(
    ("variant", "layers", "positions"),
    [("dilation7", 7, 35), ("dilation8", 8, 67), ("dilation8_voc", 8, 67), ("dilation10", 10, 259)],
)
def test_layers_and_field_of_the_context_modules(variant, layers, positions):
    with torch.device("meta"):
        model = DilatedVGG(3, variant=variant, padding="same", **SMALL)
    convs = [m for m in model.context.modules() if isinstance(m, nn.Conv2d)]
    assert len(convs) == layers
    axis = analyze(model.context, torch.zeros(1, 3, 300, 300)).axes["H"]
    assert axis.size == positions
    assert axis.coverage == 1


@pytest.mark.parametrize(
    ("num_classes", "variant", "front_end", "context"),
    [
        # 64 C^2 and biases: section 3 of the paper.
        (11, "dilation8", 134_305_611, 64 * 11**2 + 8 * 11),
        (11, "dilation7", 134_305_611, 55 * 11**2 + 7 * 11),
        (19, "dilation10", 134_338_387, 82 * 19**2 + 10 * 19),
        # 2, 2, 4, 8, 16, 32 and 32 times C wide.
        (21, "dilation8_voc", 134_346_581, 21**2 * (9 * 1710 + 32) + 21 * 97),
    ],
)
def test_parameters_as_published(num_classes, variant, front_end, context):
    with torch.device("meta"):
        model = DilatedVGG(num_classes, variant=variant, padding="same")
    assert sum(p.numel() for p in model.front_end.parameters()) == front_end
    assert sum(p.numel() for p in model.context.parameters()) == context


def test_pascal_voc_s_context_is_padded_once_by_33():
    model = DilatedVGG(2, variant="dilation8_voc", padding="same", **SMALL)
    assert model.context.margin == 33
    assert {m.padding for m in model.context.modules() if isinstance(m, nn.Conv2d)} == {(0, 0)}


@torch.no_grad()
def test_scores_do_not_depend_on_where_the_margin_ends():
    """No convolution pads, so that a wider margin changes nothing but the number of scores."""
    model = DilatedVGG(2, stage="front_end", **SMALL).eval()
    x = torch.randn(1, 3, 40, 56)
    scores = model.front_end(reflect(x, (186, 186, 186, 186)))
    wider = model.front_end(reflect(x, (250, 250, 250, 250)))
    assert scores.shape[-2:] == (5, 7)  # one for each 8 x 8 pixels
    torch.testing.assert_close(wider[..., 8:13, 8:15], scores, rtol=0, atol=1e-5)


def test_mirroring_agrees_with_numpy_s_however_small_the_image():
    for size, before, behind in ((5, 3, 4), (3, 7, 8), (2, 5, 4), (1, 3, 2), (200, 186, 189)):
        expected = np.pad(np.arange(size), (before, behind), mode="reflect")
        assert mirrored(size, before, behind, CPU).tolist() == expected.tolist()
        if before < size and behind < size:
            x = torch.arange(size, dtype=torch.float32).expand(1, 1, 3, size)
            found = reflect(x, (before, behind, 0, 0))
            assert found[0, 0, 1].tolist() == expected.tolist()


def test_stages_hand_their_weights_on_by_name():
    first = DilatedVGG(3, stage="front_end", **SMALL)
    second = DilatedVGG(3, stage="context", **SMALL)
    third = DilatedVGG(3, stage="joint", **SMALL)
    assert first.context is None
    missing, unexpected = second.load_state_dict(first.state_dict(), strict=False)
    assert not unexpected
    assert all(name.startswith("context.") for name in missing)
    third.load_state_dict(second.state_dict(), strict=True)


def test_the_context_stage_trains_the_context_alone():
    model = DilatedVGG(3, stage="context", padding="same", **SMALL).train()
    before = {name: p.clone() for name, p in model.named_parameters()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1)
    x = torch.randn(2, 3, 32, 40)
    first = model(x)
    first.square().mean().backward()
    optimizer.step()
    assert not model.front_end.classifier[2].training  # dropout
    moved = {
        name.split(".")[0] for name, p in model.named_parameters() if (p != before[name]).any()
    }
    assert moved == {"context"}


@torch.no_grad()
def test_a_new_context_passes_scores_on():
    """It begins as the identity of scores that are not negative, and a ReLU takes the others."""
    model = DilatedVGG(3, padding="same", **SMALL).eval()
    front_end = DilatedVGG(3, stage="front_end", padding="same", **SMALL).eval()
    front_end.load_state_dict(model.state_dict(), strict=False)
    x = torch.randn(1, 3, 48, 40)
    scores = front_end.front_end(x)
    torch.testing.assert_close(model.context(model.front_end(x)), F.relu(scores), rtol=0, atol=1e-6)


@pytest.mark.parametrize("key", ["variant", "stage", "padding"])
def test_unknown_choices_are_named(key):
    with pytest.raises(ValueError, match=f"{key} must be one of .*, got nonsense"):
        DilatedVGG(3, **{key: "nonsense"}, **SMALL)


def test_only_vgg_is_a_front_end():
    with pytest.raises(ValueError, match="backbone must be vgg16 or vgg16_bn, got resnet18"):
        DilatedVGG(3, "resnet18", base_channels=1)


def test_every_variant_is_as_deep_as_its_name_says():
    for name, (_, dilations, _) in VARIANTS.items():
        assert int(name.removeprefix("dilation").split("_")[0]) == len(dilations) + 1
