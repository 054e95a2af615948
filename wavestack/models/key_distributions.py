"""What a model of music says about the keys of a frame: three families of distributions.

Each family is one module with the same members:

- ``num_parameters``: channels P that the network must give per frame,
- ``initial_bias()``: (P,), where the network's last bias starts: few keys sound at a time,
- ``nll(parameters, roll)``: nats per frame, (B, P, T) and (B, K, T) of zeros and ones -> (B, T),
- ``sample(parameters, generator)``: (B, P) -> the keys of a frame (B, K), zeros and ones.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# A quiet start: about four of 88 keys sound at a time.
_RARE = -3.0


class IndependentKeys(nn.Module):
    """Every key by itself: one logit for each.

    Args:
        num_keys: K.

    Example:
        >>> keys = IndependentKeys(num_keys=3)
        >>> nats = keys.nll(torch.zeros(1, 3, 1), torch.tensor([[[1.0], [0.0], [1.0]]]))
        >>> round(nats.item(), 4)  # three fair coins: 3 ln 2
        2.0794
    """

    def __init__(self, num_keys: int) -> None:
        super().__init__()
        self.num_keys = num_keys
        self.num_parameters = num_keys

    def initial_bias(self) -> Tensor:
        """Where the network's last bias starts."""
        return torch.full((self.num_parameters,), _RARE)

    def nll(self, parameters: Tensor, roll: Tensor) -> Tensor:
        """Nats per frame."""
        return F.binary_cross_entropy_with_logits(parameters, roll, reduction="none").sum(1)

    def sample(self, parameters: Tensor, generator: torch.Generator) -> Tensor:
        """Draw the keys of a frame."""
        return torch.bernoulli(parameters.sigmoid(), generator=generator)


class BernoulliMixture(nn.Module):
    """One of several guesses at all keys: a mixture whose components have independent keys.

    Args:
        num_keys: K.
        num_components: how many guesses; the network gives K logits and one weight for each.

    Raises:
        ValueError: when there is no component.
    """

    def __init__(self, num_keys: int, num_components: int) -> None:
        super().__init__()
        if num_components < 1:
            raise ValueError(f"num_components must be >= 1, got {num_components}")
        self.num_keys = num_keys
        self.num_components = num_components
        self.num_parameters = num_components * (num_keys + 1)

    def initial_bias(self) -> Tensor:
        """Where the network's last bias starts: all components alike."""
        weights = torch.zeros(self.num_components)
        return torch.cat([weights, torch.full((self.num_components * self.num_keys,), _RARE)])

    def nll(self, parameters: Tensor, roll: Tensor) -> Tensor:
        """Nats per frame."""
        weights, logits = self._split(parameters)
        # log p(x) = sum_k x_k logit_k - softplus(logit_k) for every component
        log_p = torch.einsum("bmkt,bkt->bmt", logits, roll) - F.softplus(logits).sum(2)
        return -torch.logsumexp(log_p + weights.log_softmax(1), dim=1)

    def sample(self, parameters: Tensor, generator: torch.Generator) -> Tensor:
        """Draw a component, then its keys."""
        weights, logits = self._split(parameters[..., None])
        chosen = torch.multinomial(weights[..., 0].softmax(1), 1, generator=generator)[:, 0]
        rows = torch.arange(len(chosen), device=chosen.device)
        return torch.bernoulli(logits[rows, chosen, :, 0].sigmoid(), generator=generator)

    def _split(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Weights (B, M, T) before their softmax, and logits (B, M, K, T)."""
        weights, logits = parameters.split(
            [self.num_components, self.num_components * self.num_keys], dim=1
        )
        return weights, logits.unflatten(1, (self.num_components, self.num_keys))


class Nade(nn.Module):
    """Neural autoregressive distribution: each key sees the lower keys of its own frame.

    With the network's biases b_k and c (they carry the past) and the weights W, V:
    p(x_k = 1 | x_<k) = sigmoid(b_k + V_k relu(c + sum_{j<k} W_j x_j)). All keys of a
    known frame are computed at once.

    Args:
        num_keys: K.
        hidden_channels: H, hidden units.
        dropout: probability of zeroing a hidden unit of a frame (for all its keys) in training.

    Raises:
        ValueError: when a number is out of its range.

    References:
        Larochelle and Murray (2011), The Neural Autoregressive Distribution Estimator.

    Notes:
        Rectified units, where the paper has sigmoids.
    """

    def __init__(self, num_keys: int, hidden_channels: int, dropout: float = 0.0) -> None:
        super().__init__()
        if hidden_channels < 1:
            raise ValueError(f"hidden_channels must be >= 1, got {hidden_channels}")
        if not 0.0 <= dropout < 1.0:
            raise ValueError(f"output_dropout must be in [0, 1), got {dropout}")
        self.num_keys = num_keys
        self.hidden_channels = hidden_channels
        self.num_parameters = num_keys + hidden_channels
        self.dropout = dropout
        self.read = nn.Parameter(torch.randn(num_keys, hidden_channels) * 0.05)  # W
        self.write = nn.Parameter(torch.randn(num_keys, hidden_channels) * 0.05)  # V

    def initial_bias(self) -> Tensor:
        """Where the network's last bias starts."""
        return torch.cat([torch.full((self.num_keys,), _RARE), torch.zeros(self.hidden_channels)])

    def nll(self, parameters: Tensor, roll: Tensor) -> Tensor:
        """Nats per frame."""
        bias, hidden = parameters.movedim(1, -1).split([self.num_keys, self.hidden_channels], -1)
        keys = roll.movedim(1, -1)  # (B, T, K)
        # The hidden units change at sounding keys alone, so a frame has few different states:
        # before the first sounding key, after it, after the second, ...
        most = int(keys.sum(-1).max())
        order = keys.argsort(dim=-1, descending=True, stable=True)[..., :most]  # lowest first
        heard = self.read[order] * keys.gather(-1, order)[..., None]
        states = F.pad(heard.cumsum(2), (0, 0, 1, 0)) + hidden[:, :, None]  # (B, T, most + 1, H)
        units = F.relu(states)
        if self.training and self.dropout:
            keep = units.new_full((*units.shape[:2], 1, units.shape[3]), 1 - self.dropout)
            units = units * (torch.bernoulli(keep) / (1 - self.dropout))
        below = (keys.cumsum(-1) - keys).long()  # sounding keys below key k: which state it sees
        logits = bias + (units @ self.write.T).gather(2, below[:, :, None])[:, :, 0]
        return F.binary_cross_entropy_with_logits(logits, keys, reduction="none").sum(-1)

    def sample(self, parameters: Tensor, generator: torch.Generator) -> Tensor:
        """Draw key after key, from the lowest."""
        bias, hidden = parameters.split([self.num_keys, self.hidden_channels], dim=1)
        drawn = []
        for k in range(self.num_keys):
            logit = bias[:, k] + F.relu(hidden) @ self.write[k]
            drawn.append(torch.bernoulli(logit.sigmoid(), generator=generator))
            hidden = hidden + drawn[-1][:, None] * self.read[k]
        return torch.stack(drawn, dim=1)
