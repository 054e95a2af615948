"""Hybrid dilated convolution: the M2 rule against the calculator's own count of pixels."""

from __future__ import annotations

from itertools import combinations_with_replacement

import pytest
import torch

from wavestack.layers import HybridDilatedConv2d, maximum_distance, refuse_holes
from wavestack.receptive_field import analyze


def has_holes(kernel_size: int, rates: tuple[int, ...]) -> bool:
    """Whether some position of the field is read through no choice of taps."""
    read = {0}
    for rate in rates:
        read = {i + rate * tap for i in read for tap in range(kernel_size)}
    return len(read) <= max(read)


def is_refused(kernel_size: int, rates: tuple[int, ...]) -> bool:
    try:
        refuse_holes(kernel_size, rates)
    except ValueError:
        return True
    return False


@pytest.mark.parametrize(
    ("rates", "distance"), [((1, 2, 5), 2), ((1, 2, 9), 5), ((2, 2, 2), 2), ((1, 2, 3), 2)]
)
def test_distances_of_the_paper(rates, distance):
    assert maximum_distance(3, rates) == distance


@pytest.mark.parametrize(
    ("rates", "used", "box"),
    [
        ((1, 2, 5), 17**2, 17**2),
        ((2, 2, 2), 7**2, 13**2),
        ((1, 2, 9), 21**2, 25**2),
        ((1, 1, 1), 7**2, 7**2),
        ((5, 1, 2), 17**2, 17**2),
        ((2, 5), 9**2, 15**2),
        ((1, 2, 5, 9), 35**2, 35**2),
    ],
)
def test_refused_exactly_where_the_calculator_finds_holes(rates, used, box):
    group = HybridDilatedConv2d(1, 1, rates=rates, allow_holes=True).eval()
    area = analyze(group, torch.zeros(1, 1, 8, 8)).area
    assert (area.used, area.box) == (used, box)
    assert is_refused(3, rates) == (area.coverage < 1)


@pytest.mark.parametrize("kernel_size", [2, 3, 4, 5])
@pytest.mark.parametrize("layers", [2, 3, 4])
def test_the_rule_is_exact_for_all_small_rates(kernel_size, layers):
    for rates in combinations_with_replacement(range(1, 13 - layers), layers):
        assert is_refused(kernel_size, rates) == has_holes(kernel_size, rates), rates


def test_the_papers_formula_alone_lets_gridding_pass():
    assert maximum_distance(3, (2, 2, 2)) <= 3
    assert has_holes(3, (2, 2, 2))


def test_neighbours_of_a_gridded_group_share_no_input():
    report = analyze(HybridDilatedConv2d(1, 1, rates=(2, 2, 2), allow_holes=True).eval(),
                     torch.zeros(1, 1, 32, 32))  # fmt: skip
    here, beside = (set(report.depends_on({"H": 16, "W": w})["W"]) for w in (16, 17))
    assert not here & beside


def test_the_undilated_control_has_the_same_parameters():
    control = HybridDilatedConv2d(2, 3, rates=(1, 2, 5), dilated=False).eval()
    shapes = [p.shape for p in HybridDilatedConv2d(2, 3, rates=(1, 2, 5)).parameters()]
    assert [p.shape for p in control.parameters()] == shapes
    assert control.rates == (1, 1, 1)
    assert analyze(control, torch.zeros(1, 2, 8, 8)).axes["H"].size == 7


def test_wrong_rates_are_named():
    with pytest.raises(ValueError, match=r"rates \(1, 2, 9\) leave holes: M_2 is 5, more than"):
        HybridDilatedConv2d(1, 1, rates=(1, 2, 9))
    with pytest.raises(ValueError, match=r"rates \(2, 2, 2\) leave holes: one of them must be 1"):
        HybridDilatedConv2d(1, 1, rates=(2, 2, 2))
    with pytest.raises(ValueError, match=r"two or more numbers >= 1, got \(3,\)"):
        HybridDilatedConv2d(1, 1, rates=(3,))
    with pytest.raises(ValueError, match=r"two or more numbers >= 1, got \(0, 1\)"):
        maximum_distance(3, (0, 1))
    with pytest.raises(ValueError, match="kernel_size must be >= 2, got 1"):
        maximum_distance(1, (1, 2))
