"""A user's mistakes in one or two plain lines: the key, the value, what would have been right.

Hydra and OmegaConf report the same mistake in many words and over several exceptions; what is not
recognised here is a bug of ours and keeps its traceback.
"""

from __future__ import annotations

import errno
import re
from typing import TypeVar

from hydra.errors import (
    CompactHydraException,
    HydraException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)
from yaml import MarkedYAMLError

from wavestack.errors import UserError, nearest

_Kind = TypeVar("_Kind", bound=BaseException)

# Paths that are not there or not ours are the user's affair, not a bug.
_PLACES = (
    *(errno.ENOENT, errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.EROFS),
    *(errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP),
)


def plain_lines(error: BaseException, running: bool = False) -> str | None:
    """The message for a mistake of the user's, or None for anything unexpected.

    Args:
        error: what was raised.
        running: whether a command was already at work; a config that fails there is our own bug,
            a missing value apart.
    """
    inner = _find(error, UserError)
    if inner is not None:
        # A loader's worker hands a mistake over with the traceback of its process before it.
        worker = str(inner).startswith("Caught ") and " worker process " in str(inner)
        return str(inner).rpartition("UserError: ")[2].strip() if worker else str(inner)
    if isinstance(error, RecursionError) and not running:
        return "a config is nested without end"
    if isinstance(error, MissingConfigException):
        return _missing_choice(error)
    if isinstance(error, OverrideParseException):
        return (
            f"{error.override}: not understood; give key=value, lists as key=[a,b], and text with "
            "other characters in quotes within quotes: 'key=\"text\"'"
        )
    yaml = _find(error, MarkedYAMLError)
    if yaml is not None:
        mark = yaml.problem_mark or yaml.context_mark
        place = f"{mark.name}, line {mark.line + 1}: " if mark else ""
        return f"{place}not valid YAML: {yaml.problem}"
    config = _find(error, MissingMandatoryValue if running else OmegaConfBaseException)
    if config is not None:
        return _in_file(error) + config_message(config)
    if isinstance(error, CompactHydraException):
        return _one_line(str(error))
    if isinstance(error, OSError) and error.errno in _PLACES and error.filename:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"{error.filename or 'cannot write'}: {error.strerror}"
    return None


def _find(error: BaseException | None, kind: type[_Kind]) -> _Kind | None:
    while error is not None:
        if isinstance(error, kind):
            return error
        # Hydra and OmegaConf raise their own errors while handling the one that matters.
        theirs = isinstance(error, (HydraException, OmegaConfBaseException))
        error = error.__cause__ or (error.__context__ if theirs else None)
    return None


def _missing_choice(error: MissingConfigException) -> str:
    name = error.missing_cfg_file or ""
    group, _, choice = name.rpartition("/")
    options = [str(option) for option in error.options or ()]
    if not group or not options:
        return _one_line(str(error))
    hint = nearest(choice, options)
    return f"{group}={choice}: there is no such {group}{hint} (there are {', '.join(options)})"


def config_message(error: OmegaConfBaseException) -> str:
    """One line for an error of OmegaConf's, with the full key and the nearest known one."""
    inner = _find(error, UserError)
    if inner is not None:
        return str(inner)
    key = error.full_key or (str(error.key) if error.key is not None else "")
    if isinstance(error, MissingMandatoryValue):
        key = key or str(error).removeprefix("Missing mandatory value: ").split("\n")[0].strip()
        return f"{key} must be given: {key}=VALUE"
    if isinstance(error, (ConfigAttributeError, ConfigKeyError)):
        known = []
        parent = error.parent_node
        if parent is not None and hasattr(parent, "keys"):
            known = [str(name) for name in parent]
        last = key.rpartition(".")[2]
        return f"{key}: there is no such key{nearest(last, known)}"
    # The lines after the first repeat the key and name classes that the user never wrote.
    text = str(error.msg or error).split("\n")[0].strip()
    return f"{key}: {text}" if key else text


def _in_file(error: BaseException) -> str:
    """'recipe/NAME: ' when Hydra says in which file a merge failed."""
    found = re.match(r"In '([^']+)'", str(error))
    return f"{found.group(1)}: " if found else ""


def _one_line(text: str) -> str:
    lines = [line.strip() for line in str(text).splitlines()]
    return " ".join(line for line in lines if line)
