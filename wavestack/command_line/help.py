"""Help texts, made from the config files themselves, so that they cannot fall behind.

Neither Hydra nor torch is imported: help comes at once.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

from wavestack.commands import COMMANDS
from wavestack.config import config_folder, recipe_folder

_GROUP_LINE = re.compile(r"\s*-\s*(?:optional\s+)?(\w+)\s*:")

_FLAGS = """\
Flags:
  --cfg job          print the config instead of running (with --resolve: interpolations too)
  --multirun, -m     one run for each value: key=a,b,c
  --config-dir DIR   configs of your own: DIR/recipe/NAME.yaml, DIR/model/NAME.yaml, ...
  --hydra-help       what else Hydra offers"""

_COMPLETION = 'Tab completion: eval "$(wavestack -sc install=bash)"  (fish: install=fish | source)'


def print_overview() -> None:
    """Print the commands with one line each."""
    width = max(len(name) for name in COMMANDS) + 2
    print("wavestack COMMAND [key=value ...]\n\nCommands:")
    for name, summary in COMMANDS.items():
        print(f"  {name:<{width}}{summary}")
    print("\nwavestack COMMAND --help lists a command's keys.\n" + _COMPLETION)


def print_help(command: str, config_dir: Path | None = None) -> None:
    """Print what a command does, its keys with their meaning, and the parts to choose from."""
    file = config_folder() / f"{command}.yaml"
    lead, groups, keys = read_command(file.read_text(encoding="utf-8"))
    print(f"wavestack {command} [key=value ...]: {COMMANDS[command]}\n")
    if lead:
        print("\n".join(lead) + "\n")
    if keys:
        print("Keys and their values:")
        print("\n".join(f"  {line}" if line else "" for line in keys) + "\n")
    choices = {group: group_choices(group, config_dir) for group in groups}
    if any(choices.values()):
        print("Parts (group=name):")
        for group, names in choices.items():
            if names:
                print(_wrapped(f"  {group}: {', '.join(names)}"))
        part = "recipe" if "recipe" in groups else next(g for g in groups if choices[g])
        print(f"  keys inside a part: wavestack {command} {part}=NAME --cfg job\n")
    print(_FLAGS)


def _wrapped(line: str) -> str:
    return textwrap.fill(line, 100, subsequent_indent="    ", break_on_hyphens=False)


def read_command(text: str) -> tuple[list[str], list[str], list[str]]:
    """Take a command's config file apart.

    Args:
        text: the YAML text: leading comment, defaults list, keys with comments, hydra section.

    Returns:
        The lines of the leading comment, the groups of the defaults list, and the lines of the
        keys as they stand in the file.
    """
    lead: list[str] = []
    groups: list[str] = []
    keys: list[str] = []
    section = "lead"
    for line in text.splitlines():
        if line.startswith("defaults:"):
            section = "defaults"
        elif line.startswith("hydra:"):
            section = "hydra"
        elif line and not line.startswith((" ", "#", "-")):
            section = "keys"
        elif section in ("defaults", "hydra") and line.startswith("#"):
            section = "keys"  # a comment over the next key
        if section == "lead" and line.startswith("#"):
            lead.append(line.removeprefix("#").removeprefix(" "))
        elif section == "defaults" and (found := _GROUP_LINE.match(line)):
            groups.append(found.group(1))
        elif section == "keys":
            keys.append(line.replace("${hydra:runtime.choices.recipe}", "(the recipe's)"))
    while keys and not keys[-1].strip():
        keys.pop()
    return lead, groups, keys


def group_choices(group: str, config_dir: Path | None = None) -> list[str]:
    """The files of a group: ours, and those of a user's folder."""
    folders = [recipe_folder() if group == "recipe" else config_folder() / group]
    if config_dir is not None:
        folders.append(config_dir / group)
    return sorted({file.stem for folder in folders for file in folder.glob("*.yaml")})
