"""timm's convolutional families: how many models are exact, unknown, or crash.

    pip install timm
    python -m bench.receptive_field_timm [FAMILY ...]

takes up to four models of each family (spread over its list of names, the largest left out), with
random
weights at their usual input size. Writes bench/results/receptive_field_timm.json when no family is
given.
"""

from __future__ import annotations

import statistics
import sys
import warnings

import timm
import torch
from torch import nn

from bench.common import core_seconds, print_table, write_result
from wavestack.receptive_field import analyze

FAMILIES = [
    "byoanet",
    "byobnet",
    "convmixer",
    "convnext",
    "cspnet",
    "cspnext",
    "densenet",
    "dla",
    "dpn",
    "edgenext",
    "efficientnet",
    "fasternet",
    "fastvit",
    "focalnet",
    "ghostnet",
    "hardcorenas",
    "hgnet",
    "hrnet",
    "inception_next",
    "inception_resnet_v2",
    "inception_v3",
    "inception_v4",
    "lcnetv2",
    "mambaout",
    "metaformer",
    "mobilenetv3",
    "mobilevit",
    "nasnet",
    "nfnet",
    "pnasnet",
    "regnet",
    "repghost",
    "repvit",
    "res2net",
    "resnest",
    "resnet",
    "resnetv2",
    "rexnet",
    "selecsls",
    "senet",
    "sknet",
    "starnet",
    "tresnet",
    "vgg",
    "vovnet",
    "xception",
    "xception_aligned",
]
EACH = 4
LARGEST = 120_000_000


def spread(names: list[str]) -> list[str]:
    """A few names from the whole list."""
    if len(names) <= EACH:
        return names
    return [names[round(k * (len(names) - 1) / (EACH - 1))] for k in range(EACH)]


def main() -> None:
    """Sweep, print and write."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    analyze(nn.Conv2d(1, 1, 3), torch.zeros(1, 1, 9, 9))  # first-use imports
    counts = dict.fromkeys(("exact", "no_pattern", "bound", "unknown", "crashed", "too_large"), 0)
    seconds: list[float] = []
    remarks: dict[str, str] = {}
    for family in sys.argv[1:] or FAMILIES:
        for name in spread(timm.list_models(module=family)):
            model = timm.create_model(name, pretrained=False).eval()
            if sum(p.numel() for p in model.parameters()) > LARGEST:
                counts["too_large"] += 1
                continue
            size = model.default_cfg.get("input_size", (3, 224, 224))
            try:
                start = core_seconds()
                report = analyze(model, torch.zeros(1, *size))
                seconds.append(core_seconds() - start)
            except Exception as problem:
                outcome, remarks[name] = "crashed", f"{type(problem).__name__}: {problem}"[:200]
            else:
                text = " ".join(report.warnings)
                if report.unknown:
                    outcome = "unknown"
                    remarks[name] = ", ".join(sorted({operator for _, operator in report.unknown}))
                elif "upper bound" in text or "too small" in text:
                    outcome, remarks[name] = "bound", text[:200]
                elif "no repeating pattern" in text:
                    outcome, remarks[name] = "no_pattern", text[:200]
                else:
                    outcome = "exact"
            counts[outcome] += 1
            took = seconds[-1] if seconds else 0.0
            print(f"{family:20s} {name:44s} {outcome:10s} {took:6.2f} s", flush=True)
    figures = {
        "models": sum(counts.values()) - counts["too_large"],
        **counts,
        "core_seconds_median": statistics.median(seconds),
        "core_seconds_max": max(seconds),
    }
    print_table(("figure", "value"), list(figures.items()))
    if not sys.argv[1:]:
        settings = {"families": list(FAMILIES), "largest_parameters": LARGEST, "remarks": remarks}
        write_result("receptive_field_timm", figures, settings, ("torch", "timm"))


if __name__ == "__main__":
    main()
