"""What a WaveNet says about the next sample: three families of distributions.

Each family is one class with the same members:

- ``num_parameters``: channels P the network must give per sample,
- ``num_noise``: uniform numbers in (0, 1) that one draw takes,
- ``encode(waveform)``: (B, T) floats in [-1, 1] -> the network's input, ``decode`` back,
- ``silence``: the network input's value for a sample of zero,
- ``amplitudes(x)``: the network's input as real channels of about unit variance, (B, C, T), with
  C = ``num_amplitudes``,
- ``nll(params, waveform)``: nats per sample, (B, P, T) and (B, T) -> (B, T),
- ``sample(params, noise, temperature)``: (B, P) and (B, num_noise) -> waveform values (B,) and the
  network input of one step. It is ``choose(params, draws(noise), temperature)``, then ``decode``;
  engines call these apart: ``draws`` does not depend on the network and takes many steps at once,
- ``initial_bias()``: (P,), where the last bias starts so that the first guesses are sensible.

``nll`` is a probability over finitely many values in every family, so figures compare: over the
codes for mu-law, over the 65,536 levels k / 32768 of 16-bit audio for the two continuous ones
(the waveform is rounded to the nearest level; the outermost levels take the tails).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from wavestack.models.normal import log_bin_mass, log_cdf
from wavestack.signal.mu_law import mu_law_decode, mu_law_encode

_LEVELS = 32768  # 16-bit levels per unit of amplitude
_HALF_BIN = 0.5 / _LEVELS
# Narrower than any bin, and wider than all bins together: nothing is gained beyond.
LOG_SCALE_RANGE = (math.log(_HALF_BIN) - 2, 7.0)


def gumbel(uniform: Tensor) -> Tensor:
    """Standard Gumbel noise from uniform numbers in (0, 1).

    The arg max of logits plus such noise is a draw from softmax(logits).

    References:
        Gumbel (1954); Maddison, Tarlow and Minka (2014), A* Sampling, section 2.

    Example:
        >>> round(gumbel(torch.tensor(0.5)).item(), 4)
        0.3665
    """
    return -torch.log(-torch.log(uniform))


class _Family:
    """What all families share: a sample is a choice among draws, and the choice decoded."""

    draws: Callable[[Tensor], Tensor]
    choose: Callable[..., Tensor]
    decode: Callable[[Tensor], Tensor]

    def sample(
        self, params: Tensor, noise: Tensor, temperature: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """One draw per row: its waveform value and the network input of one step.

        Shape:
            params: (B, P), noise: (B, num_noise) -> (B,), and (B, 1) codes or (B, 1, 1)
        """
        step = self.choose(params, self.draws(noise), temperature)
        return self.decode(step)[:, 0], step


class MuLawSoftmax(_Family):
    """A softmax over mu-law codes.

    Args:
        quantization_channels: Q, number of codes, 256 to 1024 usually.

    Shape:
        network input: (B, T) int64 codes; params: (B, Q, T) logits

    Raises:
        ValueError: when quantization_channels is below 2.

    References:
        van den Oord et al. (2016), WaveNet, section 2.2.

    Example:
        >>> family = MuLawSoftmax(256)
        >>> family.encode(torch.tensor([[-1.0, 0.0, 1.0]]))
        tensor([[  0, 128, 255]])
    """

    discrete = True

    def __init__(self, quantization_channels: int = 256) -> None:
        if quantization_channels < 2:
            raise ValueError(f"quantization_channels must be >= 2, got {quantization_channels}")
        self.quantization_channels = quantization_channels
        self.num_parameters = quantization_channels
        self.num_noise = quantization_channels
        self.num_amplitudes = 2
        self.silence = int(mu_law_encode(torch.zeros(1), quantization_channels))

    def encode(self, waveform: Tensor) -> Tensor:
        """Floats to codes: (B, T) -> (B, T) int64."""
        return mu_law_encode(waveform, self.quantization_channels)

    def decode(self, codes: Tensor) -> Tensor:
        """Codes to floats: (B, T) -> (B, T)."""
        return mu_law_decode(codes, self.quantization_channels)

    def amplitudes(self, codes: Tensor) -> Tensor:
        """Companded and linear amplitude, scaled for speech: (B, T) -> (B, 2, T)."""
        companded = codes * (2 / (self.quantization_channels - 1)) - 1
        return torch.stack([2 * companded, 8 * self.decode(codes)], dim=1)

    def nll(self, params: Tensor, waveform: Tensor) -> Tensor:
        """Cross entropy of the waveform's codes in nats: (B, Q, T), (B, T) -> (B, T)."""
        codes = self.encode(waveform)
        rows = params.float().transpose(1, 2).reshape(-1, self.num_parameters)
        return F.cross_entropy(rows, codes.reshape(-1), reduction="none").view(codes.shape)

    def draws(self, noise: Tensor) -> Tensor:
        """Gumbel noise for every code: (..., Q) -> (..., Q)."""
        return gumbel(noise)

    def choose(self, params: Tensor, draws: Tensor, temperature: float = 1.0) -> Tensor:
        """Gumbel-max; temperature 0 gives the likeliest code: (B, Q), (B, Q) -> codes (B, 1)."""
        return torch.add(params, draws, alpha=temperature).argmax(dim=1, keepdim=True)

    def initial_bias(self) -> Tensor:
        """All codes alike."""
        return torch.zeros(self.num_parameters)


