"""A training step where only the last output counts: python -m bench.last_output

The adding problem's configuration of Bai, Kolter and Koltun (2018): kernel 8, 8 levels of 24
channels, batch 32, Adam. Three forms of one network with the same weights, in turns within one
process on one thread:

- reference: the published form, each convolution padded on both sides and chomped, the whole
  sequence at every level;
- whole: ``TCN`` over the whole sequence;
- cone: ``TCN.forward_last``.

Then the crop of a WaveNet (that of recipe fsdd_wavenet) of which the last N samples count and the
1,038 before them only fill its receptive field.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from bench.common import ROOT, print_table, summarize, time_in_turns, write_result
from bench.training import SHAPE as WAVENET
from wavestack.models import TCN, WaveNet
from wavestack.receptive_field import analyze
from wavestack.training.allocator import keep_freed_memory

LENGTHS = (200, 400, 600, 1000)
SHAPE: dict[str, Any] = {"channels": 24, "kernel_size": 8, "num_layers": 8}
ROWS = 32
CROPS = {256: 8, 1024: 4, 3072: 4}  # N samples that count: rows of the batch


class Chomp(nn.Module):
    """Cuts the samples that padding on both sides gave too many."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, : -self.size].contiguous()


class ReferenceBlock(nn.Module):
    """Twice a weight-normalized convolution padded on both sides, chomp, ReLU, dropout."""

    def __init__(self, in_channels: int, channels: int, kernel_size: int, dilation: int) -> None:
        super().__init__()
        size = (kernel_size - 1) * dilation
        parts: list[nn.Module] = []
        for width in (in_channels, channels):
            conv = nn.Conv1d(width, channels, kernel_size, padding=size, dilation=dilation)
            parts += [weight_norm(conv), Chomp(size), nn.ReLU(), nn.Dropout(0.0)]
        self.branch = nn.Sequential(*parts)
        self.shortcut = nn.Conv1d(in_channels, channels, 1) if in_channels != channels else None

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.shortcut is None else self.shortcut(x)
        return F.relu(self.branch(x) + shortcut)


class ReferenceTCN(nn.Module):
    """The published form: all blocks over the whole sequence, a linear layer on the last column."""

    def __init__(self, in_channels: int, channels: int, kernel_size: int, num_layers: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            *(
                ReferenceBlock(channels if i else in_channels, channels, kernel_size, 2**i)
                for i in range(num_layers)
            )
        )
        self.linear = nn.Linear(channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.blocks(x)[:, :, -1])

    def copy_from(self, model: Any) -> None:
        """Take the weights of a TCN, so that both are one function."""
        for mine, theirs in zip(self.blocks, model.blocks, strict=True):
            mine.branch[0].load_state_dict(theirs.conv1.state_dict())
            mine.branch[4].load_state_dict(theirs.conv2.state_dict())
            if mine.shortcut is not None:
                mine.shortcut.load_state_dict(theirs.shortcut.state_dict())
        self.linear.weight.data.copy_(model.out.weight[..., 0])
        self.linear.bias.data.copy_(model.out.bias)


