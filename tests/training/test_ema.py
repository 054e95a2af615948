"""The running average of the weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from wavestack.training.ema import WeightAverage


def test_average_is_the_recurrence_with_a_warmed_up_decay():
    model = nn.Linear(2, 1)
    average = WeightAverage(model, 0.9)
    expected = model.weight.detach().clone()
    for step in range(1, 101):
        with torch.no_grad():
            model.weight.add_(torch.randn(1, 2))
        average.update(step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * model.weight.detach()
    torch.testing.assert_close(average.state()["weight"], expected)


def test_no_decay_gives_the_weights_themselves():
    model = nn.Linear(2, 1)
    average = WeightAverage(model, 0.0)
    average.update(1)
    assert average.state() == {}
    torch.testing.assert_close(average.model_state()["weight"], model.weight.detach())


def test_state_continues_and_buffers_are_the_models_own():
    model = nn.BatchNorm1d(3)
    average = WeightAverage(model, 0.5)
    model.running_mean.fill_(7.0)
    with torch.no_grad():
        model.weight.fill_(3.0)
    average.update(1000)
    state = average.model_state()
    torch.testing.assert_close(state["weight"], torch.full((3,), 2.0))
    torch.testing.assert_close(state["running_mean"], torch.full((3,), 7.0))
    other = WeightAverage(model, 0.5)
    other.load(average.state())
    torch.testing.assert_close(other.state(), average.state())


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r"ema_decay must be in \[0, 1\), got 1"):
        WeightAverage(nn.Linear(1, 1), 1.0)
    with pytest.raises(ValueError, match="averaged weights differ"):
        WeightAverage(nn.Linear(1, 1), 0.5).load({"other": torch.zeros(1)})
