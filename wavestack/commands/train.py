"""`wavestack train`: train by a recipe, or continue a run folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from wavestack.errors import UserError

# What may change when a run is continued: how far, how often, with what hardware; never what is
# learned from what.
CHANGEABLE = (
    *("trainer.max_steps", "trainer.max_core_seconds", "trainer.devices", "trainer.strategy"),
    *("trainer.device", "trainer.num_threads", "trainer.patience", "trainer.keep_checkpoints"),
    *("trainer.val_every_steps", "trainer.sample_every_steps", "trainer.checkpoint_every_steps"),
    *("trainer.log_every_steps", "data.num_workers", "data.root", "data.source.root"),
)


# A sweep: a,b or choice(a,b) or glob(*).
_SWEEP = re.compile(r"[,(]")


def prepare(overrides: list[str], config_dir: Path | None = None) -> list[str]:
    """Add the values that follow from others: the folder of a continued run, a smoke test's data.

    Args:
        overrides: the words of the command line.
        config_dir: the user's folder of configs.
    """
    words = {key: value for key, _, value in (word.partition("=") for word in overrides)}
    resume = words.get("resume", "null").strip("'\"")
    if resume not in ("null", ""):
        _saved_config(Path(resume))
        extra = {
            "hydra.run.dir": f"'{Path(resume).resolve()}'",
            "hydra.output_subdir": "null",
        }
        # The parts come from the folder, not from Hydra, which would refuse keys of theirs.
        words_of_parts = ("model.", "data.", "task.", "optimizer.", "scheduler.")
        overrides = [f"++{word}" if word.startswith(words_of_parts) else word for word in overrides]
        return overrides + [f"{key}={value}" for key, value in extra.items() if key not in words]
    if not words.keys() & {"recipe", "name"}:
        overrides = [*overrides, "name=unnamed"]
    if words.get("debug") == "smoke" and not _SWEEP.search(words.get("recipe", "")):
        from wavestack.config import compose_with_hydra

        source = _smoke_source(compose_with_hydra("train", overrides, config_dir))
        if source is not None:
            # A config can add and change keys but not exchange an object for one with other
            # arguments, so this takes Hydra's delete and add.
            pairs = ",".join(f"{key}:{_word(value)}" for key, value in source.items())
            overrides = [*overrides, "~data.source", f"+data.source={{{pairs}}}"]
    return overrides


def _word(value: Any) -> str:
    return f"[{','.join(map(str, value))}]" if isinstance(value, list) else str(value)


def _smoke_source(cfg: DictConfig) -> dict[str, Any] | None:
    """Synthetic recordings of the form of a config's own data, or None for other kinds of data."""
    if OmegaConf.select(cfg, "data._target_") != "wavestack.data.AudioData":
        return None
    labels = OmegaConf.select(cfg, "model.num_labels", default=None) or []
    source: dict[str, Any] = {
        "_target_": "wavestack.data.SyntheticAudio",
        "sample_rate": cfg.data.source.sample_rate,
        "num_train": 8,
        "num_val": 2,
        "num_test": 2,
        "min_seconds": 0.2,
        "max_seconds": 0.3,
    }
    if labels and list(labels) != [6]:  # six are its own: a pluck and five vowels
        source["label_sizes"] = list(labels)
    return source


def run(cfg: DictConfig) -> dict[str, Any]:
    """Train, with the run folder that Hydra made; returns the figures of the training."""
    from hydra.core.hydra_config import HydraConfig

    settings = HydraConfig.get()
    run_dir = Path(settings.runtime.output_dir)
    if cfg.resume is not None:
        cfg = resumed_config(Path(cfg.resume), list(settings.overrides.task))

    if settings.runtime.choices.get("debug") == "smoke":
        # In a sweep over recipes each job gets its own; otherwise `prepare` did it already.
        source = _smoke_source(cfg)
        if source is not None:
            cfg.data.source = source

    # The run may be evaluated or continued from another folder than this one.
    for key in ("data.root", "data.source.root"):
        root = OmegaConf.select(cfg, key, default=None)
        if isinstance(root, str) and root:
            OmegaConf.update(cfg, key, str(Path(root).expanduser().absolute()))

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
            cfg.merge_with(given)
            if key == "data.root" and OmegaConf.select(saved, "data.source.root") is not None:
                cfg.data.source.root = cfg.data.root
    # A schedule that ends with the run goes on to the new end; else its rate would stay at zero.
    if OmegaConf.select(saved, "scheduler.max_steps", default=None) == saved.trainer.max_steps:
        cfg.scheduler.max_steps = cfg.trainer.max_steps
    cfg.resume = str(folder)
    return cfg


def _saved_config(folder: Path) -> DictConfig:
    from wavestack.config import read_run_config

    try:
        return read_run_config(folder)
    except UserError as error:
        raise UserError(f"resume={error}") from error
