"""Random WaveNets through every engine: python -m bench.fuzz_engines

Kernel sizes, dilations, widths that are no multiples of a vector, output families, conditions,
bottlenecks, batches, primers and temperatures are drawn from a seed. An engine that accepts a net
must draw the samples of the eager engine; one that does not must say why. Where two codes were
within 1e-5 of one another, either may be chosen (a tie), and the comparison ends there.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bench.common import ROOT, print_table, write_result
from wavestack.inference import generate
from wavestack.inference.engines.base import ENGINES, choose_engine
from wavestack.inference.engines.draws import prepare_draws
from wavestack.models import WaveNet

TIE = 1e-5
VALUE_TOLERANCE = 1e-4  # of real-valued samples, whose differences are fed back and may grow
STEPS = 80

# Ways to run the compiled engine that must not change a sample.
VARIANTS: tuple[tuple[str, dict[str, Any]], ...] = (
    *((name, {}) for name in ENGINES if name != "eager"),
    ("compiled", {"look_ahead": 1}),
    ("compiled", {"look_ahead": 32}),
    ("compiled", {"threads": 2}),
)


@dataclass
class Case:
    """A network and the arguments of ``generate``."""

    settings: dict[str, Any]
    arguments: dict[str, Any]
    seed: int

    def model(self) -> WaveNet:
        """The network with weights of this case's seed and offsets that matter."""
        torch.manual_seed(self.seed)
        model = WaveNet(**self.settings).eval()
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name.endswith("bias"):
                    parameter.add_(0.2 * torch.randn_like(parameter))
        return model


def draw_case(seed: int) -> Case:
    """A random case; the same seed gives the same one."""
    rng = random.Random(seed)
    layers = rng.randint(1, 7)
    settings: dict[str, Any] = {
        "residual_channels": rng.randint(1, 70),
        "dilation_channels": rng.randint(1, 70),
        "skip_channels": rng.randint(1, 70),
        "end_channels": rng.randint(1, 70),
        "dilations": [rng.choice((1, 2, 3, 4, 5, 8, 16, 27, 64)) for _ in range(layers)],
        "kernel_sizes": [rng.randint(1, 4) for _ in range(layers)],
        "output": rng.choice(("mu_law", "mu_law", "logistic_mixture", "gaussian")),
        "quantization_channels": rng.choice((2, 17, 100, 256, 300)),
        "num_mixtures": rng.randint(1, 12),
        "input_kernel_size": rng.choice((1, 1, 2, 5, 33)),
        "bottleneck_channels": rng.choice((None, None, rng.randint(1, 40))),
        "weight_norm": rng.random() < 0.3,
    }
    torch.manual_seed(seed)
    batch = rng.choice((1, 1, 2, 3, 5, 8, 17, 64))
    arguments: dict[str, Any] = {
        "num_samples": STEPS,
        "batch_size": batch,
        "seed": rng.getrandbits(64),
        "temperature": rng.choice((0.0, 0.5, 1.0, 1.0, 1.3)),
    }
    length = STEPS
    if rng.random() < 0.5:
        primer = torch.rand(batch, rng.randint(1, 50)) * 2 - 1
        arguments["primer"] = primer
        length += primer.shape[1]
    if rng.random() < 0.4:
        settings["num_labels"] = (3, 10)[: rng.randint(1, 2)]
        columns = [torch.randint(0, n, (batch,)) for n in settings["num_labels"]]
        arguments["labels"] = torch.stack(columns, dim=1)
    if rng.random() < 0.4:
        settings |= {"condition_channels": rng.randint(1, 9), "hop_length": rng.choice((1, 4, 8))}
        frames = -(-length // settings["hop_length"])
        arguments["features"] = torch.randn(batch, settings["condition_channels"], frames)
    return Case(settings, arguments, seed)


def compare(case: Case) -> Iterator[tuple[str, str]]:
    """Every engine's verdict: "equal", "tie", "different: ..." or "refused: ..."."""
    model = case.model()
    reference = generate(model, engine="eager", **case.arguments)
    for name, options in VARIANTS:
        label = " ".join([name, *(f"{key}={value}" for key, value in options.items())])
        try:
            choose_engine(model, name)
        except ValueError as error:
            yield label, f"refused: {error}"
            continue
        found = generate(model, engine=name, **options, **case.arguments)
        yield label, _verdict(model, case, reference, found)


def _verdict(model: WaveNet, case: Case, reference: Tensor, found: Tensor) -> str:
    worst = (reference - found).abs().max().item()
    if not model.distribution.discrete:
        return "equal" if worst <= VALUE_TOLERANCE else f"different: by {worst:.1e}"
    if worst == 0:
        return "equal"
    scores = _scores(model, case, reference)
    verdict = "equal"
    for row in range(len(reference)):
        differs = (reference[row] != found[row]).nonzero()
        if not len(differs):
            continue
        step = int(differs[0])
        codes = [model.distribution.encode(w[row : row + 1, step])[0] for w in (reference, found)]
        gap = (scores[row, codes[0], step] - scores[row, codes[1], step]).abs().item()
        if gap >= TIE:
            return f"different: row {row} step {step}, whose scores differ by {gap:.1e}"
        verdict = "tie"
    return verdict


@torch.no_grad()
def _scores(model: WaveNet, case: Case, waveform: Tensor) -> Tensor:
    """Logits and noise that the samples were chosen by, (B, Q, T), from the offline network."""
    batch, steps = waveform.shape
    primer = case.arguments.get("primer", waveform[:, :0])
    whole = model.distribution.encode(torch.cat([primer, waveform], dim=1))
    conditions = {key: case.arguments.get(key) for key in ("labels", "features")}
    params = model(model.shift(whole), **conditions)[..., -steps:]
    draws = prepare_draws(model.distribution, case.arguments["seed"], batch, 0, steps, params)
    return params + case.arguments["temperature"] * draws.permute(1, 2, 0)


def main() -> None:
    """Compare, print a table, write bench/results/fuzz_engines.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=200)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    counts: dict[str, Counter[str]] = {}
    reasons: dict[str, Counter[str]] = {}
    for seed in range(arguments.cases):
        for label, verdict in compare(draw_case(seed)):
            kind, _, reason = verdict.partition(": ")
            counts.setdefault(label, Counter())[kind] += 1
            if reason:
                reasons.setdefault(label, Counter())[reason] += 1
            if kind == "different":
                print(f"case {seed}, {label}: {reason}")
    kinds = ("equal", "tie", "different", "refused")
    print_table(("engine", *kinds), [(k, *(c[kind] for kind in kinds)) for k, c in counts.items()])
    for label, found in reasons.items():
        for reason, count in found.most_common(3):
            print(f"{label}, {count} times: {reason}")
    figures = {
        f"{label}_{kind}".replace(" ", "_").replace("=", "_"): found[kind]
        for label, found in counts.items()
        for kind in kinds
    }
    settings = {"cases": arguments.cases, "steps": STEPS, "tie": TIE}
    print(write_result("fuzz_engines", figures, settings).relative_to(ROOT))


if __name__ == "__main__":
    main()
