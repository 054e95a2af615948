"""Operators caught one level above the dispatcher, where they are still one piece.

A GRU would unroll into one set of operators per time step, and a linear layer on (B, H, W, C) would
merge H and W; as one node each they keep their axes apart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from wavestack.receptive_field.recording.shapes import output_shapes

if TYPE_CHECKING:
    from wavestack.receptive_field.recording.recorder import Recorder

Handler = Callable[["Recorder", Callable[..., Any], tuple, dict], Any]


class FunctionMode(TorchFunctionMode):
    """Hands the functions below to their handlers where an argument depends on an input."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self.recorder = recorder

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        handler = _HANDLERS.get(func)
        if handler is None and getattr(func, "__name__", "") in _RECURRENT:
            handler = _recurrent
        if handler is not None and not self.recorder.paused and self._depends(args, kwargs):
            return handler(self.recorder, func, args, kwargs)
        return func(*args, **kwargs)

    def _depends(self, args: Any, kwargs: Any) -> bool:
        for value in (*args, *kwargs.values()):
            items = value if isinstance(value, list | tuple) else [value]
            if any(self.recorder.find(item) is not None for item in items):
                return True
        return False


def _run(recorder: Recorder, func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    name = _SHAPED.get(func)
    if recorder.fake is not None and name is not None and args:
        given = recorder.faked(args)
        shapes = output_shapes(name, (*given, *kwargs.values()), {})
        if shapes is not None and isinstance(given[0], FakeTensor):
            return recorder.blank(given[0], shapes[0])
    with recorder.pause():
        return func(*args, **kwargs)


def _bound(names: tuple[str, ...], args: Any, kwargs: Any) -> dict[str, Any]:
    return {**dict(zip(names, args, strict=False)), **kwargs}


def _plain(name: str, *names: str) -> Handler:
    def handle(recorder: Recorder, func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        out = _run(recorder, func, args, kwargs)
        recorder.record(None, name, _bound(names, args, kwargs), [out])
        return out

    return handle


def _matmul(recorder: Recorder, func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    out = _run(recorder, func, args, kwargs)
    a, b = (*args, *kwargs.values())[:2]
    if func in (torch.Tensor.__rmatmul__,):
        a, b = b, a
    recorder.record(None, "matmul", {"self": a, "other": b}, [out])
    return out


def _einsum(recorder: Recorder, func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    equation, *operands = args
    if len(operands) == 1 and isinstance(operands[0], list | tuple):
        operands = list(operands[0])
    if not isinstance(equation, str):
        return func(*args, **kwargs)
    out = _run(recorder, func, args, kwargs)
    recorder.record(None, "einsum", {"equation": equation, "operands": operands}, [out])
    return out


def _pad(recorder: Recorder, func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    values = _bound(("input", "pad", "mode", "value"), args, kwargs)
    if values.get("mode", "constant") != "circular":
        return func(*args, **kwargs)
    out = _run(recorder, func, args, kwargs)
    recorder.record(None, "circular_pad", {"self": values["input"], "pad": values["pad"]}, [out])
    return out


def _instance_norm(recorder: Recorder, func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    names = ("input", "running_mean", "running_var", "weight", "bias", "use_input_stats")
    values = _bound(names, args, kwargs)
    out = (
        values["input"].clone() if recorder.fake is not None else _run(recorder, func, args, kwargs)
    )
    recorder.record(None, "instance_norm", values, [out])
    return out


def _attention(recorder: Recorder, func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    values = _bound(("query", "key", "value", "attn_mask", "dropout_p", "is_causal"), args, kwargs)
    query, value = values["query"], values["value"]
    if recorder.fake is not None:
        with recorder.pause():
            lead = torch.broadcast_shapes(query.shape[:-2], value.shape[:-2])
            if values.get("enable_gqa"):
                lead = query.shape[:-2]
            source = next(t for t in (query, values["key"], value) if recorder.find(t) is not None)
            source = recorder.faked(source)
            out = source.new_empty((*lead, query.shape[-2], value.shape[-1]))
    else:
        out = _run(recorder, func, args, kwargs)
    if values.get("enable_gqa"):
        heads = query.shape[-3] // values["key"].shape[-3]
        values = {**values}
        for name in ("key", "value"):
            values[name] = values[name].repeat_interleave(heads, dim=-3)
    recorder.record(None, "scaled_dot_product_attention", values, [out])
    return out


_RECURRENT = {"lstm", "gru", "rnn_tanh", "rnn_relu"}


def _recurrent(recorder: Recorder, func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    kind = func.__name__
    if len(args) < 9 or isinstance(args[3], list | tuple):
        return func(*args, **kwargs)  # packed sequences come as operators of their own
    x, state, weights, _, layers, _, _, bidirectional, batch_first = args[:9]
    states = list(state) if isinstance(state, list | tuple) else [state]
    time = 1 if batch_first else 0
    directions = 2 if bidirectional else 1
    width = states[0].shape[-1]
    steps = x.shape[time] * x.shape[1 - time]
    matrices = [w for w in weights if w.dim() == 2]
    macs = steps * sum(w.numel() for w in matrices)
    if recorder.fake is not None:
        with recorder.pause():
            batch = x.shape[1 - time]
            source = next(t for t in (x, *states) if recorder.find(t) is not None)
            source = recorder.faked(source)
            shape = [x.shape[0], x.shape[1], width * directions]
            outputs = [
                source.new_empty(shape),
                source.new_empty((layers * directions, batch, width)),
            ]
            if kind == "lstm":
                outputs.append(source.new_empty((layers * directions, batch, states[1].shape[-1])))
    else:
        outputs = list(_run(recorder, func, args, kwargs))
    recorder.record(
        None,
        "recurrent",
        {"x": x, "states": states},
        outputs,
        x=x,
        time=time,
        bidirectional=bool(bidirectional),
        states=states,
        macs=macs,
        kind=kind,
    )
    return tuple(outputs)


_STFT = ("input", "n_fft", "hop_length", "win_length", "window", "center", "pad_mode")
_ISTFT = ("input", "n_fft", "hop_length", "win_length", "window", "center")


def _spectrum(name: str) -> Handler:
    names = _STFT if name == "stft" else _ISTFT

    def handle(recorder: Recorder, func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        values = _bound(names, args, kwargs)
        out = _run(recorder, func, args, kwargs)
        n_fft = values["n_fft"]
        window = values.get("window")
        length = values.get("win_length") or (
            window.shape[0] if isinstance(window, Tensor) else n_fft
        )
        recorder.record(
            None,
            name,
            {"input": values["input"]},
            [out],
            n_fft=n_fft,
            hop=values.get("hop_length") or n_fft // 4,
            window=length,
            center=bool(values.get("center", True)),
            pad_mode=values.get("pad_mode") or "reflect",
        )
        return out

    return handle


_SHAPED: dict[Any, str] = {
    functional.linear: "linear",
    torch.matmul: "matmul",
    torch.Tensor.matmul: "matmul",
    torch.Tensor.__matmul__: "matmul",
}
_HANDLERS: dict[Any, Handler] = {
    functional.linear: _plain("linear", "input", "weight", "bias"),
    torch.matmul: _matmul,
    torch.Tensor.matmul: _matmul,
    torch.Tensor.__matmul__: _matmul,
    torch.Tensor.__rmatmul__: _matmul,
    torch.einsum: _einsum,
    functional.pad: _pad,
    functional.instance_norm: _instance_norm,
    torch.instance_norm: _instance_norm,
    functional.scaled_dot_product_attention: _attention,
    torch.stft: _spectrum("stft"),
    torch.Tensor.stft: _spectrum("stft"),
    torch.istft: _spectrum("istft"),
    torch.Tensor.istft: _spectrum("istft"),
}
