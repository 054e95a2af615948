"""Batches for a classifier: repeatable, whole, padded without effect."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wavestack.data import ClipData, FeatureMasks, SoundAugmentation, SyntheticAudio
from wavestack.errors import UserError
from wavestack.models import SequenceClassifier
from wavestack.signal import LogMelFrontEnd, WaveformFrontEnd


def clip_data(**settings) -> ClipData:
    source = SyntheticAudio(num_train=7, num_val=2, num_test=5, min_seconds=0.1, max_seconds=0.3)
    front_end = LogMelFrontEnd(8000, n_fft=128, hop_length=40, n_mels=12)
    return ClipData(source, **{"batch_size": 4, "front_end": front_end, **settings})


VARIED = {
    "augmentation": SoundAugmentation(speed=0.1, noise_probability=0.5, gain_db=3.0),
    "masks": FeatureMasks(),
    "mixup": 0.4,
    "stretch": 0.3,
}


def test_batch_k_is_a_pure_function_of_seed_and_k():
    first, second = clip_data(**VARIED).train_batches(3), clip_data(**VARIED).train_batches(3)
    for k in (5, 0, 5):
        for name, value in first[k].items():
            assert torch.equal(value, second[k][name])
    assert not torch.equal(first[0]["target"], clip_data(**VARIED).train_batches(4)[0]["target"])


def test_an_epoch_holds_every_recording_once_with_its_class():
    data = clip_data(batch_size=7)
    batch = data.train_batches(0)[0]
    wanted = sorted((len(r) // 40, r.labels[0]) for r in data.recordings("train"))
    assert sorted(zip(batch["lengths"].tolist(), batch["target"].tolist(), strict=True)) == wanted


def test_mixed_sounds_have_mixed_classes():
    batch = clip_data(mixup=0.4).train_batches(0)[0]
    assert batch["target"].shape == (4, 6)
    torch.testing.assert_close(batch["target"].sum(1), torch.ones(4))


def test_evaluation_shows_every_recording_whole_and_once_whatever_the_batches():
    data = clip_data(eval_batch_samples=4000)
    batches = data.eval_batches("test")
    assert 1 < len(batches) < 5
    recordings = sorted(data.recordings("test"), key=len)
    rows = [(b, row) for b in batches for row in range(len(b["target"]))]
    assert len(rows) == len(recordings)
    for (batch, row), recording in zip(rows, recordings, strict=True):
        alone, lengths = data.features([recording.waveform])
        assert batch["target"][row] == recording.labels[0]
        assert batch["lengths"][row] == lengths[0] == len(recording) // 40
        x = batch["x"][row, :, : lengths[0]]
        torch.testing.assert_close(x, alone[0], rtol=1e-5, atol=1e-5)


def test_nothing_is_varied_in_evaluation():
    plain, varied = clip_data().eval_batches("test"), clip_data(**VARIED).eval_batches("test")
    for batch, other in zip(plain, varied, strict=True):
        assert all(torch.equal(batch[name], other[name]) for name in ("x", "lengths", "target"))


def test_mixed_classes_are_those_of_two_sounds_of_the_batch():
    data = clip_data(batch_size=7)
    plain = data.train_batches(0)[0]["target"]
    mixed = clip_data(batch_size=7, mixup=0.4).train_batches(0)[0]["target"]
    torch.testing.assert_close(mixed.sum(1), torch.ones(7))
    assert (mixed.gather(1, plain[:, None]) > 0).all()
    partners = mixed.scatter(1, plain[:, None], 0.0)
    assert partners.any()
    assert ((partners > 0).sum(1) <= 1).all()


def test_descriptions_are_of_the_recordings_in_order():
    vectors, classes = clip_data().descriptions("val")
    assert vectors.shape == (2, 80)
    assert classes.tolist() == [r.labels[0] for r in clip_data().recordings("val")]
    assert np.isfinite(vectors).all()


def test_a_model_that_does_not_suit_the_data_is_named():
    data = clip_data()
    data.check_model(SequenceClassifier(12, num_classes=6, channels=4, num_layers=1))
    with pytest.raises(UserError, match=r"model\.num_classes is 5, but the data have 6 classes"):
        data.check_model(SequenceClassifier(12, num_classes=5, channels=4, num_layers=1))
    with pytest.raises(UserError, match=r"model\.in_channels is 1, but the data have 12 channels"):
        data.check_model(SequenceClassifier(1, num_classes=6, channels=4, num_layers=1))


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match=r"label must be in \[-1, 1\), got 1"):
        clip_data(label=1)
    with pytest.raises(ValueError, match=r"front_end\.sample_rate must be .*8000 Hz\), got 16000"):
        clip_data(front_end=WaveformFrontEnd(16000))
    with pytest.raises(ValueError, match=r"mixup must be >= 0, got -1"):
        clip_data(mixup=-1)
