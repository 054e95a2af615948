"""Streams pytorch-tcn; run by bench/streaming.py in an environment of its own.

Prints core-microseconds per sample as JSON: {block: [one for each repeat]}, and "offline".
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version

import torch
from pytorch_tcn import TCN


def main() -> None:
    repeats, layers, channels, kernel_size = (int(word) for word in sys.argv[1:5])
    blocks = [int(word) for word in sys.argv[5:]]
    torch.set_num_threads(1)
    net = TCN(channels, [channels] * layers, kernel_size, dropout=0.0, causal=True)
    net.eval()
    found: dict[str, list[float]] = {str(block): [] for block in blocks} | {"offline": []}
    with torch.inference_mode():
        for turn in range(repeats + 1):
            for block in blocks:
                x = torch.randn(1, channels, block)
                net.reset_buffers()
                count = max(4, 256 // block)
                spent = -time.process_time()
                for _ in range(count):
                    net(x, inference=True)
                spent += time.process_time()
                if turn:
                    found[str(block)].append(1e6 * spent / count / block)
            x = torch.randn(1, channels, 8192)
            spent = -time.process_time()
            net(x)
            spent += time.process_time()
            if turn:
                found["offline"].append(1e6 * spent / 8192)
    print(json.dumps({"version": version("pytorch-tcn"), "microseconds": found}))


if __name__ == "__main__":
    main()
