"""Files are whole or absent, and damage is never loaded without a word."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import BinaryIO

import pytest

from wavestack import files
from wavestack.errors import UserError
from wavestack.files import (
    atomic_write,
    hash_path,
    remove_partials,
    sha256_file,
    verify_hash,
    write_hash,
    write_with_hash,
)


def put(content: bytes):
    """A writer of fixed content."""
    return lambda file: file.write(content) and None


@pytest.mark.parametrize("write", [atomic_write, write_with_hash])
def test_failed_write_leaves_the_old_file_and_nothing_else(write, tmp_path: Path) -> None:
    path = tmp_path / "weights"
    write(path, put(b"old"))
    before = sorted(tmp_path.iterdir())

    def full_disk(file: BinaryIO) -> None:
        file.write(b"half of the new")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write(path, full_disk)
    assert path.read_bytes() == b"old"
    assert sorted(tmp_path.iterdir()) == before
    if write is write_with_hash:
        verify_hash(path)


def test_folder_is_made_and_content_written(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    atomic_write(path, put(b"x" * 100_000))
    assert path.read_bytes() == b"x" * 100_000
    assert list(path.parent.iterdir()) == [path]


def test_hash_file_is_what_sha256sum_reads(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    digest = write_hash(path)
    # FIPS 180-2, example B.1.
    assert digest == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert hash_path(path).read_text() == f"{digest}  file\n"
    assert verify_hash(path) == digest == sha256_file(path)


@pytest.mark.parametrize("position", [0, 17, 99])
def test_one_flipped_bit_is_found(position: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_with_hash(path, put(bytes(100)))
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"file: the content does not match file\.sha256"):
        verify_hash(path)


def test_missing_file_and_missing_hash_are_named(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with pytest.raises(UserError, match="no such file"):
        verify_hash(path)
    path.write_bytes(b"abc")
    with pytest.raises(UserError, match=r"hash file\.sha256 is missing"):
        verify_hash(path)
    assert verify_hash(path, required=False) == sha256_file(path)


def test_any_moment_of_an_exchange_leaves_a_pair_that_agrees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    steps = 0
    while True:
        write_with_hash(path, put(b"old"))
        count = 0

        def replace(source, target, real=os.replace, last=steps):
            nonlocal count
            if count == last:
                raise KeyboardInterrupt
            count += 1
            real(source, target)

        with monkeypatch.context() as patch:
            patch.setattr(files.os, "replace", replace)
            try:
                write_with_hash(path, put(b"new"))
                break
            except KeyboardInterrupt:
                pass
        verify_hash(path)
        assert not remove_partials(tmp_path)
        steps += 1
    assert steps == 3  # the hash of both, the content, the hash of the new one alone
    assert path.read_bytes() == b"new"
    assert verify_hash(path)


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
def test_killed_writer_leaves_the_old_file_and_a_partial_that_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_with_hash(path, put(b"old"))
    program = f"""
        import os, signal
        from pathlib import Path
        from wavestack.files import write_with_hash
        def die(file):
            file.write(b"half"); file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        write_with_hash(Path({str(path)!r}), die)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    verify_hash(path)
    assert len(remove_partials(tmp_path)) == 1
    assert {file.name for file in tmp_path.iterdir()} == {"file", "file.sha256"}
