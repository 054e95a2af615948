"""Log-mel spectrogram frames: the usual conditioning of a vocoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_FLOOR = 1e-5  # magnitudes below it count as silence: log(1e-5) = -11.5


class LogMel(nn.Module):
    """Natural logarithm of the mel-filtered magnitude spectrum, a frame every `hop_length` samples.

    Frame f is centred on sample ``f * hop_length``: it sees ``n_fft // 2`` samples before it and as
    many from it on; outside the waveform there is silence. Filters are Slaney's, of unit area.

    Args:
        sample_rate: of the waveform, in Hz.
        n_fft: length of the Hann window and of the transform, in samples; even.
        hop_length: distance between two frames, in samples.
        n_mels: number of mel bands.
        f_min: lower edge of the first band, in Hz.
        f_max: upper edge of the last band, in Hz; half the sample rate if None.

    Shape:
        waveform: (B, T) or (B, 1, T) -> (B, n_mels, T // hop_length).

    Raises:
        ValueError: when a length or a band edge makes no sense.

    References:
        Slaney (1998), "Auditory Toolbox", for the filters; Shen et al. (2018), "Natural TTS
        synthesis by conditioning WaveNet on mel spectrogram predictions", section 2.1, for the use.

    Example:
        >>> LogMel(16000, n_fft=512, hop_length=128, n_mels=40)(torch.zeros(2, 1000)).shape
        torch.Size([2, 40, 7])
    """

    window: Tensor
    filters: Tensor

    def __init__(
        self,
        sample_rate: int,
        n_fft: int,
        hop_length: int,
        n_mels: int,
        f_min: float = 0.0,
        f_max: float | None = None,
    ) -> None:
        super().__init__()
        f_max = sample_rate / 2 if f_max is None else f_max
        if n_fft < 2 or n_fft % 2:
            raise ValueError(f"n_fft must be even and >= 2, got {n_fft}")
        if hop_length < 1:
            raise ValueError(f"hop_length must be >= 1, got {hop_length}")
        if n_mels < 1:
            raise ValueError(f"n_mels must be >= 1, got {n_mels}")
        if not 0 <= f_min < f_max <= sample_rate / 2:
            raise ValueError(
                f"f_min and f_max must satisfy 0 <= f_min < f_max <= {sample_rate / 2:g} Hz, "
                f"got {f_min:g} and {f_max:g}"
            )
        from torchaudio.functional import melscale_fbanks  # heavy, and only needed here

        self.sample_rate = sample_rate
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.n_mels = n_mels
        self.f_min = f_min
        self.f_max = f_max
        filters = melscale_fbanks(
            n_fft // 2 + 1, f_min, f_max, n_mels, sample_rate, norm="slaney", mel_scale="slaney"
        )
        # Derived from the arguments, so they stay out of the state dict.
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        self.register_buffer("filters", filters.T.contiguous(), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        if waveform.dim() == 3:
            waveform = waveform.squeeze(1)
        num_frames = waveform.shape[-1] // self.hop_length
        padded = F.pad(waveform, (self.n_fft // 2, self.n_fft // 2))
        return self.frames(padded)[..., :num_frames]

    def frames(self, waveform: Tensor) -> Tensor:
        """Frames wholly inside the waveform: frame f sees samples [f * hop, f * hop + n_fft).

        A crop that brings `n_fft // 2` real samples on either side gets from here the very frames
        that the whole recording has.

        Shape:
            waveform: (B, T) -> (B, n_mels, (T - n_fft) // hop_length + 1).
        """
        if waveform.shape[-1] < self.n_fft:
            return waveform.new_empty(waveform.shape[0], self.n_mels, 0)
        spectrum = torch.stft(
            waveform,
            self.n_fft,
            self.hop_length,
            window=self.window,
            center=False,
            return_complex=True,
        )
        return torch.matmul(self.filters, spectrum.abs()).clamp(min=_FLOOR).log()

    def extra_repr(self) -> str:
        return (
            f"sample_rate={self.sample_rate}, n_fft={self.n_fft}, hop_length={self.hop_length}, "
            f"n_mels={self.n_mels}, f_min={self.f_min:g}, f_max={self.f_max:g}"
        )
