"""Core-microseconds a sample of block streaming: python -m bench.streaming

Three stacks of 10 layers, 64 channels, kernel 2, dilations 1..512, one stream, one thread:

- "convolutions": a convolution and a ReLU a layer;
- "temporal blocks": the layer of Bai et al. (2018), two convolutions, each with a ReLU, the input
  added, a ReLU (wavestack.models.TCN);
- "gated blocks": the layer of WaveNet, one convolution of 128 outputs, gate, 1x1 convolution, the
  input added (wavestack.layers.DilatedStack);

and the A1 standard net of Neural Amp Modeler at 48 kHz (wavestack.models.AudioEffect). Measured in
turns: torch on the whole signal, ``Stream`` with each engine, and plain ring-buffer steps
(bench/ring_steps.py). Beside each figure of the compiled engine stands the fraction of the
machine's own rate of multiply-adds, and for blocks of one sample that of the second cache's
bandwidth, through which all weights come (bench/limits.py, in the same run). Where the environment
variable BENCH_PYTORCH_TCN names a Python that has pytorch-tcn, its streaming of the temporal blocks
is measured too.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from bench.common import ROOT, print_table, summarize, time_in_turns, write_result
from bench.limits import measure as measure_limits
from bench.ring_steps import NumpyRingStep, TorchRingStep
from wavestack.inference import Stream
from wavestack.layers import CausalConv1d, DilatedStack
from wavestack.models import TCN, AudioEffect

BLOCKS = (1, 8, 64, 512)
LAYERS, CHANNELS, KERNEL_SIZE, SAMPLE_RATE = 10, 64, 2, 48000
OFFLINE_SAMPLES = 8192
SECONDS = 0.05  # about how long each measurement takes


def convolutions() -> list[CausalConv1d]:
    return [CausalConv1d(CHANNELS, CHANNELS, KERNEL_SIZE, dilation=2**i) for i in range(LAYERS)]


def nets() -> dict[str, tuple[nn.Module, int]]:
    """Name -> net and its input channels."""
    torch.manual_seed(0)
    chain = nn.Sequential(*(part for conv in convolutions() for part in (conv, nn.ReLU())))
    return {
        "convolutions": (chain.eval(), CHANNELS),
        "temporal_blocks": (TCN(CHANNELS, CHANNELS, KERNEL_SIZE, LAYERS).eval(), CHANNELS),
        "gated_blocks": (DilatedStack(CHANNELS, CHANNELS, num_layers=LAYERS).eval(), CHANNELS),
        "nam_a1": (AudioEffect.a1_standard(SAMPLE_RATE).eval(), 1),
    }


def multiplications(net: nn.Module) -> int:
    """Weights, each used once a sample."""
    return sum(m.weight.numel() for m in net.modules() if isinstance(m, CausalConv1d))


def streaming_error(net: nn.Module, channels: int, engine: str, block: int) -> float:
    """Greatest difference to the net on the whole signal, relative to its greatest value."""
    x = torch.randn(1, channels, 2048)
    with torch.no_grad():
        expected = net(x)
    stream = Stream(net, engine=engine)
    found = torch.cat([stream.push(part) for part in x.split(block, dim=-1)], dim=-1)
    return ((found - expected).abs().max() / expected.abs().max()).item()


def repeated(step: Callable[[], Any], samples: int, microseconds: float) -> Callable[[], float]:
    """A call that runs ``step`` for about SECONDS."""
    count = max(1, round(SECONDS / (samples * microseconds * 1e-6)))

    def run() -> None:
        for _ in range(count):
            step()

    run.samples = count * samples  # type: ignore[attr-defined]
    return run  # type: ignore[return-value]


def measured(name: str, net: nn.Module, channels: int) -> dict[str, Callable[[], Any]]:
    """Row name -> what is timed."""
    rows: dict[str, Callable[[], Any]] = {}
    whole = torch.randn(1, channels, OFFLINE_SAMPLES)

    def offline() -> None:
        with torch.inference_mode():
            net(whole)

    rows[f"{name}_torch_offline"] = repeated(offline, OFFLINE_SAMPLES, 6)
    for engine, guess in (("eager", 300), ("compiled", 5)):
        for block in BLOCKS:
            stream, x = Stream(net, engine=engine), torch.randn(1, channels, block)
            step = lambda stream=stream, x=x: stream.push(x)  # noqa: E731
            cost = guess / block + (5 if engine == "eager" else 0.7)
            rows[f"{name}_{engine}_block_{block}"] = repeated(step, block, cost)
    if name == "convolutions":
        convs = [part for part in net if isinstance(part, CausalConv1d)]  # type: ignore[attr-defined]
        torch_ring, numpy_ring = TorchRingStep(convs), NumpyRingStep(convs)
        column = torch.randn(1, CHANNELS)
        vector = column[0].numpy()
        rows[f"{name}_torch_ring_step"] = repeated(lambda: torch_ring.step(column), 1, 120)
        rows[f"{name}_numpy_ring_step"] = repeated(lambda: numpy_ring.step(vector), 1, 35)
    return rows


def peer(repeats: int) -> tuple[str, dict[str, list[float]]]:
    """Version and core-microseconds a sample of pytorch-tcn, "" and none without it."""
    python = os.environ.get("BENCH_PYTORCH_TCN")
    if not python:
        return "", {}
    words = [repeats, LAYERS, CHANNELS, KERNEL_SIZE, *BLOCKS]
    command = [python, str(ROOT / "bench" / "peer_pytorch_tcn.py"), *map(str, words)]
    found = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    rows = {
        f"temporal_blocks_pytorch_tcn_{key if key == 'offline' else f'block_{key}'}": spent
        for key, spent in found["microseconds"].items()
    }
    return found["version"], rows


def main() -> None:
    """Measure, print a table, write bench/results/streaming.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    found = nets()
    rows: dict[str, Callable[[], Any]] = {}
    for name, (net, channels) in found.items():
        rows |= measured(name, net, channels)
    spent = time_in_turns(rows, repeats)
    times = {
        name: [1e6 * seconds / rows[name].samples for seconds in each]  # type: ignore[attr-defined]
        for name, each in spent.items()
    }
    version, peers = peer(repeats)
    times |= peers
    figures: dict[str, float] = {}
    for name, each in times.items():
        figures |= summarize(f"{name}_microseconds", each)
    for block in BLOCKS:
        median = statistics.median(times[f"nam_a1_compiled_block_{block}"])
        figures[f"nam_a1_compiled_block_{block}_real_time_factor"] = median * SAMPLE_RATE / 1e6
        median = statistics.median(times[f"nam_a1_eager_block_{block}"])
        figures[f"nam_a1_eager_block_{block}_real_time_factor"] = median * SAMPLE_RATE / 1e6
    limits = measure_limits(repeats=3)
    figures |= {name: limits[name] for name in ("gigaflops", "l2_gigabytes_per_second")}
    for name, (net, channels) in found.items():
        weights = multiplications(net)
        figures[f"{name}_multiplications"] = weights
        for block in BLOCKS:
            nanoseconds = 1e3 * figures[f"{name}_compiled_block_{block}_microseconds"]
            reached = 2 * weights / nanoseconds / limits["gigaflops"]
            figures[f"{name}_compiled_block_{block}_fraction_of_multiply_adds"] = reached
            if block == 1:
                reached = 4 * weights / nanoseconds / limits["l2_gigabytes_per_second"]
                figures[f"{name}_compiled_block_1_fraction_of_l2"] = reached
        for block in (1, 64):
            error = streaming_error(net, channels, "compiled", block)
            figures[f"{name}_compiled_block_{block}_relative_error"] = error
    settings = {
        "layers": f"{LAYERS} of {CHANNELS} channels, kernel {KERNEL_SIZE}, dilations 1..512",
        "nam_a1": f"16 and 8 channels, kernel 3, dilations 1..512 twice, {SAMPLE_RATE} Hz",
        "batch_size": 1,
        "threads": 1,
        "repeats": repeats,
        "offline_samples": OFFLINE_SAMPLES,
        **({"pytorch-tcn": version} if version else {}),
    }
    table = []
    for name, each in times.items():
        reached = figures.get(f"{name}_fraction_of_multiply_adds")
        of_limit = "" if reached is None else f"{100 * reached:.0f} %"
        spread = f"{min(each):.2f} to {max(each):.2f}"
        table.append((name, f"{statistics.median(each):.2f}", spread, of_limit))
    print_table(("what", "core-us a sample", "spread", "of multiply-adds"), table)
    path = write_result("streaming", figures, settings, ("torch", "numpy", "numba"))
    print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
