"""The engine that always can: one ``stream`` call of the model per sample."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from wavestack.inference.engines.draws import chunk_steps, prepare_draws
from wavestack.layers import State


class StreamEngine:
    """Run any model with ``stream``, ``initial_state`` and ``distribution``; see ``Engine``."""

    def __init__(
        self,
        model: Any,
        state: State,
        current: Tensor,
        condition: Tensor | None,
        seed: int,
        temperature: float,
    ) -> None:
        self.model = model
        self.state = state
        self.current = current
        self.condition = condition
        self.seed = seed
        self.temperature = temperature
        self.step = 0

    @staticmethod
    def why_not(model: nn.Module) -> str | None:
        """Why this engine cannot run the model here, or None where it can."""
        missing = [n for n in ("stream", "initial_state", "distribution") if not hasattr(model, n)]
        return f"the model has no {', no '.join(missing)}" if missing else None

    @torch.inference_mode()
    def advance(self, num_steps: int) -> Tensor:
        """The next samples as waveform values, (B, num_steps)."""
        family = self.model.distribution
        batch_size = self.current.shape[0]
        like = next(self.model.parameters())
        outputs = []
        while num_steps:
            count = min(num_steps, chunk_steps(batch_size, family.num_noise))
            num_steps -= count
            draws = prepare_draws(family, self.seed, batch_size, self.step, count, like)
            for i in range(count):
                params, self.state = self.model.stream(self.current, self.state, self._column())
                self.current = family.choose(params[..., 0], draws[i], self.temperature)
                outputs.append(self.current)
                self.step += 1
        return family.decode(torch.cat(outputs, dim=-1))

    def _column(self) -> Tensor | None:
        if self.condition is None or self.condition.shape[-1] == 1:
            return self.condition
        return self.condition[..., self.step : self.step + 1]
