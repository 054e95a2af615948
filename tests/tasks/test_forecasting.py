"""Forecasting: errors over all values, yardsticks, pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from wavestack.data import SeriesData
from wavestack.models import DLinear
from wavestack.tasks import ForecastingTask
from wavestack.tasks.forecasting import repeat_last
from wavestack.training.totals import totals


@pytest.fixture
def data() -> SeriesData:
    return SeriesData(None, window=48, horizon=12, splits=[300, 100, 100], synthetic=True)


def test_errors_are_means_over_windows_columns_and_steps(data: SeriesData):
    task = ForecastingTask(DLinear(48, 12), torch.optim.SGD)
    model = task.model.eval()
    batches = data.eval_batches("test")
    found = totals(task, task.figure_sums, model, batches, torch.device("cpu"))
    values = task.figure_values(found.sums, found.counts)
    batch = data.windows(data.starts("test"))
    error = (model(batch["x"]) - batch["target"]).detach()
    assert values["mse"] == pytest.approx(float(error.square().mean()), rel=1e-5)
    assert values["mae"] == pytest.approx(float(error.abs().mean()), rel=1e-5)
    assert found.counts["mse"] == 89 * 7 * 12 == task.count(batch)
    loss = task.loss_sum(model, batch) / task.count(batch)
    assert loss.item() == pytest.approx(values["mse"], rel=1e-5)


def test_yardsticks_repeat_the_window(data: SeriesData):
    task = ForecastingTask(DLinear(48, 12), torch.optim.SGD)
    found = task.baselines(task.model, data, "val")
    series, starts = data.series.numpy(), np.array(data.starts("val"))
    for name, period in (("repeat last", 1), ("repeat last 24", 24)):
        error = [
            series[:, s + i] - series[:, s - period + i % period] for s in starts for i in range(12)
        ]
        assert found[name]["mse"] == pytest.approx(float(np.square(error).mean()), rel=1e-4)
    # A window shorter than a day has no last day.
    short = SeriesData(None, window=20, horizon=12, splits=[300, 100, 100], synthetic=True)
    assert list(task.baselines(task.model, short, "val")) == ["repeat last"]


def test_repeating_goes_round():
    x = torch.arange(5.0).reshape(1, 5)
    assert repeat_last(x, 4).tolist() == [[4, 4, 4, 4]]
    assert repeat_last(x, 5, period=2).tolist() == [[3, 4, 3, 4, 3]]


def test_evaluation_names_the_columns_and_draws_forecasts(data: SeriesData, tmp_path: Path):
    task = ForecastingTask(DLinear(48, 12), torch.optim.SGD)
    lines = task.details(task.model.eval(), data, "test", tmp_path, {})
    assert list(lines) == [f"mse of column{i}" for i in range(7)]
    batch = data.windows(data.starts("test"))
    error = (task.model(batch["x"]) - batch["target"]).detach()
    assert float(lines["mse of column3"]) == pytest.approx(
        float(error[:, 3].square().mean()), abs=1e-4
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "forecast_test_early.png",
        "forecast_test_late.png",
    ]
