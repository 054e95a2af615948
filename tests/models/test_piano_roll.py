"""Models of music: proper distributions over frames, causal, streamed."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from wavestack.models import PianoRollTCN
from wavestack.models.key_distributions import BernoulliMixture, IndependentKeys, Nade

OUTPUTS = ("independent", "mixture", "nade")
KEYS = 4


def distribution(output: str) -> torch.nn.Module:
    if output == "independent":
        return IndependentKeys(KEYS)
    if output == "mixture":
        return BernoulliMixture(KEYS, 3)
    made = Nade(KEYS, 5)
    with torch.no_grad():
        made.read.normal_()
        made.write.normal_()
    return made


def all_frames() -> torch.Tensor:
    """Every frame of four keys: (1, 4, 16)."""
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=KEYS))).T[None]


@pytest.mark.parametrize("output", OUTPUTS)
def test_probabilities_of_all_frames_add_up_to_one(output: str) -> None:
    d = distribution(output)
    parameters = torch.randn(1, d.num_parameters, 1).expand(-1, -1, 2**KEYS)
    assert (-d.nll(parameters, all_frames())).exp().sum().item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("output", OUTPUTS)
def test_samples_come_as_often_as_their_probability_says(output: str) -> None:
    d = distribution(output)
    parameters = torch.randn(1, d.num_parameters)
    p = (-d.nll(parameters[..., None].expand(-1, -1, 2**KEYS), all_frames())).exp()[0]
    draws = 20_000
    generator = torch.Generator().manual_seed(0)
    frames = d.sample(parameters.expand(draws, -1), generator)
    codes = (frames @ torch.tensor([8.0, 4.0, 2.0, 1.0])).long()
    shares = torch.bincount(codes, minlength=2**KEYS) / draws
    # Five standard deviations of the most uncertain share.
    torch.testing.assert_close(shares, p, rtol=0, atol=5 * math.sqrt(0.25 / draws))


def test_joint_outputs_know_that_keys_go_together() -> None:
    # Two keys always the same: half a bit of nothing for who sees one of them first.
    frames = torch.tensor([[[0.0, 1.0], [0.0, 1.0]]])
    d = Nade(2, 1)
    with torch.no_grad():
        d.read.fill_(1.0)
        d.write.copy_(torch.tensor([[0.0], [40.0]]))
    parameters = torch.tensor([0.0, -20.0, 0.0])[None, :, None].expand(-1, -1, 2)
    torch.testing.assert_close(d.nll(parameters, frames), torch.full((1, 2), math.log(2)))


@pytest.mark.parametrize("output", OUTPUTS)
def test_streamed_frames_equal_those_of_whole_pieces(output: str) -> None:
    model = PianoRollTCN(12, 8, 3, 2, output, hidden_channels=5, num_components=2).eval()
    roll = (torch.rand(2, 12, 20) < 0.3).float()
    whole = model(roll)
    state = model.initial_state(2)
    parts = []
    for block in roll.split([1, 7, 0, 12], dim=-1):
        y, state = model.stream(block, state)
        parts.append(y)
    torch.testing.assert_close(torch.cat(parts, -1), whole)


def test_continuation_begins_as_given_and_follows_the_generator() -> None:
    model = PianoRollTCN(6, 8, 3, 1, "nade", hidden_channels=3).eval()
    roll = (torch.rand(2, 6, 5) < 0.5).float()
    made = [model.continued(roll, 9, torch.Generator().manual_seed(s)) for s in (1, 1, 2)]
    assert made[0].shape == (2, 6, 14)
    assert torch.equal(made[0][..., :5], roll)
    assert set(made[0].unique().tolist()) <= {0.0, 1.0}
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])
    with pytest.raises(ValueError, match=r"roll must be \(B, 6, T >= 1\)"):
        model.continued(roll[..., :0], 1, torch.Generator())


def test_the_papers_model_has_the_papers_size() -> None:
    # Two blocks of 150 channels with kernel 3: 269,338 weights, and 600 scales of weight norm.
    count = sum(p.numel() for p in PianoRollTCN(88, 150, 3, 2).parameters())
    assert count == 269_338 + 600
    assert sum(p.numel() for p in PianoRollTCN(88, 150, 3, 2, norm=None).parameters()) == 269_338


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"output": "rbm"}, "output must be one of independent, mixture, nade, got 'rbm'"),
        ({"num_keys": 0}, "num_keys must be >= 1, got 0"),
        ({"output": "nade", "hidden_channels": 0}, "hidden_channels must be >= 1, got 0"),
        ({"output": "mixture", "num_components": 0}, "num_components must be >= 1, got 0"),
        ({"initial_scale": 0.0}, "initial_scale must be > 0, got 0.0"),
        ({"input_dropout": 1.0}, r"input_dropout must be in \[0, 1\), got 1.0"),
        ({"output": "nade", "output_dropout": -0.1}, r"output_dropout must be in \[0, 1\)"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, object], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        PianoRollTCN(**arguments)


def test_wrong_number_of_keys_is_named() -> None:
    with pytest.raises(ValueError, match=r"x must be \(B, 88, T\), got \(1, 87, 5\)"):
        PianoRollTCN(channels=4)(torch.zeros(1, 87, 5))
