"""The programs about the segmentation networks: their networks are what they say."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("torchvision")

from bench.common import RESULTS
from bench.receptive_field_models import CASES, measure
from bench.segmentation_cost import PAIRS, needs_smp

NAMES = ("context module", "ASPP 6, 12, 18", "VGG-16 front end, 8", "HDCNet, 8")


@pytest.mark.parametrize("case", [c for c in CASES if c.name in NAMES], ids=lambda case: case.name)
def test_committed_fields_are_those_of_today(case):
    figures = json.loads((RESULTS / "receptive_field_models.json").read_text())["figures"]
    for key, value in measure(case).items():
        assert figures[f"{case.name}: {key}"] == pytest.approx(value, rel=1e-3)


def test_stated_fields_are_the_calculators():
    figures = json.loads((RESULTS / "receptive_field_models.json").read_text())["figures"]
    stated = [case for case in CASES if case.stated is not None]
    assert len(stated) == 5
    for case in stated:
        assert figures[f"{case.name}: field"] == case.stated


def test_names_are_given_once_and_peers_are_known():
    for named in (CASES, PAIRS):
        assert len({entry.name for entry in named}) == len(named)
    assert [needs_smp(pair) for pair in PAIRS] == [False] * 5 + [True] * 5
