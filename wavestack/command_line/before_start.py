"""The check of a whole command line before Hydra runs anything of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from wavestack.command_line.words import CommandLine
from wavestack.config import compose_with_hydra, config_folder, recipe_folder, resolve
from wavestack.errors import UserError
from wavestack.hydra_plugins import GROUP
from wavestack.safety.instantiate import check_names


def check_before_start(
    line: CommandLine,
    check: Callable[[DictConfig], None] | None = None,
) -> None:
    """Compose what Hydra is about to compose, and check it before a folder is made for it.

    In a sweep every choice of a swept group is composed by itself with the first of the others: a
    file's hold on hydra's keys does not depend on its neighbours.

    Args:
        line: the parsed command line.
        check: further check of the command's own, called with the resolved config.

    Raises:
        UserError: when a file sets hydra's own keys, they would construct an object, or a value is
            not allowed.
    """
    for word in line.overrides:
        # A recipe swept in this other way would come in past the check below.
        if word.lstrip("+~").startswith("hydra.sweeper.params"):
            raise UserError(f"{word}: sweep with --multirun key=a,b instead")
    if not line.multirun:
        jobs = [line.overrides]
    else:
        plain, swept = _split_sweeps(line.overrides, line.config_dir)
        first = [variants[0] for variants in swept if variants]
        jobs = [[*plain, *first]]
        for index, variants in enumerate(swept):
            others = first[:index] + first[index + 1 :]
            jobs += [[*plain, *others, variant] for variant in variants[1:]]
    for overrides in jobs:
        cfg = compose_with_hydra(line.command, overrides, line.config_dir)
        cfg = resolve(cfg)
        check_names(OmegaConf.to_container(cfg))
        if check is not None and "--cfg" not in line.flags:
            check(cfg)


def _split_sweeps(
    overrides: list[str], config_dir: Path | None
) -> tuple[list[str], list[list[str]]]:
    """Overrides without a sweep, and for each swept group its variants as plain overrides.

    Swept values (`seed=1,2`) bring no files: their first value stands for all.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import Glob

    plain: list[str] = []
    swept: list[list[str]] = []
    parsed = OverridesParser.create().parse_overrides(overrides)
    for word, override in zip(overrides, parsed, strict=True):
        key = override.get_key_element()
        if not override.is_sweep_override():
            plain.append(word)
        elif isinstance(pattern := override.value(), Glob):
            values = pattern.filter(_choices(override.key_or_group, config_dir))
            swept.append([f"{key}={value}" for value in values])
        elif override.is_discrete_sweep():
            values = [f"{key}={value}" for value in override.sweep_string_iterator()]
            is_value = "." in override.key_or_group
            swept.append(values[:1] if is_value else values)
    return plain, swept


def _choices(group: str, config_dir: Path | None) -> list[str]:
    folders = [recipe_folder() if group == GROUP else config_folder() / group]
    if config_dir is not None:
        folders.append(config_dir / group)
    return sorted({file.stem for folder in folders for file in folder.glob("*.yaml")})
