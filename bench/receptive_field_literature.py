"""The receptive fields that the literature states, beside the calculator's own.

    python -m bench.receptive_field_literature

writes bench/results/receptive_field_literature.json, the table in docs/receptive_field.md and the
pictures of that page. The nets are rebuilt at tiny width: the field does not depend on it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torchaudio
import torchvision
from torch import Tensor, nn

from bench.common import ROOT, print_table, write_result
from wavestack.layers import DilatedStack
from wavestack.receptive_field import analyze, effective_receptive_field
from wavestack.receptive_field.report import Report

PAGE = ROOT / "docs" / "receptive_field.md"
BEGIN, END = "<!-- literature: begin -->", "<!-- literature: end -->"


@dataclass
class Case:
    """One network of the literature.

    Attributes:
        name: how the table calls it.
        source: paper, or the place that states the number.
        stated: extent in the source, in samples or pixels; None where it states none.
        build: makes the network.
        shape: of the example input.
        layer: whose output is asked about; None: the network's.
    """

    name: str
    source: str
    stated: int | None
    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    layer: str | None = None


def stack(kernel_size: int, dilations: Sequence[int]) -> nn.Module:
    """Causal dilated layers of one kernel size."""
    return DilatedStack(2, 2, 2, kernel_size, dilations=dilations)


class TCN(nn.Module):
    """Bai's temporal blocks: two causal convolutions of one dilation each, and a residual."""

    def __init__(self, kernel_size: int, levels: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            nn.ModuleList(nn.Conv1d(1, 1, kernel_size, dilation=2**i) for _ in range(2))
            for i in range(levels)
        )

    def forward(self, x: Tensor) -> Tensor:
        for level in self.levels:
            y = x
            for conv in level:
                padding = (conv.kernel_size[0] - 1) * conv.dilation[0]
                y = torch.relu(conv(nn.functional.pad(y, (padding, 0))))
            x = torch.relu(x + y)
        return x


class NAM(nn.Module):
    """The amplifier model A2 of 23 layers, and its head of kernel 16."""

    def __init__(self) -> None:
        super().__init__()
        cycle = [(6, d) for d in (1, 3, 7, 17, 41, 101, 239)]
        layers = [*cycle, *cycle, (15, 1), (15, 13), *cycle]
        self.body = DilatedStack(
            2, 2, 2, dilations=[d for _, d in layers], kernel_sizes=[k for k, _ in layers]
        )
        self.head = nn.Conv1d(2, 1, 16)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(nn.functional.pad(self.body(x), (15, 0)))


def context_module() -> nn.Module:
    """Yu and Koltun's basic context module: seven 3x3 layers and a 1x1."""
    layers = [nn.Conv2d(1, 1, 3, padding=d, dilation=d) for d in (1, 1, 2, 4, 8, 16, 1)]
    return nn.Sequential(*layers, nn.Conv2d(1, 1, 1))


def dilation_front_end() -> nn.Module:
    """VGG-16 without its last two pools, conv5 dilated by 2, fc6 a 7x7 dilated by 4."""
    layers: list[nn.Module] = []
    for count, dilation, pool in ((2, 1, True), (2, 1, True), (3, 1, True), (3, 1, False)):
        layers += [nn.Conv2d(1, 1, 3, dilation=dilation) for _ in range(count)]
        layers += [nn.MaxPool2d(2)] if pool else []
    layers += [nn.Conv2d(1, 1, 3, dilation=2) for _ in range(3)]
    layers += [nn.Conv2d(1, 1, 7, dilation=4), nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1)]
    return nn.Sequential(*layers)


def dilation8() -> nn.Module:
    """The front end and the context module behind it."""
    return nn.Sequential(dilation_front_end(), context_module())


class ASPP(nn.Module):
    """Parallel 3x3 convolutions of rates 6, 12 and 18, and a 1x1."""

    def __init__(self) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Conv2d(1, 1, 3, padding=r, dilation=r) for r in (6, 12, 18)
        )
        self.point = nn.Conv2d(1, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.point(x), *(branch(x) for branch in self.branches)], dim=1)


def hdc(*rates: int) -> nn.Module:
    """3x3 convolutions of the given rates, one after another."""
    return nn.Sequential(*(nn.Conv2d(1, 1, 3, padding=r, dilation=r) for r in rates))


def vision(name: str) -> Callable[[], nn.Module]:
    """A torchvision model without weights."""
    segmentation = name.startswith(("fcn", "deeplab"))
    no_weights = {"weights": None} | ({"weights_backbone": None} if segmentation else {})
    return lambda: torchvision.models.get_model(name, **no_weights)


def wav2vec2() -> nn.Module:
    """The convolutional layers in front of wav2vec 2.0 base."""
    layers = [(10, 5), *[(3, 2)] * 4, *[(2, 2)] * 2]
    return nn.Sequential(*(nn.Conv1d(1, 1, k, stride) for k, stride in layers))


def conv_tasnet() -> nn.Module:
    """The separator of Conv-TasNet at its published sizes (X=8, R=3, P=3), without the masks."""
    return torchaudio.models.conv_tasnet.MaskGenerator(
        4,
        2,
        kernel_size=3,
        num_feats=4,
        num_hidden=4,
        num_layers=8,
        num_stacks=3,
        msk_activate="relu",
    )


