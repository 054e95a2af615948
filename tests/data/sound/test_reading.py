"""Reading sound files: every kind of bad file is named, or skipped and counted, never silent."""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wavestack.data.sound.reading import AudioReader, BadAudioError, read_sound
from wavestack.errors import UserError

Write = Callable[..., Path]


def _cut(path: Path, share: float = 0.5) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def _reason(path: Path, **policy) -> str:
    with pytest.raises(BadAudioError) as caught:
        AudioReader(8000, **policy).read(path)
    return caught.value.reason


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg"])
def test_a_whole_file_is_read_at_full_length(write_sound: Write, name: str) -> None:
    waveform = AudioReader(8000).read(write_sound(name, seconds=0.5))
    assert waveform.shape == (4000,)
    assert waveform.dtype == np.float32
    assert 0.4 < np.abs(waveform).max() < 0.8


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_U8", "FLOAT", "DOUBLE"])
def test_every_sample_format_keeps_full_scale_at_one(tmp_path: Path, subtype: str) -> None:
    ramp = np.linspace(-1, 0.99, 1000)
    soundfile.write(tmp_path / "a.wav", ramp, 8000, subtype=subtype)
    tolerance = 1 / 128 if subtype == "PCM_U8" else 1 / 32768
    np.testing.assert_allclose(AudioReader(8000).read(tmp_path / "a.wav"), ramp, atol=tolerance)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.999])
@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg"])
def test_a_file_that_was_cut_is_noticed(write_sound: Write, name: str, share: float) -> None:
    path = _cut(write_sound(name, seconds=2), share)
    # A decoder may refuse a cut FLAC file by itself, but it never passes.
    assert _reason(path) in ("truncated", "unreadable")


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg"])
@pytest.mark.parametrize("num_bytes", [1, 12, 40])
def test_a_file_that_ends_in_its_header_is_noticed(
    write_sound: Write, name: str, num_bytes: int
) -> None:
    path = write_sound(name)
    path.write_bytes(path.read_bytes()[:num_bytes])
    assert _reason(path) in ("truncated", "unreadable")


def test_a_cut_wav_says_how_much_is_missing(write_sound: Write) -> None:
    path = _cut(write_sound("a.wav", seconds=1))
    with pytest.raises(BadAudioError, match="promises 16000 bytes of sound, 7978 are there"):
        read_sound(path)


def test_a_wav_of_unknown_length_is_not_called_truncated(write_sound: Write) -> None:
    # Programs that write into a pipe put 0xFFFFFFFF for the sizes they cannot know.
    path = write_sound("a.wav", seconds=1)
    content = bytearray(path.read_bytes())
    place = content.index(b"data")
    content[4:8] = content[place + 4 : place + 8] = struct.pack("<I", 0xFFFFFFFF)
    path.write_bytes(content)
    assert AudioReader(8000).read(path).shape == (8000,)


def test_chunks_before_the_sound_are_passed_over(write_sound: Write) -> None:
    path = write_sound("a.wav", seconds=1)
    content = path.read_bytes()
    place = content.index(b"data")
    note = b"note" + struct.pack("<I", 5) + b"hello\0"  # an odd length is followed by a filler
    path.write_bytes(content[:place] + note + content[place:])
    assert AudioReader(8000).read(path).shape == (8000,)
    _cut(path)
    assert _reason(path) == "truncated"


@pytest.mark.parametrize("name", ["a.flac", "a.ogg"])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.7, 0.99])
def test_a_flipped_bit_is_noticed_where_the_format_has_a_checksum(
    write_sound: Write, name: str, share: float
) -> None:
    path = write_sound(name, seconds=2)
    content = bytearray(path.read_bytes())
    content[int(share * len(content))] ^= 1
    path.write_bytes(content)
    # A decoder may stumble over it first.
    assert _reason(path) in ("corrupt", "truncated", "unreadable")


