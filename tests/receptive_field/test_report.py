"""What a report says beside the numbers of one axis."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.receptive_field.zoo import LINE, Wired, conv
from wavestack.errors import UserError
from wavestack.receptive_field import analyze


def line(n: int = 40) -> Tensor:
    return torch.zeros(1, 2, n)


def test_depends_on_at_the_borders() -> None:
    report = analyze(conv(3, 2, 2, 2), line(20))
    assert report.depends_on(0)["T"].tolist() == [0, 2]
    assert report.depends_on(0, clipped=False)["T"].tolist() == [-2, 0, 2]
    assert report.depends_on(-1)["T"].tolist() == report.depends_on(9)["T"].tolist() == [16, 18]
    with pytest.raises(UserError, match="10 positions"):
        report.depends_on(10)


def test_depends_on_in_the_plane_takes_a_tuple_or_names() -> None:
    report = analyze(nn.Conv2d(1, 1, (3, 1), padding=(1, 0)), torch.zeros(1, 1, 6, 5))
    a, b = report.depends_on((0, 4)), report.depends_on({"H": 0, "W": 4})
    assert a["H"].tolist() == b["H"].tolist() == [0, 1]
    assert a["W"].tolist() == b["W"].tolist() == [4]
    with pytest.raises(UserError, match="one position per axis"):
        report.depends_on((1, 2, 3))


def test_sides_of_global_operators() -> None:
    past = analyze(Wired(lambda x: x.cumsum(-1)), line())
    assert math.isinf(past.axes["T"].size)
    assert past.global_ops == [("", "cumsum", "T", "past")]
    assert past.is_causal
    assert past.latency == 0
    both = analyze(nn.Sequential(conv(3, 1, 1), nn.GroupNorm(1, 2)), line())
    assert both.global_ops[0][3] == "both"
    assert both.axes["T"].local_size == 3
    assert both.axes["T"].lookahead == math.inf
    assert not both.is_causal
    batch = analyze(nn.Sequential(conv(3, 1, 1), nn.BatchNorm1d(2)), torch.zeros(2, 2, 40))
    assert batch.global_ops[0][3] == "batch"
    evaluated = analyze(nn.Sequential(conv(3, 1, 1), nn.BatchNorm1d(2)).eval(), line())
    assert evaluated.axes["T"].size == 3


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_recurrent_networks_are_one_operator(kind: type[nn.RNN], bidirectional: bool) -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.front = nn.Conv1d(2, 3, 4, 2)
            self.scan = kind(3, 4, 2, batch_first=True, bidirectional=bidirectional)

        def forward(self, x: Tensor) -> Tensor:
            return self.scan(self.front(x).mT)[0].mT

    report = analyze(Model(), line(400))
    axis = report.axes["T"]
    assert math.isinf(axis.size)
    assert (axis.local_size, axis.jump) == (4, 2)
    assert {entry[3] for entry in report.global_ops} == {"both" if bidirectional else "past"}
    assert report.depends_on(5)["T"].tolist() == list(range(400 if bidirectional else 14))


def test_a_reversed_scan_sees_the_future() -> None:
    scan = nn.GRU(2, 2, batch_first=True)
    report = analyze(Wired(lambda x, m: m(x.mT.flip(1))[0].flip(1).mT, scan), line(20))
    assert report.global_ops == [("parts.0", "gru", "T", "both")]
    assert not report.is_causal
    assert report.depends_on(5)["T"].tolist() == list(range(5, 20))


def test_scripted_modules() -> None:
    report = analyze(torch.jit.script(nn.Sequential(conv(3, 1, 1), nn.ReLU(), conv(3, 2))), line())
    assert (report.axes["T"].size, report.axes["T"].jump) == (5, 2)


def test_values_read_by_python_are_said_and_caught() -> None:
    report = analyze(Wired(lambda x, a: a(x) / (1 + x.abs().max().item()), conv(3, 1, 1)), line())
    assert any("Python reads values" in text for text in report.warnings)
    assert not report.verify()


def test_causal_attention_sees_the_past() -> None:
    class Model(nn.Module):
        def __init__(self, fused: bool) -> None:
            super().__init__()
            self.fused = fused

        def forward(self, x: Tensor) -> Tensor:
            q = x.mT
            if self.fused:
                return F.scaled_dot_product_attention(q, q, q, is_causal=True).mT
            mask = torch.ones(q.shape[1], q.shape[1], dtype=torch.bool).tril()
            return ((q @ q.mT).masked_fill(~mask, float("-inf")).softmax(-1) @ q).mT

    for fused in (True, False):
        report = analyze(Model(fused), line(12))
        assert {entry[3] for entry in report.global_ops} == {"past"}
        assert report.depends_on(4)["T"].tolist() == [0, 1, 2, 3, 4]
        assert report.is_causal


def test_transformer_layer_without_the_fused_path() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    report = analyze(layer, torch.zeros(1, 20, 8), axes=("B", "T", "C"))
    assert report.unknown == []
    assert math.isinf(report.axes["T"].size)
    assert report.axes["T"].local_size == 1


def test_axes_may_be_named() -> None:
    model = nn.Conv1d(4, 4, 3)
    wired = Wired(lambda x, a: a(x.mT).mT, model)
    report = analyze(wired, torch.zeros(1, 30, 4), axes=("B", "T", "C"))
    assert list(report.axes) == ["T"]
    assert report.axes["T"].size == 3
    report = analyze(nn.Conv2d(1, 1, (3, 5)), torch.zeros(1, 1, 9, 9), axes=("B", "C", "F", "T"))
    assert (report.axes["F"].size, report.axes["T"].size) == (3, 5)


def test_every_input_has_its_own_axes() -> None:
    class Conditioned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Conv1d(2, 2, 2)
            self.rise = nn.ConvTranspose1d(3, 2, 8, 4, 2)

        def forward(self, x: Tensor, features: Tensor) -> Tensor:
            return self.net(F.pad(x, (1, 0))) + self.rise(features)

    report = analyze(Conditioned(), {"x": torch.zeros(1, 2, 40), "features": torch.zeros(1, 3, 10)})
    assert list(report.inputs) == ["x", "features"]
    assert report.axes is report.inputs["x"]
    assert report.inputs["features"]["T"].jump == Fraction(1, 4)
    assert report.inputs["features"]["T"].period == 4
    found = report.depends_on(5, input="features")["T"]
    assert found.tolist() == [0, 1]
    assert report.verify()


def test_integer_inputs_are_followed_and_probed_behind_their_embedding() -> None:
    class Codes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(16, 4)
            self.net = nn.Conv1d(4, 16, 3, dilation=2)

        def forward(self, codes: Tensor) -> Tensor:
            return self.net(F.pad(self.table(codes).mT, (4, 0)))

    report = analyze(Codes(), torch.randint(0, 16, (1, 50)))
    assert (report.axes["T"].size, report.axes["T"].used) == (5, 3)
    result = report.verify()
    assert result.agrees, str(result)
    assert result.probes > 10


def test_collapsed_axis_reports_the_last_tensor_that_had_it() -> None:
    model = nn.Sequential(
        conv(3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(2, 5)
    )
    axis = analyze(model, line()).axes["T"]
    assert math.isinf(axis.size)
    assert axis.collapsed
    assert (axis.local_size, axis.jump, axis.output_size) == (3, 2, 20)
    last = analyze(Wired(lambda x, a: a(x)[..., -1], conv(5)), line()).axes["T"]
    assert (last.size, last.local_size) == (5, 5)


def test_no_repeating_pattern_is_said() -> None:
    uneven = analyze(Wired(lambda x: F.interpolate(x, size=37, mode="linear")), line(50))
    axis = uneven.axes["T"]
    assert (axis.period, axis.jump, axis.phases) == (None, None, ())
    assert axis.size == 2
    assert any("no repeating pattern" in text for text in uneven.warnings)
    branches = Wired(lambda x, a, b: a(x)[..., :20] + b(x), conv(3, 1, 1), conv(3, 2, 1))
    report = analyze(branches, line(40))
    assert report.axes["T"].jump is None
    assert any("no repeating pattern" in text for text in report.warnings)


def test_unknown_operators_are_named_and_never_guessed() -> None:
    report = analyze(
        Wired(lambda x, a: torch.linalg.matrix_exp(a(x)), conv(3, 1, 1)), torch.zeros(1, 2, 2)
    )
    axis = report.axes["T"]
    assert axis.size is None
    assert axis.local_size is None
    assert report.unknown == [("", "linalg_matrix_exp")]
    assert not report.verify()
    with pytest.raises(UserError, match="linalg_matrix_exp"):
        report.depends_on(0)


def test_phases_that_see_nothing() -> None:
    axis = analyze(nn.ConvTranspose1d(2, 2, 1, 3), line()).axes["T"]
    assert axis.period == 3
    assert [(p.start, p.size) for p in axis.phases] == [(0, 1), (None, 0), (None, 0)]


def test_warnings() -> None:
    grid = analyze(nn.Sequential(conv(3, 1, 2, 2), conv(3, 1, 2, 2)), line())
    assert any("gridding" in text and "5 of 9" in text for text in grid.warnings)
    large = analyze(nn.Sequential(conv(3, 1, 32, 32)), line())
    assert any("larger than the input" in text for text in large.warnings)
    off = analyze(Wired(lambda x, a: a(x)[..., :-6] + x[..., 6:], conv(3, 1, 1)), line())
    assert any("misaligned" in text for text in off.warnings)
    idle = analyze(nn.Sequential(conv(9, 1, 4), *(conv(9, 4, 4) for _ in range(4))), line(64))
    assert any("no longer use" in text for text in idle.warnings)
    clean = analyze(nn.Sequential(conv(3, 1, 1), conv(3, 1, 1)), line())
    assert clean.warnings == []


def test_layer_table() -> None:
    model = nn.Sequential(conv(3, 2, 1), nn.ReLU(), conv(4, 1, 0, 3), nn.AdaptiveAvgPool1d(1))
    report = analyze(model, line())
    rows = {row.name: row for row in report.layers}
    assert list(rows) == ["0", "1", "2", "3"]
    assert (rows["0"].kernel, rows["0"].stride, rows["0"].dilation) == ((3,), (2,), (1,))
    assert rows["2"].effective_kernel == (10,)
    assert (rows["2"].size, rows["2"].jump, rows["2"].start) == (21, 2, -1)
    assert rows["1"].size == 3
    assert rows["0"].params == 14
    assert rows["0"].macs == 20 * 2 * 2 * 3
    assert math.isinf(rows["3"].size)
    assert rows["2"].output_shape == (1, 2, 11)
    assert report.macs == sum(row.macs for row in report.layers)


@pytest.mark.parametrize("name", ["u-net", "wavenet", "shifted windows", "res2net", "linknet"])
def test_rows_say_what_layer_says(name: str) -> None:
    model, x = LINE[name].build().double(), torch.zeros(1, 2, 48, dtype=torch.float64)
    rows = [row for row in analyze(model, x).layers if row.name != "(model)"]
    for row in rows:
        axis = analyze(model, x, layer=row.name).axes["T"]
        found = row.axes["T"]
        assert (found.size, found.jump, found.start) == (axis.size, axis.jump, axis.start), row.name
        assert found.coverage == axis.coverage


def test_decoders_with_long_periods() -> None:
    """Every level doubles the period; the phases share what lies below them."""
    layers: list[nn.Module] = [conv(3, 2, 1) for _ in range(7)]
    layers += [nn.ConvTranspose1d(2, 2, 4, 2, 1) for _ in range(7)]
    axis = analyze(nn.Sequential(*layers), line(1024)).axes["T"]
    assert (axis.jump, axis.period, len(axis.phases)) == (1, 128, 128)
    assert axis.local_size == max(phase.size for phase in axis.phases)


@pytest.mark.parametrize(
    ("model", "shape", "sizes", "jumps", "starts"),
    [
        (
            nn.Sequential(nn.Conv3d(2, 2, 3, (1, 2, 2), 1), nn.ConvTranspose3d(2, 2, 2, 2)),
            (4, 8, 8),
            (3, 3, 3),
            (Fraction(1, 2), 1, 1),
            (-1, -1, -1),
        ),
        (
            nn.Sequential(nn.Conv3d(2, 2, 3), nn.Upsample(scale_factor=2, mode="trilinear")),
            (6, 8, 8),
            (4, 4, 4),
            (Fraction(1, 2),) * 3,
            (-1, -1, -1),
        ),
        (
            nn.Sequential(nn.ReflectionPad2d((1, 2, 0, 3)), nn.ZeroPad2d(2), nn.Conv2d(2, 2, 3)),
            (12, 12),
            (3, 3),
            (1, 1),
            (-2, -3),
        ),
        (
            nn.Sequential(nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular"), nn.MaxPool2d(2)),
            (12, 10),
            (4, 4),
            (2, 2),
            (-1, -1),
        ),
    ],
    ids=["3D", "trilinear", "paddings", "circular"],
)
def test_more_axes_and_borders(
    model: nn.Module, shape: tuple[int, ...], sizes: tuple, jumps: tuple, starts: tuple
) -> None:
    report = analyze(model, torch.zeros(1, 2, *shape))
    axes = list(report.axes.values())
    assert tuple(axis.size for axis in axes) == sizes
    assert tuple(axis.jump for axis in axes) == jumps
    assert tuple(axis.start for axis in axes) == starts
    result = report.verify(num_outputs=2)
    assert result.agrees, str(result)


def test_long_signals_cost_no_more_than_short_ones() -> None:
    layers = [conv(3, 1, 2**k, 2**k) for k in range(8)]
    report = analyze(
        nn.Sequential(*layers), torch.zeros(1, 1).expand(1, 2).unsqueeze(-1).expand(1, 2, 10**8)
    )
    assert report.axes["T"].size == 511
    found = report.depends_on(5 * 10**7)["T"]
    assert (found[0], len(found)) == (5 * 10**7 - 255, 511)


def test_positions_are_numpy_integers() -> None:
    found = analyze(conv(), line()).depends_on(0)["T"]
    assert isinstance(found, np.ndarray)
    assert found.dtype == np.int64


def test_inference_mode_changes_nothing() -> None:
    def make() -> nn.Module:
        return nn.Sequential(nn.Conv1d(1, 1, 3, dilation=4), nn.BatchNorm1d(1), nn.MaxPool1d(2))

    model, x = make().eval(), torch.zeros(1, 1, 100)
    with torch.inference_mode():
        for net in (model, make().eval()):  # weights made before, and inside
            for example in (x, torch.zeros(1, 1, 100)):
                axis = analyze(net, example).axes["T"]
                assert (axis.size, axis.jump) == (10, 2)
