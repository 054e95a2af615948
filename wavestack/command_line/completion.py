"""Tab completion: Hydra's, taught that the first word is a command.

The shell asks `wavestack -sc query=bash` with the whole line in COMP_LINE. The command's name is
completed here; everything after it is Hydra's business, which sees the line without the name.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from wavestack.command_line.words import CommandLine, parse
from wavestack.commands import COMMANDS
from wavestack.errors import UserError


def complete(words: list[str], run_command: Callable[[CommandLine], int]) -> int:
    """Answer `-sc install=SHELL`, `-sc uninstall=SHELL` or `-sc query=SHELL`.

    Args:
        words: the words of the command line, the flag first.
        run_command: runs a parsed command line and returns its exit status.

    Raises:
        UserError: when none of the three is asked for.
    """
    action = words[1] if len(words) > 1 else ""
    if action.partition("=")[0] not in ("install", "uninstall", "query"):
        raise UserError(f"{' '.join(words)}: give -sc install=bash (zsh, fish), or -sc query=bash")
    command = "train"
    flags: list[str] = []
    if action.startswith("query="):
        typed = os.environ.get("COMP_LINE", "")
        before = typed.split()
        if len(before) < 2 or (len(before) == 2 and not typed.endswith(" ")):
            beginning = before[1] if len(before) == 2 else ""
            print(" ".join(name for name in COMMANDS if name.startswith(beginning)))
            return 0
        command = before[1]
        if command not in COMMANDS:
            return 0
        flags = _config_dir(before)
        rest = typed.split(command, 1)[1].lstrip()
        os.environ["COMP_LINE"] = f"wavestack {rest}"
    return run_command(parse(command, ["--shell-completion", action, *flags]))


def _config_dir(words: list[str]) -> list[str]:
    """The --config-dir of the line being typed, so that a user's own recipes complete too."""
    for index, word in enumerate(words):
        flag, equals, value = word.partition("=")
        if flag in ("--config-dir", "-cd"):
            folder = value if equals else "".join(words[index + 1 : index + 2])
            return ["--config-dir", folder] if os.path.isdir(folder) else []
    return []
