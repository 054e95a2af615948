"""Draw docs/images/last_output_cone.png: python -m bench.cone_picture

Which positions of each level the last one and the last three outputs of a stack need, as
``wavestack.layers.cone`` evaluates them.
"""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from bench.common import ROOT
from wavestack.layers.cone import needed_levels
from wavestack.receptive_field import sets
from wavestack.receptive_field.relation import Window

KERNEL, DILATIONS, SAMPLES = 3, (1, 2, 4, 8), 40
PATH = ROOT / "docs" / "images" / "last_output_cone.png"
NEEDED, IDLE, LINE = "#1b6ca8", "#d5d9de", "#9fc3de"


def draw(axes: Axes, num_outputs: int) -> None:
    """One cone: dots for positions, lines for the taps that are computed."""
    windows = [Window(KERNEL, padding=(KERNEL - 1) * d, dilation=d) for d in DILATIONS]
    blocks = needed_levels(tuple((window,) for window in windows), SAMPLES, num_outputs)
    levels = [blocks[0][0], *(block[-1] for block in blocks)]
    for height, level in enumerate(levels):
        needed = sets.to_array(level).tolist()
        idle = sorted(set(range(SAMPLES)) - set(needed))
        axes.scatter(idle, [height] * len(idle), s=12, color=IDLE, zorder=2, linewidths=0)
        axes.scatter(needed, [height] * len(needed), s=26, color=NEEDED, zorder=3, linewidths=0)
        if height:
            dilation = DILATIONS[height - 1]
            for o in needed:
                for i in (o - j * dilation for j in range(KERNEL)):
                    if i >= 0:
                        axes.plot([i, o], [height - 1, height], color=LINE, lw=0.7, zorder=1)
    names = ["input", *(f"dilation {d}" for d in DILATIONS)]
    counts = [
        f"{name}: {sets.count(level)} of {SAMPLES}"
        for name, level in zip(names, levels, strict=True)
    ]
    axes.set_yticks(range(len(levels)), counts, fontsize=8)
    axes.set_title(f"the last {num_outputs} outputs" if num_outputs > 1 else "the last output")
    axes.title.set_fontsize(9)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.set_xlim(-1, SAMPLES)
    for spine in axes.spines.values():
        spine.set_visible(False)


def main() -> None:
    """Draw both cones above each other."""
    figure, (above, below) = plt.subplots(2, 1, figsize=(8, 4.6), layout="constrained")
    draw(above, 1)
    draw(below, 3)
    PATH.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PATH, dpi=130, metadata={"Software": None})
    print(PATH.relative_to(ROOT))


if __name__ == "__main__":
    main()
