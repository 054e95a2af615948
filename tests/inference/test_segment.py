"""Segmentation of single pictures: what is averaged, and at what size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wavestack.inference import Segmenter, segment
from wavestack.signal.image import normalize_image, resize_image


class Lopsided(nn.Module):
    """A net that a mirror changes, at half the size of its input, with an auxiliary head."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 2, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        y = self.conv(x)
        return {"out": y, "aux": 0 * y}


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return Lopsided().eval()


IMAGE = np.random.default_rng(0).integers(0, 256, (21, 30, 3), dtype=np.uint8)
PLANES = torch.from_numpy(IMAGE).permute(2, 0, 1)


def by_hand(model: nn.Module, size: tuple[int, int], mirror: bool) -> Tensor:
    x = normalize_image(resize_image(PLANES, size)[None])
    with torch.no_grad():
        y = model(x.flip(-1) if mirror else x)["out"]
    y = F.interpolate(y.flip(-1) if mirror else y, (21, 30), mode="bilinear")
    return y[0].softmax(0)


def test_modes_average_what_they_say(model: nn.Module) -> None:
    own, sizes = (21, 30), [(16, 22), (21, 30), (26, 38)]
    cases = {
        "whole": [(own, False)],
        "flip": [(own, False), (own, True)],
        "multi_scale": [(size, False) for size in sizes],
        "multi_scale_flip": [(size, mirror) for size in sizes for mirror in (False, True)],
    }
    for mode, parts in cases.items():
        expected = torch.stack([by_hand(model, *part) for part in parts]).mean(0)
        torch.testing.assert_close(segment(model, IMAGE, mode), expected, atol=1e-6, rtol=0)


def test_the_input_size_is_that_of_the_training(model: nn.Module) -> None:
    found = segment(model, IMAGE, input_size=[12, 16])
    torch.testing.assert_close(found, by_hand(model, (12, 16), False), atol=1e-6, rtol=0)


@pytest.mark.parametrize("mode", ["whole", "multi_scale_flip"])
def test_tiles_change_nothing_and_are_planned_once_for_each_size(
    model: nn.Module, mode: str
) -> None:
    tiled = Segmenter(model, mode, tile=12)
    for _ in range(2):
        torch.testing.assert_close(tiled(IMAGE), segment(model, IMAGE, mode), atol=1e-6, rtol=0)
    assert set(tiled.tilings) == ({(21, 30)} if mode == "whole" else {(16, 22), (21, 30), (26, 38)})


def test_wrong_arguments_are_named(model: nn.Module) -> None:
    with pytest.raises(ValueError, match="mode must be one of whole, flip"):
        Segmenter(model, "best")
    with pytest.raises(ValueError, match="tile must be >= 1 or None, got 0"):
        Segmenter(model, tile=0)
    with pytest.raises(ValueError, match=r"scales must be numbers > 0, got \[\]"):
        Segmenter(model, scales=[])
    with pytest.raises(ValueError, match=r"image must be \(H, W, 3\) uint8, got \(21, 30\)"):
        segment(model, IMAGE[..., 0])
