"""Stream: every causal module in blocks, with the state kept for the caller."""

from __future__ import annotations

import pytest
import torch

from wavestack.inference import Stream
from wavestack.layers import CausalConv1d, DilatedStack
from wavestack.models import WaveNet


def models():
    """Modules of every kind, with an input for each."""
    torch.manual_seed(0)
    return {
        "conv": (CausalConv1d(3, 2, kernel_size=3, dilation=5), torch.randn(2, 3, 50)),
        "strided": (CausalConv1d(3, 2, kernel_size=4, stride=3), torch.randn(2, 3, 50)),
        "stack": (DilatedStack(3, 4, 5, num_layers=3), torch.randn(2, 3, 50)),
        "wavenet": (WaveNet(4, 4, 4, 4, num_layers=3), torch.randint(0, 256, (2, 50))),
    }


@pytest.mark.parametrize("name", ["conv", "strided", "stack", "wavenet"])
def test_joined_outputs_equal_the_offline_output(name):
    model, x = models()[name]
    stream = Stream(model, batch_size=2)
    for _ in range(2):  # flush starts afresh
        outputs = [stream.push(block) for block in x.split([7, 0, 1, 20, 22], dim=-1)]
        rest = stream.flush()
        assert rest.shape == (*outputs[0].shape[:-1], 0)
        joined = torch.cat([*outputs, rest], dim=-1)
        torch.testing.assert_close(joined, model(x).detach(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", ["conv", "stack", "wavenet"])
def test_one_row_starts_afresh(name):
    model, x = models()[name]
    stream = Stream(model, batch_size=2)
    stream.push(x.flip(-1))
    stream.reset([1])
    y = stream.push(x)
    torch.testing.assert_close(y[1:], model(x[1:]).detach(), atol=1e-6, rtol=0)
    assert not torch.allclose(y[:1], model(x[:1]))
    stream.reset()
    torch.testing.assert_close(stream.push(x), model(x).detach(), atol=1e-6, rtol=0)


def test_conditions_go_with_their_block():
    model = DilatedStack(3, 4, 5, num_layers=2, condition_channels=2)
    x, h = torch.randn(1, 3, 20), torch.randn(1, 2, 20)
    stream = Stream(model)
    y = torch.cat([stream.push(x[..., :9], h[..., :9]), stream.push(x[..., 9:], h[..., 9:])], -1)
    torch.testing.assert_close(y, model(x, h).detach(), atol=1e-6, rtol=0)


def test_flush_before_any_block_owes_nothing():
    assert Stream(CausalConv1d(1, 1, 2)).flush() is None


def test_what_cannot_stream_is_refused():
    with pytest.raises(ValueError, match="Linear cannot stream: it has no initial_state"):
        Stream(torch.nn.Linear(2, 2))
    with pytest.raises(ValueError, match="batch_size must be >= 1, got 0"):
        Stream(CausalConv1d(1, 1, 2), batch_size=0)


@pytest.mark.parametrize("name", ["conv", "strided", "stack", "wavenet"])
def test_causal_models_have_no_latency(name):
    assert Stream(models()[name][0]).latency == 0
