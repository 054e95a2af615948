"""A dispatch mode that turns operator calls into nodes of a graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensor,
    FakeTensorMode,
)
from torch.utils._mode_utils import no_dispatch
from torch.utils._python_dispatch import TorchDispatchMode

from wavestack.receptive_field.recording.aliases import Aliases
from wavestack.receptive_field.recording.graph import Graph, Node
from wavestack.receptive_field.recording.operators import RULES, Call, Made
from wavestack.receptive_field.recording.operators.call import elementwise, everything
from wavestack.receptive_field.recording.operators.plain import is_pointwise
from wavestack.receptive_field.recording.shapes import output_shapes
from wavestack.receptive_field.recording.signature import Signature, flat, signature_of, tensors_of

# Constants larger than this stay without values: memory must not grow with the resolution asked
# about.
_LARGEST_CONSTANT = 1 << 24


_FACTORIES = {
    "zeros_like": 0,
    "new_zeros": 0,
    "empty_like": 0,
    "new_empty": 0,
    "new_empty_strided": 0,
    "ones_like": 1,
    "new_ones": 1,
    "rand_like": 0.5,
    "randn_like": 0.5,
    "full_like": None,
    "new_full": None,
}


_NEEDS_VALUES = (DataDependentOutputException, DynamicOutputShapeException)


class NeedsValuesError(RuntimeError):
    """The model's control flow reads values that a fake tensor does not have."""


