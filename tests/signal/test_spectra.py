"""Log-mel frames and the spectrogram of pictures: where frames lie and what they show."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from wavestack.signal import LogMel, spectrogram_db


@pytest.mark.parametrize("length", [1, 63, 64, 1000, 1024])
def test_one_frame_for_every_whole_hop(length: int) -> None:
    mel = LogMel(8000, n_fft=256, hop_length=64, n_mels=20)
    assert mel(torch.randn(2, length)).shape == (2, 20, length // 64)
    assert torch.equal(mel(torch.ones(2, 1, length)), mel(torch.ones(2, length)))


def test_frames_are_centred_on_multiples_of_the_hop() -> None:
    mel = LogMel(8000, n_fft=256, hop_length=64, n_mels=20)
    x = torch.zeros(1, 4096)
    x[0, 64 * 20] = 1.0
    energy = mel(x)[0].exp().sum(0)
    assert int(energy.argmax()) == 20
    # A window of 256 reaches 127 samples to either side: frames 19..21 hear the click, 22 does not.
    assert (energy > energy.min() * 1.001).nonzero().flatten().tolist() == [19, 20, 21]


def test_a_crop_with_its_margin_has_the_frames_of_the_whole() -> None:
    mel = LogMel(8000, n_fft=256, hop_length=64, n_mels=20)
    x = torch.randn(1, 4096)
    crop = x[:, 10 * 64 - 128 : 29 * 64 + 128]
    torch.testing.assert_close(mel.frames(crop), mel(x)[..., 10:30], rtol=1e-5, atol=1e-5)


def test_silence_is_the_floor_and_nothing_enters_the_state_dict() -> None:
    mel = LogMel(8000, n_fft=256, hop_length=64, n_mels=20)
    assert torch.all(mel(torch.zeros(1, 640)) == math.log(1e-5))
    assert mel.state_dict() == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_fft": 255}, "n_fft must be even"),
        ({"hop_length": 0}, "hop_length must be >= 1, got 0"),
        ({"n_mels": 0}, "n_mels must be >= 1, got 0"),
        ({"f_max": 5000.0}, "f_min and f_max"),
    ],
)
def test_impossible_settings_are_refused(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LogMel(**{"sample_rate": 8000, "n_fft": 256, "hop_length": 64, "n_mels": 20, **change})


def test_the_spectrogram_peaks_at_the_tone() -> None:
    x = np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000)
    freqs, times, db = spectrogram_db(x, 8000)
    assert db.shape == (len(freqs), len(times))
    assert db.max() == 0
    assert db.min() >= -80
    assert abs(freqs[db.mean(1).argmax()] - 1000) < 20
    assert times[0] > 0
    assert times[-1] < 1


@pytest.mark.parametrize("length", [0, 1, 100])
def test_short_and_silent_waveforms_have_a_picture(length: int) -> None:
    _, times, db = spectrogram_db(np.zeros(length), 8000)
    assert len(times) == 1
    assert np.all(db == -80)
