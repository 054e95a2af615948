"""`wavestack train`: train by a recipe, or continue a run folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from wavestack.errors import UserError
from wavestack.files import atomic_write

# What may change when a run is continued: how far, how often, with what hardware; never what is
# learned from what.
CHANGEABLE = (
    *("trainer.max_steps", "trainer.max_core_seconds", "trainer.devices", "trainer.strategy"),
    *("trainer.device", "trainer.num_threads", "trainer.patience", "trainer.keep_checkpoints"),
    *("trainer.val_every_steps", "trainer.sample_every_steps", "trainer.checkpoint_every_steps"),
    *("trainer.log_every_steps", "data.num_workers", "data.source.root"),
)


def prepare(overrides: list[str]) -> list[str]:
    """A continued run keeps its folder and the files that Hydra left in it."""
    words = {key: value for key, _, value in (word.partition("=") for word in overrides)}
    resume = words.get("resume", "null").strip("'\"")
    if resume in ("null", ""):
        named = words.keys() & {"recipe", "name"}
        return overrides if named else [*overrides, "name=unnamed"]
    _saved_config(Path(resume))
    extra = []
    if "hydra.run.dir" not in words:
        extra.append(f"hydra.run.dir='{Path(resume).resolve()}'")
    if "hydra.output_subdir" not in words:
        extra.append("hydra.output_subdir=null")
    return [*overrides, *extra]


def run(cfg: DictConfig) -> dict[str, Any]:
    """Train, with the run folder that Hydra made; returns the figures of the training."""
    from hydra.core.hydra_config import HydraConfig

    settings = HydraConfig.get()
    run_dir = Path(settings.runtime.output_dir)
    if cfg.resume is not None:
        cfg = resumed_config(Path(cfg.resume), list(settings.overrides.task))
    if os.environ.get("LOCAL_RANK", "0") == "0":  # other ranks of a distributed run only read
        save_config(cfg, run_dir / "config.yaml")

    from wavestack.training import train

    return train(cfg, run_dir)


def check(cfg: DictConfig) -> None:
    """Stop when a part is missing, with the plainest way to name it.

    Raises:
        UserError: naming the missing part.
    """
    if cfg.resume is not None:
        return
    for part in ("model", "data", "task", "optimizer"):
        if OmegaConf.is_missing(cfg, part):
            raise UserError(f"no {part} is given; name a recipe (recipe=quickstart) or {part}=NAME")


def save_config(cfg: DictConfig, path: Path) -> None:
    """Write a resolved config, whole or not at all."""
    text = OmegaConf.to_yaml(cfg, resolve=True)
    atomic_write(path, lambda file: file.write(text.encode()) and None)


def resumed_config(folder: Path, overrides: list[str]) -> DictConfig:
    """The config of a run folder, with the few overrides that a continued run may have.

    Raises:
        UserError: when an override would change what is learned.
    """
    saved = _saved_config(folder)
    cfg = saved.copy()
    for word in overrides:
        key, _, value = word.lstrip("+").partition("=")
        if key == "resume":
            continue
        before = OmegaConf.select(saved, key, default=None)
        given = OmegaConf.from_dotlist([word.lstrip("+")])
        if key not in CHANGEABLE and OmegaConf.select(given, key) != before:
            raise UserError(
                f"{key}={value}: a continued run keeps its config ({folder / 'config.yaml'}); "
                f"only {', '.join(CHANGEABLE[:2])} and the like may change"
            )
        if key in CHANGEABLE:
            cfg = OmegaConf.merge(cfg, given)
    cfg.resume = str(folder)
    return cfg


def _saved_config(folder: Path) -> DictConfig:
    from wavestack.config import TrainConfig

    file = folder / "config.yaml"
    if not file.is_file():
        raise UserError(f"resume={folder}: no config.yaml there, so it is not a run folder")
    cfg = OmegaConf.merge(OmegaConf.structured(TrainConfig), OmegaConf.load(file))
    assert isinstance(cfg, DictConfig)
    return cfg
