"""Series as windows: splits without leaks, every window once, tables that are not right."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
import torch

from wavestack.data import SeriesData
from wavestack.data.sequences.table import read_table
from wavestack.errors import UserError

ROWS = 100


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Row t holds t in the first column and the square of t in the second."""
    days = [date(2016, 7, 1) + timedelta(days=t) for t in range(ROWS)]
    lines = ["date,load,heat"] + [f"{days[t]},{t},{t * t}" for t in range(ROWS)]
    path = tmp_path / "hours.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def series(root: Path | None, **settings) -> SeriesData:
    return SeriesData(root, **{"window": 8, "horizon": 4, "splits": [60, 20, 15], **settings})


def rows(values: torch.Tensor, data: SeriesData) -> np.ndarray:
    """The row numbers behind standardised values of the first column."""
    return np.rint(values[:, 0].double().numpy() * data.deviation[0] + data.mean[0]).astype(int)


def test_every_window_of_a_split_comes_once_and_forecasts_inside_it(file: Path):
    data = series(file, eval_batch_size=5)
    for split, first, stop in (("train", 8, 60), ("val", 60, 80), ("test", 80, 95)):
        batches = data.eval_batches(split)
        x = np.concatenate([rows(batch["x"], data) for batch in batches])
        target = np.concatenate([rows(batch["target"], data) for batch in batches])
        starts = np.arange(first, stop - 3)
        np.testing.assert_array_equal(target, starts[:, None] + np.arange(4))
        np.testing.assert_array_equal(x, starts[:, None] + np.arange(-8, 0))
        assert data.num_items(split) == len(starts)


def test_columns_are_standardised_by_the_training_rows_alone(file: Path):
    data = series(file)
    train = np.stack([np.arange(60.0), np.arange(60.0) ** 2])
    np.testing.assert_allclose(data.mean, train.mean(1))
    np.testing.assert_allclose(data.deviation, train.std(1))
    torch.testing.assert_close(data.series[:, :60].mean(1), torch.zeros(2), rtol=0, atol=1e-5)
    changed = file.read_text().replace(",90,8100", ",1e9,-1e9")
    file.write_text(changed)
    np.testing.assert_array_equal(series(file).mean, data.mean)


def test_training_batches_are_a_pure_function_and_an_epoch_has_every_window_once(file: Path):
    data = series(file, batch_size=7)
    batches, again = data.train_batches(1), series(file, batch_size=7).train_batches(1)
    assert torch.equal(batches[9]["x"], again[9]["x"])
    seen = np.concatenate([rows(batches[k]["target"], data)[:, 0] for k in range(7)])
    assert sorted(seen) == list(range(8, 57))


def test_shares_and_columns_in_any_order(file: Path):
    data = series(file, splits=[0.5, 0.25, 0.25], columns=["heat", "load"])
    assert data.columns == ("heat", "load")
    assert data.series.shape == (2, ROWS)
    assert [len(data.starts(split)) for split in ("train", "val", "test")] == [39, 22, 22]
    assert series(file.parent, file="*.csv").columns == ("load", "heat")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("-08,7,49", "-08,nan,49", "line 9, column load: 'nan' is not a finite number"),
        ("-08,7,49", "-08,7,", "line 9, column heat: '' is not a finite number"),
        ("-08,7,49", "-08,7", "line 9 has 2 values, the header has 3"),
        ("2016-07-08", "2016-07-05", "line 9: 2016-07-05 is before the line above"),
        ("2016-07-08", "", "line 9: '' is no date or time"),
        ("2016-07-08", "later", "line 9: 'later' is no date or time"),
        ("date,load,heat", "2016-06-30,1,2", "the first line holds numbers; it must name"),
    ],
)
def test_a_bad_value_is_named_by_line_and_column(file: Path, old: str, new: str, message: str):
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(UserError, match=f"hours.csv: {message}"):
        series(file)


