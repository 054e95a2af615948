"""`wavestack train`: train by a recipe, or continue a run folder."""

from __future__ import annotations

from collections.abc import Iterable
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


# What may be said of the data so that the test split stays that of which others' published figures
# are. The figures themselves are chosen by `data` (conf/published) and by the horizon.
SAME_TEST = (
    *("data.root", "data.source.root", "data.source.download", "data.source.verify"),
    *("data.source.fold", "data.source.val_fold", "data.num_workers", "data.batch_size"),
    *("data.eval_batch_frames", "data.eval_batch_samples", "data.eval_batch_size"),
    *("data.augmentation", "data.masks", "data.mixup", "data.stretch", "data.transpose"),
    *("data.segment", "data.context", "data.window", "data.horizon"),
    *("data.input_size", "data.crop_size", "data.cache_megabytes"),
)


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
    if words.get("debug") == "smoke" and not _sweeps(f"recipe={words.get('recipe', 'null')}"):
        from wavestack.config import compose_with_hydra

        single = [word for word in overrides if not _sweeps(word)]
        cfg = compose_with_hydra("train", single, config_dir)
        for key, value in _stand_in(cfg, words).items():
            if isinstance(value, dict):
                # A config can add and change keys but not exchange an object for one with other
                # arguments, so this takes Hydra's delete and add.
                there = OmegaConf.select(cfg, f"data.{key}", default=None) is not None
                overrides = [*overrides, *([f"~data.{key}"] if there else [])]
            overrides = [*overrides, f"++data.{key}={_word(value)}"]
    return overrides


def _sweeps(word: str) -> bool:
    """Whether a word of the command line stands for several values, one job each."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import OverrideParseException

    try:
        return OverridesParser.create().parse_override(word).is_sweep_override()
    except OverrideParseException:  # Hydra says what is wrong with it when its turn comes
        return False


def _word(value: Any) -> str:
    """A value as Hydra's command line takes it."""
    if isinstance(value, dict):
        return f"{{{','.join(f'{key}:{_word(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(_word, value))}]"
    return "null" if value is None else str(value)


def _stand_in(cfg: DictConfig, words: Iterable[str]) -> dict[str, Any]:
    """What a smoke test changes in the data of a config, the user's own words left alone."""
    from wavestack.safety import class_of

    data, model = (OmegaConf.select(cfg, part, default=None) for part in ("data", "model"))
    make = getattr(class_of(data, "data"), "stand_in", None)
    if make is None:
        return {}
    given = {word.lstrip("+~") for word in words}
    # As configs, so that only what is asked for gets resolved.
    changes = make(data, {} if model is None else model).items()
    return {key: value for key, value in changes if f"data.{key}" not in given}


def run(cfg: DictConfig) -> dict[str, Any]:
    """Train, with the run folder that Hydra made; returns the figures of the training."""
    from hydra.core.hydra_config import HydraConfig

    settings = HydraConfig.get()
    run_dir = Path(settings.runtime.output_dir)
    if cfg.resume is not None:
        cfg = resumed_config(Path(cfg.resume), list(settings.overrides.task))

    if settings.runtime.choices.get("debug") == "smoke":
        # In a sweep over recipes each job gets its own; otherwise `prepare` did it already.
        words = [word.partition("=")[0] for word in settings.overrides.task]
        for key, value in _stand_in(cfg, () if cfg.resume else words).items():
            cfg.data[key] = value

    if (
        not cfg.resume
        and OmegaConf.select(cfg, "task.published")
        and not shows_published(list(settings.overrides.task))
    ):
        cfg.task.published = None

    # The run may be evaluated or continued from another folder than this one.
    for key in ("data.root", "data.source.root", "init"):
        root = OmegaConf.select(cfg, key, default=None)
        if isinstance(root, str) and root:
            OmegaConf.update(cfg, key, str(Path(root).expanduser().absolute()))

    from wavestack.training import train

    return train(cfg, run_dir)


def shows_published(overrides: list[str]) -> bool:
    """Whether the published figures of some data still are of the data of a run.

    Args:
        overrides: the words of the command line.

    Example:
        >>> shows_published(["recipe=jsb", "data.root=music", "model.dropout=0"])
        True
        >>> shows_published(["recipe=jsb", "data.root=music", "data.source.name=MuseData"])
        False
        >>> shows_published(["recipe=jsb", "data=nottingham"])  # those of the tunes
        True
    """
    keys = [word.lstrip("+~").partition("=")[0] for word in overrides]
    if any(key.startswith("task.published") for key in keys):  # the user knows
        return True
    return "debug=smoke" not in overrides and all(
        key.startswith(SAME_TEST) for key in keys if key.startswith("data.")
    )


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
