"""Samples per second of autoregressive generation on a GPU: python -m bench.generation_gpu

The shape is that of bench/generation.py. Every engine that can run the model on the device is
measured at batches of 1 to 1,024 and checked: over the samples it drew itself, and, where it can
be fed, by its logits over given codes. The eager engine is the baseline. A way that fails leaves
its rows empty and its error in the result file.

Writes bench/results/generation_gpu.json. With --tune the fused kernel is measured in all sizes of
its blocks instead, into generation_gpu_tuning.json. With --dry, a tiny model takes the same way on
the CPU.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor

from bench.common import print_table, summarize, write_result
from bench.training import limits_of
from wavestack.inference.engines import choose_engine, fused
from wavestack.inference.engines.base import ENGINES
from wavestack.inference.engines.draws import prepare_draws
from wavestack.models import WaveNet

# Row: the engine and its options.
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "eager": ("eager", {}),
    "graph": ("graph", {}),
    "layerwise": ("layerwise", {}),
    "layerwise_bfloat16": ("layerwise", {"precision": "bfloat16"}),
    "fused": ("fused", {}),
    "fused_bfloat16": ("fused", {"precision": "bfloat16"}),
    "fused_float16": ("fused", {"precision": "float16"}),
}
BATCHES = (1, 16, 256, 1024)
# Samples per second to reach: two rows of one graph each, and what nv-wavenet does on a V100.
TARGETS = {
    ("graph", 1): 3_000,
    ("layerwise", 1): 10_000,
    ("fused", 1): 43_000,
    ("fused_bfloat16", 1): 43_000,
    ("fused", 256): 5_000_000,
    ("fused_bfloat16", 256): 5_000_000,
}
CHECKED_STEPS = 2200  # more than the receptive field of 2,047
SEED = 7
# Ways to cut the fused kernel, to see which a device likes best: (BLOCK, STAGES, NUM_WARPS).
CUTS = [(block, stages, warps) for block in (32, 64) for stages in (1, 2) for warps in (4, 8)]
T = TypeVar("T")


class Bench:
    """A model on a device, its engines, and how long to measure each."""

    def __init__(self, device: str, dry: bool) -> None:
        torch.manual_seed(0)
        shape: dict[str, Any] = (
            {"num_layers": 2, "num_stacks": 1, "quantization_channels": 32} if dry else {}
        )
        self.model = WaveNet(**shape).eval()
        for name, parameter in self.model.named_parameters():
            if name.endswith("bias"):
                parameter.data.normal_(std=0.05)
        self.model.to(device)
        self.device = device
        self.seconds = 0.01 if dry else 1.0
        self.checked_steps = 70 if dry else CHECKED_STEPS
        self.batches = (1, 3) if dry else BATCHES

    def start(self, way: str, batch_size: int) -> Any:
        """An engine before its first step."""
        name, options = WAYS[way]
        if self.device == "cuda":
            found: Any = choose_engine(self.model, name, options=options)[1]
        else:  # the dry run asks nobody whether it can
            found = _class_of(name)
        first = self.model.shift(self.model.distribution.encode(torch.zeros(batch_size, 1)))
        state = self.model.initial_state(batch_size)
        return found(self.model, state, first.to(self.device), None, SEED, 1.0, **options)

    def speed(self, way: str, batch_size: int, repeats: int) -> list[float]:
        """Samples per second of all rows together, once kernels and graphs are there."""
        engine = self.start(way, batch_size)
        engine.advance(130)  # a chunk as it stands, and one of its graph
        steps = 64
        while (spent := self._seconds(engine, steps)) < self.seconds / 4:
            steps *= 2
        steps = max(64, int(steps * self.seconds / spent))
        spans = [self._seconds(engine, steps) for _ in range(repeats)]
        return [steps * batch_size / span for span in spans]

    def regret(self, way: str) -> float:
        """How much better than the chosen codes others score by the offline network, at most.

        An engine without error chooses the best of all at every step: 0, up to rounding.
        """
        steps = self.checked_steps
        waveform = self.start(way, 2).advance(steps)
        family = self.model.distribution
        codes = family.encode(waveform)
        with torch.no_grad():
            logits = self.model(self.model.shift(codes)).transpose(1, 2)  # (2, T, Q)
        draws = prepare_draws(family, SEED, 2, 0, steps, logits).transpose(0, 1)
        scores = logits + draws
        chosen = scores.gather(2, codes[..., None])[..., 0]
        return (scores.amax(dim=2) - chosen).max().item()

    def fed_errors(self, way: str) -> tuple[float, float] | None:
        """Greatest difference in logits over given codes, and that in bits per sample."""
        engine = self.start(way, 2)
        if not hasattr(engine, "parameters_for"):
            return None
        steps = self.checked_steps
        noise = torch.linspace(0, 60, steps).sin() * 0.2 + 0.02 * torch.randn(2, steps)
        family = self.model.distribution
        inputs = self.model.shift(family.encode(noise)).to(self.device)
        found = engine.parameters_for(inputs)
        with torch.no_grad():
            offline = self.model(inputs)
        waveform = noise.to(self.device)
        ours, theirs = (_bits(family.nll(params, waveform)) for params in (found, offline))
        return (found - offline).abs().max().item(), ours - theirs

    def _seconds(self, engine: Any, steps: int) -> float:
        self._wait()
        start = time.perf_counter()
        engine.advance(steps)
        self._wait()
        return time.perf_counter() - start

    def _wait(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()


class Findings:
    """Figures and the rows of the tables; where something failed, its error instead."""

    def __init__(self) -> None:
        self.figures: dict[str, float] = {}
        self.errors: dict[str, str] = {}
        self.checks: list[list[Any]] = []
        self.rows: list[list[Any]] = []

    def add_check(self, bench: Bench, way: str) -> None:
        """How right a way is."""
        cells = ["", "", ""]
        regret = self._guarded(way, lambda: bench.regret(way))
        if regret is not None:
            self.figures[f"{way}_regret"] = regret
            cells[0] = f"{regret:.1e}"
        fed = self._guarded(f"{way} fed", lambda: bench.fed_errors(way))
        if fed is not None:
            self.figures[f"{way}_max_logit_error"], more = fed
            self.figures[f"{way}_more_bits_per_sample"] = more
            cells[1:] = [f"{fed[0]:.1e}", f"{more:+.4f}"]
        self.checks.append([way, *cells])

    def add_speed(
        self,
        bench: Bench,
        way: str,
        batch_size: int,
        repeats: int,
        weights: int,
        limits: Mapping[str, float],
    ) -> None:
        """How fast it is, beside its target and the device's matrix rate."""
        target = TARGETS.get((way, batch_size))
        row = [way, batch_size, "", "", "", f"{target:,}" if target else ""]
        self.rows.append(row)
        key = f"{way}_batch_{batch_size}"
        rates = self._guarded(key, lambda: bench.speed(way, batch_size, repeats))
        if rates is None:
            return
        self.figures |= summarize(f"{key}_samples_per_second", rates)
        middle = statistics.median(rates)
        row[2:4] = f"{middle:,.0f}", f"{min(rates):,.0f} to {max(rates):,.0f}"
        kind = "bf16" if "float16" in way else "fp32"
        if f"{kind}_flops" in limits:
            share = 2 * weights * middle / limits[f"{kind}_flops"]
            self.figures[f"{key}_fraction_of_{kind}_operations"] = share
            row[4] = f"{share:.4f}"

    def tune(self, bench: Bench) -> None:
        """The fused kernel's speed for each way to cut it, at the smallest and a large batch."""
        usual = fused.BLOCK, fused.STAGES, fused.NUM_WARPS
        bench.seconds /= 4
        for block, stages, warps in CUTS:
            fused.BLOCK, fused.STAGES, fused.NUM_WARPS = block, stages, warps
            for way in ("fused", "fused_bfloat16"):
                for batch_size in (1, 256):
                    key = f"{way}_block_{block}_stages_{stages}_warps_{warps}_batch_{batch_size}"
                    speed = partial(bench.speed, way, batch_size, 2)
                    rates = self._guarded(key, speed)
                    if rates is not None:
                        self.figures |= summarize(f"{key}_samples_per_second", rates)
                    middle = f"{statistics.median(rates):,.0f}" if rates else ""
                    cut = f"{way} {block}/{stages}/{warps}"
                    self.rows.append([cut, batch_size, middle, "", "", ""])
        fused.BLOCK, fused.STAGES, fused.NUM_WARPS = usual

    def _guarded(self, name: str, function: Callable[[], T]) -> T | None:
        try:
            return function()
        except Exception as error:  # one failure loses nothing else
            self.errors[name] = f"{type(error).__name__}: {error}"[:500]
            print(f"{name}: {self.errors[name]}", flush=True)
            return None