def test_other_dates_and_numbered_columns_pass(file: Path):
    text = "\n".join(f"{31 - t}.12.2016,{t}" for t in range(31))
    file.write_text(f"date,load\n{text}\n")
    assert read_table(file).names == ("load",)
    file.write_text("0,1\n5,6\n")
    assert read_table(file).names == ("0", "1")
    file.write_text(f"date,load\n{text.replace('30.12.2016', '')}\n")
    with pytest.raises(UserError, match="line 3: '' is no date"):
        read_table(file)


def test_a_constant_column_does_not_blow_up(file: Path):
    # The mean of so many tenths is not a tenth: rounding leaves a deviation of 1e-17.
    rows = [f"{t},{0.1 if t < 60 else 0.2}" for t in range(ROWS)]
    file.write_text("\n".join(["load,heat", *rows]) + "\n")
    data = series(file)
    assert data.deviation[1] == 1
    torch.testing.assert_close(data.series[1, 60:], torch.full((40,), 0.1))


def test_mistakes_are_named(file: Path, tmp_path: Path):
    with pytest.raises(UserError, match=r"has no column 'oil'; its columns are date, load, heat"):
        series(file, columns=["oil"])
    with pytest.raises(UserError, match=r"has 100 rows, data.splits asks for 90 \+ 20 \+ 15"):
        series(file, splits=[90, 20, 15])
    with pytest.raises(
        UserError, match=r"15 rows for the test split are too few for a window of 8"
    ):
        series(file, horizon=16)
    with pytest.raises(UserError, match=r"60 rows for the train split .* window of 58"):
        series(file, window=58)
    with pytest.raises(UserError, match=r"data\.root is not set: give a CSV file or the folder"):
        series(None)
    with pytest.raises(UserError, match=r"there is no such file or folder"):
        series(tmp_path / "none.csv")
    (tmp_path / "more.csv").write_text("a\n1\n")
    with pytest.raises(UserError, match=r"holds 2 files like \*\.csv; name the file itself"):
        series(tmp_path)
    (tmp_path / "empty.csv").write_text("date,a\n")
    with pytest.raises(UserError, match=r"empty\.csv: holds no rows below a header"):
        read_table(tmp_path / "empty.csv")
    with pytest.raises(ValueError, match="window must be >= 1, got 0"):
        series(file, window=0)
    with pytest.raises(UserError, match="no column to forecast; its columns are date, load, heat"):
        series(file, columns=[])
    file.write_text(file.read_text().replace("heat", "load"))
    with pytest.raises(UserError, match="has 2 columns named 'load'"):
        series(file)


def test_lines_are_counted_as_an_editor_counts_them(file: Path):
    first, second, rest = file.read_text().split("\n", 2)
    file.write_text("\n".join([first, "", second, "", rest.replace("-06,5,25", "-06,five,25")]))
    with pytest.raises(UserError, match="line 9, column load: 'five' is not a finite number"):
        series(file)


def test_one_column_needs_no_brackets(file: Path):
    assert series(file, columns="heat").columns == ("heat",)


def test_a_model_of_another_window_is_named(file: Path):
    from wavestack.models import DLinear

    data = series(file)
    data.check_model(DLinear(8, 4))
    with pytest.raises(UserError, match=r"model\.horizon is 5, but data\.horizon is 4"):
        data.check_model(DLinear(8, 5))


def test_etth1_has_the_windows_of_the_literature(data_root: Path):
    data = SeriesData(data_root / "ett", window=336, horizon=96, splits=[8640, 2880, 2880])
    assert data.columns == ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT")
    assert [data.num_items(split) for split in ("train", "val", "test")] == [8209, 2785, 2785]


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_another_separator_is_named(separator: str, tmp_path: Path):
    file = tmp_path / "series.csv"
    lines = ["date;OT;HUFL", "2016-07-01 00:00;1,5;2", "2016-07-01 01:00;1,6;2"]
    file.write_text("\n".join(lines).replace(";", separator))
    mark = re.escape(repr(separator))
    with pytest.raises(UserError, match=f"series.csv: values are separated by {mark}; they must"):
        read_table(file)
