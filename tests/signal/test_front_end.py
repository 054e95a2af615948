"""What a classifier is given: no level, no floor, no neighbour."""

from __future__ import annotations

import math

import pytest
import torch

from wavestack.signal import LogMel, LogMelFrontEnd, WaveformFrontEnd


def front_end(**settings) -> LogMelFrontEnd:
    return LogMelFrontEnd(8000, n_fft=128, hop_length=40, n_mels=12, **settings)


def test_a_row_among_longer_ones_is_the_row_alone():
    lengths = torch.tensor([1000, 333, 40, 7])
    waveform = torch.randn(4, 1000) * (torch.arange(1000) < lengths[:, None])
    for make in (
        front_end(),
        front_end(range_db=None, subtract_mean=False),
        WaveformFrontEnd(8000),
    ):
        x, steps = make(waveform, lengths)
        for row, length in enumerate(lengths.tolist()):
            alone, alone_steps = make(waveform[row : row + 1, :length], lengths[row : row + 1])
            assert alone_steps[0] == steps[row]
            inside = x[row, :, : steps[row]]
            torch.testing.assert_close(inside, alone[0, :, : steps[row]], rtol=1e-5, atol=1e-5)
            assert not x[row, :, steps[row] :].any()


def test_frames_do_not_depend_on_the_level():
    waveform, lengths = 0.1 * torch.randn(2, 800), torch.tensor([800, 800])
    quiet, _ = front_end()(0.2 * waveform, lengths)
    torch.testing.assert_close(front_end()(waveform, lengths)[0], quiet, rtol=0, atol=1e-4)
    raw, _ = WaveformFrontEnd(8000)(waveform, lengths)
    torch.testing.assert_close(raw.square().mean(-1), torch.ones(2, 1), rtol=1e-5, atol=0)


def test_the_mean_of_every_band_is_zero_and_the_range_is_bounded():
    lengths = torch.tensor([900, 500])
    waveform = torch.randn(2, 900) * torch.logspace(-4, 0, 900)
    x, frames = front_end(range_db=30.0)(waveform, lengths)
    for row in range(2):
        inside = x[row, :, : frames[row]]
        torch.testing.assert_close(inside.mean(-1), torch.zeros(12), rtol=0, atol=1e-5)
    # Without the means the floor lies exactly 30 dB below the loudest point.
    x, frames = front_end(range_db=30.0, subtract_mean=False)(waveform, lengths)
    inside = x[0, :, : frames[0]]
    assert float(inside.max() - inside.min()) == pytest.approx(30 * math.log(10) / 20, abs=1e-4)
    plain = LogMel(8000, 128, 40, 12)(waveform[:1])[0]
    loud = plain > plain.max() - 3
    shift = (plain - inside)[loud]
    torch.testing.assert_close(shift, shift.mean().expand_as(shift), rtol=0, atol=1e-4)


def test_silence_stays_finite():
    for make in (front_end(), WaveformFrontEnd(8000)):
        x, _ = make(torch.zeros(1, 400), torch.tensor([400]))
        assert torch.equal(x, torch.zeros_like(x))


def test_a_range_without_extent_is_refused():
    with pytest.raises(ValueError, match=r"range_db must be > 0 or null, got 0"):
        front_end(range_db=0)
