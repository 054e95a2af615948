"""Spectrograms of recordings side by side: the real one beside the generated one.

python -m bench.side_by_side OUT.png REAL.wav GENERATED.wav [...]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib
import numpy as np
import soundfile

from wavestack.signal import spectrogram_db

SECONDS = 2.0
RANGE_DB = 80.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("sounds", type=Path, nargs="+")
    parser.add_argument("--columns", type=int, default=2)
    arguments = parser.parse_args()
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    rows = -(-len(arguments.sounds) // arguments.columns)
    size = (4.5 * arguments.columns, 2.6 * rows)
    figure, axes = plt.subplots(rows, arguments.columns, figsize=size, squeeze=False)
    for plot, path in zip(axes.flat, arguments.sounds, strict=False):
        waveform, rate = soundfile.read(path, dtype="float32")
        waveform = waveform[: int(SECONDS * rate)]
        frequencies, times, level = spectrogram_db(waveform, rate)
        top = float(np.max(level))
        kilohertz = frequencies / 1000
        plot.pcolormesh(times, kilohertz, level, vmin=top - RANGE_DB, vmax=top, cmap="magma")
        plot.set_title(path.stem, fontsize=9)
        plot.set_xlabel("seconds", fontsize=8)
        plot.set_ylabel("kHz", fontsize=8)
    figure.tight_layout()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out, dpi=90)


if __name__ == "__main__":
    main()
