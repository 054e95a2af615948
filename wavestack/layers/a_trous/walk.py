"""What the rules know of a graph that is being rewritten, and what they may do to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from torch import fx, nn

from wavestack.layers.a_trous.grid import Grid

Rule = Callable[..., None]


class Walk:
    """A graph on its way from the strided network to the dense one.

    Args:
        model: the user's module, only read.
        copy: the module that the graph runs in; its convolutions are changed.
        graph: the graph with the shapes of an example, rewritten in place.
        output_stride: the largest stride that is kept.
        per_phase: whether operators over the whole image work on every phase by itself.

    Attributes:
        grids: where the positions of each tensor lie.
        chosen: what each convolution has become, by its path.
        reached: the largest accumulated stride of the strided network.
    """

    def __init__(
        self,
        model: nn.Module,
        copy: nn.Module,
        graph: fx.Graph,
        output_stride: int,
        per_phase: bool,
    ) -> None:
        self.model, self.copy, self.graph = model, copy, graph
        self.output_stride, self.per_phase = output_stride, per_phase
        self.grids: dict[fx.Node, Grid] = {}
        self.chosen: dict[str, Any] = {}
        self.reached = 1

    # ---- what the rules ask ---------------------------------------------------------------------

    def grid(self, value: Any) -> Grid | None:
        """The grid of a tensor; None for weights, numbers and tensors without an image's axes."""
        return self.grids.get(value) if isinstance(value, fx.Node) else None

    def image_grid(self, node: fx.Node, source: Any, axes: int, needed: bool) -> Grid | None:
        """The grid of a tensor whose last dimensions are the image's axes, else None.

        Raises:
            ValueError: when it is ``needed`` or the tensor is dense, and it is none of the kind.
        """
        grid = self.grid(source)
        if grid is not None and not grid.folded:
            rank = len(source.meta["shape"])
            if grid.dims == tuple(range(rank - axes, rank)):
                return grid
        if needed or (grid is not None and grid.is_dense):
            self.refuse(node, "the axes of the image cannot be followed to it")
        return None

    def advance(self, grid: Grid, stride: Sequence[int]) -> tuple[tuple[int, ...], Grid]:
        """See Grid.advance; notes how far the strided network goes."""
        kept, after = grid.advance(stride, self.output_stride)
        for s, r in zip(after.stride, after.rate, strict=True):
            if s is not None:
                self.reached = max(self.reached, int(s * r))
        return kept, after

    def operator_name(self, node: fx.Node) -> str:
        """relu for F.relu, torch.relu_ and x.relu() alike; the class of a module."""
        if node.op == "call_module":
            return type(self.model.get_submodule(str(node.target))).__name__
        name = node.target if isinstance(node.target, str) else node.target.__name__
        name = name.rstrip("_")
        return name[1:] if name in ("iadd", "isub", "imul", "itruediv") else name

    # ---- what the rules do ----------------------------------------------------------------------

    def refuse(self, node: fx.Node, reason: str) -> NoReturn:
        """Raise a plain line that names the module."""
        where = repr(node.target)
        if node.op != "call_module":
            stack = list(node.meta.get("nn_module_stack") or ())
            owner = stack[-1] if stack else ""
            inside = repr(owner) if owner else "the model's own forward"
            where = f"{self.operator_name(node)} in {inside}"
        raise ValueError(f"cannot densify {where}: {reason}")

    def refuse_global(self, node: fx.Node) -> None:
        """Refuse an operator over the whole image unless it shall work phase by phase."""
        if not self.per_phase:
            self.refuse(
                node,
                f"{self.operator_name(node)} joins all positions of the image, and the dense "
                "network has more of them; global_pooling='per_phase' lets every phase join its "
                "own, layer= ends the network before it",
            )

    def before(
        self,
        node: fx.Node,
        function: Rule | Callable,
        args: tuple,
        grid: Grid | None,
        **kwargs: Any,
    ) -> fx.Node:
        """Insert a call in front of a node."""
        with self.graph.inserting_before(node):
            new = self.graph.call_function(function, args, kwargs)
        new.meta = {"nn_module_stack": node.meta.get("nn_module_stack"), "shape": None}
        new.meta["is_wrapped"] = _is_ours(function)
        if grid is not None:
            self.grids[new] = grid
        return new

    def replace(self, node: fx.Node, function: Callable, args: tuple, grid: Grid) -> fx.Node:
        """Compute a node's value by another function."""
        with self.graph.inserting_before(node):
            new = self.graph.call_function(function, args)
        new.meta = {**node.meta, "several": False, "is_wrapped": _is_ours(function)}
        node.replace_all_uses_with(new)
        self.graph.erase_node(node)
        self.grids[new] = grid
        return new


def _is_ours(function: Callable) -> bool:
    """Whether torch.fx must be told not to look into a function (it would when unpickling)."""
    return (function.__module__ or "").startswith("wavestack.")
