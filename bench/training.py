"""Speed and memory of training steps: python -m bench.training [--device cuda] [--compile]

A step is forward, loss and backward, in float32 and under bfloat16 autocast: the WaveNets of the
recipes fsdd_wavenet (labels) and ljspeech_vocoder (mel frames) and a bare DilatedStack, and on a
GPU a deep WaveNet too. On a CPU one thread computes and core-seconds count, with freed memory
kept as the trainer does; on a GPU its own clock counts. What the machine can do at most is
measured in the same run (bench/limits.py, or copies and matrix products on the device), and the
fraction reached is given.

Writes bench/results/training.json, on a GPU training_gpu.json.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from bench.common import print_table, summarize, time_in_turns, write_result
from wavestack.layers import DilatedStack
from wavestack.models import WaveNet
from wavestack.training.allocator import keep_freed_memory

SHAPE: dict[str, Any] = {
    "residual_channels": 32,
    "dilation_channels": 32,
    "skip_channels": 64,
    "end_channels": 64,
    "num_layers": 10,
    "num_stacks": 1,
    "input_kernel_size": 16,
}
DEEP: dict[str, Any] = {
    "residual_channels": 64,
    "dilation_channels": 64,
    "skip_channels": 128,
    "end_channels": 128,
    "num_layers": 10,
    "num_stacks": 3,
}
MEL: dict[str, Any] = {"condition_channels": 80, "hop_length": 256}
BATCH = {"cpu": (4, 4096), "cuda": (16, 16384)}  # rows, samples


class Step:
    """A model, a batch, and what one training step of it computes."""

    def __init__(
        self, model: nn.Module, device: str, rows: int, samples: int, *, bfloat16: bool = False
    ) -> None:
        self.model = model.to(device)
        self.device = device
        self.bfloat16 = bfloat16
        self.num_samples = rows * samples
        self.inputs = self._inputs(model, rows, samples)
        self.forward: Callable[..., Tensor] = self.model

    def compile(self) -> Step:
        """The same step by torch.compile."""
        self.forward = torch.compile(self.model, dynamic=False)
        return self

    def __call__(self) -> None:
        with torch.autocast(self.device, torch.bfloat16, enabled=self.bfloat16):
            output = self.forward(**self.inputs)
        if isinstance(self.model, WaveNet):
            loss = self.model.distribution.nll(output, self.waveform).mean()
        else:
            loss = output.float().square().mean()
        loss.backward()
        self.model.zero_grad()

    def saved_bytes(self) -> int:
        """Bytes that the forward pass keeps for the backward pass, parameters left out."""
        parameters = {p.untyped_storage().data_ptr() for p in self.model.parameters()}
        kept: dict[int, int] = {}

        def pack(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in parameters:
                kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            self()
        return sum(kept.values())

    def operations(self) -> int:
        """Multiplications and additions of the step's convolutions and matrix products."""
        with FlopCounterMode(display=False) as counter:
            self()
        return counter.get_total_flops()

    def peak_bytes(self) -> int:
        """Bytes of GPU memory that a step takes beyond what lies there before it."""
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        self()
        return torch.cuda.max_memory_allocated() - before

    def _inputs(self, model: nn.Module, rows: int, samples: int) -> dict[str, Tensor]:
        if isinstance(model, DilatedStack):
            x = torch.randn(rows, model.residual_channels, samples, device=self.device)
            return {"x": x.requires_grad_()}
        self.waveform = 0.2 * torch.rand(rows, samples, device=self.device) - 0.1
        x = model.shift(model.distribution.encode(self.waveform))
        inputs = {"x": x}
        if model.num_labels:
            inputs["labels"] = torch.zeros(rows, len(model.num_labels), device=self.device).long()
        if model.condition_channels:
            frames = samples // model.hop_length
            shape = (rows, model.condition_channels, frames)
            inputs["features"] = torch.randn(shape, device=self.device)
        return inputs


def steps_on(device: str, compiled: bool) -> dict[str, Step]:
    """All steps to measure, by name."""
    rows, samples = BATCH[device]
    kinds: dict[str, Callable[[], nn.Module]] = {
        "labels": lambda: WaveNet(**SHAPE, num_labels=(6, 10)),
        "mel": lambda: WaveNet(**SHAPE, **MEL),
        "stack": lambda: DilatedStack(64, 64, 64, num_layers=10, num_stacks=1),
    }
    if device == "cuda":
        kinds["deep"] = lambda: WaveNet(**DEEP)
    steps = {}
    for name, build in kinds.items():
        for precision in ("fp32", "bf16"):
            for how in ("", "_compiled") if compiled else ("",):
                torch.manual_seed(0)
                step = Step(build(), device, rows, samples, bfloat16=precision == "bf16")
                steps[f"{name}_{precision}{how}"] = step.compile() if how else step
    return steps


