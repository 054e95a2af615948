"""`wavestack upscale`: pictures enlarged by a trained super-resolution model."""

from __future__ import annotations

import io
import time
from pathlib import Path

import numpy as np
from omegaconf import DictConfig

from wavestack.errors import UserError


def check(cfg: DictConfig) -> None:
    """Stop at values that make no sense, before the model is loaded.

    Raises:
        UserError: naming the key.
    """
    if cfg.tile is not None and cfg.tile < 1:
        raise UserError(f"tile must be >= 1 pixel or null, got {cfg.tile}")
    if not Path(cfg.input).expanduser().exists():
        raise UserError(f"input={cfg.input}: there is no such file or folder")
    if Path(cfg.out).expanduser().is_file():
        raise UserError(f"out={cfg.out}: is a file; name a folder")


def run(cfg: DictConfig) -> None:
    """Enlarge a picture, or all of a folder, and say how long each took."""
    import wavestack
    from wavestack.commands.trained import choose_device
    from wavestack.data.pictures.reading import ImageReader
    from wavestack.files import write_bytes
    from wavestack.inference.upscale import upscale
    from wavestack.models import SuperResolutionNet

    model = wavestack.load(cfg.run)
    if not isinstance(model, SuperResolutionNet):
        raise UserError(f"run={cfg.run}: a {type(model).__name__} enlarges no pictures")
    model = model.to(choose_device(cfg.device))
    reader = ImageReader(cfg.sixteen_bit)
    for path, target in plan(Path(cfg.input).expanduser(), Path(cfg.out).expanduser()):
        image = reader.read(path)
        began = time.perf_counter()
        enlarged = upscale(model, image, tile=cfg.tile)
        spent = time.perf_counter() - began
        write_bytes(target, _png(enlarged))
        sizes = [f"{x.shape[1]} x {x.shape[0]}" for x in (image, enlarged)]
        print(f"{target}: {sizes[0]} to {sizes[1]} pixels in {spent:.2f} s")


def plan(source: Path, out: Path) -> list[tuple[Path, Path]]:
    """Which pictures are read and what their enlargements are called.

    Args:
        source: a picture, or a folder that is searched with its sub-folders.
        out: the folder for the enlargements, PNG files under the pictures' own names.

    Raises:
        UserError: when there is no picture, two would get one name, or one would be overwritten.
    """
    from wavestack.data.pictures.image_folder import find_pictures

    if source.is_file():
        pairs = [(source, out / f"{source.stem}.png")]
    else:
        found = find_pictures(source)
        pairs = [(path, (out / path.relative_to(source)).with_suffix(".png")) for path in found]
        if not pairs:
            raise UserError(f"input={source}: no picture in it")
    taken: dict[Path, Path] = {}
    for path, target in pairs:
        if target in taken:
            raise UserError(f"{path} and {taken[target]} would both become {target}")
        if target.resolve() == path.resolve():
            raise UserError(f"out={out}: {path} would be overwritten; name another folder")
        taken[target] = path
    return pairs


def _png(image: np.ndarray) -> bytes:
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(image).save(content, format="PNG")
    return content.getvalue()
