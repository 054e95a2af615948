"""The `wavestack` program: finds the command, lets Hydra compose its config, calls its function.

    wavestack COMMAND [key=value ...] [--cfg job] [--multirun] [--config-dir DIR] [--help]

A user's mistake ends in one or two plain lines and exit status 2; an interrupt in 130. Everything
heavy is imported only once it is known to be needed.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from wavestack.command_line.words import CommandLine, parse
from wavestack.commands import COMMANDS
from wavestack.errors import UserError

_RUNNING = "This is a bug in wavestack, not a mistake of yours; please report it."


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command line and exit.

    Args:
        argv: the words after the program's name; None: those of this process.

    Raises:
        SystemExit: always: 0 done, 2 a mistake of the user's, 130 interrupted.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        status = run(words)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        status = 130
    except BrokenPipeError:  # the reader of a pipe (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except Exception as error:
        from wavestack.mistakes import plain_lines

        running = _RUNNING in getattr(error, "__notes__", ())
        lines = plain_lines(error, running) if not os.environ.get("HYDRA_FULL_ERROR") else None
        if lines is None:
            raise
        print(f"wavestack: {lines}", file=sys.stderr)
        status = 2
    sys.exit(status)


def run(words: list[str]) -> int:
    """Run one command line; return the exit status. Mistakes are raised, not printed."""
    if words[:1] in (["--version"], ["version"]):
        from wavestack.version import __version__

        print(f"wavestack {__version__}")
        return 0
    if not words or words[0] in ("--help", "-h", "help"):
        from wavestack.command_line.help import print_overview

        print_overview()
        return 0
    if words[0] in ("-sc", "--shell-completion"):
        from wavestack.command_line.completion import complete

        return complete(words, run_command)
    command = words[0]
    if command not in COMMANDS:
        from wavestack.errors import nearest

        known = ", ".join(COMMANDS)
        raise UserError(f"{command}: no such command{nearest(command, list(COMMANDS))} ({known})")
    line = parse(command, words[1:])
    if line.help:
        from wavestack.command_line.help import print_help

        print_help(command, line.config_dir)
        return 0
    return run_command(line)


def run_command(line: CommandLine) -> int:
    """Compose the config of a parsed command line through Hydra and run the command on it."""
    import hydra

    from wavestack.command_line.before_start import check_before_start
    from wavestack.config import HYDRA_VERSION, config_folder, prepare, recipe_folder
    from wavestack.hydra_plugins import search_folders
    from wavestack.safety.resolvers import plain_resolvers
    from wavestack.safety.trust import trust_packages
    from wavestack.schemas import register_schemas

    if line.trust:
        sys.path.insert(0, os.getcwd())  # a console script does not look there by itself
        trust_packages(line.trust)
    register_schemas()
    module = importlib.import_module(f"wavestack.commands.{line.command}")
    failed: list[Exception] = []
    original = list(sys.argv)

    def task(cfg: Any) -> None:
        # Lightning re-launches the ranks of a distributed run by sys.argv: show it the whole line.
        hydra_argv, sys.argv = sys.argv, original
        try:
            _run_job(module.run, cfg)
        except BrokenPipeError as error:  # Hydra would announce it as a failed job
            failed.append(error)
        except Exception as error:
            from wavestack.mistakes import plain_lines

            # Hydra would print a heading of its own over a plain message, so keep it for later.
            # A job in another process (a sweep's launcher) has to hand it over by raising.
            lines = plain_lines(error, running=True)
            if os.getpid() != process or lines is None:
                error.add_note(_RUNNING)
                raise
            failed.append(error)
            if line.multirun:
                print(f"wavestack: {lines}", file=sys.stderr)
        finally:
            sys.argv = hydra_argv

    process = os.getpid()
    with plain_resolvers(), search_folders(recipe_folder(), line.config_dir), _full_errors():
        if "--shell-completion" not in line.flags:
            line.overrides = prepare(line.command, line.overrides, line.config_dir)
            check_before_start(line, getattr(module, "check", None))
        sys.argv = [sys.argv[0], *line.hydra_words()]
        try:
            hydra.main(
                config_path=str(config_folder()),
                config_name=line.command,
                version_base=HYDRA_VERSION,
            )(task)()
        finally:
            sys.argv = original
    if failed and line.multirun:
        return 2
    if failed:
        raise failed[0]
    return 0


def _run_job(function: Callable[[Any], None], cfg: Any) -> None:
    from omegaconf import OmegaConf

    OmegaConf.resolve(cfg)
    function(cfg)


class _full_errors:
    """Makes Hydra raise its errors instead of printing them, so that `mistakes` can word them."""

    def __enter__(self) -> None:
        self.before = os.environ.get("HYDRA_FULL_ERROR")
        os.environ["HYDRA_FULL_ERROR"] = "1"

    def __exit__(self, *_: object) -> None:
        if self.before is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = self.before
