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
        front_end(mean_range_db=6.0, trim_db=9.0),
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
    for make in (front_end(), front_end(trim_db=30.0, mean_range_db=30.0), WaveformFrontEnd(8000)):
        x, _ = make(torch.zeros(1, 400), torch.tensor([400]))
        assert torch.equal(x, torch.zeros_like(x))


def test_longer_silence_around_a_sound_changes_nothing_where_it_is_trimmed():
    sound = torch.nn.functional.pad(torch.randn(1, 800), (400, 400))
    make = front_end(mean_range_db=25.0, trim_db=35.0)
    x, frames = make(sound, torch.tensor([1600]))
    longer, more = make(torch.nn.functional.pad(sound, (800, 1200)), torch.tensor([3600]))
    assert 20 < int(frames) < 28  # of 40; a window sees more than one frame's samples
    assert torch.equal(more, frames)
    torch.testing.assert_close(longer, x, rtol=0, atol=1e-5)


def test_a_pause_does_not_move_the_mean():
    sound = torch.randn(1, 800)
    pause = 1e-3 * torch.randn(1, 1200)
    both = torch.cat([sound, pause], -1)
    alone, _ = front_end()(sound, torch.tensor([800]))

    def moved(**settings: float) -> float:
        x, _ = front_end(**settings)(both, torch.tensor([2000]))
        return float((x[..., 2:16] - alone[..., 2:16]).abs().mean())

    assert moved(mean_range_db=25.0) < 0.2 < 1.0 < moved()


def test_frames_are_trimmed_at_the_first_and_last_loud_one():
    waveform = torch.zeros(2, 1600)
    waveform[0, 400:1200] = waveform[1, 800:840] = torch.randn(1)
    make = front_end(trim_db=30.0, range_db=None, subtract_mean=False)
    whole, _ = front_end(range_db=None, subtract_mean=False)(waveform, torch.tensor([1600, 1600]))
    x, frames = make(waveform, torch.tensor([1600, 1600]))
    for row in range(2):
        loudness = whole[row].amax(0)
        loud = (loudness >= loudness.max() - 30 * math.log(10) / 20).nonzero()[:, 0]
        first, last = int(loud[0]) - 1, int(loud[-1]) + 1
        assert int(frames[row]) == last + 1 - first
        kept = x[row, :, : frames[row]]
        shift = whole[row, :, first : last + 1] - kept
        torch.testing.assert_close(shift, shift.mean().expand_as(shift), rtol=0, atol=1e-4)


def test_a_trimmed_waveform_has_the_frames_that_trimming_keeps():
    waveform = torch.nn.functional.pad(torch.randn(800), (480, 720))
    make = front_end(trim_db=30.0)
    short = make.trimmed(waveform)
    assert 800 <= len(short) < 1200
    x, frames = make(waveform[None], torch.tensor([2000]))
    again, same = make(short[None], torch.tensor([len(short)]))
    assert torch.equal(frames, same)
    torch.testing.assert_close(again[..., 2:-2], x[..., 2:-2], rtol=0, atol=1e-4)
    for unlimited in (front_end(), WaveformFrontEnd(8000)):
        assert unlimited.trimmed(waveform) is waveform


@pytest.mark.parametrize("name", ["range_db", "mean_range_db", "trim_db"])
def test_a_range_without_extent_is_refused(name):
    with pytest.raises(ValueError, match=rf"^{name} must be > 0 or null, got 0"):
        front_end(**{name: 0})
