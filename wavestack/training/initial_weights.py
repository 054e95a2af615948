"""Starting from the weights of another training, where names and shapes match."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from wavestack.errors import UserError
from wavestack.state_file import read_state
from wavestack.training.run_folder import RunFolder
from wavestack.training.weights import checkpoint_weights


def start_from(model: nn.Module, run_or_file: Path | str) -> list[str]:
    """Gives a model the tensors of a run or a file whose names and shapes are those of its own.

    Args:
        model: changed in place.
        run_or_file: a run folder, a ``.safetensors`` file, or a torch file, of which nothing but
            tensors is read.

    Returns:
        Lines that say how much was taken, and what was not.

    Raises:
        UserError: when there is nothing to read, or no tensor matches.
    """
    found, own = read_tensors(Path(run_or_file)), model.state_dict()
    same = {
        name: value
        for name, value in found.items()
        if name in own and own[name].shape == value.shape
    }
    other_shape = [name for name in found if name in own and name not in same]
    unknown = [name for name in found if name not in own]
    if not same:
        raise UserError(
            f"init={run_or_file}: none of its {len(found)} tensors fits this model "
            f"({_listed(other_shape or unknown)}; the model's begin with {_listed(list(own), 2)})"
        )
    model.load_state_dict(same, strict=False)
    numbers = sum(own[name].numel() for name in same)
    total = sum(value.numel() for value in own.values())
    lines = [
        f"init {run_or_file}: {len(same)} of the model's {len(own)} tensors "
        f"({100 * numbers / total:.1f} % of its numbers)"
    ]
    fresh = [name for name in own if name not in same and name not in other_shape]
    for what, names in (
        ("of another shape, so they start anew", other_shape),
        ("not in it, so they start anew", fresh),
        ("in it alone", unknown),
    ):
        if names:
            lines.append(f"  {what}: {_listed(names)}")
    return lines


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a run folder or a file, by name; no code in it is run.

    Raises:
        UserError: when there is no such thing, it is damaged, or holds no tensors.
    """
    if path.is_dir():
        return _of_run(RunFolder(path))
    if not path.is_file():
        raise UserError(f"init={path}: no such file or run folder")
    return read_state(path)


def without_start(config: Any) -> Any:
    """The description of a model without the weights it once started from, which get replaced."""
    if isinstance(config, Mapping):
        kept = {name: without_start(value) for name, value in config.items()}
        return {name: None if name == "weights" else value for name, value in kept.items()}
    if isinstance(config, (list, tuple)):
        return [without_start(value) for value in config]
    return config


def _of_run(folder: RunFolder) -> dict[str, Tensor]:
    if folder.weights.is_file():
        return read_tensors(folder.weights)
    found = folder.checkpoints.load_latest()
    if found is None:
        raise UserError(f"init={folder.path}: neither model.safetensors nor a checkpoint is there")
    return checkpoint_weights(found[1])


def _listed(names: list[str], most: int = 4) -> str:
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
