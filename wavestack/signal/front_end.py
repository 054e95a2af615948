"""What a classifier is given of a recording: log-mel frames or the waveform, freed of its level."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from wavestack.signal.mel import LogMel

_SILENCE = 1e-4  # root mean square below which a waveform is no longer raised


class LogMelFrontEnd(nn.Module):
    """Log-mel frames without the recording's level, colour and noise floor.

    What differs between two rooms and two microphones is taken away: everything further than
    `range_db` below the loudest band of the recording is raised to that floor, and the mean of
    every band over the recording is subtracted.

    Args:
        sample_rate: of the waveform, in Hz.
        n_fft: length of the window, in samples; even.
        hop_length: distance between two frames, in samples.
        n_mels: number of mel bands.
        f_min: lower edge of the first band, in Hz.
        f_max: upper edge of the last band, in Hz; half the sample rate if None.
        range_db: decibels from the loudest point to the floor; None: no floor.
        subtract_mean: subtract the recording's mean of every band; else the mean of all bands.

    Shape:
        waveform: (B, T), lengths: (B,) samples -> (B, n_mels, T // hop_length) and (B,) frames, at
        least 1. Frames after a row's own end are zero, and no frame depends on the other rows.

    Raises:
        ValueError: when `range_db` is not positive, or a number does not suit `LogMel`.

    References:
        Atal (1974), "Effectiveness of linear prediction characteristics of the speech wave for
        automatic speaker identification and verification", for the subtracted mean.

    Example:
        >>> front_end = LogMelFrontEnd(8000, n_fft=256, hop_length=80, n_mels=40)
        >>> x, lengths = front_end(torch.randn(2, 4000), torch.tensor([4000, 1600]))
        >>> x.shape, lengths.tolist()
        (torch.Size([2, 40, 50]), [50, 20])
    """

    def __init__(
        self,
        sample_rate: int,
        n_fft: int,
        hop_length: int,
        n_mels: int,
        f_min: float = 0.0,
        f_max: float | None = None,
        range_db: float | None = 40.0,
        subtract_mean: bool = True,
    ) -> None:
        super().__init__()
        if range_db is not None and range_db <= 0:
            raise ValueError(f"range_db must be > 0 or null, got {range_db}")
        self.mel = LogMel(sample_rate, n_fft, hop_length, n_mels, f_min, f_max)
        self.sample_rate = sample_rate
        self.channels = n_mels
        self.range_db = range_db
        self.subtract_mean = subtract_mean

    def forward(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        hop = self.mel.hop_length
        if waveform.shape[-1] < hop:  # a click is one frame long
            waveform = nn.functional.pad(waveform, (0, hop - waveform.shape[-1]))
        x = self.mel(waveform)
        frames = (lengths // hop).clamp(min=1)
        inside = (torch.arange(x.shape[-1], device=x.device) < frames[:, None])[:, None]
        if self.range_db is not None:
            loudest = x.masked_fill(~inside, -math.inf).amax(dim=(1, 2), keepdim=True)
            x = x.maximum(loudest - self.range_db * math.log(10) / 20)
        mean = (x * inside).sum(-1, keepdim=True) / frames[:, None, None]
        if not self.subtract_mean:
            mean = mean.mean(1, keepdim=True)
        return (x - mean) * inside, frames


class WaveformFrontEnd(nn.Module):
    """The waveform itself, at a root mean square of one.

    Args:
        sample_rate: of the waveform, in Hz.

    Shape:
        waveform: (B, T), lengths: (B,) samples -> (B, 1, T) and the same lengths. Samples after a
        row's own end are zero.
    """

    def __init__(self, sample_rate: int) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        self.channels = 1

    def forward(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        inside = torch.arange(waveform.shape[-1], device=waveform.device) < lengths[:, None]
        x = waveform * inside
        rms = (x.square().sum(-1, keepdim=True) / lengths[:, None].clamp(min=1)).sqrt()
        return (x / rms.clamp(min=_SILENCE))[:, None], lengths
