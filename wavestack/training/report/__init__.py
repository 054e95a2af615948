"""``report.html``: one self-contained page for one run."""

from wavestack.training.report.page import write_report

__all__ = ["write_report"]
