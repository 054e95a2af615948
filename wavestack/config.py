"""Composes and checks configs: the shipped folders, the commands' schemas, a run's own file."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import InterpolationKeyError, OmegaConfBaseException

from wavestack.errors import UserError
from wavestack.schemas import TrainConfig, register_schemas

HYDRA_VERSION = "1.3"  # of the behaviour asked of Hydra, not of its release
_NAME = re.compile(r"\w[\w.-]*")

# Values that OmegaConf cannot check by type alone: key -> what it may be.
CHOICES: dict[str, tuple[str, ...]] = {
    "device": ("auto", "cpu", "cuda"),
    "split": ("test", "val", "train"),
    "trainer.device": ("auto", "cpu", "cuda"),
    "trainer.strategy": ("auto", "ddp", "fsdp"),
    "trainer.precision": ("fp32", "bf16", "fp16"),
}


def compose(
    command: str = "train", overrides: Sequence[str] = (), config_dir: Path | str | None = None
) -> DictConfig:
    """The resolved config that a command line would give, without running anything.

    Args:
        command: "train", "generate", ...: a file of conf/.
        overrides: "key=value" words, as on the command line ("recipe=quickstart").
        config_dir: folder with config groups of your own.

    Returns:
        The config, every interpolation resolved, checked against the schemas and choices.

    Raises:
        UserError: when a file sets hydra's own keys, a value is none of its choices, or an
            interpolation is not allowed. Hydra's and OmegaConf's own errors pass through.

    Example:
        >>> compose("train", ["recipe=quickstart", "trainer.max_steps=3"]).trainer.max_steps
        3
    """
    from wavestack.safety.resolvers import plain_resolvers

    user = Path(config_dir) if config_dir is not None else None
    with plain_resolvers():
        words = prepare(command, list(overrides), user)
        return resolve(compose_with_hydra(command, words, user))


def prepare(command: str, overrides: list[str], config_dir: Path | None = None) -> list[str]:
    """The overrides with those that follow from them, which a command's module may add."""
    module = importlib.import_module(f"wavestack.commands.{command}")
    return module.prepare(overrides, config_dir) if hasattr(module, "prepare") else overrides


def compose_with_hydra(
    command: str, overrides: Sequence[str] = (), config_dir: Path | str | None = None
) -> DictConfig:
    """Like `compose`, unresolved and with the `hydra` node, which no file has touched.

    Raises:
        UserError: when a file sets hydra's own keys or they would construct an object.
    """
    import hydra

    from wavestack.hydra_plugins import search_folders
    from wavestack.safety.hydra_keys import check_hydra, check_hydra_objects

    register_schemas()
    user = Path(config_dir) if config_dir is not None else None
    own = [word for word in overrides if word.lstrip("+~").startswith(("hydra.", "hydra/"))]
    with (
        search_folders(recipe_folder(), user),
        hydra.initialize_config_dir(
            str(config_folder()), job_name=command, version_base=HYDRA_VERSION
        ),
    ):
        reference = hydra.compose(command, own, return_hydra_config=True)
        check_hydra_objects(reference.hydra)
        cfg = hydra.compose(command, list(overrides), return_hydra_config=True)
    check_hydra(cfg.hydra, reference.hydra)
    return cfg


def resolve(cfg: DictConfig) -> DictConfig:
    """Resolve a config composed by `compose_with_hydra`, drop its `hydra` node, check its values.

    Raises:
        UserError: when a value is none of its key's choices, or follows a key that is not there.
    """
    from hydra.core.hydra_config import HydraConfig

    settings = HydraConfig.instance()
    before = settings.cfg
    settings.set_config(cfg)  # for ${hydra:...}
    try:
        with open_dict(cfg):
            del cfg["hydra"]
        OmegaConf.resolve(cfg)
    except InterpolationKeyError as error:
        raise UserError(_without_source(cfg) or str(error.msg)) from error
    finally:
        settings.cfg = before
    check_values(cfg)
    return cfg


def _without_source(cfg: DictConfig) -> str | None:
    """Which keys follow others that are not there, and what to give; None where none is found."""
    found: dict[str, str] = {}
    rest: list[tuple[str, Any]] = [("", OmegaConf.to_container(cfg, resolve=False))]
    absent = object()
    while rest:
        key, value = rest.pop(0)
        if isinstance(value, dict):
            rest += [(f"{key}.{name}".lstrip("."), inner) for name, inner in value.items()]
        match = re.fullmatch(r"\$\{([\w.]+)\}", value) if isinstance(value, str) else None
        if match and OmegaConf.select(cfg, match[1], default=absent) is absent:
            found[key] = match[1]
    if not found:
        return None
    sources = dict.fromkeys(found.values())
    groups = dict.fromkeys(name.partition(".")[0] for name in (*found, *sources))
    follow = "it follows, is" if len(found) == 1 else "they follow, are"
    return (
        f"{' and '.join(found)} must be given: {' '.join(f'{key}=VALUE' for key in found)}; "
        f"{' and '.join(sources)}, which {follow} not there "
        f"(another choice of {' or '.join(groups)} would do)"
    )


def read_run_config(folder: Path) -> DictConfig:
    """The config of a run folder, checked like one from the command line: it may be a stranger's.

    Args:
        folder: holds `config.yaml`.

    Raises:
        UserError: naming the file, when it is missing, no valid config, or names what a config may
            not name.
    """
    from yaml import YAMLError

    from wavestack.mistakes import plain_lines
    from wavestack.safety.instantiate import check_names
    from wavestack.safety.resolvers import plain_resolvers

    file = Path(folder) / "config.yaml"
    if not file.is_file():
        raise UserError(f"{folder}: not a run folder (it holds no config.yaml)")
    try:
        with plain_resolvers():
            cfg = OmegaConf.merge(OmegaConf.structured(TrainConfig), OmegaConf.load(file))
            OmegaConf.resolve(cfg)
        assert isinstance(cfg, DictConfig)
        check_names(OmegaConf.to_container(cfg))
        check_values(cfg)
        for part in ("model", "data", "task"):
            if OmegaConf.is_missing(cfg, part):
                raise UserError(f"{part} is missing")
    except RecursionError as error:
        raise UserError(f"{file}: nested without end") from error
    except (OmegaConfBaseException, YAMLError, UserError, TypeError, ValueError) as error:
        raise UserError(f"{file}: {plain_lines(error) or error}") from error
    return cfg


def config_folder() -> Path:
    """The folder of config groups: inside an installed package, else beside it in a checkout."""
    return _shipped_folder("conf")


def recipe_folder() -> Path:
    """The folder of recipes: inside an installed package, else beside it in a checkout."""
    return _shipped_folder("recipes")


def check_values(cfg: DictConfig) -> None:
    """Stop at values that their types alone do not exclude.

    Raises:
        UserError: naming the key, the value and what it may be.
    """
    for key, choices in CHOICES.items():
        value = OmegaConf.select(cfg, key, default=choices[0])
        if value not in choices:
            raise UserError(f"{key} must be one of {', '.join(choices)}; got {value!r}")
    name = OmegaConf.select(cfg, "name")
    if name is not None and not _NAME.fullmatch(name):  # it becomes a folder of the user's disk
        raise UserError(f"name must be letters, digits, '-', '_' or '.', got {name!r}")


def _shipped_folder(name: str) -> Path:
    package = Path(__file__).resolve().parent
    for folder in (package / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise UserError(f"{package}: the folder {name}/ of this installation is missing")
