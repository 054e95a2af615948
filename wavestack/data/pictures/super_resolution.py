"""Pairs of a small and a large picture, made from large ones: what super-resolution learns from."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from wavestack.data.base import Batch, TaskData, check_size
from wavestack.data.order import BatchOrder
from wavestack.data.pictures.image_folder import PictureSource
from wavestack.data.pictures.one_by_one import OneByOne
from wavestack.data.splits import Split
from wavestack.errors import UserError
from wavestack.signal import luma, resize_bicubic

_STREAM = 3  # keeps the draws of places and turns apart from those of the order

Pair = tuple[np.ndarray, np.ndarray]


class SuperResolutionData(TaskData):
    """Patches of pictures, small and large, for training; whole pictures for evaluation.

    The large picture is cut to a multiple of the scale, the small one made of it by the bicubic
    interpolation that the literature's test sets were made with (`resize_bicubic`). A batch holds
    ``image`` (B, C, P, P) and ``target`` (B, C, scale * P, scale * P), float32 from 0 to 1; C is 1
    for brightness (Y of BT.601) and 3 for RGB. Patches are mirrored and turned by quarter turns.

    Args:
        source: where the pictures come from.
        scale: how many times larger the target is along each axis.
        batch_size: patches of a training batch, over all processes together.
        patch_size: of the small picture, in pixels.
        colours: "y" or "rgb".
        num_workers: processes of the training loader; 0 makes batches in the main process.
        root: the key through which a user names a folder (``data.root=DIR``); configs hand it on to
            the source, and it is not used here.
        test_root: likewise, the folder of the test pictures.

    Raises:
        ValueError: when a setting is out of its range.

    Example:
        >>> from wavestack.data import SyntheticShapes
        >>> data = SuperResolutionData(SyntheticShapes(num_train=4), scale=2, patch_size=16)
        >>> {name: tuple(x.shape) for name, x in data.train_batches(seed=0)[0].items()}
        {'image': (16, 1, 16, 16), 'target': (16, 1, 32, 32)}
    """

    item_noun: ClassVar[str] = "pictures"
    tasks: ClassVar[tuple[str, ...]] = ("SuperResolutionTask",)

    def __init__(
        self,
        source: PictureSource,
        scale: int,
        batch_size: int = 16,
        patch_size: int = 32,
        colours: str = "y",
        num_workers: int = 0,
        *,
        root: str | None = None,
        test_root: str | None = None,
    ) -> None:
        for name, value, least in (
            ("scale", scale, 2),
            ("batch_size", batch_size, 1),
            ("patch_size", patch_size, 1),
            ("num_workers", num_workers, 0),
        ):
            if value < least:
                raise ValueError(f"{name} must be >= {least}, got {value}")
        if colours not in ("y", "rgb"):
            raise ValueError(f"colours must be y or rgb, got {colours!r}")
        self.source = source
        self.scale = scale
        self.batch_size = batch_size
        self.patch_size = patch_size
        self.colours = colours
        self.num_workers = num_workers
        self.root = root
        self.test_root = test_root
        self._training: list[Pair] | None = None

    def num_items(self, split: Split) -> int:
        """Pictures of a split."""
        return self.source.num_items(split)

    def pair(self, split: Split, index: int) -> Pair:
        """A picture made small and itself: (H, W, 3) and (scale * H, scale * W, 3), uint8.

        Raises:
            UserError: when its file cannot be used, or it is smaller than a pixel of the small one.
        """
        picture = self.source.sample(split, index)
        height, width = (size // self.scale * self.scale for size in picture.image.shape[:2])
        if not height or not width:
            raise UserError(f"{picture.name}: a picture of fewer than {self.scale} pixels")
        large = picture.image[:height, :width]
        return resize_bicubic(large, 1 / self.scale), large

    def training_pairs(self) -> list[Pair]:
        """The pairs of the training split, made at the first call and then kept.

        Raises:
            UserError: when a picture cannot be used or holds no patch.
        """
        if self._training is None:
            pairs = [self.pair("train", index) for index in range(self.num_items("train"))]
            for index, (small, _) in enumerate(pairs):
                if min(small.shape[:2]) < self.patch_size:
                    name = self.source.sample("train", index).name
                    raise UserError(
                        f"{name}: {small.shape[1]} x {small.shape[0]} pixels when made small, but "
                        f"data.patch_size is {self.patch_size}"
                    )
            self._training = pairs
        return self._training

    def tensors(self, small: np.ndarray, large: np.ndarray) -> tuple[Tensor, Tensor]:
        """A pair as (C, H, W) float32 from 0 to 1."""
        return _tensor(small, self.colours), _tensor(large, self.colours)

    def train_batches(self, seed: int) -> PatchBatches:
        """The endless training batches of a seed."""
        return PatchBatches(self, seed)

    def eval_batches(self, split: Split) -> OneByOne:
        """Every picture of a split, whole and once; each is read when it is asked for."""

        def read(item: int) -> Batch:
            image, target = self.tensors(*self.pair(split, item))
            return {"image": image[None], "target": target[None]}

        return OneByOne(read, range(self.num_items(split)))

    def check_model(self, model: Any) -> None:
        """Stop when a model enlarges by another factor or takes other channels.

        Raises:
            UserError: naming the model's key.
        """
        if getattr(model, "scale", self.scale) != self.scale:
            raise UserError(f"model.scale is {model.scale}, but data.scale is {self.scale}")
        channels = 1 if self.colours == "y" else 3
        check_size(model, "in_channels", channels, f"channels (data.colours={self.colours})")

    @classmethod
    def stand_in(cls, data: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
        """A few synthetic pictures."""
        return {
            **super().stand_in(data, model),
            "patch_size": 8,
            "source": {
                "_target_": "wavestack.data.SyntheticShapes",
                "height": 64,
                "width": 64,
                "num_train": 3,
                "num_val": 1,
                "num_test": 1,
            },
        }


class PatchBatches(Dataset):
    """The training batches: ``batches[k]`` is batch k, a pure function of (seed, k).

    An epoch has as many patches of each picture as cover it; where they lie is drawn anew.

    Args:
        data: says what there is.
        seed: not negative.
    """

    def __init__(self, data: SuperResolutionData, seed: int) -> None:
        self.data = data
        P = data.patch_size
        counts = [
            (small.shape[0] // P) * (small.shape[1] // P) for small, _ in data.training_pairs()
        ]
        self.owner = np.repeat(np.arange(len(counts)), counts)
        self.order = BatchOrder(len(self.owner), data.batch_size, seed)

    def __len__(self) -> int:
        """Unbounded: training ends by its own count of steps."""
        return sys.maxsize

    def __getitem__(self, k: int) -> Batch:
        draw = np.random.default_rng([self.order.seed, k, _STREAM])
        rows = [self._patch(int(self.owner[item]), draw) for item in self.order.items(k)]
        small, large = (np.stack(side) for side in zip(*rows, strict=True))
        image, target = self.data.tensors(small, large)
        return {"image": image, "target": target}

    def _patch(self, picture: int, draw: np.random.Generator) -> Pair:
        small, large = self.data.training_pairs()[picture]
        P, s = self.data.patch_size, self.data.scale
        top, left = (int(draw.integers(size - P + 1)) for size in small.shape[:2])
        small = small[top : top + P, left : left + P]
        large = large[s * top : s * (top + P), s * left : s * (left + P)]
        turns, mirrored = int(draw.integers(4)), bool(draw.integers(2))
        small, large = np.rot90(small, turns), np.rot90(large, turns)
        return (small[:, ::-1], large[:, ::-1]) if mirrored else (small, large)


def _tensor(image: np.ndarray, colours: str) -> Tensor:
    """8-bit pictures (..., H, W, 3) as float32 (..., C, H, W) from 0 to 1."""
    x = torch.from_numpy(np.ascontiguousarray(image)).movedim(-1, -3).float() / 255
    return luma(x) if colours == "y" else x.contiguous()
