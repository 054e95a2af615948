"""The one exception that a user meets: a plain line naming the file, the key or the value."""

from __future__ import annotations


class UserError(ValueError):
    """A mistake in what the user gave; the command line prints its message and exits with 2."""
