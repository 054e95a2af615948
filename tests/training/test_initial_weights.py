"""Starting from other weights: what fits is taken, the rest is said."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from wavestack.errors import UserError
from wavestack.training.initial_weights import start_from, without_start


def test_what_fits_is_taken_and_the_rest_is_said(tmp_path):
    trained = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 5), nn.Linear(5, 2))
    torch.save({"model": trained.state_dict()}, tmp_path / "trained.pt")
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 6))
    before = model[1].bias.clone()
    said = "\n".join(start_from(model, tmp_path / "trained.pt"))
    assert torch.equal(model[0].weight, trained[0].weight)
    assert torch.equal(model[1].bias, before)
    assert "2 of the model's 4 tensors" in said
    assert "of another shape, so they start anew: 1.weight, 1.bias" in said
    assert "in it alone: 2.weight, 2.bias" in said


def test_weights_of_another_model_are_refused(tmp_path):
    torch.save({"strange": torch.zeros(1)}, tmp_path / "strange.pt")
    with pytest.raises(UserError, match=r"none of its 1 tensors fits this model"):
        start_from(nn.Linear(2, 2), tmp_path / "strange.pt")
    with pytest.raises(UserError, match="no such file or run folder"):
        start_from(nn.Linear(2, 2), tmp_path / "nowhere")


def test_a_description_loses_the_weights_it_started_from():
    config = {"_target_": "a", "weights": "x.pt", "backbone": {"weights": "imagenet", "depth": 18}}
    assert without_start(config) == {
        "_target_": "a",
        "weights": None,
        "backbone": {"weights": None, "depth": 18},
    }
