"""Samples per core-second of autoregressive generation: python -m bench.generation

The shape is 2 x 10 layers (dilations 1..512), residual, gate and skip 64 channels, kernel 2,
256 codes. Measured in turns: the frozen plain torch ring step (bench/eager_ring_step.py), the eager
engine, and the compiled one without and with its look-ahead, with smaller weights, and on two
threads. Beside the speed stand the greatest difference between the engine's logits and the
offline network's, and the fraction reached of the limit that this machine's third-level cache
sets, measured in the same run: every weight read once per step. (Look-ahead reads old taps less
often, so it may pass 1.)
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from bench.common import ROOT, core_seconds, print_table, summarize, write_result
from bench.eager_ring_step import EagerRingStep
from bench.limits import measure
from wavestack.inference import generate
from wavestack.inference.engines.compiled.engine import CompiledEngine
from wavestack.models import WaveNet

CHECKED_STEPS = 2200  # more than the receptive field of 2,047
CHECKED_BATCHES = (1, 16)

# Row: the engine, its options, and steps of one measurement at batch 1, 16 and 64.
ROWS: dict[str, tuple[str, dict[str, Any], tuple[int, int, int]]] = {
    "ring_step": ("", {}, (1500, 300, 100)),
    "eager": ("eager", {}, (2000, 400, 100)),
    "compiled_plain": ("compiled", {"look_ahead": 1}, (30_000, 3000, 800)),
    "compiled": ("compiled", {}, (30_000, 3000, 800)),
    "compiled_two_threads": ("compiled", {"threads": 2}, (30_000, 3000, 800)),
    "compiled_float24": ("compiled", {"precision": "float24"}, (30_000, 3000, 800)),
    "compiled_bfloat16": ("compiled", {"precision": "bfloat16"}, (30_000, 3000, 800)),
    "compiled_bfloat16_two_threads": (
        "compiled",
        {"precision": "bfloat16", "threads": 2},
        (30_000, 3000, 800),
    ),
}
BATCHES = (1, 16, 64)
PEER = "wavenet_vocoder_batch_1"


def yardstick_model() -> WaveNet:
    """The shape all figures are for, with offsets that are not zero."""
    torch.manual_seed(0)
    model = WaveNet().eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(std=0.05)
    return model


def weights_per_step(model: WaveNet) -> int:
    """Weights that a step multiplies: those of all convolutions."""
    return sum(
        parameter.numel()
        for name, parameter in model.named_parameters()
        if parameter.dim() == 3 and not name.startswith("first")
    )


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


def max_error(model: WaveNet, batch_size: int, engine: str, options: Mapping[str, Any]) -> float:
    """Greatest difference between logits step by step and those of the offline network."""
    if engine == "compiled":
        return compiled_error(model, batch_size, options)
    return eager_error(model, batch_size) if engine else ring_step_error(model)


def eager_error(model: WaveNet, batch_size: int) -> float:
    """Greatest difference to the offline logits over the samples the engine drew itself."""
    watched = _Watched(model.distribution)
    model.distribution = watched
    try:
        waveform = generate(model, CHECKED_STEPS, batch_size=batch_size, engine="eager")
    finally:
        model.distribution = watched.family
    return _error(model, waveform, torch.stack(watched.logits, dim=-1))


def compiled_error(model: WaveNet, batch_size: int, options: Mapping[str, Any]) -> float:
    """The same for the compiled engine."""
    silence = model.shift(model.distribution.encode(torch.zeros(batch_size, 1)))
    with torch.inference_mode():
        state = model.initial_state(batch_size)
    engine = CompiledEngine(model, state, silence, None, 0, 1.0, **options)
    return _error(model, *engine.advance_with_parameters(CHECKED_STEPS))


def ring_step_error(model: WaveNet) -> float:
    """The same for the yardstick, over codes drawn at random."""
    codes = torch.randint(0, 256, (1, CHECKED_STEPS))
    ring = EagerRingStep(model, 1)
    with torch.no_grad():
        logits = torch.stack([ring.step(codes[:, t]) for t in range(CHECKED_STEPS)], dim=-1)
        return (logits - model(codes)).abs().max().item()


@torch.no_grad()
def _error(model: WaveNet, waveform: Tensor, logits: Tensor) -> float:
    worst = 0.0
    for row in range(len(waveform)):  # one at a time: 64 rows of signals are gigabytes
        codes = model.distribution.encode(waveform[row : row + 1])
        worst = max(worst, (model(model.shift(codes)) - logits[row]).abs().max().item())
    return worst


def time_in_turns(
    functions: Mapping[str, Callable[[], Any]], repeats: int
) -> dict[str, list[tuple[float, float]]]:
    """Core-seconds and seconds of each function, called in turns; a first round is not counted."""
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in functions}
    for i in range(repeats + 1):
        for name, function in functions.items():
            core, wall = core_seconds(), time.perf_counter()
            function()
            if i:
                spent[name].append((core_seconds() - core, time.perf_counter() - wall))
    return spent


_FIRST_CALL = """
import time, torch
torch.set_num_threads(1)
from wavestack.inference import generate
from wavestack.models import WaveNet
model = WaveNet().eval()
start = time.perf_counter()
generate(model, 10, engine="compiled")
print(time.perf_counter() - start)
"""


def peer(repeats: int) -> tuple[str, dict[str, float]]:
    """Version and figures of wavenet_vocoder at batch 1, "" and none without it."""
    python = os.environ.get("BENCH_WAVENET_VOCODER")
    if not python:
        return "", {}
    command = [python, str(ROOT / "bench" / "peer_wavenet_vocoder.py"), str(repeats), "500"]
    found = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    rates = found["samples_per_core_second"]
    return found["version"], summarize(f"{PEER}_samples_per_core_second", rates)


def first_calls() -> dict[str, float]:
    """Seconds of the first call ever, and of the first call in a second process."""
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "WAVESTACK_CACHE": folder}
        for name in ("first_call_seconds", "second_process_seconds"):
            command = [sys.executable, "-c", _FIRST_CALL]
            done = subprocess.run(
                command, capture_output=True, text=True, check=True, env=environment, cwd=ROOT
            )
            figures[f"compiled_{name}"] = float(done.stdout)
    return figures


def measure_row(
    key: str, samples: int, spent: list[tuple[float, float]], yard: list[tuple[float, float]]
) -> dict[str, float]:
    """Rates per core-second and per second, and the former's ratio to the yardstick's."""
    figures = summarize(
        f"{key}_samples_per_core_second", [samples / core for core, _ in spent]
    ) | summarize(f"{key}_samples_per_second", [samples / wall for _, wall in spent])
    if spent is not yard:
        for unit, which in (("core_seconds", 0), ("seconds", 1)):
            medians = [statistics.median(pair[which] for pair in pairs) for pairs in (yard, spent)]
            figures[f"{key}_ratio_in_{unit}"] = medians[0] / medians[1]
    return figures


def main() -> None:
    """Measure, print a table, write bench/results/generation.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = yardstick_model()
    figures = first_calls() | measure(3)
    limit = figures["l3_gigabytes_per_second"] * 1e9 / (4 * weights_per_step(model))
    figures["l3_limit_samples_per_core_second"] = limit
    rows = []
    for index, batch_size in enumerate(BATCHES):
        functions: dict[str, Callable[[], Any]] = {}
        for name, (engine, options, steps) in ROWS.items():
            functions[name] = _one_run(model, batch_size, engine, options, steps[index])
        times = time_in_turns(functions, arguments.repeats)
        yard = [
            (core / ROWS["ring_step"][2][index], wall / ROWS["ring_step"][2][index])
            for core, wall in times["ring_step"]
        ]
        for name, (engine, options, steps) in ROWS.items():
            key = f"{name}_batch_{batch_size}"
            per_step = yard
            if name != "ring_step":
                per_step = [
                    (core / steps[index], wall / steps[index]) for core, wall in times[name]
                ]
            figures |= measure_row(key, batch_size, per_step, yard)
            rate = figures[f"{key}_samples_per_core_second"]
            if batch_size == 1 and engine == "compiled" and "precision" not in options:
                figures[f"{key}_fraction_of_l3_limit"] = rate / limit
            if batch_size in CHECKED_BATCHES:
                figures[f"{key}_max_logit_error"] = max_error(model, batch_size, engine, options)
            rows.append(_row(key, name, batch_size, figures))
    version, found = peer(arguments.repeats)
    if found:
        rows.append(_row(PEER, "wavenet_vocoder", 1, found))
        rate = "samples_per_core_second"
        found["compiled_batch_1_ratio_to_wavenet_vocoder"] = (
            figures[f"compiled_batch_1_{rate}"] / found[f"{PEER}_{rate}"]
        )
        figures |= found
    print(f"limit of the third-level cache: {limit:,.0f} samples a core-second, all weights read")
    header = (
        "engine",
        "batch",
        "samples/core-s",
        "spread",
        "x ring step",
        "samples/s",
        "x ring step",
        "of L3 limit",
        "logit error",
    )
    print_table(header, rows)
    for name in ("first_call", "second_process"):
        print(f"compiled, {name.replace('_', ' ')}: {figures[f'compiled_{name}_seconds']:.1f} s")
    settings = {
        "layers": "2 x 10, kernel 2, dilations 1..512",
        "channels": "residual, gate, skip and end 64",
        "output": "256 codes",
        "repeats": arguments.repeats,
        "steps": {name: list(steps) for name, (_, _, steps) in ROWS.items()},
        "checked_steps": CHECKED_STEPS,
        "wavenet_vocoder": version,
    }
    packages = ("torch", "numpy", "numba")
    print(write_result("generation", figures, settings, packages).relative_to(ROOT))


def _one_run(
    model: WaveNet, batch_size: int, engine: str, options: dict[str, Any], steps: int
) -> Callable[[], Any]:
    if not engine:
        return lambda: EagerRingStep(model, batch_size).generate(steps)
    return lambda: generate(model, steps, batch_size=batch_size, engine=engine, **options)


def _row(key: str, name: str, batch_size: int, figures: Mapping[str, float]) -> tuple[str, ...]:
    def figure(end: str, form: str) -> str:
        return format(figures[f"{key}_{end}"], form) if f"{key}_{end}" in figures else ""

    rate = "samples_per_core_second"
    return (
        name.replace("_", " "),
        str(batch_size),
        figure(rate, ",.0f"),
        f"{figure(f'{rate}_min', ',.0f')} to {figure(f'{rate}_max', ',.0f')}",
        figure("ratio_in_core_seconds", ".1f"),
        figure("samples_per_second", ",.0f"),
        figure("ratio_in_seconds", ".1f"),
        figure("fraction_of_l3_limit", ".2f"),
        figure("max_logit_error", ".1e"),
    )


if __name__ == "__main__":
    main()
