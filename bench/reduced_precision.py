"""What smaller weights cost: python -m bench.reduced_precision NAME=RUN [NAME=RUN ...]

Bits per sample of trained autoregressive models on test recordings that they are told sample by
sample (teacher forcing): by the offline network, and by the compiled engine with weights of
each precision. The engine's own samples are not used: each next input is the recording's.
"""

from __future__ import annotations

import argparse
import math
from typing import Any

import torch
from torch import Tensor

import wavestack
from bench.common import ROOT, print_table, write_result
from wavestack.inference.engines.compiled.engine import PRECISIONS, CompiledEngine
from wavestack.safety import instantiate
from wavestack.training.receptive_field import fill_context
from wavestack.training.run_folder import RunFolder

ENOUGH = 100_000  # samples of each model


@torch.inference_mode()
def forced_parameters(model: Any, x: Tensor, condition: Tensor | None, precision: str) -> Tensor:
    """The compiled engine's parameters for the inputs x, whatever it draws itself."""
    batch = len(x)
    engine = CompiledEngine(
        model, model.initial_state(batch), x[..., :1], condition, 0, 0.0, precision=precision
    )
    columns = []
    for t in range(x.shape[-1]):
        engine.network.set_current(x[..., t : t + 1])
        columns.append(engine.advance_with_parameters(1)[1])
    return torch.cat(columns, dim=-1)


@torch.inference_mode()
def bits_per_sample(run: str) -> dict[str, float]:
    """Bits of each way to compute, over the same recordings, and how many samples they have."""
    folder = RunFolder(run)
    cfg = folder.read_config()
    model: Any = wavestack.load(folder.path)
    data = instantiate(cfg.data, key="data")
    fill_context(data, model)
    nats = dict.fromkeys(("offline", *PRECISIONS), 0.0)
    samples = 0
    for batch in data.eval_batches("test"):
        waveform, mask = batch["waveform"], batch["mask"]
        x = model.shift(model.distribution.encode(waveform))
        conditions = (batch.get("labels"), batch.get("features"))
        condition = model.condition(*conditions, x.shape[-1])
        found = {name: forced_parameters(model, x, condition, name) for name in PRECISIONS}
        found["offline"] = model(x, *conditions)
        for name, params in found.items():
            nats[name] += model.distribution.nll(params, waveform)[mask].sum().item()
        samples += int(mask.sum())
        if samples >= ENOUGH:
            break
    return {name: total / samples / math.log(2) for name, total in nats.items()} | {
        "samples": samples
    }


def main() -> None:
    """Compare, print a table, write bench/results/reduced_precision.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", help="recipe=folder of a trained WaveNet")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    figures, rows, recipes = {}, [], []
    for named in arguments.runs:
        recipe, _, run = named.partition("=")
        bits = bits_per_sample(run)
        recipes.append(recipe)
        figures |= {f"{recipe}_{name}_bits": bits[name] for name in ("offline", *PRECISIONS)}
        figures[f"{recipe}_samples"] = bits["samples"]
        for precision in PRECISIONS:
            figures[f"{recipe}_{precision}_costs_bits"] = bits[precision] - bits["offline"]
        rows.append((recipe, *(f"{bits[name]:.4f}" for name in ("offline", *PRECISIONS))))
    print_table(("bits per sample", "offline", *PRECISIONS), rows)
    settings = {"recipes": recipes, "split": "test", "least_samples": ENOUGH}
    path = write_result("reduced_precision", figures, settings, ("torch", "numpy", "numba"))
    print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
