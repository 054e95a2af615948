"""metrics.csv looks the same whether or not a run was interrupted."""

from __future__ import annotations

import pytest

from wavestack.training.metrics_file import MetricsFile


def test_rows_after_the_checkpoint_and_a_cut_line_are_dropped(tmp_path):
    path = tmp_path / "metrics.csv"
    file = MetricsFile(path, "bits")
    for step in (1, 2, 3):
        file.append(step, {"train/bits": step / 3, "learning_rate": 0.1})
    file.append(3, {"val/bits": 0.5})
    with path.open("a") as cut:
        cut.write("4,0.1")
    before = path.read_text().splitlines()
    resumed = MetricsFile(path, "bits", resume_step=2)
    assert path.read_text().splitlines() == before[:3]
    resumed.append(3, {"train/bits": 1.0, "learning_rate": 0.1})
    assert path.read_text().splitlines() == before[:4]


def test_unknown_figures_are_named(tmp_path):
    with pytest.raises(ValueError, match="no column for"):
        MetricsFile(tmp_path / "metrics.csv", "bits").append(1, {"loss": 1.0})
