"""Gated blocks and stacks: equations, schedules, causality and streaming."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.layers.helpers import stream_in_blocks, tolerance
from wavestack.layers import (
    CausalConv1d,
    DilatedStack,
    GatedResidualBlock,
    apply_weight_norm,
    detach_state,
    dilation_schedule,
    fold_weight_norm,
    kernel_schedule,
    reset_rows,
)
from wavestack.receptive_field import analyze


def test_block_is_the_gate_of_the_paper():
    block = GatedResidualBlock(3, 5, 4, kernel_size=2, dilation=3, condition_channels=2).double()
    x = torch.randn(2, 3, 20, dtype=torch.float64)
    h = torch.randn(2, 2, 1, dtype=torch.float64)
    before = torch.cat([torch.zeros(2, 3, 3, dtype=torch.float64), x[..., :-3]], dim=-1)
    w, v = block.conv.weight, block.condition.weight[..., 0]
    a = w[..., 0] @ before + w[..., 1] @ x + block.conv.bias[:, None] + v @ h
    z = torch.tanh(a[:, :5]) * torch.sigmoid(a[:, 5:])
    out = block.project.weight[..., 0] @ z + block.project.bias[:, None]
    residual, skip = block(x, h)
    torch.testing.assert_close(residual, x + out[:, :3], atol=1e-13, rtol=0)
    torch.testing.assert_close(skip, out[:, 3:], atol=1e-13, rtol=0)


@settings(max_examples=40, deadline=None)
@given(
    geometry=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 8)), min_size=1, max_size=4),
    skip_channels=st.sampled_from([None, 3]),
    bottleneck_channels=st.sampled_from([None, 2]),
    weight_norm=st.booleans(),
    condition_length=st.sampled_from([0, 1, 60]),
    lookahead=st.sampled_from([0, 1, 0.4, 1.0, "centred"]),
    batch=st.integers(1, 3),
    sizes=st.lists(st.integers(0, 25), min_size=1, max_size=5).filter(any),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_blocks_of_any_length_give_the_offline_output(
    geometry,
    skip_channels,
    bottleneck_channels,
    weight_norm,
    condition_length,
    lookahead,
    batch,
    sizes,
    dtype,
):
    if not isinstance(lookahead, str):
        lookahead = int(lookahead * sum((size - 1) * dilation for size, dilation in geometry))
    stack = DilatedStack(
        4,
        3,
        skip_channels,
        dilations=[dilation for _, dilation in geometry],
        kernel_sizes=[size for size, _ in geometry],
        condition_channels=2 if condition_length else None,
        bottleneck_channels=bottleneck_channels,
        weight_norm=weight_norm,
        lookahead=lookahead,
    ).to(dtype)
    x = torch.randn(batch, 4, 60, dtype=dtype)
    h = torch.randn(batch, 2, condition_length, dtype=dtype) if condition_length else None
    streamed = stream_in_blocks(stack, x, sizes, h, end=True)
    torch.testing.assert_close(streamed, stack(x, h), atol=tolerance(dtype), rtol=0)


@pytest.mark.parametrize("condition_length", [0, 1, 40])
def test_a_block_that_looks_ahead_streams_too(condition_length):
    channels = 2 if condition_length else None
    block = GatedResidualBlock(
        3, 4, 5, kernel_size=3, dilation=4, condition_channels=channels, lookahead=3
    )
    x = torch.randn(2, 3, 40)
    h = torch.randn(2, 2, condition_length) if condition_length else None
    streamed = stream_in_blocks(block, x, [7, 0, 1], h, end=True)
    torch.testing.assert_close(streamed, block(x, h)[0], atol=1e-6, rtol=0)


@pytest.mark.parametrize("lookahead", [0, 5, "centred"])
def test_the_calculator_finds_the_declared_samples_ahead(lookahead):
    stack = DilatedStack(4, 4, 4, kernel_size=3, num_layers=3, lookahead=lookahead)
    report = analyze(stack, torch.zeros(1, 4, 64))
    assert report.axes["T"].size == 15
    assert report.latency == stack.lookahead == (7 if lookahead == "centred" else lookahead)


@pytest.mark.parametrize("lookahead", [0, 1])
def test_the_state_behind_the_end_is_that_of_a_new_signal(lookahead):
    stack = DilatedStack(3, 4, 5, num_layers=3, lookahead=lookahead)
    x = torch.randn(2, 3, 30)
    _, state = stack.stream(torch.randn(2, 3, 11), stack.initial_state(2), final=True)
    y, _ = stack.stream(x, state, final=True)
    torch.testing.assert_close(y, stack(x), atol=1e-6, rtol=0)


def test_output_does_not_depend_on_future_samples():
    stack = DilatedStack(4, 4, 4, kernel_size=3, num_layers=4)
    x = torch.randn(1, 4, 50)
    for t in (1, 17, 49):
        spoiled = x.clone()
        spoiled[..., t:] = torch.nan
        y = stack(spoiled)
        assert not y[..., :t].isnan().any()
        assert y[..., t].isnan().all()


def test_silence_is_what_endless_silence_leaves():
    stack = DilatedStack(3, 4, 5, kernel_size=3, num_layers=3, condition_channels=2)
    silence, h = torch.randn(1, 3, 1), torch.randn(1, 2, 1)
    long = silence.expand(2, 3, 200)
    settled, _ = stack.stream(
        long[..., :1], stack.initial_state(2, "silence", silence, condition=h), h.expand(2, -1, -1)
    )
    offline = stack(long, h.expand(2, -1, -1))[..., -1:]
    torch.testing.assert_close(settled, offline, atol=1e-6, rtol=0)
    zeros, _ = stack.stream(long[..., :1], stack.initial_state(2), h.expand(2, -1, -1))
    assert not torch.allclose(zeros, settled)


def test_one_row_starts_afresh_beside_another():
    stack = DilatedStack(3, 4, 5, num_layers=3)
    x = torch.randn(2, 3, 30)
    _, state = stack.stream(torch.randn(2, 3, 11), stack.initial_state(2))
    kept, _ = stack.stream(x, state)
    y, _ = stack.stream(x, reset_rows(stack, state, [1]))
    torch.testing.assert_close(y[0], kept[0], atol=0, rtol=0)
    torch.testing.assert_close(y[1:], stack(x[1:]), atol=1e-6, rtol=0)


def test_truncated_back_propagation_stops_at_the_block_border():
    stack = DilatedStack(3, 4, 5, num_layers=3)
    x = torch.randn(1, 3, 20, requires_grad=True)
    _, state = stack.stream(x[..., :10], stack.initial_state(1))
    y, _ = stack.stream(x[..., 10:], detach_state(state))
    y.sum().backward()
    assert x.grad[..., :10].abs().max() == 0
    assert x.grad[..., 10:].abs().max() > 0


def test_every_parameter_learns():
    """Nothing is built that the output does not read: DDP would wait for its gradient for ever."""
    stack = DilatedStack(3, 4, 5, num_layers=3, condition_channels=2, bottleneck_channels=2)
    stack(torch.randn(1, 3, 20), torch.randn(1, 2, 20)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in stack.parameters())


def test_folding_weight_norm_keeps_the_function():
    stack = DilatedStack(3, 4, 5, num_layers=2, weight_norm=True)
    x = torch.randn(1, 3, 20)
    with torch.no_grad():
        for p in stack.parameters():
            p.add_(0.1 * torch.randn_like(p))
    y = stack(x)
    names = [name for name, _ in fold_weight_norm(stack).named_parameters()]
    torch.testing.assert_close(stack(x), y, atol=1e-6, rtol=0)
    assert not any("parametrizations" in name for name in names)


def test_folding_a_copy_leaves_the_original_as_it_is():
    conv = apply_weight_norm(CausalConv1d(2, 3, 2))
    x = torch.randn(1, 2, 5)
    folded = fold_weight_norm(copy.deepcopy(conv))
    torch.testing.assert_close(folded(x), conv(x))
    assert len(list(conv.parameters())) == 3


def test_dropout_acts_in_training_only():
    stack = DilatedStack(8, 8, 8, num_layers=2, dropout=0.5)
    x = torch.randn(1, 8, 30)
    assert not torch.equal(stack(x), stack(x))
    stack.eval()
    torch.testing.assert_close(stack(x), stack(x), atol=0, rtol=0)


def test_schedules():
    assert dilation_schedule(10) == (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
    assert dilation_schedule(3, 2, 3) == (1, 3, 9, 1, 3, 9)
    assert dilation_schedule(4, 1, 1) == (1, 1, 1, 1)
    assert dilation_schedule(4, 1, 1.5) == (1, 2, 2, 3)
    assert dilation_schedule(dilations=(1, 3, 7)) == (1, 3, 7)
    assert kernel_schedule(2, 2, (6, 15)) == (6, 15)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: dilation_schedule(0), "num_layers must be >= 1, got 0"),
        (lambda: dilation_schedule(dilations=[]), "dilations must be"),
        (lambda: dilation_schedule(dilations=[1, 0]), r"got \[1, 0\]"),
        (lambda: kernel_schedule(2, 3, [2, 2]), "all 3 layers, got 2"),
        (lambda: GatedResidualBlock(2, 2, None, residual_output=False), "residual_output"),
        (lambda: GatedResidualBlock(2, 2, dropout=1.0), "dropout must be"),
        (lambda: GatedResidualBlock(2, 2)(torch.randn(1, 2, 3), torch.randn(1, 2, 1)), "None"),
        (
            lambda: GatedResidualBlock(2, 2, condition_channels=1)(torch.randn(1, 2, 3)),
            "condition must be given",
        ),
        (
            lambda: DilatedStack(2, 2, num_layers=2).stream(torch.zeros(1, 2, 1), ()),
            "2 histories, got 0",
        ),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
