"""What the GPU engines' kernels take on a Hopper GPU, by compiling them: no GPU is needed.

python -m bench.compile_report      writes bench/results/compile_report.json
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import torch

from bench.common import print_table, write_result
from wavestack.inference.engines.fused import PASSES, FusedEngine, why_too_wide
from wavestack.inference.engines.layerwise import LayerwiseEngine
from wavestack.models import WaveNet

PRECISIONS = ("float32", "bfloat16", "float16")
ENGINES = {"fused": FusedEngine, "layerwise": LayerwiseEngine}


def _widths(residual: int, skip: int, **others: Any) -> dict[str, Any]:
    return {
        "residual_channels": residual,
        "dilation_channels": residual,
        "skip_channels": skip,
        "end_channels": skip,
        **others,
    }


SHAPES: dict[str, dict[str, Any]] = {
    "32/64 window 16": _widths(32, 64, input_kernel_size=16),
    "64 codes": _widths(64, 64),
    "64 codes 1024": _widths(64, 64, quantization_channels=1024),
    "64/256 codes": _widths(64, 256),
    "64 mixture": _widths(64, 64, output="logistic_mixture"),
    "64 normal": _widths(64, 64, output="gaussian"),
    "64 kernel 3 narrow": _widths(64, 64, kernel_size=3, bottleneck_channels=32),
    "64 kernel 4 window 64": _widths(64, 64, kernel_size=4, input_kernel_size=32),
    "64 kernel 16": _widths(64, 64, kernel_size=16),
    "256 kernel 8": _widths(256, 256, kernel_size=8),
    "128 codes": _widths(128, 128),
    "128/256 codes": _widths(128, 256),
    "256 codes": _widths(256, 256),
}


def launches_of(engine: str, model: WaveNet, precision: str) -> dict[str, Any]:
    """One launch of each kernel of an engine, by the kernel's name."""
    with torch.inference_mode():
        first = model.shift(model.distribution.encode(torch.zeros(1, 1)))
        arguments = (model, model.initial_state(1), first, None, 0, 1.0)
        running: Any = ENGINES[engine](*arguments, precision=precision)
        if engine == "fused":
            running.passes = PASSES
            return {"generate": running.prepare(2, running.fixed)[0]}
        found = {}
        for launch in running.prepare()[2]:
            name = launch.kernel.fn.__name__.removesuffix("_kernel")
            found[f"first {name}" if launch.constants.get("FIRST") else name] = launch
            if name == "head":  # the last of a step
                return found
    raise RuntimeError("a step without a head")


def resources_of(engine: str, shape: dict[str, Any], precision: str) -> dict[str, Any]:
    """Each kernel's resources; depth and dilations do not matter to them."""
    model = WaveNet(**shape, num_layers=2, num_stacks=1).eval()
    launches = launches_of(engine, model, precision)
    return {name: launch.resources() for name, launch in launches.items()}


def report() -> Iterator[tuple[str, Any]]:
    """The resources of all shapes that an engine accepts, as "engine kernel shape precision"."""
    for shape, widths in SHAPES.items():
        model = WaveNet(**widths, num_layers=2, num_stacks=1)
        for precision in PRECISIONS:
            for engine in ENGINES:
                if engine == "fused" and why_too_wide(model, getattr(torch, precision)):
                    continue
                for kernel, found in resources_of(engine, widths, precision).items():
                    yield f"{engine} {kernel}, {shape}, {precision}", found


def main() -> None:
    """Compile all, print a table, write the result file."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    rows, figures = [], {}
    for name, found in report():
        rows.append(
            (
                name,
                found.registers,
                found.stack,
                f"{found.shared / 1024:.1f}",
                found.matrix_products,
            )
        )
        key = name.replace(", ", "_").replace(" ", "_").replace("/", "_")
        figures[f"{key}_registers"] = found.registers
        figures[f"{key}_stack_bytes"] = found.stack
        figures[f"{key}_shared_bytes"] = found.shared
    print_table(("kernel", "registers", "stack", "shared KiB", "tensor-core products"), rows)
    settings = {"target": "sm_90", "limits": {"stack_bytes": 0, "shared_bytes": 227 * 1024}}
    print(write_result("compile_report", figures, settings, ("torch", "triton")))


if __name__ == "__main__":
    main()
