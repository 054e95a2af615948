"""Pictures with masks as batches for segmentation."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from wavestack.data.base import TaskData, check_size
from wavestack.data.order import BatchOrder
from wavestack.data.pictures.class_table import Colour
from wavestack.data.pictures.image_pairs import PairSource, Sample
from wavestack.data.pictures.one_by_one import OneByOne
from wavestack.data.pictures.pair_augmentation import PairAugmentation, vary
from wavestack.data.splits import Split
from wavestack.errors import UserError
from wavestack.signal.image import normalize_image, resize_image

Batch = dict[str, Tensor]
logger = logging.getLogger(__name__)

# Draws for one row are a function of (seed, batch, row) and of this number, which keeps them apart
# from those of the order of batches.
_STREAM = 3


class SegmentationData(TaskData):
    """Pictures with a class for every pixel, as training and evaluation batches.

    A batch holds ``image`` (B, 3, H, W) float32, normalized by `wavestack.signal.image`, and
    ``mask`` (B, H, W) int64, 255 where no class is known. In training both have the size of the
    crop, else of the input. In evaluation the picture has the input size and the mask its own, so
    that every figure is of the pixels that were annotated; a batch then is one picture.

    Args:
        source: where the pictures come from.
        input_size: [height, width] that pictures are brought to; None: as they are.
        batch_size: rows of a training batch, over all processes together.
        crop_size: [height, width] of training crops; None: the input size.
        augmentation: varies training pictures; None: they stay as they are.
        num_workers: processes of the training loader; 0 makes batches in the main process.
        cache_megabytes: training pictures are kept in memory, decoded and at their own size, where
            all of them fit into so much.
        root: the key through which a user names a folder (``data.root=DIR``); configs hand it on to
            the source, and it is not used here.

    Attributes:
        class_names: in the order of their numbers.
        class_colours: (red, green, blue) of each.

    Raises:
        ValueError: when a number is out of its range, or sizes are varied without a crop.
    """

    item_noun = "images"
    tasks = ("SegmentationTask",)

    def __init__(
        self,
        source: PairSource,
        input_size: Sequence[int] | None = None,
        batch_size: int = 8,
        crop_size: Sequence[int] | None = None,
        augmentation: PairAugmentation | None = None,
        num_workers: int = 0,
        cache_megabytes: int = 2048,
        *,
        root: str | None = None,
    ) -> None:
        for name, value, least in (
            ("batch_size", batch_size, 1),
            ("num_workers", num_workers, 0),
            ("cache_megabytes", cache_megabytes, 0),
        ):
            if value < least:
                raise ValueError(f"{name} must be >= {least}, got {value}")
        self.input_size = _size("input_size", input_size)
        self.crop_size = _size("crop_size", crop_size) or self.input_size
        if augmentation is not None and self.crop_size is None and augmentation.scale != (1, 1):
            raise ValueError("augmentation.scale needs input_size or crop_size: rows of one size")
        if augmentation is not None and augmentation.quarter_turns and not _square(self.crop_size):
            raise ValueError(f"augmentation.quarter_turns needs square crops, got {crop_size}")
        self.source = source
        self.batch_size = batch_size
        self.augmentation = augmentation
        self.num_workers = num_workers
        self.cache_megabytes = cache_megabytes
        self.root = root
        self.class_names: tuple[str, ...] = source.classes.names
        self.class_colours: tuple[Colour, ...] = source.classes.colours
        self._cache: dict[int, tuple[Tensor, Tensor]] | None = None

    def num_items(self, split: Split) -> int:
        """Pictures of a split."""
        return self.source.num_items(split)

    def sample(self, split: Split, index: int) -> Sample:
        """A picture and its mask as they are.

        Raises:
            UserError: when a file of it cannot be used.
        """
        return self.source.sample(split, index)

    def training_example(self, index: int) -> tuple[Tensor, Tensor]:
        """A training picture and its mask as they are, kept in memory where all of them fit.

        Shape:
            -> (3, H, W) uint8, (H, W) uint8.
        """
        if self._cache is not None and index in self._cache:
            return self._cache[index]
        sample = self.source.sample("train", index)
        image, mask = _planes(sample.image), torch.from_numpy(sample.mask)
        if self._cache is None and self._fits(image.numel() + mask.numel()):
            self._cache = {}
        if self._cache is not None:
            self._cache[index] = (image, mask)
        return image, mask

    def train_batches(self, seed: int) -> SegmentationBatches:
        """The endless training batches of a seed."""
        return SegmentationBatches(self, seed)

    def eval_batches(self, split: Split) -> OneByOne:
        """Every picture of a split, whole, once and unchanged, read when it is asked for."""

        def read(item: int) -> Batch:
            sample = self.sample(split, item)
            image = _planes(sample.image)
            if self.input_size is not None:
                image = resize_image(image, self.input_size)
            return {
                "image": normalize_image(image[None]),
                "mask": torch.from_numpy(sample.mask)[None].long(),
            }

        return OneByOne(read, range(self.num_items(split)))

    def class_pixels(self) -> tuple[np.ndarray, np.ndarray]:
        """What the training masks hold.

        Returns:
            Pixels of each class, and for each class the labelled pixels of all pictures in which it
            occurs: (K,), (K,) int64.
        """
        K = len(self.class_names)
        pixels, around = np.zeros(K, dtype=np.int64), np.zeros(K, dtype=np.int64)
        for index in range(self.num_items("train")):
            mask = self.training_example(index)[1].numpy()
            counts = np.bincount(mask.ravel(), minlength=K)[:K]
            pixels += counts
            around += np.where(counts > 0, counts.sum(), 0)
        absent = [name for name, n in zip(self.class_names, pixels, strict=True) if not n]
        if absent:
            logger.warning("no training mask holds a pixel of %s", ", ".join(absent))
        return pixels, around

    def example_input(self) -> Tensor:
        """A picture to trace a model with, for models that name none themselves."""
        return torch.zeros(1, 3, *(self.crop_size or (128, 128)))

    def check_model(self, model: Any) -> None:
        """Stop when a model does not suit these data.

        Raises:
            UserError: naming the model's key.
        """
        check_size(model, "num_classes", len(self.class_names), "classes")

    def _fits(self, bytes_of_one: int) -> bool:
        return bytes_of_one * self.num_items("train") <= self.cache_megabytes * 2**20

    @classmethod
    def stand_in(cls, data: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
        """Synthetic shapes with as many classes as the model has."""
        return {
            **super().stand_in(data, model),
            "input_size": [64, 64],
            "crop_size": None,
            "source": {
                "_target_": "wavestack.data.SyntheticShapes",
                "num_classes": model.get("num_classes", 6),
                "height": 72,
                "width": 96,
                "num_train": 4,
                "num_val": 2,
                "num_test": 2,
            },
        }


class SegmentationBatches(Dataset):
    """The training batches: ``batches[k]`` is batch k, a pure function of (seed, k).

    Args:
        data: says what there is and how it is varied.
        seed: not negative.
    """

    def __init__(self, data: SegmentationData, seed: int) -> None:
        self.data = data
        self.seed = seed
        self.order = BatchOrder(data.num_items("train"), data.batch_size, seed)
        augmentation = data.augmentation or PairAugmentation()
        plain = data.augmentation is None and data.crop_size is None
        self.transform = None if plain else augmentation.make(data.input_size, data.crop_size)

    def __len__(self) -> int:
        """Unbounded: training ends by its own count of steps."""
        return sys.maxsize

    def __getitem__(self, k: int) -> Batch:
        rows = [self._row(int(item), k, row) for row, item in enumerate(self.order.items(k))]
        sizes = {tuple(mask.shape) for _, mask in rows}
        if len(sizes) > 1:
            shown = ", ".join(f"{W} x {H}" for H, W in sorted(sizes))
            raise UserError(
                f"data.input_size or data.crop_size must be set: pictures are of {shown} pixels"
            )
        return {
            "image": normalize_image(torch.stack([image for image, _ in rows])),
            "mask": torch.stack([mask for _, mask in rows]).long(),
        }

    def _row(self, item: int, k: int, row: int) -> tuple[Tensor, Tensor]:
        image, mask = self.data.training_example(item)
        if self.transform is None:
            return image, mask
        draw = np.random.default_rng([self.seed, k, row, _STREAM])
        return vary(self.transform, image, mask, int(draw.integers(2**63)))


def _planes(image: np.ndarray) -> Tensor:
    """Colours one plane after the other: (H, W, 3) -> (3, H, W)."""
    return torch.from_numpy(image).permute(2, 0, 1).contiguous()


def _square(size: tuple[int, int] | None) -> bool:
    return size is not None and size[0] == size[1]


def _size(name: str, size: Sequence[int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"{name} must be [height, width] in pixels or null, got {list(size)}")
    return int(size[0]), int(size[1])
