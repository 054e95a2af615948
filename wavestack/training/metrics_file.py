"""``metrics.csv``: one row for each logged step, the same whether or not a run was interrupted."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from wavestack.files import atomic_write

TIMING = ("samples_per_second", "core_seconds", "wall_seconds")


class MetricsFile:
    """Appends rows of figures; columns are ``step``, ``train/NAME``, ``val/NAME`` and the rest.

    Args:
        path: the file; made with its header when missing.
        metric: name of the task's figure, e.g. ``bits_per_sample``.
        resume_step: rows after this step are dropped: the resumed run writes them again.
        validated: names of further figures of the validation split.
    """

    def __init__(
        self, path: Path, metric: str, resume_step: int = 0, validated: Sequence[str] = ()
    ) -> None:
        self.path = path
        self.columns = (
            "step",
            f"train/{metric}",
            f"val/{metric}",
            *(f"val/{name}" for name in validated),
            "learning_rate",
            "gradient_norm",
            *TIMING,
        )
        rows = [row for row in self._read() if int(row["step"]) <= resume_step]
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, self.columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        atomic_write(path, lambda file: file.write(buffer.getvalue().encode()))

    def append(self, step: int, figures: dict[str, float]) -> None:
        """Adds a row; figures that are missing stay empty.

        Raises:
            ValueError: when a figure has no column.
        """
        unknown = sorted(set(figures) - set(self.columns))
        if unknown:
            raise ValueError(f"metrics.csv has no column for {unknown}")
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.columns, lineterminator="\n")
            writer.writerow({"step": step, **{k: f"{v:.9g}" for k, v in figures.items()}})

    def _read(self) -> list[dict[str, str]]:
        if not self.path.is_file():
            return []
        with self.path.open(newline="", encoding="utf-8") as file:
            # The last line may have been cut by a kill: without its step it is dropped.
            return [row for row in csv.DictReader(file) if (row["step"] or "").isdigit()]
