"""Forecasting: the next steps of a series, measured in squared and absolute error."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wavestack.tasks.base import Batch, Figure, Task


class ForecastingTask(Task):
    """Mean squared error of standardised values over all columns and forecast steps.

    A batch holds ``x`` (B, C, window) and ``target`` (B, C, horizon).

    Args:
        args: as of Task.
        published: figures of others by source, or by the steps that are forecast and by source;
            those of the model's own horizon are taken.
        kwargs: as of Task.

    Raises:
        ValueError: when a published figure is no number.
    """

    metric = "mse"
    element = "values"

    def __init__(
        self, model: Any, *args: Any, published: Mapping[Any, Any] | None = None, **kwargs: Any
    ) -> None:
        if published and all(isinstance(value, Mapping) for value in published.values()):
            published = published.get(model.horizon)
        super().__init__(model, *args, published=published, **kwargs)

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Mean squared and mean absolute error."""
        return (Figure("mse"), Figure("mae"))

    @staticmethod
    def count(batch: Batch) -> int:
        """Values to be forecast."""
        return batch["target"].numel()

    def loss_sum(self, model: Any, batch: Batch) -> Tensor:
        """The sum of squared errors."""
        error = model(batch["x"]).float() - batch["target"]
        return error.square().sum(dtype=torch.float64)

    def figure_sums(self, model: Any, batch: Batch) -> dict[str, tuple[Tensor, int]]:
        """The sums of squared and of absolute errors."""
        return _sums(model(batch["x"]).float(), batch["target"])

    def baselines(self, model: Any, data: Any, split: str) -> dict[str, dict[str, float]]:
        """The last value repeated, and the last day."""
        found = {}
        for name, period in (("repeat last", 1), ("repeat last 24", 24)):
            if period > data.window:
                continue
            totals = {"mse": 0.0, "mae": 0.0}
            count = 0
            for batch in data.eval_batches(split):
                forecast = repeat_last(batch["x"], data.horizon, period)
                for figure, (value, _) in _sums(forecast, batch["target"]).items():
                    totals[figure] += float(value)
                count += batch["target"].numel()
            found[name] = {figure: total / count for figure, total in totals.items()}
        return found

    @torch.no_grad()
    def details(
        self, model: Any, data: Any, split: str, folder: Path, sums: Mapping[str, Tensor]
    ) -> dict[str, str]:
        """The error of each column; pictures of forecasts go to `folder`."""
        from wavestack.tasks.pictures import write_forecast

        device = next(model.parameters()).device
        squares, count = torch.zeros(len(data.columns), dtype=torch.float64), 0
        for batch in data.eval_batches(split):
            error = model(batch["x"].to(device)).cpu() - batch["target"]
            squares += error.double().square().sum(dim=(0, 2))
            count += error.shape[0] * error.shape[2]
        starts = data.starts(split)
        batch = data.windows([starts[len(starts) // 3], starts[2 * len(starts) // 3]])
        forecast = model(batch["x"].to(device)).cpu()
        for row, name in enumerate(("early", "late")):
            write_forecast(
                folder / f"forecast_{split}_{name}.png",
                batch["x"][row].numpy(),
                batch["target"][row].numpy(),
                forecast[row].numpy(),
                data.columns,
            )
        return {
            f"mse of {name}": f"{float(total) / count:.4f}"
            for name, total in zip(data.columns, squares, strict=True)
        }


def repeat_last(x: Tensor, horizon: int, period: int = 1) -> Tensor:
    """The last `period` steps of the window over and over: (..., window) -> (..., horizon).

    Example:
        >>> repeat_last(torch.tensor([1, 2, 3]), 4, period=2).tolist()
        [2, 3, 2, 3]
    """
    places = torch.arange(horizon) % period - period
    return x[..., x.shape[-1] + places]


def _sums(forecast: Tensor, target: Tensor) -> dict[str, tuple[Tensor, int]]:
    error = forecast - target
    count = target.numel()
    return {
        "mse": (error.square().sum(dtype=torch.float64), count),
        "mae": (error.abs().sum(dtype=torch.float64), count),
    }
