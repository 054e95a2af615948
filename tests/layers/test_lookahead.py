"""The convolution that looks ahead: any split, any partition, its end, its errors."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.layers.helpers import tolerance
from wavestack.layers import CausalConv1d, LookaheadConv1d
from wavestack.layers.lookahead import split_lookahead
from wavestack.receptive_field import analyze


@settings(max_examples=150, deadline=None)
@given(
    kernel_size=st.integers(1, 5),
    dilation=st.integers(1, 9),
    share=st.floats(0, 1),
    groups=st.sampled_from([1, 2]),
    batch=st.integers(1, 3),
    length=st.integers(0, 60),
    sizes=st.lists(st.integers(0, 20), min_size=1, max_size=6).filter(any),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_blocks_of_any_length_give_the_padded_convolution(
    kernel_size, dilation, share, groups, batch, length, sizes, dtype
):
    lookahead = round(share * (kernel_size - 1) * dilation)
    conv = LookaheadConv1d(2, 4, kernel_size, dilation, lookahead, groups).to(dtype)
    x = torch.randn(batch, 2, length, dtype=dtype)
    state, outputs, start, k = conv.initial_state(batch), [], 0, 0
    while start < length:
        block = x[..., start : start + sizes[k % len(sizes)]]
        start, k = start + block.shape[-1], k + 1
        y, state = conv.stream(block, state)
        outputs.append(y)
        assert sum(y.shape[-1] for y in outputs) == max(0, start - lookahead)
    y, state = conv.stream(x[..., length:], state, final=True)
    streamed = torch.cat([*outputs, y], dim=-1)
    assert state.shape == conv.initial_state(batch).shape
    torch.testing.assert_close(streamed, conv(x), atol=tolerance(dtype), rtol=0)
    if length:
        padded = F.pad(x, (conv.history_samples, lookahead))
        expected = F.conv1d(padded, conv.weight, conv.bias, 1, 0, dilation, groups)
        torch.testing.assert_close(conv(x), expected, atol=tolerance(dtype), rtol=0)


@pytest.mark.parametrize(
    ("kernel_size", "dilation", "lookahead"), [(1, 1, 0), (3, 4, 0), (3, 4, 3), (2, 5, 5)]
)
def test_the_calculator_finds_the_declared_samples_ahead(kernel_size, dilation, lookahead):
    conv = LookaheadConv1d(1, 1, kernel_size, dilation, lookahead)
    report = analyze(conv, torch.zeros(1, 1, 64))
    assert report.latency == lookahead
    assert report.axes["T"].size == 1 + (kernel_size - 1) * dilation


def test_none_ahead_is_the_causal_convolution_and_none_given_the_centred_one():
    causal = CausalConv1d(2, 3, 3, dilation=2)
    conv = LookaheadConv1d(2, 3, 3, dilation=2, lookahead=0)
    conv.load_state_dict(causal.state_dict())
    x = torch.randn(1, 2, 20)
    torch.testing.assert_close(conv(x), causal(x), atol=0, rtol=0)
    assert LookaheadConv1d(1, 1, 4, dilation=3).lookahead == 9 // 2


def test_a_first_block_may_be_shorter_than_the_look_ahead():
    conv = LookaheadConv1d(1, 1, 5, dilation=2, lookahead=6).double()
    x = torch.randn(1, 1, 3, dtype=torch.float64)
    y, state = conv.stream(x, conv.initial_state(1))
    assert y.shape[-1] == 0
    rest, _ = conv.stream(x[..., :0], state, final=True)
    torch.testing.assert_close(rest, conv(x), atol=1e-13, rtol=0)


@settings(max_examples=100, deadline=None)
@given(spans=st.lists(st.integers(0, 50), min_size=1, max_size=8), share=st.floats(0, 1))
def test_shares_sum_to_the_whole_and_fit_their_convolutions(spans, share):
    lookahead = round(share * sum(spans))
    shares = split_lookahead(lookahead, spans)
    assert sum(shares) == lookahead
    assert all(0 <= own <= span for own, span in zip(shares, spans, strict=True))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LookaheadConv1d(1, 1, 0), "kernel_size must be >= 1, got 0"),
        (lambda: LookaheadConv1d(1, 1, 3, lookahead=3), "lookahead must be 0 to 2"),
        (lambda: LookaheadConv1d(1, 1, 3, lookahead=-1), "got -1"),
        (lambda: LookaheadConv1d(1, 1, 3).initial_state(1, "noise"), "history must be one of"),
        (lambda: LookaheadConv1d(1, 1, 3).initial_state(1, "silence"), "with look-ahead"),
        (
            lambda: LookaheadConv1d(1, 1, 3).stream(torch.zeros(1, 1, 4), torch.zeros(2, 1, 1)),
            "does not continue",
        ),
        (
            lambda: LookaheadConv1d(1, 1, 3).stream(torch.zeros(1, 1, 4), torch.zeros(1, 1, 3)),
            "history_samples 1",
        ),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
