"""Fetching the files of a published archive: all of them, checked, or none."""

from __future__ import annotations

import re
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

from wavestack.errors import UserError

_MAX_MEMBER_BYTES = 1 << 28
_TIMEOUT_SECONDS = 60


def fetch_members(
    url: str, folder: Path, name: re.Pattern[str], check: Callable[[Path], None]
) -> None:
    """Fetch a tar.gz archive and put the files of a certain name into a new folder.

    The files are written beside the folder and checked there; the folder gets its name at the end,
    so it is complete or absent. Only plain files are taken, by the last part of their path: an
    archive cannot write anywhere else.

    Args:
        url: of the archive.
        folder: to be made; its parent exists.
        name: matches the whole file name of the members wanted.
        check: raises when the files in the folder given to it are not those expected.

    Raises:
        UserError: when the archive cannot be fetched or read.
    """
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        try:
            with urlopen(url, timeout=_TIMEOUT_SECONDS) as response:
                _extract(response, aside, name)
        # A cut or broken download ends in one of these.
        except (OSError, EOFError, tarfile.TarError) as error:
            raise UserError(
                f"could not fetch {url}: {error}; fetch it by hand and unpack it in {folder.parent}"
            ) from error
        check(aside)
        aside.chmod(0o755)
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _extract(stream, folder: Path, name: re.Pattern[str]) -> None:
    with tarfile.open(fileobj=stream, mode="r|gz") as archive:
        for member in archive:
            file_name = member.name.rsplit("/", 1)[-1]
            if not (member.isfile() and name.fullmatch(file_name)):
                continue
            if member.size > _MAX_MEMBER_BYTES:
                raise tarfile.TarError(f"{member.name} is too large ({member.size} bytes)")
            source = archive.extractfile(member)
            if source is not None:
                with open(folder / file_name, "wb") as target:
                    shutil.copyfileobj(source, target)
