"""Keeps Lightning's tips, advertisements and advice out of the user's terminal."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# Advice that does not hold here: the loader is resumable by construction, its order is our own,
# validation and logging are done by our callbacks.
_ADVICE = (
    ".*does not have many workers.*",
    ".*You defined a `validation_step`.*",
    ".*No `val_dataloader`.*",
    ".*Checkpoint directory .* exists.*",
    ".*isinstance.treespec, LeafSpec.*",
    ".*lr_scheduler.step.*before `optimizer.step.*",  # fp16 skips the first steps while it scales
    ".*srun. command is available.*",
    ".*multi-threaded, use of fork.*",
    ".*GPU available but not used.*",
    ".*Trying to infer the `batch_size`.*",
    ".*FSDP2.*|.*fully_shard.*experimental.*",
)


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Inside the block Lightning logs errors only, and its advice is not shown."""
    loggers = [
        logging.getLogger(name) for name in ("lightning", "lightning.pytorch", "lightning.fabric")
    ]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for message in _ADVICE:
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
