"""The characters of one text file, cut into training, validation and test parts."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch.utils.data import Dataset

from wavestack.data.base import Batch, TaskData, check_size
from wavestack.data.splits import Split, check_split
from wavestack.errors import UserError

_LEAST = 1000  # characters: below, no part of the text would say anything


class Text(TaskData):
    """A text file as sequences of characters; every character is predicted from those before it.

    The first part of the text is for training, the next for validation, the last for test. A batch
    holds ``tokens`` (B, T), the characters' places in the alphabet, ``targets`` (B, T), the
    characters that follow, and ``mask`` (B, T), True where the loss counts. A training row starts
    anywhere in the training part, and its first `context` characters are only heard.

    Args:
        root: a UTF-8 text file; None: the reference texts that come with Python
            (``pydoc_data.topics``), English prose and code, which differ between Python versions.
        batch_size: rows of a training batch, over all processes together.
        segment: characters of a training row that the loss counts.
        context: characters before them that the model hears; None: all that it sees before a
            character, which a training or an evaluation fills in (none until then).
        val_fraction: share of the text for validation, at least one character.
        test_fraction: share of the text for test, likewise.
        alphabet: the characters that may occur; None: those of the text. A training fixes it in
            its config, so that a model reads other texts with its own alphabet.
        num_characters: the most characters that the alphabet may have: the size of a model's table.
        num_workers: processes of the training loader; 0 makes batches in the main process.

    Attributes:
        source: what was read, for messages.

    Raises:
        UserError: when the file is missing, empty, no UTF-8 or too short, has more characters than
            `num_characters`, or one that is not in the alphabet.
        ValueError: when a number is out of its range.

    Example:
        >>> data = Text(batch_size=2, segment=16, context=4)
        >>> data.decode(data.train_batches(seed=0)[0]["tokens"][0])[1:] == data.decode(
        ...     data.train_batches(seed=0)[0]["targets"][0]
        ... )[:-1]
        True
    """

    item_noun: ClassVar[str] = "texts"
    tasks = ("CharacterTask",)

    def __init__(
        self,
        root: str | None = None,
        batch_size: int = 16,
        segment: int = 256,
        context: int | None = 0,
        val_fraction: float = 0.05,
        test_fraction: float = 0.05,
        alphabet: str | None = None,
        num_characters: int = 128,
        num_workers: int = 0,
    ) -> None:
        for name, value, least in (
            ("batch_size", batch_size, 1),
            ("segment", segment, 1),
            ("context", context or 0, 0),
            ("num_characters", num_characters, 2),
            ("num_workers", num_workers, 0),
        ):
            if value < least:
                raise ValueError(f"{name} must be >= {least}, got {value}")
        for name, share in (("val_fraction", val_fraction), ("test_fraction", test_fraction)):
            if not 0 < share <= 0.4:
                raise ValueError(f"{name} must be in (0, 0.4], got {share}")
        self.batch_size = batch_size
        self.segment = segment
        self.context = context
        self.num_workers = num_workers
        self.text, self.source = read_text(root)
        if len(self.text) < _LEAST:
            raise UserError(f"{self.source}: {len(self.text)} characters, {_LEAST:,} are needed")
        if alphabet is None:
            alphabet = alphabet_of(self.text)
        if len(alphabet) > num_characters:
            raise UserError(
                f"{self.source}: {len(alphabet)} different characters; "
                f"give data.num_characters={len(alphabet)}"
            )
        self.alphabet = alphabet
        self.codes = self.encode(self.text, self.source)
        count = len(self.codes)
        first_test = count - max(1, round(count * test_fraction))
        first_val = first_test - max(1, round(count * val_fraction))
        self._parts: dict[Split, range] = {
            "train": range(first_val),
            "val": range(first_val, first_test),
            "test": range(first_test, count),
        }
        self._check_length()

    @property
    def num_heard(self) -> int:
        """The context as a number."""
        return self.context or 0

    def _check_length(self) -> None:
        taken = self.segment + self.num_heard
        if len(self._parts["train"]) <= taken:
            raise UserError(
                f"{self.source}: {len(self._parts['train']):,} characters for training; "
                f"data.segment and data.context take {taken} and one more"
            )

    def encode(self, text: str, source: str = "text") -> np.ndarray:
        """The places of characters in the alphabet: (T,) int64.

        Raises:
            UserError: naming the first character that the alphabet does not have.
        """
        return encode(text, self.alphabet, source)

    def decode(self, codes: Any) -> str:
        """The text of places in the alphabet."""
        return "".join(self.alphabet[int(code)] for code in codes)

    def part(self, split: Split) -> str:
        """The text of a split."""
        check_split(split)
        part = self._parts[split]
        return self.text[part.start : part.stop]

    def num_items(self, split: Split) -> int:
        """One: the text."""
        return 1

    def train_batches(self, seed: int) -> TextBatches:
        """The endless training batches of a seed."""
        self._check_length()  # once more: the context may have been filled in
        codes = self.codes[: self._parts["train"].stop]
        return TextBatches(codes, self.batch_size, self.segment, self.num_heard, seed)

    def eval_batches(self, split: Split) -> list[Batch]:
        """Every character of a split once, each with the same context as in training, or more.

        The first character of the whole text has nothing before it and does not count.
        """
        check_split(split)
        part = self._parts[split]
        step = max(self.segment, 4 * self.num_heard, 1024)
        starts = range(max(1, part.start), part.stop, step)
        return [
            row_of(self.codes, start, min(start + step, part.stop), self.num_heard)
            for start in starts
        ]

    def check_model(self, model: Any) -> None:
        """Stop when a model does not suit these data."""
        for key in ("num_embeddings", "out_channels"):
            check_size(model, key, len(self.alphabet), "characters", or_more=True)
        if getattr(model, "lookahead", 0):
            raise UserError(
                f"model.lookahead is {model.lookahead}: it must be 0, or the model sees the "
                "characters that it is to predict"
            )

    @classmethod
    def stand_in(cls, data: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
        """Python's own texts, in short rows."""
        return {**super().stand_in(data, model), "root": None, "segment": 32, "context": 0}

    @classmethod
    def settled(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        """The alphabet of the training text."""
        if data.get("alphabet") is not None:
            return {}
        return {"alphabet": alphabet_of(read_text(data.get("root"))[0])}


class TextBatches(Dataset):
    """``batches[k]``: rows that start at places drawn from (seed, k).

    Args:
        codes: the training part.
        batch_size: rows of a batch.
        segment: characters of a row that count.
        context: characters before them.
        seed: not negative.

    Raises:
        ValueError: when the seed is negative.
    """

    def __init__(
        self, codes: np.ndarray, batch_size: int, segment: int, context: int, seed: int
    ) -> None:
        if seed < 0:
            raise ValueError(f"seed must be >= 0, got {seed}")
        self.codes = codes
        self.batch_size = batch_size
        self.segment = segment
        self.context = context
        self.seed = seed

    def __len__(self) -> int:
        """Unbounded: training ends by its own count of steps."""
        return sys.maxsize

    def __getitem__(self, k: int) -> Batch:
        if k < 0:
            raise ValueError(f"batch index must be >= 0, got {k}")
        rng = np.random.default_rng([self.seed, k])
        first = 1 + self.context
        starts = rng.integers(first, len(self.codes) - self.segment + 1, self.batch_size)
        rows = [row_of(self.codes, s, s + self.segment, self.context) for s in starts]
        return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}


