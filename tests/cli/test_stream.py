"""`wavestack stream`: effects from file to file and through pipes, and how it refuses."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

import wavestack
from wavestack.cli import run
from wavestack.errors import UserError
from wavestack.export.safetensors import save
from wavestack.models import TCN, AudioEffect

RATE = 8000


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def save_model(kind: Any, name: str, **arguments: Any) -> str:
    torch.manual_seed(0)
    config = {"model": {"_target_": f"wavestack.models.{kind.__name__}", **arguments}}
    config["data"] = {"source": {"sample_rate": RATE}}
    save(kind(**arguments), Path(name), config)
    return f"run={name}"


@pytest.fixture
def effect(empty_folder: Path) -> str:
    return save_model(AudioEffect, "amp.safetensors", channels=[5, 3], num_layers=4, head_scale=1.0)


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Stands for standard input and output: give it bytes, and read bytes."""

    def connect(content: bytes, terminal: bool = False) -> io.BytesIO:
        streams = []
        for name, held in (("stdin", content), ("stdout", b"")):
            stream = io.BytesIO(held)
            stream.isatty = lambda: terminal  # type: ignore[method-assign]
            monkeypatch.setattr(sys, name, SimpleNamespace(buffer=stream))
            streams.append(stream)
        return streams[1]

    return connect


def noise(count: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.9, 0.9, count).astype(np.float32)


def offline(samples: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return wavestack.load("amp.safetensors")(torch.from_numpy(samples)[None, None])[
            0, 0
        ].numpy()


@pytest.mark.parametrize("engine", ["compiled", "eager"])
def test_a_file_through_an_effect(effect: str, engine: str, capsys) -> None:
    soundfile.write("in.wav", noise(1000), RATE, subtype="FLOAT")
    run(["stream", effect, "input=in.wav", "out=out.wav", f"engine={engine}"])
    found, rate = soundfile.read("out.wav")
    assert rate == RATE
    np.testing.assert_allclose(found, offline(noise(1000)), atol=2**-15)
    said = capsys.readouterr().out
    assert "out.wav: 0.12 s, through AudioEffect" in said
    assert "real-time factor" in said
    assert f"engine {engine}, latency 0 samples" in said


def test_a_model_that_looks_ahead_gives_the_whole_signal() -> None:
    word = save_model(TCN, "ahead.safetensors", in_channels=1, channels=[4, 1], lookahead=3)
    soundfile.write("in.wav", noise(300), RATE, subtype="FLOAT")
    run(["stream", word, "input=in.wav", "out=out.wav"])
    x = torch.from_numpy(noise(300))[None, None]
    expected = wavestack.load("ahead.safetensors")(x)[0, 0].detach().numpy()
    found, _ = soundfile.read("out.wav")
    np.testing.assert_allclose(found, np.clip(expected, -1, 1), atol=2**-14)


@pytest.mark.parametrize(("pcm", "kind"), [("s16le", "<i2"), ("f32le", "<f4")])
def test_raw_samples_through_a_pipe(effect: str, pcm: str, kind: str, pipe, capsys) -> None:
    samples = noise(331)  # no whole number of blocks
    content = (samples * 2**15).round() if pcm == "s16le" else samples
    out = pipe(content.astype(kind).tobytes())
    run(["stream", effect, "input=-", "out=-", f"pcm={pcm}", "block=50"])
    found = np.frombuffer(out.getvalue(), kind) / (2**15 if pcm == "s16le" else 1)
    np.testing.assert_allclose(found, offline(samples), atol=2**-14)
    said = capsys.readouterr().err
    assert f"input=-: raw PCM, {pcm}, one channel at {RATE} Hz" in said
    assert "standard output: 0.04 s, through AudioEffect" in said


def test_a_pipe_may_hold_nothing(effect: str, pipe) -> None:
    out = pipe(b"")
    run(["stream", effect, "input=-", "out=-"])
    assert out.getvalue() == b""


def test_a_cut_sample_is_told_and_those_before_it_written(effect: str, pipe) -> None:
    out = pipe(b"\0" * 1001)
    with pytest.raises(UserError, match="ended in the middle of a sample; is it really s16le"):
        run(["stream", effect, "input=-", "out=-"])
    assert len(out.getvalue()) == 1000


def test_numbers_that_are_none_are_told(effect: str, pipe) -> None:
    pipe(np.array([0.1, np.nan], "<f4").tobytes())
    with pytest.raises(UserError, match="a sample is not a finite number; is it really f32le"):
        run(["stream", effect, "input=-", "out=x.wav", "pcm=f32le"])
    assert not Path("x.wav").exists()


def test_a_terminal_is_no_pipe(effect: str, pipe) -> None:
    pipe(b"", terminal=True)
    with pytest.raises(UserError, match="standard output is a terminal"):
        run(["stream", effect, "input=-", "out=-"])
    with pytest.raises(UserError, match="standard input is a terminal"):
        run(["stream", effect, "input=-", "out=x.wav"])


def test_knobs_are_numbers(empty_folder: Path) -> None:
    soundfile.write("in.wav", noise(100), RATE)
    arguments = {"channels": [3], "num_layers": 2, "condition_channels": 2}
    words = ["stream", save_model(AudioEffect, "knobs.safetensors", **arguments), "input=in.wav"]
    run([*words, "condition=[0.1,0.9]", "out=a.wav"])
    for word in ("condition=[0.1]", "condition=null", "condition=[a,b]", "condition=[1,nan]"):
        with pytest.raises(UserError, match="takes 2 numbers"):
            run([*words, word])


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("block=0", "block must be >= 1"),
        ("block=9999999999999999999", "block must be <= 2,147,483,647 samples"),
        ("labels=[a]", "labels must be null: this AudioEffect takes none"),
        ("pcm=s24le", "pcm=s24le: must be one of s16le, f32le"),
        ("out=x.mp3", r"out=x\.mp3: must end in \.wav, \.flac or \.ogg, or be -"),
        ("engine=quick", "stream: engine must be auto or one of"),
        ("condition=0.5", "condition=0.5: this AudioEffect takes no numbers"),
    ],
)
def test_what_is_wrong_is_named(effect: str, word: str, expected: str) -> None:
    soundfile.write("in.wav", noise(100), RATE)
    with pytest.raises(UserError, match=expected):
        run(["stream", effect, "input=in.wav", word])
    assert not Path("streamed.wav").exists()


def test_a_model_of_something_else_is_refused() -> None:
    soundfile.write("in.wav", noise(100), RATE)
    for arguments, expected in (
        ({"in_channels": 2, "channels": [1]}, "a TCN does not turn audio into audio"),
        ({"in_channels": 1, "channels": [2]}, "a TCN of several outputs does not give audio"),
    ):
        word = save_model(TCN, "other.safetensors", **arguments)
        with pytest.raises(UserError, match=expected):
            run(["stream", word, "input=in.wav"])


def test_a_reader_that_has_seen_enough_ends_it_in_silence(effect: str) -> None:
    command = [sys.executable, "-m", "wavestack", "stream", effect, "input=-", "out=-"]
    with subprocess.Popen(
        [*command, "engine=eager"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(bytes(2 * 64))
        process.stdin.flush()
        assert len(process.stdout.read(2 * 64)) == 2 * 64  # a block goes out before the next comes
        process.stdout.close()
        process.stdin.write(bytes(2 * 64))
        process.stdin.close()
        said = process.stderr.read().decode()
    assert process.returncode == 0
    assert "Traceback" not in said
