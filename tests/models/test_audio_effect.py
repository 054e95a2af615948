"""AudioEffect: Neural Amp Modeler's numbers, conditions, streaming, silence."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from wavestack.models import AudioEffect
from wavestack.receptive_field import analyze

VARIANTS: dict[str, dict[str, Any]] = {
    "tanh": {},
    "relu": {"activation": "relu", "channels": (5,)},
    "gated": {"activation": "gated", "channels": (6, 5, 3)},
    "lists": {"dilations": (1, 7, 3), "kernel_sizes": (6, 1, 4), "head_kernel_size": 5},
    "knobs": {"condition_channels": 2},
}
T = 60


@pytest.fixture(params=list(VARIANTS))
def variant(request):
    torch.manual_seed(0)
    effect = AudioEffect(**{"channels": (4, 3), "num_layers": 3, **VARIANTS[request.param]})
    condition = {}
    if effect.condition_channels:
        condition["condition"] = torch.randn(2, effect.condition_channels, T)
    return effect, torch.randn(2, 1, T), condition


def test_a1_standard_has_the_published_numbers():
    effect = AudioEffect.a1_standard()
    assert analyze(effect, effect.example_input()).axes["T"].size == 4093
    # A .nam file of this net holds 13,802 numbers: ours, the head scale, and the 72 weights of a
    # last 1x1 convolution that nothing reads.
    assert sum(p.numel() for p in effect.parameters()) == 13802 - 1 - 72


def test_kernels_and_dilations_of_a2_give_its_receptive_field():
    dilations = [*(1, 3, 7, 17, 41, 101, 239) * 2, 1, 13, *(1, 3, 7, 17, 41, 101, 239)]
    sizes = [*[6] * 14, 15, 15, *[6] * 7]
    effect = AudioEffect((3,), dilations=dilations, kernel_sizes=sizes, head_kernel_size=16)
    assert analyze(effect, effect.example_input()).axes["T"].size == 6347


def test_every_parameter_takes_part(variant):
    effect, x, condition = variant
    effect(x, **condition).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in effect.parameters())


def test_blocks_of_any_length_give_the_offline_output(variant):
    effect, x, condition = variant
    expected = effect(x, **condition)
    assert expected.shape == x.shape
    state, outputs, start = effect.initial_state(2), [], 0
    for size in (1, 0, 1, 26, 32):
        h = {name: value[..., start : start + size] for name, value in condition.items()}
        y, state = effect.stream(x[..., start : start + size], state, **h)
        outputs.append(y)
        start += size
    torch.testing.assert_close(torch.cat(outputs, -1), expected, atol=1e-7, rtol=1e-5)


def test_the_past_alone_is_heard(variant):
    effect, x, condition = variant
    changed = x.clone()
    changed[..., 40:] += 1
    before, after = effect(x, **condition), effect(changed, **condition)
    assert torch.equal(before[..., :40], after[..., :40])
    assert not torch.allclose(before[..., 40:], after[..., 40:])


def test_history_of_silence_is_that_after_long_silence(variant):
    effect, x, condition = variant
    level = torch.full((1, 1, 1), 0.3)
    held = {name: value[..., :1] for name, value in condition.items()}
    state = effect.initial_state(2, "silence", level, **held)
    found, _ = effect.stream(x, state, **held)
    long = torch.cat([level.expand(2, 1, 150), x], -1)
    expected = effect(long, **held)[..., 150:]
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-4)


def test_one_condition_serves_all_samples():
    effect = AudioEffect((3,), num_layers=2, condition_channels=2)
    x, knobs = torch.randn(2, 1, 20), torch.randn(2, 2, 1)
    assert torch.equal(effect(x, knobs), effect(x, knobs.expand(-1, -1, 20)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"channels": ()}, "channels must be one number >= 1 per array"),
        ({"channels": (4, 0)}, "channels must be one number >= 1 per array"),
        ({"channels": 4}, "channels must be one number >= 1 per array, got 4"),
        ({"condition_channels": 0}, "condition_channels must be None or >= 1, got 0"),
        ({"activation": "sine"}, "activation must be one of"),
        ({"dilations": ()}, "dilations must be whole numbers"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        AudioEffect(**arguments)


def test_a_condition_is_asked_for_and_refused():
    with pytest.raises(ValueError, match="condition must be given"):
        AudioEffect((3,), condition_channels=2)(torch.zeros(1, 1, 5))
    with pytest.raises(ValueError, match="condition must be None"):
        AudioEffect((3,))(torch.zeros(1, 1, 5), torch.zeros(1, 1, 1))
    with pytest.raises(ValueError, match=r"condition must have shape \(B, 2, T or 1\), got"):
        AudioEffect((3,), condition_channels=2)(torch.zeros(1, 1, 5), torch.zeros(1, 3, 1))
