"""The context module: the paper's fields, the identity that it starts as, its widths."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from wavestack.layers import ContextModule
from wavestack.layers.context import start_as_identity
from wavestack.receptive_field import analyze

NAMES = [*(f"layers.{i}" for i in range(7)), "output"]


@pytest.mark.parametrize("padding", ["per_layer", "once"])
def test_fields_of_table_1(padding):
    context = ContextModule(2, padding=padding)
    x = torch.zeros(1, 2, 80, 80)
    fields = [analyze(context, x, layer=name).axes["H"].size for name in NAMES]
    assert fields == [3, 5, 9, 17, 33, 65, 67, 67]
    report = analyze(context, x)
    assert report.area.coverage == 1.0
    assert report.axes["W"].start == -33


def test_the_large_module_sees_as_much_with_the_widths_of_table_1():
    context = ContextModule(2, "large")
    widths = [conv.out_channels for conv in (*context.layers, context.output)]
    assert widths == [2 * factor for factor in (2, 2, 4, 8, 16, 32, 32, 1)]
    assert analyze(context, torch.zeros(1, 2, 80, 80)).axes["H"].size == 67


@pytest.mark.parametrize(
    ("dilations", "field"),
    [((1, 1, 2, 4, 8, 1), 35), ((1, 1, 2, 4, 8, 16, 32, 64, 1), 259)],
    ids=["Dilation7", "Dilation10"],
)
def test_variants_of_the_authors(dilations, field):
    report = analyze(ContextModule(1, dilations=dilations), torch.zeros(1, 1, 8, 8))
    assert report.axes["H"].size == field
    assert report.axes["H"].coverage == 1.0


@pytest.mark.parametrize("padding", ["per_layer", "once"])
def test_the_basic_module_starts_as_the_identity(padding):
    maps = torch.rand(2, 5, 17, 23)
    assert torch.equal(ContextModule(5, padding=padding)(maps), maps)


def test_the_large_module_starts_as_the_identity_but_for_its_noise():
    maps = torch.rand(1, 3, 9, 9)
    # Sums of up to 32 equal copies are rounded.
    torch.testing.assert_close(
        ContextModule(3, "large", noise=0.0)(maps), maps, atol=1e-6, rtol=1e-6
    )
    torch.manual_seed(0)
    noisy = ContextModule(3, "large")(maps)
    assert not torch.equal(noisy, maps)
    assert (noisy - maps).norm() < 0.2 * maps.norm()
    assert torch.equal(noisy.argmax(1)[maps.amax(1) > 0.9], maps.argmax(1)[maps.amax(1) > 0.9])


def test_copies_of_a_class_learn_different_things():
    torch.manual_seed(0)
    context = ContextModule(2, "large")
    context(torch.rand(1, 2, 8, 8)).square().mean().backward()
    gradient = context.layers[0].weight.grad  # rows 0 and 1 are copies of class 0
    assert not torch.allclose(gradient[0], gradient[1], rtol=1e-3)


def test_shares_follow_equation_5():
    conv = nn.Conv2d(6, 12, 3)
    start_as_identity(conv, num_classes=3)
    for b in range(12):
        for a in range(6):
            expected = torch.zeros(3, 3)
            if a * 3 // 6 == b * 3 // 12:
                expected[1, 1] = 3 / 12
            assert torch.equal(conv.weight[b, a].detach(), expected)
    with pytest.raises(ValueError, match="multiples of num_classes 4, got 6 and 12"):
        start_as_identity(conv, num_classes=4)


def test_both_paddings_agree_inside_and_differ_at_the_border():
    each = ContextModule(2).double()
    once = ContextModule(2, padding="once").double()
    for conv in each.layers:
        nn.init.normal_(conv.weight, std=0.3)
        nn.init.normal_(conv.bias)
    once.load_state_dict(each.state_dict())
    assert (each.margin, once.margin) == (0, 33)
    x = torch.randn(1, 2, 70, 70, dtype=torch.float64)
    a, b = each(x), once(x)
    torch.testing.assert_close(a[..., 33:-33, 33:-33], b[..., 33:-33, 33:-33])
    assert not torch.allclose(a, b)


def test_the_undilated_control_is_as_wide_and_sees_less():
    control, dilated = ContextModule(2, "large", dilated=False), ContextModule(2, "large")
    assert [p.shape for p in control.parameters()] == [p.shape for p in dilated.parameters()]
    assert analyze(control, torch.zeros(1, 2, 20, 20)).axes["H"].size == 15
    once = ContextModule(2, padding="once", dilated=False)
    assert once(torch.rand(1, 2, 6, 7)).shape == (1, 2, 6, 7)


def test_it_computes_convolutions_with_relu_between():
    context = ContextModule(2, dilations=(1, 3))
    for conv in context.layers:
        nn.init.normal_(conv.weight)
    first, second = context.layers
    x = torch.randn(1, 2, 12, 12)
    h = F.relu(F.conv2d(x, first.weight, first.bias, padding=1))
    h = F.relu(F.conv2d(h, second.weight, second.bias, padding=3, dilation=3))
    torch.testing.assert_close(context(x), h)  # the last 1 x 1 is still the identity


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="got 'huge'"):
        ContextModule(3, "huge")
    with pytest.raises(ValueError, match="got 'twice'"):
        ContextModule(3, padding="twice")
    with pytest.raises(ValueError, match="at least one layer"):
        ContextModule(3, dilations=())
    with pytest.raises(ValueError, match="noise must be >= 0, got -1"):
        ContextModule(3, noise=-1)
    with pytest.raises(ValueError, match="dilation must be >= 1, got 0"):
        ContextModule(3, dilations=(1, 0))