class _Continuous(_Family):
    """What the two families over real values share: the waveform itself is the input."""

    discrete = False
    num_amplitudes = 1
    silence = 0.0

    def encode(self, waveform: Tensor) -> Tensor:
        """(B, T) -> (B, 1, T)."""
        return waveform.unsqueeze(1)

    def decode(self, values: Tensor) -> Tensor:
        """(B, 1, T) -> (B, T)."""
        return values.squeeze(1)

    def amplitudes(self, values: Tensor) -> Tensor:
        """The waveform itself: (B, 1, T) -> (B, 1, T)."""
        return values


def _nearest_level(waveform: Tensor) -> Tensor:
    return (waveform * _LEVELS).round().clamp(-_LEVELS, _LEVELS - 1) / _LEVELS


class LogisticMixture(_Continuous):
    """A mixture of logistic distributions, discretised at 16 bits.

    Args:
        num_mixtures: M, components.

    Shape:
        network input: (B, 1, T); params: (B, 3 M, T): mixture logits, means, log scales

    Raises:
        ValueError: when num_mixtures is below 1.

    References:
        Salimans et al. (2017), PixelCNN++, section 2.1; van den Oord et al. (2017), Parallel
        WaveNet, section 2.1.

    Example:
        >>> family = LogisticMixture(2)
        >>> params = family.initial_bias()[None, :, None]
        >>> levels = torch.arange(-32768, 32768) / 32768
        >>> nats = family.nll(params.expand(1, -1, 65536), levels[None])
        >>> nats.neg().exp().sum().round(decimals=4)
        tensor(1.)
    """

    def __init__(self, num_mixtures: int = 10) -> None:
        if num_mixtures < 1:
            raise ValueError(f"num_mixtures must be >= 1, got {num_mixtures}")
        self.num_mixtures = num_mixtures
        self.num_parameters = 3 * num_mixtures
        self.num_noise = num_mixtures + 1

    def nll(self, params: Tensor, waveform: Tensor) -> Tensor:
        """Nats per sample: (B, 3 M, T), (B, T) -> (B, T)."""
        logits, means, log_scales = params.float().chunk(3, dim=1)
        log_scales = log_scales.clamp(*LOG_SCALE_RANGE)
        x = _nearest_level(waveform).unsqueeze(1)
        inverse_scales = torch.exp(-log_scales)
        above = (x - means + _HALF_BIN) * inverse_scales
        below = (x - means - _HALF_BIN) * inverse_scales
        # σ(b) - σ(a) = σ(b) σ(-a) (1 - exp(a - b)): no difference of nearly equal numbers.
        width = 2 * _HALF_BIN * inverse_scales
        inside = F.logsigmoid(above) + F.logsigmoid(-below) + torch.log(-torch.expm1(-width))
        lowest, highest = x <= -1.0, x >= 1.0 - 2 * _HALF_BIN
        log_mass = torch.where(lowest, F.logsigmoid(above), inside)
        log_mass = torch.where(highest, F.logsigmoid(-below), log_mass)
        return -torch.logsumexp(F.log_softmax(logits, dim=1) + log_mass, dim=1)

    def draws(self, noise: Tensor) -> Tensor:
        """Gumbel noise for the choice, logistic for the value: (..., M + 1) -> (..., M + 1)."""
        u = noise[..., -1:]
        return torch.cat([gumbel(noise[..., :-1]), torch.log(u) - torch.log1p(-u)], dim=-1)

    def choose(self, params: Tensor, draws: Tensor, temperature: float = 1.0) -> Tensor:
        """A component by Gumbel-max, then a value of it: (B, 3 M), (B, M + 1) -> (B, 1, 1).

        The temperature divides the mixture logits and multiplies the scale.
        """
        logits, means, log_scales = params.chunk(3, dim=1)
        chosen = (logits + temperature * draws[:, :-1]).argmax(dim=1, keepdim=True)
        scale = log_scales.gather(1, chosen).clamp(*LOG_SCALE_RANGE).exp()
        value = means.gather(1, chosen) + temperature * scale * draws[:, -1:]
        return value.clamp(-1.0, 1.0)[..., None]

    def initial_bias(self) -> Tensor:
        """Equal weights, means spread so that the components differ, scales of quiet speech."""
        m = self.num_mixtures
        means = torch.linspace(-0.2, 0.2, m) if m > 1 else torch.zeros(1)
        return torch.cat([torch.zeros(m), means, torch.full((m,), -3.0)])


