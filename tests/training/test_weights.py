"""Weights and optimizer states by name."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from wavestack.training.weights import (
    load_optimizer_state,
    model_state,
    optimizer_state,
    weights_sha256,
)


def trained(groups: bool) -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2), nn.Linear(2, 2))
    model[2].weight.requires_grad_(False)
    parameters = [p for p in model.parameters() if p.requires_grad]
    if groups:
        # In another order than the model's, and with other options.
        parameters = [{"params": parameters[2:], "lr": 0.01}, {"params": parameters[:2]}]
    return model, torch.optim.AdamW(parameters, lr=0.1, weight_decay=0.1)


def step(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    model[:2](torch.ones(1, 3)).square().sum().backward()
    optimizer.step()


@pytest.mark.parametrize("groups", [False, True])
def test_optimizer_continues_exactly(groups):
    model, optimizer = trained(groups)
    for _ in range(3):
        step(model, optimizer)
    other, other_optimizer = trained(groups)
    other.load_state_dict(model_state(model))
    load_optimizer_state(other, other_optimizer, optimizer_state(model, optimizer))
    for _ in range(3):
        step(model, optimizer)
        step(other, other_optimizer)
    assert weights_sha256(model.state_dict()) == weights_sha256(other.state_dict())


def test_a_state_of_another_model_is_refused():
    model, optimizer = trained(False)
    step(model, optimizer)
    saved = optimizer_state(model, optimizer)
    saved["state"]["unknown"] = saved["state"].pop("0.weight")
    with pytest.raises(ValueError, match="unknown"):
        load_optimizer_state(model, optimizer, saved)


def test_hash_depends_on_names_values_and_shapes_but_not_on_the_order():
    a, b = torch.arange(6.0), torch.ones(2)
    same = weights_sha256({"a": a, "b": b})
    assert weights_sha256({"b": b, "a": a.clone()}) == same
    assert weights_sha256({"a": a.view(2, 3), "b": b}) != same
    assert weights_sha256({"a": a, "c": b}) != same
    assert weights_sha256({"a": a.nextafter(a + 1), "b": b}) != same


def test_saved_tensors_own_their_storage():
    model = nn.Linear(2, 2)
    state = model_state(model)
    with torch.no_grad():
        model.weight.zero_()
    assert state["weight"].abs().sum() > 0
