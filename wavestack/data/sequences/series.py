"""A multivariate series as windows for forecasting: what was, and what came."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from wavestack.data.base import TaskData
from wavestack.data.order import BatchOrder
from wavestack.data.sequences.table import Table, read_table
from wavestack.data.splits import SPLITS, Split, check_split
from wavestack.errors import UserError

Batch = dict[str, Tensor]


class SeriesData(TaskData):
    """Windows of a series, standardised by the training rows, with the rows to be forecast.

    The rows are split in their order: training, validation, test. A window of a split has its whole
    horizon inside the split; the rows before, which the model is given, may lie in the split before
    it. Every such window counts in an evaluation.

    A batch holds ``x`` (B, C, window) and ``target`` (B, C, horizon).

    Args:
        root: a CSV file, or the folder that holds it.
        window: rows that the model is given.
        horizon: rows that it forecasts.
        splits: rows for training, validation and test; numbers of at most 1 are shares of all rows.
            Rows after them are left out.
        batch_size: windows of a training batch, over all processes together.
        columns: names of the columns; None: all but the first, if that holds the times.
        file: name of the file in the folder.
        synthetic: a made-up series (daily waves, a trend, noise) of 7 columns instead of a file.
        num_workers: processes of the training loader; 0 makes batches in the main process.
        eval_batch_size: windows of an evaluation batch.

    Attributes:
        columns: names of the columns.

    Raises:
        UserError: when the file cannot be used or has too few rows for the splits.
        ValueError: when a number is out of its range.

    References:
        Zeng et al. (2023), "Are transformers effective for time series forecasting?", whose
        published code sets splits and standardisation of the ETT data in this way.

    Example:
        >>> data = SeriesData(None, window=48, horizon=24, synthetic=True)
        >>> batch = data.train_batches(seed=0)[0]
        >>> batch["x"].shape, batch["target"].shape
        (torch.Size([32, 7, 48]), torch.Size([32, 7, 24]))
    """

    item_noun = "windows"
    tasks = ("ForecastingTask",)

    def __init__(
        self,
        root: str | os.PathLike[str] | None,
        window: int,
        horizon: int,
        splits: Sequence[float] = (0.7, 0.1, 0.2),
        batch_size: int = 32,
        columns: Sequence[str] | None = None,
        file: str = "*.csv",
        synthetic: bool = False,
        num_workers: int = 0,
        eval_batch_size: int = 256,
    ) -> None:
        for name, value, least in (
            ("window", window, 1),
            ("horizon", horizon, 1),
            ("batch_size", batch_size, 1),
            ("num_workers", num_workers, 0),
            ("eval_batch_size", eval_batch_size, 1),
        ):
            if value < least:
                raise ValueError(f"{name} must be >= {least}, got {value}")
        if len(splits) != 3 or any(part <= 0 for part in splits):
            raise ValueError(f"splits must be three positive numbers, got {list(splits)}")
        self.window = window
        self.horizon = horizon
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.eval_batch_size = eval_batch_size
        table = synthetic_table() if synthetic else read_table(root, file, columns)
        self.columns = table.names
        self._bounds = self._divide(splits, len(table.values), "the series" if synthetic else root)
        train = table.values[: self._bounds["train"][1]]
        # Rounding may leave a constant column a deviation of 1e-17, which would blow up the rest.
        constant = train.max(axis=0) == train.min(axis=0)
        self.mean, self.deviation = train.mean(axis=0), np.where(constant, 1.0, train.std(axis=0))
        standard = ((table.values - self.mean) / self.deviation).astype(np.float32)
        self.series = torch.from_numpy(np.ascontiguousarray(standard.T))  # (C, T)

    def starts(self, split: Split) -> range:
        """The first forecast row of every window of a split."""
        check_split(split)
        first, stop = self._bounds[split]
        return range(max(first, self.window), stop - self.horizon + 1)

    def windows(self, starts: Sequence[int] | np.ndarray) -> Batch:
        """The batch of the windows whose forecasts begin at these rows."""
        rows = torch.as_tensor(np.asarray(starts))[:, None]
        past = rows + torch.arange(-self.window, 0)
        future = rows + torch.arange(self.horizon)
        # (C, B, rows) -> (B, C, rows)
        x, target = (self.series[:, places].transpose(0, 1) for places in (past, future))
        return {"x": x.contiguous(), "target": target.contiguous()}

    def num_items(self, split: Split) -> int:
        """Windows of a split."""
        return len(self.starts(split))

    def train_batches(self, seed: int) -> WindowBatches:
        """The endless training batches of a seed."""
        return WindowBatches(self, seed)

    def eval_batches(self, split: Split) -> list[Batch]:
        """Every window of a split, once and in order."""
        starts, size = self.starts(split), self.eval_batch_size
        return [self.windows(starts[i : i + size]) for i in range(0, len(starts), size)]

    def check_model(self, model: Any) -> None:
        """Stop when a model is given or forecasts another number of rows.

        Raises:
            UserError: naming the model's key.
        """
        for key, wanted in (("window", self.window), ("horizon", self.horizon)):
            found = getattr(model, key, wanted)
            if found != wanted:
                raise UserError(f"model.{key} is {found}, but data.{key} is {wanted}")

    @classmethod
    def stand_in(cls, data: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
        """A made-up series."""
        return {
            **super().stand_in(data, model),
            "synthetic": True,
            "splits": [0.6, 0.2, 0.2],
            "columns": None,
        }

    def _divide(
        self, splits: Sequence[float], num_rows: int, where: Any
    ) -> dict[Split, tuple[int, int]]:
        """First row of each split and the one after its last."""
        parts = [int(part * num_rows) if part <= 1 else int(part) for part in splits]
        if sum(parts) > num_rows:
            raise UserError(
                f"{where}: has {num_rows} rows, data.splits asks for {' + '.join(map(str, parts))}"
            )
        bounds: dict[Split, tuple[int, int]] = {}
        first = 0
        for split, rows in zip(SPLITS, parts, strict=True):
            need = self.horizon + (self.window if split == "train" else 0)
            if rows < need or first + rows < self.window + self.horizon:
                raise UserError(
                    f"{where}: {rows} rows for the {split} split are too few for a window of "
                    f"{self.window} and a horizon of {self.horizon}"
                )
            bounds[split] = (first, first + rows)
            first += rows
        return bounds


class WindowBatches(Dataset):
    """The training batches: ``batches[k]`` is batch k, a pure function of (seed, k).

    Args:
        data: whose windows they are.
        seed: not negative.
    """

    def __init__(self, data: SeriesData, seed: int) -> None:
        self.data = data
        self.starts = data.starts("train")
        self.order = BatchOrder(len(self.starts), data.batch_size, seed)

    def __len__(self) -> int:
        """Unbounded: training ends by its own count of steps."""
        return sys.maxsize

    def __getitem__(self, k: int) -> Batch:
        return self.data.windows(self.starts[0] + self.order.items(k))


def synthetic_table(num_rows: int = 6000, num_columns: int = 7, seed: int = 0) -> Table:
    """Daily and weekly waves, a wandering level and noise: hourly rows, always the same."""
    rng = np.random.default_rng(seed)
    hours = np.arange(num_rows)[:, None]
    phases, sizes = rng.uniform(0, 2 * np.pi, (2, num_columns)), rng.uniform(0.5, 2, num_columns)
    daily = sizes * np.sin(2 * np.pi * hours / 24 + phases[0])
    weekly = 0.5 * np.sin(2 * np.pi * hours / 168 + phases[1])
    level = 0.02 * rng.standard_normal((num_rows, num_columns)).cumsum(axis=0)
    values = daily + weekly + level + 0.2 * rng.standard_normal((num_rows, num_columns))
    return Table(tuple(f"column{i}" for i in range(num_columns)), values)
