"""Learning-rate schedules that are pure functions of the step and follow ``max_steps``.

A run that stops early (time budget, patience) has simply walked a part of its schedule; nothing
here looks at a clock. Being pure functions they also resume exactly: the state is the step alone.
"""

from __future__ import annotations

import math

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


class StepSchedule(LRScheduler):
    """Learning rate = the optimizer's own rate x :meth:`factor` of the step.

    Args:
        optimizer: its ``lr`` is the peak of the schedule.
        max_steps: steps of the whole run.

    Raises:
        ValueError: when ``max_steps`` is below 1.
    """

    def __init__(self, optimizer: Optimizer, max_steps: int) -> None:
        if max_steps < 1:
            raise ValueError(f"max_steps must be >= 1, got {max_steps}")
        self.max_steps = max_steps
        super().__init__(optimizer)

    def factor(self, step: int) -> float:
        """Share of the peak rate used in optimizer step ``step`` (0-based)."""
        return 1.0

    def get_lr(self) -> list[float | Tensor]:
        """Rates of the parameter groups for the step that comes next."""
        factor = self.factor(self.last_epoch)
        return [base * factor for base in self.base_lrs]

    def state_dict(self) -> dict[str, int]:
        """The step and nothing else."""
        return {"step": self.last_epoch}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Continues at the step of :meth:`state_dict`; ``max_steps`` stays as constructed."""
        self.last_epoch = int(state_dict["step"])
        rates = self.get_lr()
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        self._last_lr = rates


class Constant(StepSchedule):
    """The optimizer's rate all along."""


class WarmupCosine(StepSchedule):
    """Linear warm-up, then half a cosine down to ``final_factor``.

    Args:
        optimizer: its ``lr`` is the peak.
        max_steps: steps of the whole run, the warm-up included.
        warmup_steps: steps of the linear rise.
        final_factor: share of the peak left at the end.

    Raises:
        ValueError: when ``warmup_steps`` is negative.

    References:
        Loshchilov and Hutter (2017), SGDR: stochastic gradient descent with warm restarts.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_steps: int,
        warmup_steps: int = 100,
        final_factor: float = 0.0,
    ) -> None:
        if warmup_steps < 0:
            raise ValueError(f"warmup_steps must be >= 0, got {warmup_steps}")
        self.warmup_steps = min(warmup_steps, max_steps - 1)
        self.final_factor = final_factor
        super().__init__(optimizer, max_steps)

    def factor(self, step: int) -> float:
        """Share of the peak rate in step ``step``."""
        if step < self.warmup_steps:
            return (step + 1) / (self.warmup_steps + 1)
        position = (step - self.warmup_steps) / max(self.max_steps - self.warmup_steps, 1)
        return _cosine(1.0, self.final_factor, position)


class Poly(StepSchedule):
    """The share of the steps that are left, to a power: the schedule of segmentation.

    Args:
        optimizer: its ``lr`` is the peak.
        max_steps: steps of the whole run, the warm-up included.
        power: above 0; 1 is a straight line.
        warmup_steps: steps of a linear rise before.

    Raises:
        ValueError: when ``power`` is not positive or ``warmup_steps`` negative.

    References:
        Liu, Rabinovich and Berg (2016), ParseNet; Chen et al. (2018), DeepLab, section 4.1.
    """

    def __init__(
        self, optimizer: Optimizer, max_steps: int, power: float = 0.9, warmup_steps: int = 0
    ) -> None:
        if power <= 0:
            raise ValueError(f"power must be > 0, got {power}")
        if warmup_steps < 0:
            raise ValueError(f"warmup_steps must be >= 0, got {warmup_steps}")
        self.power = power
        self.warmup_steps = min(warmup_steps, max_steps - 1)
        super().__init__(optimizer, max_steps)

    def factor(self, step: int) -> float:
        """Share of the peak rate in step ``step``."""
        if step < self.warmup_steps:
            return (step + 1) / (self.warmup_steps + 1)
        left = 1 - (step - self.warmup_steps) / (self.max_steps - self.warmup_steps)
        return max(left, 0.0) ** self.power


class OneCycle(StepSchedule):
    """Half a cosine up to the peak, then half a cosine down to almost nothing.

    Args:
        optimizer: its ``lr`` is the peak.
        max_steps: steps of the whole run.
        rise_fraction: share of the steps that climb.
        initial_factor: share of the peak at the first step.
        final_factor: share of the peak at the last step.

    Raises:
        ValueError: when ``rise_fraction`` is outside 0..1.

    References:
        Smith and Topin (2019), Super-convergence: very fast training of neural networks.

    Notes:
        The momentum is left alone; torch's own OneCycleLR moves it too.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_steps: int,
        rise_fraction: float = 0.3,
        initial_factor: float = 0.04,
        final_factor: float = 1e-4,
    ) -> None:
        if not 0 <= rise_fraction <= 1:
            raise ValueError(f"rise_fraction must be in 0..1, got {rise_fraction}")
        self.rise_fraction = rise_fraction
        self.initial_factor = initial_factor
        self.final_factor = final_factor
        super().__init__(optimizer, max_steps)

    def factor(self, step: int) -> float:
        """Share of the peak rate in step ``step``."""
        peak = self.rise_fraction * (self.max_steps - 1)
        if step < peak:
            return _cosine(self.initial_factor, 1.0, step / peak)
        return _cosine(1.0, self.final_factor, (step - peak) / max(self.max_steps - 1 - peak, 1))


def _cosine(start: float, end: float, position: float) -> float:
    """From ``start`` at position 0 to ``end`` at 1 and beyond, along half a cosine."""
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * min(max(position, 0.0), 1.0)))
