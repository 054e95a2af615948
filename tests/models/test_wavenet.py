"""WaveNet: shapes, causality, conditions, streaming, and that the pieces fit one another."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from wavestack.models import WaveNet, fold_weight_norm

SMALL: dict[str, Any] = {
    "residual_channels": 6,
    "dilation_channels": 5,
    "skip_channels": 7,
    "end_channels": 4,
    "num_layers": 3,
    "num_stacks": 2,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "levels": {"quantization_channels": 512, "input_kernel_size": 2},
    "logistic": {"output": "logistic_mixture", "num_mixtures": 3},
    "gaussian": {"output": "gaussian", "input_kernel_size": 3, "weight_norm": True},
    "labels": {"num_labels": (3, 10), "label_channels": 4},
    "features": {"condition_channels": 5, "hop_length": 8},
    "both": {
        "num_labels": (3,),
        "condition_channels": 5,
        "hop_length": 4,
        "upsample": "interpolate",
        "bottleneck_channels": 3,
        "weight_norm": True,
    },
    "lists": {"dilations": (1, 3, 7), "kernel_sizes": (1, 4, 2)},
}
T = 48


def build(name: str) -> tuple[WaveNet, torch.Tensor, dict[str, torch.Tensor]]:
    """A model, an input for it and its conditions."""
    model = WaveNet(**SMALL, **VARIANTS[name])
    waveform = torch.rand(2, T) * 2 - 1
    conditions = {}
    if model.num_labels:
        conditions["labels"] = torch.stack([torch.randint(0, n, (2,)) for n in model.num_labels], 1)
    if model.condition_channels:
        frames = T // model.hop_length
        conditions["features"] = torch.randn(2, model.condition_channels, frames)
    return model, model.distribution.encode(waveform), conditions


@pytest.fixture(params=list(VARIANTS))
def variant(request):
    return build(request.param)


def test_shapes_and_gradients(variant):
    model, x, conditions = variant
    params = model(model.shift(x), **conditions)
    assert params.shape == (2, model.distribution.num_parameters, T)
    nats = model.distribution.nll(params, model.distribution.decode(x))
    assert nats.shape == (2, T)
    nats.mean().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_blocks_of_any_length_give_the_offline_output(variant):
    model, x, conditions = variant
    model.double()
    x = x.double() if x.is_floating_point() else x
    conditions = {k: v.double() if v.is_floating_point() else v for k, v in conditions.items()}
    condition = model.condition(**{"labels": None, "features": None, **conditions}, num_samples=T)
    state = model.initial_state(2)
    outputs, start = [], 0
    for size in (1, 0, 1, 13, 2, 31):
        block = slice(start, start + size)
        h = condition
        if condition is not None and condition.shape[-1] > 1:
            h = condition[..., block]
        y, state = model.stream(x[..., block], state, h)
        outputs.append(y)
        start += size
    streamed = torch.cat(outputs, dim=-1)
    torch.testing.assert_close(streamed, model(x, **conditions), atol=1e-13, rtol=0)


@pytest.mark.parametrize("name", ["plain", "gaussian", "features"])
def test_prediction_does_not_see_its_own_sample_or_later_ones(name):
    model, x, conditions = build(name)
    y = model(model.shift(x), **conditions)
    for t in (0, 20, T - 1):
        other = x.clone()
        changed = other[..., t:]
        other[..., t:] = 255 - changed if model.embed is not None else -changed
        z = model(model.shift(other), **conditions)
        torch.testing.assert_close(z[..., : t + 1], y[..., : t + 1], atol=0, rtol=0)
        if t + 1 < T:
            assert not torch.allclose(z[..., t + 1], y[..., t + 1])


def test_conditions_change_the_output():
    model, x, conditions = build("both")
    y = model(x, **conditions)
    other = {**conditions, "labels": (conditions["labels"] + 1) % 3}
    assert (model(x, **other) - y).abs().amax() > 0
    other = {**conditions, "features": conditions["features"] + 1}
    assert (model(x, **other) - y).abs().amax() > 0


def test_silence_is_what_endless_silence_leaves():
    for name in ("plain", "gaussian", "levels"):
        model = build(name)[0]
        quiet = model.distribution.encode(torch.zeros(2, 200))
        settled, _ = model.stream(quiet[..., :1], model.initial_state(2, "silence"))
        torch.testing.assert_close(settled, model(quiet)[..., -1:], atol=1e-6, rtol=0)
        assert model.initial_state(2)[1][0].abs().max() == 0


def test_shift_puts_silence_first():
    model, x, _ = build("plain")
    assert model.shift(x)[:, 0].tolist() == [128, 128]
    assert torch.equal(model.shift(x)[:, 1:], x[:, :-1])
    model, x, _ = build("gaussian")
    assert model.shift(x)[..., 0].tolist() == [[0.0], [0.0]]


def test_folding_weight_norm_keeps_the_function():
    model, x, conditions = build("both")
    y = model(x, **conditions)
    fold_weight_norm(model)
    torch.testing.assert_close(model(x, **conditions), y, atol=1e-6, rtol=0)
    assert not any("parametrizations" in name for name in model.state_dict())


def test_state_dict_holds_no_stream_state():
    model, x, _ = build("plain")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.stream(x, model.initial_state(2))
    after = model.state_dict()
    assert list(before) == list(after)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_yardstick_shape_has_the_weights_it_should():
    """2 x 10 layers, residual, gate and skip 64, kernel 2, 256 codes."""
    model = WaveNet()
    layer = 64 * 128 * 2 + 128 + 64 * 128 + 128
    unread = 64 * 64 + 64  # the last residual output
    ends = 256 * 64 + 64 * 64 + 64 + 64 * 256 + 256
    assert sum(p.numel() for p in model.parameters()) == 20 * layer - unread + ends


@pytest.mark.parametrize(
    ("build_and_call", "message"),
    [
        (lambda: WaveNet(**SMALL, condition_channels=5), "hop_length must be given"),
        (lambda: WaveNet(**SMALL, num_labels=(3, 0)), "num_labels must be >= 1"),
        (lambda: WaveNet(**SMALL, num_labels=(3,))(torch.zeros(1, 4).long()), r"\(B, 1\)"),
        (
            lambda: WaveNet(**SMALL)(torch.zeros(1, 4).long(), torch.zeros(1, 1).long()),
            "labels must be None",
        ),
        (
            lambda: WaveNet(**SMALL, condition_channels=5, hop_length=4)(torch.zeros(1, 4).long()),
            r"features must be \(B, 5, frames\), got None",
        ),
        (
            lambda: WaveNet(**SMALL)(torch.zeros(1, 4).long(), features=torch.zeros(1, 2, 3)),
            "features must be None",
        ),
    ],
)
def test_wrong_arguments_are_named(build_and_call, message):
    with pytest.raises(ValueError, match=message):
        build_and_call()


@pytest.mark.parametrize("name", ["plain", "levels", "gaussian", "labels", "lists"])
def test_the_calculator_finds_the_sum_of_all_taps(name):
    from wavestack.receptive_field import analyze

    model = build(name)[0]
    report = analyze(model, model.example_input())
    stack = model.stack
    taps = sum((k - 1) * d for k, d in zip(stack.kernel_sizes, stack.dilations, strict=True))
    first = 0 if model.first is None else model.first.history_samples
    assert report.axes["T"].size == 1 + taps + first
    assert report.is_causal
    assert report.latency == 0


@pytest.mark.parametrize("name", list(VARIANTS))
def test_example_input_is_what_forward_takes(name):
    model = build(name)[0]
    assert model(**model.example_input(20)).shape == (1, model.distribution.num_parameters, 20)


def test_a_code_or_label_out_of_range_is_named():
    model = WaveNet(4, 4, 4, 4, num_layers=2, quantization_channels=8, num_labels=[3])
    codes, label = torch.zeros(1, 9, dtype=torch.int64), torch.tensor([[2]])
    with pytest.raises(ValueError, match="codes must be 0 to 7, got 8 to 8"):
        model(codes + 8, label)
    with pytest.raises(ValueError, match="label 0 must be 0 to 2, got 3 to 3"):
        model(codes, label + 1)