class Recorder(TorchDispatchMode):
    """Turns operator calls into nodes."""

    def __init__(self, fake: FakeTensorMode | None) -> None:
        super().__init__()
        self.fake = fake
        self.graph = Graph()
        self.aliases = Aliases(self.graph)
        self.paused = 0
        self.stack: list[str] = []
        self.read_values: list[str] = []
        self.stand_ins: dict[int, Tensor] = {}
        self.saved: dict[int, tuple[Tensor, Tensor]] = {}

    @property
    def module(self) -> str:
        """Path of the module that is running."""
        return self.stack[-1] if self.stack else ""

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Operators inside run without being recorded."""
        self.paused += 1
        try:
            yield
        finally:
            self.paused -= 1

    def find(self, value: Any) -> Node | None:
        """The node of a tensor; None for constants and for what is no tensor."""
        if not isinstance(value, Tensor):
            return None
        index = self.aliases.node(value, self.replay)
        return None if index is None else self.graph[index]

    def concrete(self, value: Any) -> Tensor | None:
        """The values of a constant tensor, None where it has none."""
        if not isinstance(value, Tensor) or isinstance(value, FakeTensor):
            return None
        if self.find(value) is not None:
            return None
        return value.detach().cpu()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self.paused:
            return self.execute(func, args, kwargs)
        signature = signature_of(func)
        name = signature.name
        if name not in RULES and func.namespace == "aten" and func._can_decompose():
            # Tensors made in inference mode: torch has not taken the operator apart yet.
            with self:
                return func.decompose(*args, **kwargs)
        depends = any(self.find(t) is not None for t in tensors_of(args, kwargs))
        if signature.written:
            return self.write(func, signature, args, kwargs, depends)
        if not depends:
            out = self.execute(func, args, kwargs)
            if signature.is_view and isinstance(args[0], Tensor):
                self.link(signature, args, kwargs, out)
            return out
        if name in _FACTORIES:
            return self.constant(func, name, args, kwargs)
        try:
            out = self.execute(func, args, kwargs)
        except _NEEDS_VALUES as problem:
            raise NeedsValuesError(str(func)) from problem
        if not isinstance(out, Tensor | tuple | list):
            if name in ("_local_scalar_dense", "item", "equal", "is_nonzero"):
                self.read_values.append(self.module)
            return out
        if (
            name in ("nonzero", "unique_consecutive", "_unique2", "masked_select")
            and self.fake is None
        ):
            self.read_values.append(self.module)
        self.record(func, name, signature.bind(args, kwargs), flat(out))
        if signature.is_view:
            self.link(signature, args, kwargs, out)
        return out

    def execute(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Run an operator: on shapes alone where any argument is fake."""
        if self.fake is None:
            return func(*args, **kwargs)
        if not any(
            isinstance(t, FakeTensor) or self.is_overwritten(t) for t in tensors_of(args, kwargs)
        ):
            return func(*args, **kwargs)
        args = self.faked(args)
        kwargs = {key: self.faked(value) for key, value in kwargs.items()}
        signature = signature_of(func)
        if not signature.is_view and not kwargs and isinstance(args[0], FakeTensor):
            shapes = output_shapes(signature.name, args, kwargs)
            if shapes is not None:
                if signature.written:
                    return args[0]
                blank = [self.blank(args[0], shape) for shape in shapes]
                return blank[0] if len(blank) == 1 else tuple(blank)
        return func(*args, **kwargs)

    def blank(self, like: Tensor, shape: tuple[int, ...]) -> Tensor:
        """A fake tensor of the given shape."""
        assert self.fake is not None
        with no_dispatch():
            bare = torch.empty(shape, dtype=like.dtype, device="meta")
        return FakeTensor(self.fake, bare, like.device)

    def is_overwritten(self, tensor: Tensor) -> bool:
        """Whether a real constant has been overwritten by something that depends on an input."""
        return self.fake is not None and self.aliases.node(tensor, self.replay) is not None

    def faked(self, value: Any) -> Any:
        """Real tensors that have come to depend on an input, replaced by fake ones."""
        if isinstance(value, Tensor):
            if not isinstance(value, FakeTensor) and self.is_overwritten(value):
                if id(value) not in self.stand_ins:
                    assert self.fake is not None
                    self.stand_ins[id(value)] = self.fake.from_tensor(value)
                return self.stand_ins[id(value)]
            return value
        if isinstance(value, tuple | list) and type(value) in (tuple, list):
            return type(value)(self.faked(item) for item in value)
        return value

    def constant(self, func: Any, name: str, args: Any, kwargs: Any) -> Any:
        """``zeros_like`` and its kin take only a shape from their argument."""
        with self.pause():
            shaped = self.execute(func, args, kwargs)
        if not isinstance(shaped, FakeTensor) or shaped.numel() > _LARGEST_CONSTANT:
            return shaped
        value: Any = _FACTORIES[name]
        if value is None:
            value = kwargs.get("fill_value", args[-1])
        if isinstance(value, Tensor):
            return shaped
        return torch.full(tuple(shaped.shape), value, dtype=shaped.dtype, device=shaped.device)

    def rule(self, func: Any, name: str) -> Callable[[Call], list[Made] | None] | None:
        """The rule of an operator."""
        found = RULES.get(name)
        if found is None and is_pointwise(func):
            return elementwise
        return found

    def record(
        self, func: Any, name: str, values: dict[str, Any], outputs: list[Tensor], **extra: Any
    ) -> None:
        """Nodes for the outputs of one call."""
        call = Call(name, values, outputs, self.graph, self.find, self.concrete, self.module, extra)
        rule = self.rule(func, name) if func is not None else RULES[name]
        made = rule(call) if rule is not None else None
        if made is None:
            made = [
                Made([everything(node) for node in call.nodes()], unknown=True) for _ in outputs
            ]
        for output, one in zip(outputs, made, strict=True):
            node = self.add(extra.get("kind", name), output, one)
            if node is not None:
                self.aliases.bind(output, node.index)

    def add(self, name: str, output: Tensor, made: Made) -> Node | None:
        """One node; None if nothing of an input reaches it."""
        if not made.edges:
            return None
        return self.graph.add(
            name,
            tuple(output.shape),
            made.edges,
            self.module,
            unknown=made.unknown,
            geometry=made.geometry,
            macs=made.macs,
            note=made.note,
        )

    def link(self, signature: Signature, args: Any, kwargs: Any, out: Any) -> None:
        """Remember which tensor an output is a view of."""
        values, outputs = signature.bind(args, kwargs), flat(out)
        for k, output in enumerate(outputs):
            self.aliases.view(args[0], output, signature.name, values, k, outputs)

    def replay(
        self, name: str, values: dict[str, Any], node: int, outputs: list[Tensor], which: int
    ) -> int | None:
        """Repeat a view on a tensor that has since been written to."""
        base = values["self"]
        call = Call(
            name,
            values,
            outputs,
            self.graph,
            lambda value: self.graph[node] if value is base else None,
            lambda value: value if isinstance(value, Tensor) else None,
            self.module,
        )
        made = RULES[name](call) if name in RULES else elementwise(call)
        if made is None:
            return None
        found = self.add(name, outputs[which], made[which])
        return None if found is None else found.index

    def write(
        self,
        func: Any,
        signature: Signature,
        args: Any,
        kwargs: Any,
        depends: bool,
    ) -> Any:
        """An operator in place: the tensor and all that shares its memory become something new."""
        name, place = signature.name, signature.written[0]
        target = args[place] if place < len(args) else kwargs[signature.names[place]]
        if isinstance(target, list | tuple):
            # _foreach operators: one by one.
            target = target[0]
        if not depends:
            self.keep(target)
            return self.execute(func, args, kwargs)
        values = signature.bind(args, kwargs)
        if isinstance(target, FakeTensor) or self.fake is None:
            if self.fake is None:
                self.keep(target)
            try:
                out = self.execute(func, args, kwargs)
            except _NEEDS_VALUES as problem:
                raise NeedsValuesError(str(func)) from problem
        else:
            out = target
        if name in ("resize", "set", "as_strided", "squeeze", "unsqueeze", "transpose", "t"):
            return out
        made = self.written(func, name, values, target)
        node = None
        if made is not None:
            found = self.add(name, target, made)
            node = None if found is None else found.index
        self.aliases.write(target, node, self.module, self.replay)
        return out

    def written(self, func: Any, name: str, values: dict[str, Any], target: Tensor) -> Made | None:
        """What an in-place operator leaves behind."""
        if name in ("zero", "fill", "normal", "uniform", "bernoulli", "random", "exponential"):
            source = self.find(values.get("value"))
            return None if source is None else Made([everything(source)])
        if name in ("copy",):
            values = {"src": values["src"]}
        names = [key for key in values if key != "out"] if "out" in values else list(values)
        call = Call(
            name,
            {key: values[key] for key in names},
            [target],
            self.graph,
            self.find,
            self.concrete,
            self.module,
        )
        rule = elementwise if name == "copy" else self.rule(func, name)
        made = rule(call) if rule is not None else None
        return (
            Made([everything(node) for node in call.nodes()], unknown=True)
            if made is None
            else made[0]
        )

    def keep(self, target: Tensor) -> None:
        """Keep a copy of a tensor of the user's that is about to be overwritten."""
        if isinstance(target, FakeTensor) or not isinstance(target, Tensor):
            return
        key = target.untyped_storage().data_ptr()
        if key and key not in self.saved and self.aliases.is_foreign(target):
            whole = target.detach()
            self.saved[key] = (whole, whole.clone())

    def restore(self) -> None:
        """Put back what was overwritten."""
        for tensor, copy in self.saved.values():
            tensor.copy_(copy)
