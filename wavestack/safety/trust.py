"""Packages that the user vouches for, on the command line or in Python; never in a file."""

from __future__ import annotations

from collections.abc import Iterable

from wavestack.errors import UserError

_trusted: set[str] = set()


def trust_packages(packages: Iterable[str]) -> None:
    """Let configs construct classes and functions defined in these packages, in this process.

    Args:
        packages: top-level or nested package names ("my_package", "my_package.models").

    Raises:
        UserError: when a name is no dotted name, or belongs to wavestack's own list ("torch").
    """
    from wavestack.safety.allowed import ROOTS

    for name in packages:
        if not all(part.isidentifier() for part in name.split(".")):
            raise UserError(f"trust={name}: not the name of a Python package")
        if name.split(".")[0] in ROOTS:
            raise UserError(
                f"trust={name}: what configs may name in {name.split('.')[0]} is a fixed list"
            )
        _trusted.add(name)


def trusted_packages() -> frozenset[str]:
    """The packages trusted so far in this process."""
    return frozenset(_trusted)
