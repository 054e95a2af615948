"""Super-resolution: figures as the literature counts them, bicubic beside, pictures."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from wavestack.data import ImageFolder, SuperResolutionData, SyntheticShapes
from wavestack.metrics import psnr
from wavestack.models import SuperResolutionNet
from wavestack.tasks import SuperResolutionTask
from wavestack.tasks.super_resolution import bicubic, brightness, figure_sums
from wavestack.training.totals import totals

SETS = Path(os.environ.get("WAVESTACK_DATA", "")) / "sr"


@pytest.fixture
def data() -> SuperResolutionData:
    source = SyntheticShapes(height=45, width=60, num_train=1, num_val=2, num_test=2)
    return SuperResolutionData(source, scale=2)


def test_figures_are_means_over_pictures_the_loss_over_pixels(data: SuperResolutionData):
    task = SuperResolutionTask(SuperResolutionNet(2, channels=2), torch.optim.SGD)
    model, batches = task.model.eval(), data.eval_batches("test")
    found = totals(task, task.figure_sums, model, batches, torch.device("cpu"))
    values = task.figure_values(found.sums, found.counts)
    outputs = [(model(b["image"]).detach(), b["target"]) for b in batches]
    rounded = [[(255 * x).round().clamp(0, 255) / 255 for x in pair] for pair in outputs]
    shaved = [[x[..., 2:-2, 2:-2] for x in pair] for pair in rounded]
    expected = sum(float(psnr(*pair)) for pair in shaved) / 2
    assert values["psnr_db"] == pytest.approx(expected, rel=1e-6)
    assert found.counts["psnr_db"] == found.counts["ssim"] == 2
    assert found.counts["absolute_error"] == 2 * 44 * 60
    error = torch.cat([(y - target).flatten() for y, target in outputs]).abs().mean()
    mean = found.sums["absolute_error"] / found.counts["absolute_error"]
    assert float(mean) == pytest.approx(float(error), rel=1e-5)


def test_the_yardstick_is_a_model_that_only_interpolates(data: SuperResolutionData):
    task = SuperResolutionTask(SuperResolutionNet(2, channels=2), torch.optim.SGD)
    found = totals(
        task, task.figure_sums, task.model, data.eval_batches("val"), torch.device("cpu")
    )
    ours = task.figure_values(found.sums, found.counts)  # the last layer still gives zeros
    plain = task.baselines(task.model, data, "val")["bicubic"]
    assert plain["psnr_db"] == pytest.approx(ours["psnr_db"], abs=0.02)  # the two differ at borders
    assert plain["ssim"] == pytest.approx(ours["ssim"], abs=1e-3)


@pytest.mark.skipif(not SETS.is_dir(), reason="WAVESTACK_DATA has no sr/")
@pytest.mark.parametrize(("scale", "published"), [(2, 33.66), (4, 28.42)])
def test_bicubic_on_set5_is_as_published(scale: int, published: float):
    folder = SETS / "Set5" / f"x{scale}_HR"
    data = SuperResolutionData(ImageFolder(folder, folder), scale)
    task = SuperResolutionTask(SuperResolutionNet(scale, channels=1), torch.optim.SGD)
    found = task.baselines(task.model, data, "test")["bicubic"]
    assert found["psnr_db"] == pytest.approx(published, abs=0.03)


def test_brightness_is_of_pictures_that_fit_into_eight_bits():
    x = torch.tensor([-0.1, 0.5, 1.2]).reshape(1, 1, 1, 3)
    assert (255 * brightness(x)).flatten().tolist() == [0, 128, 255]
    red = torch.tensor([1.3, -0.2, 0.0]).reshape(1, 3, 1, 1)
    assert float(255 * brightness(red)) == pytest.approx(16 + 65.481)


def test_borders_do_not_count():
    target = torch.rand(1, 1, 24, 24)
    spoilt = target.clone()
    spoilt[..., :2, :] = spoilt[..., -2:] = 0
    assert float(figure_sums(spoilt, target, 2)["psnr_db"][0]) == float("inf")
    assert float(figure_sums(spoilt, target, 1)["psnr_db"][0]) < 40


def test_interpolation_goes_picture_by_picture():
    x = torch.rand(2, 3, 5, 4)
    assert bicubic(x, 3).shape == (2, 3, 15, 12)
    torch.testing.assert_close(bicubic(x, 3)[1:], bicubic(x[1:], 3))


def test_evaluation_names_the_pictures_and_shows_them(data: SuperResolutionData, tmp_path: Path):
    task = SuperResolutionTask(SuperResolutionNet(2, channels=2), torch.optim.SGD)
    lines = task.details(task.model.eval(), data, "test", tmp_path, {})
    names = [data.source.sample("test", i).name for i in range(2)]
    assert list(lines) == [f"psnr db of {name}" for name in names]
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"upscaled_test_{n}.png" for n in names]
