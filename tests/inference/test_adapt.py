"""Batch normalization at home among other inputs."""

from __future__ import annotations

import pytest
import torch

from wavestack.inference import adapted
from wavestack.inference.adapt import PRIOR_ROWS
from wavestack.models import SequenceClassifier


@pytest.fixture
def model() -> SequenceClassifier:
    """A classifier that has seen a few batches."""
    model = SequenceClassifier(5, num_classes=4, channels=6, num_layers=2, dropout=0.3)
    for _ in range(20):
        model(torch.randn(8, 5, 12), torch.full((8,), 12))
    return model.eval()


def test_another_colour_passes_unnoticed_once_the_model_is_adapted(model):
    x, lengths = torch.randn(400, 5, 12), torch.full((400,), 12)
    other = 3 * x + torch.linspace(-2, 4, 5)[:, None]
    # One normalization undoes it, but for the share of what the training remembers.
    norm = torch.nn.BatchNorm1d(5, affine=False).eval()
    plain, moved = adapted(norm, [{"input": x}]), adapted(norm, [{"input": other}])
    assert float((norm(other) - norm(x)).abs().mean()) > 1
    torch.testing.assert_close(moved(other), plain(x), rtol=0, atol=0.3)
    # A net with skips keeps some of it, and decides more alike than without.
    home = adapted(model, [{"x": x, "lengths": lengths}])
    away = adapted(model, [{"x": other, "lengths": lengths}])
    alike = (home(x).argmax(1) == away(other).argmax(1)).float().mean()
    assert alike > (model(x).argmax(1) == model(other).argmax(1)).float().mean()


def test_the_model_itself_stays_as_it_was(model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    changed = adapted(model, [{"x": 5 + torch.randn(64, 5, 12)}])
    assert not changed.training
    assert not any(module.training for module in changed.modules())
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    for name, value in changed.state_dict().items():
        moved = name.endswith(("running_mean", "running_var"))
        assert torch.equal(value, before[name]) != moved or "tracked" in name, name


def test_rows_weigh_against_what_training_remembers():
    norm = torch.nn.BatchNorm1d(1).eval()
    for rows in (1, PRIOR_ROWS, 9 * PRIOR_ROWS):
        x = 10 + torch.randn(rows, 1, 50)
        expected = rows / (rows + PRIOR_ROWS) * float(x.mean())
        found = adapted(norm, [{"input": x}])
        assert float(found.running_mean) == pytest.approx(expected, rel=1e-5)
        assert found.momentum == norm.momentum


def test_padding_is_no_part_of_the_statistics(model):
    x, lengths = torch.randn(32, 5, 12), torch.randint(3, 13, (32,))
    dirty = x.clone()
    for row, length in enumerate(lengths.tolist()):
        dirty[row, :, length:] = 1e6
    clean, other = (adapted(model, [{"x": given, "lengths": lengths}]) for given in (x, dirty))
    torch.testing.assert_close(clean.state_dict(), other.state_dict())


def test_what_cannot_be_adapted_is_refused(model):
    with pytest.raises(ValueError, match="has no batch normalization that could be adapted"):
        adapted(torch.nn.Linear(2, 2), [{"input": torch.zeros(3, 2)}])
    with pytest.raises(ValueError, match="there are no inputs to adapt to"):
        adapted(model, [])
