"""Feeds the Trainer: batch k is made from (seed, k) alone, and each rank takes its rows of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
from torch.utils.data import DataLoader, Dataset

from wavestack.errors import UserError
from wavestack.tasks.base import Batch


class RankBatches(Dataset):
    """Rows of one rank of every global batch, with what the loss needs to know of the whole.

    Args:
        batches: map-style; ``batches[k]`` is global batch k.
        rows: ``rows(batch, rank, world_size)`` takes the rank's rows.
        count: number of elements of a batch that count in the loss.
        rank: this process among all ranks.
        world_size: number of ranks.
    """

    def __init__(
        self,
        batches: Any,
        rows: Callable[[Batch, int, int], Batch],
        count: Callable[[Batch], int],
        rank: int,
        world_size: int,
    ) -> None:
        self.batches = batches
        self.rows = rows
        self.count = count
        self.rank = rank
        self.world_size = world_size

    def __getitem__(self, k: int) -> Batch:
        """This rank's rows of global batch ``k``, with its ``index`` and the global ``count``.

        Raises:
            UserError: when the task counts something that the data do not have.
        """
        batch = self.batches[k]
        # Counted before the rows are divided: the mean of a step is over the global batch.
        try:
            count = self.count(batch)
        except KeyError as error:
            raise UserError(
                f"task asks for batches with {error}, but those of data hold {', '.join(batch)}"
            ) from error
        if self.world_size > 1:
            batch = self.rows(batch, self.rank, self.world_size)
        return {**batch, "index": k, "count": count}


class StepLoader(pl.LightningDataModule):
    """Makes the training loader once the ranks are known.

    The step is the loader's only state: a run resumed at step k starts its sampler at k, with any
    number of workers.

    Args:
        data: gives ``train_batches(seed)`` and ``num_workers``.
        rows: see :class:`RankBatches`.
        count: see :class:`RankBatches`.
        seed: seed of the order, the crops and the augmentation.
        first_step: first batch.
        max_steps: one past the last batch.
    """

    def __init__(
        self,
        data: Any,
        rows: Callable[[Batch, int, int], Batch],
        count: Callable[[Batch], int],
        *,
        seed: int,
        first_step: int,
        max_steps: int,
    ) -> None:
        super().__init__()
        self.data = data
        self.rows = rows
        self.count = count
        self.seed = seed
        self.steps = range(first_step, max_steps)

    def train_dataloader(self) -> DataLoader:
        """Batches ``first_step .. max_steps - 1`` of this rank."""
        trainer: Any = self.trainer
        batches = RankBatches(
            self.data.train_batches(self.seed),
            self.rows,
            self.count,
            trainer.global_rank,
            trainer.world_size,
        )
        workers = self.data.num_workers
        return DataLoader(
            batches,
            sampler=self.steps,
            batch_size=None,
            num_workers=workers,
            # A forked worker notices when the training process was killed and ends; one that came
            # from a fork server sees only the server's death and would stay for good.
            multiprocessing_context="fork" if workers and sys.platform == "linux" else None,
            pin_memory=trainer.strategy.root_device.type == "cuda",
        )
