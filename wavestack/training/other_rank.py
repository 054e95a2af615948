"""The program of every rank but zero, which :mod:`wavestack.training.ranks` starts."""

from __future__ import annotations

import sys

from wavestack.errors import UserError
from wavestack.safety.trust import trust_packages
from wavestack.training.fit import train
from wavestack.training.run_folder import RunFolder


def main() -> None:
    """``... other_rank RUN_DIR start|resume [TRUSTED PACKAGE ...]``."""
    run_dir, how, *trusted = sys.argv[1:]
    trust_packages(trusted)
    cfg = RunFolder(run_dir).read_config()
    cfg.resume = run_dir if how == "resume" else None
    try:
        train(cfg, run_dir)
    except UserError:
        sys.exit(2)  # rank zero meets the same mistake and prints it


if __name__ == "__main__":
    main()
