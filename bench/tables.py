"""Writes the tables of README.md and recipes/README.md from bench/results/.

    python -m bench.tables           # rewrite
    python -m bench.tables --check   # exit 1 when a table is not what the results say

A table stands between ``<!-- table: NAME -->`` and ``<!-- end table -->``.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from bench.class_table import class_table
from bench.common import RESULTS, ROOT
from bench.recipe_table import highlight_rows, recipe_rows

PAGES = (
    "README.md",
    "recipes/README.md",
    "docs/generation.md",
    "docs/streaming.md",
    "docs/last_output.md",
    "docs/backbones.md",
    "docs/segmentation_networks.md",
    "docs/segment.md",
)
BLOCK = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end table -->)", re.DOTALL)


def main() -> int:
    stale = []
    for page in PAGES:
        path = ROOT / page
        text = path.read_text(encoding="utf-8")
        written = BLOCK.sub(lambda match: match[1] + TABLES[match[2]]() + match[3], text)
        if written == text:
            continue
        stale.append(page)
        if "--check" not in sys.argv:
            path.write_text(written, encoding="utf-8")
    print(f"out of date: {', '.join(stale)}" if stale else "all tables are up to date")
    return int(bool(stale) and "--check" in sys.argv)


def recipes() -> str:
    """One row for each recorded set of runs."""
    return _markdown(*recipe_rows(_results("recipe_*")))


def highlights() -> str:
    """One row for each recipe as it stands, without its variants."""
    return _markdown(*highlight_rows(_results("recipe_*")))


def speed() -> str:
    """What a user gains: ours, and what stands beside it in the same run."""
    made, streamed, last, path = (
        _results(name)[0]["figures"]
        for name in ("generation", "streaming", "last_output", "training_path")
    )

    def row(program: str, what: str, ours: float, peer: str, theirs: float, form: str) -> list[str]:
        ratio = max(ours, theirs) / min(ours, theirs)
        figures = [f"**{ours:{form}}**", f"{peer} {theirs:{form}}", f"{ratio:.3g}x"]
        return [what, *figures, f"`bench.{program}`"]

    rows = []
    for batch in (1, 16):
        what = f"WaveNet samples a core-second, {batch} at once"
        rate = f"batch_{batch}_samples_per_core_second"
        peers = {"ring_step": "plain torch ring step", "wavenet_vocoder": "wavenet_vocoder"}
        for name, peer in peers.items():
            if f"{name}_{rate}" in made:
                ours, theirs = made[f"compiled_{rate}"], made[f"{name}_{rate}"]
                rows.append(row("generation", what, ours, peer, theirs, ",.0f"))
    for block in (1, 64):
        what = f"a TCN streamed in blocks of {block}, µs a sample"
        ours = streamed[f"temporal_blocks_compiled_block_{block}_microseconds"]
        peer = f"temporal_blocks_pytorch_tcn_block_{block}_microseconds"
        if peer in streamed:
            rows.append(row("streaming", what, ours, "pytorch-tcn", streamed[peer], ",.1f"))
    ours, theirs = (
        streamed[f"nam_a1_{engine}_block_64_real_time_factor"] for engine in ("compiled", "eager")
    )
    what = "a guitar amplifier (A1 net) at 48 kHz, seconds of work a second"
    rows.append(row("streaming", what, ours, "torch", theirs, ".3f"))
    ours, theirs = (1e3 * last[f"adding_600_{n}_core_seconds"] for n in ("cone", "reference"))
    what = "training step of the adding problem, T = 600, ms"
    rows.append(row("last_output", what, ours, "pad and chomp", theirs, ".1f"))
    ours, theirs = (
        1e3 * path[f"1x16384_64ch_k2_kept_{n}_core_seconds"] for n in ("ours", "reference")
    )
    what = "training step of ten convolutions, 64 channels, 16,384 samples, ms"
    rows.append(row("training_path", what, ours, "`F.pad` and `conv1d`", theirs, ".1f"))
    return _markdown(["what", "here", "beside", "ratio", "program"], rows)


def camvid() -> str:
    """Street scenes: the hybrid dilated net and its controls, then the nets of the literature."""
    rows = ("hdc", "hdc_undilated", "hdc_holes", "linknet", "deeplabv3plus", "deeplabv3", "fcn")
    names = (f"recipe_camvid_{row}" for row in (*rows, "dilated_vgg"))
    return _markdown(*class_table(_results(*names)))


def isbi_em() -> str:
    """Membranes: the hybrid dilated net and its control."""
    return _markdown(*class_table(_results("recipe_isbi_em", "recipe_isbi_em_undilated")))


def generation() -> str:
    """Autoregressive generation: one row for each way, two columns for each batch."""
    (result,) = _results("generation")
    figures = result["figures"]
    ways = {
        "ring_step": "plain torch ring step (yardstick)",
        "eager": "`eager`",
        "compiled_plain": "`compiled`, no look-ahead",
        "compiled": "`compiled`",
        "compiled_two_threads": "`compiled`, `threads=2`",
        "compiled_float24": '`compiled`, `precision="float24"`',
        "compiled_bfloat16": '`compiled`, `precision="bfloat16"`',
        "compiled_bfloat16_two_threads": "`compiled`, bfloat16, `threads=2`",
    }
    rows = []
    for way, title in ways.items():
        row = [title]
        for batch in (1, 16, 64):
            for unit in ("core_second", "second"):
                rate = figures[f"{way}_batch_{batch}_samples_per_{unit}"]
                ratio = figures.get(f"{way}_batch_{batch}_ratio_in_{unit}s")
                row.append(f"{rate:,.0f}" + (f" ({ratio:.1f}x)" if ratio else ""))
        rows.append(row)
    header = ["", *(f"batch {b}: samples per {u}" for b in (1, 16, 64) for u in ("core-s", "s"))]
    return _markdown(header, rows)


def generation_limits() -> str:
    """How near generation comes to what the machine can do, and what a first call costs."""
    figures = _results("generation")[0]["figures"]
    rows = [
        [
            "limit: all weights read from the third-level cache, samples a core-second",
            f"{figures['l3_limit_samples_per_core_second']:,.0f}",
        ],
        [
            "reached without look-ahead",
            f"{figures['compiled_plain_batch_1_fraction_of_l3_limit']:.2f}",
        ],
        [
            "reached with it, which reads less",
            f"{figures['compiled_batch_1_fraction_of_l3_limit']:.2f}",
        ],
        [
            "first call ever, with the compilation",
            f"{figures['compiled_first_call_seconds']:.1f} s",
        ],
        ["first call of a second process", f"{figures['compiled_second_process_seconds']:.1f} s"],
    ]
    for level in ("l2", "l3", "dram"):
        name = f"{level}_gigabytes_per_second"
        rows.append([f"{level.upper()}, GB/s of one core", f"{figures[name]:,.0f}"])
    rows.append(["multiply-adds of one core, GFLOP/s", f"{figures['gigaflops']:,.0f}"])
    return _markdown(["batch 1, float32, one thread", ""], rows)


def reduced_precision() -> str:
    """Bits per sample with each precision of the weights, one row for each trained model."""
    (result,) = _results("reduced_precision")
    figures, names = result["figures"], ("offline", "float32", "float24", "bfloat16")
    rows = []
    for recipe in result["settings"]["recipes"]:
        row = [f"`{recipe}`, {figures[f'{recipe}_samples']:,.0f} samples"]
        row.append(f"{figures[f'{recipe}_offline_bits']:.3f}")
        row += [f"{figures[f'{recipe}_{name}_costs_bits']:+.5f}" for name in names[1:]]
        rows.append(row)
    return _markdown(["bits per sample", *names], rows)


def streaming() -> str:
    """Block streaming: one row for each net and way to run it, one column for each block."""
    (result,) = _results("streaming")
    figures = result["figures"]
    rows = []
    for net, words in STREAMED.items():
        for way, about in WAYS.items():
            cells = [figures.get(f"{net}_{way}{block}_microseconds") for block in _blocks(way)]
            if any(cells):
                reached = figures.get(f"{net}_{way}64_fraction_of_multiply_adds")
                numbers = ["" if cell is None else f"{cell:,.2f}" for cell in cells]
                of_limit = "" if reached is None else f"{100 * reached:.0f} %"
                rows.append([words, about, *numbers, of_limit])
    columns = [*(f"block {block}" for block in BLOCKS), "whole signal", "of the core's peak"]
    return _markdown(["layers", "run by", *columns], rows)


BLOCKS = (1, 8, 64, 512)
STREAMED = {
    "convolutions": "convolution, ReLU",
    "temporal_blocks": "temporal block (two convolutions)",
    "gated_blocks": "gated block",
    "nam_a1": "A1 standard net",
}
WAYS = {
    "compiled_block_": "`Stream`, compiled",
    "eager_block_": "`Stream`, eager",
    "pytorch_tcn_": "pytorch-tcn",
    "numpy_ring_step": "NumPy ring step",
    "torch_ring_step": "torch ring step",
    "torch_offline": "torch, `forward`",
}


def _blocks(way: str) -> tuple[Any, ...]:
    """The ends of a way's figures, in the order of the columns; None where there is none."""
    if way == "pytorch_tcn_":
        return (*(f"block_{block}" for block in BLOCKS), "offline")
    if way.endswith("step"):
        return ("", None, None, None, None)
    return (None,) * len(BLOCKS) + ("",) if way == "torch_offline" else (*BLOCKS, None)


