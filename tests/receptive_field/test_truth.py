"""Every model of the zoo against gradient and NaN probes that share no code with the calculator."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.receptive_field import probes
from tests.receptive_field.zoo import LINE, PLANE, Case
from wavestack.receptive_field import analyze


def _input(sizes: tuple[int, ...]) -> torch.Tensor:
    return torch.randn(1, 2, *sizes, dtype=torch.float64)


def _matrix(model: torch.nn.Module, x: torch.Tensor, axis: int, loose: bool) -> np.ndarray:
    if loose:
        return probes.gradient_matrix(model, x, axis, axis)
    return probes.nan_matrix(model, x, axis, axis)


def _check(case: Case, names: tuple[str, ...]) -> None:
    model = case.build().double()
    x = _input(case.small)
    report = analyze(model, x)
    assert not report.unknown
    assert not any("too small" in text or "upper bound" in text for text in report.warnings)
    assert tuple(report.axes) == names
    large = _input(case.large)
    for axis, name in enumerate(names, start=2):
        nans = probes.nan_matrix(model, x, axis, axis)
        gradients = probes.gradient_matrix(model, x, axis, axis)
        assert (gradients <= nans).all() or "reads data" in name or not case.pattern
        for o in range(nans.shape[0]):
            index = dict.fromkeys(names, 0) | {name: o}
            if len(names) > 1:
                # The other axis in its middle, where no border hides a tap.
                for d, other in enumerate(names, start=2):
                    if other != name:
                        index[other] = report.output_shape[d] // 2
            found = report.depends_on(index)[name]
            truth = gradients[o] if case.loose else nans[o]
            if len(names) == 1:
                assert found.tolist() == np.flatnonzero(truth).tolist(), (name, o)
            else:
                assert set(found.tolist()) <= set(np.flatnonzero(nans[o]).tolist()), (name, o)
        truth = probes.pattern(_matrix(model, large, axis, case.loose))
        assert probes.compare(report.axes[name], truth) == []


@pytest.mark.parametrize("name", LINE)
def test_signals_agree_with_probes(name: str) -> None:
    _check(LINE[name], ("T",))


@pytest.mark.parametrize("name", PLANE)
def test_pictures_agree_with_probes(name: str) -> None:
    _check(PLANE[name], ("H", "W"))


@pytest.mark.parametrize(
    "name", ["aspp 2 4", "chained aspp", "gridding 2 2", "hybrid dilation 1 2 3", "fold"]
)
def test_area_counts_the_pixels_that_have_a_gradient(name: str) -> None:
    case = PLANE[name]
    model = case.build().double()
    area = analyze(model, _input(case.small)).area
    x = _input(case.large).requires_grad_()
    out = model(x)
    counts = []
    for shift in (0, 1):  # the largest of two neighbours, where outputs differ by phase
        middle = (out.shape[-2] // 2 + shift, out.shape[-1] // 2 + shift)
        (grad,) = torch.autograd.grad(out[..., middle[0], middle[1]].sum(), x, retain_graph=True)
        counts.append(int((grad != 0).any(1).any(0).sum()))
    assert area.used == max(counts)
    assert area.mask.sum() == area.used
    assert area.box == area.mask.size


@pytest.mark.parametrize("name", list(LINE)[::4])
def test_verify_agrees(name: str) -> None:
    model = LINE[name].build().double()
    result = analyze(model, _input(LINE[name].small)).verify()
    assert result.agrees, str(result)


def test_verify_notices_a_wrong_claim() -> None:
    model = LINE["three convolutions"].build().double()
    report = analyze(model, _input((48,)))
    model[0].dilation = (2,)
    model[0].padding = (2,)
    result = report.verify()
    assert not result
    assert "disagree" in str(result)
