"""Training and evaluation batches: what the rows hold and what the loss counts."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from wavestack.data import CropBatches, Recording, rank_rows, whole_recordings
from wavestack.signal import LogMel

LENGTHS = [700, 1000, 333, 5000, 1200, 90]


def _counted(batches: list[dict]) -> list[list[int]]:
    """For each recording of `make_recordings` the sample times that the loss counts."""
    seen: list[list[int]] = [[] for _ in LENGTHS]
    for batch in batches:
        for row, mask in zip(batch["waveform"], batch["mask"], strict=True):
            values = row[mask].double()
            # A sample is i + t / 10,000, and t stays below 10,000.
            recording = int(values[0] + 1e-6)
            seen[recording] += ((values - recording) * 10_000).round().int().tolist()
    return seen


@pytest.mark.parametrize("context_samples", [0, 255])
def test_an_epoch_counts_every_sample_once(make_recordings, context_samples: int) -> None:
    data = CropBatches(
        make_recordings(LENGTHS),
        batch_size=1,
        segment_samples=800,
        seed=0,
        context_samples=context_samples,
    )
    num_batches = int(data.batches_per_epoch)
    for epoch in range(2):
        batches = [data[epoch * num_batches + k] for k in range(num_batches)]
        for times, length in zip(_counted(batches), LENGTHS, strict=True):
            assert sorted(times) == list(range(length))


def test_context_is_the_audio_before_and_is_not_counted(make_recordings) -> None:
    data = CropBatches(
        make_recordings([5000]), batch_size=1, segment_samples=800, seed=0, context_samples=300
    )
    for k in range(10):
        batch = data[k]
        times = (batch["waveform"][0] * 10_000).round().int()
        assert (times.diff() == 1).all()
        uncounted = int((~batch["mask"][0]).sum())
        assert uncounted == (0 if times[0] == 0 else 300)
        assert not batch["mask"][0, :uncounted].any()


def test_rows_are_padded_at_the_end_with_silence_that_is_not_counted(make_recordings) -> None:
    data = CropBatches(make_recordings(LENGTHS), batch_size=6, segment_samples=8000, seed=0)
    batch = data[0]
    assert batch["waveform"].shape == batch["mask"].shape == (6, max(LENGTHS))
    assert sorted(batch["mask"].sum(1).tolist()) == sorted(LENGTHS)
    assert not batch["waveform"][~batch["mask"]].any()
    assert batch["waveform"].dtype == torch.float32
    assert "labels" not in batch
    assert "features" not in batch


def test_labels_follow_their_recordings(make_recordings) -> None:
    data = CropBatches(make_recordings(LENGTHS, True), batch_size=4, segment_samples=500, seed=0)
    for k in range(5):
        batch = data[k]
        owners = batch["waveform"][:, 0].int()
        assert torch.equal(batch["labels"], torch.stack([owners, owners % 2], 1).long())


@pytest.mark.parametrize("num_workers", [0, 2])
def test_workers_and_restarts_change_nothing(make_recordings, num_workers: int) -> None:
    def batches() -> CropBatches:
        return CropBatches(
            make_recordings(LENGTHS, True), batch_size=4, segment_samples=500, seed=7
        )

    expected = [batches()[k] for k in range(12)]
    with warnings.catch_warnings():
        # Python 3.12 warns of any fork in a process with threads.
        warnings.simplefilter("ignore", DeprecationWarning)
        for first in (0, 5):
            loader = DataLoader(
                batches(), sampler=range(first, 12), batch_size=None, num_workers=num_workers
            )
            loaded = list(loader)
            assert len(loaded) == 12 - first
            for got, wanted in zip(loaded, expected[first:], strict=True):
                assert got.keys() == wanted.keys()
                assert all(torch.equal(got[name], wanted[name]) for name in wanted)


def test_seeds_differ(make_recordings) -> None:
    first, second = (
        CropBatches(make_recordings(LENGTHS), batch_size=4, segment_samples=500, seed=seed)[0]
        for seed in (0, 1)
    )
    assert first["waveform"].shape != second["waveform"].shape or not torch.equal(
        first["waveform"], second["waveform"]
    )


def test_the_rows_of_all_ranks_are_the_batch(make_recordings) -> None:
    data = CropBatches(make_recordings(LENGTHS, True), batch_size=4, segment_samples=500, seed=0)
    batch = data[3]
    parts = [rank_rows(batch, rank, 2) for rank in range(2)]
    for name, value in batch.items():
        assert torch.equal(torch.cat([part[name] for part in parts]), value)
    with pytest.raises(ValueError, match="multiple of the 3 processes, got 4"):
        rank_rows(batch, 0, 3)
    with pytest.raises(ValueError, match=r"rank must be in \[0, 2\), got 2"):
        rank_rows(batch, 2, 2)


def test_features_of_a_crop_are_those_of_the_whole_recording() -> None:
    rng = np.random.default_rng(0)
    waveform = rng.standard_normal(3000).astype(np.float32)
    mel = LogMel(8000, n_fft=256, hop_length=64, n_mels=20)
    data = CropBatches(
        [Recording("noise", waveform)],
        batch_size=2,
        segment_samples=512,
        seed=0,
        feature=mel,
        context_samples=100,
    )
    padded = np.pad(waveform, (0, 3008 - 3000))
    whole = mel(torch.from_numpy(padded)[None])[0]
    for k in range(8):
        batch = data[k]
        B, T = batch["waveform"].shape
        assert T % 64 == 0
        assert batch["features"].shape == (B, 20, T // 64)
        for row, mask, features in zip(
            batch["waveform"], batch["mask"], batch["features"], strict=True
        ):
            # Where in the recording the row begins is found by its samples.
            begin = int(np.flatnonzero(waveform == row[0].item())[0])
            assert begin % 64 == 0
            num_frames = -(-int(mask.nonzero().max() + 1) // 64)
            # Fourier transforms of equal frames in batches of other shapes differ by rounding.
            torch.testing.assert_close(
                features[:, :num_frames],
                whole[:, begin // 64 : begin // 64 + num_frames],
                rtol=1e-4,
                atol=1e-4,
            )
            end = min(begin + T, 3000)
            expected = np.zeros(T, np.float32)
            expected[: end - begin] = waveform[begin:end]
            expected[num_frames * 64 :] = 0
            np.testing.assert_array_equal(row.numpy(), expected)


def test_whole_recordings_show_each_once_and_keep_the_bound(make_recordings) -> None:
    recordings = make_recordings(LENGTHS, True)
    batches = whole_recordings(recordings, max_batch_samples=2500)
    for times, length in zip(_counted(batches), LENGTHS, strict=True):
        assert times == list(range(length))
    for batch in batches:
        B, T = batch["waveform"].shape
        assert B == 1 or B * T <= 2500
    assert len(batches) < len(recordings)
    assert whole_recordings([], max_batch_samples=2500) == []


@pytest.mark.parametrize("context_samples", [0, 255])
def test_recordings_too_long_for_a_batch_come_in_pieces_that_count_once(
    make_recordings, context_samples: int
) -> None:
    recordings = make_recordings(LENGTHS)
    batches = whole_recordings(recordings, max_batch_samples=1000, context_samples=context_samples)
    assert all(batch["waveform"].numel() <= 1000 for batch in batches)
    for times, length in zip(_counted(batches), LENGTHS, strict=True):
        assert times == list(range(length))
    for batch in batches:
        for row, mask in zip(batch["waveform"], batch["mask"], strict=True):
            recording = int(row[0])
            start = round((float(row[mask][0]) - recording) * 10_000)
            assert int((~mask).int().cummin(0).values.sum()) == min(start, context_samples)
    with pytest.raises(ValueError, match=r"max_batch_samples must be > context_samples \(2000\)"):
        whole_recordings(recordings, max_batch_samples=2000, context_samples=2000)


def test_whole_recordings_with_features_are_padded_to_whole_hops() -> None:
    mel = LogMel(8000, n_fft=256, hop_length=64, n_mels=20)
    recording = Recording("noise", np.random.default_rng(0).random(1000).astype(np.float32))
    (batch,) = whole_recordings([recording], max_batch_samples=1, feature=mel)
    assert batch["waveform"].shape == (1, 1024)
    assert batch["mask"].sum() == 1000
    assert batch["features"].shape == (1, 20, 16)


def test_no_recordings_and_negative_context_are_refused(make_recordings) -> None:
    with pytest.raises(ValueError, match="at least one recording"):
        CropBatches([], batch_size=1, segment_samples=100, seed=0)
    with pytest.raises(ValueError, match="context_samples must be >= 0, got -1"):
        CropBatches(
            make_recordings([10]), batch_size=1, segment_samples=5, seed=0, context_samples=-1
        )
