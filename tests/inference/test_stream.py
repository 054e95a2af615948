"""Stream: every causal module in blocks, with the state kept for the caller."""

from __future__ import annotations

import tracemalloc

import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from wavestack.inference import Stream
from wavestack.layers import CausalConv1d, DilatedStack, LookaheadConv1d
from wavestack.models import TCN, WaveNet

NAMES = ("conv", "strided", "stack", "wavenet", "chain")


def models():
    """Modules of every kind, with an input for each."""
    torch.manual_seed(0)
    chain = nn.Sequential(
        CausalConv1d(3, 4, 3, dilation=2),
        nn.Sequential(nn.BatchNorm1d(4), nn.LeakyReLU(0.3)),
        DilatedStack(4, 3, num_layers=2),
        nn.Tanh(),
        CausalConv1d(4, 2, 2),
    )
    return {
        "conv": (CausalConv1d(3, 2, kernel_size=3, dilation=5), torch.randn(2, 3, 50)),
        "strided": (CausalConv1d(3, 2, kernel_size=4, stride=3), torch.randn(2, 3, 50)),
        "stack": (DilatedStack(3, 4, 5, num_layers=3), torch.randn(2, 3, 50)),
        "wavenet": (WaveNet(4, 4, 4, 4, num_layers=3), torch.randint(0, 256, (2, 50))),
        "chain": (chain.eval(), torch.randn(2, 3, 50)),
    }


