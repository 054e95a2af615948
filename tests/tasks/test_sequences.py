"""Losses of music, adding, copy memory and text: what counts and what is averaged."""

from __future__ import annotations

import math

import pytest
import torch

from wavestack.data import AddingProblem, CopyMemory, PianoRolls, SyntheticPianoRolls, Text
from wavestack.data.sequences.piano_rolls import assemble
from wavestack.models import TCN, DLinear, PianoRollTCN
from wavestack.tasks import (
    AddingTask,
    CharacterTask,
    CopyMemoryTask,
    ForecastingTask,
    PianoRollTask,
)
from wavestack.training.totals import totals

CPU = torch.device("cpu")


@pytest.mark.parametrize("output", ["independent", "mixture", "nade"])
def test_music_in_padded_batches_costs_what_each_piece_costs_alone(output: str) -> None:
    model = PianoRollTCN(88, 8, 3, 2, output).eval()
    task = PianoRollTask(model, torch.optim.SGD)
    pieces = SyntheticPianoRolls(num_val=5).split("val")
    sums = task.validation_sums
    together = totals(task, sums, model, [assemble(pieces)], CPU)
    alone = totals(task, sums, model, [assemble([piece]) for piece in pieces], CPU)
    torch.testing.assert_close(together.sums, alone.sums, rtol=1e-5, atol=0)
    assert together.counts == alone.counts
    assert together.counts["nats_per_frame"] == sum(
        len(piece) - 1 for piece in pieces
    )  # first frames are only heard


def test_batch_normalization_of_music_leaves_padding_out() -> None:
    model = PianoRollTCN(88, 8, 3, 2, norm="batch").train()
    task = PianoRollTask(model, torch.optim.SGD)
    batch = assemble(SyntheticPianoRolls(num_train=3, seed=1).split("train"))
    assert len(set(batch["lengths"].tolist())) > 1
    longer = {**batch, "roll": torch.nn.functional.pad(batch["roll"], (0, 9), value=1.0)}
    costs = [task.loss_sum(model, rows).item() for rows in (batch, longer)]
    assert costs[0] == pytest.approx(costs[1], rel=1e-5)


def test_music_is_predicted_from_the_frames_before() -> None:
    model = PianoRollTCN(88, 8, 3, 1).eval()
    piece = SyntheticPianoRolls().split("test")[0]
    batch = assemble([piece])
    nats = 0.0
    for t in range(1, len(piece)):
        logits = model(batch["roll"][..., :t])[0, :, -1]
        p = torch.where(batch["roll"][0, :, t] > 0, logits.sigmoid(), 1 - logits.sigmoid())
        nats -= p.log().sum().item()
    found = PianoRollTask(model, torch.optim.SGD).loss_sum(model, batch).item()
    assert found == pytest.approx(nats, rel=1e-5)


def test_music_stands_beside_its_tables() -> None:
    data = PianoRolls(SyntheticPianoRolls(), batch_size=2)
    task = PianoRollTask(PianoRollTCN(88, 8), torch.optim.SGD)
    found = task.baselines(None, data, "test")
    assert set(found) == {"frequencies of keys", "repeat the last frame"}
    assert all(math.isfinite(row["nats_per_frame"]) for row in found.values())


def test_adding_counts_the_last_output_alone() -> None:
    model = TCN(2, 6, 3, 3, 1).eval()
    task = AddingTask(model, torch.optim.SGD)
    data = AddingProblem(length=20, batch_size=4, num_val=250)
    batches = data.eval_batches("val")
    found = totals(task, task.validation_sums, model, batches, CPU)
    errors = torch.cat([model(b["x"])[:, 0, -1] - b["target"] for b in batches]).double()
    assert found.counts["squared_error"] == 250
    assert found.sums["squared_error"].item() == pytest.approx(
        errors.square().sum().item(), rel=1e-5
    )
    baseline = task.baselines(model, data, "val")["always 1"]["squared_error"]
    assert baseline == pytest.approx(1 / 6, rel=0.25)


def test_batch_normalization_trains_on_whole_sequences() -> None:
    batch = AddingProblem(length=20, batch_size=4).train_batches(0)[0]
    model = TCN(2, 6, 3, 3, 1, norm="batch").train()
    error = model(batch["x"])[:, 0, -1] - batch["target"]
    loss = AddingTask(model, torch.optim.SGD).loss_sum(model, batch)
    assert loss.item() == pytest.approx(error.square().sum().item(), rel=1e-5)


class Oracle(torch.nn.Module):
    """Repeats the ten symbols, or guesses among them."""

    def __init__(self, knows: bool) -> None:
        super().__init__()
        self.knows = knows

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        logits = torch.full((len(tokens), 10, tokens.shape[1]), -40.0)
        logits[:, 0, :-10] = 40.0
        logits[:, 1:9, -10:] = 0.0
        if self.knows:
            logits[:, :, -10:].scatter_(1, tokens[:, None, :10], 40.0)
        return logits


