"""Segmentation: what the loss counts, and figures of a whole split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wavestack.data import SegmentationData, SyntheticShapes
from wavestack.errors import UserError
from wavestack.tasks import SegmentationTask
from wavestack.training.totals import Totals, totals

CPU = torch.device("cpu")


class Scores(nn.Module):
    """Gives fixed logits, and an auxiliary head's where there are some."""

    def __init__(self, out: Tensor, aux: Tensor | None = None) -> None:
        super().__init__()
        self.out, self.aux = nn.Parameter(out), aux

    def forward(self, image: Tensor) -> Tensor | dict[str, Tensor]:
        return self.out if self.aux is None else {"out": self.out, "aux": self.aux}


def task(model: nn.Module, **settings) -> SegmentationTask:
    return SegmentationTask(model, torch.optim.SGD, **settings)


def batch(mask: Tensor) -> dict[str, Tensor]:
    return {"image": torch.zeros(len(mask), 3, *mask.shape[1:]), "mask": mask}


MASK = torch.tensor([[[0, 1, 255], [2, 2, 0]]])


def test_loss_weighs_in_training_alone_and_divides_by_pixels() -> None:
    torch.manual_seed(0)
    out, aux = torch.randn(2, 1, 3, 2, 3).unbind()
    weights = torch.tensor([1.0, 2.0, 0.5])
    weighted = task(
        Scores(out, aux),
        class_weights=weights.tolist(),
        auxiliary_weight=0.25,
        label_smoothing=0.1,
    )
    assert weighted.count(batch(MASK)) == 5

    def nats(logits: Tensor, **settings) -> Tensor:
        return F.cross_entropy(logits, MASK, ignore_index=255, reduction="sum", **settings)

    plain = weighted.loss_sum(weighted.model.eval(), batch(MASK))
    torch.testing.assert_close(plain, nats(out))
    settings = {"weight": weights, "label_smoothing": 0.1}
    trained = weighted.loss_sum(weighted.model.train(), batch(MASK))
    torch.testing.assert_close(trained, nats(out, **settings) + 0.25 * nats(aux, **settings))


