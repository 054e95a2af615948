"""The commands that work on a run: what they write and print, and how they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import wavestack
from wavestack.cli import run
from wavestack.commands.recipes import read_summary
from wavestack.config import recipe_folder
from wavestack.errors import UserError
from wavestack.export.safetensors import read
from wavestack.files import verify_hash


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Commands write into an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_noise(path: Path, seconds: float = 0.3, sample_rate: int = 8000) -> Path:
    rng = np.random.default_rng(0)
    soundfile.write(path, 0.1 * rng.standard_normal(int(seconds * sample_rate)), sample_rate)
    return path


def test_generate_writes_audio_and_a_picture(run_folder: Path, tmp_path: Path, capsys) -> None:
    assert run(["generate", f"run={run_folder}", "seconds=0.05", "out=new/x.wav"]) == 0
    waveform, sample_rate = soundfile.read(tmp_path / "new" / "x.wav")
    assert sample_rate == 8000
    assert waveform.shape == (400,)
    assert np.abs(waveform).max() > 0
    assert (tmp_path / "new" / "x.png").read_bytes().startswith(b"\x89PNG")
    assert "0.05 s at 8000 Hz" in capsys.readouterr().out


def test_generate_is_a_function_of_seed_and_row(run_folder: Path, capsys) -> None:
    words = ["generate", f"run={run_folder}", "seconds=0.02", "picture=false", "labels=[e]"]
    run([*words, "out=a.wav", "seed=3"])
    run([*words, "out=b.flac", "seed=3", "batch_size=2"])
    run([*words, "out=c.wav", "seed=4"])
    a, b, c = (soundfile.read(name)[0] for name in ("a.wav", "b_0.flac", "c.wav"))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)
    assert not np.array_equal(b, soundfile.read("b_1.flac")[0])
    assert "Hz, e" in capsys.readouterr().out


def test_generate_continues_a_primer(run_folder: Path) -> None:
    write_noise(Path("primer.wav"), sample_rate=16000)  # of another rate
    run(["generate", f"run={run_folder}", "seconds=0.02", "primer=primer.wav", "picture=false"])
    assert len(soundfile.read("generated.wav")[0]) == 160


def test_generate_speaks_the_frames_of_a_file(vocoder_folder: Path) -> None:
    write_noise(Path("speech.wav"), seconds=0.05, sample_rate=22050)
    words = ["generate", f"run={vocoder_folder}", "picture=false"]
    run([*words, "mel_from=speech.wav"])
    assert len(soundfile.read("generated.wav")[0]) == int(0.05 * 22050) // 256 * 256
    with pytest.raises(UserError, match="mel_from must be given"):
        run(words)
    with pytest.raises(UserError, match="mel_from has frames for"):
        run([*words, "mel_from=speech.wav", "seconds=9"])


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("labels=[b]", r"b is none of pluck, a, e, i, o, u"),
        ("labels=[6]", r"6 is none of"),
        ("labels=[true]", r"True is none of"),
        ("labels={a:1}", r"must be a list of names or numbers"),
        ("labels=[a,b]", r"labels=\[a,b\]: this model takes 1 label"),
        ("temperature=-1", r"temperature must be >= 0"),
        ("temperature=inf", r"temperature must be >= 0 and finite, got inf"),
        ("seed=-1", r"seed must be in \[0, 2\^64\), got -1"),
        ("engine=warp", r"engine must be auto or one of"),
        ("threads=3", r"threads must be 1 or 2, got 3"),
        ("precision=half", r"precision must be one of"),
        ("primer=nowhere.wav", r"primer=nowhere\.wav: there is no such file"),
        ("mel_from=nowhere.wav", r"mel_from=nowhere\.wav: this model does not listen"),
        ("out=x.mp3", r"out=x\.mp3: must end in"),
        ("batch_size=0", r"batch_size must be >= 1"),
        ("seconds=0", r"seconds must be > 0"),
        ("seconds=inf", r"seconds must be > 0 and finite, got inf"),
    ],
)
def test_generate_names_what_is_wrong(run_folder: Path, word: str, expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        run(["generate", f"run={run_folder}", "seconds=0.01", word])
    assert not list(Path().iterdir())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_missing_gpu_is_a_plain_line(run_folder: Path) -> None:
    with pytest.raises(UserError, match="device=cuda: torch sees no CUDA device"):
        run(["generate", f"run={run_folder}", "device=cuda"])


def test_stream_says_the_same_at_every_block_length(run_folder: Path, capsys) -> None:
    write_noise(Path("in.wav"))
    words = ["stream", f"run={run_folder}", "input=in.wav", "labels=[a]"]
    for block in (1, 64, 1000):
        run([*words, f"block={block}", f"out={block}.wav"])
    figures = [x for x in capsys.readouterr().out.splitlines() if "bits per sample" in x]
    assert len(figures) == 3
    assert len(set(figures)) == 1
    outputs = [soundfile.read(f"{block}.wav")[0] for block in (1, 64, 1000)]
    assert len(outputs[0]) == 2400
    # A tie between two codes may fall either way: all but very few samples are the same.
    assert np.mean(outputs[0] != outputs[1]) < 0.01
    assert np.mean(outputs[0] != outputs[2]) < 0.01
    with pytest.raises(UserError, match="labels must be given"):
        run(words[:-1])


def test_export_writes_a_file_that_loads_anywhere(run_folder: Path, capsys) -> None:
    assert run(["export", f"run={run_folder}", "out=sub/w.safetensors"]) == 0
    path = Path("sub/w.safetensors")
    assert verify_hash(path) in capsys.readouterr().out
    torch.testing.assert_close(
        wavestack.load(path).state_dict(), wavestack.load(run_folder).state_dict()
    )
    assert read(path)[1]["model"]["num_layers"] == 3
    run(["generate", f"run={path}", "seconds=0.01", "picture=false", "labels=[u]"])


def test_export_writes_programs_and_says_how_far_they_are_from_the_model(
    run_folder: Path, capsys
) -> None:
    assert run(["export", f"run={run_folder}", "format=pt2", "out=sub/m.pt2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    files = ["sub/m.pt2", "sub/m.condition.pt2", "sub/m.step.pt2"]
    assert [line.split(":")[0] for line in lines] == files
    for file, line in zip(files, lines, strict=True):
        assert verify_hash(Path(file)) in line
        assert float(line.split("within ")[1].split()[0]) < 1e-6


def test_recipes_in_a_pipe_has_one_full_name_first_on_a_line(capsys) -> None:
    run(["recipes"])
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names == sorted(file.stem for file in recipe_folder().glob("*.yaml"))
    run(["recipes", "match=VOCODER"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["ljspeech_vocoder"]


def test_recipes_on_a_terminal_cuts_no_name(capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    run(["recipes"])
    text = capsys.readouterr().out
    for file in recipe_folder().glob("*.yaml"):
        assert file.stem in text


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("# @package _global_\n# One. Two.\nseed: 1\n", "One"),
        ("# @package _global_\n# A sentence over\n# two lines.\n#   command\n", ""),
        ("seed: 1\n# Not this.\n", ""),
        ("# Version 1.5 of it\n\nseed: 1\n", "Version 1.5 of it"),
    ],
)
def test_summary_is_the_first_sentence(text: str, summary: str) -> None:
    assert read_summary(text) == (summary or read_summary(text))
    assert "\n" not in read_summary(text)
    if summary:
        assert read_summary(text) == summary


def test_doctor_says_what_works_and_why_not(tmp_path: Path, capsys) -> None:
    write_noise(tmp_path / "a.wav")
    run(["doctor", f"data.root={tmp_path}"])
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["torch"].startswith(torch.__version__.split("+")[0])
    for name in ("python", "torchaudio", "lightning", "hydra-core", "soundfile", "numba", "cpu"):
        assert name in lines
    assert "1 .wav" in lines["data.root"]
    if not torch.cuda.is_available():
        assert lines["cuda"].startswith("no: ")
    run(["doctor", "data.root=/no/such/folder"])
    assert "there is no such folder" in capsys.readouterr().out


def test_evaluate_prints_the_baselines_and_keeps_the_figures(run_folder: Path, capsys) -> None:
    assert run(["evaluate", f"run={run_folder}", "split=val"]) == 0
    assert "RLS-16" in capsys.readouterr().out
    figures = json.loads((run_folder / "evaluation.json").read_text())
    assert figures["split"] == "val"
