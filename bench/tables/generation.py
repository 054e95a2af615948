"""Autoregressive generation: its speed, its limits, and what fewer bits cost."""

from __future__ import annotations

from bench.tables.form import markdown, recorded


def generation() -> str:
    """Autoregressive generation: one row for each way, two columns for each batch."""
    (result,) = recorded("generation")
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
    return markdown(header, rows)


def generation_limits() -> str:
    """How near generation comes to what the machine can do, and what a first call costs."""
    figures = recorded("generation")[0]["figures"]
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
    return markdown(["batch 1, float32, one thread", ""], rows)


def reduced_precision() -> str:
    """Bits per sample with each precision of the weights, one row for each trained model."""
    (result,) = recorded("reduced_precision")
    figures, names = result["figures"], ("offline", "float32", "float24", "bfloat16")
    rows = []
    for recipe in result["settings"]["recipes"]:
        row = [f"`{recipe}`, {figures[f'{recipe}_samples']:,.0f} samples"]
        row.append(f"{figures[f'{recipe}_offline_bits']:.3f}")
        row += [f"{figures[f'{recipe}_{name}_costs_bits']:+.5f}" for name in names[1:]]
        rows.append(row)
    return markdown(["bits per sample", *names], rows)
