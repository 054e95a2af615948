"""The tensors of a file, whoever wrote it, without running anything that it says.

A file is safetensors, or a torch file read with `weights_only=True`. Other people's checkpoints
wrap their tensors; what is found is a plain state dict.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wavestack.errors import UserError
from wavestack.files import verify_hash

_WRAPPERS = ("state_dict", "model")  # keys under which checkpoints hold their tensors
_PARALLEL = "module."  # which DataParallel puts before every name


def read_state(path: Path | str) -> dict[str, Tensor]:
    """The tensors of a file by name, on the CPU.

    Args:
        path: a `.safetensors` file, else a torch file: a state dict, or a checkpoint that holds one
            under "state_dict" or "model". A prefix `module.` goes; values that are no tensors are
            not looked at.

    Raises:
        UserError: when the file is missing, differs from the hash beside it, is damaged, would run
            code, or holds no tensors; one line that names it.
    """
    path = Path(path)
    verify_hash(path, required=False)
    content = _read(path)
    while isinstance(content, Mapping) and (key := _wrapper(content)) is not None:
        content = content[key]
    named = content.items() if isinstance(content, Mapping) else ()
    state = {str(name): value for name, value in named if isinstance(value, Tensor)}
    if not state:
        raise UserError(f"{path}: holds no tensors by name")
    if all(name.startswith(_PARALLEL) for name in state):
        state = {name.removeprefix(_PARALLEL): value for name, value in state.items()}
    return state


def _read(path: Path) -> Any:
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path}: holds more than tensors, or is no torch file; only a plain state dict is read"
        ) from error
    except Exception as error:  # a damaged file makes both raise many kinds
        reason = (str(error).strip().splitlines() or ["it ends too soon"])[0]
        raise UserError(f"{path}: not a readable file of weights ({reason})") from error


def _wrapper(content: Mapping[Any, Any]) -> str | None:
    return next((key for key in _WRAPPERS if isinstance(content.get(key), Mapping)), None)