def _class_of(name: str) -> Any:
    module, _, attribute = ENGINES[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def _bits(nats: Tensor) -> float:
    return nats.mean().item() / 0.6931471805599453


def main() -> None:
    """Check and measure, print tables, write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--tune", action="store_true", help="the fused kernel's sizes")
    parser.add_argument("--dry", action="store_true", help="a tiny model on the CPU")
    arguments = parser.parse_args()
    if not arguments.dry and not torch.cuda.is_available():
        raise SystemExit("there is no CUDA device here: nothing was measured")
    torch.backends.cudnn.allow_tf32 = False  # the offline network must be exact
    bench = Bench("cpu" if arguments.dry else "cuda", arguments.dry)
    found = Findings()
    weights = sum(p.numel() for p in bench.model.parameters() if p.dim() == 3)
    limits = {} if arguments.dry else limits_of("cuda")
    found.figures |= {f"limit_{name}_per_second": value for name, value in limits.items()}
    try:
        if arguments.tune:
            found.tune(bench)
        for way in () if arguments.tune else arguments.ways:
            found.add_check(bench, way)
            for batch_size in bench.batches:
                found.add_speed(bench, way, batch_size, arguments.repeats, weights, limits)
    except KeyboardInterrupt:  # the time is up: what is there is written
        found.errors["the rest"] = "stopped before the end"
    figures, errors = found.figures, found.errors
    if found.checks:
        print_table(("engine", "regret", "logit error", "bits/sample more"), found.checks)
    header = ("engine", "batch", "samples/s", "spread", "of operations", "target")
    print_table(header, found.rows)
    settings = {
        "layers": "2 x 10, kernel 2, dilations 1..512",
        "channels": "residual, gate, skip and end 64",
        "output": "256 codes",
        "checked_steps": bench.checked_steps,
        "dry": arguments.dry,
        "errors": errors,
    }
    name = "generation_gpu_tuning" if arguments.tune else "generation_gpu"
    print(write_result(name, figures, settings, ("torch", "numpy")))
    if errors:
        raise SystemExit(f"{len(errors)} of the measurements failed: {', '.join(list(errors)[:4])}")


if __name__ == "__main__":
    main()
