"""The convolution that pads again in its backward pass: gradients, memory, choice of path."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from wavestack.layers import CausalConv1d, LookaheadConv1d, padded_conv1d


def plain(x, weight, bias, left, right, dilation):
    return F.conv1d(F.pad(x, (left, right)), weight, bias, dilation=dilation)


@pytest.mark.parametrize("kernel_size", [1, 2, 3])
@pytest.mark.parametrize(("left", "right"), [(0, 0), (4, 0), (1, 3), (0, 4), (7, 5)])
@pytest.mark.parametrize("bias", [True, False])
def test_gradients_of_first_and_second_order(kernel_size, left, right, bias):
    dilation = 2
    x = torch.randn(2, 3, 9, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, 3, kernel_size, dtype=torch.float64, requires_grad=True)
    offset = torch.randn(4, dtype=torch.float64, requires_grad=True) if bias else None

    def function(x, weight, offset=None):
        return padded_conv1d.PaddedConv1d.apply(x, weight, offset, left, right, dilation)

    inputs = (x, weight) if offset is None else (x, weight, offset)
    expected = plain(x, weight, offset, left, right, dilation)
    torch.testing.assert_close(function(*inputs), expected, atol=1e-13, rtol=0)
    assert torch.autograd.gradcheck(function, inputs, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(function, inputs)


@pytest.mark.parametrize("rows", [1, 2])
@pytest.mark.parametrize("samples", [2048, 8192, 8209])
@pytest.mark.parametrize("causal", [True, False])
def test_long_signals_in_float32_have_the_plain_gradients(rows, samples, causal):
    """Long enough for every fast way: one row and several, lengths with and without factors."""
    if causal:
        conv = CausalConv1d(32, 8, 3, dilation=5)
    else:
        conv = LookaheadConv1d(32, 8, 3, dilation=5, lookahead=4)
    x = torch.randn(rows, 32, samples, requires_grad=True)
    g = torch.randn(rows, 8, samples)
    assert padded_conv1d.recomputing_pays(x, conv.weight)
    y = conv(x)
    assert type(y.grad_fn).__name__ == "PaddedConv1dBackward"
    found = torch.autograd.grad(y, (x, *conv.parameters()), g)
    left = 10 if causal else 6
    y = plain(x, conv.weight, conv.bias, left, 10 - left, 5)
    expected = torch.autograd.grad(y, (x, *conv.parameters()), g)
    for a, b in zip(found, expected, strict=True):
        # A sum of some thousand products in another order, relative to the largest.
        torch.testing.assert_close(a, b, atol=1e-5 * float(b.abs().max()), rtol=0)


def test_no_padded_copy_is_saved():
    net = nn.Sequential()
    for i in range(4):
        net.append(CausalConv1d(16, 16, 2, dilation=2**i)).append(nn.ReLU())
    x = torch.randn(1, 16, 8192)
    parameters = {p.untyped_storage().data_ptr() for p in net.parameters()}
    kept = {}

    def pack(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        y = net(x)
    sizes = [t.untyped_storage().nbytes() for ptr, t in kept.items() if ptr not in parameters]
    assert sizes == [x.nbytes] * 5  # the input and what each ReLU returned
    y.sum().backward()


def test_the_plain_operators_stay_where_they_choose_for_themselves():
    x, weight = torch.randn(1, 32, 4096, requires_grad=True), torch.randn(32, 32, 2)
    assert padded_conv1d.recomputing_pays(x, weight)
    with torch.no_grad():
        assert not padded_conv1d.recomputing_pays(x, weight)
    with torch.autocast("cpu", torch.float16):
        assert not padded_conv1d.recomputing_pays(x, weight)
    assert not padded_conv1d.recomputing_pays(x.detach(), weight)
    assert not padded_conv1d.recomputing_pays(x[..., :1024], weight)
    assert not padded_conv1d.recomputing_pays(x.view(32, 32, 128), weight)
    assert not padded_conv1d.recomputing_pays(x, weight[..., :1])
    assert not padded_conv1d.recomputing_pays(x.double(), weight.double())


def test_gradients_do_not_depend_on_the_layout_of_what_comes_in():
    x = torch.randn(1, 8192, 6).transpose(1, 2).requires_grad_()
    weight = torch.randn(5, 6, 2, requires_grad=True)
    y = padded_conv1d.PaddedConv1d.apply(x, weight, None, 3, 0, 3)
    found = torch.autograd.grad(y.sum(), (x, weight))  # of an expanded gradient
    expected = torch.autograd.grad(plain(x, weight, None, 3, 0, 3).sum(), (x, weight))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5 * float(b.abs().max()), rtol=0)
    assert not padded_conv1d.recomputing_pays(x, weight)


def test_function_transforms_pass_through():
    conv = CausalConv1d(32, 32, 2, dilation=3)
    x = torch.randn(1, 32, 4096)

    def loss(weight):
        return torch.func.functional_call(conv, {"weight": weight}, (x,)).square().mean()

    found = torch.func.grad(loss)(conv.weight.detach())
    (expected,) = torch.autograd.grad(loss(conv.weight), conv.weight)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-4)


def test_compiled_graphs_hold_the_plain_operators():
    conv = CausalConv1d(32, 32, 2, dilation=3)
    x = torch.randn(1, 32, 4096, requires_grad=True)
    compiled = torch.compile(conv, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), conv(x), atol=1e-5, rtol=0)
    exported = torch.export.export(conv, (x.detach(),)).module()
    torch.testing.assert_close(exported(x), conv(x), atol=1e-5, rtol=0)
