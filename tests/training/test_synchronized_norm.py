"""Batch normalization over several processes: the statistics of one process with all rows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from wavestack.layers import MaskedBatchNorm1d, synchronize_batch_norm
from wavestack.models import TCN
from wavestack.tasks import ClassificationTask

LENGTHS = torch.tensor([9, 4, 1, 12, 7])


def model() -> nn.Module:
    torch.manual_seed(0)
    return TCN(2, [3, 3], norm="batch", lookahead="centred").double()


def batch(lengths: bool) -> tuple[Tensor, Tensor | None]:
    # Far from zero, where a variance by the mean of squares would lose its digits.
    generator = torch.Generator().manual_seed(1)
    x = 1e4 + torch.randn(5, 2, 12, generator=generator, dtype=torch.float64)
    return x, LENGTHS if lengths else None


def one_step(net: nn.Module, x: Tensor, lengths: Tensor | None) -> dict[str, Tensor]:
    """Outputs, gradients of a loss that no row is left out of, and running statistics."""
    x = x.requires_grad_()
    y = net(x, lengths)
    (y.square() * torch.linspace(1, 2, 12, dtype=y.dtype)).sum().backward()
    kept = {name: value.clone() for name, value in net.named_buffers()}
    gradients = {f"{name}.grad": p.grad for name, p in net.named_parameters()}
    return {"y": y.detach(), "x.grad": x.grad, **kept, **gradients}


def rank_step(folder: Path, rows: list[int], lengths: bool, environment: dict[str, str]) -> None:
    os.environ.update(environment)
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    rank = int(environment["RANK"])
    x, counts = batch(lengths)
    own = x.split(rows)[rank].clone()
    own_counts = None if counts is None else counts.split(rows)[rank]
    net = synchronize_batch_norm(model())
    torch.save(one_step(net, own, own_counts), folder / f"{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize(
    ("rows", "lengths"), [([4, 1], True), ([4, 1], False), ([5, 0], True)], ids=str
)
def test_an_uneven_split_gives_the_statistics_of_the_whole_batch(
    rows: list[int], lengths: bool, tmp_path: Path, processes: Any
) -> None:
    whole = one_step(model(), *batch(lengths))
    processes.call_ranks(2, rank_step, tmp_path, rows, lengths)
    ranks = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    for name, value in whole.items():
        if name in ("y", "x.grad"):
            found = torch.cat([rank[name] for rank in ranks])
        elif name.endswith(".grad"):
            found = ranks[0][name] + ranks[1][name]
        else:
            found = ranks[0][name]
            torch.testing.assert_close(ranks[1][name], found, rtol=0, atol=0)
        # The input of 1e4 leaves 12 of float64's 16 digits.
        torch.testing.assert_close(found, value, rtol=1e-9, atol=1e-9, msg=name)


def test_padding_is_still_left_out_behind_synchronization() -> None:
    """torch's own conversion puts a layer there that takes no lengths."""
    net, (x, lengths) = synchronize_batch_norm(model()), batch(True)
    assert sum(isinstance(part, MaskedBatchNorm1d) for part in net.modules()) == 4
    torch.testing.assert_close(net(x, lengths), model()(x, lengths), rtol=0, atol=0)


def test_a_task_joins_its_model_when_the_ranks_are_connected() -> None:
    task = ClassificationTask(model(), torch.optim.SGD, synchronized=True)
    task.configure_model()
    norms = [part for part in task.model.modules() if isinstance(part, nn.BatchNorm1d)]
    assert [norm.synchronized for norm in norms] == [True] * 4


def test_other_batch_normalizations_become_torchs_own() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    before = net.state_dict()
    assert isinstance(synchronize_batch_norm(net)[1], nn.SyncBatchNorm)
    assert net.state_dict().keys() == before.keys()
