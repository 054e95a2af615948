"""The adding problem and copy memory: what is asked, and that batch k is made from (seed, k)."""

from __future__ import annotations

import pytest
import torch

from wavestack.data import AddingProblem, CopyMemory
from wavestack.data.sequences.generated import GeneratedSequences
from wavestack.data.splits import SPLITS

MAKERS = [
    lambda **changes: AddingProblem(length=9, **{"batch_size": 3, "num_val": 5, **changes}),
    lambda **changes: CopyMemory(delay=7, **{"batch_size": 3, "num_val": 5, **changes}),
]


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("make", MAKERS)
def test_batch_is_a_function_of_seed_and_number(make) -> None:
    data: GeneratedSequences = make()
    one, other = data.train_batches(seed=4), make().train_batches(seed=4)
    later = [one[k] for k in (5, 0, 3)]
    assert all(same(other[k], batch) for k, batch in zip((5, 0, 3), later, strict=True))
    assert not same(one[0], one[1])
    assert not same(one[0], data.train_batches(seed=5)[0])


@pytest.mark.parametrize("make", MAKERS)
def test_evaluation_is_the_same_for_every_training(make) -> None:
    data, other = make(), make(batch_size=2)
    (val,), (again,) = data.eval_batches("val"), other.eval_batches("val")
    assert all(len(value) == data.num_items("val") == 5 for value in val.values())
    assert same(val, again)
    assert not same(val, make(num_test=5).eval_batches("test")[0])


def test_adding_marks_two_different_places() -> None:
    batch = AddingProblem(length=4, batch_size=500).train_batches(0)[0]
    numbers, marks = batch["x"].unbind(1)
    assert marks.sum(1).eq(2).all()
    assert set(marks.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close((numbers * marks).sum(1), batch["target"])
    assert 0 <= numbers.min() < numbers.max() < 1
    assert (marks.sum(0) > 180).all()  # every place about 250 times


def test_always_one_is_wrong_by_a_sixth() -> None:
    target = AddingProblem(length=3, batch_size=50_000).train_batches(0)[0]["target"].double()
    assert (target - 1).square().mean() == pytest.approx(1 / 6, rel=0.02)


def test_copy_memory_has_the_papers_layout() -> None:
    batch = CopyMemory(delay=5, batch_size=300).train_batches(0)[0]
    tokens, targets = batch["tokens"], batch["targets"]
    assert tokens.shape == targets.shape == batch["mask"].shape == (300, 25)
    assert set(tokens[:, :10].unique().tolist()) == set(range(1, 9))
    assert tokens[:, 10:14].eq(0).all()  # T - 1 blanks
    assert tokens[:, 14:].eq(9).all()  # 11 requests
    assert targets[:, :15].eq(0).all()
    assert torch.equal(targets[:, 15:], tokens[:, :10])
    assert batch["mask"].all()


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: AddingProblem(length=1), "length must be >= 2, got 1"),
        (lambda: CopyMemory(delay=0), "delay must be >= 1, got 0"),
        (lambda: AddingProblem(batch_size=0), "batch_size must be >= 1, got 0"),
        (lambda: CopyMemory(num_test=0), "num_test must be >= 1, got 0"),
        (lambda: CopyMemory().train_batches(-1), "seed must be >= 0, got -1"),
        (lambda: CopyMemory().train_batches(0)[-1], "batch index must be >= 0, got -1"),
    ],
)
def test_wrong_numbers_are_named(make, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        make()


@pytest.mark.parametrize("split", SPLITS)
def test_no_training_seed_shows_what_is_evaluated(split) -> None:
    data = AddingProblem(length=8, batch_size=4, num_val=200, num_test=200)
    train = data.train_batches(seed=SPLITS.index(split))
    for first, batch in zip((0, 100), data.eval_batches(split), strict=True):
        assert not torch.equal(batch["x"][:4, 0], train[first]["x"][:, 0])
