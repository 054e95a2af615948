"""`wavestack classify`: names and shares of the classes, and how it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

import wavestack
from wavestack.cli import run
from wavestack.data import ClipData
from wavestack.errors import UserError
from wavestack.inference import adapted
from wavestack.training.run_folder import RunFolder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier after two steps."""
    folder = tmp_path_factory.mktemp("run") / "digits"
    run(["train", "recipe=fsdd_digits", "debug=smoke", f"hydra.run.dir={folder}"])
    return folder


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "x.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.3, 0.3, 3000), 8000)
    return path


def test_the_classes_come_with_their_shares(folder: Path, sound: Path, capsys) -> None:
    capsys.readouterr()
    assert run(["classify", f"run={folder}", f"input={sound}", "top=10"]) == 0
    file, _, line = capsys.readouterr().out.strip().partition(": ")
    assert file == str(sound)
    found = {name: float(share) for name, share, _ in (part.split() for part in line.split(", "))}
    assert list(found.values()) == sorted(found.values(), reverse=True)
    # By hand: the run's own data make the model's input.
    waveform = soundfile.read(sound, dtype="float32")[0]
    data = _data(folder)
    logits = wavestack.load(folder)(*data.features([waveform]))
    shares = dict(zip(data.class_names, logits[0].softmax(0).tolist(), strict=True))
    for name, share in shares.items():
        assert found[name] == pytest.approx(100 * share, abs=0.06)


def test_its_field_is_told_in_the_time_of_its_frames(folder: Path, capsys) -> None:
    capsys.readouterr()
    run(["rf", f"run={folder}"])
    # Two and six frames of the stem, then two convolutions of 5 taps in each of three blocks at
    # half the rate: 120 frames, one every 10 ms.
    assert "120 samples = 1.20 s" in capsys.readouterr().out
    page = (folder / "receptive_field.html").read_text()
    assert "1.20 s" in page
    assert "15.0 ms" not in page


def test_several_files_and_one_class_each(folder: Path, sound: Path, capsys) -> None:
    capsys.readouterr()
    run(["classify", f"run={folder}", f"input=[{sound},{sound}]", "top=1"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0] == lines[1]
    assert "," not in lines[0]


def test_a_folder_is_all_its_files_and_can_be_adapted_to(
    folder: Path, tmp_path: Path, capsys
) -> None:
    rng = np.random.default_rng(1)
    (tmp_path / "in").mkdir()
    for k in range(20):
        soundfile.write(
            tmp_path / "in" / f"{k:02}.wav", rng.uniform(-0.3, 0.3, 2000 + 50 * k), 8000
        )
    lines = {}
    for adapt in ("false", "true"):
        capsys.readouterr()
        run(["classify", f"run={folder}", f"input={tmp_path / 'in'}", "top=10", f"adapt={adapt}"])
        lines[adapt] = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines["true"]] == [
        str(tmp_path / "in" / f"{k:02}.wav") for k in range(20)
    ]
    assert lines["true"] != lines["false"]
    # By hand, all recordings in one batch.
    data, model = _data(folder), wavestack.load(folder)
    sounds = [soundfile.read(line.split(":")[0], dtype="float32")[0] for line in lines["true"]]
    x, lengths = data.features(sounds)
    logits = adapted(model, [{"x": x, "lengths": lengths}])(x, lengths).detach()
    for line, row in zip(lines["true"], logits, strict=True):
        best = line.split(": ")[1].split()
        assert best[0] == data.class_names[int(row.argmax())]
        assert float(best[1]) == pytest.approx(100 * float(row.softmax(0).max()), abs=0.1)
    (tmp_path / "none").mkdir()
    with pytest.raises(UserError, match=r"input=.*none: the folder holds no wav, flac or ogg file"):
        run(["classify", f"run={folder}", f"input={tmp_path / 'none'}"])


def test_an_evaluation_says_whether_it_adapted(folder: Path, capsys) -> None:
    for adapt in (True, False):
        capsys.readouterr()
        run(["evaluate", f"run={folder}", f"adapt={adapt}"])
        assert ("on the test split, adapted to it (" in capsys.readouterr().out) == adapt
        assert json.loads((folder / "evaluation.json").read_text())["adapted"] == adapt
        assert ("adapted to it without labels" in (folder / "report.html").read_text()) == adapt


def test_a_file_of_weights_knows_numbers_alone(folder: Path, sound: Path, capsys) -> None:
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["classes"] == [str(k) for k in range(10)]
    capsys.readouterr()
    run(["classify", f"run={folder / 'model.safetensors'}", f"input={sound}"])
    assert capsys.readouterr().out.count("%") == 3


def test_mistakes_are_named(folder: Path, sound: Path, run_folder: Path) -> None:
    with pytest.raises(UserError, match=r"input=none\.wav: there is no such file"):
        run(["classify", f"run={folder}", "input=none.wav"])
    with pytest.raises(UserError, match="top must be >= 1, got 0"):
        run(["classify", f"run={folder}", f"input={sound}", "top=0"])
    with pytest.raises(UserError, match=r"a WaveNet classifies no recordings"):
        run(["classify", f"run={run_folder}", f"input={sound}"])


def _data(folder: Path) -> ClipData:
    from wavestack.safety import instantiate

    return instantiate(RunFolder(folder).read_config().data, key="data")
