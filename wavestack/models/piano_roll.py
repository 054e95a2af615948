"""A TCN of polyphonic music: the keys of the next frame, apart or together."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from wavestack.models.key_distributions import BernoulliMixture, IndependentKeys, Nade
from wavestack.models.tcn import TCN

OUTPUTS = ("independent", "mixture", "nade")


class PianoRollTCN(TCN):
    """Predicts which keys sound in frame t + 1 from the frames up to t.

    The network is a causal `TCN` over the keys as channels; what its output channels mean is said
    by `distribution`: every key by itself, as in the paper; a mixture of such guesses; or NADE,
    in which every key sees the lower keys of the same frame. The last two know that some keys
    sound together and others never do.

    Args:
        num_keys: keys of a frame.
        channels: the width of every block, or one number for num_layers blocks.
        kernel_size: taps of every convolution.
        num_layers: how many blocks, where channels is one number.
        output: "independent", "mixture" or "nade".
        num_components: of the mixture.
        hidden_channels: of NADE.
        dilation_base, norm, activation, dropout: as of `TCN`.
        input_dropout: probability of silencing a key of a piece in the input, in training.
        output_dropout: probability of zeroing a hidden unit of NADE in a frame, in training.
        initial_scale: factor on the weights that the blocks start with; below 1 the model starts
            nearer to saying the same of every frame, and small collections are learned by heart
            later.

    Shape:
        x: (B, num_keys, T) of zeros and ones, lengths: (B,) -> (B, P, T), the parameters of
        `distribution`

    Raises:
        ValueError: when an argument is out of range or x has the wrong number of keys.

    References:
        Bai, Kolter and Koltun (2018), section 4 (independent keys); Boulanger-Lewandowski et al.
        (2012), Modeling Temporal Dependencies in High-Dimensional Sequences (NADE over a frame).

    Example:
        >>> model = PianoRollTCN(channels=8, num_layers=2, output="nade", hidden_channels=4)
        >>> roll = torch.zeros(1, 88, 10)
        >>> model.distribution.nll(model(roll), roll).shape
        torch.Size([1, 10])
    """

    def __init__(
        self,
        num_keys: int = 88,
        channels: int | Sequence[int] = 150,
        kernel_size: int = 3,
        num_layers: int | None = 2,
        output: str = "independent",
        *,
        num_components: int = 12,
        hidden_channels: int = 64,
        dilation_base: float = 2,
        norm: str | None = "weight",
        activation: str = "relu",
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        output_dropout: float = 0.0,
        initial_scale: float = 1.0,
    ) -> None:
        if num_keys < 1:
            raise ValueError(f"num_keys must be >= 1, got {num_keys}")
        if not 0.0 <= input_dropout < 1.0:
            raise ValueError(f"input_dropout must be in [0, 1), got {input_dropout}")
        if not initial_scale > 0:
            raise ValueError(f"initial_scale must be > 0, got {initial_scale}")
        distribution: IndependentKeys | BernoulliMixture | Nade
        if output == "independent":
            distribution = IndependentKeys(num_keys)
        elif output == "mixture":
            distribution = BernoulliMixture(num_keys, num_components)
        elif output == "nade":
            distribution = Nade(num_keys, hidden_channels, dropout=output_dropout)
        else:
            raise ValueError(f"output must be one of {', '.join(OUTPUTS)}, got {output!r}")
        super().__init__(
            num_keys,
            channels,
            kernel_size,
            num_layers,
            distribution.num_parameters,
            dilation_base=dilation_base,
            norm=norm,
            activation=activation,
            dropout=dropout,
        )
        self.num_keys = num_keys
        self.input_dropout = input_dropout
        self.distribution = distribution
        assert self.out is not None
        assert self.out.bias is not None
        with torch.no_grad():
            self.out.bias.copy_(distribution.initial_bias())
            for parameter in self.blocks.parameters():
                if parameter.dim() == 3:  # convolutions; with weight norm their scale and direction
                    parameter.mul_(initial_scale)

    def enter(self, x: Tensor) -> Tensor:
        """What the first block reads: the keys, in training without some of them."""
        return F.dropout1d(super().enter(x), self.input_dropout, self.training)

    @torch.no_grad()
    def continued(self, roll: Tensor, num_frames: int, generator: torch.Generator) -> Tensor:
        """Makes up the frames after a beginning, one after another.

        Args:
            roll: (B, num_keys, T), at least one frame.
            num_frames: how many to add.
            generator: draws the keys.

        Shape:
            -> (B, num_keys, T + num_frames) of zeros and ones

        Raises:
            ValueError: when the beginning is empty or has another number of keys.
        """
        if roll.dim() != 3 or roll.shape[1] != self.num_keys or not roll.shape[2]:
            raise ValueError(f"roll must be (B, {self.num_keys}, T >= 1), got {tuple(roll.shape)}")
        frames = [roll]
        state = self.initial_state(len(roll))
        for _ in range(num_frames):
            parameters, state = self.stream(frames[-1], state)
            frame = self.distribution.sample(parameters[..., -1], generator)
            frames.append(frame[..., None])
        return torch.cat(frames, dim=-1)
