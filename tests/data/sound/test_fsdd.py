"""FSDD: layouts, the official split, verification by content, and fetching the archive."""

from __future__ import annotations

import hashlib
import io
import struct
import tarfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wavestack.data import FSDD
from wavestack.data.sound import fsdd
from wavestack.data.sound.completeness import pcm_md5
from wavestack.errors import UserError

NAMES = [f"{d}_{s}_{t}" for d in fsdd.DIGITS for s in fsdd.SPEAKERS for t in range(50)]


def _samples(name: str) -> np.ndarray:
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    return np.random.default_rng(seed).integers(-9999, 9999, 420, dtype=np.int16)


@pytest.fixture(scope="module")
def imitation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 3,000 short files of noise under FSDD's names."""
    root = tmp_path_factory.mktemp("fsdd")
    (root / "recordings").mkdir()
    for name in NAMES:
        _write_wav(root / "recordings" / f"{name}.wav", _samples(name))
    return root


def _write_wav(path: Path, samples: np.ndarray) -> None:
    # By hand: thirty times as fast as a general writer.
    content = samples.astype("<i2").tobytes()
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16)
    data = struct.pack("<4sI", b"data", len(content)) + content
    path.write_bytes(struct.pack("<4sI4s", b"RIFF", 4 + len(form + data), b"WAVE") + form + data)


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the imitation's content the published one."""
    lines = defaultdict(list)
    for name in NAMES:
        lines[int(name.split("_")[2])].append(f"{name} {pcm_md5(_samples(name))}\n")
    digests = {
        take: hashlib.sha256("".join(sorted(texts)).encode()).hexdigest()
        for take, texts in lines.items()
    }
    monkeypatch.setattr(fsdd, "_published_digests", lambda: digests)


@pytest.mark.usefixtures("published")
def test_the_split_is_the_official_one_and_labels_are_speaker_and_digit(imitation: Path) -> None:
    source = FSDD(imitation)
    takes = {}
    for split in ("train", "val", "test"):
        recordings = source.split(split)
        takes[split] = {int(r.name.split("_")[2]) for r in recordings}
        assert len(recordings) == 60 * len(takes[split])
        for r in recordings:
            digit, speaker, _ = r.name.split("_")
            assert source.label_names[0][r.labels[0]] == speaker
            assert source.label_names[1][r.labels[1]] == digit
    assert takes["test"] == set(range(5))
    assert takes["val"] == set(range(5, 10))
    assert takes["train"] == set(range(10, 50))
    assert len(FSDD(imitation, val_takes=()).split("train")) == 2700