CYCLE = [2**i for i in range(10)]
LONG = (1, 2, 8000)
SMALL, IMAGE, LARGE = (1, 1, 96, 96), (1, 3, 224, 224), (1, 1, 1000, 1000)
CASES = [
    Case("WaveNet, dilations 1…512", "Oord et al. 2016", 1024, lambda: stack(2, CYCLE), LONG),
    Case("the same three times", "Oord et al. 2016", None, lambda: stack(2, CYCLE * 3), LONG),
    Case("Parallel WaveGAN", "Yamamoto et al. 2020", None, lambda: stack(3, CYCLE * 3), LONG),
    Case("TCN (k 3, 2 levels)", "Bai et al. 2018", None, lambda: TCN(3, 2), (1, 1, 99)),
    Case("TCN (k 8, 8 levels)", "Bai et al. 2018", None, lambda: TCN(8, 8), (1, 1, 4000)),
    Case("NAM A2 full, 23 layers", "neural-amp-modeler", 6347, NAM, (1, 2, 8000)),
    Case("wav2vec 2.0 front end", "Baevski et al. 2020", 400, wav2vec2, (1, 1, 16000)),
    Case("Conv-TasNet separator (X 8, R 3)", "Luo 2019, table II", 1531, conv_tasnet, (1, 4, 4000)),
    Case("context module", "Yu and Koltun 2016, table 1", 67, context_module, SMALL),
    Case("its front end, a VGG-16", "fyu/dilation, its margin", 380, dilation_front_end, LARGE),
    Case("Dilation8, both together", "", None, dilation8, LARGE),
    Case("ASPP 6, 12, 18", "Chen et al. 2017", 37, ASPP, SMALL),
    Case("HDC 1, 2, 5", "Wang et al. 2018", 17, lambda: hdc(1, 2, 5), SMALL),
    Case("no HDC: 2, 4, 8", "Wang et al. 2018", None, lambda: hdc(2, 4, 8), SMALL),
    Case("AlexNet, last pool", "Araujo et al. 2019", 195, vision("alexnet"), IMAGE, "features"),
    Case("VGG-16, last pool", "Araujo et al. 2019", 212, vision("vgg16"), IMAGE, "features"),
    Case("ResNet-18, layer4", "", None, vision("resnet18"), IMAGE, "layer4"),
    Case("ResNet-50, layer4", "", None, vision("resnet50"), IMAGE, "layer4"),
    Case("DenseNet-121, last block", "", None, vision("densenet121"), IMAGE, "features"),
    Case("MobileNetV2, last layer", "", None, vision("mobilenet_v2"), IMAGE, "features"),
    Case("MobileNetV3 large (SE)", "", None, vision("mobilenet_v3_large"), IMAGE, "features"),
    Case("FCN ResNet-50, stride 8", "", None, vision("fcn_resnet50"), IMAGE, "classifier"),
    Case("DeepLabV3 ResNet-50", "", None, vision("deeplabv3_resnet50"), IMAGE, "classifier"),
]  # fmt: skip


def measure(case: Case) -> Report:
    """The calculator's report of a case."""
    model = case.build().eval()
    return analyze(model, torch.zeros(case.shape), layer=case.layer)


def row(case: Case, report: Report) -> list[str]:
    """One line of the table."""
    axis = list(report.axes.values())[-1]
    area = report.area
    used = f"{axis.used:,} of {axis.local_size:,}"
    if area is not None:
        used = f"{area.used:,} of {area.box:,}"
    return [
        case.name,
        f"{axis.local_size:,}",
        "yes" if axis.is_global else "",
        "none" if axis.jump is None else str(axis.jump),
        "" if axis.start is None else f"{axis.start:,}",
        used,
        "" if case.stated is None else f"{case.stated:,}",
        case.source,
    ]


def main() -> None:
    """Measure every case, write the figures and the page's table, and print it."""
    torch.set_num_threads(1)
    head = ["network", "field", "global", "jump", "start", "used", "stated", "source"]
    rows, figures = [], {}
    for case in CASES:
        report = measure(case)
        rows.append(row(case, report))
        key = re.sub(r"[^a-z0-9]+", "_", case.name.lower()).strip("_")
        axis = list(report.axes.values())[-1]
        figures[key] = axis.local_size or 0
    write_result(
        "receptive_field_literature",
        figures,
        {"cases": len(CASES)},
        ["torch", "torchvision", "torchaudio"],
    )
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" + " ---: |" * 6 + " --- |"]
    lines += ["| " + " | ".join(cells) + " |" for cells in rows]
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    table = "\n".join(lines)
    PAGE.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")
    print_table(head, rows)
    draw_pictures()


def draw_pictures() -> None:
    """The pictures of the page; the one of the page itself only where there is a Chromium."""
    folder = PAGE.parent / "images"
    folder.mkdir(exist_ok=True)
    torch.manual_seed(0)
    model, x = stack(2, CYCLE), torch.zeros(1, 2, 4000)
    report = analyze(model, x, sample_rate=16_000)
    report.to_png(folder / "receptive_field_wavenet.png")
    analyze(ASPP(), torch.zeros(1, 1, 48, 48)).to_png(folder / "receptive_field_aspp.png")
    browser = shutil.which("chromium")
    if browser is None:
        return
    with tempfile.TemporaryDirectory() as scratch:
        tcn = TCN(3, 4)
        x = torch.randn(8, 1, 200)
        report = analyze(tcn, x, sample_rate=16_000)
        effective = effective_receptive_field(tcn, x, report=report)
        page = report.to_html(Path(scratch) / "page.html", effective)
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        flags += [f"--user-data-dir={scratch}/profile", "--window-size=1180,1000"]
        picture = folder / "receptive_field_page.png"
        command = [browser, *flags, f"--screenshot={picture}", page.as_uri()]
        subprocess.run(command, check=True, capture_output=True)


if __name__ == "__main__":
    main()
