"""Sequential MNIST from files as torchvision keeps them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from wavestack.data import SequentialMNIST
from wavestack.errors import UserError

pytest.importorskip("torchvision")


def write(root: Path, num_train: int = 12, num_test: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Random images in the format of the published files."""
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, count in (("t10k", num_test), ("train", num_train)):
        pixels = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        digits = rng.integers(0, 10, count, dtype=np.uint8)
        for kind, array in (("images-idx3", pixels), ("labels-idx1", digits)):
            head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
            (folder / f"{name}-{kind}-ubyte").write_bytes(head + array.tobytes())
    return pixels, digits


def test_images_are_read_pixel_by_pixel(tmp_path: Path) -> None:
    pixels, digits = write(tmp_path)
    data = SequentialMNIST(str(tmp_path), num_val=4, batch_size=3)
    found, labels = data.images("train")
    assert np.array_equal(found, pixels[:8].reshape(8, 784))
    assert labels.tolist() == digits[:8].tolist()
    assert [data.num_items(split) for split in ("train", "val", "test")] == [8, 4, 5]
    batch = data.train_batches(seed=0)[2]
    assert batch["x"].shape == (3, 1, 784)
    assert torch.equal(batch["x"], data.train_batches(seed=0)[2]["x"])
    targets = torch.cat([b["target"] for b in data.eval_batches("val")])
    assert targets.tolist() == digits[8:].tolist()


def test_one_permutation_for_all_images(tmp_path: Path) -> None:
    write(tmp_path)
    rows = SequentialMNIST(str(tmp_path), num_val=4)
    mixed = SequentialMNIST(str(tmp_path), num_val=4, permutation_seed=7)
    assert not np.array_equal(mixed.order, rows.order)
    assert np.array_equal(mixed.images("test")[0], rows.images("test")[0][:, mixed.order])
    assert sorted(mixed.order) == list(range(784))


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.root is not set: give the folder"):
        SequentialMNIST()
    with pytest.raises(UserError, match="there is no such folder"):
        SequentialMNIST(str(tmp_path / "none"))
    with pytest.raises(UserError, match="torchvision finds no readable MNIST there"):
        SequentialMNIST(str(tmp_path)).images("test")
    write(tmp_path)
    with pytest.raises(UserError, match=r"data\.num_val=12: there are 12 training images"):
        SequentialMNIST(str(tmp_path), num_val=12).images("train")
    with pytest.raises(ValueError, match="batch_size must be >= 1, got 0"):
        SequentialMNIST(str(tmp_path), batch_size=0)
