"""The graph engine's chunk, run without a graph: the eager engine's samples, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.inference.helpers import VARIANTS, build
from tests.inference.recorded import Recording
from wavestack.inference import generate
from wavestack.inference.device_noise import device_uniform
from wavestack.inference.engines import choose_engine, graph
from wavestack.inference.engines.base import Engine
from wavestack.inference.engines.eager import EagerEngine
from wavestack.inference.engines.graph import GraphEngine
from wavestack.inference.noise import LABELS, SAMPLES, uniform

T, B = 150, 3  # more than two chunks of 64


def start(engine: type[Engine], model, conditions, num_samples: int, temperature: float = 0.8):
    """An engine before its first step."""
    arguments = {"labels": None, "features": None, **conditions}
    silence = torch.zeros(B, 1)
    with torch.inference_mode():
        condition = model.condition(**arguments, num_samples=num_samples)
        first = model.shift(model.distribution.encode(silence))
        return engine(model, model.initial_state(B), first, condition, 2**63 + 5, temperature)


@pytest.mark.parametrize("seed", [0, 2**32 + 1, 2**64 - 1])
@pytest.mark.parametrize("purpose", [SAMPLES, LABELS])
def test_device_noise_is_the_noise_of_the_other_engines(seed, purpose):
    rows, steps = np.array([0, 3, 2**31 + 7]), np.array([0, 1, 2**32 - 1])
    here = uniform(seed, rows, steps, 7, purpose)
    there = device_uniform(seed, torch.from_numpy(rows), torch.from_numpy(steps), 7, purpose)
    assert there.dtype == torch.float32
    np.testing.assert_array_equal(there.numpy(), here)


def test_device_noise_names_a_seed_that_is_not_of_64_bits():
    with pytest.raises(ValueError, match=r"seed must be in .* got -1"):
        device_uniform(-1, torch.arange(1), torch.arange(1), 1)


@pytest.mark.parametrize("name", list(VARIANTS))
def test_chunks_draw_the_samples_of_the_eager_engine(name):
    model, conditions = build(name, T, B)
    eager = start(EagerEngine, model, conditions, T).advance(T)
    engine = start(GraphEngine, model, conditions, T)
    assert engine.chunk_steps == 64
    # Requests that end inside a chunk, that a surplus fills, and that take several chunks.
    chunks = torch.cat([engine.advance(n) for n in (10, 54, 1, 85)], dim=1)
    torch.testing.assert_close(chunks, eager, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", list(VARIANTS))
def test_a_chunk_can_be_captured_and_replayed(name, monkeypatch):
    """Nothing in it comes from the CPU, and it finds and leaves everything in the same memory."""
    monkeypatch.setattr(graph, "_MOST_STEPS", 10)
    model, conditions = build(name, 40, B)
    eager = start(EagerEngine, model, conditions, 40, 0.02).advance(40)
    engine = start(GraphEngine, model, conditions, 40, 0.02)
    with torch.inference_mode():
        recording = Recording(engine.chunk)
        chunks = [recording.result.clone()]
        chunks += [recording.replay().clone() for _ in range(3)]
        replayed = model.distribution.decode(torch.cat(chunks, dim=-1))
    torch.testing.assert_close(replayed, eager, atol=1e-6, rtol=0)


def test_ten_thousand_samples_are_those_of_the_eager_engine():
    model, _ = build("plain", T, B)
    eager = start(EagerEngine, model, {}, 10_000, 1.0).advance(10_000)
    chunks = start(GraphEngine, model, {}, 10_000, 1.0).advance(10_000)
    assert torch.equal(eager, chunks)


def test_it_says_why_it_cannot():
    model, _ = build("plain", T, B)
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    with pytest.raises(ValueError, match="graph: there is no CUDA device"):
        choose_engine(model, "graph")
    assert choose_engine(model)[0] != "graph"


@pytest.mark.gpu
@pytest.mark.parametrize("name", list(VARIANTS))
def test_captured_chunks_draw_the_samples_of_the_eager_engine(name):
    model, conditions = build(name, 700, B)
    model.cuda()
    conditions = {key: value.cuda() for key, value in conditions.items()}
    arguments = {"batch_size": B, "seed": 4, "temperature": 0.8, **conditions}
    eager = generate(model, 700, engine="eager", **arguments)
    captured = generate(model, 700, engine="graph", **arguments)
    torch.testing.assert_close(captured, eager, atol=1e-4, rtol=0)