def last_output() -> str:
    """The adding problem's training step in three forms: one row for each length."""
    (result,) = _results("last_output")
    figures, forms = result["figures"], ("reference", "whole", "cone")
    rows = []
    for length in _numbers(figures, "adding"):
        key = f"adding_{length}"
        times = [1e3 * figures[f"{key}_{form}_core_seconds"] for form in forms]
        ratios = [figures[f"{key}_speedup_over_{form}"] for form in forms[:2]]
        rows.append([str(length), *(f"{t:.1f}" for t in times), *(f"{r:.1f}x" for r in ratios)])
    columns = ["reference, ms", "`forward`, ms", "`forward_last`, ms"]
    return _markdown(["T", *columns, "over the reference", "over `forward`"], rows)


def last_crops() -> str:
    """A WaveNet's crop of which the last samples count: one row for each number of them."""
    (result,) = _results("last_output")
    figures, rows = result["figures"], []
    for number in _numbers(figures, "wavenet"):
        gains = [
            figures[f"wavenet_{number}_{kind}_speedup_over_whole"] for kind in ("fp32", "bf16")
        ]
        rows.append([f"{number:,}", *(f"{gain:.2f}x" for gain in gains)])
    return _markdown(["samples that count", "float32", "bfloat16"], rows)


def backbones() -> str:
    """Parameters and fields of every backbone, and its cost beside torchvision's."""
    (result,) = _results("backbones")
    figures, settings = result["figures"], result["settings"]
    rows = []
    for name in settings["names"]:
        fields = [f"{figures[f'{name}_field_{s}']:.0f}" for s in settings["output_strides"]]
        costs = [
            f"{figures[f'cost: {timed}_forward']:.2f} / {figures[f'cost: {timed}_training']:.2f}"
            f" (at {timed.rsplit('_', 1)[1]})"
            for timed in settings["timed"]
            if timed.rsplit("_", 1)[0] == name
        ]
        millions = f"{figures[f'{name}_parameters'] / 1e6:.2f} M"
        rows.append([f"`{name}`", millions, *fields, ", ".join(costs) or "-"])
    header = ["name", "parameters", *(f"field at {s}" for s in settings["output_strides"])]
    return _markdown([*header, "forward / training step, x torchvision"], rows)


