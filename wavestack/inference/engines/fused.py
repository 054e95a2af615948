"""The engine for batches on a GPU: one kernel that runs many steps through the whole network.

See ``kernels.generate`` for how; what this engine cannot do, ``why_not`` says.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import torch
from torch import Tensor, nn

from wavestack.inference.engines.eager import EagerEngine
from wavestack.inference.engines.graph import why_no_cuda
from wavestack.inference.engines.padded import (
    SOFTMAX,
    PaddedPlan,
    PaddedRings,
    tile_sizes,
)
from wavestack.models.output import LOG_SCALE_RANGE

ROWS = 16  # of a program: the least side of a product on tensor cores
BLOCK = 32  # channels at a time, of the gates and of the head
NUM_WARPS = 8
STAGES = 2  # a layer's weights are fetched during the products of the one before ...
PREFETCHED_BYTES = 160 * 1024  # ... where its taps take no more than this in shared memory
# float32 products in three passes of tensor cores, about as exact as float32 sums.
PASSES = "tf32x3"
# A row's channels lie in the registers of every warp, and each tap needs addresses: with more of
# them the compiler spills. Per dtype: channels, numbers that the first convolution reads, taps.
MOST = {
    torch.float32: {"channels": 64, "inputs to the first convolution": 32, "taps": 4},
    torch.bfloat16: {"channels": 256, "inputs to the first convolution": 64, "taps": 16},
    torch.float16: {"channels": 256, "inputs to the first convolution": 64, "taps": 16},
}
_BIAS_NUMBERS = 1 << 26  # of conditions prepared for one launch: 256 MiB


class FusedEngine:
    """Run a WaveNet on a GPU, hundreds of steps per launch; see ``Engine``.

    Options:
        precision: of weights and rings: "float32", "bfloat16" or "float16"; None for the model's.
            Sums, offsets and sampling are float32 in any case.
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
        dtype = weight_dtype(model, precision)
        reason = why_too_wide(model, dtype)
        if reason:
            raise ValueError(f"engine fused cannot run this model: {reason}")
        with torch.inference_mode():
            self.family = model.distribution
            self.temperature = temperature
            self.step = 0
            # The interpreter, which has no such passes, is exact by itself.
            self.passes = PASSES if current.device.type == "cuda" else "ieee"
            self.seed_word = seed_word(seed, current.device)
            self.padded = PaddedPlan(model, dtype)
            self.rings = PaddedRings(self.padded, state, current)
            shape = (self.rings.batch_size, self.padded.sizes["E"])
            self.hidden = torch.zeros(shape, device=current.device)
            self.condition = None if condition is None else condition.float()
            self.fixed = self.padded.gate_bias[None]
            if self.condition is not None and self.condition.shape[-1] == 1:
                self.fixed = self.padded.conditioned_bias(self.condition)

    @staticmethod
    def why_not(model: nn.Module) -> str | None:
        """Why this engine cannot run the model here, or None where it can."""
        return (
            EagerEngine.why_not(model)
            or why_no_cuda(model)
            or why_no_triton()
            or why_too_wide(model, next(model.parameters()).dtype)
        )

    @torch.inference_mode()
    def advance(self, num_steps: int) -> Tensor:
        """The next samples as waveform values, (B, num_steps)."""
        return self.family.decode(self._run(num_steps, None)[0])

    @torch.inference_mode()
    def parameters_for(self, x: Tensor) -> Tensor:
        """The distributions' parameters when the next inputs are x: (B, T) or (B, 1, T).

        Shape:
            -> (B, P, T) float32
        """
        inputs = x.reshape(self.rings.batch_size, -1)
        self.rings.set_current(self.padded, inputs[:, :1], self.step)
        return self._run(inputs.shape[1], inputs)[1].permute(1, 2, 0)

    def _stages(self) -> int:
        """How many layers are in flight at once: two where the shared memory is enough."""
        sizes, tap = self.padded.sizes, min(self.padded.sizes["D"], BLOCK) * 2 + ROWS
        prefetched = self.padded.num_taps * sizes["C"] * tap * self.padded.dtype.itemsize
        return STAGES if prefetched <= PREFETCHED_BYTES else 1

    def _run(self, num_steps: int, forced: Tensor | None) -> tuple[Tensor, Tensor]:
        samples, params, done = [], [], 0
        while done < num_steps:
            biases = self._biases(num_steps - done)
            count = num_steps - done if len(biases) == 1 else len(biases)
            part = None if forced is None else forced[:, done + 1 : done + count + 1]
            launch, chunk, parameters = self.prepare(count, biases, part)
            with torch.cuda.device_of(chunk):  # of several GPUs, the model's
                launch.run()
            samples.append(chunk)
            params.append(parameters)
            self.step += count
            done += count
        drawn = torch.cat(samples).T
        return drawn if self.padded.head == SOFTMAX else drawn[:, None], torch.cat(params)

    def _biases(self, num_steps: int) -> Tensor:
        """The gates' offsets of the next steps, or of all alike: (n or 1, L, B or 1, 2 D)."""
        if self.condition is None or self.condition.shape[-1] == 1:
            return self.fixed
        most = max(1, _BIAS_NUMBERS // (self.padded.gate_bias.numel() * self.rings.batch_size))
        columns = self.condition[..., self.step : self.step + min(most, num_steps)]
        return self.padded.conditioned_bias(columns)

    def prepare(
        self, count: int, biases: Tensor, forced: Tensor | None = None
    ) -> tuple[Any, Tensor, Tensor]:
        """The launch of ``count`` steps and where it writes.

        Args:
            count: steps.
            biases: (count or 1, L, B or 1, 2 D).
            forced: (B, count or one less), the inputs after each step in place of the samples.

        Returns:
            the launch, its samples (count, B), and with ``forced`` its parameters (count, B, P).
        """
        from wavestack.inference.engines.kernels.generate import generate_kernel
        from wavestack.inference.engines.kernels.launch import Launch

        padded, rings = self.padded, self.rings
        batch, device = rings.batch_size, rings.data.device
        kind = torch.int32 if padded.head == SOFTMAX else torch.float32
        samples = torch.zeros(count, batch, dtype=kind, device=device)
        params, following = torch.empty(0, device=device), samples
        if forced is not None:
            params = torch.empty(count, batch, self.family.num_parameters, device=device)
            following = torch.zeros_like(samples)
            following[: forced.shape[1]] = forced.T
        sizes, strides = biases.shape[:3], biases.stride()[:3]
        arguments = (
            *(rings.data, rings.inputs, rings.codes, self.hidden, samples, params, following),
            *(padded.geometry, padded.table, padded.amplitudes, padded.first, padded.narrow),
            *(padded.taps, biases, padded.residual, padded.skip, padded.skip_bias),
            *(padded.end, padded.end_bias, padded.out, padded.out_bias),
            *(self.seed_word, self.step, count, self.temperature, *LOG_SCALE_RANGE),
            *(padded.plan.num_layers, batch, padded.num_columns),
            *(stride if size > 1 else 0 for size, stride in zip(sizes, strides, strict=True)),
            padded.window,
        )
        constants = {
            **padded.sizes,
            "KINDS": padded.num_kinds,
            "TAPS": padded.num_taps,
            "AMPLITUDES": padded.num_amplitudes,
            "HEAD": padded.head,
            "WINDOW": padded.window > 0,
            "NARROW": padded.plan.narrow is not None,
            "FORCED": forced is not None,
            "PRECISION": self.passes,
            "B": min(padded.sizes["D"], BLOCK),
            "EB": min(padded.sizes["E"], BLOCK),
            "QB": min(padded.sizes["Q"], BLOCK),
            "STAGES": self._stages(),
            "ROWS": ROWS,
        }
        return (
            Launch(generate_kernel, (-(-batch // ROWS),), arguments, constants, NUM_WARPS),
            samples,
            params,
        )


def weight_dtype(model: nn.Module, precision: str | None) -> torch.dtype:
    """The dtype that the option ``precision`` names, or the model's own.

    Raises:
        ValueError: when it names none that the kernels compute in.

    Example:
        >>> weight_dtype(torch.nn.Linear(1, 1), "bfloat16")
        torch.bfloat16
    """
    names = {str(dtype).removeprefix("torch."): dtype for dtype in MOST}
    if precision is not None and precision not in names:
        raise ValueError(f"precision must be one of {tuple(names)}, got {precision!r}")
    return names[precision] if precision else next(model.parameters()).dtype


def seed_word(seed: int, device: torch.device) -> Tensor:
    """The seed's 64 bits where a kernel finds them."""
    return torch.tensor([seed if seed < 2**63 else seed - 2**64], device=device)


def why_no_triton() -> str | None:
    """Why Triton cannot be used here, or None where it can."""
    found = importlib.util.find_spec("triton")
    return None if found else "Triton is not installed"


def why_too_wide(model: Any, dtype: torch.dtype) -> str | None:
    """Why a model's layers do not fit the kernel in a dtype, or None where they do.

    Example:
        >>> from wavestack.models import WaveNet
        >>> why_too_wide(WaveNet(100, num_layers=1), torch.float32)
        '128 channels in float32 need more registers than there are; 64 fit'
    """
    name = str(dtype).removeprefix("torch.")
    if dtype not in MOST:
        return f"it computes in float32, bfloat16 or float16, not in {name}"
    sizes = tile_sizes(model)
    found = {
        "channels": max(size for key, size in sizes.items() if key in "CRDSE"),
        "inputs to the first convolution": sizes["W"],
        "taps": max(model.stack.kernel_sizes),
    }
    for what, most in MOST[dtype].items():
        if found[what] > most:
            return f"{found[what]} {what} in {name} need more registers than there are; {most} fit"
    return None
