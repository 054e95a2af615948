"""The last outputs alone: the same function and gradients as the whole signal gives."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from wavestack.layers import CausalConv1d, DilatedStack, LookaheadConv1d
from wavestack.layers.comb import combs
from wavestack.layers.cone import (
    convolve_at,
    needed_input,
    needed_levels,
    refuse_batch_statistics,
    take,
    take_condition,
    window_of,
)
from wavestack.layers.cone_read import plan_rows
from wavestack.models import TCN, AudioEffect, WaveNet
from wavestack.receptive_field import analyze, sets
from wavestack.receptive_field.relation import Window

EXACT = {"rtol": 1e-12, "atol": 1e-12}  # fp64: sums in another order


def assert_same_function(model: nn.Module, x: Tensor, num_outputs: int, **inputs) -> None:
    """Equal outputs, and equal gradients of the parameters and of a real-valued input."""
    model.double()
    found = []
    for run in (
        lambda x: model(x, **inputs)[..., -num_outputs:],
        lambda x: model.forward_last(x, num_outputs, **inputs),
    ):
        leaf = x.double().requires_grad_() if x.is_floating_point() else x
        model.zero_grad()
        y = run(leaf)
        weights = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)
        (y * weights).sum().backward()
        gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]
        if x.is_floating_point():
            gradients.append(leaf.grad)
        found.append((y.detach(), gradients))
    (y, gradients), (y_last, gradients_last) = found
    torch.testing.assert_close(y_last, y, **EXACT)
    assert len(gradients) == len(gradients_last)
    for whole, last in zip(gradients, gradients_last, strict=True):
        torch.testing.assert_close(last, whole, **EXACT)


schedules = st.lists(
    st.tuples(st.integers(1, 4), st.integers(1, 12)), min_size=1, max_size=5
)  # (kernel size, dilation) of each layer


@settings(max_examples=60, deadline=None)
@given(schedules, st.integers(1, 60), st.data())
def test_last_outputs_of_any_stack_are_those_of_the_whole_signal(schedule, length, data):
    kernels, dilations = zip(*schedule, strict=True)
    num_outputs = data.draw(st.integers(1, length))
    torch.manual_seed(0)
    stack = DilatedStack(
        3,
        2,
        data.draw(st.sampled_from([None, 5])),
        kernel_sizes=kernels,
        dilations=dilations,
        bottleneck_channels=data.draw(st.sampled_from([None, 2])),
        lookahead=data.draw(st.sampled_from([0, "centred"])),
    )
    assert_same_function(stack, torch.randn(2, 3, length), num_outputs)


@settings(max_examples=60, deadline=None)
@given(schedules, st.integers(1, 60), st.data())
def test_last_outputs_of_any_tcn_are_those_of_the_whole_signal(schedule, length, data):
    kernels, dilations = zip(*schedule, strict=True)
    num_outputs = data.draw(st.integers(1, length))
    torch.manual_seed(0)
    model = TCN(
        2,
        3,
        kernel_sizes=kernels,
        dilations=dilations,
        out_channels=2,
        norm=data.draw(st.sampled_from(["weight", "layer", None])),
        activation="gelu",
        skip_channels=data.draw(st.sampled_from([None, 4])),
        lookahead=data.draw(st.sampled_from([0, "centred", 1]) if max(kernels) > 1 else st.just(0)),
    )
    assert_same_function(model, torch.randn(2, 2, length), num_outputs)


@pytest.mark.parametrize("num_outputs", [1, 3, 8, 40])
@pytest.mark.parametrize("columns", [1, 40])
def test_conditioned_stacks_read_the_columns_they_need(num_outputs, columns):
    stack = DilatedStack(4, 4, 6, 3, num_layers=3, num_stacks=2, condition_channels=2)
    condition = torch.randn(2, 2, columns, dtype=torch.float64)
    assert_same_function(stack, torch.randn(2, 4, 40), num_outputs, condition=condition)


def test_wavenet_with_labels_features_and_a_wide_first_layer():
    model = WaveNet(
        *(6, 4, 6, 5),
        num_layers=5,
        num_labels=(3,),
        condition_channels=2,
        hop_length=4,
        input_kernel_size=5,
        weight_norm=True,
    )
    codes = torch.randint(0, 256, (2, 96))
    inputs = {
        "labels": torch.tensor([[0], [2]]),
        "features": torch.randn(2, 2, 24, dtype=torch.float64),
    }
    for num_outputs in (1, 7, 96):
        assert_same_function(model, codes, num_outputs, **inputs)


def test_wavenet_of_real_samples():
    model = WaveNet(4, 4, 4, 4, num_layers=4, num_stacks=1, output="gaussian", input_kernel_size=3)
    assert_same_function(model, torch.randn(2, 1, 50), num_outputs=2)


@pytest.mark.parametrize("activation", ["tanh", "gated"])
@pytest.mark.parametrize("num_outputs", [1, 9, 70])
def test_audio_effects(activation, num_outputs):
    effect = AudioEffect(
        (4, 3),
        kernel_sizes=(3, 3, 2, 6),
        dilations=(1, 2, 7, 3),
        activation=activation,
        head_kernel_size=4,
        condition_channels=2,
    )
    condition = torch.randn(2, 2, 70, dtype=torch.float64)
    assert_same_function(effect, torch.randn(2, 1, 70), num_outputs, condition=condition)


@pytest.mark.parametrize("lookahead", [0, "centred"])
@pytest.mark.parametrize("columns", [1, 30])
def test_every_row_ends_at_its_own_length(lookahead, columns):
    torch.manual_seed(0)
    model = TCN(2, 4, 3, num_layers=3, condition_channels=2, lookahead=lookahead).double()
    for block in model.blocks:
        nn.init.normal_(block.condition.weight)
    x = torch.randn(3, 2, 30, dtype=torch.float64)
    condition = torch.randn(3, 2, columns, dtype=torch.float64)
    lengths = torch.tensor([30, 17, 2])
    for row, length in enumerate(lengths):
        x[row, :, length:] = torch.nan
    y = model.forward_last(x, 4, lengths, condition)
    for row, length in enumerate(lengths.tolist()):
        alone = model(x[row : row + 1, :, :length], None, condition[row : row + 1, :, :length])
        wanted = alone[0, :, -4:]
        torch.testing.assert_close(y[row, :, 4 - wanted.shape[-1] :], wanted, **EXACT)
    assert (y[2, :, :2] == 0).all()


def test_tokens():
    model = TCN(4, 6, 3, num_layers=3, num_embeddings=9, out_channels=9)
    assert_same_function(model, torch.randint(0, 9, (2, 33)), num_outputs=2)


def test_channel_dropout_takes_the_same_channels_as_on_the_whole_signal():
    # One random number for each row and channel, however many columns there are.
    model = TCN(2, 8, 3, num_layers=3, dropout=0.5).double().train()
    x = torch.randn(4, 2, 50, dtype=torch.float64)
    torch.manual_seed(1)
    whole = model(x)[..., -1:]
    torch.manual_seed(1)
    torch.testing.assert_close(model.forward_last(x), whole, **EXACT)


def test_dropout_of_single_values_keeps_its_rate_in_the_cone():
    stack = DilatedStack(8, 8, num_layers=3, dropout=0.5).train()
    seen: list[Tensor] = []
    stack.blocks[0].dropout.register_forward_hook(lambda m, args, y: seen.append(y))
    stack.forward_last(torch.ones(16, 8, 50))
    assert abs((seen[0] == 0).float().mean().item() - 0.5) < 0.1


def test_batch_statistics_are_refused_in_training_mode():
    model = TCN(2, 4, 3, num_layers=2, norm="batch")
    with pytest.raises(ValueError, match=r"eval mode: blocks\.0\.norm1"):
        model.train().forward_last(torch.randn(2, 2, 20))
    assert_same_function(model.eval(), torch.randn(2, 2, 20), num_outputs=3)
    with pytest.raises(ValueError, match="eval mode"):
        refuse_batch_statistics(nn.BatchNorm1d(2, track_running_stats=False).eval())


@pytest.mark.parametrize("num_outputs", [0, 21])
def test_impossible_numbers_of_outputs_are_refused(num_outputs):
    with pytest.raises(ValueError, match=rf"num_outputs must be 1 to 20.*got {num_outputs}"):
        DilatedStack(2, 2, num_layers=2).forward_last(torch.randn(1, 2, 20), num_outputs)


@pytest.mark.parametrize(
    ("model", "x"),
    [
        (TCN(2, 3, 2, 3, 1, dilations=[1, 3, 7]), torch.randn(2, 2, 30)),
        (DilatedStack(2, 2, num_layers=3), torch.randn(2, 2, 30)),
        (AudioEffect((3, 2), 2, 3), torch.randn(2, 1, 30)),
        (WaveNet(4, 4, 4, 4, num_layers=3, quantization_channels=8), torch.arange(30)[None] % 8),
    ],
    ids=lambda value: type(value).__name__,
)
def test_compiled_graphs_give_the_last_outputs(model, x):
    last = torch.compile(model.eval().forward_last, backend="eager")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, while it imports what it needs
        for length in (30, 23):  # the second graph is one for every length
            y = last(x[..., :length], 3)
            torch.testing.assert_close(y, model(x[..., :length])[..., -3:])


def test_conditions_of_another_length_are_refused():
    with pytest.raises(ValueError, match="1 or 20 columns, got 5"):
        take_condition(torch.zeros(1, 2, 5), 20, range(19, 20))


def test_positions_are_the_calculators():
    model = TCN(2, 4, 3, dilations=[1, 3, 4], num_layers=None).eval()
    levels = needed_levels(
        tuple((window_of(b.conv1), window_of(b.conv2)) for b in model.blocks), 64, 1
    )
    found = analyze(model, model.example_input(64)).depends_on(63)["T"]
    assert sets.to_array(levels[0][0]).tolist() == found.tolist()


@pytest.mark.parametrize(
    ("way", "kernel", "dilation", "want"),
    [
        ("line", 2, 2, range(61, 64)),
        ("line", 8, 4, range(15, 64, 16)),
        ("line", 1, 1, range(5, 60, 7)),
        ("line", 3, 4, range(60, 64)),
        ("rows", 3, 4, range(61, 64)),
        ("rows", 8, 16, range(59, 64)),  # the border at 0 cuts the first row
        ("hull", 8, 2, sets.union([range(49, 52), range(53, 56), range(57, 60), range(61, 64)])),
        ("gather", 3, 5, sets.union([range(3, 5), range(20, 23), range(60, 64)])),
    ],
)
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("channels_last", [False, True])
def test_one_convolution_between_two_sets(way, kernel, dilation, want, groups, channels_last):
    conv = CausalConv1d(4, 6, kernel, dilation=dilation, groups=groups).double()
    x = torch.randn(2, 4, 64, dtype=torch.float64)
    x = x.transpose(1, 2).contiguous().transpose(1, 2) if channels_last else x
    have = needed_input(window_of(conv), want, 64)
    y = convolve_at(conv, take(x, range(64), have), have, want)
    torch.testing.assert_close(y, take(conv(x), range(64), want), **EXACT)

    rows = plan_rows(window_of(conv), have, want)
    if rows is None:
        found = "gather"
    elif rows.gives != want:
        found = "hull"
    else:
        found = "line" if rows.width == 1 else "rows"
    assert found == way


@pytest.mark.parametrize("want", [range(3, 9, 2), sets.from_array(np.array([1, 4, 5]))])
def test_taking_columns_can_be_differentiated_twice(want):
    x = torch.randn(2, 3, 10, dtype=torch.float64, requires_grad=True)
    for run in (
        lambda x: take(x, range(10), want),
        lambda x: take(x.mT.contiguous().mT, range(10), want),
    ):
        assert torch.autograd.gradcheck(run, x)
        assert torch.autograd.gradgradcheck(lambda x, run=run: run(x) ** 2, x)


def test_one_strided_convolution():
    conv = CausalConv1d(2, 3, 3, stride=3, dilation=2).double()
    x = torch.randn(2, 2, 50, dtype=torch.float64)
    want = range(14, 17)
    have = needed_input(window_of(conv), want, 50)
    y = convolve_at(conv, take(x, range(50), have), have, want)
    torch.testing.assert_close(y, conv(x)[..., 14:17], **EXACT)


def test_one_convolution_that_looks_ahead():
    conv = LookaheadConv1d(2, 3, 4, dilation=2, lookahead=3).double()
    x = torch.randn(2, 2, 50, dtype=torch.float64)
    for want in (range(48, 50), range(0, 50, 2), range(50)):
        have = needed_input(window_of(conv), want, 50)
        y = convolve_at(conv, take(x, range(50), have), have, want)
        torch.testing.assert_close(y, take(conv(x), range(50), want), **EXACT)


def test_few_positions_are_evaluated():
    # Kernel 8, dilations 1 to 128: level i is needed at every 2^i-th of 600 samples alone.
    windows = [Window(8, padding=7 * d, dilation=d) for d in (1, 2, 4, 8, 16, 32, 64, 128)]
    levels = needed_levels(tuple((w, w) for w in windows), 600, 1)
    assert [sets.count(block[2]) for block in levels] == [300, 150, 75, 38, 19, 10, 5, 1]
    assert all(next(combs(level), None) for block in levels for level in block)


PAGE = Path(__file__).resolve().parents[2] / "docs" / "last_output.md"


@pytest.mark.skipif(not PAGE.is_file(), reason="the docs are not part of this install")
def test_the_example_in_the_docs_has_the_shapes_of_its_comments():
    code = PAGE.read_text("utf-8").split("```python\n")[1].partition("```")[0]
    names: dict = {}
    shapes = []
    for line in code.splitlines():
        exec(line, names)
        if line.startswith("y = "):
            shapes.append(tuple(names["y"].shape))
            if "# (" in line:
                assert f"# {shapes[-1]}" in line
    assert shapes == [(32, 1, 1), (32, 1, 5), (32, 1, 1)]
