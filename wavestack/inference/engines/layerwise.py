"""The engine for few rows on a GPU: one kernel a layer, chunks of steps in a CUDA graph.

See ``kernels.layerwise`` for the kernels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from wavestack.inference.engines.captured import CapturedChunks
from wavestack.inference.engines.eager import EagerEngine
from wavestack.inference.engines.fused import (
    MOST,
    seed_word,
    weight_dtype,
    why_no_triton,
)
from wavestack.inference.engines.graph import why_no_cuda
from wavestack.inference.engines.padded import SOFTMAX, PaddedPlan, PaddedRings
from wavestack.models.output import LOG_SCALE_RANGE

CHUNK_STEPS = 32  # of one graph
GATE_BLOCK = 16  # gates of a program of a layer: four programs share 64
SKIP_BLOCK, SKIP_ROWS = 16, 512  # of the product that sums the skips
CODE_BLOCK = 128  # logits at a time
NUM_WARPS = 8


class LayerwiseEngine(CapturedChunks):
    """Run a WaveNet on a GPU for few rows, by a kernel a layer; see ``Engine``.

    Options:
        precision: of weights and rings: "float32", "bfloat16" or "float16"; None for the model's.
            All arithmetic is float32.
    """

    options = ("precision",)

    def __init__(
        self,
        model: Any,
        state: Any,
        current: Tensor,
        condition: Tensor | None,
        seed: int,
        temperature: float,
        *,
        precision: str | None = None,
    ) -> None:
        with torch.inference_mode():
            self.family = model.distribution
            self.temperature = temperature
            self.begin(CHUNK_STEPS, current)
            self.seed_word = seed_word(seed, current.device)
            padded = self.padded = PaddedPlan(model, weight_dtype(model, precision))
            self.rings = PaddedRings(padded, state, current)
            self.condition = None if condition is None else condition.float()
            self.fixed = padded.gate_bias[None]
            if self.condition is not None and self.condition.shape[-1] == 1:
                self.fixed = padded.conditioned_bias(self.condition)
            batch, layers = self.rings.batch_size, padded.plan.num_layers
            new = padded.gate_bias.new_zeros
            self.x_rows = new(batch, layers, padded.sizes["R"])
            self.z_rows = new(batch, layers, padded.sizes["D"])
            self.skips = new(batch, padded.sizes["S"])

    @staticmethod
    def why_not(model: nn.Module) -> str | None:
        """Why this engine cannot run the model here, or None where it can."""
        reason = EagerEngine.why_not(model) or why_no_cuda(model) or why_no_triton()
        if reason:
            return reason
        dtype = next(model.parameters()).dtype
        return None if dtype in MOST else f"it computes in 16 or 32 bits, not in {dtype}"

    def chunk(self) -> Tensor:
        """``chunk_steps`` steps from ``counter`` on: (B, n) codes or (B, 1, n) values."""
        return self._run(None)[0]

    @torch.inference_mode()
    def parameters_for(self, x: Tensor) -> Tensor:
        """The distributions' parameters when the next inputs are x: (B, T) or (B, 1, T).

        Shape:
            -> (B, P, T) float32
        """
        inputs = x.reshape(self.rings.batch_size, -1)
        self.rings.set_current(self.padded, inputs[:, :1], int(self.counter))
        params = []
        for begin in range(0, inputs.shape[1], self.chunk_steps):
            following = inputs[:, begin + 1 : begin + 1 + self.chunk_steps]
            params.append(self._run(following)[1])
        return torch.cat(params)[: inputs.shape[1]].permute(1, 2, 0)

    def _run(self, forced: Tensor | None) -> tuple[Tensor, Tensor]:
        samples, params, launches = self.prepare(forced)
        with torch.cuda.device_of(samples):
            for launch in launches:
                launch.run()
        self.counter += self.chunk_steps
        drawn = samples.T
        return drawn if self.padded.head == SOFTMAX else drawn[:, None], params

    def prepare(self, forced: Tensor | None = None) -> tuple[Tensor, Tensor, Iterator[Any]]:
        """A chunk's kernels in order and where they write.

        Args:
            forced: (B, chunk_steps or fewer), the inputs after each step in place of the samples.

        Returns:
            samples (chunk_steps, B), with ``forced`` the parameters (chunk_steps, B, P), and the
            launches.
        """
        batch, device = self.rings.batch_size, self.counter.device
        kind = torch.int32 if self.padded.head == SOFTMAX else torch.float32
        samples = torch.zeros(self.chunk_steps, batch, dtype=kind, device=device)
        params, following = torch.zeros(1, device=device), samples
        if forced is not None:
            shape = (self.chunk_steps, batch, self.family.num_parameters)
            params = torch.zeros(shape, device=device)
            following = torch.zeros_like(samples)
            following[: forced.shape[1]] = forced.T
        biases = self.fixed
        if self.condition is not None and self.condition.shape[-1] > 1:
            biases = self.padded.conditioned_bias(self.columns(self.condition))
        targets = (samples, params, following)
        return samples, params, self._launches(biases, targets, forced is not None)

    def _launches(self, biases: Tensor, targets: tuple[Tensor, ...], forced: bool) -> Iterator[Any]:
        from wavestack.inference.engines.kernels.launch import Launch
        from wavestack.inference.engines.kernels.layerwise import (
            head_kernel,
            layer_kernel,
            skip_kernel,
        )

        padded, rings, sizes = self.padded, self.rings, self.padded.sizes
        batch, layers = rings.batch_size, padded.plan.num_layers
        shared = {"AMPLITUDES": padded.num_amplitudes, "WINDOW": padded.window > 0}
        layer_constants = {
            **{name: sizes[name] for name in "CRDW"},
            **shared,
            "TAPS": padded.num_taps,
            "NARROW": padded.plan.narrow is not None,
            "B": GATE_BLOCK,
        }
        head_constants = {
            **{name: sizes[name] for name in "SEQ"},
            **shared,
            "QB": min(sizes["Q"], CODE_BLOCK) if padded.head == SOFTMAX else sizes["Q"],
            "KINDS": padded.num_kinds,
            "HEAD": padded.head,
            "FORCED": forced,
        }
        skip_constants = {"S": sizes["S"], "SB": SKIP_BLOCK, "KB": SKIP_ROWS}
        pairs = zip(biases.shape[:3], biases.stride()[:3], strict=True)
        strides = [stride if size > 1 else 0 for size, stride in pairs]
        for i in range(self.chunk_steps):
            for layer in range(layers):
                arguments: tuple[Any, ...] = (
                    *(rings.data, rings.inputs, rings.codes, self.x_rows, self.z_rows),
                    *(self.counter, padded.geometry, padded.table, padded.first, padded.narrow),
                    *(padded.taps, biases, padded.residual),
                    *(i, layer, layers, batch, *strides, padded.window),
                )
                constants = {**layer_constants, "FIRST": layer == 0}
                grid = (batch, sizes["D"] // GATE_BLOCK)
                yield Launch(layer_kernel, grid, arguments, constants, NUM_WARPS)
            arguments = (self.z_rows, padded.skip, padded.skip_bias, self.skips)
            arguments = (*arguments, layers * sizes["D"])
            grid = (batch, sizes["S"] // SKIP_BLOCK)
            yield Launch(skip_kernel, grid, arguments, skip_constants, NUM_WARPS)
            arguments = (
                *(self.skips, rings.inputs, rings.codes, *targets, self.counter),
                *(padded.amplitudes, padded.end, padded.end_bias, padded.out, padded.out_bias),
                *(self.seed_word, self.temperature, *LOG_SCALE_RANGE),
                *(i, batch, padded.num_columns, padded.window),
            )
            yield Launch(head_kernel, (batch,), arguments, head_constants, NUM_WARPS)
