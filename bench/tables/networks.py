"""Networks of pictures: what they see, how large they are, and what they cost."""

from __future__ import annotations

from bench.tables.form import markdown, recorded


def backbones() -> str:
    """Parameters and fields of every backbone, and its cost beside torchvision's."""
    (result,) = recorded("backbones")
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
    return markdown([*header, "forward / training step, x torchvision"], rows)


def segmentation_fields() -> str:
    """What each dense network sees: one row for each output stride."""
    (result,) = recorded("receptive_field_models")
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
    return markdown([*header, "parameters", "multiply-adds"], rows)


def segmentation_cost() -> str:
    """Ratios to torchvision's and segmentation-models-pytorch's networks."""
    (result,) = recorded("segmentation_cost")
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
    return markdown([*header, "parameters, ours / theirs", "multiply-adds"], rows)
