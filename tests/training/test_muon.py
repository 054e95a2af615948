"""Muon: orthogonal updates for convolutions, plain AdamW for the rest."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from wavestack.training.muon import MuonAdamW, orthogonalize


@pytest.mark.parametrize("shape", [(8, 8), (4, 12), (15, 4), (3, 6, 9)])
def test_orthogonalized_matrices_have_singular_values_near_one(shape: tuple[int, ...]) -> None:
    matrices = torch.randn(shape)
    updates = orthogonalize(matrices)
    assert updates.shape == matrices.shape
    values = torch.linalg.svdvals(updates)
    assert values.min() > 0.6
    assert values.max() < 1.3
    # The same singular vectors: the product with the matrix is symmetric and positive.
    product = updates @ matrices.mT
    torch.testing.assert_close(product, product.mT, atol=1e-3, rtol=1e-3)
    assert torch.linalg.eigvalsh(product).min() > -1e-3


def test_every_convolution_of_a_model_gets_an_orthogonal_update() -> None:
    net = nn.Sequential(nn.Conv1d(6, 6, 1), nn.Conv1d(6, 6, 1), nn.Conv2d(6, 8, 3))
    convolutions = [p for p in net.parameters() if p.ndim > 2]
    before = [p.detach().clone() for p in convolutions]
    optimizer = MuonAdamW(net.parameters(), muon_lr=0.5, momentum=0.0)
    x = torch.randn(2, 6, 25)
    net[2](net[1](net[0](x)).reshape(2, 6, 5, 5)).square().sum().backward()
    optimizer.step()
    for old, new in zip(before, convolutions, strict=True):
        expected = old - 0.5 * orthogonalize(new.grad.flatten(1)).reshape(old.shape)
        torch.testing.assert_close(new.detach(), expected, atol=1e-5, rtol=1e-5)


def test_parameters_that_are_no_convolution_move_as_under_adamw() -> None:
    net = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 3))
    twin = copy.deepcopy(net)
    ours = MuonAdamW(net.parameters(), lr=0.01, betas=(0.9, 0.99), weight_decay=0.1)
    theirs = torch.optim.AdamW(twin.parameters(), lr=0.01, betas=(0.9, 0.99), weight_decay=0.1)
    for _ in range(3):
        for model, optimizer in ((net, ours), (twin, theirs)):
            optimizer.zero_grad()
            model(torch.arange(5)).square().sum().backward()
            optimizer.step()
    for a, b in zip(net.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=0, rtol=0)


def test_weight_norm_gains_are_no_matrices() -> None:
    conv = nn.utils.parametrizations.weight_norm(nn.Conv1d(4, 8, 2))
    groups = MuonAdamW(conv.parameters()).param_groups
    assert [tuple(p.shape) for p in groups[0]["params"]] == [(8, 4, 2)]


def test_state_goes_through_a_file_and_continues_exactly(tmp_path) -> None:
    def train(net: nn.Module, optimizer: MuonAdamW, steps: int) -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            net(torch.ones(1, 3, 8)).square().mean().backward()
            optimizer.step()

    net = nn.Sequential(nn.Conv1d(3, 4, 2), nn.Conv1d(4, 2, 1))
    optimizer = MuonAdamW(net.parameters())
    train(net, optimizer, 2)
    torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "x.pt")
    train(net, optimizer, 3)

    again = nn.Sequential(nn.Conv1d(3, 4, 2), nn.Conv1d(4, 2, 1))
    saved = torch.load(tmp_path / "x.pt", weights_only=True)
    again.load_state_dict(saved["net"])
    resumed = MuonAdamW(again.parameters())
    resumed.load_state_dict(saved["optimizer"])
    train(again, resumed, 3)
    for a, b in zip(net.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=0, rtol=0)


@pytest.mark.parametrize("wrong", [{"momentum": 1.0}, {"muon_lr": -1.0}, {"lr": -1.0}])
def test_wrong_values_are_named(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=str(next(iter(wrong.values())))):
        MuonAdamW(nn.Conv1d(2, 2, 2).parameters(), **wrong)
