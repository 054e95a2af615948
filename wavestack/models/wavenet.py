"""WaveNet: an autoregressive model of audio samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wavestack.layers import (
    CausalConv1d,
    DilatedStack,
    FeatureUpsampler,
    State,
    apply_weight_norm,
)
from wavestack.layers.cone import convolve_at, needed_input, take, whole_in_graph, window_of
from wavestack.layers.look_up import look_up
from wavestack.layers.state import check_history
from wavestack.models.output import make_distribution


class WaveNet(nn.Module):
    """A stack of gated dilated convolutions that predicts each sample from those before it.

    The output at position t is the distribution of sample t + 1, as parameters of the family
    ``distribution``. With ``shift`` in front, output t is that of sample t itself::

        params = model(model.shift(model.distribution.encode(waveform)), labels, features)
        nats = model.distribution.nll(params, waveform)

    Conditions belong to the predicted sample: column t of the upsampled features goes with output t
    of the shifted input.

    Args:
        residual_channels: channels between the blocks.
        dilation_channels: channels of each gate's output.
        skip_channels: channels of the summed skip signals.
        end_channels: channels between the two last 1x1 convolutions.
        kernel_size: taps of every dilated convolution.
        num_layers: length of one dilation cycle.
        num_stacks: repeats of the cycle.
        dilation_base: layer i of a cycle has dilation dilation_base ** i.
        quantization_channels: number of mu-law codes, for output "mu_law".
        output: "mu_law", "logistic_mixture" or "gaussian".
        condition_channels: channels of the features (local condition), or None.
        num_labels: how many values each label can take (global condition), () for none.
        label_channels: width of each label's embedding.
        hop_length: samples per feature frame.
        upsample: "transposed" or "interpolate", see ``FeatureUpsampler``.
        dropout: see ``GatedResidualBlock``.
        weight_norm: whether every convolution is weight-normalised.
        dilations: every layer's dilation by hand, instead of the cycles.
        kernel_sizes: every layer's kernel size by hand.
        bottleneck_channels: see ``GatedResidualBlock``.
        num_mixtures: components, for output "logistic_mixture".
        input_kernel_size: taps of the first convolution. For codes it reads their amplitudes (two
            channels: companded and linear) and adds to the embedding of the present code.
        sample_rate: of the audio in Hz; only remembered.

    Shape:
        x: (B, T) int64 codes for mu_law, else (B, 1, T); labels: (B, len(num_labels)) int64;
        features: (B, condition_channels, frames) -> (B, distribution.num_parameters, T)

    Attributes:
        distribution: the output family, see ``wavestack.models.output``.

    Raises:
        ValueError: when an argument is out of range, or a condition is missing or not expected.

    References:
        van den Oord et al. (2016), WaveNet: A Generative Model for Raw Audio.

    Notes:
        The last block has no residual output, since nothing reads it.

    Example:
        >>> model = WaveNet(8, 8, 8, 8, num_layers=4, num_stacks=1, num_labels=(10,))
        >>> codes = model.distribution.encode(torch.zeros(2, 100))
        >>> model(codes, labels=torch.tensor([[3], [7]])).shape
        torch.Size([2, 256, 100])
    """

    def __init__(
        self,
        residual_channels: int = 64,
        dilation_channels: int = 64,
        skip_channels: int = 64,
        end_channels: int = 64,
        kernel_size: int = 2,
        num_layers: int = 10,
        num_stacks: int = 2,
        dilation_base: float = 2,
        quantization_channels: int = 256,
        output: str = "mu_law",
        condition_channels: int | None = None,
        num_labels: Sequence[int] = (),
        *,
        label_channels: int = 16,
        hop_length: int | None = None,
        upsample: str = "transposed",
        dropout: float = 0.0,
        weight_norm: bool = False,
        dilations: Sequence[int] | None = None,
        kernel_sizes: Sequence[int] | None = None,
        bottleneck_channels: int | None = None,
        num_mixtures: int = 10,
        input_kernel_size: int = 1,
        sample_rate: int | None = None,
    ) -> None:
        super().__init__()
        if condition_channels and not hop_length:
            raise ValueError(f"hop_length must be given with condition_channels, got {hop_length}")
        if any(n < 1 for n in num_labels):
            raise ValueError(f"num_labels must be >= 1 each, got {tuple(num_labels)}")
        self.distribution = make_distribution(output, quantization_channels, num_mixtures)
        self.residual_channels = residual_channels
        self.condition_channels = condition_channels
        self.hop_length = hop_length
        self.num_labels = tuple(int(n) for n in num_labels)
        self.sample_rate = sample_rate

        # A 1x1 convolution on one-hot codes is a table of columns.
        self.embed = (
            nn.Embedding(quantization_channels, residual_channels)
            if self.distribution.discrete
            else None
        )
        # Codes have no order for an embedding; their amplitudes let the first convolution start
        # as a linear predictor.
        self.first = (
            CausalConv1d(self.distribution.num_amplitudes, residual_channels, input_kernel_size)
            if self.embed is None or input_kernel_size > 1
            else None
        )
        if self.embed is not None and self.first is not None:
            # Softer than the amplitudes: at torch's 1.0 the codes drown them (FSDD, 500 steps, one
            # seed, validation: 4.36 bits, 4.26 at 0.3, 4.24 at 0.1).
            nn.init.normal_(self.embed.weight, std=0.1)
        self.label_tables = nn.ModuleList(nn.Embedding(n, label_channels) for n in self.num_labels)
        feature_channels = residual_channels if condition_channels else 0
        if condition_channels and hop_length:
            # Features are known beforehand, so each frame may look at its neighbours.
            self.feature_conv = nn.Conv1d(condition_channels, feature_channels, 3, padding=1)
            self.upsample = FeatureUpsampler(feature_channels, hop_length, upsample)
        self.stack = DilatedStack(
            residual_channels,
            dilation_channels,
            skip_channels,
            kernel_size,
            num_layers,
            num_stacks,
            dilation_base,
            dilations=dilations,
            kernel_sizes=kernel_sizes,
            condition_channels=label_channels * len(self.num_labels) + feature_channels or None,
            bottleneck_channels=bottleneck_channels,
            dropout=dropout,
            weight_norm=weight_norm,
        )
        self.end = CausalConv1d(skip_channels, end_channels, 1)
        self.out = CausalConv1d(end_channels, self.distribution.num_parameters, 1)
        if self.out.bias is not None:
            self.out.bias.data.copy_(self.distribution.initial_bias())
        if weight_norm:
            for part in (self.first, self.end, self.out):
                if part is not None:
                    apply_weight_norm(part)

    def forward(
        self, x: Tensor, labels: Tensor | None = None, features: Tensor | None = None
    ) -> Tensor:
        """Parameters of the distribution of the sample after each input sample.

        Shape:
            x: (B, T) codes or (B, 1, T) -> (B, num_parameters, T)
        """
        condition = self.condition(labels, features, x.shape[-1])
        h = self._embed(x)
        if self.first is not None:
            h = h + self.first(self._amplitudes(x))
        return self._head(self.stack(h, condition))

    def forward_last(
        self,
        x: Tensor,
        num_outputs: int = 1,
        labels: Tensor | None = None,
        features: Tensor | None = None,
    ) -> Tensor:
        """``forward(x, labels, features)[..., -num_outputs:]``, evaluated only where these need it.

        See ``wavestack.layers.cone``. Dropout draws for the positions that are evaluated.

        Shape:
            x: (B, T) codes or (B, 1, T) -> (B, num_parameters, num_outputs)

        Raises:
            ValueError: when num_outputs is not 1 to T, or as ``forward`` does.
        """
        T = x.shape[-1]
        if whole_in_graph(T):
            return self(x, labels, features)[..., -num_outputs:]
        condition = self.condition(labels, features, T)
        levels = self.stack.needed_levels(T, num_outputs)
        want = levels[0][0]
        h = self._embed(take(x, range(T), want))
        if self.first is not None:
            have = needed_input(window_of(self.first), want, T)
            amplitudes = self._amplitudes(take(x, range(T), have))
            h = h + convolve_at(self.first, amplitudes, have, want)
        return self._head(self.stack.run_levels(h, levels, T, condition))

    def condition(
        self, labels: Tensor | None, features: Tensor | None, num_samples: int
    ) -> Tensor | None:
        """All conditions at the sample rate, computed once for a whole signal.

        Shape:
            labels: (B, len(num_labels)), features: (B, condition_channels, frames)
            -> (B, channels, num_samples), or (B, channels, 1) with labels alone, or None

        Raises:
            ValueError: when a condition is missing, not expected, or out of range.
        """
        self._check_conditions(labels, features)
        parts = []
        if labels is not None and self.num_labels:
            columns = [
                look_up(cast(nn.Embedding, table), labels[:, i], f"label {i}")
                for i, table in enumerate(self.label_tables)
            ]
            parts.append(torch.cat(columns, dim=1)[..., None])
        if features is not None and self.condition_channels:
            local = self.upsample(self.feature_conv(features), num_samples)
            parts = [part.expand(-1, -1, num_samples) for part in parts] + [local]
        if not parts:
            return None
        return torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]

    def shift(self, x: Tensor) -> Tensor:
        """The input delayed by one sample, silence first: output t then predicts sample t.

        Example:
            >>> WaveNet(4, 4, 4, 4, num_layers=1).shift(torch.tensor([[1, 2, 3]]))
            tensor([[128,   1,   2]])
        """
        return F.pad(x[..., :-1], (1, 0), value=self.distribution.silence)

    def initial_state(
        self, batch_size: int, history: str = "zeros", condition: Tensor | None = None
    ) -> State:
        """What ``stream`` remembers before the first sample.

        Args:
            batch_size: rows of the stream.
            history: "zeros" in every layer, as ``forward`` assumes, or "silence": what endless
                silent input leaves.
            condition: (B or 1, C, 1) during the silence; zeros when None.

        Raises:
            ValueError: when history is unknown.
        """
        check_history(history)
        silence: Tensor | None = None
        amplitudes: Tensor | None = None
        if history == "silence":
            shape = (batch_size, 1) if self.distribution.discrete else (batch_size, 1, 1)
            x = torch.full(shape, self.distribution.silence, device=self.end.weight.device)
            silence, amplitudes = self._embed(x), self._amplitudes(x)
        first: State = ()
        if self.first is not None:
            first = self.first.initial_state(batch_size, history, amplitudes)
            if silence is not None and amplitudes is not None:
                silence = silence + self.first.stream(amplitudes, first)[0]
        return first, self.stack.initial_state(batch_size, history, silence, condition)

    def stream(
        self, x: Tensor, state: Any, condition: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """The next block of any length; condition as ``self.condition`` gives it, cut to the block.

        Shape:
            x: (B, T) codes or (B, 1, T), condition: (B, C, T or 1) -> (B, num_parameters, T)
        """
        first, stack = state
        h = self._embed(x)
        if self.first is not None:
            added, first = self.first.stream(self._amplitudes(x), first)
            h = h + added
        h, stack = self.stack.stream(h, stack, condition)
        return self._head(h), (first, stack)

    def example_input(self, num_samples: int = 64) -> dict[str, Tensor]:
        """Arguments of ``forward`` of the right shapes and types, for the calculator.

        Example:
            >>> from wavestack.receptive_field import analyze
            >>> model = WaveNet(4, 4, 4, 4, num_layers=4, num_stacks=1)
            >>> analyze(model, model.example_input()).axes["T"].size
            16
        """
        example = {"x": self.distribution.encode(torch.zeros(1, num_samples))}
        if self.num_labels:
            example["labels"] = torch.zeros(1, len(self.num_labels), dtype=torch.int64)
        if self.condition_channels and self.hop_length:
            frames = -(-num_samples // self.hop_length)
            example["features"] = torch.zeros(1, self.condition_channels, frames)
        device = self.end.weight.device
        return {name: value.to(device) for name, value in example.items()}

    def _embed(self, x: Tensor) -> Tensor:
        if self.embed is None:
            return self.end.weight.new_zeros(())  # real-valued input enters by its amplitudes alone
        return look_up(self.embed, x, "codes").transpose(1, 2)

    def _amplitudes(self, x: Tensor) -> Tensor:
        return self.distribution.amplitudes(x).to(self.end.weight.dtype)

    def _head(self, skips: Tensor) -> Tensor:
        h = F.relu(self.end(F.relu(skips)))
        # As (B, T, Q) in memory, a softmax over Q is five times as fast on a CPU.
        return F.linear(h.transpose(1, 2), self.out.weight[..., 0], self.out.bias).transpose(1, 2)

    def _check_conditions(self, labels: Tensor | None, features: Tensor | None) -> None:
        count = len(self.num_labels)
        if count and (labels is None or labels.dim() != 2 or labels.shape[1] != count):
            given = None if labels is None else tuple(labels.shape)
            raise ValueError(f"labels must be (B, {count}) for this model, got {given}")
        if not count and labels is not None and labels.numel():
            raise ValueError(f"labels must be None for this model, got {tuple(labels.shape)}")
        channels = self.condition_channels
        if channels and (features is None or features.dim() != 3 or features.shape[1] != channels):
            given = None if features is None else tuple(features.shape)
            raise ValueError(f"features must be (B, {channels}, frames), got {given}")
        if not channels and features is not None:
            raise ValueError(f"features must be None for this model, got {tuple(features.shape)}")
