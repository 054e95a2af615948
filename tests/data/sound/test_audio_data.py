"""AudioData: source, batches and configs put together."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from wavestack.data import AudioData, SyntheticAudio
from wavestack.errors import UserError
from wavestack.safety import instantiate
from wavestack.signal import LogMel

CONF = Path(__file__).parents[3] / "conf" / "data"


def test_batches_and_recordings_come_from_the_source() -> None:
    data = AudioData(SyntheticAudio(num_train=6, num_val=2), batch_size=3, segment_samples=2048)
    assert data.sample_rate == 8000
    assert data.label_names == (("pluck", "a", "e", "i", "o", "u"),)
    assert data.recordings("train") is data.recordings("train")
    batch = data.train_batches(seed=0)[0]
    assert batch["waveform"].shape[0] == 3
    assert torch.equal(batch["waveform"], data.train_batches(seed=0)[0]["waveform"])
    counted = sum(int(b["mask"].sum()) for b in data.eval_batches("val"))
    assert counted == sum(map(len, data.recordings("val")))


def test_mel_frames_come_with_every_batch() -> None:
    mel = LogMel(8000, n_fft=256, hop_length=64, n_mels=20)
    source = SyntheticAudio(num_train=4, num_val=1)
    data = AudioData(source, batch_size=2, segment_samples=2048, context_samples=100, mel=mel)
    for batch in (data.train_batches(seed=0)[0], *data.eval_batches("val")):
        B, T = batch["waveform"].shape
        assert batch["features"].shape == (B, 20, T // 64)
    with pytest.raises(ValueError, match=r"mel.sample_rate must be that of the source \(8000 Hz\)"):
        AudioData(source, 2, 2048, mel=LogMel(16000, 256, 64, 20))


def test_an_empty_split_is_a_plain_error() -> None:
    data = AudioData(SyntheticAudio(num_val=0), batch_size=1, segment_samples=100)
    with pytest.raises(UserError, match="the val split holds no recording"):
        data.eval_batches("val")


@pytest.mark.parametrize("name", ["batch_size", "segment_samples", "eval_batch_samples"])
def test_numbers_below_one_are_refused(name: str) -> None:
    numbers = {"batch_size": 1, "segment_samples": 1, name: 0}
    with pytest.raises(ValueError, match=f"{name} must be >= 1, got 0"):
        AudioData(SyntheticAudio(), **numbers)


def test_the_evaluation_needs_room_for_the_context() -> None:
    with pytest.raises(ValueError, match=r"eval_batch_samples must be > context_samples \(100\)"):
        AudioData(SyntheticAudio(), 1, 100, context_samples=100, eval_batch_samples=100)


def test_long_recordings_are_evaluated_in_bounded_batches() -> None:
    data = AudioData(SyntheticAudio(num_test=3), 1, 100, eval_batch_samples=2000)
    batches = data.eval_batches("test")
    assert all(batch["waveform"].numel() <= 2000 for batch in batches)
    counted = sum(int(batch["mask"].sum()) for batch in batches)
    assert counted == sum(map(len, data.recordings("test")))


def _config(name: str, **values):
    return OmegaConf.merge({"data": OmegaConf.load(CONF / f"{name}.yaml")}, {"data": values})


def test_the_folder_config_trains_from_a_folder(write_sound, tmp_path: Path) -> None:
    for i in range(5):
        write_sound(f"{i}.wav", rate=16000)
    data = instantiate(_config("folder", root=str(tmp_path)).data)
    assert data.train_batches(seed=0)[0]["waveform"].shape == (4, 3200)


def test_the_ljspeech_config_brings_frames(write_sound, tmp_path: Path) -> None:
    for i in range(8):
        write_sound(f"wavs/{i}.flac", rate=22050, seconds=0.5)
    data = instantiate(_config("ljspeech", root=str(tmp_path)).data)
    batch = data.train_batches(seed=0)[0]
    assert batch["features"].shape[:2] == (4, 80)
