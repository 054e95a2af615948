"""Tiled inference: equal to the whole everywhere, for any net of local operators."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from wavestack.inference import Tiling, tiled
from wavestack.receptive_field import Crops, analyze


class Net(nn.Module):
    """Modules, and what to do with their output and the picture."""

    def __init__(self, end: Callable[[Tensor, Tensor], Tensor], *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.Sequential(*parts)
        self.end = end

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.parts(x), x)


def to_picture(mode: str, **more: bool) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda y, x: F.interpolate(y, size=x.shape[-2:], mode=mode, **more)


def check_equal(model: nn.Module, height: int, width: int, tile: int | tuple[int, int]) -> Tiling:
    model.eval()
    x = torch.randn(1, 2, height, width, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        whole = model(x)
    tiling = Tiling(model, x.shape, tile)
    # Measured: 3e-7. The convolutions of a tile may add up in another order.
    torch.testing.assert_close(tiled(model, x, tile, tiling=tiling), whole, atol=1e-5, rtol=0)
    return tiling


def down(stride: int) -> list[nn.Module]:
    return [nn.Conv2d(2, 2, 3, stride, 1), nn.ReLU(), nn.Conv2d(2, 2, 3, padding=2, dilation=2)]


MODELS: dict[str, Callable[[], nn.Module]] = {
    "valid": lambda: nn.Sequential(nn.Conv2d(2, 2, 5), nn.Conv2d(2, 2, 3, dilation=3)),
    "same": lambda: nn.Sequential(*down(1)),
    "strided": lambda: nn.Sequential(*down(2), *down(2)),
    "reflect": lambda: nn.Conv2d(2, 2, 5, padding=2, padding_mode="reflect"),
    "pool": lambda: nn.Sequential(nn.MaxPool2d(3, 2, 1), nn.AvgPool2d(3, 2, 1, ceil_mode=True)),
    "transposed": lambda: nn.Sequential(*down(2), nn.ConvTranspose2d(2, 2, 4, 2, 1)),
    "shuffled": lambda: nn.Sequential(nn.Conv2d(2, 8, 3, padding=1), nn.PixelShuffle(2)),
    "enlarged": lambda: nn.Sequential(*down(1), nn.Upsample(scale_factor=3, mode="bicubic")),
    "bilinear": lambda: Net(to_picture("bilinear"), *down(4)),
    "corners": lambda: Net(to_picture("bilinear", align_corners=True), *down(4)),
    "bicubic": lambda: Net(to_picture("bicubic"), *down(2), *down(2)),
    "nearest": lambda: Net(to_picture("nearest"), *down(4)),
    "nearest-exact": lambda: Net(to_picture("nearest-exact"), *down(3)),
    # The border of the inner tensor is cut off, then padded with zeros: a margin that only looks at
    # the picture would be one short.
    "cut inside": lambda: Net(
        lambda y, _: F.max_pool2d(F.pad(y[..., 2:-2, 2:-2], (1, 1, 1, 1)), 3, 1), nn.Identity()
    ),
}


@pytest.mark.parametrize("size", [(64, 96), (61, 83)])
@pytest.mark.parametrize("name", MODELS)
def test_tiles_give_what_the_whole_gives_borders_included(name: str, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    tiling = check_equal(MODELS[name](), *size, tile=(16, 24))
    assert len(tiling) >= 6
    assert tiling.largest[0] < size[0]


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_far_from_the_corner_the_grid_is_torchs_own(mode: str) -> None:
    # 334 positions to 1001: a position rounded once more than torch does is 3e-5 off there.
    torch.manual_seed(0)
    model = Net(to_picture(mode), nn.Conv2d(2, 2, 3, 3, 1))
    x = torch.randn(1, 2, 4, 1001)
    whole = model(x).detach()
    torch.testing.assert_close(tiled(model, x, (9, 300)), whole, atol=3e-6, rtol=0)


KERNELS = st.tuples(
    st.sampled_from(["conv", "pool", "up", "transposed"]),
    st.integers(1, 4),  # kernel
    st.integers(1, 3),  # stride or factor
    st.integers(1, 3),  # dilation
    st.integers(0, 3),  # padding
)


def random_layer(kind: str, kernel: int, stride: int, dilation: int, padding: int) -> nn.Module:
    if kind == "conv":
        return nn.Conv2d(2, 2, kernel, stride, padding, dilation)
    if kind == "pool":
        return nn.MaxPool2d(kernel, stride, min(padding, kernel // 2))
    if kind == "up":
        return nn.Upsample(scale_factor=stride, mode="bilinear")
    return nn.ConvTranspose2d(2, 2, max(kernel, stride), stride)


@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    layers=st.lists(KERNELS, min_size=1, max_size=5),
    size=st.tuples(st.integers(40, 70), st.integers(40, 70)),
    tile=st.integers(1, 40),
    resized=st.sampled_from([None, "bilinear", "nearest"]),
)
def test_random_nets_of_random_sizes(
    layers: list[tuple[str, int, int, int, int]],
    size: tuple[int, int],
    tile: int,
    resized: str | None,
) -> None:
    torch.manual_seed(0)
    parts = [random_layer(*layer) for layer in layers]
    model = Net(to_picture(resized) if resized else lambda y, _: y, *parts)
    x = torch.zeros(1, 2, *size)
    try:
        out = model(x)
    except RuntimeError:
        return  # the layers leave nothing of the picture
    if max(out.shape[-2:]) > 300:
        return
    check_equal(model, *size, tile=max(tile, max(size) // 4))


def test_the_margin_is_what_the_calculator_says() -> None:
    model = nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), nn.Conv2d(2, 2, 5, padding=8, dilation=4))
    tiling = Tiling(model, (1, 2, 90, 120), 20)
    field = analyze(model, torch.zeros(1, 2, 90, 120)).axes["H"]
    assert tiling.margin == (-field.start, -field.start) == (9, 9)
    assert tiling.largest == (38, 38)
    inner = tiling.rows[2].crop
    assert (inner.start, inner.stop, inner.output_start) == (40 - 9, 60 + 9, 31)
    # One pixel less makes a seam, so the margin is no larger than it must be.
    x = torch.randn(1, 2, 90, 120)
    whole = model(x).detach()
    assert torch.equal(tiled(model, x, 20, margin=9) - whole, tiled(model, x, 20) - whole)
    assert (tiled(model, x, 20, margin=8) - whole).abs().max() > 1e-3


def test_crops_begin_where_the_strides_begin() -> None:
    model = nn.Sequential(nn.Conv2d(2, 2, 3, 2, 1), nn.MaxPool2d(3), nn.Upsample(scale_factor=2))
    crops = Crops(model, torch.zeros(1, 2, 71, 50))
    assert crops.alignment == {"H": 6, "W": 6}
    assert crops.density == {"H": Fraction(1, 3), "W": Fraction(1, 3)}
    crop = crops.crop("H", 8, 12)
    assert crop.start % 6 == 0
    assert (71 - crop.stop) % 6 == 0


def test_the_largest_tensor_is_that_of_a_tile() -> None:
    sizes = []

    def note(_: nn.Module, inputs: tuple[Tensor]) -> None:
        sizes.append(tuple(inputs[0].shape[-2:]))

    model = nn.Conv2d(2, 2, 3, padding=1)
    model.register_forward_pre_hook(note)
    tiling = Tiling(model, (1, 2, 300, 200), 32)
    sizes.clear()
    tiled(model, torch.zeros(1, 2, 300, 200), 32, tiling=tiling)
    assert len(sizes) == len(tiling) == 70
    assert (max(h for h, _ in sizes), max(w for _, w in sizes)) == tiling.largest == (34, 34)


def test_what_joins_all_positions_is_named_and_refused_unless_asked_for() -> None:
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Conv2d(2, 2, 3, padding=1)
            self.pooling = nn.AdaptiveAvgPool2d(1)

        def forward(self, x: Tensor) -> Tensor:
            y = self.body(x)
            return y + self.pooling(y)

    x = torch.randn(1, 2, 40, 40)
    with pytest.raises(ValueError, match=r"^pooling \(mean\) joins all positions .*inexact=true"):
        tiled(Gated(), x, 16)
    assert tiled(Gated(), x, 16, inexact=True).shape == (1, 2, 40, 40)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (nn.AdaptiveAvgPool2d(3), "gives the same size whatever the size of its input"),
        (Net(lambda y, _: y.flip(-1), nn.Identity()), "flip.* does something else on a part"),
        (nn.Sequential(nn.Flatten(), nn.Linear(3200, 4)), "has no axis H"),
        (nn.InstanceNorm2d(2), r"\(instance_norm\) joins all positions"),
    ],
)
def test_what_cannot_be_tiled_is_refused(model: nn.Module, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        tiled(model, torch.zeros(1, 2, 40, 40), 16)


def test_wrong_numbers_are_named() -> None:
    model, x = nn.Conv2d(2, 2, 3), torch.zeros(1, 2, 40, 40)
    with pytest.raises(ValueError, match="tile must be >= 1 pixel"):
        tiled(model, x, 0)
    with pytest.raises(ValueError, match="margin must be >= 0 pixels"):
        tiled(model, x, 8, margin=-1)
    with pytest.raises(ValueError, match=r"x must be \(B, C, H, W\), got \(2, 40, 40\)"):
        tiled(model, x[0], 8)
    with pytest.raises(ValueError, match="too small: a tile gives"):
        tiled(model, x, 8, margin=0)
