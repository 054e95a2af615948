"""The last outputs alone: what it saves in training."""

from __future__ import annotations

from bench.tables.form import markdown, recorded


def last_output() -> str:
    """The adding problem's training step in three forms: one row for each length."""
    (result,) = recorded("last_output")
    figures, forms = result["figures"], ("reference", "whole", "cone")
    rows = []
    for length in _numbers(figures, "adding"):
        key = f"adding_{length}"
        times = [1e3 * figures[f"{key}_{form}_core_seconds"] for form in forms]
        ratios = [figures[f"{key}_speedup_over_{form}"] for form in forms[:2]]
        rows.append([str(length), *(f"{t:.1f}" for t in times), *(f"{r:.1f}x" for r in ratios)])
    columns = ["reference, ms", "`forward`, ms", "`forward_last`, ms"]
    return markdown(["T", *columns, "over the reference", "over `forward`"], rows)


def last_crops() -> str:
    """A WaveNet's crop of which the last samples count: one row for each number of them."""
    (result,) = recorded("last_output")
    figures, rows = result["figures"], []
    for number in _numbers(figures, "wavenet"):
        gains = [
            figures[f"wavenet_{number}_{kind}_speedup_over_whole"] for kind in ("fp32", "bf16")
        ]
        rows.append([f"{number:,}", *(f"{gain:.2f}x" for gain in gains)])
    return markdown(["samples that count", "float32", "bfloat16"], rows)


def _numbers(figures: dict[str, float], kind: str) -> list[int]:
    return sorted({int(key.split("_")[1]) for key in figures if key.startswith(f"{kind}_")})
