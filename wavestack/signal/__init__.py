"""What data, models and metrics all need to know about sound (codes, rates, spectra) and images."""

from wavestack.signal.bicubic import resize_bicubic
from wavestack.signal.colour import luma, rgb_to_ycbcr, ycbcr_to_rgb
from wavestack.signal.front_end import LogMelFrontEnd, WaveformFrontEnd
from wavestack.signal.mel import LogMel
from wavestack.signal.mu_law import mu_law_decode, mu_law_edges, mu_law_encode
from wavestack.signal.pre_emphasis import de_emphasis, pre_emphasis
from wavestack.signal.resample import resample
from wavestack.signal.spectrogram import spectrogram_db

__all__ = [
    "LogMel",
    "LogMelFrontEnd",
    "WaveformFrontEnd",
    "de_emphasis",
    "luma",
    "mu_law_decode",
    "mu_law_edges",
    "mu_law_encode",
    "pre_emphasis",
    "resample",
    "resize_bicubic",
    "rgb_to_ycbcr",
    "spectrogram_db",
    "ycbcr_to_rgb",
]
