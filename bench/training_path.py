"""Training convolutions without padded copies, beside F.pad + conv1d: python -m bench.training_path

A plain stack of causal convolutions and ReLUs, forward and backward in float32 on one CPU thread.
The reference form pads each signal and saves the padded copy. Each pair is measured twice: with
the allocator as a process starts, and with freed memory kept, as the trainer does.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.common import ROOT, print_table, summarize, time_in_turns, write_result
from wavestack.layers import CausalConv1d
from wavestack.training.allocator import keep_freed_memory

# The first is the stack of the target; the others are rows side by side and a longer kernel.
SHAPES = {
    "1x16384_64ch_k2": {"rows": 1, "samples": 16384, "channels": 64, "kernel_size": 2},
    "4x4096_32ch_k2": {"rows": 4, "samples": 4096, "channels": 32, "kernel_size": 2},
    "1x16384_64ch_k3": {"rows": 1, "samples": 16384, "channels": 64, "kernel_size": 3},
}
LAYERS = 10


class Stack:
    """One stack and the input of its training step."""

    def __init__(self, rows: int, samples: int, channels: int, kernel_size: int) -> None:
        torch.manual_seed(0)
        self.convs = nn.ModuleList(
            CausalConv1d(channels, channels, kernel_size, dilation=2**i) for i in range(LAYERS)
        )
        self.x = torch.randn(rows, channels, samples)
        self.gradient = torch.randn(rows, channels, samples)

    def ours(self) -> Tensor:
        x = self.x
        for conv in self.convs:
            x = F.relu(conv(x))
        return x

    def reference(self) -> Tensor:
        x = self.x
        for conv in self.convs:
            padded = F.pad(x, (conv.history_samples, 0))
            x = F.relu(F.conv1d(padded, conv.weight, conv.bias, dilation=conv.dilation))
        return x

    def step(self, forward: Callable[[], Tensor]) -> Callable[[], None]:
        """What one training step computes, without the optimizer."""

        def run() -> None:
            forward().backward(self.gradient)
            self.convs.zero_grad()

        return run

    def largest_difference(self) -> float:
        """Of all gradients, relative to the norm of the reference's."""
        gradients = []
        for forward in (self.reference, self.ours):
            forward().backward(self.gradient)
            gradients.append([parameter.grad.clone() for parameter in self.convs.parameters()])
            self.convs.zero_grad()
        pairs = zip(*gradients, strict=True)
        return max(float((b - a).norm() / a.norm()) for a, b in pairs)


def saved_bytes(forward: Callable[[], Tensor], parameters: list[Tensor]) -> int:
    """Bytes that autograd keeps between forward and backward, parameters left out.

    Tensors that share memory are counted once.
    """
    own = {parameter.untyped_storage().data_ptr() for parameter in parameters}
    kept: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        y = forward()
    del y
    return sum(t.untyped_storage().nbytes() for ptr, t in kept.items() if ptr not in own)


def main() -> None:
    """Measure, print a table, write bench/results/training_path.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    figures: dict[str, float] = {}
    rows: list[tuple[Any, ...]] = []
    stacks = {name: Stack(**shape) for name, shape in SHAPES.items()}
    for name, stack in stacks.items():
        figures[f"{name}_gradient_difference"] = stack.largest_difference()
        parameters = list(stack.convs.parameters())
        saved = [saved_bytes(forward, parameters) for forward in (stack.reference, stack.ours)]
        figures[f"{name}_reference_saved_bytes"], figures[f"{name}_saved_bytes"] = saved
        figures[f"{name}_saved_ratio"] = saved[1] / saved[0]
    for allocator in ("default", "kept"):
        if allocator == "kept":
            keep_freed_memory()
        for name, stack in stacks.items():
            forms = {
                "reference": stack.step(stack.reference),
                "ours": stack.step(stack.ours),
            }
            seconds = time_in_turns(forms, arguments.repeats)
            for form, values in seconds.items():
                figures |= summarize(f"{name}_{allocator}_{form}_core_seconds", values)
            medians = [statistics.median(seconds[form]) for form in ("reference", "ours")]
            speedup = figures[f"{name}_{allocator}_speedup"] = medians[0] / medians[1]
            ratio = figures[f"{name}_saved_ratio"]
            cells = [f"{1000 * value:.1f}" for value in medians]
            rows.append((name, allocator, *cells, f"{speedup:.2f}", f"{ratio:.3f}"))
    header = ("stack", "allocator", "reference ms", "ours ms", "faster", "saved memory")
    print_table(header, rows)
    settings = {"layers": LAYERS, "shapes": SHAPES, **vars(arguments)}
    print(write_result("training_path", figures, settings).relative_to(ROOT))


if __name__ == "__main__":
    main()