def gpu_seconds(function: Callable[[], Any]) -> float:
    """Seconds on the device's own clock of one call."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    function()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / 1000


def limits_of(device: str) -> dict[str, float]:
    """What the machine can do at most: operations a second by precision, bytes a second."""
    clock = gpu_seconds
    if device == "cpu":
        from bench.common import time_call
        from bench.limits import measure

        core = measure(repeats=3)
        found = {
            "fp32_flops": core["gigaflops"] * 1e9,
            "bytes": core["dram_gigabytes_per_second"] * 1e9,
        }
        # The processor's matrix instructions are reached through torch alone.
        return found | {"bf16_flops": _matrix_rate(torch.bfloat16, 1024, device, time_call)}
    source = torch.empty(1 << 30, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    seconds = statistics.median(clock(lambda: target.copy_(source)) for _ in range(7))
    return {
        "fp32_flops": _matrix_rate(torch.float32, 8192, device, clock),
        "bf16_flops": _matrix_rate(torch.bfloat16, 8192, device, clock),
        "bytes": 2 * source.nbytes / seconds,
    }


def _matrix_rate(dtype: torch.dtype, size: int, device: str, clock: Callable[..., float]) -> float:
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    torch.mm(a, b)
    return 2 * size**3 / statistics.median(clock(lambda: torch.mm(a, b)) for _ in range(7))


def main() -> None:
    """Measure, print a table, write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--compile", action="store_true", help="torch.compile each step too")
    arguments = parser.parse_args()
    device = arguments.device
    if device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("there is no CUDA device here: nothing was measured")
    if device == "cpu":
        torch.set_num_threads(1)
        keep_freed_memory()
    limits = limits_of(device)
    steps = steps_on(device, arguments.compile)
    timed = time_in_turns(steps, arguments.repeats, gpu_seconds if device == "cuda" else None)
    unit, short = ("gpu_seconds", "GPU-s") if device == "cuda" else ("core_seconds", "core-s")
    figures = {f"limit_{name}_per_second": value for name, value in limits.items()}
    rows = []
    for name, seconds in timed.items():
        step, middle = steps[name], statistics.median(seconds)
        precision = "bf16" if step.bfloat16 else "fp32"
        # The compiled step computes the same; only what it keeps is another thing.
        plain = steps[name.removesuffix("_compiled")]
        reached = plain.operations() / middle / limits[f"{precision}_flops"]
        figures |= summarize(f"{name}_{unit}", seconds)
        figures[f"{name}_fraction_of_{precision}_operations"] = reached
        spread = f"{min(seconds):.4f} to {max(seconds):.4f}"
        row = [name, f"{middle:.4f}", spread, f"{step.num_samples / middle:,.0f}", f"{reached:.3f}"]
        if step is plain:
            saved = step.saved_bytes()
            # Writing and reading again what is kept is the least that a step must move.
            moved = 2 * saved / middle / limits["bytes"]
            figures[f"{name}_saved_bytes"] = saved
            figures[f"{name}_fraction_of_memory_bandwidth"] = moved
            row += [f"{moved:.3f}", f"{saved / 2**20:,.0f}"]
        else:
            row += ["", ""]
        if device == "cuda":
            figures[f"{name}_peak_bytes"] = step.peak_bytes()
            row.append(f"{figures[f'{name}_peak_bytes'] / 2**20:,.0f}")
        rows.append(row)
    header = ("step", short, "spread", f"samples/{short}", "of operations", "of bandwidth")
    header = (*header, "saved MiB", *(("peak MiB",) if device == "cuda" else ()))
    print_table(header, rows)
    batch = dict(zip(("rows", "samples"), BATCH[device], strict=True))
    settings = {**SHAPE, "deep": DEEP, **batch, "device": device, "repeats": arguments.repeats}
    name = "training" if device == "cpu" else "training_gpu"
    print(write_result(name, figures, settings))


if __name__ == "__main__":
    main()
