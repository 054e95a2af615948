"""Segments: each sample once an epoch, never longer than asked, elsewhere every epoch."""

from __future__ import annotations

import numpy as np
import pytest

from wavestack.data.sound.cuts import EpochCuts


@pytest.mark.parametrize("align", [1, 64])
@pytest.mark.parametrize("segment_samples", [64, 130, 1000, 4096])
@pytest.mark.parametrize("seed", [0, 1])
def test_an_epoch_covers_every_sample_exactly_once(
    align: int, segment_samples: int, seed: int
) -> None:
    lengths = [1, 63, 64, 65, 1000, 1001, 4096, 8192, 20000]
    cuts = EpochCuts(lengths, segment_samples, seed, align=align)
    for epoch in range(3):
        starts, stops = cuts.epoch(epoch)
        assert (starts % align == 0).all()
        assert (stops > starts).all()
        assert (stops - starts <= segment_samples).all()
        for recording, length in enumerate(lengths):
            mine = cuts.owner == recording
            assert starts[mine][0] == 0
            np.testing.assert_array_equal(starts[mine][1:], stops[mine][:-1])
            assert length <= stops[mine][-1] < length + align


def test_borders_move_from_epoch_to_epoch_and_do_not_depend_on_what_was_asked_before() -> None:
    cuts = EpochCuts([100_000], 8000, seed=0)
    first, second = cuts.epoch(0)[0], cuts.epoch(1)[0]
    assert (first[1:] != second[1:]).all()
    np.testing.assert_array_equal(EpochCuts([100_000], 8000, seed=0).epoch(1)[0], second)
    # The borders roam over a good part of a segment.
    borders = np.array([cuts.epoch(e)[0][5] for e in range(50)])
    assert np.ptp(borders) > 500


def test_segments_shorter_than_a_frame_and_empty_recordings_are_refused() -> None:
    with pytest.raises(ValueError, match="segment_samples must be >= 256"):
        EpochCuts([1000], 255, seed=0, align=256)
    with pytest.raises(ValueError, match="no empty one"):
        EpochCuts([1000, 0], 255, seed=0)
