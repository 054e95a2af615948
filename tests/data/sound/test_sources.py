"""Folders and single-speaker sets: splits by file, labels, and plain errors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wavestack.data import AudioFolder, LJSpeech
from wavestack.errors import UserError

Write = Callable[..., Path]
SPLITS = ("train", "val", "test")


def _names(source) -> dict[str, list[str]]:
    return {split: [r.name for r in source.split(split)] for split in SPLITS}


def test_a_folder_is_searched_with_its_sub_folders_and_split_by_file(
    write_sound: Write, tmp_path: Path
) -> None:
    written = [write_sound(f"{'ab'[i % 2]}/{i}.{['wav', 'flac', 'ogg'][i % 3]}") for i in range(20)]
    write_sound(".hidden/x.wav")
    (tmp_path / "notes.txt").write_text("not a sound")
    names = _names(AudioFolder(tmp_path, 8000, val_fraction=0.2, test_fraction=0.1))
    assert [len(names[split]) for split in SPLITS] == [14, 4, 2]
    everything = sorted(names["train"] + names["val"] + names["test"])
    assert everything == sorted(path.relative_to(tmp_path).as_posix() for path in written)
    assert names == _names(AudioFolder(tmp_path, 8000, val_fraction=0.2, test_fraction=0.1))
    other = AudioFolder(tmp_path, 8000, val_fraction=0.2, test_fraction=0.1, split_seed=1)
    assert names != _names(other)


def test_sub_folders_are_classes_when_asked(write_sound: Write, tmp_path: Path) -> None:
    for i in range(6):
        write_sound(f"{('dog', 'cat')[i % 2]}/take/{i}.wav")
    source = AudioFolder(tmp_path, 8000, labels="folder")
    assert source.label_names == (("cat", "dog"),)
    for split in SPLITS:
        for recording in source.split(split):
            assert recording.name.startswith(source.label_names[0][recording.labels[0]])
    assert AudioFolder(tmp_path, 8000).label_names == ()


def test_classes_need_sub_folders(write_sound: Write, tmp_path: Path) -> None:
    for i in range(4):
        write_sound(f"{i}.wav")
    with pytest.raises(UserError, match=r"0\.wav: labels=folder needs every file in a sub-folder"):
        AudioFolder(tmp_path, 8000, labels="folder")


def test_the_smallest_folder_has_one_file_for_each_split(
    write_sound: Write, tmp_path: Path
) -> None:
    for i in range(2):
        write_sound(f"{i}.wav")
    with pytest.raises(UserError, match="2 sound files cannot be split into train, val"):
        AudioFolder(tmp_path, 8000)
    write_sound("2.wav")
    assert [len(names) for names in _names(AudioFolder(tmp_path, 8000)).values()] == [1, 1, 1]


def test_bad_files_follow_the_policy_and_do_not_move_the_others(
    write_sound: Write, tmp_path: Path
) -> None:
    for i in range(10):
        write_sound(f"{i}.wav")
    before = _names(AudioFolder(tmp_path, 8000))
    bad = tmp_path / before["train"][3]
    bad.write_bytes(bad.read_bytes()[:500])
    with pytest.raises(UserError, match=f"{bad.name}: truncated"):
        AudioFolder(tmp_path, 8000).split("train")
    source = AudioFolder(tmp_path, 8000, on_bad="skip")
    after = _names(source)
    before["train"].pop(3)
    assert after == before
    assert source.report["skipped"] == {"truncated": 1}


@pytest.mark.parametrize("source", [AudioFolder, LJSpeech])
def test_a_missing_root_is_a_plain_error(source: type, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^data\.root is not set: give the folder that holds"):
        source(None, 8000)
    with pytest.raises(UserError, match=r"^data\.root=.*nowhere: there is no such folder$"):
        source(tmp_path / "nowhere", 8000)
    with pytest.raises(UserError, match=r"^data\.root=.*: no "):
        source(tmp_path, 8000)


def test_settings_out_of_range_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"val_fraction must be in \[0, 1\), got 1"):
        AudioFolder(tmp_path, 8000, val_fraction=1)
    with pytest.raises(ValueError, match="labels must be one of none, folder, got 'file'"):
        AudioFolder(tmp_path, 8000, labels="file")
    with pytest.raises(ValueError, match=r"num_val must be a count or a share below 1, got 1\.5"):
        LJSpeech(tmp_path, num_val=1.5)


def test_one_speaker_is_split_by_the_order_of_names(write_sound: Write, tmp_path: Path) -> None:
    for i in range(10):
        write_sound(f"wavs/LJ001-{i:04d}.{('wav', 'flac')[i % 2]}")
    names = _names(LJSpeech(tmp_path, 8000, num_val=2, num_test=3))
    assert names["val"] == ["LJ001-0005", "LJ001-0006"]
    assert names["test"] == ["LJ001-0007", "LJ001-0008", "LJ001-0009"]
    assert len(names["train"]) == 5
    assert names == _names(LJSpeech(tmp_path, 8000, num_val=0.2, num_test=0.3))
    with pytest.raises(UserError, match="10 sound files in wavs cannot give 5 for validation"):
        LJSpeech(tmp_path, 8000, num_val=5, num_test=5)


def test_another_split_name_is_refused(write_sound: Write, tmp_path: Path) -> None:
    for i in range(3):
        write_sound(f"{i}.wav")
    with pytest.raises(ValueError, match="split must be one of train, val, test, got 'dev'"):
        AudioFolder(tmp_path, 8000).split("dev")


def test_the_32_clips_of_lj_speech_have_the_split_of_their_source(data_root: Path) -> None:
    source = LJSpeech(data_root / "ljspeech32")
    names = _names(source)
    assert names["test"] == [f"LJ001-{i:04d}" for i in range(29, 33)]
    assert names["val"] == ["LJ001-0027", "LJ001-0028"]
    assert sum(len(r) for split in SPLITS for r in source.split(split)) == 4_889_504