def adding_problem(rows: int, length: int) -> tuple[Tensor, Tensor]:
    """Random numbers, two of them marked; their sum is the answer: (B, 2, T), (B, 1)."""
    numbers, marks = torch.rand(rows, length), torch.zeros(rows, length)
    places = torch.stack(
        [torch.randint(0, length // 2, (rows,)), torch.randint(length // 2, length, (rows,))], 1
    )
    marks.scatter_(1, places, 1.0)
    return torch.stack([numbers, marks], 1), numbers.gather(1, places).sum(1, keepdim=True)


def adding_steps(length: int) -> dict[str, Callable[[], None]]:
    """One training step of each form, on one batch.

    Raises:
        RuntimeError: when the forms are not the same function.
    """
    torch.manual_seed(0)
    model = TCN(2, out_channels=1, **SHAPE)
    reference = ReferenceTCN(2, **SHAPE)
    reference.copy_from(model)
    x, y = adding_problem(ROWS, length)
    runs: dict[str, tuple[nn.Module, Callable[[], Tensor]]] = {
        "reference": (reference, lambda: reference(x)),
        "whole": (model, lambda: model(x)[..., -1]),
        "cone": (model, lambda: model.forward_last(x)[..., 0]),
    }
    with torch.no_grad():
        outputs = [run() for _, run in runs.values()]
    if not all(torch.allclose(outputs[0], output, atol=1e-4) for output in outputs):
        raise RuntimeError("the three forms of the network do not compute the same function")

    def step_of(module: nn.Module, run: Callable[[], Tensor]) -> Callable[[], None]:
        optimizer = torch.optim.Adam(module.parameters(), lr=2e-3)

        def step() -> None:
            optimizer.zero_grad()
            F.mse_loss(run(), y).backward()
            optimizer.step()

        return step

    return {name: step_of(*run) for name, run in runs.items()}


def crop_steps(num_outputs: int, rows: int, bfloat16: bool) -> dict[str, Callable[[], None]]:
    """Forward, loss and backward of a WaveNet's crop, on the whole of it and in the cone."""
    torch.manual_seed(0)
    model = WaveNet(**WAVENET, num_labels=(6, 10))
    field = int(analyze(model, model.example_input()).axes["T"].size)
    waveform = 0.2 * torch.rand(rows, field - 1 + num_outputs) - 0.1
    labels = torch.zeros(rows, 2, dtype=torch.int64)
    x = model.shift(model.distribution.encode(waveform))

    def step(cone: bool) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            params = model.forward_last(x, num_outputs, labels) if cone else model(x, labels)
        counted = waveform[:, -num_outputs:] if cone else waveform
        # The task masks what does not count; a slice of the logits would cost more.
        model.distribution.nll(params, counted)[:, -num_outputs:].mean().backward()
        model.zero_grad()

    return {"whole": lambda: step(cone=False), "cone": lambda: step(cone=True)}


def main() -> None:
    """Measure, print two tables, write bench/results/last_output.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=25)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    keep_freed_memory()
    figures: dict[str, float] = {}

    rows = []
    for length in LENGTHS:
        seconds = time_in_turns(adding_steps(length), repeats)
        middle = {name: statistics.median(values) for name, values in seconds.items()}
        for name, values in seconds.items():
            figures |= summarize(f"adding_{length}_{name}_core_seconds", values)
        for name in ("reference", "whole"):
            figures[f"adding_{length}_speedup_over_{name}"] = middle[name] / middle["cone"]
        times = [f"{1e3 * middle[name]:.1f}" for name in ("reference", "whole", "cone")]
        rows.append((length, *times, f"{middle['reference'] / middle['cone']:.2f}"))
    print_table(("T", "reference ms", "whole ms", "cone ms", "reference/cone"), rows)

    rows = []
    for num_outputs, batch in CROPS.items():
        for precision in ("fp32", "bf16"):
            seconds = time_in_turns(crop_steps(num_outputs, batch, precision == "bf16"), repeats)
            key = f"wavenet_{num_outputs}_{precision}"
            for name, values in seconds.items():
                figures |= summarize(f"{key}_{name}_core_seconds", values)
            middle = {name: statistics.median(values) for name, values in seconds.items()}
            figures[f"{key}_speedup_over_whole"] = middle["whole"] / middle["cone"]
            times = [f"{1e3 * value:.1f}" for value in middle.values()]
            rows.append(
                (f"{num_outputs} {precision}", *times, figures[f"{key}_speedup_over_whole"])
            )
    print_table(("N", "whole ms", "cone ms", "whole/cone"), [(*r[:3], f"{r[3]:.2f}") for r in rows])

    settings = {
        "adding": {**SHAPE, "rows": ROWS, "optimizer": "Adam"},
        "wavenet": {**WAVENET, "rows": {str(n): batch for n, batch in CROPS.items()}},
        "threads": 1,
        "repeats": repeats,
    }
    print(write_result("last_output", figures, settings).relative_to(ROOT))


if __name__ == "__main__":
    main()
