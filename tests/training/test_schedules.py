"""Learning rates are pure functions of the step."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from wavestack.training.schedules import Constant, OneCycle, Poly, StepSchedule, WarmupCosine


def rates(kind, steps: int, **arguments) -> list[float]:
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.5)
    schedule = kind(optimizer, steps, **arguments)
    used = []
    for _ in range(steps):
        used.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return used


def test_one_cycle_climbs_to_the_peak_and_falls_to_nothing():
    used = rates(OneCycle, 101, rise_fraction=0.3)
    assert used[0] == pytest.approx(0.5 * 0.04)
    assert max(used) == used[30] == 0.5
    assert used[:31] == sorted(used[:31])
    assert used[30:] == sorted(used[30:], reverse=True)
    assert used[-1] == pytest.approx(0.5e-4)


def test_poly_is_torchs_own_after_its_warm_up():
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.5)
    reference = torch.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=20, power=0.9)
    expected = []
    for _ in range(20):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        reference.step()
    assert rates(Poly, 20) == pytest.approx(expected)
    assert rates(Poly, 24, warmup_steps=4)[4:] == pytest.approx(expected)
    assert rates(Poly, 24, warmup_steps=4)[:4] == pytest.approx([0.1, 0.2, 0.3, 0.4])
    with pytest.raises(ValueError, match="power must be > 0, got 0"):
        rates(Poly, 4, power=0)


def test_one_cycle_has_the_shape_of_torchs_own():
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.5)
    reference = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.5, total_steps=101, cycle_momentum=False, final_div_factor=1e4 / 25
    )
    expected = []
    for _ in range(101):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(expected) < 101:
            reference.step()
    # torch places the peak one step earlier.
    assert rates(OneCycle, 101)[1:30] == pytest.approx(expected[1:30], rel=0.05)
    assert rates(OneCycle, 101)[31:90] == pytest.approx(expected[31:90], rel=0.05)


def test_warmup_is_linear_and_the_rest_a_cosine():
    used = rates(WarmupCosine, 110, warmup_steps=10, final_factor=0.1)
    assert used[:10] == pytest.approx([0.5 * (i + 1) / 11 for i in range(10)])
    assert used[10] == 0.5
    assert used[60] == pytest.approx(0.5 * 0.55)
    assert used[-1] == pytest.approx(0.05, rel=0.01)


def test_constant_stays():
    assert rates(Constant, 5) == [0.5] * 5


@pytest.mark.parametrize("kind", [Constant, OneCycle, WarmupCosine])
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_very_short_runs_have_rates_within_the_peak(kind, steps):
    assert all(0 < rate <= 0.5 for rate in rates(kind, steps))


@pytest.mark.parametrize("kind", [Constant, OneCycle, WarmupCosine])
def test_a_schedule_continues_from_its_step_alone(kind):
    def fresh() -> tuple[torch.optim.Optimizer, StepSchedule]:
        optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.5)
        return optimizer, kind(optimizer, 20)

    optimizer, schedule = fresh()
    for _ in range(7):
        optimizer.step()
        schedule.step()
    assert schedule.state_dict() == {"step": 7}
    other_optimizer, other = fresh()
    other.load_state_dict(schedule.state_dict())
    for _ in range(5):
        assert other_optimizer.param_groups[0]["lr"] == optimizer.param_groups[0]["lr"]
        for o, s in ((optimizer, schedule), (other_optimizer, other)):
            o.step()
            s.step()


def test_wrong_arguments_are_named():
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.5)
    with pytest.raises(ValueError, match="max_steps must be >= 1, got 0"):
        Constant(optimizer, 0)
    with pytest.raises(ValueError, match=r"rise_fraction must be in 0\.\.1, got 2"):
        OneCycle(optimizer, 5, rise_fraction=2)
    with pytest.raises(ValueError, match="warmup_steps must be >= 0, got -1"):
        WarmupCosine(optimizer, 5, warmup_steps=-1)
