"""Classification: loss, accuracy, yardsticks, and the lines of an evaluation."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from wavestack.data import ClipData, SyntheticAudio
from wavestack.signal import WaveformFrontEnd
from wavestack.tasks import ClassificationTask
from wavestack.training.totals import totals


class Fixed(nn.Module):
    """Logits that are the first steps of the first channel."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        return self.scale * x[:, 0, :3]


def batch(target: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"x": torch.tensor([[[2.0, 0, 0]], [[0, 1.0, 0]]]), "target": target}


def task(**settings) -> ClassificationTask:
    return ClassificationTask(Fixed(), torch.optim.SGD, **settings)


def test_the_loss_is_the_sum_of_cross_entropies_smoothed_in_training_alone():
    given = batch(torch.tensor([0, 2]))
    logits = given["x"][:, 0]
    smooth = task(label_smoothing=0.3)
    wanted = F.cross_entropy(logits, given["target"], reduction="sum", label_smoothing=0.3)
    assert smooth.loss_sum(smooth.model, given).item() == pytest.approx(float(wanted))
    smooth.model.eval()
    plain = F.cross_entropy(logits, given["target"], reduction="sum")
    assert smooth.loss_sum(smooth.model, given).item() == pytest.approx(float(plain))
    assert smooth.count(given) == 2


def test_shares_of_classes_are_targets_too():
    shares = torch.tensor([[0.25, 0.75, 0], [0, 0, 1.0]])
    plain = task()
    log_p = batch(shares)["x"][:, 0].log_softmax(1)
    wanted = -(shares * log_p).sum()
    assert plain.loss_sum(plain.model, batch(shares)).item() == pytest.approx(float(wanted))


def test_figures_are_over_all_sequences():
    plain = task()
    batches = [
        batch(torch.tensor([0, 1])),
        batch(torch.tensor([2, 1])),
        batch(torch.tensor([1, 0])),
    ]
    found = totals(plain, plain.figure_sums, plain.model.eval(), batches, torch.device("cpu"))
    values = plain.figure_values(found.sums, found.counts)
    assert values["accuracy_percent"] == pytest.approx(50.0)
    assert found.counts == {"accuracy_percent": 6, "cross_entropy": 6}


def test_evaluation_says_more_and_draws_the_confusion_matrix(tmp_path: Path):
    source = SyntheticAudio(num_train=8, num_val=2, num_test=4, max_seconds=0.5, label_sizes=[3])
    data = ClipData(source, batch_size=2, front_end=WaveformFrontEnd(8000))
    plain = task()
    model = plain.model.eval()
    yardsticks = plain.baselines(model, data, "test")
    # Labels go round: 3, 3 and 2 training recordings, and the first class twice in the test.
    assert yardsticks["most frequent class"] == {"accuracy_percent": 50.0}
    assert len(yardsticks) == 2
    lines = plain.details(model, data, "test", tmp_path, {})
    assert list(lines) == ["accuracy of 0", "accuracy of 1", "accuracy of 2"]
    assert (tmp_path / "confusion_test.png").read_bytes()[:4] == b"\x89PNG"
    confusion = plain.confusion(model, data, "test")
    assert confusion.sum(1).tolist() == [2, 1, 1]


def test_label_smoothing_is_a_share():
    with pytest.raises(ValueError, match=r"label_smoothing must be in \[0, 1\), got 1"):
        task(label_smoothing=1.0)
