"""The output families: probabilities add up to 1, samples follow them, temperature acts."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from wavestack.models.output import Gaussian, LogisticMixture, MuLawSoftmax, make_distribution

LEVELS = torch.arange(-32768, 32768) / 32768


def total(family, params: torch.Tensor) -> float:
    nats = family.nll(params[None, :, None].expand(1, -1, len(LEVELS)), LEVELS[None])
    return nats.neg().double().exp().sum().item()


@pytest.mark.parametrize("log_scale", [-12.0, -10.4, -9.0, -8.0, -5.0, -2.0, 0.0, 3.0])
@pytest.mark.parametrize("mean", [0.0, 0.3, -1.0, 1.5])
def test_mass_of_all_levels_is_one(mean, log_scale):
    assert total(Gaussian(), torch.tensor([mean, log_scale])) == pytest.approx(1, abs=1e-5)
    two = torch.tensor([0.3, -0.5, mean, -mean, log_scale, log_scale + 1])
    assert total(LogisticMixture(2), two) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("q", [256, 512, 1024])
def test_mu_law_nll_is_the_cross_entropy_of_the_codes(q):
    family = MuLawSoftmax(q)
    waveform = torch.rand(2, 30) * 2 - 1
    logits = torch.randn(2, q, 30)
    expected = -F.log_softmax(logits, 1).gather(1, family.encode(waveform)[:, None])[:, 0]
    torch.testing.assert_close(family.nll(logits, waveform), expected)
    assert family.silence == q // 2
    codes = torch.arange(q)
    assert torch.equal(family.encode(family.decode(codes)), codes)


@pytest.mark.parametrize("mean", [0.0, 0.9])
@pytest.mark.parametrize("log_scale", [-9.5, -7.0, -1.0])
def test_continuous_nll_is_the_bin_mass_in_double_precision(mean, log_scale):
    """The same sum written naively, where fp64 has digits enough: within 3 scales of the mean."""
    scale = math.exp(log_scale)
    x = LEVELS[(LEVELS - mean).abs() < 3 * scale].double()
    x = x[(x > -1) & (x < 32767 / 32768)]
    lower, upper = (x - mean - 0.5 / 32768) / scale, (x - mean + 0.5 / 32768) / scale
    params = torch.tensor([mean, log_scale])[None, :, None].expand(1, 2, len(x))
    normal = torch.special.ndtr(upper) - torch.special.ndtr(lower)
    nats = Gaussian().nll(params, x[None].float())[0]
    torch.testing.assert_close(nats.double(), -normal.log(), atol=2e-3, rtol=1e-4)
    logistic = torch.sigmoid(upper) - torch.sigmoid(lower)
    params = F.pad(params, (0, 0, 1, 0))
    nats = LogisticMixture(1).nll(params, x[None].float())[0]
    torch.testing.assert_close(nats.double(), -logistic.log(), atol=2e-3, rtol=1e-4)


@pytest.mark.parametrize("family", [MuLawSoftmax(256), LogisticMixture(3), Gaussian()])
def test_nll_and_its_gradient_are_finite_far_away(family):
    params = 30 * torch.randn(4, family.num_parameters, 50)
    params.requires_grad_()
    waveform = torch.rand(4, 50) * 2 - 1
    waveform[0, :3] = torch.tensor([-1.0, 1.0, 32767 / 32768])
    nats = family.nll(params, waveform)
    nats.mean().backward()
    assert nats.isfinite().all()
    assert (nats >= -1e-6).all()
    assert params.grad.isfinite().all()


def test_mu_law_samples_follow_the_softmax():
    family = MuLawSoftmax(8)
    logits = torch.randn(1, 8)
    n = 20000
    _, codes = family.sample(logits.expand(n, -1), torch.rand(n, 8))
    frequency = torch.bincount(codes[:, 0], minlength=8) / n
    # Five standard deviations of a frequency.
    assert (frequency - logits.softmax(1)[0]).abs().max() < 5 * math.sqrt(0.25 / n)


@pytest.mark.parametrize("family", [LogisticMixture(2), Gaussian()])
def test_continuous_samples_follow_the_nll(family):
    params = torch.tensor(
        [0.5, -0.2, 0.3, -0.4, -2.5, -3.0] if family.num_noise == 3 else [0.1, -2]
    )
    n = 20000
    u = torch.rand(n, family.num_noise).clamp(1e-6, 1 - 1e-6)
    values, step = family.sample(params.expand(n, -1), u)
    assert step.shape == (n, 1, 1)
    nats = family.nll(params[None, :, None].expand(1, -1, len(LEVELS)), LEVELS[None])[0]
    cdf = nats.neg().double().exp().cumsum(0)
    empirical = torch.searchsorted(values.sort().values, LEVELS, right=True) / n
    assert (empirical - cdf).abs().max() < 1.95 / math.sqrt(n)  # Kolmogorov-Smirnov at 0.1 %


@pytest.mark.parametrize("family", [MuLawSoftmax(16), LogisticMixture(2), Gaussian()])
def test_temperature_zero_ignores_the_noise(family):
    params = torch.randn(3, family.num_parameters) * 0.1
    first, _ = family.sample(params, torch.rand(3, family.num_noise), temperature=0.0)
    second, _ = family.sample(params, torch.rand(3, family.num_noise), temperature=0.0)
    torch.testing.assert_close(first, second, atol=0, rtol=0)


@pytest.mark.parametrize("output", ["mu_law", "logistic_mixture", "gaussian"])
def test_one_step_is_fed_back_as_it_was_encoded(output):
    family = make_distribution(output)
    params = torch.randn(3, family.num_parameters)
    value, step = family.sample(params, torch.rand(3, family.num_noise).clamp(min=1e-6))
    torch.testing.assert_close(family.decode(step)[:, 0], value, atol=0, rtol=0)
    torch.testing.assert_close(family.encode(value[:, None]), step, atol=0, rtol=0)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="got 'beta'"):
        make_distribution("beta")
    with pytest.raises(ValueError, match="num_mixtures must be >= 1, got 0"):
        LogisticMixture(0)
    with pytest.raises(ValueError, match="quantization_channels must be >= 2, got 1"):
        MuLawSoftmax(1)
