"""docs/export.md: its code runs on the files that it speaks of."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from wavestack.export.about import about_function
from wavestack.export.functions import functions_of
from wavestack.export.program import write_program
from wavestack.models import TCN

PAGE = Path(__file__).resolve().parents[2] / "docs" / "export.md"

pytestmark = [
    pytest.mark.slow,
    # torch.export.load's own
    pytest.mark.filterwarnings("ignore:The given buffer is not writable:UserWarning"),
    pytest.mark.skipif(not PAGE.is_file(), reason="the docs are not part of this install"),
]


def test_examples_run(tmp_path, monkeypatch):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    from wavestack.export.onnx import write_onnx

    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    functions = functions_of(TCN(in_channels=2, channels=4, num_layers=3))
    step = functions.found[-1]
    about = about_function(step, functions.model, {})
    write_onnx(step, Path("model.step.onnx"), about)
    write_program(step, Path("model.step.pt2"), about)
    names: dict = {}
    fenced = PAGE.read_text("utf-8").split("```python\n")[1:]
    assert len(fenced) == 3
    for block in fenced:
        exec(block.partition("```")[0], names)
    assert names["y"].shape == (1, 4, 16)
    assert Path("tcn.offline.onnx").is_file()
    assert Path("tcn.step.onnx").is_file()