@pytest.mark.usefixtures("published")
def test_a_speaker_held_out_is_the_test_split_and_nowhere_else(imitation: Path) -> None:
    source = FSDD(imitation, holdout="theo", val_speaker="lucas")
    names = {split: [r.name for r in source.split(split)] for split in ("train", "val", "test")}
    assert names["test"] == sorted(name for name in NAMES if "_theo_" in name)
    assert {name.split("_")[1] for name in names["val"]} == {"lucas"}
    assert {name.split("_")[1] for name in names["train"]} == set(fsdd.SPEAKERS) - {"theo", "lucas"}
    # The official test takes of the other speakers stay unseen.
    takes = {int(name.split("_")[2]) for name in names["train"] + names["val"]}
    assert takes == set(range(5, 50))

    by_take = FSDD(imitation, holdout="theo", val_takes=[5, 6]).split("val")
    assert {r.name.split("_")[2] for r in by_take} == {"5", "6"}
    assert len(by_take) == 5 * 10 * 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"holdout": "bob"}, "holdout must be one of george, .*, got 'bob'"),
        ({"val_speaker": "7"}, "val_speaker must be one of george, .*, got '7'"),
        (
            {"holdout": "theo", "val_speaker": "theo"},
            "val_speaker must not be the holdout, got 'theo'",
        ),
    ],
)
def test_unknown_speakers_are_refused(
    imitation: Path, settings: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        FSDD(imitation, **settings)


def test_flac_in_train_and_test_folders_is_the_same_data(imitation: Path, tmp_path: Path) -> None:
    for folder, take in (("test", 0), ("train", 5)):
        (tmp_path / folder).mkdir()
        for name in (name for name in NAMES if name.endswith(f"_{take}")):
            soundfile.write(tmp_path / folder / f"{name}.flac", _samples(name), 8000)
    wavs, flacs = FSDD(imitation, verify=False), FSDD(tmp_path, verify=False)
    for split in ("val", "test"):
        waveforms = {recording.name: recording.waveform for recording in wavs.split(split)}
        assert len(flacs.split(split)) == 60
        for recording in flacs.split(split):
            np.testing.assert_array_equal(recording.waveform, waveforms[recording.name])


def test_other_content_is_refused_unless_verification_is_off(imitation: Path) -> None:
    with pytest.raises(UserError, match=r"recordings of take 0 .* are not the published ones"):
        FSDD(imitation).split("test")
    assert len(FSDD(imitation, verify=False).split("test")) == 300


@pytest.mark.usefixtures("published")
def test_a_missing_recording_is_noticed(imitation: Path, tmp_path: Path) -> None:
    (tmp_path / "recordings").mkdir()
    for path in (imitation / "recordings").iterdir():
        if path.name != "3_theo_17.wav":
            (tmp_path / "recordings" / path.name).symlink_to(path)
    with pytest.raises(UserError, match="2999 FSDD recordings, there should be 3000"):
        FSDD(tmp_path)
    assert len(FSDD(tmp_path, verify=False).split("train")) == 2399


def test_missing_data_is_a_plain_error(tmp_path: Path) -> None:
    message = r"^data\.root is not set: give the folder that holds FSDD, e\.g\. data\.root="
    with pytest.raises(UserError, match=message):
        FSDD(None)
    with pytest.raises(UserError, match="no FSDD recordings in it; looked for recordings/"):
        FSDD(tmp_path)
    with pytest.raises(ValueError, match=r"val_takes must lie in 5\.\.49, got 4"):
        FSDD(tmp_path, val_takes=[4, 5])


def _archive(path: Path, root: Path, extra: dict[str, bytes] | None = None) -> str:
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        archive.add(root / "recordings", "free-spoken-digit-dataset-26eb9aa/recordings")
        for name, content in (extra or {}).items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path.as_uri()


@pytest.mark.usefixtures("published")
def test_the_archive_is_fetched_verified_and_kept(
    imitation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = {"../../escaped.wav": b"x", "repo/README.md": b"x"}
    url = _archive(tmp_path / "archive.tar.gz", imitation, extra)
    monkeypatch.setattr(fsdd, "ARCHIVE_URL", url)
    root = tmp_path / "deep" / "fsdd"
    assert len(FSDD(root, download=True).split("test")) == 300
    assert [path.name for path in root.iterdir()] == ["recordings"]
    assert len(list((root / "recordings").iterdir())) == 3000
    assert not list(tmp_path.rglob("escaped*"))
    (tmp_path / "archive.tar.gz").unlink()  # the second time nothing is fetched
    assert len(FSDD(root, download=True).split("test")) == 300


@pytest.mark.parametrize("damage", ["cut", "absent", "other content"])
def test_a_bad_download_leaves_nothing_behind(
    imitation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    path = tmp_path / "archive.tar.gz"
    monkeypatch.setattr(fsdd, "ARCHIVE_URL", _archive(path, imitation))
    message = "could not fetch file://"
    if damage == "cut":
        # Where the cut falls on the border of two members, the rest is missing rather than broken.
        message += "|there should be 3000"
        path.write_bytes(path.read_bytes()[:100_000])
    elif damage == "absent":
        path.unlink()
    else:
        message = "not the published ones"
    root = tmp_path / "fsdd"
    with pytest.raises(UserError, match=message):
        FSDD(root, download=True)
    assert not list(root.iterdir())


def test_the_real_recordings_are_the_published_ones(data_root: Path) -> None:
    source = FSDD(data_root / "fsdd")
    lengths = {s: sum(map(len, source.split(s))) for s in ("train", "val", "test")}
    assert lengths["test"] == 1_034_030
    assert sum(lengths.values()) == 10_498_424


@pytest.mark.usefixtures("published")
def test_a_skipped_recording_leaves_the_other_takes_verified(
    imitation: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    for path in (imitation / "recordings").iterdir():
        (folder / path.name).symlink_to(path)
    cut = folder / "7_lucas_2.wav"
    content = cut.read_bytes()
    cut.unlink()
    cut.write_bytes(content[:300])
    with pytest.raises(UserError, match=r"7_lucas_2\.wav: truncated"):
        FSDD(tmp_path).split("test")
    source = FSDD(tmp_path, on_bad="skip")
    assert len(source.split("test")) == 299
    assert source.report["skipped"] == {"truncated": 1}
    changed = folder / "7_lucas_3.wav"
    changed.unlink()
    changed.write_bytes((imitation / "recordings" / "7_lucas_4.wav").read_bytes())
    with pytest.raises(UserError, match="recordings of take 3 "):
        source.split("test")


def test_another_sample_rate_is_made_by_resampling(imitation: Path) -> None:
    source = FSDD(imitation, sample_rate=16000, verify=False)
    assert source.sample_rate == 16000
    assert {len(recording) for recording in source.split("test")} == {840}
