"""The compiled engine: the eager engine's samples, the offline logits, one compilation."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from typing import Any

import pytest
import torch

pytest.importorskip("numba")

from bench.fuzz_engines import compare, draw_case
from wavestack.inference import generate
from wavestack.inference.engines import choose_engine
from wavestack.inference.engines.blocks.compiled import CompiledBlocks
from wavestack.inference.engines.compiled import kernel
from wavestack.inference.engines.compiled.engine import CompiledEngine
from wavestack.inference.engines.vector import cache
from wavestack.layers import CausalConv1d
from wavestack.models import WaveNet

SMALL: dict[str, Any] = {
    "residual_channels": 12,
    "dilation_channels": 20,
    "skip_channels": 18,
    "end_channels": 16,
    "num_layers": 4,
    "num_stacks": 2,
}


def build(**changes: Any) -> WaveNet:
    model = WaveNet(**{**SMALL, **changes}).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.add_(0.3 * torch.randn_like(parameter))
        model.out.weight.mul_(8)  # distributions that know what they want
    return model


def parameters(model: WaveNet, steps: int, batch: int = 1, **options: Any) -> Any:
    """The engine's samples and their parameters, and the offline network's parameters."""
    silence = model.shift(model.distribution.encode(torch.zeros(batch, 1)))
    with torch.inference_mode():
        state = model.initial_state(batch)
        engine = CompiledEngine(model, state, silence, None, 0, 1.0, **options)
        waveform, found = engine.advance_with_parameters(steps)
        offline = model(model.shift(model.distribution.encode(waveform)))
    return waveform, found, offline


@pytest.mark.parametrize("seed", range(15))
def test_engines_draw_the_eager_samples_for_random_networks(seed):
    verdicts = dict(compare(draw_case(1000 + seed)))
    assert verdicts["compiled"] in ("equal", "tie")
    for engine, verdict in verdicts.items():
        assert verdict in ("equal", "tie") or verdict.startswith("refused: "), engine


def test_the_comparison_sees_other_samples():
    case = next(c for c in map(draw_case, range(100)) if c.settings["output"] == "gaussian")
    case.arguments["temperature"] = 1.0
    assert dict(compare(case))["compiled"] == "equal"
    other = generate(case.model(), engine="compiled", **{**case.arguments, "seed": 1})
    same = generate(case.model(), engine="compiled", **case.arguments)
    assert (other - same).abs().max() > 1e-3


def test_ten_thousand_samples_are_the_eager_ones():
    model = build()
    compiled = generate(model, 10_000, engine="compiled", seed=3)
    torch.testing.assert_close(generate(model, 10_000, engine="eager", seed=3), compiled)


@pytest.mark.parametrize("output", ["mu_law", "logistic_mixture", "gaussian"])
def test_parameters_are_those_of_the_offline_network(output):
    _, found, offline = parameters(build(output=output), 200, batch=3)
    torch.testing.assert_close(found, offline, atol=1e-5, rtol=0)


def test_look_ahead_and_threads_change_no_bit():
    model = build(kernel_size=3)
    _, plain, _ = parameters(model, 150, batch=2, look_ahead=1)
    for options in ({}, {"look_ahead": 64}, {"threads": 2}, {"threads": 2, "look_ahead": 2}):
        torch.testing.assert_close(
            parameters(model, 150, batch=2, **options)[1], plain, atol=0, rtol=0
        )


def test_bfloat16_weights_are_near_but_not_equal():
    waveform, found, offline = parameters(build(), 200, precision="bfloat16")
    difference = (found - offline).abs().max()
    assert 1e-4 < difference < 0.05 * offline.abs().max()
    assert len(waveform.unique()) > 5
    again, _, _ = parameters(build(), 200, precision="bfloat16", threads=2)
    assert again.shape == waveform.shape


def test_pieces_join_to_the_whole():
    model = build(num_labels=(3,), condition_channels=4, hop_length=5)
    conditions = {
        "labels": torch.tensor([[1], [2]]),
        "features": torch.randn(2, 4, 260),
        "primer": torch.rand(2, 100) * 2 - 1,
    }
    long = generate(model, 1200, batch_size=2, engine="compiled", **conditions)
    short = generate(model, 600, batch_size=2, engine="compiled", **conditions)
    torch.testing.assert_close(long[:, :600], short, atol=0, rtol=0)
    threaded = generate(model, 1200, batch_size=2, engine="compiled", threads=2, **conditions)
    torch.testing.assert_close(long, threaded, atol=0, rtol=0)


def test_nothing_is_compiled_anew_for_another_network():
    generate(build(), 5, engine="compiled")
    for changes in (
        {"dilations": (1, 5, 40), "kernel_sizes": (3, 1, 2)},
        {"residual_channels": 33, "bottleneck_channels": 7, "quantization_channels": 64},
        {"output": "logistic_mixture", "input_kernel_size": 4},
    ):
        generate(build(**changes), 5, batch_size=3, engine="compiled")
    generate(build(num_labels=(2,)), 5, labels=torch.tensor([[1]]), engine="compiled")
    generate(build(), 5, engine="compiled", threads=2, precision="bfloat16")
    assert len(kernel.run.signatures) == 1


def test_who_cannot_be_run_is_told_why(monkeypatch):
    assert "it computes in float32" in str(CompiledEngine.why_not(build().double()))
    assert "training mode" in str(CompiledEngine.why_not(build().train()))
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "numba" else find(name)
    )
    message = r"numba is not installed: pip install 'wavestack\[compiled\]'"
    with pytest.raises(ValueError, match=message):
        generate(build(), 5, engine="compiled")
    assert choose_engine(build())[0] == "eager"


def test_a_numba_that_cannot_be_imported_is_as_good_as_none(monkeypatch):
    load = importlib.import_module

    def refuse(name, *rest):
        if name == "numba":
            raise ImportError("Numba needs NumPy 2.4 or less. Got NumPy 2.9.\nMore lines.")
        return load(name, *rest)

    monkeypatch.setattr(importlib, "import_module", refuse)
    assert choose_engine(build())[0] == "eager"
    assert CompiledBlocks.why_not(CausalConv1d(1, 1, 2)) == CompiledEngine.why_not(build())
    message = r"numba cannot be imported: Numba needs NumPy 2\.4 or less\. Got NumPy 2\.9\.$"
    with pytest.raises(ValueError, match=message):
        generate(build(), 5, engine="compiled")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threads": 3}, "threads must be 1 or 2, got 3"),
        ({"precision": "int4"}, "precision must be one of .* got 'int4'"),
        ({"look_ahead": 12}, "look_ahead must be a power of two, got 12"),
        ({"engine": "eager", "threads": 2}, "eager: it has no option threads"),
        ({"colour": "blue"}, "no engine can run WaveNet.*it has no option colour"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        generate(build(), 5, **{"engine": "compiled", **options})


def test_a_folder_that_cannot_be_written_is_not_used(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("WAVESTACK_CACHE", str(tmp_path / "file"))
    cache.cache_folder.cache_clear()
    try:
        assert cache.cache_folder() is None
        assert not cache.is_kept(kernel.run)
        monkeypatch.setenv("WAVESTACK_CACHE", str(tmp_path / "new"))
        cache.cache_folder.cache_clear()
        folder = cache.cache_folder()
        assert folder is not None
        assert folder.parent == tmp_path / "new"
    finally:
        cache.cache_folder.cache_clear()


def test_importing_inference_does_not_import_numba():
    program = "import sys, wavestack.inference; print({'numba', 'llvmlite'} & set(sys.modules))"
    command = [sys.executable, "-c", program]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


_ONE_RUN = """
import logging, torch
logging.basicConfig(level=logging.WARNING)
from wavestack.inference import generate
from wavestack.inference.engines.compiled import kernel
from wavestack.models import WaveNet
torch.manual_seed(0)
model = WaveNet(12, 20, 18, 16, num_layers=4, num_stacks=2).eval()
for batch in (1, 3):
    a = generate(model, 100, batch_size=batch, engine="compiled")
    assert torch.equal(a, generate(model, 100, batch_size=batch, engine="eager"))
print(sum(kernel.run.stats.cache_hits.values()))
"""


@pytest.mark.slow
@pytest.mark.parametrize("simd", ["plain", "neon", "avx2", "avx512"])
def test_every_set_of_instructions_and_a_second_process(simd, tmp_path):
    """Widths that the machine lacks are made up by LLVM, so each can be tested anywhere."""
    environment = {**os.environ, "WAVESTACK_SIMD": simd, "WAVESTACK_CACHE": str(tmp_path)}
    command = [sys.executable, "-c", _ONE_RUN]
    for hits, announced in (("0", True), ("1", False)):
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
        assert done.stdout.strip() == hits
        assert ("compiling the generation kernel" in done.stderr) is announced
