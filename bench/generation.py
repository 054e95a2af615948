"""Samples per core-second of autoregressive generation: python -m bench.generation

The shape is 2 x 10 layers (dilations 1..512), residual, gate and skip 64 channels, kernel 2,
256 codes. Measured in turns on one thread: the frozen plain torch ring step
(bench/eager_ring_step.py), and every engine of wavestack that can run the model here. Beside the
speed, the greatest difference between logits of the engine and of the offline network is given.
"""

from __future__ import annotations

import argparse
import statistics
from typing import Any

import torch
from torch import Tensor

from bench.common import ROOT, print_table, summarize, time_in_turns, write_result
from bench.eager_ring_step import EagerRingStep
from wavestack.inference import generate
from wavestack.inference.engines import choose_engine
from wavestack.models import WaveNet

CHECKED_STEPS = 2200  # more than the receptive field of 2,047


def yardstick_model() -> WaveNet:
    """The shape all figures are for, with offsets that are not zero."""
    torch.manual_seed(0)
    model = WaveNet().eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(std=0.05)
    return model


class _Watched:
    """A distribution that keeps the logits it is asked to choose from."""

    def __init__(self, family: Any) -> None:
        self.family = family
        self.logits: list[Tensor] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.family, name)

    def choose(self, params: Tensor, draws: Tensor, temperature: float) -> Tensor:
        self.logits.append(params.clone())
        return self.family.choose(params, draws, temperature)


def engine_error(model: WaveNet, engine: str, batch_size: int) -> float:
    """Greatest difference to the offline logits over the samples the engine drew itself."""
    watched = _Watched(model.distribution)
    model.distribution = watched
    try:
        waveform = generate(model, CHECKED_STEPS, batch_size=batch_size, engine=engine)
    finally:
        model.distribution = watched.family
    with torch.no_grad():
        offline = model(model.shift(model.distribution.encode(waveform)))
    return (torch.stack(watched.logits, dim=-1) - offline).abs().max().item()


def ring_step_error(model: WaveNet) -> float:
    """The same for the yardstick, over codes drawn at random."""
    codes = torch.randint(0, 256, (1, CHECKED_STEPS))
    ring = EagerRingStep(model, 1)
    with torch.no_grad():
        logits = torch.stack([ring.step(codes[:, t]) for t in range(CHECKED_STEPS)], dim=-1)
        return (logits - model(codes)).abs().max().item()


def main() -> None:
    """Measure, print a table, write bench/results/generation.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--engines", nargs="+", default=["eager"])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = yardstick_model()
    settings = {
        "layers": "2 x 10, kernel 2, dilations 1..512",
        "channels": "residual, gate, skip and end 64",
        "output": "256 codes",
        "threads": 1,
        "repeats": arguments.repeats,
        "samples_per_repeat": {"1": 2000, "16": 500},
        "checked_steps": CHECKED_STEPS,
    }
    figures = {"ring_step_max_logit_error": ring_step_error(model)}
    rows = []
    for batch_size, steps in ((1, 2000), (16, 500)):
        functions = {"ring_step": lambda b=batch_size, n=steps: EagerRingStep(model, b).generate(n)}
        for engine in arguments.engines:
            choose_engine(model, engine)
            functions[engine] = lambda e=engine, b=batch_size, n=steps: generate(
                model, n, batch_size=b, engine=e
            )
        seconds = time_in_turns(functions, arguments.repeats)
        for name, spent in seconds.items():
            key = f"{name}_batch_{batch_size}"
            rates = [steps * batch_size / s for s in spent]
            figures |= summarize(f"{key}_samples_per_core_second", rates)
            ratio = statistics.median(
                ours / yard for ours, yard in zip(seconds["ring_step"], spent, strict=True)
            )
            error = figures["ring_step_max_logit_error"]
            if name != "ring_step":
                figures[f"{key}_ratio_to_ring_step"] = ratio
                error = engine_error(model, name, batch_size)
                figures[f"{key}_max_logit_error"] = error
            rows.append(
                (
                    name,
                    batch_size,
                    f"{statistics.median(rates):,.0f}",
                    f"{min(rates):,.0f} to {max(rates):,.0f}",
                    f"{ratio:.2f}",
                    f"{error:.1e}",
                )
            )
    print_table(("engine", "batch", "samples/core-s", "spread", "x ring step", "logit error"), rows)
    print(write_result("generation", figures, settings).relative_to(ROOT))


if __name__ == "__main__":
    main()
