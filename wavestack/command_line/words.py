"""The words of a command line sorted into flags and key=value overrides.

Hydra's own parser stumbles when a flag stands between two overrides, and offers flags that read
pickles or replace a command's config; so the words are sorted here and handed on in Hydra's order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from wavestack.errors import UserError

_LONG = {
    "-h": "--help", "-c": "--cfg", "-p": "--package", "-m": "--multirun", "-r": "--run",
    "-cd": "--config-dir", "-i": "--info", "-sc": "--shell-completion",
}  # fmt: skip
_WITH_VALUE = ("--cfg", "--package", "--config-dir")
_SWITCHES = ("--help", "--hydra-help", "--resolve", "--multirun", "--run", "--shell-completion")
_MARKS = frozenset("'\"[]{}(),=$\\")  # of Hydra's grammar: a value with one stays as it is
_INFO = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")


@dataclass
class CommandLine:
    """One parsed command line.

    Attributes:
        command: name of the command.
        overrides: "key=value" words, as given, without `trust=`.
        flags: Hydra's flags with their values, in Hydra's spelling.
        config_dir: the user's folder of configs, or None.
        trust: packages whose classes configs may name.
        help: whether help is wanted instead of a run.
    """

    command: str
    overrides: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    config_dir: Path | None = None
    trust: list[str] = field(default_factory=list)
    help: bool = False

    @property
    def multirun(self) -> bool:
        """Whether several jobs are wanted."""
        return "--multirun" in self.flags or "hydra.mode=MULTIRUN" in self.overrides

    def hydra_words(self) -> list[str]:
        """The words for Hydra: flags first, then overrides."""
        return [*self.flags, *self.overrides]


def parse(command: str, words: list[str]) -> CommandLine:
    """Sort the words after the command's name.

    Raises:
        UserError: at an unknown flag, a flag without its value, or a word that is no key=value.
    """
    line = CommandLine(command)
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            _take_override(line, word)
            continue
        flag, has_value, value = word.partition("=")
        flag = _LONG.get(flag, flag)
        if flag in _WITH_VALUE:
            if not has_value:
                if not rest:
                    raise UserError(f"{flag} needs a value")
                value = rest.pop(0)
            if flag == "--config-dir":
                line.config_dir = _check_config_dir(Path(value))
            else:
                line.flags += [flag, value]
        elif flag == "--info":
            value = value or (rest.pop(0) if rest and rest[0] in _INFO else "all")
            line.flags += [flag, value]
        elif flag == "--help":
            line.help = True
        elif flag in _SWITCHES:
            line.flags.append(flag)
        else:
            known = ", ".join(("--config-dir", "--cfg job", "--multirun", "--help"))
            raise UserError(f"{word}: no such flag here (there are {known}; values are key=value)")
    return line


def _take_override(line: CommandLine, word: str) -> None:
    key, equals, value = word.partition("=")
    if key.lstrip("+") == "trust":
        line.trust += [name.strip() for name in value.strip("[]").split(",") if name.strip()]
    elif not equals and not word.startswith("~"):
        raise UserError(f"{word}: not understood; values are given as key=value")
    elif not value.isascii() and not _MARKS.intersection(value):
        # Hydra's grammar knows letters beyond ASCII (a folder's name, a text) only within quotes.
        line.overrides.append(f"{key}='{value}'")
    else:
        line.overrides.append(word)


def _check_config_dir(folder: Path) -> Path:
    """A user's folder holds groups and recipes; a command's own config and hydra's stay ours."""
    from wavestack.commands import COMMANDS

    if not folder.is_dir():
        raise UserError(f"--config-dir {folder}: there is no such folder")
    for name in (*(f"{command}.yaml" for command in COMMANDS), "hydra"):
        if (folder / name).exists():
            raise UserError(
                f"{folder / name}: a folder of configs cannot replace this; "
                "put recipes into recipe/NAME.yaml and parts into model/NAME.yaml and the like"
            )
    return folder.resolve()
