"""Training, evaluating and generating what is no audio."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wavestack.cli import run
from wavestack.config import read_run_config
from wavestack.errors import UserError

SMALL = ["model.channels=8", "model.num_layers=2", "debug=smoke"]


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a model of characters on a text of our own."""
    folder = tmp_path_factory.mktemp("text")
    (folder / "words.txt").write_text("to be or not to be, that is the question\n" * 50)
    words = [f"data.root={folder / 'words.txt'}", f"hydra.run.dir={folder / 'run'}"]
    assert run(["train", "recipe=char_lm", "model.in_channels=4", *SMALL, *words]) == 0
    return folder


def test_a_run_keeps_its_alphabet_and_its_samples(text: Path) -> None:
    assert set(read_run_config(text / "run").data.alphabet) == set(
        "to be or not to be, that is the question\n"
    )
    (sample,) = (text / "run" / "samples").glob("*_0.txt")
    assert "|" in sample.read_text()
    page = (text / "run" / "report.html").read_text()
    assert sample.stem in page
    assert "Bits/character" in page
    assert "spectrogram" not in page


def test_evaluation_prints_its_yardsticks(text: Path, capsys) -> None:
    run(["evaluate", f"run={text / 'run'}"])
    out = capsys.readouterr().out
    assert "bits/character on the test split (1 text, " in out
    for name in ("this model", "zero-order entropy", "first-order Markov", "xz", "bzip2"):
        assert name in out
    other = text / "other.txt"
    other.write_text("to be? " * 200)
    with pytest.raises(UserError, match=r"other\.txt, line 1: the character '\?' \(U\+003F\)"):
        run(["evaluate", f"run={text / 'run'}", f"data.root={other}"])


def test_generate_writes_text(text: Path, capsys, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["generate", f"run={text / 'run'}", "primer=to be", "characters=30"]
    run([*words, "out=new.txt"])
    first = capsys.readouterr().out
    assert first.startswith("to be")
    assert (tmp_path / "new.txt").read_text() == first
    assert len(first) == len("to be") + 30 + 1
    run(words)
    assert capsys.readouterr().out == first
    run([*words, "seed=1"])
    assert capsys.readouterr().out != first


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("primer=XYZ", r"primer=XYZ, line 1: the character 'X' \(U\+0058\) is not among the"),
        ("characters=0", "characters must be >= 1, got 0"),
        ("seconds=2", "seconds=2.0: this model writes text"),
        ("engine=compiled", "engine=compiled: text has one engine only"),
        ("threads=2", "threads=2: text has one engine only"),
        ("temperature=-1", "temperature must be >= 0"),
    ],
)
def test_generate_names_what_suits_no_text(text: Path, word: str, expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        run(["generate", f"run={text / 'run'}", word])


def test_music_leaves_pictures_and_is_no_audio(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run(["train", "recipe=jsb_joint", *SMALL, f"hydra.run.dir={folder}"])
    assert list((folder / "samples").glob("*.png"))
    run(["evaluate", f"run={folder}"])
    figures = json.loads((folder / "evaluation.json").read_text())
    assert figures["element"] == "frames"
    assert set(figures["baselines"]) == {"frequencies of keys", "repeat the last frame"}
    assert not figures["published"]  # of the chorales, which these pieces are not
    with pytest.raises(UserError, match="not a model of audio"):
        run(["generate", f"run={folder}"])


def test_a_users_own_batch_size_survives_the_smoke_test(tmp_path: Path) -> None:
    words = ["recipe=copy_memory", *SMALL, "data.batch_size=3", f"hydra.run.dir={tmp_path}"]
    run(["train", *words])
    data = read_run_config(tmp_path).data
    assert (data.batch_size, data.delay) == (3, 12)


@pytest.mark.parametrize(
    ("recipe", "word", "expected"),
    [
        ("jsb", "model.num_keys=87", "model.num_keys is 87, but the data have 88 keys"),
        ("char_lm", "model.num_embeddings=50", r"num_embeddings is 50, but .* characters"),
        ("copy_memory", "model.out_channels=9", "out_channels is 9, but the data have 10 codes"),
        ("copy_memory", "model.num_embeddings=null", "num_embeddings is None, but the data have"),
        ("adding", "model.in_channels=3", "in_channels is 3, but the data have 2 channels"),
        ("sequential_mnist", "model.num_classes=9", "num_classes is 9, but .* 10 classes"),
    ],
)
def test_a_model_of_another_size_is_named(
    recipe: str, word: str, expected: str, tmp_path: Path
) -> None:
    words = [f"recipe={recipe}", word, "debug=smoke", f"hydra.run.dir={tmp_path}"]
    with pytest.raises(UserError, match=expected):
        run(["train", *words])


def test_data_that_lie_in_no_folder_have_no_root(tmp_path: Path) -> None:
    run(["train", "recipe=adding", *SMALL, f"hydra.run.dir={tmp_path}"])
    with pytest.raises(UserError, match=r"data\.root=x: the data of this run lie in no folder"):
        run(["evaluate", f"run={tmp_path}", "data.root=x"])
