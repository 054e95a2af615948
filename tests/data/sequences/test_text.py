"""Text: its parts, its alphabet, and texts that cannot be used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from wavestack.config import compose
from wavestack.data import Text
from wavestack.data.sequences.text import encode
from wavestack.errors import UserError
from wavestack.models import TCN
from wavestack.safety import instantiate
from wavestack.training.receptive_field import fill_context


@pytest.fixture
def file(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    path = tmp_path / "words.txt"
    path.write_text("".join(rng.choice(list("abcdefgh \n"), 3000)), encoding="utf-8")
    return path


def test_the_parts_are_the_text(file: Path) -> None:
    data = Text(str(file), val_fraction=0.1, test_fraction=0.2)
    parts = [data.part(split) for split in ("train", "val", "test")]
    assert "".join(parts) == file.read_text()
    assert [len(part) for part in parts] == [2100, 300, 600]
    assert data.decode(data.encode(parts[1])) == parts[1]


@pytest.mark.parametrize("context", [0, 17, 400])
@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_evaluation_counts_every_character_once(file: Path, split, context: int) -> None:
    data = Text(str(file), segment=50, context=context)
    counted = "".join(
        data.decode(row[mask])
        for batch in data.eval_batches(split)
        for row, mask in zip(batch["targets"], batch["mask"], strict=True)
    )
    # The first character of all has nothing before it.
    assert counted == data.part(split)[split == "train" :]


def test_a_small_share_is_one_character(file: Path) -> None:
    data = Text(str(file), val_fraction=1e-6, test_fraction=1e-6)
    assert data.part("train") + data.part("val") + data.part("test") == file.read_text()
    assert len(data.part("val")) == len(data.part("test")) == 1


def test_training_rows_predict_the_next_character(file: Path) -> None:
    data = Text(str(file), batch_size=4, segment=30, context=5)
    batches = data.train_batches(seed=3)
    batch = batches[11]
    assert batch["tokens"].shape == batch["mask"].shape == (4, 35)
    assert torch.equal(batch["tokens"][:, 1:], batch["targets"][:, :-1])
    assert batch["mask"].sum(1).tolist() == [30] * 4
    assert not batch["mask"][:, :5].any()
    for row in batch["targets"]:
        assert data.decode(row) in data.part("train")
    again = Text(str(file), batch_size=4, segment=30, context=5).train_batches(seed=3)[11]
    assert torch.equal(batch["tokens"], again["tokens"])
    assert not torch.equal(batch["tokens"], batches[12]["tokens"])


def test_a_settled_alphabet_reads_other_texts(file: Path, tmp_path: Path) -> None:
    settled = Text.settled({"root": str(file)})
    other = tmp_path / "other.txt"
    other.write_text("aba " * 400)
    data = Text(str(other), **settled)
    assert data.alphabet == Text(str(file)).alphabet
    assert Text.settled({"root": str(other), **settled}) == {}
    other.write_text("aba \n" * 300 + "x" + "aba " * 400)
    with pytest.raises(UserError, match=r"other\.txt, line 301: the character 'x' \(U\+0078\)"):
        Text(str(other), **settled)


def test_an_alphabet_is_never_taken_for_an_interpolation() -> None:
    assert "${" not in Text.settled({"root": None})["alphabet"]
    with pytest.raises(UserError, match="primer, line 1: the character 'é'"):
        encode("né", "abn", "primer")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "empty"),
        (b"a" * 999, "999 characters, 1,000 are needed"),
        (b"abc" * 400 + b"\xff", "not UTF-8 at byte 1,200"),
        (
            "".join(map(chr, range(0x4E00, 0x4E00 + 1200))).encode(),
            "1200 different characters; give data.num_characters=1200",
        ),
    ],
)
def test_texts_that_cannot_be_used_are_named(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=rf"text\.txt: {expected}"):
        Text(str(path))


def test_missing_files_and_wrong_numbers_are_named(file: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such file"):
        Text(str(tmp_path / "none.txt"))
    with pytest.raises(UserError, match="is a folder; give a text file"):
        Text(str(tmp_path))
    with pytest.raises(ValueError, match=r"test_fraction must be in \(0, 0.4\], got 0.5"):
        Text(str(file), test_fraction=0.5)
    with pytest.raises(UserError, match=r"2,700 characters for training; data.segment"):
        Text(str(file), segment=2699, context=1)


def test_a_model_that_sees_what_it_is_to_predict_is_refused(file: Path) -> None:
    data = Text(str(file))
    sizes = {"num_embeddings": 128, "out_channels": 128, "channels": 4, "num_layers": 2}
    data.check_model(TCN(4, **sizes))
    with pytest.raises(UserError, match=r"model\.lookahead is 3: it must be 0"):
        data.check_model(TCN(4, **sizes, lookahead=3))


@pytest.mark.parametrize(("words", "context"), [([], 124), (["model.num_layers=4"], 60)])
def test_the_context_of_char_lm_follows_its_model(words: list[str], context: int) -> None:
    cfg = compose("train", ["recipe=char_lm", *words])
    data, model = instantiate(cfg.data, key="data"), instantiate(cfg.model, key="model")
    fill_context(data, model)
    assert data.context == context
    mask = data.train_batches(seed=0)[0]["mask"]
    assert mask.shape == (8, 256 + context)
    assert not mask[:, :context].any()


def test_a_context_that_the_text_cannot_give_is_refused(file: Path) -> None:
    data = Text(str(file), segment=2650, context=None)
    fill_context(data, TCN(4, 4, num_layers=5, num_embeddings=128, out_channels=128))
    with pytest.raises(UserError, match=r"data\.segment and data\.context take 2774 and one more"):
        data.train_batches(seed=0)


def test_a_byte_order_mark_is_no_character(file: Path, tmp_path: Path) -> None:
    marked = tmp_path / "marked.txt"
    marked.write_text(file.read_text("utf-8"), encoding="utf-8-sig")
    assert Text(str(marked)).text == Text(str(file)).text
