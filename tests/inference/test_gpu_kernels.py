"""The GPU engines without a GPU: their values by interpretation, their resources by compilation."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.inference.helpers import VARIANTS, build
from tests.inference.interpreted import CASES
from wavestack.inference import generate
from wavestack.inference.engines import choose_engine
from wavestack.models import WaveNet

pytest.importorskip("triton", reason="Triton is not installed")

ROOT = Path(__file__).parents[2]
FAST = [f"fused:{case}" for case in ("wide", "levels", "logistic", "lists", "features")]
FAST += ["layerwise:levels"]
ROUNDED = ["fused:wide:float16", "fused:logistic:float16", "layerwise:levels:bfloat16"]
SLOW = [f"{engine}:{case}" for engine in ("fused", "layerwise") for case in CASES]


def interpret(requests: list[str], steps: int) -> dict[str, list[float]]:
    """In a process of its own, since Triton decides at its import whether to interpret."""
    command = [sys.executable, "-m", "tests.inference.interpreted", str(steps), *requests]
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("requests", "steps"),
    [
        pytest.param(FAST, 4, id="fast"),
        pytest.param(SLOW, 24, id="all", marks=pytest.mark.slow),
    ],
)
def test_interpreted_kernels_compute_what_the_eager_engine_does(requests, steps):
    found = interpret(requests, steps)
    assert set(found) == set(requests)
    for request, (samples, params) in found.items():
        assert params < 1e-5, f"{request}: parameters differ by {params}"
        assert samples < 1e-6, f"{request}: samples differ by {samples}"


@pytest.mark.parametrize(
    "requests",
    [
        pytest.param(ROUNDED[:1], id="fast"),
        pytest.param(ROUNDED[1:], id="all", marks=pytest.mark.slow),
    ],
)
def test_interpreted_kernels_round_weights_and_no_more(requests):
    for request, (_, params) in interpret(requests, 4).items():
        tolerance = 1e-3 if request.endswith(":float16") else 4e-3  # 11 and 8 bits of weights
        assert 1e-5 < params < tolerance, f"{request}: parameters differ by {params}"


def test_compiled_kernels_fit_a_hopper_gpu():
    from bench.compile_report import SHAPES, resources_of

    for engine, shape, precision in [
        ("fused", "64 codes", "float32"),
        ("fused", "64/256 codes", "bfloat16"),
        ("layerwise", "64 codes", "float32"),
    ]:
        for kernel, found in resources_of(engine, SHAPES[shape], precision).items():
            _check(f"{engine} {kernel} {shape} {precision}", found)


@pytest.mark.slow
def test_all_compiled_kernels_fit_a_hopper_gpu():
    from bench.compile_report import report

    for name, found in report():
        _check(name, found)


def _check(name: str, found: Any) -> None:
    assert found.stack == 0, f"{name} spills registers: {found}"
    assert found.shared <= 227 * 1024, f"{name} takes too much shared memory: {found}"
    if name.startswith("fused"):
        assert found.matrix_products > 0, f"{name} does not use tensor cores: {found}"


def test_depth_dilations_and_conditions_do_not_recompile():
    """A kernel is compiled for its constants and its arguments' types, which stay the same."""
    from bench.compile_report import launches_of

    def compiled_for(engine: str, **shape: Any) -> list[Any]:
        model = WaveNet(8, 8, 8, 8, **shape).eval()
        launches = launches_of(engine, model, "float32").values()
        kinds = [
            [getattr(value, "dtype", type(value)) for value in launch.arguments]
            for launch in launches
        ]
        return [kinds, [dict(launch.constants) for launch in launches]]

    for engine in ("fused", "layerwise"):
        shallow = compiled_for(engine, num_layers=2, num_stacks=1)
        assert compiled_for(engine, num_layers=3, num_stacks=16) == shallow
        assert compiled_for(engine, dilations=(1, 500, 16)) == shallow
        assert compiled_for(engine, num_layers=17, kernel_size=3) != shallow


def test_the_report_sees_a_kernel_that_spills():
    """The gate is worth something only if it can fail: more channels than registers hold."""
    from bench.compile_report import launches_of

    model = WaveNet(128, 128, 128, 128, num_layers=1, num_stacks=1).eval()
    ((_, launch),) = launches_of("fused", model, "bfloat16").items()
    narrow = dataclasses.replace(launch, num_warps=1)
    assert narrow.resources().stack > 0


def test_engines_say_why_they_cannot():
    model, _ = build("plain", 1, 1)
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    for name in ("fused", "layerwise"):
        with pytest.raises(ValueError, match=f"{name}: there is no CUDA device"):
            choose_engine(model, name)
    assert choose_engine(model)[0] not in ("fused", "layerwise", "graph")


def test_precision_and_width_are_named():
    from wavestack.inference.engines.fused import FusedEngine, why_too_wide

    model = WaveNet(100, 20, 20, 20, num_layers=1).eval()
    assert why_too_wide(model, torch.bfloat16) is None
    with pytest.raises(ValueError, match="128 channels in float32 need more registers"):
        FusedEngine(model, None, torch.zeros(1, 1), None, 0, 1.0)
    with pytest.raises(ValueError, match=r"precision must be one of .* got 'int8'"):
        FusedEngine(model, None, torch.zeros(1, 1), None, 0, 1.0, precision="int8")


@pytest.mark.gpu
@pytest.mark.parametrize("engine", ["fused", "layerwise"])
@pytest.mark.parametrize("name", list(VARIANTS))
def test_engines_on_a_gpu_draw_the_samples_of_the_eager_engine(engine, name):
    steps, batch_size = 700, 19
    model, conditions = build(name, steps, batch_size)
    model.cuda()
    conditions = {key: value.cuda() for key, value in conditions.items()}
    arguments = {"batch_size": batch_size, "seed": 2**63 + 4, "temperature": 0.8, **conditions}
    eager = generate(model, steps, engine="eager", **arguments)
    found = generate(model, steps, engine=engine, **arguments)
    # A near tie between two codes may fall otherwise, and what follows it is another signal.
    same = (found - eager).abs().amax(dim=1) < 1e-4
    assert same.float().mean() > 0.8
