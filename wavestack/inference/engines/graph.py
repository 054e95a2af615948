"""The eager engine's step in a CUDA graph: many steps for one launch from the CPU.

A step of a WaveNet is some ninety kernels of a microsecond each; launched one by one from Python
they take ten times as long. The graph holds a chunk of whole steps, so nothing in it may
come from the CPU: the step counter is a tensor that the graph advances itself, and ring
positions, noise and conditions are computed from it on the device.

The chunk is plain torch. Without CUDA it runs as it stands, which is how it is tested.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from wavestack.inference.device_noise import device_uniform
from wavestack.inference.engines.captured import CapturedChunks
from wavestack.inference.engines.eager import EagerEngine

_CHUNK_NUMBERS = 1 << 22  # random numbers in one graph: 16 MiB of them
_MOST_STEPS = 64  # of one graph: by then a launch from the CPU costs nothing per step


class GraphEngine(CapturedChunks, EagerEngine):
    """Run a WaveNet on a GPU, a chunk of steps per launch; see ``Engine``."""

    def __init__(
        self,
        model: Any,
        state: Any,
        current: Tensor,
        condition: Tensor | None,
        seed: int,
        temperature: float,
    ) -> None:
        super().__init__(model, state, current, condition, seed, temperature)
        with torch.inference_mode():
            self.current = current.clone()  # the graph reads and writes this very memory
            numbers = self.batch_size * self.family.num_noise
            self.begin(max(4, min(_MOST_STEPS, _CHUNK_NUMBERS // numbers)), current)
            self.batch_rows = torch.arange(self.batch_size, device=current.device)

    @staticmethod
    def why_not(model: nn.Module) -> str | None:
        """Why this engine cannot run the model here, or None where it can."""
        return EagerEngine.why_not(model) or why_no_cuda(model)

    def chunk(self) -> Tensor:
        """``chunk_steps`` steps from ``counter`` on: the network's inputs that they chose."""
        t = self.counter + self.offsets
        reads, writes = self.rings.positions_at(t)
        noise = device_uniform(self.seed, self.batch_rows, t, self.family.num_noise)
        draws = self.family.draws(noise).to(self.plan.gate_bias)
        biases: Tensor | list[Tensor] = [self.fixed] * self.chunk_steps
        if self.condition is not None and self.condition.shape[-1] > 1:
            biases = self.plan.conditioned_bias(self.columns(self.condition))
        start = self.current
        outputs = []
        for i in range(self.chunk_steps):
            params = self._logits(biases[i], reads[i], writes[i])
            self.current = self.family.choose(params, draws[i], self.temperature)
            outputs.append(self.current)
        self.current = start.copy_(self.current)
        self.counter += self.chunk_steps
        return torch.cat(outputs, dim=-1)


def why_no_cuda(model: nn.Module) -> str | None:
    """Why a model cannot run on a CUDA device here, or None where it does."""
    if not torch.cuda.is_available():
        return "there is no CUDA device"
    device = next(model.parameters()).device
    return None if device.type == "cuda" else f"the model is on {device}, not on a CUDA device"
