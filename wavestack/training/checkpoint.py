"""Checkpoint files of a run: whole, hashed, and never unpickled.

``checkpoints/`` holds::

    step00001000.ckpt          torch.save of a plain dict of tensors, numbers and strings
    step00001000.ckpt.sha256   its SHA-256, in the form that ``sha256sum -c`` reads
    best.json                  which of them had the best validation figure

The hash is compared before a byte is interpreted: ``torch.load`` takes a file with one flipped
bit without a word. After that it is read with ``weights_only=True``, which builds tensors and
plain containers and executes nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from wavestack.errors import UserError
from wavestack.files import (
    atomic_write,
    hash_path,
    remove_partials,
    verify_hash,
    write_with_hash,
)

FORMAT = 1


class CheckpointFolder:
    """The ``checkpoints/`` folder of one run.

    Args:
        folder: the folder; made when the first checkpoint is written.
        keep_last: how many of the newest checkpoints stay besides the best one.

    Raises:
        ValueError: when ``keep_last`` is below 1.

    Example:
        >>> import tempfile, torch
        >>> folder = CheckpointFolder(Path(tempfile.mkdtemp()))
        >>> _ = folder.save(3, {"weight": torch.ones(2)})
        >>> step, state = folder.load_latest()
        >>> step, state["weight"].tolist()
        (3, [1.0, 1.0])
    """

    def __init__(self, folder: Path, keep_last: int = 2) -> None:
        if keep_last < 1:
            raise ValueError(f"keep_last must be >= 1, got {keep_last}")
        self.folder = folder
        self.keep_last = keep_last

    def path(self, step: int) -> Path:
        """Where the checkpoint of ``step`` lies (whether or not it exists)."""
        return self.folder / f"step{step:08d}.ckpt"

    def steps(self) -> list[int]:
        """Steps that have a checkpoint file, in rising order."""
        return sorted(int(path.stem[4:]) for path in self.folder.glob("step*.ckpt"))

    def save(self, step: int, state: dict[str, Any], best_value: float | None = None) -> Path:
        """Writes a checkpoint, then drops those no longer kept.

        Args:
            step: optimizer steps done.
            state: tensors, numbers, strings and containers of them.
            best_value: the validation figure, when it is the best so far.
        """
        path = self.path(step)
        content = {"format": FORMAT, "step": step, **state}
        write_with_hash(path, lambda file: torch.save(content, file))
        if best_value is not None:
            record = {"checkpoint": path.name, "step": step, "value": best_value}
            text = (json.dumps(record) + "\n").encode()
            atomic_write(self.folder / "best.json", lambda file: file.write(text))
        self._prune()
        return path

    def best_step(self) -> int | None:
        """The step whose checkpoint was marked best, or None."""
        try:
            return int(json.loads((self.folder / "best.json").read_text())["step"])
        except FileNotFoundError:
            return None
        except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise UserError(f"{self.folder / 'best.json'} is damaged: {error}") from None

    def load(self, step: int) -> dict[str, Any]:
        """Reads the checkpoint of ``step``.

        Raises:
            UserError: when it is missing, has no hash, or does not agree with it.
        """
        return read_checkpoint(self.path(step))

    def load_latest(self, warn: Any = print) -> tuple[int, dict[str, Any]] | None:
        """The newest readable checkpoint, or None where the run has none yet.

        Args:
            warn: called with one line for each damaged checkpoint that is passed over.

        Raises:
            UserError: when there are checkpoints and none can be read.
        """
        steps = self.steps()
        for step in reversed(steps):
            try:
                return step, self.load(step)
            except UserError as error:
                warn(f"passing over a damaged checkpoint: {error}")
        if steps:
            raise UserError(f"{self.folder}: none of the {len(steps)} checkpoints can be read")
        return None

    def clean(self) -> list[Path]:
        """Removes what a killed process left: partial files and hashes without a checkpoint."""
        removed = remove_partials(self.folder)
        for hash_file in sorted(self.folder.glob("step*.ckpt.sha256")):
            if not hash_file.with_suffix("").exists():
                hash_file.unlink()
                removed.append(hash_file)
        return removed

    def _prune(self) -> None:
        steps = self.steps()
        kept = {*steps[-self.keep_last :], self.best_step()}
        for step in steps:
            if step not in kept:
                self._remove(self.path(step))

    def _remove(self, path: Path) -> None:
        # The checkpoint goes first: a hash alone is harmless, a checkpoint alone is unreadable.
        path.unlink(missing_ok=True)
        hash_path(path).unlink(missing_ok=True)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Reads one checkpoint file after its SHA-256 agreed; nothing in it is ever executed.

    Args:
        path: a ``step*.ckpt`` file with its ``.sha256`` beside it.

    Raises:
        UserError: naming the file, when it is missing, unhashed, altered or of another format.
    """
    verify_hash(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for what is no plain file of tensors
        raise UserError(
            f"{path}: not a checkpoint of plain tensors ({_first_line(error)})"
        ) from None
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise UserError(f"{path}: not a wavestack checkpoint of format {FORMAT}")
    return state


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
