"""The causal convolution: a reference by hand, causality, and blocks of any length."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests.layers.helpers import stream_in_blocks, tolerance
from wavestack.layers import CausalConv1d, apply_weight_norm, detach_state, reset_rows

geometry = {
    "kernel_size": st.integers(1, 5),
    "stride": st.integers(1, 4),
    "dilation": st.integers(1, 9),
}


def reference(conv: CausalConv1d, x: torch.Tensor) -> torch.Tensor:
    """y[j] = bias + sum_i w[i] x[j * stride - (kernel - 1 - i) * dilation], written as said."""
    outputs = []
    for j in range(-(-x.shape[-1] // conv.stride[0])):
        y = conv.bias[None].expand(x.shape[0], -1)
        for i in range(conv.kernel_size[0]):
            t = j * conv.stride[0] - (conv.kernel_size[0] - 1 - i) * conv.dilation[0]
            if t >= 0:
                y = y + x[..., t] @ conv.weight[..., i].T
        outputs.append(y)
    return torch.stack(outputs, dim=-1)


@settings(max_examples=40, deadline=None)
@given(**geometry, length=st.integers(1, 30))
def test_forward_is_the_textbook_sum(kernel_size, stride, dilation, length):
    conv = CausalConv1d(2, 3, kernel_size, stride, dilation).double()
    x = torch.randn(2, 2, length, dtype=torch.float64)
    torch.testing.assert_close(conv(x), reference(conv, x), atol=1e-13, rtol=0)


@settings(max_examples=150, deadline=None)
@given(
    **geometry,
    groups=st.sampled_from([1, 2]),
    batch=st.integers(1, 3),
    length=st.integers(0, 70),
    sizes=st.lists(st.integers(0, 20), min_size=1, max_size=6).filter(any),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_blocks_of_any_length_give_the_offline_output(
    kernel_size, stride, dilation, groups, batch, length, sizes, dtype
):
    conv = CausalConv1d(2, 4, kernel_size, stride, dilation, groups).to(dtype)
    x = torch.randn(batch, 2, length, dtype=dtype)
    offline = conv(x)
    assert offline.shape == (batch, 4, -(-length // stride))
    if length:
        streamed = stream_in_blocks(conv, x, sizes)
        torch.testing.assert_close(streamed, offline, atol=tolerance(dtype), rtol=0)


@pytest.mark.parametrize(("kernel_size", "stride", "dilation"), [(1, 1, 1), (3, 1, 4), (2, 3, 5)])
def test_output_does_not_depend_on_future_samples(kernel_size, stride, dilation):
    conv = CausalConv1d(1, 1, kernel_size, stride, dilation)
    x = torch.randn(1, 1, 40)
    for t in range(40):
        spoiled = x.clone()
        spoiled[..., t:] = torch.nan
        before = -(-t // stride)  # outputs whose present input comes before t
        assert not conv(spoiled)[..., :before].isnan().any()


def test_state_is_left_alone_and_carries_the_gradient():
    conv = CausalConv1d(2, 2, kernel_size=3, dilation=2)
    state = conv.initial_state(1).requires_grad_()
    before = state.detach().clone()
    y, new_state = conv.stream(torch.randn(1, 2, 5), state)
    torch.testing.assert_close(state.detach(), before, atol=0, rtol=0)
    y.sum().backward()
    assert state.grad is not None
    assert not detach_state(new_state).requires_grad


def test_history_belongs_to_the_caller():
    conv = CausalConv1d(2, 2, kernel_size=3)
    conv.stream(torch.randn(1, 2, 5), conv.initial_state(1))
    assert sorted(conv.state_dict()) == ["bias", "weight"]
    assert CausalConv1d(1, 1, 2, dtype=torch.bfloat16).initial_state(3).dtype == torch.bfloat16


def test_silence_is_a_history_of_the_silent_input():
    conv = CausalConv1d(2, 1, kernel_size=3, dilation=2)
    silence = torch.tensor([0.5, -1.0]).view(1, 2, 1)
    state = conv.initial_state(2, history="silence", silence=silence)
    after_long_silence = conv(silence.expand(2, 2, 50))[..., -1:]
    y, _ = conv.stream(silence.expand(2, 2, 1), state)
    torch.testing.assert_close(y, after_long_silence, atol=1e-6, rtol=0)


def test_rows_start_afresh_at_phase_zero_only():
    conv = CausalConv1d(1, 1, kernel_size=2, stride=2)
    _, state = conv.stream(torch.randn(2, 1, 4), conv.initial_state(2))
    x = torch.randn(2, 1, 6)
    y, _ = conv.stream(x, reset_rows(conv, state, [1]))
    torch.testing.assert_close(y[1:], conv(x[1:]), atol=1e-6, rtol=0)
    assert not torch.allclose(y[:1], conv(x[:1]))
    _, odd = conv.stream(torch.randn(2, 1, 1), state)
    with pytest.raises(ValueError, match="phase"):
        reset_rows(conv, odd, [1])


def test_weight_norm_and_sequential_work_as_with_any_module():
    conv = apply_weight_norm(CausalConv1d(2, 2, kernel_size=3, dilation=3))
    net = nn.Sequential(conv, nn.ReLU())
    x = torch.randn(1, 2, 20)
    assert net(x).shape == x.shape
    torch.testing.assert_close(stream_in_blocks(conv, x, [3, 1]), conv(x), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kernel_size": 0}, "kernel_size must be >= 1, got 0"),
        ({"kernel_size": 2, "stride": 0}, "stride must be >= 1, got 0"),
        ({"kernel_size": 2, "dilation": -1}, "dilation must be >= 1, got -1"),
        ({"kernel_size": 2, "padding_mode": "circular"}, "got 'circular'"),
        ({"kernel_size": 2, "padding_mode": "reflect"}, "got 'reflect'"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        CausalConv1d(2, 2, **arguments)


def test_wrong_states_are_named():
    conv = CausalConv1d(2, 2, kernel_size=3)
    with pytest.raises(ValueError, match="history must be one of"):
        conv.initial_state(1, history="noise")
    with pytest.raises(ValueError, match="does not continue"):
        conv.stream(torch.randn(2, 2, 4), conv.initial_state(1))
    with pytest.raises(ValueError, match="history_samples 2"):
        conv.stream(torch.randn(1, 2, 4), torch.zeros(1, 2, 5))


@pytest.mark.parametrize(("stride", "groups"), [(1, 1), (2, 1), (1, 2)])
def test_bfloat16_on_a_cpu_computes_the_same_sum(stride, groups):
    conv = CausalConv1d(4, 6, 3, stride, 5, groups)
    x = torch.randn(2, 4, 40, requires_grad=True)
    plain = conv(x)
    (expected,) = torch.autograd.grad(plain.square().sum(), x)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = conv(x)
    assert rounded.dtype == torch.bfloat16
    (gradient,) = torch.autograd.grad(rounded.float().square().sum(), x)
    # bfloat16 keeps 8 bits: a sum of 12 products near 1 is right to some hundredths.
    torch.testing.assert_close(rounded.float(), plain, atol=3e-2, rtol=3e-2)
    torch.testing.assert_close(gradient, expected, atol=1e-1, rtol=1e-1)
