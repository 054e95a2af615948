"""Generation: equal to the offline network, the same in every engine, reproducible by row."""

from __future__ import annotations

import pytest
import torch

from tests.inference.helpers import SMALL, VARIANTS, build
from wavestack.inference import draw_labels, generate
from wavestack.inference.engines import choose_engine
from wavestack.inference.engines.draws import prepare_draws
from wavestack.inference.engines.eager import EagerEngine
from wavestack.models import WaveNet

P, T, B = 11, 60, 3


def eager_logits(model: WaveNet, x: torch.Tensor, conditions: dict[str, torch.Tensor]):
    """The eager engine's logits when it is fed with x instead of its own samples."""
    condition = model.condition(**{"labels": None, "features": None, **conditions}, num_samples=T)
    shifted = model.shift(x)
    engine = EagerEngine(model, model.initial_state(B), shifted[..., :1], condition, 0, 1.0)
    with torch.inference_mode():
        reads, writes = engine.rings.positions(0, T)
        outputs = []
        for t in range(T):
            engine.current = shifted[..., t : t + 1]
            bias = engine.fixed
            if condition is not None and condition.shape[-1] > 1:
                bias = engine.plan.conditioned_bias(condition[..., t : t + 1])[0]
            outputs.append(engine._logits(bias, reads[t], writes[t]).clone())
    return torch.stack(outputs, dim=-1)


