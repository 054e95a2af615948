"""DRNs: the sizes and rates of the paper, the names of its authors' files."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.models.backbones.helpers import assert_close, every, shaken
from wavestack.models.backbones import DRN, make_backbone
from wavestack.receptive_field import analyze

VARIANTS = ("c_26", "c_42", "c_58", "d_22", "d_38", "d_54", "d_105")


def rates(module: nn.Module) -> list[int]:
    """Of the 3x3 convolutions, in order."""
    convolutions = (m for m in module.modules() if isinstance(m, nn.Conv2d))
    return [m.dilation[0] for m in convolutions if m.kernel_size == (3, 3)]


@pytest.mark.parametrize(
    ("variant", "millions"),
    [
        ("c_26", 21.1),
        ("c_42", 31.2),
        ("c_58", 41.6),
        ("d_22", 16.4),
        ("d_38", 26.5),
        ("d_54", 35.8),
        ("d_105", 54.8),
    ],
)
def test_parameters_are_as_published(variant, millions):
    with torch.device("meta"):
        backbone = DRN(variant)
    count = sum(p.numel() for p in backbone.parameters())
    count += 1000 * (512 + 1)  # the classifier, which the published figures count
    if variant == "c_58":
        count += 2048 * 512 + 2 * 512  # and a projection that their network does not use
    assert round(count / 1e6, 1) == millions


@pytest.mark.parametrize("variant", ["c_26", "d_22"])
def test_rates_at_each_output_stride(variant):
    blocks = 2 if variant == "c_26" else 1  # a block has two convolutions
    expected = {
        4: ([1, 2, 2, 2], [4] * 4, [8] * 4, [4] * blocks, [2] * blocks),
        8: ([1] * 4, [2] * 4, [4] * 4, [2] * blocks, [1] * blocks),  # of the paper
        16: ([1] * 4, [1] * 4, [2] * 4, [1] * blocks, [1] * blocks),
        32: ([1] * 4, [1] * 4, [1] * 4, [1] * blocks, [1] * blocks),
    }
    for output_stride, layers in expected.items():
        backbone = DRN(variant, output_stride=output_stride, base_channels=4)
        for i, layer in enumerate(layers, start=4):
            assert rates(backbone.get_submodule(f"layer{i}")) == layer
    control = DRN(variant, dilated=False, base_channels=4, multi_grid=(1, 2))
    assert set(rates(control)) == {1}
    grid = DRN(variant, base_channels=4, multi_grid=(1, 2))
    assert rates(grid.layer6) == [4, 4, 8, 8]


@pytest.mark.parametrize("variant", ["c_26", "c_58", "d_22", "d_54"])
@torch.no_grad()
def test_output_stride_4_holds_the_features_of_8(variant):
    coarse = shaken(DRN(variant, base_channels=2))
    fine = DRN(variant, base_channels=2, output_stride=4).eval()
    fine.load_state_dict(coarse.state_dict(), strict=True)
    x = torch.randn(1, 3, 65, 49)
    for output, expected, ours, theirs in zip(
        fine(x), coarse(x), fine.strides, coarse.strides, strict=True
    ):
        assert_close(every(output, theirs // ours), expected)


@pytest.mark.parametrize("variant", VARIANTS)
def test_names_and_shapes_are_the_same_at_every_output_stride(variant):
    shapes = []
    for output_stride in (4, 8, 16, 32):
        backbone = DRN(variant, output_stride=output_stride, base_channels=1)
        shapes.append({name: tensor.shape for name, tensor in backbone.state_dict().items()})
    assert all(other == shapes[0] for other in shapes)


@pytest.mark.parametrize(
    ("variant", "stem"),
    [
        (
            "c_58",
            {
                "conv1": "base.0",
                "bn1": "base.1",
                **{f"layer{i}": f"base.{i + 2}" for i in range(1, 9)},
            },
        ),
        ("d_54", {f"layer{i}": f"base.{i}" for i in range(9)}),
    ],
)
def test_the_authors_files_are_read(variant, stem, tmp_path):
    trained = shaken(DRN(variant, base_channels=1))
    state = {f"module.{name}": tensor for name, tensor in trained.state_dict().items()}
    state["module.fc.weight"] = torch.zeros(1000, 32, 1, 1)
    if variant == "c_58":
        state["module.layer7.0.downsample.0.weight"] = torch.zeros(32, 128, 1, 1)
    segmentation = {}
    for name, tensor in trained.state_dict().items():
        layer, rest = name.split(".", 1)
        segmentation[f"{stem[layer]}.{rest}"] = tensor
    segmentation["seg.weight"] = segmentation["up.weight"] = torch.zeros(19, 32, 1, 1)
    for content in (state, segmentation):
        torch.save(content, tmp_path / "drn.pth")
        backbone = make_backbone(
            f"drn_{variant}", output_stride=8, base_channels=1, weights=tmp_path / "drn.pth"
        )
        for name, tensor in backbone.state_dict().items():
            assert torch.equal(tensor, trained.state_dict()[name])


def test_keys_have_the_authors_names():
    names = set(DRN("d_22", base_channels=1).state_dict())
    assert {"layer0.0.weight", "layer1.1.bias", "layer7.0.weight", "layer8.1.running_var"} <= names
    names = set(DRN("c_26", base_channels=1).state_dict())
    assert {"conv1.weight", "layer2.0.downsample.0.weight", "layer8.0.conv2.weight"} <= names


def test_the_last_layers_fill_the_grid():
    # Behind rates of 4 every pixel counts all the same: layers 7 and 8 fill the holes.
    backbone = DRN("d_22", base_channels=1).eval()
    axis = analyze(backbone, backbone.example_input(), layer="layer8").axes["H"]
    # 7x7 stem; layers 1 and 2; eight blocks with jumps and rates; layers 7 and 8.
    blocks = 2 * (2 + 4 * 3) + 4 * (2 + 4 * 3) + 8 * 4 * (2 * 2) + 8 * 4 * (4 * 2)
    assert axis.size == 7 + 2 + 2 + blocks + 8 * (2 * 2 + 2)
    assert (axis.jump, axis.coverage) == (8, 1)
