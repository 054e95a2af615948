"""The folder of a user's own data, `data.root`."""

from __future__ import annotations

import os
from pathlib import Path

from wavestack.errors import UserError


def require_root(root: str | os.PathLike[str] | None, holds: str, example: str) -> Path:
    """The user's data folder.

    Raises:
        UserError: when none was given or it does not exist.
    """
    if root is None or str(root) in ("", "???"):
        raise UserError(
            f"data.root is not set: give the folder that holds {holds}, e.g. data.root={example}"
        )
    path = Path(root).expanduser()
    if not path.is_dir():
        raise UserError(f"data.root={root}: there is no such folder")
    return path
