"""Handwritten digits read pixel by pixel, in rows or in a fixed random order."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch.utils.data import Dataset

from wavestack.data.base import Batch, TaskData, check_size
from wavestack.data.order import BatchOrder
from wavestack.data.splits import Split, check_split
from wavestack.errors import UserError

NUM_PIXELS = 28 * 28
_MEAN, _DEVIATION = 0.1307, 0.3081  # of the training pixels in [0, 1]
_EVAL_ROWS = 250


class SequentialMNIST(TaskData):
    """MNIST images as sequences of 784 pixels, to be classified when all are read.

    A batch holds ``x`` (B, 1, 784) float32 of zero mean and unit deviation, and ``target`` (B,).

    Args:
        root: folder in which torchvision finds MNIST (``root/MNIST/raw``); null with `synthetic`.
        batch_size: images of a training batch, over all processes together.
        permutation_seed: draws one order of the pixels for all images; None: row by row.
        num_val: training images that are the validation split instead: the last ones.
        num_workers: processes of the training loader; 0 makes batches in the main process.
        synthetic: use so many random images for each split instead of files, to see whether
            everything runs; 0: the files.

    Raises:
        UserError: when torchvision or the files are not there.
        ValueError: when a number is out of its range.

    References:
        LeCun et al. (1998), Gradient-based learning applied to document recognition; Le, Jaitly
        and Hinton (2015), A Simple Way to Initialize Recurrent Networks of Rectified Linear Units
        (pixel by pixel, and permuted).
    """

    item_noun: ClassVar[str] = "images"
    tasks = ("ClassificationTask",)
    label_names = (tuple("0123456789"),)
    description = "the pixels"

    def __init__(
        self,
        root: str | None = None,
        batch_size: int = 64,
        permutation_seed: int | None = None,
        num_val: int = 5000,
        num_workers: int = 0,
        synthetic: int = 0,
    ) -> None:
        for name, value, least in (
            ("batch_size", batch_size, 1),
            ("permutation_seed", permutation_seed or 0, 0),
            ("num_val", num_val, 1),
            ("num_workers", num_workers, 0),
            ("synthetic", synthetic, 0),
        ):
            if value < least:
                raise ValueError(f"{name} must be >= {least}, got {value}")
        self.root = root
        self.batch_size = batch_size
        self.num_val = num_val
        self.num_workers = num_workers
        self.synthetic = synthetic
        self.order = np.arange(NUM_PIXELS)
        if permutation_seed is not None:
            self.order = np.random.default_rng(permutation_seed).permutation(NUM_PIXELS)
        if not synthetic:
            _check_root(root)
        self._images: dict[Split, tuple[np.ndarray, np.ndarray]] = {}

    @property
    def class_names(self) -> tuple[str, ...]:
        """The ten digits."""
        return self.label_names[0]

    def images(self, split: Split) -> tuple[np.ndarray, np.ndarray]:
        """The images of a split as (N, 784) uint8 in reading order, and their digits (N,) int64."""
        check_split(split)
        if split not in self._images:
            pixels, digits = self._read(split)
            self._images[split] = pixels[:, self.order], digits
        return self._images[split]

    def num_items(self, split: Split) -> int:
        """Images of a split."""
        return len(self.images(split)[1])

    def train_batches(self, seed: int) -> ImageBatches:
        """The endless training batches of a seed."""
        return ImageBatches(*self.images("train"), self.batch_size, seed)

    def eval_batches(self, split: Split) -> list[Batch]:
        """Every image of a split once."""
        pixels, digits = self.images(split)
        return [
            assemble(pixels[i : i + _EVAL_ROWS], digits[i : i + _EVAL_ROWS])
            for i in range(0, len(digits), _EVAL_ROWS)
        ]

    def descriptions(self, split: Split) -> tuple[np.ndarray, np.ndarray]:
        """The pixels of every image, for yardsticks, and its digit."""
        pixels, digits = self.images(split)
        return pixels.astype(np.float32) / 255, digits

    def check_model(self, model: Any) -> None:
        """Stop when a model does not suit these data."""
        check_size(model, "in_channels", 1, "channels")
        check_size(model, "num_classes", 10, "classes")

    @classmethod
    def stand_in(cls, data: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
        """Random images."""
        return {**super().stand_in(data, model), "root": None, "synthetic": 4}

    def _read(self, split: Split) -> tuple[np.ndarray, np.ndarray]:
        if self.synthetic:
            rng = np.random.default_rng([("train", "val", "test").index(split), 1])
            digits = rng.integers(0, 10, self.synthetic)
            return rng.integers(0, 256, (self.synthetic, NUM_PIXELS), dtype=np.uint8), digits
        try:
            from torchvision.datasets import MNIST
        except ImportError:
            raise UserError(
                "sequential MNIST is read by torchvision; python -m pip install 'wavestack[vision]'"
            ) from None
        try:
            found = MNIST(str(self.root), train=split != "test", download=False)
        except (RuntimeError, ValueError, OSError) as error:
            # torchvision's own words name an argument (download) that a recipe does not have.
            raise UserError(
                f"data.root={self.root}: torchvision finds no readable MNIST there; the folder "
                "holds MNIST/raw with the four idx files"
            ) from error
        pixels = found.data.numpy().reshape(-1, NUM_PIXELS)
        digits = found.targets.numpy().astype(np.int64)
        if split == "test":
            return pixels, digits
        if len(digits) <= self.num_val:
            raise UserError(f"data.num_val={self.num_val}: there are {len(digits)} training images")
        part = slice(None, -self.num_val) if split == "train" else slice(-self.num_val, None)
        return pixels[part], digits[part]


class ImageBatches(Dataset):
    """``batches[k]`` is batch k, a pure function of (seed, k)."""

    def __init__(self, pixels: np.ndarray, digits: np.ndarray, batch_size: int, seed: int) -> None:
        self.pixels = pixels
        self.digits = digits
        self.order = BatchOrder(len(digits), batch_size, seed)

    def __len__(self) -> int:
        """Unbounded: training ends by its own count of steps."""
        return sys.maxsize

    def __getitem__(self, k: int) -> Batch:
        items = self.order.items(k)
        return assemble(self.pixels[items], self.digits[items])


def assemble(pixels: np.ndarray, digits: np.ndarray) -> Batch:
    """A batch of images (B, 784) and their digits."""
    x = (torch.from_numpy(pixels).float() / 255 - _MEAN) / _DEVIATION
    return {"x": x[:, None], "target": torch.from_numpy(digits)}


def _check_root(root: str | None) -> None:
    if root is None or root in ("", "???"):
        raise UserError(
            "data.root is not set: give the folder in which torchvision finds MNIST, "
            "e.g. data.root=/path/to (it holds MNIST/raw)"
        )
    if not Path(root).expanduser().is_dir():
        raise UserError(f"data.root={root}: there is no such folder")
