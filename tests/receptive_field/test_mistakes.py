"""What a user gets wrong is answered in one or two plain lines, and the model is left as it was."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from tests.receptive_field.zoo import Wired, conv
from wavestack.errors import UserError
from wavestack.receptive_field import analyze


class Two(nn.Module):
    """Returns a dict of two tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.body = conv(3, 1, 1)
        self.head = conv(5)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        y = self.body(x)
        return {"out": self.head(y), "aux": y}


def test_several_outputs_ask_for_a_layer() -> None:
    with pytest.raises(UserError, match=r"several tensors \(out, aux\).*layer=.*'head', 'body'"):
        analyze(Two(), torch.zeros(1, 2, 20))
    assert analyze(Two(), torch.zeros(1, 2, 20), layer="head").axes["T"].size == 7
    assert analyze(Two(), torch.zeros(1, 2, 20), layer="aux").axes["T"].size == 3


def test_unknown_layer_names_its_neighbours() -> None:
    with pytest.raises(UserError, match="no layer 'bdy' in Two; nearest: body"):
        analyze(Two(), torch.zeros(1, 2, 20), layer="bdy")


def test_layer_that_was_not_called() -> None:
    model = Wired(lambda x, a, b: a(x), conv(), conv())
    with pytest.raises(UserError, match="not called"):
        analyze(model, torch.zeros(1, 2, 20), layer="parts.1")


def test_too_small_an_input_names_the_layer_and_the_smallest_size() -> None:
    model = nn.Sequential(conv(5), conv(7), conv(9))
    with pytest.raises(UserError, match=r"too small: layer '2'.*T = 19") as caught:
        analyze(model, torch.zeros(1, 2, 12))
    assert len(str(caught.value).splitlines()) <= 2
    analyze(model, torch.zeros(1, 2, 19))


def test_batch_norm_of_one_value_says_how_to_go_on() -> None:
    model = nn.Sequential(conv(3, 1, 1), nn.AdaptiveAvgPool1d(1), nn.BatchNorm1d(2))
    with pytest.raises(UserError, match=r"layer '2' .* call model\.eval\(\) first"):
        analyze(model, torch.zeros(1, 2, 20))
    assert analyze(model.eval(), torch.zeros(1, 2, 20)).axes["T"].local_size == 3


def test_wrong_channels_name_the_layer() -> None:
    with pytest.raises(UserError, match="layer '1'"):
        analyze(nn.Sequential(conv(), conv(i=3)), torch.zeros(1, 2, 20))


@pytest.mark.parametrize(
    ("example", "said"),
    [
        (torch.zeros(1, 2, 20, dtype=torch.complex64), "complex"),
        ([torch.zeros(1, 2, 3).to_sparse()], "ragged"),
        ("x", "no tensor"),
        (torch.zeros(1, 2, 0), "no elements"),
        (torch.zeros(1, 2, 3, 4, 5, 6), "axes="),
        (torch.zeros(()), "no input has an axis"),
    ],
)
def test_inputs_that_cannot_be_asked_about(example: object, said: str) -> None:
    with pytest.raises(UserError, match=said):
        analyze(conv(), example)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_ragged_input() -> None:
    ragged = torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)])
    with pytest.raises(UserError, match="ragged"):
        analyze(conv(), ragged)


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        (("B", "T"), r"every dimension of x \(1, 2, 20\), got \('B', 'T'\)"),
        (("T",), r"got \('T',\)"),
        ((), r"got \(\)"),
        (("B", "C", "H", "W"), r"got \('B', 'C', 'H', 'W'\)"),
        (("B", "T", "T"), r"different names, got \('B', 'T', 'T'\)"),
        (("T", "T"), r"different names, got \('T', 'T'\)"),
    ],
)
def test_axes_that_do_not_fit_the_input(axes: tuple[str, ...], said: str) -> None:
    with pytest.raises(UserError, match=f"axes must .*{said}") as caught:
        analyze(Wired(lambda x: x), torch.zeros(1, 2, 20), axes=axes)
    assert len(str(caught.value).splitlines()) == 1


class Scaled(nn.Module):
    """Takes a gain for each item of the batch beside its signal."""

    def forward(self, x: Tensor, gain: Tensor) -> Tensor:
        return x * gain[:, None, None]


def test_axes_fit_one_of_several_inputs() -> None:
    example = (torch.zeros(1, 20, 2), torch.zeros(1))
    assert list(analyze(Scaled(), example, axes=("B", "T", "C")).axes) == ["T"]
    with pytest.raises(UserError, match=r"of x \(1, 20, 2\) or gain \(1,\), got \('B', 'T'\)"):
        analyze(Scaled(), example, axes=("B", "T"))


def test_model_must_be_a_module() -> None:
    with pytest.raises(UserError, match=r"torch\.nn\.Module"):
        analyze(lambda x: x, torch.zeros(1, 2, 20))  # type: ignore[arg-type]


def test_output_without_dependence() -> None:
    with pytest.raises(UserError, match="does not depend"):
        analyze(Wired(lambda x: torch.ones(3)), torch.zeros(1, 2, 20))


class Remembers(nn.Module):
    """Writes to its buffers and attributes as it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(2)
        self.register_buffer("calls", torch.zeros(1))
        self.register_buffer("last", torch.zeros(1))
        self.cache: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.last = x.mean().reshape(1)
        self.cache = x
        self.extra = x
        return self.norm(x)


@pytest.mark.parametrize("reads", [False, True])
def test_model_is_left_as_it_was(reads: bool) -> None:
    model = Remembers()
    if reads:
        model.register_forward_pre_hook(lambda m, a: print(end=str(bool(a[0].max() > 10))[:0]))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    x = torch.randn(2, 2, 10)
    state = torch.random.get_rng_state()
    report = analyze(model, x)
    report.verify()
    for key, value in model.state_dict().items():
        assert torch.equal(before[key], value), key
    assert model.cache is None
    assert not hasattr(model, "extra")
    assert type(model.last) is Tensor
    assert torch.equal(state, torch.random.get_rng_state())
