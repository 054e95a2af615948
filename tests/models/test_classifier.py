"""The sequence classifier: padding without effect, raw audio, what it refuses."""

from __future__ import annotations

import pytest
import torch

from wavestack.commands.rf_model import example_input as of_command
from wavestack.models import SequenceClassifier
from wavestack.models.spectral_stem import SpectralStem
from wavestack.receptive_field import analyze
from wavestack.training.receptive_field import example_input as of_run


def model(**settings) -> SequenceClassifier:
    given = {"channels": 6, "num_layers": 3, **settings}
    return SequenceClassifier(given.pop("in_channels", 5), num_classes=4, **given)


@pytest.mark.parametrize("pooling", ["mean", "mean_max", "last"])
@pytest.mark.parametrize("stem", [{}, {"strides": (2, 3)}, {"spectral_channels": (3, 4)}])
@pytest.mark.parametrize("lookahead", [0, "centred"])
def test_a_padded_row_is_classified_as_the_row_alone(pooling, stem, lookahead):
    net = model(pooling=pooling, lookahead=lookahead, **stem)
    x, lengths = torch.randn(4, 5, 50), torch.tensor([50, 31, 7, 1])
    for _ in range(3):  # running statistics unlike those of a fresh net
        net(x, lengths)
    net.eval()
    together = net(x, lengths)
    for row, length in enumerate(lengths.tolist()):
        alone = net(x[row : row + 1, :, :length])
        torch.testing.assert_close(together[row : row + 1], alone, rtol=1e-5, atol=1e-6)


def test_padding_is_not_the_maximum_of_a_row_below_zero():
    net = model(pooling="mean_max", activation="gelu").eval()
    x, lengths = torch.randn(3, 5, 20), torch.tensor([20, 2, 1])
    for row, length in enumerate(lengths.tolist()):
        alone = net(x[row : row + 1, :, :length])[0]
        torch.testing.assert_close(net(x, lengths)[row], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("stem", [{"strides": (2,)}, {"spectral_channels": (3, 4)}])
def test_what_stands_in_the_padding_does_not_matter_in_training_either(stem):
    net = model(**stem)
    x, lengths = torch.randn(3, 5, 40), torch.tensor([40, 20, 11])
    dirty = x.clone()
    dirty[1, :, 20:], dirty[2, :, 11:] = 1e6, float("nan")
    torch.manual_seed(0)
    clean_logits = net(x, lengths)
    torch.manual_seed(0)
    torch.testing.assert_close(net(dirty, lengths), clean_logits)


def test_mean_pooling_is_the_mean_over_the_tcn():
    net = model(dropout=0.0).eval()
    x = torch.randn(2, 5, 30)
    torch.testing.assert_close(net(x), net.head(net.tcn(x).mean(-1)))


def test_a_causal_spectral_stem_never_looks_ahead():
    stem = SpectralStem(7, (3, 4), 5, causal=True).eval()
    x = torch.randn(1, 7, 21)
    y, _ = stem(x)
    assert y.shape == (1, 5, 11)
    assert stem(x[..., :20])[0].shape == (1, 5, 10)
    for step in range(0, 21, 2):
        later = x.clone()
        later[..., step + 1 :] += 1.0
        torch.testing.assert_close(stem(later)[0][..., : step // 2 + 1], y[..., : step // 2 + 1])
    assert analyze(stem, torch.zeros(1, 7, 40)).axes["T"].size == 3 + 1 + 2 * 2


def test_a_shift_by_one_band_can_pass_a_spectral_stem_unseen():
    stem = SpectralStem(16, (1,), 1).eval()
    with torch.no_grad():
        stem.convolutions[0].weight.zero_()
        stem.convolutions[0].weight[0, 0, 2, 1] = 1.0
    x = torch.zeros(2, 16, 8)
    x[0, 4], x[1, 5] = 1.0, 1.0
    y, _ = stem(x)
    assert float(y.detach().std()) > 0
    torch.testing.assert_close(y[0], y[1])


def test_the_calculator_reads_it():
    net = model(in_channels=1, strides=(4, 5), lookahead=0, pooling="last").eval()
    axis = analyze(net, net.example_input()).axes["T"]
    # Stem: kernels 8 and 10 with strides 4 and 5; then two convolutions of 3 taps in each block.
    assert axis.size == 1 + 7 + 9 * 4 + 2 * 2 * (1 + 2 + 4) * 20


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pooling": "sum"}, "pooling must be one of mean, mean_max, last, got 'sum'"),
        ({"strides": (4, 0)}, r"strides must be >= 1, got \[4, 0\]"),
        ({"strides": (2,), "spectral_channels": (4,)}, "strides are for raw audio and spectral_ch"),
        ({"spectral_channels": (4, 0)}, r"channels must be numbers >= 1, got \[4, 0\]"),
    ],
)
def test_arguments_are_checked(settings, message):
    with pytest.raises(ValueError, match=message):
        model(**settings)


def test_inputs_are_checked():
    with pytest.raises(ValueError, match="num_classes must be >= 2, got 1"):
        SequenceClassifier(5, num_classes=1, channels=4, num_layers=1)
    net = model()
    with pytest.raises(ValueError, match=r"x must have shape \(B, 5, T\), got \(1, 3, 9\)"):
        net(torch.zeros(1, 3, 9))
    with pytest.raises(ValueError, match="x must hold at least one step, got none"):
        net(torch.zeros(1, 5, 0))
    with pytest.raises(ValueError, match="lengths must be 1 to 9 for this batch, got 0 in row 1"):
        net(torch.zeros(2, 5, 9), torch.tensor([9, 0]))


@pytest.mark.parametrize("norm", ["batch", None])
@pytest.mark.parametrize("num_samples", [None, 500, 4096])
def test_the_last_step_sees_what_the_tcn_sees_whatever_the_example(norm, num_samples):
    """1 + 2 (7 - 1) (1 + 2 + ... + 128), the field of sequential_mnist's TCN."""
    settings = {"kernel_size": 7, "num_layers": 8, "lookahead": 0, "pooling": "last"}
    net = model(in_channels=1, norm=norm, **settings).eval()
    report = analyze(net, net.example_input(num_samples))
    axis = report.axes["T"]
    assert (axis.size, axis.collapsed, axis.lookahead) == (3061, True, None)
    sizes = {row.name: row.axes["T"].size for row in report.layers}
    assert sizes["tcn.blocks.0.conv1"] == 7
    assert sizes["tcn.blocks.7.conv2"] == 3061


def test_the_page_of_a_run_and_the_command_ask_with_enough_samples():
    settings = {"kernel_size": 7, "num_layers": 8, "lookahead": 0, "pooling": "last"}
    net = model(in_channels=1, norm=None, **settings).eval()
    for example in (of_run(net), of_command(net, None, None)):
        assert not analyze(net, example).warnings  # that every output sees padding
    assert model(strides=(3, 2)).example_input(25)["x"].shape == (1, 5, 30)