def _numbers(figures: dict[str, float], kind: str) -> list[int]:
    return sorted({int(key.split("_")[1]) for key in figures if key.startswith(f"{kind}_")})


def segmentation_fields() -> str:
    """What each dense network sees: one row for each output stride."""
    (result,) = _results("receptive_field_models")
    figures, rows = result["figures"], []
    for name in result["settings"]["networks"]:
        found = {
            key.removeprefix(f"{name}: "): value
            for key, value in figures.items()
            if key.startswith(f"{name}: ")
        }
        field = f"{found['field']:,.0f}" + (" and all" if found["global"] else "")
        rows.append(
            [
                name,
                f"{found['stated']:,.0f}" if "stated" in found else "",
                field,
                f"{found['undilated_field']:,.0f}",
                f"{found['jump']:g}",
                f"{100 * found['coverage']:.3g} %",
                f"{found['parameters'] / 1e6:,.2f} M",
                f"{found['gigamacs']:,.1f} G",
            ]
        )
    header = ["network, output stride", "stated", "field", "undilated", "jump", "pixels read"]
    return _markdown([*header, "parameters", "multiply-adds"], rows)


def segmentation_cost() -> str:
    """Ratios to torchvision's and segmentation-models-pytorch's networks."""
    (result,) = _results("segmentation_cost")
    figures, settings = result["figures"], result["settings"]
    rows = []
    for name, shape in settings["pairs"].items():
        if name in settings["skipped"]:
            continue
        peer = "segmentation-models-pytorch" if name in settings["smp"] else "torchvision"
        row = [name, peer, " x ".join(map(str, shape))]
        for what in ("forward", "training"):
            ratio, *ends = (figures[f"{name}: {what}_ratio{end}"] for end in ("", "_min", "_max"))
            row.append(f"**{ratio:.2f}** ({ends[0]:.2f} to {ends[1]:.2f})")
        for what, scale, unit in (("parameters", 1e6, "M"), ("gigamacs", 1, "G")):
            sizes = (figures[f"{name}: {who}_{what}"] for who in ("ours", "theirs"))
            row.append(" / ".join(f"{n / scale:.2f}" for n in sizes) + f" {unit}")
        rows.append(row)
    header = ["network, output stride", "beside", "images", "forward", "training step"]
    return _markdown([*header, "parameters, ours / theirs", "multiply-adds"], rows)


