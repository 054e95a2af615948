"""Change of sample rate by band-limited interpolation."""

from __future__ import annotations

from torch import Tensor


def resample(waveform: Tensor, from_rate: int, to_rate: int) -> Tensor:
    """Resample with a windowed-sinc filter (Kaiser window), which keeps what both rates can carry.

    Args:
        waveform: real samples.
        from_rate: sample rate of the waveform, in Hz.
        to_rate: sample rate wanted, in Hz.

    Shape:
        waveform: (..., T) -> (..., ceil(T * to_rate / from_rate)); the same tensor for equal rates.

    Raises:
        ValueError: when a rate is not positive.

    References:
        Smith, "Digital Audio Resampling Home Page", https://ccrma.stanford.edu/~jos/resample/.
    """
    for name, rate in (("from_rate", from_rate), ("to_rate", to_rate)):
        if rate <= 0:
            raise ValueError(f"{name} must be > 0 Hz, got {rate}")
    if from_rate == to_rate:
        return waveform
    from torchaudio.functional import resample as sinc_resample  # heavy, and only needed here

    return sinc_resample(
        waveform,
        from_rate,
        to_rate,
        lowpass_filter_width=32,
        rolloff=0.95,
        resampling_method="sinc_interp_kaiser",
        beta=12.0,
    )
