"""Core-seconds of one training step on one CPU thread: python -m bench.training_step

The models of the recipes fsdd_wavenet (labels) and ljspeech_vocoder (mel frames), forward, loss and
backward on 16,384 samples, in float32 and under bfloat16 autocast, with freed memory kept as the
trainer does.
"""

from __future__ import annotations

import argparse
import statistics
from typing import Any

import torch
from torch import Tensor

from bench.common import ROOT, print_table, summarize, time_in_turns, write_result
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
SAMPLES = 16384


class Step:
    """A model, a batch, and what one training step of it computes."""

    def __init__(self, rows: int, bfloat16: bool, **model: Any) -> None:
        torch.manual_seed(0)
        self.model = WaveNet(**SHAPE, **model)
        self.bfloat16 = bfloat16
        self.waveform = 0.2 * torch.rand(rows, SAMPLES // rows) - 0.1
        self.conditions: dict[str, Tensor] = {}
        if self.model.num_labels:
            self.conditions["labels"] = torch.zeros(rows, len(self.model.num_labels)).long()
        if self.model.condition_channels and self.model.hop_length:
            frames = SAMPLES // rows // self.model.hop_length
            shape = (rows, self.model.condition_channels, frames)
            self.conditions["features"] = torch.randn(shape)

    def __call__(self) -> None:
        model = self.model
        x = model.shift(model.distribution.encode(self.waveform))
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            params = model(x, **self.conditions)
        model.distribution.nll(params, self.waveform).mean().backward()
        model.zero_grad()


def main() -> None:
    """Measure, print a table, write bench/results/training_step.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    keep_freed_memory()
    mel = {"condition_channels": 80, "hop_length": 256}
    steps = {
        "labels_fp32": Step(4, False, num_labels=(6, 10)),
        "labels_bf16": Step(4, True, num_labels=(6, 10)),
        "mel_fp32": Step(4, False, **mel),
        "mel_bf16": Step(4, True, **mel),
    }
    figures, rows = {}, []
    for name, seconds in time_in_turns(steps, repeats).items():
        figures |= summarize(f"{name}_core_seconds", seconds)
        middle = statistics.median(seconds)
        spread = f"{min(seconds):.3f} to {max(seconds):.3f}"
        rows.append((name, f"{middle:.3f}", spread, f"{SAMPLES / middle:,.0f}"))
    print_table(("step", "core-seconds", "spread", "samples/core-s"), rows)
    settings = {**SHAPE, "samples": SAMPLES, "rows": 4, "threads": 1, "repeats": repeats}
    print(write_result("training_step", figures, settings).relative_to(ROOT))


if __name__ == "__main__":
    main()