def test_loss_is_in_float32_whatever_the_model_computes_in() -> None:
    class Halved(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            y = super().forward(x)
            assert y.dtype == torch.bfloat16
            return y

    segmenter = task(Halved(3, 3, 1))
    with torch.autocast("cpu", torch.bfloat16):
        assert segmenter.loss_sum(segmenter.model, batch(MASK)).dtype == torch.float32


def test_logits_are_brought_to_the_size_of_the_mask() -> None:
    out = torch.randn(1, 3, 1, 2)
    small = task(Scores(out))
    wanted = F.interpolate(out, (2, 3), mode="bilinear", align_corners=False)
    expected = F.cross_entropy(wanted, MASK, ignore_index=255, reduction="sum")
    torch.testing.assert_close(small.loss_sum(small.model.eval(), batch(MASK)), expected)


def one_hot(classes: list[list[int]]) -> Tensor:
    return 9.0 * F.one_hot(torch.tensor([classes]), 3).permute(0, 3, 1, 2)


def test_figures_are_of_the_whole_split_and_not_means_over_pictures() -> None:
    answers = [[[0, 1, 1], [2, 2, 0]], [[0, 0, 0], [0, 0, 2]]]
    masks = [MASK, torch.tensor([[[0, 0, 0], [0, 0, 0]]])]
    segmenter = task(Scores(one_hot(answers[0])))
    found = Totals()
    for answer, mask in zip(answers, masks, strict=True):
        segmenter.model.out.data = one_hot(answer)
        sums = totals(segmenter, segmenter.figure_sums, segmenter.model.eval(), [batch(mask)], CPU)
        for name, value in sums.sums.items():
            found.add(name, value, sums.counts[name])
    values = segmenter.figure_values(found.sums, found.counts)
    # Class 0: 7 of 8 found; class 1: 1 of 1; class 2: 2 and one too many.
    assert values["mean_iou_percent"] == pytest.approx(100 * (7 / 8 + 1 + 2 / 3) / 3)
    assert values["pixel_accuracy_percent"] == pytest.approx(100 * 10 / 11)
    assert found.counts["cross_entropy"] == 11
    assert set(values) == {figure.name for figure in segmenter.figures}
    assert set(segmenter.validated) < set(values)


def test_ranks_without_a_batch_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    own, other = Totals(), Totals()
    own.add("confusion", torch.eye(2), 3)

    def gather(into: list, mine: object) -> None:
        into[:] = [(own.sums, own.counts), (other.sums, other.counts), (own.sums, own.counts)]

    monkeypatch.setattr(torch.distributed, "all_gather_object", gather)
    together = other.of_all_ranks(3)
    assert together.sums["confusion"].tolist() == [[2, 0], [0, 2]]
    assert together.counts == {"confusion": 6}


def shapes(**settings) -> SegmentationData:
    source = SyntheticShapes(height=24, width=32, num_train=4, num_val=2, num_test=3, **settings)
    return SegmentationData(source, batch_size=2)


def evaluated(segmenter: SegmentationTask, data: SegmentationData) -> Totals:
    model = segmenter.model.eval()
    return totals(segmenter, segmenter.figure_sums, model, data.eval_batches("test"), CPU)


def test_foreground_has_its_own_figures_beside_otsu() -> None:
    data = shapes(num_classes=2)
    segmenter = task(nn.Conv2d(3, 2, 1), foreground=1)
    segmenter.prepare(data)
    found = evaluated(segmenter, data)
    values = segmenter.figure_values(found.sums, found.counts)
    hits = found.sums["confusion"]
    iou = hits[1, 1] / (hits[1].sum() + hits[0, 1])
    assert values["foreground_iou_percent"] == pytest.approx(100 * float(iou))
    wrong = (hits[0, 1] + hits[1, 0]) / hits.sum()
    assert values["pixel_error_percent"] == pytest.approx(100 * float(wrong))
    beside = segmenter.baselines(segmenter.model, data, "test")
    assert set(beside) == {"most frequent class", "Otsu's threshold"}
    assert beside["most frequent class"]["foreground_iou_percent"] == 0.0
    with pytest.raises(UserError, match=r"task\.foreground is for two classes, .* have 6"):
        segmenter.prepare(shapes())


def test_classes_that_are_nowhere_are_said_and_have_no_part(tmp_path: Path) -> None:
    data = shapes(num_classes=9, shapes=[1, 1])
    segmenter = task(nn.Conv2d(3, 9, 1))
    found = evaluated(segmenter, data)
    parts = segmenter.figure_parts(found.sums, data)
    lines = segmenter.details(segmenter.model, data, "test", tmp_path, found.sums)
    (absent,) = lines.values()
    assert "no mask of this split" in next(iter(lines))
    assert set(parts) | set(absent.split(", ")) == set(data.class_names)
    assert len(parts) <= 4
    assert (tmp_path / "confusion_test.png").stat().st_size > 0
    values = segmenter.figure_values(found.sums, found.counts)
    assert values["mean_iou_percent"] == pytest.approx(np.mean(list(parts.values())))


def test_weights_are_made_of_the_training_masks() -> None:
    from wavestack.losses import enet_weights, median_frequency_weights

    data = shapes()
    pixels, around = data.class_pixels()
    made = {
        "enet": enet_weights(pixels),
        "median_frequency": median_frequency_weights(pixels, around),
    }
    for name, weights in made.items():
        segmenter = task(nn.Conv2d(3, 6, 1), class_weights=name, weight_power=0.5)
        segmenter.prepare(data)
        torch.testing.assert_close(segmenter.weights, torch.from_numpy(weights**0.5).float())
    with pytest.raises(UserError, match=r"class_weights has 2 numbers, but the data have 6"):
        task(nn.Conv2d(3, 6, 1), class_weights=[1.0, 2.0]).prepare(data)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"class_weights": "median"}, "numbers, median_frequency, enet or null, got 'median'"),
        ({"class_weights": [1.0, -1.0]}, "class_weights must be >= 0"),
        ({"auxiliary_weight": -1.0}, "auxiliary_weight must be >= 0, got -1"),
        ({"label_smoothing": 1.0}, r"label_smoothing must be in \[0, 1\), got 1"),
        ({"foreground": 2}, "foreground must be 0, 1 or null, got 2"),
    ],
)
def test_settings_that_make_no_sense_are_refused(setting: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        task(nn.Identity(), **setting)