class Gaussian(_Continuous):
    """A normal distribution, discretised at 16 bits.

    Shape:
        network input: (B, 1, T); params: (B, 2, T): mean, log standard deviation

    References:
        Ping, Peng and Chen (2019), ClariNet, section 3.1.

    Example:
        >>> family = Gaussian()
        >>> family.sample(torch.tensor([[0.25, -3.0]]), torch.full((1, 2), 0.5), temperature=0.0)
        (tensor([0.2500]), tensor([[[0.2500]]]))
    """

    num_parameters = 2
    num_noise = 2

    def nll(self, params: Tensor, waveform: Tensor) -> Tensor:
        """Nats per sample: (B, 2, T), (B, T) -> (B, T)."""
        mean, log_scale = params.float().unbind(dim=1)
        inverse_scale = torch.exp(-log_scale.clamp(*LOG_SCALE_RANGE))
        x = _nearest_level(waveform)
        z = (x - mean) * inverse_scale
        half = _HALF_BIN * inverse_scale
        lowest, highest = x <= -1.0, x >= 1.0 - 2 * _HALF_BIN
        log_mass = log_bin_mass(z, half)
        log_mass = torch.where(lowest, log_cdf(z + half), log_mass)
        log_mass = torch.where(highest, log_cdf(half - z), log_mass)
        return -log_mass

    def draws(self, noise: Tensor) -> Tensor:
        """Two uniform numbers make one normal one (Box and Muller): (..., 2) -> (..., 1)."""
        radius = torch.sqrt(-2 * torch.log(noise[..., :1]))
        return radius * torch.cos(2 * math.pi * noise[..., 1:])

    def choose(self, params: Tensor, draws: Tensor, temperature: float = 1.0) -> Tensor:
        """A value; temperature multiplies the deviation: (B, 2), (B, 1) -> (B, 1, 1)."""
        mean, log_scale = params.chunk(2, dim=1)
        scale = log_scale.clamp(*LOG_SCALE_RANGE).exp()
        return (mean + temperature * scale * draws).clamp(-1.0, 1.0)[..., None]

    def initial_bias(self) -> Tensor:
        """Centred, as loud as quiet speech."""
        return torch.tensor([0.0, -3.0])


Distribution = MuLawSoftmax | LogisticMixture | Gaussian


def make_distribution(
    output: str, quantization_channels: int = 256, num_mixtures: int = 10
) -> Distribution:
    """The family that a model's ``output`` argument names.

    Raises:
        ValueError: when there is no such family.

    Example:
        >>> make_distribution("gaussian").num_parameters
        2
    """
    if output == "mu_law":
        return MuLawSoftmax(quantization_channels)
    if output == "logistic_mixture":
        return LogisticMixture(num_mixtures)
    if output == "gaussian":
        return Gaussian()
    raise ValueError(f"output must be mu_law, logistic_mixture or gaussian, got {output!r}")
