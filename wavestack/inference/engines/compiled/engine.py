"""The engine for CPUs: whole steps in one compiled function, no torch between two samples."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from wavestack.inference.engines.compiled import tables as T
from wavestack.inference.engines.vector.requirement import why_no_numba
from wavestack.models.wavenet import WaveNet

PRECISIONS = ("float32", "float24", "bfloat16")
_MOST_AHEAD = 32  # rows of a product beyond which the weights' way from memory no longer counts


class CompiledEngine:
    """Run a WaveNet by a Numba kernel; see ``Engine``.

    Options:
        threads: 1 or 2. The samples are the same.
        precision: of the weights: "float32", or "float24" or "bfloat16" for three quarters or half
            of the size, and other samples.
        look_ahead: steps for which old taps are computed at once, a power of two; 1 for none. The
            samples are the same. None chooses by the batch.

    References:
        van den Oord et al. (2016), WaveNet; Le Paine et al. (2016), Fast WaveNet Generation
        Algorithm.
    """

    options = ("threads", "precision", "look_ahead")

    def __init__(
        self,
        model: Any,
        state: Any,
        current: Tensor,
        condition: Tensor | None,
        seed: int,
        temperature: float,
        *,
        threads: int = 1,
        precision: str = "float32",
        look_ahead: int | None = None,
    ) -> None:
        if threads not in (1, 2):
            raise ValueError(f"threads must be 1 or 2, got {threads}")
        if precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {PRECISIONS}, got {precision!r}")
        if look_ahead is None:
            look_ahead = max(1, _MOST_AHEAD >> (current.shape[0] - 1).bit_length())
        if look_ahead < 1 or look_ahead & (look_ahead - 1):
            raise ValueError(f"look_ahead must be a power of two, got {look_ahead}")
        from wavestack.inference.engines.compiled import kernel
        from wavestack.inference.engines.compiled.pack import Network

        kernel.prepare()
        self._kernel = kernel
        self._second = ThreadPoolExecutor(1) if threads == 2 else None
        self.family = model.distribution
        self.temperature = temperature
        self.condition = condition
        self.step = 0
        with torch.inference_mode():
            self.network = Network(
                model, state, current, condition, seed, precision, look_ahead, threads
            )

    @staticmethod
    def why_not(model: nn.Module) -> str | None:
        """Why this engine cannot run the model here, or None where it can."""
        if type(model) is not WaveNet:  # a subclass may compute something else
            return f"it knows WaveNet alone, not {type(model).__name__}"
        if model.training:
            return "the model is in training mode"
        parameter = next(model.parameters())
        if parameter.device.type != "cpu":
            return f"it computes on the CPU, the model is on {parameter.device.type}"
        if parameter.dtype != torch.float32:
            return f"it computes in float32, the model is {str(parameter.dtype).split('.')[-1]}"
        return why_no_numba()

    def advance(self, num_steps: int) -> Tensor:
        """The next samples as waveform values, (B, num_steps)."""
        return self._advance(num_steps, 0)

    def advance_with_parameters(self, num_steps: int) -> tuple[Tensor, Tensor]:
        """Also the parameters that the samples were drawn from, (B, P, num_steps)."""
        network = self.network
        kept = np.zeros((num_steps, network.batch_size, network.out), np.float32)
        samples = self._advance(num_steps, kept.ctypes.data)
        return samples, torch.from_numpy(kept).permute(1, 2, 0)[:, : self.family.num_parameters]

    @torch.inference_mode()
    def _advance(self, num_steps: int, kept: int) -> Tensor:
        network = self.network
        if network.local and self.condition is not None:
            columns = self.condition[..., self.step : self.step + num_steps + network.chunk]
            network.set_conditions(columns, self.step)
        drawn = np.empty((num_steps, network.batch_size), np.float32)
        temperature = np.float32(self.temperature)
        run: Any = self._kernel.run
        arguments: tuple[Any, ...] = (
            network.table.ctypes.data,
            num_steps,
            temperature,
            drawn.ctypes.data,
            kept,
        )
        if self._second is None:
            run(*arguments, self._kernel.ALONE)
        else:
            other = self._second.submit(lambda: run(*arguments, self._kernel.SECOND))
            run(*arguments, self._kernel.FIRST)
            other.result()
        self.step += num_steps
        network.table[T.STEP] = self.step
        samples = torch.from_numpy(drawn).T
        samples = samples.long() if self.family.discrete else samples[:, None]
        return self.family.decode(samples)
