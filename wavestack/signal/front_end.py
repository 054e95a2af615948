"""What a classifier is given of a recording: log-mel frames or the waveform, freed of its level."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from wavestack.signal.mel import LogMel

_SILENCE = 1e-4  # root mean square below which a waveform is no longer raised


class LogMelFrontEnd(nn.Module):
    """Log-mel frames without the recording's level, colour and noise floor.

    What differs between two rooms, two microphones and two hands that cut a recording is taken
    away: the silence before and after, everything further than `range_db` below the loudest band of
    the recording, which is raised to that floor, and the mean of every band over the frames that
    are not silent. A frame is as loud as its loudest band.

    Args:
        sample_rate: of the waveform, in Hz.
        n_fft: length of the window, in samples; even.
        hop_length: distance between two frames, in samples.
        n_mels: number of mel bands.
        f_min: lower edge of the first band, in Hz.
        f_max: upper edge of the last band, in Hz; half the sample rate if None.
        range_db: decibels from the loudest point to the floor; None: no floor.
        subtract_mean: subtract the recording's mean of every band; else the mean of all bands.
        mean_range_db: decibels from the loudest frame within which a frame counts for the mean, so
            that a pause changes nothing; None: all frames count.
        trim_db: decibels below the loudest frame at which the first and the last frame are cut off
            as silence, save one on each side; None: nothing is cut off.

    Shape:
        waveform: (B, T), lengths: (B,) samples -> (B, n_mels, F) and (B,) frames, at least 1;
        a row has length // hop_length frames, less those cut off. Frames after a row's own end are
        zero, and no frame depends on the other rows.

    Raises:
        ValueError: when a distance in decibels is not positive, or a number does not suit `LogMel`.

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
        mean_range_db: float | None = None,
        trim_db: float | None = None,
    ) -> None:
        super().__init__()
        for name, decibels in (
            ("range_db", range_db),
            ("mean_range_db", mean_range_db),
            ("trim_db", trim_db),
        ):
            if decibels is not None and decibels <= 0:
                raise ValueError(f"{name} must be > 0 or null, got {decibels}")
        self.mel = LogMel(sample_rate, n_fft, hop_length, n_mels, f_min, f_max)
        self.sample_rate = sample_rate
        self.channels = n_mels
        self.range_db = range_db
        self.subtract_mean = subtract_mean
        self.mean_range_db = mean_range_db
        self.trim_db = trim_db

    @property
    def step_rate(self) -> float:
        """Frames in a second."""
        return self.sample_rate / self.mel.hop_length

    def forward(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        hop = self.mel.hop_length
        if waveform.shape[-1] < hop:  # a click is one frame long
            waveform = nn.functional.pad(waveform, (0, hop - waveform.shape[-1]))
        x = self.mel(waveform)
        frames = (lengths // hop).clamp(min=1)
        if self.trim_db is not None:
            start, frames = _loud_part(frames, self._within(x, frames, self.trim_db))
            x = _cut(x, start, frames)
        inside = _inside(x, frames)
        if self.range_db is not None:
            loudest = x.masked_fill(~inside, -math.inf).amax(dim=(1, 2), keepdim=True)
            x = x.maximum(loudest - _nepers(self.range_db))
        counted = inside
        if self.mean_range_db is not None:
            counted = self._within(x, frames, self.mean_range_db)
        mean = (x * counted).sum(-1, keepdim=True) / counted.sum(-1, keepdim=True)
        if not self.subtract_mean:
            mean = mean.mean(1, keepdim=True)
        return (x - mean) * inside, frames

    def trimmed(self, waveform: Tensor) -> Tensor:
        """A waveform (T,) without the silence that `trim_db` cuts off, to the frame."""
        hop = self.mel.hop_length
        if self.trim_db is None or len(waveform) < hop:
            return waveform
        x = self.mel(waveform[None])
        frames = torch.tensor([x.shape[-1]])
        start, kept = _loud_part(frames, self._within(x, frames, self.trim_db))
        return waveform[int(start) * hop : int(start + kept) * hop]

    def _within(self, x: Tensor, frames: Tensor, decibels: float) -> Tensor:
        """Which frames (B, 1, F) of a row are at most so many decibels below its loudest."""
        loudness = x.amax(1, keepdim=True).masked_fill(~_inside(x, frames), -math.inf)
        return loudness >= loudness.amax(-1, keepdim=True) - _nepers(decibels)


def _inside(x: Tensor, lengths: Tensor) -> Tensor:
    """Which steps (B, 1, T) lie before the end of their row."""
    return (torch.arange(x.shape[-1], device=x.device) < lengths[:, None])[:, None]


def _nepers(decibels: float) -> float:
    """Decibels as the difference of two natural logarithms of magnitudes."""
    return decibels * math.log(10) / 20


def _loud_part(frames: Tensor, loud: Tensor) -> tuple[Tensor, Tensor]:
    """First frame and number of frames from before the first loud one to behind the last."""
    places = torch.arange(loud.shape[-1], device=loud.device)
    first = torch.where(loud[:, 0], places, loud.shape[-1]).amin(-1)
    last = torch.where(loud[:, 0], places, -1).amax(-1)
    start = (first - 1).clamp(min=0)
    return start, (last + 2).minimum(frames) - start


def _cut(x: Tensor, start: Tensor, kept: Tensor) -> Tensor:
    """Of every row so many frames from its start on, and whatever follows for the shorter ones."""
    index = start[:, None] + torch.arange(int(kept.max()), device=x.device)
    index = index.clamp(max=x.shape[-1] - 1)[:, None].expand(-1, x.shape[1], -1)
    return x.gather(-1, index)


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

    @property
    def step_rate(self) -> float:
        """Samples in a second."""
        return self.sample_rate

    def trimmed(self, waveform: Tensor) -> Tensor:
        """The waveform: no silence is cut off."""
        return waveform

    def forward(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        x = waveform * _inside(waveform, lengths)[:, 0]
        rms = (x.square().sum(-1, keepdim=True) / lengths[:, None].clamp(min=1)).sqrt()
        return (x / rms.clamp(min=_SILENCE))[:, None], lengths