@pytest.mark.parametrize("name", NAMES)
def test_joined_outputs_equal_the_offline_output(name):
    model, x = models()[name]
    stream = Stream(model, batch_size=2)
    for _ in range(2):  # flush starts afresh
        outputs = [stream.push(block) for block in x.split([7, 0, 1, 20, 22], dim=-1)]
        rest = stream.flush()
        assert rest.shape == (*outputs[0].shape[:-1], 0)
        joined = torch.cat([*outputs, rest], dim=-1)
        torch.testing.assert_close(joined, model(x).detach(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", ["conv", "stack", "wavenet", "chain"])
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
    assert stream.flush().shape == (1, 5, 0)


def test_flush_before_any_block_owes_nothing():
    assert Stream(CausalConv1d(1, 1, 2)).flush() is None


def test_what_cannot_stream_is_refused():
    with pytest.raises(ValueError, match="Linear cannot stream: it has no initial_state"):
        Stream(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="batch_size must be >= 1, got 0"):
        Stream(CausalConv1d(1, 1, 2), batch_size=0)
    with pytest.raises(ValueError, match=r"part 1, Conv1d, has no initial_state"):
        Stream(nn.Sequential(CausalConv1d(1, 1, 2), nn.Conv1d(1, 1, 3)))
    with pytest.raises(ValueError, match="engine must be auto or one of"):
        Stream(CausalConv1d(1, 1, 2), engine="quick")
    with pytest.raises(ValueError, match=r"batch_size 1 rows, got \(2, 1, 5\)"):
        Stream(CausalConv1d(1, 1, 2)).push(torch.zeros(2, 1, 5))


@pytest.mark.parametrize("name", NAMES)
def test_causal_models_have_no_latency(name):
    assert Stream(models()[name][0]).latency == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_state_continues_in_another_stream(name):
    model, x = models()[name]
    stream = Stream(model, batch_size=2)
    stream.push(x[..., :23])  # amid a stride's step
    saved = save(stream.state_dict())
    expected = stream.push(x[..., 23:])
    later = Stream(model, batch_size=2)
    later.load_state_dict(load(saved))
    torch.testing.assert_close(later.push(x[..., 23:]), expected, atol=1e-6, rtol=0)


def test_a_state_of_another_model_or_batch_is_refused():
    saved = Stream(DilatedStack(3, 4, 5, num_layers=3), batch_size=2).state_dict()
    with pytest.raises(ValueError, match=r"must hold 2 tensors of this model, got 3; 2 is in one"):
        Stream(DilatedStack(3, 4, 5, num_layers=2), batch_size=2).load_state_dict(saved)
    with pytest.raises(ValueError, match=r"state 0 must have shape \(1, 3, 'T'\), got \(2, 3, 1\)"):
        Stream(DilatedStack(3, 4, 5, num_layers=3)).load_state_dict(saved)


@pytest.mark.parametrize("name", NAMES)
def test_a_stream_moves_to_another_float_type_amid_a_signal(name):
    model, x = models()[name]
    expected = model(x).detach()
    stream = Stream(model, batch_size=2)
    first = stream.push(x[..., :23])
    stream.to(dtype=torch.float64)
    x = x.double() if x.is_floating_point() else x
    second = stream.push(x[..., 23:])
    assert second.dtype == stream.flush().dtype == torch.float64
    joined = torch.cat([first.double(), second], -1)
    torch.testing.assert_close(joined, expected.double(), atol=1e-6, rtol=0)


def test_silence_before_the_first_sample_goes_through_every_part():
    model, x = models()["chain"]
    silence = torch.zeros(2, 3, 30)  # longer than the receptive field
    expected = model(torch.cat([silence, x], -1))[..., 30:].detach()
    stream = Stream(model, batch_size=2, history="silence")
    torch.testing.assert_close(stream.push(x), expected, atol=1e-6, rtol=0)


def test_memory_does_not_grow_with_time():
    stream = Stream(DilatedStack(3, 4, 5, num_layers=4))
    block = torch.zeros(1, 3, 5)

    def run(num_blocks: int) -> int:
        for _ in range(num_blocks):
            stream.push(block)
        return tracemalloc.get_traced_memory()[0]

    run(50)
    tracemalloc.start()
    early = run(50)
    late = run(500)
    tracemalloc.stop()
    assert late - early < 2000
    held = [tensor.untyped_storage().nbytes() for tensor in stream.state]
    assert sum(held) < 10 * 4 * 3 * (1 + 2 + 4 + 8 + 4 * 5)


def ahead(name: str) -> tuple[nn.Module, int, int]:
    """A model that looks ahead, its latency, and its condition's channels."""
    torch.manual_seed(0)
    kinds = {
        "conv": (LookaheadConv1d(3, 2, 5, dilation=2, lookahead=5), 5, 0),
        "centred": (TCN(3, (4, 4), 3, lookahead="centred", out_channels=2), 6, 0),
        "branches": (TCN(3, (4, 4), 3, lookahead=5, skip_channels=3, condition_channels=2), 5, 2),
        "chain": (
            nn.Sequential(TCN(3, (4,), lookahead=2), nn.ReLU(), LookaheadConv1d(4, 2, 3)),
            3,
            0,
        ),
    }
    return kinds[name]


@pytest.mark.parametrize("name", ["conv", "centred", "branches", "chain"])
def test_look_ahead_comes_later_and_flush_gives_the_rest(name):
    model, latency, condition = ahead(name)
    x, h = torch.randn(2, 3, 60), torch.randn(2, condition, 60)
    conditions = {"condition": h} if condition else {}
    expected = model.eval()(x, **conditions).detach()
    stream = Stream(model, batch_size=2)
    assert stream.latency == latency
    for sizes in ([60], [1] * 60, [0, 7, 20, 0, 1, 32], [2, 58]):
        outputs, start = [], 0
        for size in sizes:
            block = slice(start, start + size)
            outputs.append(stream.push(x[..., block], h[..., block] if condition else None))
            start += size
        assert sum(y.shape[-1] for y in outputs) == 60 - latency
        joined = torch.cat([*outputs, stream.flush()], dim=-1)
        torch.testing.assert_close(joined, expected, atol=1e-6, rtol=0)


def test_look_ahead_is_saved_and_restored_with_its_owed_outputs():
    model, _, _ = ahead("centred")
    x = torch.randn(2, 3, 60)
    stream, later = Stream(model, batch_size=2), Stream(model, batch_size=2)
    for cut in (2, 40):  # before the first output, and behind it
        first = stream.push(x[..., :cut])
        later.load_state_dict(stream.state_dict())
        outputs = [first, later.push(x[..., cut:]), later.flush()]
        joined = torch.cat(outputs, dim=-1)
        torch.testing.assert_close(joined, model(x).detach(), atol=1e-6, rtol=0)
        stream.reset()
    stream.push(x)
    with pytest.raises(ValueError, match="single rows can be reset only where"):
        stream.reset([1])


@pytest.mark.gpu
@pytest.mark.parametrize("name", NAMES)
def test_a_stream_moves_to_a_gpu_and_back_amid_a_signal(name, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    model, x = models()[name]
    expected = model(x).detach()
    stream = Stream(model, batch_size=2)
    outputs = [stream.push(x[..., :23])]
    stream.to("cuda")
    assert stream.engine == "eager"
    outputs.append(stream.push(x[..., 23:30].cuda()).cpu())
    stream.to("cpu")
    outputs.append(stream.push(x[..., 30:]))
    torch.testing.assert_close(torch.cat(outputs, -1), expected, atol=1e-5, rtol=1e-5)
