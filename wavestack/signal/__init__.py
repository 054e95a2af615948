"""What data, models and metrics all need to know about sampled sound: codes, rates and spectra."""

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
    "mu_law_decode",
    "mu_law_edges",
    "mu_law_encode",
    "pre_emphasis",
    "resample",
    "spectrogram_db",
]
