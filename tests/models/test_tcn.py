"""The TCN: the paper's block, receptive field, streaming with look-ahead, padded batches."""

from __future__ import annotations

import io
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.layers.helpers import tolerance
from wavestack.layers import (
    ChannelNorm,
    MaskedBatchNorm1d,
    TemporalBlock,
    detach_state,
    fold_weight_norm,
)
from wavestack.models import TCN
from wavestack.receptive_field import analyze

T = 40
CONDITION = 2


def stream(model: TCN, x: torch.Tensor, sizes: list[int], condition: Any = None) -> torch.Tensor:
    """All outputs of a stream in blocks whose sizes repeat, the last block marked as final."""
    state = model.initial_state(x.shape[0])
    outputs, start, k = [], 0, 0
    while start < x.shape[-1]:
        block = slice(start, start + sizes[k % len(sizes)])
        h = condition
        if condition is not None and condition.shape[-1] > 1:
            h = condition[..., block]
        start, k = block.stop, k + 1
        y, state = model.stream(x[..., block], state, h, final=start >= x.shape[-1])
        outputs.append(y)
    return torch.cat(outputs, dim=-1)


def shaken(model: TCN) -> TCN:
    """Every parameter and statistic away from its first value, so that nothing is hidden."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        for name, buffer in model.named_buffers():
            if "running" in name:
                buffer.add_(torch.rand_like(buffer))
    return model


def test_one_block_is_the_paper_s():
    model = TCN(3, [5, 5], kernel_size=2, norm=None).double()
    x = torch.randn(2, 3, 20, dtype=torch.float64)
    expected = x
    for block in model.blocks:
        h = expected
        for conv in (block.conv1, block.conv2):
            h = F.conv1d(
                F.pad(h, (conv.dilation[0], 0)), conv.weight, conv.bias, 1, 0, conv.dilation
            )
            h = torch.relu(h)
        if block.shortcut is not None:
            expected = block.shortcut.weight[..., 0] @ expected + block.shortcut.bias[:, None]
        expected = torch.relu(h + expected)
    torch.testing.assert_close(model(x), expected, atol=1e-13, rtol=0)
    assert [block.shortcut is None for block in model.blocks] == [False, True]


@pytest.mark.parametrize(("kernel_size", "num_layers"), [(2, 3), (3, 4), (8, 2)])
@pytest.mark.parametrize("lookahead", [0, 3, "centred"])
def test_receptive_field_is_one_and_two_kernels_per_dilation(kernel_size, num_layers, lookahead):
    model = TCN(1, 4, kernel_size, num_layers, lookahead=lookahead).eval()
    report = analyze(model, model.example_input())
    assert report.axes["T"].size == 1 + 2 * (kernel_size - 1) * sum(model.dilations)
    assert report.axes["T"].lookahead == report.latency == model.lookahead
    assert report.is_causal == (lookahead == 0)
    if isinstance(lookahead, int):
        assert model.lookahead == lookahead


@settings(max_examples=60, deadline=None)
@given(
    geometry=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 6)), min_size=1, max_size=3),
    widths=st.lists(st.integers(1, 4), min_size=3, max_size=3),
    lookahead=st.sampled_from([0, "centred", 0.3, 1.0]),
    norm=st.sampled_from(["weight", "batch", "layer", None]),
    activation=st.sampled_from(["relu", "gelu", "glu"]),
    skip_channels=st.sampled_from([None, 3]),
    condition_length=st.sampled_from([0, 1, T]),
    conditioning=st.sampled_from(["film", "bias"]),
    batch=st.integers(1, 3),
    sizes=st.lists(st.integers(0, 25), min_size=1, max_size=5).filter(any),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_blocks_of_any_length_give_the_offline_output(
    geometry, widths, lookahead, condition_length, batch, sizes, dtype, **options
):
    span = sum(2 * (size - 1) * dilation for size, dilation in geometry)
    if isinstance(lookahead, float):
        lookahead = int(lookahead * span)
    model = TCN(
        2,
        widths[: len(geometry)],
        kernel_sizes=[size for size, _ in geometry],
        dilations=[dilation for _, dilation in geometry],
        lookahead=lookahead,
        condition_channels=CONDITION if condition_length else None,
        **options,
    )
    model = shaken(model).to(dtype).eval()
    for part in model.modules():
        if isinstance(part, ChannelNorm):
            part.eps = 1.0  # at 1e-5, two equal channels blow rounding up by a factor of 300
    x = torch.randn(batch, 2, T, dtype=dtype)
    h = torch.randn(batch, CONDITION, condition_length, dtype=dtype) if condition_length else None
    offline = model(x, condition=h).detach()
    bound = tolerance(dtype) * max(1.0, float(offline.abs().max()))
    torch.testing.assert_close(stream(model, x, sizes, h), offline, atol=bound, rtol=0)


@pytest.mark.parametrize("lookahead", [0, 1, 7])
def test_outputs_come_latency_samples_later(lookahead):
    model = TCN(1, 3, kernel_size=3, num_layers=2, lookahead=lookahead).eval()
    latency = int(analyze(model, model.example_input()).latency)
    state, due = model.initial_state(1), 0
    for sample in range(20):
        y, state = model.stream(torch.randn(1, 1, 1), state)
        due += y.shape[-1]
        assert due == max(0, sample + 1 - latency)
    rest, state = model.stream(torch.randn(1, 1, 0), state, final=True)
    assert rest.shape[-1] == latency


@pytest.mark.parametrize("lookahead", [0, 1, "centred"])
def test_the_state_behind_the_end_is_that_of_a_new_signal(lookahead):
    """Look-ahead 1 falls to a single convolution: the causal ones have to forget as well."""
    model = TCN(1, 3, kernel_size=3, num_layers=2, lookahead=lookahead, skip_channels=2).eval()
    x = torch.randn(2, 1, 30)
    _, state = model.stream(torch.randn(2, 1, 20), model.initial_state(2), final=True)
    y, _ = model.stream(x, state, final=True)
    torch.testing.assert_close(y, model(x), atol=1e-6, rtol=0)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("lookahead", [0, 5, "centred"])
@pytest.mark.parametrize("norm", ["weight", "batch", "layer"])
def test_padding_never_leaks(norm, lookahead, training):
    model = shaken(
        TCN(
            2, [4, 3], norm=norm, lookahead=lookahead, skip_channels=3, condition_channels=CONDITION
        )
    ).double()
    model.train(training)
    lengths = torch.tensor([17, 1, 30])
    x = torch.randn(3, 2, 30, dtype=torch.float64)
    h = torch.randn(3, CONDITION, 30, dtype=torch.float64)
    for row, length in enumerate(lengths):
        x[row, :, length:] = torch.nan
        h[row, :, length:] = torch.inf
    x.requires_grad_()
    kept = {name: value.clone() for name, value in model.named_buffers()}
    y = model(x, lengths, h)
    (y.sum() + y.square().sum()).backward()
    gradients = [parameter.grad.clone() for parameter in model.parameters()]
    assert not any(gradient.isnan().any() for gradient in [x.grad, *gradients])
    assert all(
        y[row, :, n:].eq(0).all() and x.grad[row, :, n:].eq(0).all()
        for row, n in enumerate(lengths)
    )
    # Other padding, and twice as much of it, gives the same outputs, gradients and statistics.
    after = {name: value.clone() for name, value in model.named_buffers()}
    model.load_state_dict(kept, strict=False)
    model.zero_grad()
    longer = F.pad(x.detach(), (0, 30), value=9.0)
    z = model(longer, lengths, F.pad(h, (0, 30), value=9.0))
    (z.sum() + z.square().sum()).backward()
    torch.testing.assert_close(z[..., :30], y, atol=1e-12, rtol=0)
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, atol=1e-10, rtol=1e-10)
    for name, value in model.named_buffers():
        torch.testing.assert_close(value, after[name])
    if norm != "batch" or not training:
        for row, n in enumerate(lengths):
            alone = model(x[row : row + 1, :, :n].detach(), condition=h[row : row + 1, :, :n])
            torch.testing.assert_close(y[row : row + 1, :, :n], alone, atol=1e-12, rtol=0)


def test_batch_norm_takes_its_statistics_from_the_signal_alone():
    """Rows of equal valid length beside padding: the same as the batch without padding."""
    padded = TCN(2, [4, 4], norm="batch", lookahead="centred").double()
    plain = TCN(2, [4, 4], norm="batch", lookahead="centred").double()
    plain.load_state_dict(padded.state_dict())
    x = torch.randn(3, 2, 20, dtype=torch.float64)
    y = padded(F.pad(x, (0, 9), value=5.0), torch.full((3,), 20))
    torch.testing.assert_close(y[..., :20], plain(x), atol=1e-12, rtol=0)
    for name, value in padded.named_buffers():
        torch.testing.assert_close(value, plain.get_buffer(name))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_statistics_of_16_bit_signals_are_counted_in_32(dtype):
    """Neither number type can count to 70,001, nor hold the sum of as many squares."""
    norm = MaskedBatchNorm1d(1, momentum=1.0)
    x = (2 * torch.randn(1, 1, 70_001) + 1).to(dtype)
    y = norm(F.pad(x, (0, 99), value=7.0), torch.arange(70_100).lt(70_001)[None, None])
    assert y.dtype == dtype
    torch.testing.assert_close(norm.running_mean, x.float().mean(dim=(0, 2)))
    torch.testing.assert_close(norm.running_var, x.float().var(dim=(0, 2)))


def test_truncated_back_propagation_stops_at_the_border_of_blocks():
    model = TCN(2, 4, kernel_size=3, num_layers=3, out_channels=1).double()
    x = torch.randn(1, 2, 30, dtype=torch.float64, requires_grad=True)
    offline = model(x)
    _, state = model.stream(x[..., :18], model.initial_state(1))
    y, _ = model.stream(x[..., 18:], detach_state(state))
    torch.testing.assert_close(y, offline[..., 18:], atol=1e-13, rtol=0)
    y.sum().backward()
    assert x.grad[..., :18].abs().max() == 0
    assert x.grad[..., 18:].abs().max() > 0


def test_gradients_through_the_state_are_those_of_forward():
    model = TCN(2, 4, kernel_size=3, num_layers=2, lookahead=3).double()
    x = torch.randn(1, 2, 30, dtype=torch.float64)
    model(x).square().sum().backward()
    expected = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    stream(model, x, [7, 4]).square().sum().backward()
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, atol=1e-11, rtol=0)


def test_lists_win_over_the_number_of_layers():
    """So that a recipe may name widths or dilations over a group that says num_layers."""
    assert TCN(1, [4, 4], num_layers=8).dilations == (1, 2)
    assert TCN(1, 4, num_layers=8, dilations=(1, 3, 7)).channels == (4, 4, 4)


def test_tokens_enter_through_an_embedding():
    model = TCN(6, 8, num_layers=3, out_channels=11, num_embeddings=11).eval()
    x = torch.randint(0, 11, (2, 30))
    assert model(x).shape == (2, 11, 30)
    torch.testing.assert_close(stream(model, x, [1, 9]), model(x), atol=1e-6, rtol=0)
    report = analyze(model, model.example_input())
    assert report.axes["T"].size == 1 + 2 * 2 * 7


@pytest.mark.parametrize("norm", ["weight", "layer", "batch"])
def test_silence_is_what_endless_silence_leaves(norm):
    model = shaken(TCN(2, [3, 4], norm=norm, skip_channels=3, condition_channels=CONDITION)).eval()
    silence, h = torch.randn(1, 2, 1), torch.randn(1, CONDITION, 1)
    settled = model(silence.expand(2, -1, 60), condition=h.expand(2, -1, -1))[..., -1:]
    state = model.initial_state(2, "silence", silence, h)
    y, _ = model.stream(silence.expand(2, -1, 1), state, h)
    torch.testing.assert_close(y, settled, atol=1e-5, rtol=0)


@pytest.mark.parametrize("activation", ["relu", "gelu", "glu"])
@pytest.mark.parametrize("skip_channels", [None, 5])
def test_every_parameter_learns(activation, skip_channels):
    """Nothing is built that the output does not read: DDP would wait for its gradient for ever."""
    model = shaken(
        TCN(
            2,
            [3, 4],
            out_channels=2,
            activation=activation,
            skip_channels=skip_channels,
            condition_channels=CONDITION,
        )
    )
    model(torch.randn(4, 2, 30), condition=torch.randn(4, CONDITION, 1)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in model.parameters())


@pytest.mark.parametrize("norm", ["weight", "batch", "layer", None])
def test_a_deep_net_starts_at_the_scale_of_its_input(norm):
    model = TCN(64, 64, num_layers=12, norm=norm)
    y = model(torch.randn(2, 64, 2000))
    assert 0.3 < float(y.detach().square().mean().sqrt()) < 4


def test_dropout_takes_whole_channels():
    model = TCN(8, 8, num_layers=1, norm=None, dropout=0.5)
    seen = []
    model.blocks[0].dropout.register_forward_hook(lambda *call: seen.append(call[2]))
    model(torch.randn(4, 8, 200))
    dead = seen[-1].eq(0).all(-1)
    assert 4 < int(dead.sum()) < 28
    assert (seen[-1].ne(0).float().mean(-1)[~dead] > 0.1).all()


def test_folding_weight_norm_keeps_the_function():
    model = shaken(TCN(2, [3, 4]))
    x = torch.randn(1, 2, 20)
    y = model(x)
    torch.testing.assert_close(fold_weight_norm(model)(x), y, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: TCN(1, 4), "num_layers must be given"),
        (lambda: TCN(1, 4, num_layers=0), "num_layers must be >= 1, got 0"),
        (lambda: TCN(1, [4, 0]), r"channels must be whole numbers >= 1, got \[4, 0\]"),
        (lambda: TCN(1, [4.5]), r"channels must be whole numbers >= 1, got \[4.5\]"),
        (lambda: TCN(1, [4], out_channels=0), "out_channels must be >= 1, got 0"),
        (lambda: TCN(1, [4, 4], skip_channels=0), "skip_channels must be >= 1, got 0"),
        (lambda: TCN(1, [4], condition_channels=0), "condition_channels must be >= 1, got 0"),
        (lambda: TCN(1, 4, dilations=[]), "num_layers must be >= 1, got 0"),
        (lambda: TCN(1, [4, 4], dilations=[1]), "dilations must name all 2 blocks"),
        (lambda: TCN(1, [4], norm="group"), "norm must be one of"),
        (lambda: TCN(1, [4], activation="tanh"), "activation must be one of"),
        (lambda: TCN(1, [4], conditioning="add"), "conditioning must be one of"),
        (lambda: TCN(1, [4], dropout=1.0), "dropout must be in"),
        (lambda: TCN(1, [4], lookahead=5), "lookahead must be 0 to 4"),
        (lambda: TCN(1, [4], lookahead="right"), "'centred' or a number"),
        (lambda: TCN(1, [4], num_embeddings=0), "num_embeddings must be >= 1"),
        (lambda: TCN(1, [4])(torch.zeros(2, 3, 5)), r"x must be \(B, 1, T\), got \(2, 3, 5\)"),
        (lambda: TCN(1, [4], num_embeddings=3)(torch.zeros(2, 5)), r"x must be \(B, T\) integers"),
        (lambda: TCN(1, [4])(torch.zeros(2, 1, 5), torch.tensor([5])), r"shape \(2,\), got \(1,\)"),
        (lambda: TCN(1, [4])(torch.zeros(2, 1, 5), torch.tensor([5, 0])), "got 0 in row 1"),
        (lambda: TCN(1, [4])(torch.zeros(2, 1, 5), torch.tensor([6, 5])), "got 6 in row 0"),
        (lambda: TCN(1, [4])(torch.zeros(2, 1, 5), torch.ones(2)), "must be integers"),
        (lambda: TCN(1, [4]).stream(torch.zeros(1, 1, 1), ()), "1 blocks, got 0"),
        (lambda: TCN(1, [4])(torch.zeros(1, 1, 3), condition=torch.ones(1, 1, 1)), "must be None"),
        (
            lambda: TCN(1, [4], condition_channels=2)(
                torch.ones(1, 1, 3), None, torch.ones(1, 1, 1)
            ),
            r"condition must be \(B, 2, 1 or 3\), got \(1, 1, 1\)",
        ),
        (
            lambda: TCN(1, [4], condition_channels=2)(
                torch.ones(1, 1, 3), None, torch.ones(1, 2, 2)
            ),
            r"condition must be \(B, 2, 1 or 3\), got \(1, 2, 2\)",
        ),
        (
            lambda: TCN(1, [4], condition_channels=2)(
                torch.zeros(1, 1, 3), torch.tensor([2]), torch.ones(1, 2, 2)
            ),
            r"condition must be \(B, 2, 1 or 3\), got \(1, 2, 2\)",
        ),
        (lambda: TCN(1, [4], lookahead=1.5), "lookahead must be 0 to 4"),
        (lambda: TemporalBlock(1, 4, kernel_size=0), "kernel_size must be >= 1, got 0"),
        (lambda: TCN(1, [4], lookahead=1).initial_state(1, "silence"), "with look-ahead"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("tokens", [[0, 5], [-1, 2]])
def test_a_token_out_of_range_is_named(tokens):
    model = TCN(2, 4, num_layers=2, num_embeddings=5)
    for method in (model, model.forward_last):
        with pytest.raises(ValueError, match=f"tokens must be 0 to 4, got {min(tokens)} to"):
            method(torch.tensor([tokens]))


def test_lengths_as_a_list_are_refused():
    model, x = TCN(2, 4, num_layers=2), torch.zeros(2, 2, 9)
    for method in (lambda: model(x, [3, 4]), lambda: model.forward_last(x, 1, [3, 4])):
        with pytest.raises(ValueError, match="lengths must be a tensor of integers, got a list"):
            method()


def test_a_folded_model_is_saved_whole():
    """As docs/tcn.md says: torch refuses a parametrized module."""
    model, x = TCN(2, 4, num_layers=2), torch.randn(1, 2, 9)
    y = model(x)
    with pytest.raises(RuntimeError, match="only supported through state_dict"):
        torch.save(model, io.BytesIO())
    file = io.BytesIO()
    torch.save(fold_weight_norm(model), file)
    file.seek(0)
    torch.testing.assert_close(torch.load(file, weights_only=False)(x), y)