def test_copy_memory_is_averaged_over_all_places() -> None:
    data = CopyMemory(delay=30, num_test=4)
    for knows in (False, True):
        model = Oracle(knows)
        task = CopyMemoryTask(model, torch.optim.SGD)
        found = totals(task, task.figure_sums, model, data.eval_batches("test"), CPU)
        figures = task.figure_values(found.sums, found.counts)
        baseline = task.baselines(model, data, "test")["no memory"]
        expected = 0.0 if knows else 10 * math.log(8) / 50
        assert figures["nats_per_place"] == pytest.approx(expected, abs=1e-6)
        assert baseline["nats_per_place"] == pytest.approx(10 * math.log(8) / 50)
        assert found.counts == {"nats_per_place": 4 * 50, "percent_of_symbols_recalled": 4 * 10}
        if knows:
            assert figures["percent_of_symbols_recalled"] == 100


def test_text_that_only_warms_up_is_heard_and_does_not_count() -> None:
    data = Text(batch_size=3, segment=20, context=9)
    model = TCN(4, 8, 3, 2, len(data.alphabet), num_embeddings=len(data.alphabet)).eval()
    task = CharacterTask(model, torch.optim.SGD)
    batch = data.train_batches(0)[0]
    logits = model(batch["tokens"])[..., 9:]
    nats = torch.nn.functional.cross_entropy(logits, batch["targets"][:, 9:], reduction="sum")
    assert task.count(batch) == 60
    assert task.loss_sum(model, batch).item() == pytest.approx(nats.item(), rel=1e-5)


def test_published_forecasts_are_those_of_the_horizon() -> None:
    published = {24: {"somebody": 0.3}, 48: {"somebody": 0.4}}
    for horizon, expected in ((24, {"somebody": 0.3}), (48, {"somebody": 0.4}), (12, {})):
        model = DLinear(window=48, horizon=horizon)
        assert ForecastingTask(model, torch.optim.SGD, published=published).published == expected
    flat = ForecastingTask(model, torch.optim.SGD, published={"somebody": 0.5})
    assert flat.published == {"somebody": 0.5}


def test_published_figures_are_numbers() -> None:
    for published in (3, {"somebody": "best"}):
        with pytest.raises(ValueError, match="published must be figures by their source"):
            PianoRollTask(PianoRollTCN(88, 8), torch.optim.SGD, published=published)


def test_an_untrained_uniform_model_of_text_costs_the_bits_of_its_alphabet() -> None:
    data = Text(batch_size=2, segment=8)
    model = TCN(4, 8, 3, 1, 64, num_embeddings=128)
    torch.nn.init.zeros_(model.out.weight)
    torch.nn.init.zeros_(model.out.bias)
    batch = {**data.train_batches(0)[0], "targets": torch.zeros(2, 8, dtype=torch.int64)}
    task = CharacterTask(model, torch.optim.SGD)
    bits = task.loss_sum(model, batch).item() / task.count(batch) * task.unit_scale
    assert bits == pytest.approx(6)


@pytest.mark.parametrize("compiled", [True, False])
def test_compiling_calls_what_is_compiled(compiled: bool, monkeypatch) -> None:
    """The graph is that of `forward`; `forward_last` would pass it by."""
    model = TCN(2, 4, num_layers=2, out_channels=1, norm=None)
    plain = TCN(2, 4, num_layers=2, out_channels=1, norm=None)
    plain.load_state_dict(model.state_dict())
    task = AddingTask(model, torch.optim.SGD, compiled=compiled)
    batch = {"x": torch.randn(3, 2, 20), "target": torch.randn(3)}
    calls = []
    monkeypatch.setattr(model, "compile", lambda: calls.append("compiled"))
    task.configure_model()
    model.register_forward_hook(lambda *_: calls.append("forward"))
    loss = task.loss_sum(model, batch)
    assert calls == (["compiled", "forward"] if compiled else [])
    torch.testing.assert_close(loss, task.loss_sum(plain, batch))
    tokens = TCN(4, 4, num_layers=2, out_channels=5, norm=None, num_embeddings=5)
    task = CharacterTask(tokens, torch.optim.SGD, compiled=compiled)
    tokens.register_forward_hook(lambda *_: calls.append("tokens"))
    codes = torch.randint(5, (2, 20))
    mask = torch.arange(20).expand(2, 20) >= 12
    task.loss_sum(tokens, {"tokens": codes, "targets": codes, "mask": mask})
    assert ("tokens" in calls) is compiled