@pytest.mark.parametrize("name", list(VARIANTS))
@pytest.mark.parametrize(("dtype", "atol"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_eager_engine_computes_the_offline_network(name, dtype, atol):
    model, conditions = build(name, T, B)
    model.to(dtype)
    conditions = {k: v.to(dtype) if v.is_floating_point() else v for k, v in conditions.items()}
    x = model.distribution.encode((torch.rand(B, T) * 2 - 1).to(dtype))
    with torch.no_grad():
        offline = model(model.shift(x), **conditions)
    torch.testing.assert_close(eager_logits(model, x, conditions), offline, atol=atol, rtol=0)


@pytest.mark.parametrize("name", list(VARIANTS))
def test_feeding_the_result_back_draws_the_same_samples(name):
    """Teacher forcing over the generated samples gives the parameters they were drawn from."""
    model, conditions = build(name, T, B)
    waveform = generate(model, T, batch_size=B, seed=3, **conditions)
    assert waveform.shape == (B, T)
    assert waveform.dtype == torch.float32
    assert not waveform.is_inference()
    with torch.no_grad():
        params = model(model.shift(model.distribution.encode(waveform)), **conditions)
        draws = prepare_draws(model.distribution, 3, B, 0, T, params)
        steps = [model.distribution.choose(params[..., t], draws[t]) for t in range(T)]
    again = model.distribution.decode(torch.cat(steps, dim=-1))
    torch.testing.assert_close(again, waveform, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", list(VARIANTS))
@pytest.mark.parametrize("primer_length", [0, P])
def test_engines_agree(name, primer_length):
    model, conditions = build(name, T + P, B)
    primer = torch.rand(B, primer_length) * 2 - 1
    arguments = {"batch_size": B, "seed": 8, "primer": primer, "temperature": 0.8, **conditions}
    eager = generate(model, T, engine="eager", **arguments)
    stream = generate(model, T, engine="stream", **arguments)
    torch.testing.assert_close(eager, stream, atol=1e-5, rtol=0)


def test_a_row_does_not_depend_on_the_batch_size():
    model, _ = build("plain", T, B)
    four = generate(model, T, batch_size=4, seed=5)
    torch.testing.assert_close(generate(model, T, seed=5), four[:1], atol=0, rtol=0)
    torch.testing.assert_close(generate(model, T, batch_size=2, seed=5), four[:2], atol=0, rtol=0)
    assert not torch.equal(four[0], four[1])
    assert not torch.equal(generate(model, T, seed=6), four[:1])


def test_length_does_not_change_the_beginning():
    model, _ = build("plain", T, B)
    long = generate(model, 1100, seed=5)
    torch.testing.assert_close(generate(model, 700, seed=5), long[:, :700], atol=0, rtol=0)


def test_a_primer_is_continued():
    """Its own beginning as primer: the distribution goes on as if nothing had stopped."""
    model, conditions = build("features", T, B)
    whole = generate(model, T, batch_size=B, temperature=0.0, **conditions)
    rest = generate(
        model, T - 20, batch_size=B, temperature=0.0, primer=whole[:, :20], **conditions
    )
    torch.testing.assert_close(rest, whole[:, 20:], atol=1e-5, rtol=0)
    one_for_all = generate(model, 5, batch_size=B, primer=whole[0, :20], **conditions)
    assert one_for_all.shape == (B, 5)


def test_temperature_zero_is_the_mode():
    model, _ = build("plain", T, B)
    a, b = (generate(model, T, temperature=0.0, seed=seed) for seed in (1, 2))
    torch.testing.assert_close(a, b, atol=0, rtol=0)


def test_labels_are_drawn_from_the_seed_and_said(caplog):
    model, _ = build("labels", T, B)
    drawn = draw_labels(model, B, seed=4)
    assert drawn.shape == (B, 2)
    assert (drawn >= 0).all()
    assert (drawn < torch.tensor([3, 10])).all()
    assert len({tuple(row) for row in draw_labels(model, 500, 0).tolist()}) == 30
    waveform = generate(model, T, batch_size=B, seed=4)
    assert str(drawn.tolist()) in caplog.text
    named = generate(model, T, batch_size=B, seed=4, labels=drawn)
    torch.testing.assert_close(waveform, named, atol=0, rtol=0)


def test_progress_and_training_mode():
    model, _ = build("plain", T, B)
    model.train()
    seen = []
    generate(model, 600, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (600, 600)
    assert len(seen) > 1
    assert model.training


def test_an_engine_that_cannot_run_a_model_says_why():
    assert choose_engine(WaveNet(**SMALL).eval())[0] == "compiled"
    assert choose_engine(WaveNet(**SMALL).double().eval())[0] == "eager"

    class Other(WaveNet):
        """Something that looks like a WaveNet and computes otherwise."""

    class Stranger(torch.nn.Module):
        """A model that cannot stream."""

    with pytest.raises(ValueError, match=r"eager: it knows WaveNet alone.*stream: the model has"):
        choose_engine(Stranger())
    with pytest.raises(ValueError, match=r"engine must be auto or one of .* got 'warp'"):
        choose_engine(Stranger(), "warp")
    assert choose_engine(Other(**SMALL).eval())[0] == "stream"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_samples": 0}, "num_samples must be >= 1, got 0"),
        ({"batch_size": 0}, "batch_size must be >= 1, got 0"),
        ({"temperature": -1.0}, "temperature must be >= 0 and finite, got -1.0"),
        ({"temperature": float("nan")}, "temperature must be >= 0 and finite, got nan"),
        ({"temperature": float("inf")}, "temperature must be >= 0 and finite, got inf"),
        ({"primer": torch.zeros(2, 5)}, "primer must have 2 dimensions and 1 rows or one"),
        ({"labels": torch.zeros(1, 1).long()}, "labels must be None"),
        ({"seed": -1}, "seed must be"),
        ({"primer": torch.tensor([0.0, float("nan")])}, "primer must be finite"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        generate(WaveNet(**SMALL), **{"num_samples": 3, **arguments})


def test_parts_of_a_model_keep_their_modes():
    model = WaveNet(**SMALL).train()
    model.stack.eval()
    generate(model, 3)
    assert model.training
    assert not any(module.training for module in model.stack.modules())


def test_a_seed_is_a_whole_number():
    with pytest.raises(TypeError, match="float"):
        generate(WaveNet(**SMALL), 3, seed=1.5)


@pytest.mark.parametrize("labels", [[[1, 3]], [[-1, 0]], [[0]], [[0.0, 1.0]]])
def test_labels_out_of_range_are_named(labels):
    model = WaveNet(**SMALL, num_labels=(2, 3))
    with pytest.raises(ValueError, match="labels must"):
        generate(model, 3, labels=torch.tensor(labels))
