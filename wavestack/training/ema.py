"""A running average of the weights, used for validation, samples and the exported model."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wavestack.training.weights import like, local, whole


class WeightAverage:
    """Exponential moving average of a model's parameters, with a warm-up of the decay.

    After step n the decay is ``min(decay, (1 + n) / (10 + n))``, so that a short run is not held
    back by its random start. Buffers are not averaged; the model's own are used.

    Args:
        model: whose parameters are followed; sharded models keep sharded averages.
        decay: weight of the past, 0 <= decay < 1; 0 keeps no average: the weights themselves.

    Raises:
        ValueError: when ``decay`` is outside [0, 1).

    References:
        Polyak and Juditsky (1992), Acceleration of stochastic approximation by averaging.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"ema_decay must be in [0, 1), got {decay}")
        self.model = model
        self.decay = decay
        self._average: dict[str, Tensor] = {}
        if decay > 0:
            self._average = {
                name: parameter.detach().clone() for name, parameter in model.named_parameters()
            }

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Takes in the weights after optimizer step ``step`` (1 for the first)."""
        if not self._average:
            return
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(
            [local(average) for average in self._average.values()],
            [local(parameter) for parameter in self.model.parameters()],
            1 - decay,
        )

    def state(self) -> dict[str, Tensor]:
        """The averaged parameters, whole and on the CPU (every rank must call it)."""
        return {name: whole(average) for name, average in self._average.items()}

    @torch.no_grad()
    def load(self, state: dict[str, Tensor]) -> None:
        """Continues from what :meth:`state` returned; an empty dict leaves the average as it is.

        Raises:
            ValueError: when the names differ.
        """
        if not self._average or not state:
            return
        if state.keys() != self._average.keys():
            raise ValueError(
                f"averaged weights differ: {sorted(state.keys() ^ self._average.keys())}"
            )
        for name, average in self._average.items():
            average.copy_(like(state[name], average))

    def model_state(self) -> dict[str, Tensor]:
        """A whole ``state_dict`` with the averaged parameters in it (every rank must call it)."""
        state = self.model.state_dict()
        return {name: whole(self._average.get(name, value)) for name, value in state.items()}
