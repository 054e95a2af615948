"""A crop at a random place and of a random size, resized once from the picture as it is."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from wavestack.data.pictures.class_table import IGNORE_INDEX
from wavestack.signal.image import IMAGE_MEAN, resize_image, resize_mask

# What fills a picture beyond its edge: the grey that normalization makes zero.
FILL = tuple(round(255 * mean) for mean in IMAGE_MEAN)

Size = tuple[int, int]


def random_scaled_crop(
    input_size: Size | None, crop_size: Size, scale: tuple[float, float], aspect: float
) -> Any:
    """A torchvision transform that scales picture and mask and cuts the same crop from both.

    It does what resizing the whole to `scale` times the input size and then cropping does, but the
    crop is cut first: only what is kept gets resized, and a magnified crop is as sharp as the
    picture allows. Where the crop is larger than the scaled picture, the rest is grey and of no
    class.

    Args:
        input_size: (height, width) of a whole picture at scale 1; None: its own.
        crop_size: (height, width) of the result.
        scale: smallest and largest; its logarithm is evenly distributed.
        aspect: largest change of width to height, as logarithm of the ratio.
    """
    from torchvision import tv_tensors
    from torchvision.transforms import v2

    class RandomScaledCrop(v2.Transform):
        def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
            H, W = flat_inputs[0].shape[-2:]
            low, high = math.log(scale[0]), math.log(scale[1])
            s, a, y, x = torch.rand(4).tolist()
            factor = math.exp(low + (high - low) * s)
            stretch = math.exp(aspect * (a - 0.5))  # its square is the change of the ratio
            input_h, input_w = input_size or (H, W)
            # Height and width of the crop in pixels of the picture.
            h = crop_size[0] * (H / input_h) / (factor / stretch)
            w = crop_size[1] * (W / input_w) / (factor * stretch)
            return {"box": (y * (H - h), x * (W - w), h, w)}

        def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
            is_mask = isinstance(inpt, tv_tensors.Mask)
            plain = inpt.as_subclass(Tensor)
            fill = torch.tensor([IGNORE_INDEX] if is_mask else FILL, dtype=plain.dtype)
            cut = _cut(plain if plain.ndim == 3 else plain[None], params["box"], crop_size, fill)
            return tv_tensors.wrap(cut if plain.ndim == 3 else cut[0], like=inpt)

    return RandomScaledCrop()


def _cut(x: Tensor, box: tuple[float, float, float, float], size: Size, fill: Tensor) -> Tensor:
    """A box of a picture at another size: (C, H, W) -> (C, *size); beyond the edge is `fill`."""
    rows, into_rows = _spans(box[0], box[2], x.shape[-2], size[0])
    columns, into_columns = _spans(box[1], box[3], x.shape[-1], size[1])
    height, width = into_rows.stop - into_rows.start, into_columns.stop - into_columns.start
    part = x[:, rows, columns]
    if len(fill) == 1:
        part = resize_mask(part[0], (height, width))[None]
    else:
        part = resize_image(part, (height, width))
    if (height, width) == size:
        return part.contiguous()
    whole = fill[:, None, None].expand(-1, *size).clone()
    whole[:, into_rows, into_columns] = part
    return whole


def _spans(start: float, length: float, size: int, out: int) -> tuple[slice, slice]:
    """Pixels of an axis that a box covers, and where they go among the `out` pixels of the crop."""
    first = min(max(0, round(start)), size - 1)
    last = max(min(size, round(start + length)), first + 1)
    if start >= -0.5 and start + length <= size + 0.5:
        return slice(first, last), slice(0, out)
    to_first = min(round((first - start) / length * out), out - 1)
    to_last = max(round((last - start) / length * out), to_first + 1)
    return slice(first, last), slice(to_first, min(to_last, out))
