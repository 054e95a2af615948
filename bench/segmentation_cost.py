"""Our networks beside torchvision's and segmentation-models-pytorch's, in one run.

    python -m bench.segmentation_cost [WORD ...]    # anew only for pairs whose name has the word

Forward pass and training step (forward, cross-entropy, backward) of the same architecture, in
turns, on one thread; figures are medians of the ratios of core-seconds, ours over theirs, so that
below 1 is faster. Where parameters match one to one, both start from the same weights and must
give the same output. Writes bench/results/segmentation_cost.json; with words, the other pairs keep
the figures that they have there.
"""

from __future__ import annotations

import importlib.util
import json
import statistics
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from bench.common import RESULTS, print_table, time_in_turns, write_result
from wavestack.models import FCN, DeepLabV3, DeepLabV3Plus, LinkNet
from wavestack.models.backbones import make_backbone

CLASSES = 11
REPEATS = 7
SMP = "segmentation_models_pytorch"


@dataclass(frozen=True)
class Pair:
    """The same architecture twice.

    Attributes:
        name: how the table calls it.
        ours, theirs: make the two.
        size: of the image, one that both take.
        batch: images at once.
        same_weights: whether our state_dict loads theirs.
    """

    name: str
    ours: Callable[[], nn.Module]
    theirs: Callable[[], nn.Module]
    size: tuple[int, int]
    batch: int = 2
    same_weights: bool = False


def last_of(output: Any) -> Tensor:
    """Scores or features, whatever they come in."""
    if isinstance(output, dict):
        return output["out"]
    return output[-1] if isinstance(output, tuple | list) else output


def from_torchvision(name: str) -> Callable[[], nn.Module]:
    """A segmentation network of torchvision with random weights."""
    build = getattr(torchvision.models.segmentation, name)
    return lambda: build(weights=None, weights_backbone=None, num_classes=CLASSES)


def features_of(name: str) -> Callable[[], nn.Module]:
    """A classification network of torchvision up to its last features."""

    def build() -> nn.Module:
        model = getattr(torchvision.models, name)()
        if name.startswith("vgg"):
            return model.features
        model.avgpool, model.fc = nn.Identity(), nn.Identity()
        model._forward_impl = _body_of(model)
        return model

    return build


def _body_of(model: Any) -> Callable[[Tensor], Tensor]:
    def forward(x: Tensor) -> Tensor:
        x = model.maxpool(model.relu(model.bn1(model.conv1(x))))
        return model.layer4(model.layer3(model.layer2(model.layer1(x))))

    return forward


def as_in_the_paper(model: Any) -> nn.Module:
    """segmentation-models-pytorch's DeepLabV3+ with the decoder of the paper and its code.

    Theirs has one of the two 3x3 convolutions before the upsampling, where there are 16 times fewer
    positions, and neither normalization nor ReLU between depthwise and pointwise convolutions.
    """
    decoder = model.decoder
    before = decoder.aspp[1:]
    decoder.aspp = decoder.aspp[:1]
    decoder.block2.extend(before)
    for part in list(decoder.modules()):
        if type(part).__name__ == "SeparableConv2d":
            part.insert(1, nn.BatchNorm2d(part[0].out_channels))
            part.insert(2, nn.ReLU())
    return model


def from_smp(
    kind: str,
    encoder: str,
    change: Callable[[nn.Module], nn.Module] | None = None,
    **options: Any,
) -> Callable[[], nn.Module]:
    """A network of segmentation-models-pytorch with random weights."""

    def build() -> nn.Module:
        import segmentation_models_pytorch as smp

        model = getattr(smp, kind)(encoder, encoder_weights=None, classes=CLASSES, **options)
        return model if change is None else change(model)

    return build


PAIRS = (
    *(
        Pair(
            f"{name} features", lambda name=name: make_backbone(name), features_of(name), (192, 192)
        )
        for name in ("resnet18", "resnet50", "vgg16")
    ),
    Pair(
        "FCN ResNet-50, 8",
        lambda: FCN(CLASSES, "resnet50", 8, skips=0),
        from_torchvision("fcn_resnet50"),
        (160, 192),
        same_weights=True,
    ),
    Pair(
        "DeepLabV3 ResNet-50, 8",
        lambda: DeepLabV3(CLASSES, "resnet50", 8),
        from_torchvision("deeplabv3_resnet50"),
        (160, 192),
        same_weights=True,
    ),
    Pair(
        "LinkNet ResNet-18, 32",
        lambda: LinkNet(CLASSES, "resnet18"),
        from_smp("Linknet", "resnet18"),
        (256, 320),
    ),
    *(
        Pair(
            f"DeepLabV3+ ResNet-{depth}, 16{words}",
            lambda depth=depth: DeepLabV3Plus(CLASSES, f"resnet{depth}", 16),
            from_smp("DeepLabV3Plus", f"resnet{depth}", change, decoder_atrous_rates=(6, 12, 18)),
            (192, 256),
        )
        for depth in (18, 50)
        for words, change in (("", as_in_the_paper), (" (their decoder)", None))
    ),
)