def test_what_was_appended_to_a_complete_ogg_stream_does_not_matter(write_sound: Write) -> None:
    path = write_sound("a.ogg", seconds=1)
    path.write_bytes(path.read_bytes() + b"TAG" + bytes(125))
    assert AudioReader(8000).read(path).shape == (8000,)


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_empty_files_are_noticed(write_sound: Write, name: str) -> None:
    path = write_sound(name)
    path.write_bytes(b"")
    assert _reason(path) == "empty"
    assert _reason(write_sound(name, seconds=0)) == "empty"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_are_noticed(tmp_path: Path, value: float) -> None:
    waveform = np.zeros(1000)
    waveform[123] = value
    soundfile.write(tmp_path / "a.wav", waveform, 8000, subtype="FLOAT")
    with pytest.raises(BadAudioError, match="non-finite: sample 123 is not a finite number"):
        read_sound(tmp_path / "a.wav")


def test_text_and_missing_files_are_unreadable(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("this is no sound at all, although its name says so")
    with pytest.raises(BadAudioError, match=r"^unreadable: Format not recognised$"):
        read_sound(tmp_path / "a.wav")
    with pytest.raises(BadAudioError, match=r"^unreadable: No such file or directory$"):
        read_sound(tmp_path / "missing.wav")


def test_short_files_are_bad_by_the_limit_given(write_sound: Write) -> None:
    path = write_sound("a.wav", seconds=0.04)
    assert _reason(path) == "too short"
    assert AudioReader(8000, min_seconds=0.03).read(path).shape == (320,)


def test_another_rate_is_resampled_or_refused(write_sound: Write) -> None:
    path = write_sound("a.wav", seconds=0.5, rate=16000)
    reader = AudioReader(8000)
    assert reader.read(path).shape == (4000,)
    reader.read_all([path])
    assert reader.report["resampled"] == 1
    assert _reason(path, on_wrong_rate="error") == "wrong rate"


def test_several_channels_are_mixed_or_refused(tmp_path: Path) -> None:
    left, right = np.full(800, 0.5), np.full(800, -0.25)
    path = tmp_path / "a.wav"
    soundfile.write(path, np.stack([left, right], 1), 8000)
    np.testing.assert_array_equal(AudioReader(8000).read(path), 0.125)
    np.testing.assert_array_equal(AudioReader(8000, channels="first").read(path), 0.5)
    assert _reason(path, channels="error") == "several channels"


def test_a_bad_file_is_an_error_that_names_it(write_sound: Write) -> None:
    good, bad = write_sound("good.wav"), _cut(write_sound("bad.wav"))
    with pytest.raises(UserError, match=r"bad\.wav: truncated: its header promises") as caught:
        AudioReader(8000).read_all([good, bad])
    assert "\n" not in str(caught.value)


def test_skipped_files_are_counted_by_reason_and_logged_once(
    write_sound: Write, caplog: pytest.LogCaptureFixture
) -> None:
    paths = [
        write_sound("1.wav"),
        _cut(write_sound("2.wav")),
        _cut(write_sound("3.wav")),
        write_sound("4.wav", seconds=0),
        write_sound("5.wav", rate=16000),
    ]
    reader = AudioReader(8000, on_bad="skip")
    with caplog.at_level(logging.WARNING, logger="wavestack"):
        read = reader.read_all(paths)
    assert [path.name for path, _ in read] == ["1.wav", "5.wav"]
    assert reader.report["files"] == 5
    assert reader.report["read"] == 2
    assert reader.report["resampled"] == 1
    assert reader.report["skipped"] == {"truncated": 2, "empty": 1}
    assert len(reader.report["skipped_files"]) == 3
    (record,) = caplog.records
    assert "left out 3 of 5 sound files: 1 empty, 2 truncated" in record.getMessage()
    reader.read_all(paths)
    assert reader.report["skipped"] == {"truncated": 4, "empty": 2}


@pytest.mark.parametrize(
    "setting", [{"channels": "left"}, {"on_wrong_rate": "skip"}, {"on_bad": "ignore"}]
)
def test_unknown_policies_are_refused(setting: dict) -> None:
    (name,) = setting
    with pytest.raises(ValueError, match=f"{name} must be one of"):
        AudioReader(8000, **setting)
