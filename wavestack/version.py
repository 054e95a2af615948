"""The version of this package, which weights files and reports name."""

__version__ = "0.1.0"
