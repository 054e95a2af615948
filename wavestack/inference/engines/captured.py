"""What engines share whose steps lie in a CUDA graph, a chunk of them at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor


class CapturedChunks(ABC):
    """Chunks of a fixed number of steps, captured once and replayed; the surplus is kept.

    A class below it gives ``chunk``, which must find everything in memory that stays where it is,
    the step counter too, and may not ask the CPU for anything. Without CUDA it is simply called.
    """

    family: Any  # the model's distribution

    def begin(self, chunk_steps: int, current: Tensor) -> None:
        """Prepare for chunks of so many steps; current is the network input of the first."""
        self.chunk_steps = chunk_steps
        self.counter = torch.zeros((), dtype=torch.int64, device=current.device)
        self.offsets = torch.arange(chunk_steps, device=current.device)
        self.surplus = current[..., :0]  # what a chunk made beyond the request
        self.graph: Any = None
        self.graph_outputs: Any = None

    @abstractmethod
    def chunk(self) -> Tensor:
        """``chunk_steps`` steps from ``counter`` on: (B, n) codes or (B, 1, n) values."""

    @torch.inference_mode()
    def advance(self, num_steps: int) -> Tensor:
        """The next samples as waveform values, (B, num_steps)."""
        outputs = [self.surplus]
        missing = num_steps - self.surplus.shape[-1]
        with torch.cuda.device_of(self.counter):  # of several GPUs, the model's
            while missing > 0:
                outputs.append(self._next_chunk())
                missing -= self.chunk_steps
        whole = torch.cat(outputs, dim=-1)
        self.surplus = whole[..., num_steps:]
        return self.family.decode(whole[..., :num_steps])

    def columns(self, condition: Tensor) -> Tensor:
        """The condition's columns of a chunk: (B, C, T) -> (B, C, chunk_steps)."""
        # A chunk may go beyond the last sample; what it makes there is never asked for.
        steps = (self.counter + self.offsets).clamp(max=condition.shape[-1] - 1)
        return condition.index_select(-1, steps)

    def _next_chunk(self) -> Tensor:
        if self.counter.device.type != "cuda":
            return self.chunk()
        if self.graph is not None:
            self.graph.replay()
            return self.graph_outputs.clone()
        # The first chunk runs as it stands, which loads kernels and lets cuBLAS set up its
        # workspace; capturing records without computing, so no state has to be put back.
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            first = self.chunk()
        torch.cuda.current_stream().wait_stream(side)
        torch.cuda.synchronize()
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.graph_outputs = self.chunk()
        return first
