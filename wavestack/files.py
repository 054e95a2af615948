"""Files that are whole or absent: written aside, flushed to disk, renamed, with a hash beside.

An interrupted save must never cost the file that was there before, and a flipped bit must never be
loaded without a word. Both `torch.load` and safetensors do both, so every file of weights goes
through here.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from wavestack.errors import UserError

PARTIAL_SUFFIX = ".partial"


def atomic_write(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file so that its name only ever points at complete content.

    The content goes to a hidden neighbour first, is flushed to the disk and then renamed; the
    folder is flushed too, so that the rename survives a power cut. When `write` fails (a full disk,
    an interrupt) the neighbour is removed and the old file stays as it was.

    Args:
        path: the file to write; its folder is made when missing.
        write: called with a binary file open for writing.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL_SUFFIX}")
    try:
        with open(partial, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file of known content, whole or not at all."""
    atomic_write(path, lambda file: file.write(content))


def write_with_hash(path: Path, write: Callable[[BinaryIO], object]) -> str:
    """Like `atomic_write`, and keep `PATH.sha256` in step with it whenever the process dies.

    Two files cannot be renamed at once. So the hash file first names both the old and the new
    content, then the content is exchanged, then the old line goes: whatever moment a kill chooses,
    the content on disk is named by a line of its hash file.

    Returns:
        The SHA-256 of the new content, in hexadecimal.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL_SUFFIX}")
    try:
        with open(partial, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        digest = sha256_file(partial)
        known = _read_hashes(path) if path.exists() else []
        _write_hashes(path, [digest, *(old for old in known if old != digest)])
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)
    if known:
        _write_hashes(path, [digest])
    return digest


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_path(path: Path) -> Path:
    """Where the hash of `path` is kept: `model.safetensors` -> `model.safetensors.sha256`."""
    path = Path(path)
    return path.with_name(path.name + ".sha256")


def write_hash(path: Path) -> str:
    """Write `PATH.sha256`, in the format of sha256sum, for a complete file; return the hash."""
    digest = sha256_file(path)
    _write_hashes(Path(path), [digest])
    return digest


def verify_hash(path: Path, *, required: bool = True) -> str:
    """Check a file against the hash beside it.

    Args:
        path: the file.
        required: whether a missing hash file is an error; a file from elsewhere may have none.

    Returns:
        The SHA-256 of the content.

    Raises:
        UserError: when the file is missing, differs from its hash, or lacks a required one.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: there is no such file")
    beside = hash_path(path)
    if not beside.is_file() and required:
        raise UserError(f"{path}: its hash {beside.name} is missing, so it cannot be trusted")
    digest = sha256_file(path)
    if beside.is_file() and digest not in _read_hashes(path):
        raise UserError(f"{path}: the content does not match {beside.name}; the file is damaged")
    return digest


def remove_partials(folder: Path) -> list[Path]:
    """Delete what killed writers left in a folder (not below it); return the deleted paths.

    Call it only where no other process is writing: when a run starts or resumes.
    """
    removed = []
    for path in sorted(Path(folder).glob(f".*{PARTIAL_SUFFIX}")):
        path.unlink(missing_ok=True)
        removed.append(path)
    return removed


def _read_hashes(path: Path) -> list[str]:
    beside = hash_path(path)
    if not beside.is_file():
        return []
    lines = beside.read_text(encoding="utf-8", errors="replace").splitlines()
    return [line.split()[0] for line in lines if line.strip()]


def _write_hashes(path: Path, digests: list[str]) -> None:
    text = "".join(f"{digest}  {path.name}\n" for digest in digests)
    atomic_write(hash_path(path), lambda file: file.write(text.encode()) and None)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":  # Windows can neither open nor flush a folder
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
