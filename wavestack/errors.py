"""The one exception that a user meets: a plain line naming the file, the key or the value."""

from __future__ import annotations

import difflib


class UserError(ValueError):
    """A mistake in what the user gave; the command line prints its message and exits with 2."""


def nearest(name: str, known: list[str]) -> str:
    """A clause naming the known names nearest to a mistyped one: "; did you mean ...?", or ""."""
    close = difflib.get_close_matches(name, known, n=2, cutoff=0.6)
    return f"; did you mean {' or '.join(close)}?" if close else ""
