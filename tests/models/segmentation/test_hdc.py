"""HDCNet, beside its undilated control and rates that leave holes."""

from __future__ import annotations

import pytest
import torch

from tests.models.dense_tester import DensePredictionTester
from wavestack.models.segmentation import HDCNet
from wavestack.models.segmentation.hdc import HybridDilatedUnit
from wavestack.receptive_field import analyze

SMALL = {"channels": (4, 6, 8), "rates": [(1, 2, 5)], "decoder_channels": 6}


class TestHDCNet(DensePredictionTester):
    model = HDCNet
    arguments = SMALL
    output_strides = (4, 8)
    has_aux = False


@pytest.mark.parametrize(("output_stride", "scale"), [(8, 8), (4, 4)])
def test_the_deep_stage_sees_farther_by_its_rates(output_stride, scale):
    x = torch.zeros(1, 3, 64, 64)
    models = [HDCNet(2, output_stride, **SMALL, dilated=dilated) for dilated in (True, False)]
    sizes = [analyze(model.eval(), x, layer="deep").axes["H"].size for model in models]
    # Rates 1, 2, 5 against 1, 1, 1: of each two neighbours, `scale` pixels of the image apart.
    assert sizes[0] - sizes[1] == 2 * scale * ((1 + 2 + 5) - 3)


def test_rates_that_leave_holes_are_refused_unless_asked_for():
    with pytest.raises(ValueError, match=r"rates \(2, 2, 2\) leave holes"):
        HDCNet(2, rates=[(2, 2, 2)])
    HDCNet(2, rates=[(2, 2, 2)], allow_holes=True)


def test_a_unit_begins_as_the_identity_behind_its_relu():
    unit = HybridDilatedUnit(4, (1, 2, 5))
    x = torch.randn(2, 4, 12, 12)
    torch.testing.assert_close(unit(x), x.relu(), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"output_stride": 16}, "output_stride must be 4 or 8, got 16"),
        ({"channels": (4, 8)}, r"channels must be three numbers >= 1, got \[4, 8\]"),
        ({"decoder_channels": 1}, "decoder_channels must be >= 2, got 1"),
    ],
)
def test_arguments_out_of_range_are_named(options, said):
    with pytest.raises(ValueError, match=said):
        HDCNet(2, **options)