def row_of(codes: np.ndarray, start: int, stop: int, context: int) -> Batch:
    """One row that predicts the characters [start, stop) and hears `context` before, if there."""
    begin = max(1, start - context)
    return {
        "tokens": torch.from_numpy(codes[begin - 1 : stop - 1])[None],
        "targets": torch.from_numpy(codes[begin:stop])[None],
        "mask": torch.arange(begin, stop)[None] >= start,
    }


def alphabet_of(text: str) -> str:
    """The characters of a text, each once.

    Example:
        >>> alphabet_of("to be")
        'toeb '
    """
    # Downwards, because upwards "${" could stand in a config and be taken for an interpolation.
    return "".join(sorted(set(text), reverse=True))


def encode(text: str, alphabet: str, source: str) -> np.ndarray:
    """The places of characters in an alphabet: (T,) int64.

    Raises:
        UserError: naming the first character that the alphabet does not have.
    """
    place = {character: index for index, character in enumerate(alphabet)}
    try:
        return np.fromiter((place[character] for character in text), np.int64, len(text))
    except KeyError as error:
        unknown = error.args[0]
        line = text[: text.index(unknown)].count("\n") + 1
        raise UserError(
            f"{source}, line {line}: the character {unknown!r} (U+{ord(unknown):04X}) is not among "
            f"the {len(alphabet)} that the model knows"
        ) from None


def read_text(root: str | None) -> tuple[str, str]:
    """A text and what to call it.

    Args:
        root: a UTF-8 file, or None for the texts that come with Python.

    Raises:
        UserError: when there is no such file, or it is empty or not UTF-8.
    """
    if root is None:
        try:
            from pydoc_data.topics import topics
        except ImportError:
            raise UserError(
                "this Python comes without pydoc_data; give a text file (data.root=FILE)"
            ) from None
        return "\n\n".join(topics[name] for name in sorted(topics)), "Python's reference texts"
    path = Path(root).expanduser()
    if not path.is_file():
        what = "is a folder; give a text file" if path.is_dir() else "there is no such file"
        raise UserError(f"data.root={root}: {what}")
    content = path.read_bytes()
    if not content:
        raise UserError(f"{path}: empty")
    try:
        return content.decode("utf-8").removeprefix("\ufeff"), str(path)  # a byte-order mark
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 at byte {error.start:,} ({error.reason})") from None
