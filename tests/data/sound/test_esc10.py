"""ESC-10: folds, what serves for validation, and folders that are not right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from wavestack.data import ESC10
from wavestack.errors import UserError

NAMES = ("001-dog_bark", "002-rain", "010-fire_crackling")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three classes with, in each fold, a recording of two clips and one of a single clip."""
    rng = np.random.default_rng(0)
    for number, name in enumerate(NAMES):
        (tmp_path / name).mkdir()
        for fold in range(1, 6):
            for clip in ("{}00-A", "{}00-B", "{}50-A"):
                source = clip.format(10 * number + fold)
                path = tmp_path / name / f"{fold}-{source}.ogg"
                soundfile.write(path, 0.1 * rng.standard_normal(8820), 44100)
    return tmp_path


def test_a_fold_is_the_test_split_and_no_source_recording_lies_in_two_splits(folder: Path):
    source = ESC10(folder, fold=2)
    names = {split: [r.name for r in source.split(split)] for split in ("train", "val", "test")}
    assert all(name.startswith("2-") for name in names["test"])
    assert len(names["test"]) == 9
    # Of every class the two clips of one recording of the next fold.
    assert names["val"] == [f"3-{10 * n + 3}00-{take}" for n in range(3) for take in "AB"]
    assert len(names["train"]) == 45 - 9 - 6
    sources = {split: {name.rsplit("-", 1)[0] for name in names[split]} for split in names}
    assert not sources["train"] & sources["val"]
    assert not sources["train"] & sources["test"]


def test_a_whole_fold_can_serve_for_validation(folder: Path):
    source = ESC10(folder, fold=5, val_fold=1)
    assert {r.name[0] for r in source.split("val")} == {"1"}
    assert {r.name[0] for r in source.split("train")} == {"2", "3", "4"}


def test_classes_and_rate(folder: Path):
    source = ESC10(folder, fold=1, sample_rate=16000)
    assert source.label_names == (("dog_bark", "rain", "fire_crackling"),)
    recordings = source.split("test")
    assert [r.labels for r in recordings] == [(k,) for k in range(3) for _ in range(3)]
    assert {len(r) for r in recordings} == {3200}
    assert source.report["resampled"] == 9


def test_mistakes_are_named(folder: Path):
    with pytest.raises(ValueError, match=r"fold must be one of 1, 2, 3, 4, 5, got 6"):
        ESC10(folder, fold=6)
    with pytest.raises(ValueError, match=r"val_fold must not be the test fold, got 3"):
        ESC10(folder, fold=3, val_fold=3)
    with pytest.raises(
        UserError, match=r"data\.root is not set: give the folder that holds ESC-10"
    ):
        ESC10(None)
    with pytest.raises(UserError, match=r"no ESC-10 recordings in it; looked for folders like 001"):
        ESC10(folder / NAMES[0])
    (folder / "003-sea_waves").mkdir()
    with pytest.raises(UserError, match=r"003-sea_waves: this class has no recordings"):
        ESC10(folder)


def test_a_bad_recording_is_named_or_left_out(folder: Path):
    bad = folder / NAMES[1] / "2-1200-A.ogg"
    bad.write_bytes(bad.read_bytes()[:500])
    with pytest.raises(UserError, match=r"2-1200-A\.ogg: truncated"):
        ESC10(folder, fold=2).split("test")
    assert len(ESC10(folder, fold=2, on_bad="skip").split("test")) == 8


def test_the_real_folds_hold_eighty_clips_each(data_root: Path):
    source = ESC10(data_root / "esc10", fold=4)
    assert len(source.label_names[0]) == 10
    sizes = {split: len(source._splits[split]) for split in ("train", "val", "test")}
    assert sizes["test"] == 80
    assert sum(sizes.values()) == 400
    assert 10 <= sizes["val"] <= 60
