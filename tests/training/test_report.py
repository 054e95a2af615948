"""report.html: one file, everything inside, honest when parts are missing."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wavestack.training.report import write_report
from wavestack.training.report.chart import line_chart
from wavestack.training.report.gather import Curve, gather


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    (tmp_path / "samples").mkdir()
    soundfile.write(tmp_path / "samples" / "step_20.wav", np.zeros(800, np.float32), 8000)
    (tmp_path / "samples" / "step_20.png").write_bytes(b"\x89PNG pretend")
    (tmp_path / "metrics.csv").write_text(
        "epoch,step,train/bits_per_sample,val/bits_per_sample,gradient_norm\n"
        "0,10,6.5,,1.0\n0,20,5.25,,nan\n0,20,,5.5,\n"
    )
    (tmp_path / "config.yaml").write_text("note: <script>alert(1)</script>\n")
    (tmp_path / "summary.json").write_text(json.dumps({"name": "quickstart", "steps": 20}))
    evaluation = {
        "metric": "bits/sample",
        "split": "test",
        "value": 5.4321,
        "samples": 1000,
        "baselines": {"first-order Markov": 6.1},
    }
    (tmp_path / "evaluation.json").write_text(json.dumps(evaluation))
    (tmp_path / "receptive_field.html").write_text("<p>sees 1,024 samples</p>")
    return tmp_path


def test_page_needs_no_other_file_and_no_network(run_folder: Path) -> None:
    page = write_report(run_folder).read_text()
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", page)
    assert "http" not in page
    assert page.count("data:audio/wav;base64,") == 1
    assert page.count("data:image/png;base64,") == 1


def test_page_shows_the_figure_beside_its_yardsticks(run_folder: Path) -> None:
    page = write_report(run_folder).read_text()
    assert "5.4321" in page
    assert "first-order Markov" in page
    assert page.index("this model") < page.index("first-order Markov")
    assert "sees 1,024 samples" in page


def test_text_from_the_run_is_never_markup(run_folder: Path) -> None:
    assert "<script>alert(1)</script>" not in write_report(run_folder).read_text()


def test_an_empty_folder_still_gives_a_page(tmp_path: Path) -> None:
    assert "wavestack run" in write_report(tmp_path).read_text()


def test_curves_are_read_by_split_and_leave_out_what_is_not_finite(run_folder: Path) -> None:
    curves = gather(run_folder).curves
    assert curves["bits_per_sample"]["train"] == Curve(
        "train/bits_per_sample", [10, 20], [6.5, 5.25]
    )
    assert curves["bits_per_sample"]["val"].values == [5.5]
    assert curves["gradient_norm"]["run"].steps == [10]


def test_chart_of_many_powers_of_ten_has_one_line_for_each() -> None:
    losses = Curve("train/x", list(range(1, 6)), [0.2, 1e-2, 1e-3, 1e-4, 2e-5])
    svg = line_chart({"train": losses}, levels={"no memory": 0.15, "nothing": 0.0})
    ticks = re.findall(r'text-anchor="end">([^<]+)</text>', svg)
    assert ticks[:4] == ["0.0001", "0.001", "0.01", "0.1"]
    assert "no memory 0.15" in svg
    points = re.search(r'points="([^"]+)"', svg)
    assert points is not None
    heights = [float(pair.split(",")[1]) for pair in points[1].split()]
    first, second = (b - a for a, b in pairwise(heights[1:4]))
    assert first == pytest.approx(second, abs=0.5)  # equal ratios, equal distances


def test_chart_of_a_constant_curve_has_finite_coordinates() -> None:
    svg = line_chart({"train": Curve("train/x", [1, 2], [0.0, 0.0])}, levels={"bar": 0.0})
    assert "nan" not in svg
    assert "polyline" in svg