def needs_smp(pair: Pair) -> bool:
    """Whether the other network is segmentation-models-pytorch's."""
    return pair.theirs.__qualname__.startswith("from_smp")


def sizes_of(pair: Pair, models: dict[str, nn.Module]) -> dict[str, float]:
    """Parameters and multiply-adds of both."""
    figures: dict[str, float] = {}
    for who, model in models.items():
        figures[f"{who}_parameters"] = sum(p.numel() for p in model.parameters())
        counter = FlopCounterMode(display=False)
        with counter, torch.no_grad():
            model.eval()(torch.zeros(pair.batch, 3, *pair.size))
        figures[f"{who}_gigamacs"] = counter.get_total_flops() / 2e9
    return figures


def compare(pair: Pair) -> dict[str, float]:
    """Ratios of core-seconds, sizes, and the largest difference of the outputs."""
    torch.manual_seed(0)
    x = torch.randn(pair.batch, 3, *pair.size)
    models = {"ours": pair.ours(), "theirs": pair.theirs()}
    figures = sizes_of(pair, models)
    if pair.same_weights:
        models["ours"].load_state_dict(models["theirs"].state_dict())
        with torch.no_grad():
            a, b = (last_of(model.eval()(x)) for model in models.values())
        figures["difference"] = float((a - b).abs().max() / b.abs().max())
        if figures["difference"] > 1e-5:
            raise RuntimeError(f"{pair.name}: outputs differ by {figures['difference']:.1e}")
    with torch.no_grad():
        shape = last_of(models["ours"].train()(x)).shape
    target = torch.randint(CLASSES, (shape[0], *shape[2:]))

    def forward(model: nn.Module) -> Callable[[], object]:
        return torch.no_grad()(lambda: model(x))

    def step(model: nn.Module) -> Callable[[], object]:
        def call() -> None:
            model.zero_grad(set_to_none=True)
            F.cross_entropy(last_of(model(x)), target).backward()

        return call

    for what, make, training in (("forward", forward, False), ("training", step, True)):
        calls = {who: make(model.train(training)) for who, model in models.items()}
        seconds = time_in_turns(calls, REPEATS)
        ratios = [a / b for a, b in zip(seconds["ours"], seconds["theirs"], strict=True)]
        figures |= {
            f"{what}_core_seconds": statistics.median(seconds["ours"]),
            f"{what}_peer_core_seconds": statistics.median(seconds["theirs"]),
            f"{what}_ratio": statistics.median(ratios),
            f"{what}_ratio_min": min(ratios),
            f"{what}_ratio_max": max(ratios),
        }
    return figures


def main() -> None:
    """Compare, print and write."""
    words = sys.argv[1:]
    torch.set_num_threads(1)
    kept = json.loads((RESULTS / "segmentation_cost.json").read_text())["figures"] if words else {}
    figures: dict[str, float] = {}
    rows, skipped = [], {}
    for pair in PAIRS:
        if words and not any(word.lower() in pair.name.lower() for word in words):
            start = f"{pair.name}: "
            figures |= {key: value for key, value in kept.items() if key.startswith(start)}
            sizes = sizes_of(pair, {"ours": pair.ours(), "theirs": pair.theirs()})
            figures |= {start + key: value for key, value in sizes.items()}
            continue
        if needs_smp(pair) and importlib.util.find_spec(SMP) is None:
            skipped[pair.name] = f"{SMP} is not installed"
            print(f"{pair.name}: skipped, {skipped[pair.name]}")
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = compare(pair)
        figures |= {f"{pair.name}: {key}": value for key, value in found.items()}
        rows.append([pair.name, *(f"{found[f'{w}_ratio']:.3f}" for w in ("forward", "training"))])
        rows[-1] += [f"{found[f'{who}_parameters']:,}" for who in ("ours", "theirs")]
        print(*rows[-1], flush=True)
    header = ["ours / theirs, core-seconds", "forward", "training", "parameters", "theirs"]
    print_table(header, rows)
    packages = ["torch", "torchvision"]
    if importlib.util.find_spec(SMP) is not None:
        packages.append("segmentation-models-pytorch")
    settings = {
        "pairs": {pair.name: [pair.batch, 3, *pair.size] for pair in PAIRS},
        "smp": [pair.name for pair in PAIRS if needs_smp(pair)],
        "skipped": skipped,
        "repeats": REPEATS,
        "threads": 1,
    }
    print(write_result("segmentation_cost", figures, settings, packages))


if __name__ == "__main__":
    main()
