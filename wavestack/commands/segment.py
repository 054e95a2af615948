"""`wavestack segment`: a class for every pixel of pictures, by a trained model."""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig

from wavestack.errors import UserError


def check(cfg: DictConfig) -> None:
    """Stop at values that make no sense, before the model is loaded.

    Raises:
        UserError: naming the key.
    """
    from wavestack.inference.segment import MODES

    if cfg.mode not in MODES:
        raise UserError(f"mode={cfg.mode}: must be one of {', '.join(MODES)}")
    if not cfg.scales or min(cfg.scales) <= 0:
        raise UserError(f"scales={cfg.scales}: must be numbers > 0")
    if cfg.tile is not None and cfg.tile < 1:
        raise UserError(f"tile must be >= 1 pixel or null, got {cfg.tile}")
    if not 0 <= cfg.opacity <= 1:
        raise UserError(f"opacity must be in [0, 1], got {cfg.opacity}")
    size = cfg.input_size
    pair = not isinstance(size, str) and size is not None
    if (isinstance(size, str) and size != "run") or (
        pair and (len(size) != 2 or not all(isinstance(n, int) and n >= 1 for n in size))
    ):
        raise UserError(f"input_size={size}: must be run, null or [height, width]")
    if not Path(cfg.input).expanduser().exists():
        raise UserError(f"input={cfg.input}: there is no such file or folder")
    if Path(cfg.out).expanduser().is_file():
        raise UserError(f"out={cfg.out}: is a file; name a folder")


def run(cfg: DictConfig) -> None:
    """Segment a picture, or all of a folder; bad files are named, left out and counted."""
    import wavestack
    from wavestack.commands.trained import choose_device, read_config
    from wavestack.data.pictures.reading import ImageReader
    from wavestack.inference.segment import Segmenter

    model = wavestack.load(cfg.run)
    data = read_config(Path(cfg.run)).get("data", {})
    if not str(data.get("_target_", "")).endswith("SegmentationData"):
        raise UserError(f"run={cfg.run}: a {type(model).__name__} gives no classes to pixels")
    segmenter = Segmenter(
        model.to(choose_device(cfg.device)),
        cfg.mode,
        scales=list(cfg.scales),
        tile=cfg.tile,
        inexact=cfg.inexact,
        input_size=data.get("input_size") if cfg.input_size == "run" else cfg.input_size,
    )
    policy = data.get("source", {}).get("sixteen_bit", "error")
    reader = ImageReader(policy if cfg.sixteen_bit == "run" else cfg.sixteen_bit)
    pairs = plan(Path(cfg.input).expanduser(), Path(cfg.out).expanduser())
    single = Path(cfg.input).expanduser().is_file()
    tables: list[np.ndarray] = []
    left_out = 0
    for path, target in pairs:
        try:
            image = reader.read(path)
        except UserError as error:
            if single:
                raise
            left_out += 1
            print(f"left out: {error}", file=sys.stderr)
            continue
        began = time.perf_counter()
        try:
            probabilities = segmenter(image).numpy()
        except ValueError as error:
            raise UserError(f"{path}: {error}") from error
        spent = time.perf_counter() - began
        classes = _classes(Path(cfg.run), len(probabilities))
        found = _write(cfg, target, image, probabilities, classes)
        tables.append(np.bincount(found.ravel(), minlength=len(classes.names)))
        print(f"{target}_classes.png: {image.shape[1]} x {image.shape[0]} pixels in {spent:.2f} s")
    for tiling in segmenter.tilings.values():
        (height, width), (rows, columns) = tiling.largest, tiling.margin
        print(
            f"in {len(tiling)} tiles of at most {width} x {height} pixels, margins of {columns} "
            f"and {rows} among them: {tiling.overlap:.1f} times the picture"
        )
    if tables:
        print(shares_table(classes.names, np.sum(tables, axis=0)))
    if left_out:
        raise UserError(f"{left_out} of {len(pairs)} pictures were left out; see above")


@dataclass(frozen=True)
class Classes:
    """Names and colours, as the run's data gave them."""

    names: Sequence[str]
    colours: Sequence[Sequence[int]]


def plan(source: Path, out: Path) -> list[tuple[Path, Path]]:
    """Which pictures are read, and the path that their results begin with.

    Args:
        source: a picture, or a folder that is searched with its sub-folders.
        out: the folder for the results.

    Raises:
        UserError: when there is no picture, or two would get one name.
    """
    from wavestack.data.pictures.image_folder import find_pictures

    if source.is_file():
        return [(source, out / source.stem)]
    # Results of an earlier call, where they were put among the pictures, are no pictures.
    made = (
        ("_classes.png", "_overlay.png") if out.resolve().is_relative_to(source.resolve()) else ()
    )
    found = [path for path in find_pictures(source) if not (made and path.name.endswith(made))]
    if not found:
        raise UserError(f"input={source}: no picture in it")
    pairs = [(path, (out / path.relative_to(source)).with_suffix("")) for path in found]
    taken: dict[Path, Path] = {}
    for path, target in pairs:
        if target in taken:
            raise UserError(f"{path} and {taken[target]} would both become {target}_classes.png")
        taken[target] = path
    return pairs


def shares_table(names: Sequence[str], pixels: np.ndarray) -> str:
    """How much of all pixels each class has, the most frequent first."""
    width = max(len(name) for name in names)
    order = np.argsort(-pixels, kind="stable")
    return "\n".join(
        f"{names[k]:<{width}}  {100 * pixels[k] / pixels.sum():5.1f} %" for k in order if pixels[k]
    )


def _classes(run: Path, count: int) -> Classes:
    """What the run says of its classes; numbers and default colours where it says nothing."""
    from wavestack.data.pictures.class_table import default_colours

    summary: dict[str, Any] = {}
    if (run / "summary.json").is_file():
        summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    names, colours = summary.get("classes", ()), summary.get("class_colours", ())
    return Classes(
        names if len(names) == count else [str(k) for k in range(count)],
        colours if len(colours) == count else default_colours(count),
    )


def _write(
    cfg: DictConfig, target: Path, image: np.ndarray, probabilities: np.ndarray, classes: Classes
) -> np.ndarray:
    """Write what was asked for; returns the class numbers."""
    from wavestack.files import write_bytes
    from wavestack.metrics.overlays import (
        encode_classes,
        encode_png,
        overlay,
        panels,
        shown_classes,
    )

    found = probabilities.argmax(0).astype(np.uint8)
    write_bytes(Path(f"{target}_classes.png"), encode_classes(found, classes.colours))
    if cfg.overlay:
        painted = overlay(image, found, classes.colours, cfg.opacity)
        if cfg.legend:
            shown = shown_classes([found], classes.names, classes.colours)
            painted = panels([("", painted)], *shown)
        write_bytes(Path(f"{target}_overlay.png"), encode_png(painted))
    if cfg.probabilities:
        content = io.BytesIO()
        np.save(content, probabilities)
        write_bytes(Path(f"{target}_probabilities.npy"), content.getvalue())
    return found
