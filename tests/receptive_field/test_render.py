"""The faces of a report: exact JSON, whole tables, a page without network, pictures."""

from __future__ import annotations

import json
import math
import re
from fractions import Fraction

import pytest
import torch
from torch import nn

from wavestack.receptive_field import analyze
from wavestack.receptive_field.effective import effective_receptive_field
from wavestack.receptive_field.render import words
from wavestack.receptive_field.render.html import page
from wavestack.receptive_field.render.json import exact
from wavestack.receptive_field.render.plane import pooled
from wavestack.receptive_field.render.tree import dilation_tree, funnel

TIMES = "\N{MULTIPLICATION SIGN}"


class Causal(nn.Module):
    """Causal layers of kernel 2 with residual connections."""

    def __init__(self, num_layers: int = 10) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv1d(1, 1, 2, dilation=2**i) for i in range(num_layers))

    def forward(self, x):
        for layer in self.layers:
            x = x + torch.tanh(layer(nn.functional.pad(x, (layer.dilation[0], 0))))
        return x


class Gate(nn.Module):
    """Squeeze and excitation behind a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.squeeze = nn.AdaptiveAvgPool2d(1)
        self.excite = nn.Conv2d(4, 4, 1)

    def forward(self, x):
        y = self.conv(x)
        return y * torch.sigmoid(self.excite(self.squeeze(y)))


def stacked(*rates: int) -> nn.Module:
    return nn.Sequential(*(nn.Conv2d(1, 1, 3, padding=r, dilation=r) for r in rates))


@pytest.fixture(scope="module")
def causal():
    return analyze(Causal(), torch.zeros(1, 1, 4000), sample_rate=16_000)


@pytest.fixture(scope="module")
def gated():
    return analyze(Gate(), torch.zeros(1, 1, 20, 20))


def up_and_down() -> nn.Module:
    return nn.Sequential(nn.Conv1d(1, 1, 4, stride=2), nn.ConvTranspose1d(1, 1, 4, stride=3))


def embedded(text: str) -> dict:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    return json.loads(found.group(1))


def test_headline_says_samples_time_and_causality(causal):
    assert words.headline(causal) == "This output sees 1,024 samples = 64.0 ms, causal"


def test_headline_of_an_image_names_both_sides():
    report = analyze(stacked(1, 2), torch.zeros(1, 1, 30, 30))
    assert words.headline(report) == f"This output sees 7 {TIMES} 7 pixels"


def test_headline_names_the_input_where_there_are_several():
    class Two(nn.Module):
        def forward(self, audio, mel):
            return audio + nn.functional.interpolate(mel, scale_factor=4)

    report = analyze(Two(), (torch.zeros(1, 1, 64), torch.zeros(1, 1, 16)))
    assert words.headline(report) == "This output sees 1 sample of audio, causal"
    assert "mel" in report.to_text()


def test_headline_says_how_little_of_the_extent_is_read():
    report = analyze(stacked(2, 4), torch.zeros(1, 1, 30, 30))
    text = f"This output sees 13 {TIMES} 13 pixels and reads 29.0 % of them"
    assert words.headline(report) == text
    report = analyze(nn.Conv1d(1, 1, 2, dilation=9), torch.zeros(1, 1, 30))
    assert words.headline(report).startswith("This output sees 10 samples and reads 20.0 % of them")


def test_headline_of_a_global_operator_keeps_the_local_number_apart(gated):
    expected = f"This output sees the whole input; its convolutions alone see 3 {TIMES} 3 pixels"
    assert words.headline(gated) == expected


def test_headline_says_how_much_of_the_future_is_read():
    report = analyze(nn.Conv1d(1, 1, 9, padding=4), torch.zeros(1, 1, 50), sample_rate=1000)
    text = "This output sees 9 samples = 9.00 ms, 4 samples = 4.00 ms of them in the future"
    assert words.headline(report) == text


def test_json_is_exact_and_has_no_number_that_json_lacks(tmp_path, gated):
    up = analyze(up_and_down(), torch.zeros(1, 1, 50))
    data = up.to_json(tmp_path / "up.json")
    assert data["axes"]["T"]["jump"] == str(up.axes["T"].jump) == "2/3"
    assert Fraction(data["axes"]["T"]["jump"]) == up.axes["T"].jump
    phases = [(p["start"], p["size"], p["used"]) for p in data["axes"]["T"]["phases"]]
    assert phases == [(p.start, p.size, p.used) for p in up.axes["T"].phases]
    assert json.loads((tmp_path / "up.json").read_text(encoding="utf-8")) == data
    assert gated.to_json()["axes"]["H"]["size"] == "inf"
    assert len(gated.to_json()["global_ops"]) == len(gated.global_ops) > 0


def test_exact_turns_fractions_and_infinity_into_text():
    assert exact(Fraction(1, 16)) == "1/16"
    assert exact(Fraction(2)) == "2"
    assert exact(math.inf) == "inf"
    assert exact(3) == 3
    assert exact(None) is None


def test_a_warning_for_both_axes_is_said_once():
    report = analyze(stacked(8, 8, 8), torch.zeros(1, 1, 20, 20))
    both = [line for line in words.warning_lines(report) if line.startswith("H and W: ")]
    assert both
    assert len(words.warning_lines(report)) == len(report.warnings) - len(both)


def test_text_names_every_layer_whole(causal):
    text = causal.to_text()
    assert all(row.name in text for row in causal.layers)
    assert "1,024" in text
    assert "…" not in text


def test_tree_gives_the_very_positions_of_the_report(causal):
    tree = dilation_tree(causal)
    assert tree is not None
    assert [level["label"] for level in tree["levels"]][-1] == "dilation 512"
    items = {3000}
    for level in reversed(tree["levels"]):
        (offsets,) = level["offsets"]
        items = {p * level["shift"] + o for p in items for o in offsets}
    assert sorted(items) == causal.depends_on(3000, clipped=False)["T"].tolist()


def test_tree_passes_the_one_by_one_convolution_of_a_residual():
    class Block(nn.Module):
        def __init__(self, channels: int, dilation: int) -> None:
            super().__init__()
            self.conv = nn.Conv1d(channels, 3, 3, dilation=dilation)
            self.skip = nn.Conv1d(channels, 3, 1)

        def forward(self, x):
            padding = 2 * self.conv.dilation[0]
            return torch.relu(self.conv(nn.functional.pad(x, (padding, 0)))) + self.skip(x)

    report = analyze(nn.Sequential(Block(1, 1), Block(3, 2), Block(3, 4)), torch.zeros(1, 1, 50))
    tree = dilation_tree(report)
    assert tree is not None
    assert [level["label"] for level in tree["levels"]] == [f"dilation {d}" for d in (1, 2, 4)]


def test_what_is_no_chain_is_drawn_without_its_layers():
    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Conv1d(1, 1, 3, padding=1)
            self.b = nn.Conv1d(1, 1, 3, padding=4, dilation=4)

        def forward(self, x):
            return self.a(x) + self.b(x)

    report = analyze(Branches(), torch.zeros(1, 1, 40))
    tree = dilation_tree(report)
    assert tree is not None
    (level,) = tree["levels"]  # the output and what it reads, nothing between
    assert level["offsets"] == [[-4, -1, 0, 1, 4]]
    bars = funnel(report)
    assert bars is not None
    assert bars["bars"][-1]["size"] == 9


def test_direct_tree_has_every_phase_behind_a_transposed_convolution():
    report = analyze(up_and_down(), torch.zeros(1, 1, 50))
    tree = dilation_tree(report)
    assert tree is not None
    (level,) = tree["levels"]
    for output in range(9, 21):
        base = output // level["period"] * level["shift"]
        positions = [base + offset for offset in level["offsets"][output % level["period"]]]
        assert positions == report.depends_on(output, clipped=False)["T"].tolist()


def test_headline_of_a_causal_recurrent_net_names_the_past():
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.GRU(1, 2, batch_first=True)

        def forward(self, x):
            return self.rnn(x.transpose(1, 2))[0].transpose(1, 2)

    report = analyze(Recurrent(), torch.zeros(1, 1, 20))
    assert words.headline(report).startswith("This output sees the whole past")


def test_page_is_one_file_that_names_nothing_outside(causal, gated):
    for report in (causal, gated):
        text = page(report)
        assert not re.search(r"https?://|//cdn|@import|<link|src=", text)
        data = embedded(text)
        assert data["report"]["schema"] == "wavestack.receptive_field/1"


def test_page_holds_the_tree_and_the_effective_profile(causal):
    model, x = Causal(), torch.randn(1, 1, 4000)
    data = embedded(page(causal, effective_receptive_field(model, x, report=causal)))
    assert data["tree"]["profile"]["values"]
    assert max(data["tree"]["profile"]["values"]) == 1.0
    assert any(fact["name"] == "Effective field" for fact in data["facts"])
    assert "".join(part["text"] for part in data["headline"]) == words.headline(causal)


def test_page_shows_the_holes_of_an_image():
    report = analyze(stacked(2, 4), torch.zeros(1, 1, 40, 40))
    maps = embedded(page(report))["maps"]["coverage"]
    assert (maps["used"], maps["box"]) == (49, 169)
    assert maps["centre"] == [20, 20]


def test_a_hostile_module_name_cannot_leave_its_place():
    class Evil(nn.Sequential):
        pass

    Evil.__name__ = "</script><script>alert(1)</script>"
    text = page(analyze(Evil(nn.Conv1d(1, 1, 3)), torch.zeros(1, 1, 9)))
    assert "<script>alert" not in text


def test_faces_accept_a_model_without_any_followed_axis(tmp_path):
    report = analyze(nn.Sequential(nn.Flatten(), nn.Linear(12, 3)), torch.zeros(1, 1, 12))
    assert report.to_text()
    assert embedded(page(report))
    assert report.to_png(tmp_path / "linear.png").stat().st_size > 1000


@pytest.mark.parametrize("kind", ["tree", "image", "up", "global"])
def test_png_is_written(tmp_path, kind):
    model, shape = {
        "tree": (Causal(5), (1, 1, 100)),
        "image": (stacked(2, 4), (1, 1, 40, 40)),
        "up": (up_and_down(), (1, 1, 50)),
        "global": (Gate(), (1, 1, 20, 20)),
    }[kind]
    x = torch.randn(shape)
    report = analyze(model, x)
    file = report.to_png(tmp_path / "a.png", effective_receptive_field(model, x, report=report))
    assert file.read_bytes().startswith(b"\x89PNG")


def test_pooled_keeps_the_mean_of_ragged_tiles():
    values = torch.arange(35, dtype=torch.float64).reshape(5, 7).numpy()
    cells, factor = pooled(values, 4)
    assert factor == 2
    assert cells.shape == (3, 4)
    assert cells[0, 0] == values[:2, :2].mean()
    assert cells[2, 3] == values[4, 6]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1.0, "100 %"), (0.0, "0 %"), (0.9999, "> 99.9 %"), (0.0183, "1.8 %"), (0.00012, "0.012 %")],
)
def test_shares_are_never_rounded_to_all_or_nothing(value, expected):
    assert words.share(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.064, "64.0 ms"),
        (2.5, "2.50 s"),
        (0.0000625, "62 µs"),
        (0.004, "4.00 ms"),
        (0.0, "0.0 ms"),
    ],
)
def test_durations_have_the_unit_that_suits_them(value, expected):
    assert words.seconds(value) == expected