def tiling() -> str:
    """Memory and time of tiles beside the whole picture."""
    (result,) = _results("tiling")
    figures, rows = result["figures"], []
    for key in figures:
        case = re.fullmatch(r"(\w+)_(\d+)_(?:tile_)?(whole|\d+)_peak_mib", key)
        if case is None:
            continue
        net, side, tile = case.groups()
        found = {name: figures.get(key.replace("peak_mib", name)) for name in TILING}
        row = [f"`{net}`", f"{side} x {side}", tile]
        rows.append([*row, *("" if v is None else TILING[n].format(v) for n, v in found.items())])
    header = ["network", "picture", "tile", "peak MiB", "core-seconds", "margin"]
    return _markdown([*header, "pixels passed / pixels", "largest difference"], rows)


# Figures of each case, and how they are written.
TILING = {
    "peak_mib": "{:,.0f}",
    "core_seconds": "{:.1f}",
    "margin": "{:.0f}",
    "overlap": "{:.2f}",
    "largest_difference": "{:.1g}",
}

TABLES = {
    "recipes": recipes,
    "highlights": highlights,
    "speed": speed,
    "camvid": camvid,
    "isbi_em": isbi_em,
    "generation": generation,
    "generation_limits": generation_limits,
    "reduced_precision": reduced_precision,
    "streaming": streaming,
    "last_output": last_output,
    "last_crops": last_crops,
    "backbones": backbones,
    "segmentation_fields": segmentation_fields,
    "segmentation_cost": segmentation_cost,
    "tiling": tiling,
}


def _results(*patterns: str) -> list[dict[str, Any]]:
    paths: list[Path] = []
    for pattern in patterns:
        paths += sorted(RESULTS.glob(f"{pattern}.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def _markdown(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    raise SystemExit(main())
