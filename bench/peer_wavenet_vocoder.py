"""Generates with wavenet_vocoder; run by bench/generation.py in an environment of its own.

The shape is that of the other rows: 2 x 10 layers, 64 channels (128 before the gate), kernel 2, 256
codes. Prints samples per core-second as JSON, one for each repeat.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from importlib.metadata import version

import torch

warnings.filterwarnings("ignore")  # the peer's own deprecations


def main() -> None:
    """Print {"version", "samples_per_core_second": [...]}."""
    from wavenet_vocoder.wavenet import WaveNet

    repeats, steps = (int(word) for word in sys.argv[1:3])
    torch.set_num_threads(1)
    net = WaveNet(
        out_channels=256,
        layers=20,
        stacks=2,
        residual_channels=64,
        gate_channels=128,
        skip_out_channels=64,
        kernel_size=2,
        dropout=0.0,
        scalar_input=False,
    ).eval()
    net.make_generation_fast_()
    rates = []
    with torch.inference_mode():
        for turn in range(repeats + 1):
            spent = -time.process_time()
            net.incremental_forward(T=steps)
            spent += time.process_time()
            if turn:
                rates.append(steps / spent)
    print(json.dumps({"version": version("wavenet-vocoder"), "samples_per_core_second": rates}))


if __name__ == "__main__":
    main()
