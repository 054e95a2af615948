"""Super-resolution: the detail that a small picture has lost, measured in PSNR and SSIM."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wavestack.tasks.base import Batch, Figure, Task

PICTURES = 3  # shown of a split


class SuperResolutionTask(Task):
    """Mean absolute error of all pixels; evaluation reports PSNR and SSIM as the literature does.

    Both are of the brightness (Y of BT.601), of pictures rounded to 8 bits, without `scale` pixels
    at each border, and the mean over the pictures of a split. A batch holds ``image`` (B, C, H, W)
    and ``target`` (B, C, scale * H, scale * W), 0 to 1, of one channel (Y) or three (RGB).

    References:
        Lim et al. (2017), Enhanced deep residual networks for single image super-resolution
        (EDSR), section 3, for the absolute error.
    """

    metric = "absolute_error"
    unit_scale = 255.0  # in steps of 8-bit pictures
    element = "pixels"
    validated = ("psnr_db",)

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Peak signal-to-noise ratio in dB and structural similarity."""
        return (Figure("psnr_db", higher_is_better=True), Figure("ssim", higher_is_better=True))

    @staticmethod
    def count(batch: Batch) -> int:
        """Pixels of the target, each channel for itself."""
        return batch["target"].numel()

    def loss_sum(self, model: Any, batch: Batch) -> Tensor:
        """The sum of absolute errors."""
        error = model(batch["image"]).float() - batch["target"]
        return error.abs().sum(dtype=torch.float64)

    def validation_sums(self, model: Any, batch: Batch) -> dict[str, tuple[Tensor, int]]:
        """The sums of absolute errors, and of the figures over pictures."""
        enlarged = model(batch["image"]).float()
        error = (enlarged - batch["target"]).abs().sum(dtype=torch.float64)
        scale = batch["target"].shape[-1] // batch["image"].shape[-1]
        return {
            self.metric: (error, self.count(batch)),
            **figure_sums(enlarged, batch["target"], scale),
        }

    def baselines(self, model: Any, data: Any, split: str) -> dict[str, dict[str, float]]:
        """Bicubic interpolation."""
        totals = {figure.name: 0.0 for figure in self.figures}
        for batch in data.eval_batches(split):
            enlarged = bicubic(batch["image"], data.scale)
            for name, (value, _) in figure_sums(enlarged, batch["target"], data.scale).items():
                totals[name] += float(value)
        count = data.num_items(split)
        return {"bicubic": {name: total / count for name, total in totals.items()}}

    @torch.no_grad()
    def details(
        self, model: Any, data: Any, split: str, folder: Path, sums: Mapping[str, Tensor]
    ) -> dict[str, str]:
        """The figures of each picture; comparisons of a few go to `folder`."""
        from wavestack.tasks.comparison import write_comparison

        device = next(model.parameters()).device
        found = {}
        for index, batch in enumerate(data.eval_batches(split)):
            name = data.source.sample(split, index).name
            ours = model(batch["image"].to(device)).cpu()
            plain, target = bicubic(batch["image"], data.scale), batch["target"]
            values = [
                float(figure_sums(x, target, data.scale)["psnr_db"][0]) for x in (ours, plain)
            ]
            found[f"psnr db of {name}"] = f"{values[0]:.2f} (bicubic {values[1]:.2f})"
            if index < PICTURES:
                panels = {"bicubic": plain, "this model": ours, "original": target}
                write_comparison(folder / f"upscaled_{split}_{name}.png", panels)
        return found


def figure_sums(image: Tensor, reference: Tensor, scale: int) -> dict[str, tuple[Tensor, int]]:
    """PSNR and SSIM of the pictures of a batch, summed, as super-resolution counts them.

    Args:
        image: (B, C, H, W) of one channel (Y) or three (RGB), 0 to 1.
        reference: of the same shape.
        scale: pixels that are left out at each border.
    """
    from wavestack.metrics import psnr, shave, ssim

    pair = [shave(brightness(x), scale) for x in (image, reference)]
    return {
        "psnr_db": (psnr(*pair).sum(), len(image)),
        "ssim": (ssim(*pair).sum(), len(image)),
    }


def brightness(image: Tensor) -> Tensor:
    """Y of a picture that fits into 8 bits.

    Shape:
        image: (B, 1, H, W) of Y, or (B, 3, H, W) of RGB -> (B, 1, H, W)
    """
    from wavestack.signal import luma

    x = (image.clamp(0, 1) * 255).round() / 255
    return luma(x) if x.shape[1] == 3 else x


def bicubic(x: Tensor, scale: int) -> Tensor:
    """The yardstick: each picture of a batch enlarged by `resize_bicubic`."""
    from wavestack.signal import resize_bicubic

    enlarged = [
        torch.from_numpy(resize_bicubic(image.permute(1, 2, 0).numpy(), scale)) for image in x
    ]
    return torch.stack(enlarged).permute(0, 3, 1, 2).float()
