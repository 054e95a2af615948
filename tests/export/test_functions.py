"""Models as pure functions: exported, loaded and streamed, against the models themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from wavestack.errors import UserError
from wavestack.export.about import about_function
from wavestack.export.check import largest_difference
from wavestack.export.functions import Function, functions_of
from wavestack.export.program import read_program, write_program
from wavestack.files import verify_hash
from wavestack.layers import CausalConv1d, DilatedStack
from wavestack.models import (
    FCN,
    TCN,
    AudioEffect,
    DeepLabV3,
    DeepLabV3Plus,
    DilatedVGG,
    HDCNet,
    LinkNet,
    SuperResolutionNet,
    WaveNet,
)


def wavenet(**options: Any) -> WaveNet:
    return WaveNet(6, 4, 6, 5, num_layers=3, num_stacks=1, **options)


MODELS = {
    "tcn": lambda: TCN(2, 6, 3, 3, 1),
    "tcn_skips_condition": lambda: TCN(
        2, 6, 3, 3, norm="layer", activation="glu", skip_channels=4, condition_channels=2
    ),
    "tcn_tokens": lambda: TCN(4, 6, 3, 2, 9, num_embeddings=9, norm="batch"),
    "stack": lambda: DilatedStack(4, 4, 6, num_layers=3, condition_channels=2),
    "effect": lambda: AudioEffect((4, 3), num_layers=3, condition_channels=2),
    "wavenet_labels": lambda: wavenet(num_labels=(3,), input_kernel_size=4, weight_norm=True),
    "wavenet_features": lambda: wavenet(num_labels=(3, 2), condition_channels=2, hop_length=4),
    "wavenet_gaussian": lambda: wavenet(output="gaussian"),
}

SMALL_RESNET = {"backbone": "resnet18", "base_channels": 4}
IMAGE_MODELS = {
    "linknet": lambda: LinkNet(3, base_channels=4, channels=4),
    "deeplabv3": lambda: DeepLabV3(3, **SMALL_RESNET, channels=4, aux=True),
    "deeplabv3plus": lambda: DeepLabV3Plus(3, **SMALL_RESNET, channels=4),
    "fcn": lambda: FCN(3, base_channels=2, channels=4),
    "fcn_resnet": lambda: FCN(3, **SMALL_RESNET),
    "dilated_vgg": lambda: DilatedVGG(3, base_channels=2, channels=4),
    "hdc": lambda: HDCNet(3, channels=(4, 4, 4), decoder_channels=4),
    "super_resolution": lambda: SuperResolutionNet(2, channels=4),
}

CONDITIONED = ("wavenet_labels", "wavenet_features")


def function_of(model: nn.Module, name: str) -> tuple[Function, Any]:
    functions = functions_of(model)
    return next(f for f in functions.found if f.name == name), functions.model


def write_and_compare(
    model: nn.Module, name: str, folder: Path, write: Any, read: Any
) -> tuple[Any, dict[str, Any]]:
    """Write one function, read it and compare; the loaded function and what it says of itself."""
    function, folded = function_of(model, name)
    path = folder / "f.pt2"
    about = about_function(function, folded, {})
    digest = write(function, path, about)
    assert verify_hash(path) == digest
    run = read(path)
    assert largest_difference(run, function, folded) < 1e-6
    return run, about


def test_streaming_step_as_a_program(tmp_path):
    torch.manual_seed(0)
    model = TCN(2, 6, 3, 3, 1)
    write_and_compare(model, "step", tmp_path, write_program, lambda path: read_program(path)[0])
    # Again by hand, as a user would: zeros, then block after block.
    step, about = read_program(tmp_path / "f.pt2")
    state = {
        name.removeprefix("state."): torch.zeros(1, *given["shape"][1:])
        for name, given in about["inputs"].items()
        if name.startswith("state.")
    }
    x, outputs = torch.randn(1, 2, 40), []
    for block in x.split(9, dim=-1):
        y, state = step(x=block, state=state)
        outputs.append(y)
    torch.testing.assert_close(torch.cat(outputs, -1), model.eval()(x), atol=1e-6, rtol=1e-6)
    assert about["receptive_field"] == 29
    assert about["latency"] == 0
    assert about["inputs"]["x"] == {"shape": ["batch", 2, "time"], "dtype": "float32"}
    assert about["outputs"][:2] == ["y", "next_state.0.0"]


def test_streaming_step_in_onnxruntime(tmp_path):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    from wavestack.export.onnx import OnnxModule, write_onnx

    torch.manual_seed(0)
    model = DilatedStack(4, 4, 6, num_layers=3)
    run, about = write_and_compare(model, "step", tmp_path, write_onnx, OnnxModule)
    assert run.about == json.loads(json.dumps(about))
    inputs = {i.name: i.shape for i in run.session.get_inputs()}
    assert inputs == {
        "x": ["batch", 4, "time"],
        **{f"state.{i}": ["batch", 4, 2**i] for i in range(3)},
    }
    outputs = {o.name: o.shape for o in run.session.get_outputs()}
    assert outputs["y"] == ["batch", 6, "time"]
    assert outputs["next_state.2"] == ["batch", 4, 4]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["onnx", "pt2"])
@pytest.mark.parametrize("name", MODELS)
def test_every_function_of_every_model(name, kind, tmp_path):
    if kind == "onnx":
        pytest.importorskip("onnxscript")
        pytest.importorskip("onnxruntime")
        from wavestack.export.onnx import OnnxModule as read
        from wavestack.export.onnx import write_onnx as write
    else:
        write, read = write_program, lambda path: read_program(path)[0]
    torch.manual_seed(0)
    model = MODELS[name]()
    names = [function.name for function in functions_of(model).found]
    assert names == ["offline", *["condition"] * (name in CONDITIONED), "step"]
    for function in names:
        write_and_compare(model, function, tmp_path, write, read)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind"), [*((name, "onnx") for name in IMAGE_MODELS), ("dilated_vgg", "pt2")]
)
def test_models_of_images_take_any_batch_height_and_width(name, kind, tmp_path):
    if kind == "onnx":
        pytest.importorskip("onnxscript")
        pytest.importorskip("onnxruntime")
        from wavestack.export.onnx import OnnxModule as read
        from wavestack.export.onnx import write_onnx as write
    else:
        write, read = write_program, lambda path: read_program(path)[0]
    torch.manual_seed(0)
    function, folded = function_of(IMAGE_MODELS[name](), "offline")
    write(function, tmp_path / "f", about_function(function, folded, {}))
    assert function.axes["x"] == {0: "batch", 2: "height", 3: "width"}
    run = read(tmp_path / "f")
    for height, width in ((65, 97), (96, 64), (128, 203)):
        x = torch.randn(1, function.inputs["x"].shape[1], height, width)
        with torch.no_grad():
            expected = function.module(x)
        scale = float(expected.abs().max().clamp(min=1))
        torch.testing.assert_close(run(x=x), expected, rtol=0, atol=1e-4 * scale)


def test_a_model_of_images_has_one_function_and_says_how_to_feed_it():
    model = DeepLabV3(3, **SMALL_RESNET, channels=4, aux=True)
    functions = functions_of(model)
    assert [function.name for function in functions.found] == ["offline"]
    assert functions.without_step is None
    function = functions.found[0]
    x = torch.randn(1, 3, 40, 33)
    torch.testing.assert_close(function.module(x), model.eval()(x)["out"], rtol=0, atol=1e-6)
    about = about_function(function, functions.model, {})
    assert about["inputs"]["x"]["shape"] == ["batch", 3, "height", "width"]
    assert about["receptive_field"] == [None, None]  # image pooling sees all
    assert about["mean"] == pytest.approx((0.485, 0.456, 0.406))
    assert "latency" not in about
    assert "sample_rate" not in about


@pytest.mark.slow
def test_last_outputs_are_exported_for_every_length(tmp_path):
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.tcn = TCN(2, 4, 3, 3)

        def forward(self, x):
            return self.tcn.forward_last(x)

        def example_input(self, num_samples):
            return {"x": torch.zeros(1, 2, num_samples)}

    function, folded = function_of(Last(), "offline")
    write_program(function, tmp_path / "f.pt2", {})
    assert function.axes["x"] == {0: "batch", 2: "time"}
    run = read_program(tmp_path / "f.pt2")[0]
    assert largest_difference(run, function, folded) < 1e-6


def test_the_difference_shows_a_wrong_output_and_a_forgotten_state():
    torch.manual_seed(0)
    functions = functions_of(TCN(2, 6, 3, 3, 1))
    offline, step = functions.found

    def forgetful(x: torch.Tensor, state: dict[str, torch.Tensor]) -> Any:
        return step.module(x=x, state=state)[0], state

    for function in (offline, step):
        assert largest_difference(function.module, function, functions.model) < 1e-6
    shifted = largest_difference(lambda x: offline.module(x) + 0.01, offline, functions.model)
    assert 1e-3 < shifted < 0.011
    assert largest_difference(forgetful, step, functions.model) > 0.01


def test_functions_leave_the_model_as_it_is():
    model = TCN(2, 4, 3, 2, norm="weight").train()
    names = list(model.state_dict())
    functions_of(model)
    assert model.training
    assert list(model.state_dict()) == names
    assert all(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (TCN(2, 4, 3, 2, lookahead=3), "TCN keeps a state of changing length"),
        (CausalConv1d(1, 1, 3, stride=2), "CausalConv1d keeps a state of changing length"),
        (nn.Conv1d(1, 1, 3), "Conv1d cannot stream"),
    ],
)
def test_models_without_a_step_of_fixed_shapes_say_why(model, reason):
    functions = functions_of(model)
    assert [function.name for function in functions.found] == ["offline"]
    assert reason in functions.without_step


def test_models_that_tell_nothing_of_their_inputs_are_refused():
    with pytest.raises(UserError, match="a ReLU does not say what its inputs are"):
        functions_of(nn.ReLU())


def test_functions_that_cannot_be_traced_are_named(tmp_path):
    class Odd(nn.Conv1d):
        def forward(self, x):
            return x if x.sum().item() > 0 else super().forward(x)

    function, _ = function_of(Odd(1, 1, 3), "offline")
    with pytest.raises(UserError, match="the offline function cannot be exported: "):
        write_program(function, tmp_path / "x.pt2", {})
    assert list(tmp_path.iterdir()) == []


def test_models_of_one_length_keep_a_free_batch(tmp_path):
    class Window(nn.Linear):
        def example_input(self):
            return {"input": torch.zeros(1, 4)}

    function, _ = function_of(Window(4, 2), "offline")
    write_program(function, tmp_path / "x.pt2", {})
    assert function.axes == {"input": {0: "batch"}}
    run, about = read_program(tmp_path / "x.pt2")
    assert run(input=torch.zeros(5, 4)).shape == (5, 2)
    assert about["inputs"]["input"]["shape"] == ["batch", 4]
