"""The effective receptive field against closed forms and hand-made Jacobians."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from wavestack.receptive_field.effective import effective_receptive_field, shortest_interval


def linear_stack(kernel_sizes: list[int], dilations: list[int]) -> nn.Sequential:
    layers = []
    for k, d in zip(kernel_sizes, dilations, strict=True):
        conv = nn.Conv1d(1, 1, k, dilation=d, bias=False)
        nn.init.constant_(conv.weight, 1 / k)
        layers.append(conv)
    return nn.Sequential(*layers).double()


@pytest.mark.parametrize(
    ("kernel_sizes", "dilations"),
    [
        ([3, 3, 3, 3], [1, 1, 1, 1]),
        ([2] * 8, [1, 2, 4, 8, 16, 32, 64, 128]),
        ([2, 3, 5], [1, 2, 7]),
        ([4, 4], [3, 3]),
    ],
)
def test_uniform_linear_stack_has_the_closed_form_std(kernel_sizes, dilations):
    model = linear_stack(kernel_sizes, dilations)
    x = torch.randn(3, 1, 400, dtype=torch.float64)
    field = effective_receptive_field(model, x)
    variance = sum((k * k - 1) * d * d / 12 for k, d in zip(kernel_sizes, dilations, strict=True))
    assert field.std("T") == pytest.approx(math.sqrt(variance), rel=1e-9)


def test_wavenet_cycle_of_equal_weights_is_uniform():
    field = effective_receptive_field(
        linear_stack([2] * 8, [2**i for i in range(8)]), torch.randn(1, 1, 300).double()
    )
    np.testing.assert_allclose(np.sort(field.profile("T"))[-256:], 1 / 256, rtol=1e-9)
    assert field.width("T", 0.5) == 128
    assert field.width("T", 1.0) == 256


def test_deep_stack_of_small_kernels_is_gaussian_and_uses_a_part_of_its_extent():
    x = torch.randn(1, 1, 300).double()
    field = effective_receptive_field(linear_stack([3] * 60, [1] * 60), x)
    std = math.sqrt(60 * 8 / 12)
    assert field.width("T", 0.95) == pytest.approx(2 * 1.96 * std, abs=2)
    assert field.width("T", 0.95) < 0.25 * 121


def test_magnitude_is_the_norm_of_the_jacobian_block_of_the_output_position():
    model = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.Tanh(), nn.Conv2d(3, 2, 3, stride=2))
    x = torch.randn(1, 2, 9, 8)
    field = effective_receptive_field(model, x, output_index=(1, 2), num_probes=400)
    jacobian = torch.autograd.functional.jacobian(lambda v: model(v)[0, :, 1, 2], x)
    expected = jacobian.square().sum(dim=(0, 1, 2)).sqrt().numpy()
    np.testing.assert_allclose(field.magnitude, expected / expected.sum(), atol=0.01)
    assert (field.magnitude[expected == 0] == 0).all()
    assert field.axes == ("H", "W")


def test_single_channel_needs_one_probe_and_is_exact():
    model = nn.Conv1d(1, 1, 5, padding=2)
    field = effective_receptive_field(model, torch.randn(1, 1, 11), output_index=5)
    weight = model.weight.detach().abs().flatten().double().numpy()
    np.testing.assert_allclose(field.magnitude[3:8], weight / weight.sum(), rtol=1e-6)


@pytest.mark.parametrize("coding", ["embedding", "one_hot", "table", "amplitude", "division"])
def test_integer_codes_are_probed_behind_their_embedding(coding):
    class Codes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(8, 4)
            channels = {"one_hot": 8, "amplitude": 1, "division": 1}
            self.conv = nn.Conv1d(channels.get(coding, 4), 1, 3)

        def forward(self, x):
            if coding == "embedding":
                y = self.embedding(x)
            elif coding == "table":
                y = self.embedding.weight[x]
            elif coding == "amplitude":
                y = (x.to(torch.float32) - 4)[..., None]
            elif coding == "division":
                y = (x / 8)[..., None]
            else:
                y = torch.nn.functional.one_hot(x, 8).float()
            return self.conv(y.transpose(1, 2))

    field = effective_receptive_field(Codes(), torch.randint(0, 8, (2, 12)), output_index=4)
    assert np.flatnonzero(field.magnitude).tolist() == [4, 5, 6]


def test_average_runs_over_a_list_of_inputs_and_restores_the_training_mode():
    model = nn.Sequential(nn.Conv1d(1, 4, 3), nn.Dropout(0.9), nn.Conv1d(4, 1, 1)).train()
    field = effective_receptive_field(model, [torch.randn(2, 1, 9), torch.randn(3, 1, 9)])
    assert field.num_examples == 5
    assert all(module.training for module in model.modules())
    assert np.flatnonzero(field.magnitude).tolist() == [3, 4, 5]


def test_named_layer_and_channels_last_layout():
    class Frames(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Conv1d(2, 2, 3)

        def forward(self, x):
            return self.inner(x.transpose(1, 2)).transpose(1, 2).cumsum(1)

    x = torch.randn(1, 10, 2)
    inner = effective_receptive_field(Frames(), x, layer="inner", axes=("B", "T", "C"))
    assert inner.axes == ("T",)
    whole = effective_receptive_field(Frames(), x, axes=("B", "T", "C"), output_index=2)
    assert np.flatnonzero(whole.magnitude).tolist() == [0, 1, 2, 3, 4]


def test_shortest_interval_by_brute_force():
    rng = np.random.default_rng(0)
    for _ in range(20):
        profile = rng.random(12) ** 4
        for mass in (0.1, 0.5, 0.95):
            first, last = shortest_interval(profile, mass)
            wanted = mass * profile.sum() * (1 - 1e-9)
            assert profile[first : last + 1].sum() >= wanted
            shortest = min(
                b - a + 1
                for a in range(12)
                for b in range(a, 12)
                if profile[a : b + 1].sum() >= wanted
            )
            assert last - first + 1 == shortest


def test_user_errors_are_plain():
    conv = nn.Conv1d(1, 1, 3)
    x = torch.randn(1, 1, 8)
    with pytest.raises(ValueError, match="layer must name a module of the model, got 'x'"):
        effective_receptive_field(conv, x, layer="x")
    with pytest.raises(ValueError, match="output_index 6 is outside"):
        effective_receptive_field(conv, x, output_index=6)
    with pytest.raises(ValueError, match="zero everywhere"):
        effective_receptive_field(nn.Threshold(1e9, 0.0), x)
    with pytest.raises(ValueError, match="reaches no embedding"):
        effective_receptive_field(_Constant(), torch.zeros(1, 4, dtype=torch.int64))


class _Constant(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.ones(1, 1, 4))

    def forward(self, x):
        return self.bias * 2
