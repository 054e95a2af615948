"""Other runs on the same data: a control beside the model that it controls for."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from wavestack.errors import UserError
from wavestack.tasks.base import Figures, Task
from wavestack.training.load import load
from wavestack.training.run_folder import RunFolder
from wavestack.training.totals import totals

# What of the data says how a model is trained or where files lie, not what it is evaluated on.
_TRAINING_ONLY = (
    *("root", "source.root", "batch_size", "num_workers", "augmentation", "crop_size", "mixup"),
    *("masks", "stretch", "cache_megabytes", "patch_size"),
)
_MOST = 3  # keys in a name


def figures_of(
    runs: Iterable[Path | str], cfg: DictConfig, task: Task, data: Any, split: str, place: Any
) -> dict[str, Figures]:
    """The figures of other runs' models, on the data and by the task of a run.

    Args:
        runs: run folders.
        cfg: the configuration of the run that they stand beside.
        task: its task, which makes the figures.
        data: its data.
        split: of the data.
        place: the device.

    Returns:
        For each run its figures, under a name that says in what it differs: "model.dilated=False".

    Raises:
        UserError: when a folder is no run, or its data are others.
    """
    found: dict[str, Figures] = {}
    for run in runs:
        folder = RunFolder(run)
        other = folder.read_config()
        differing = _other_data(cfg.data, other.data)
        if differing:
            raise UserError(f"beside={run}: its data are others ({_shown(differing)})")
        model = load(folder.path).to(torch.device(place))
        data.check_model(model)
        of_it = totals(task, task.figure_sums, model, data.eval_batches(split), place)
        name = _name(cfg, other)
        if name in found:
            name = f"{name} ({folder.path.name})"
        found[name] = task.figure_values(of_it.sums, of_it.counts)
    return found


def differences(a: Any, b: Any, key: str = "") -> dict[str, Any]:
    """Full names of the values in which two configs differ, with those of the second.

    Example:
        >>> differences({"x": {"y": 1, "z": 2}}, {"x": {"y": 1, "z": 3}})
        {'x.z': 3}
    """
    if isinstance(a, dict) and isinstance(b, dict):
        found: dict[str, Any] = {}
        for name in [*a, *(name for name in b if name not in a)]:
            found |= differences(a.get(name), b.get(name), f"{key}.{name}" if key else str(name))
        return found
    return {} if a == b else {key: b}


def _other_data(own: DictConfig, other: DictConfig) -> dict[str, Any]:
    found = differences(_plain(own), _plain(other))
    return {
        f"data.{key}": value
        for key, value in found.items()
        if not any(key == name or key.startswith(f"{name}.") for name in _TRAINING_ONLY)
    }


def _name(cfg: DictConfig, other: DictConfig) -> str:
    """What a run is called beside another: its recipe, or in what it differs."""
    own_model, model = _plain(cfg.model), _plain(other.model)
    if own_model.get("_target_") != model.get("_target_"):
        return str(other.name or model.get("_target_"))
    parts = ("model", "task", "optimizer", "scheduler", "trainer", "data")
    found = differences(
        {part: _plain(cfg.get(part)) for part in parts},
        {part: _plain(other.get(part)) for part in parts},
    )
    found = {key: value for key, value in found.items() if not key.endswith(".root")}
    return _shown(found) if found else f"seed={other.seed}"


def _plain(part: Any) -> Any:
    return OmegaConf.to_container(part) if OmegaConf.is_config(part) else part


def _shown(found: dict[str, Any]) -> str:
    words = [f"{key}={value}" for key, value in list(found.items())[:_MOST]]
    more = len(found) - len(words)
    return ", ".join([*words, *([f"{more} more"] if more else [])])
