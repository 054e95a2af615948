"""The graph of a strided network, rewritten node by node into that of the dense one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, NoReturn

from torch import fx, nn

from wavestack.layers.a_trous import (
    global_rules,
    meeting_rules,
    pool_rules,
    shape_rules,
    window_rules,
)
from wavestack.layers.a_trous.grid import Grid

Rule = Callable[..., None]

MODULE_RULES: tuple[tuple[Any, Rule], ...] = (
    (nn.modules.conv._ConvTransposeNd, window_rules.transposed_convolution_module),
    (nn.modules.conv._ConvNd, window_rules.convolution_module),
    (nn.modules.pooling._MaxPoolNd, pool_rules.max_pool_module),
    (nn.modules.pooling._AvgPoolNd, pool_rules.avg_pool_module),
    (nn.modules.pooling._AdaptiveAvgPoolNd, pool_rules.adaptive_pool_module),
    (nn.modules.pooling._AdaptiveMaxPoolNd, pool_rules.adaptive_pool_module),
    (nn.modules.padding._ConstantPadNd, window_rules.pad_module),
    (nn.modules.padding._ReflectionPadNd, window_rules.pad_module),
    (nn.modules.padding._ReplicationPadNd, window_rules.pad_module),
    (nn.modules.padding._CircularPadNd, window_rules.pad_module),
    (nn.Linear, global_rules.linear_module),
    (nn.LayerNorm, global_rules.layer_norm_module),
    (nn.GroupNorm, global_rules.group_norm_module),
    (nn.modules.instancenorm._InstanceNorm, global_rules.group_norm_module),
    (nn.Upsample, global_rules.resize_module),
    (nn.PixelShuffle, global_rules.pixel_shuffle_module),
    ((nn.Flatten, nn.Unflatten), shape_rules.view_module),
    (
        (nn.Softmax, nn.LogSoftmax, nn.Softmin, nn.GLU),
        meeting_rules.along_a_dim_module,
    ),
)
POINTWISE_MODULES = (
    nn.modules.batchnorm._BatchNorm,
    nn.modules.dropout._DropoutNd,
    nn.Identity,
    nn.ChannelShuffle,
    nn.LocalResponseNorm,
)
FUNCTION_RULES: dict[str, Rule] = {
    **dict.fromkeys(meeting_rules.POINTWISE, meeting_rules.pointwise),
    **dict.fromkeys(meeting_rules.CASTS, meeting_rules.cast),
    **dict.fromkeys(meeting_rules.ALONG_A_DIM, meeting_rules.along_a_dim),
    **{f"conv{n}d": window_rules.convolution for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": window_rules.transposed_convolution for n in (1, 2, 3)},
    **{f"max_pool{n}d": pool_rules.max_pool for n in (1, 2, 3)},
    **{f"avg_pool{n}d": pool_rules.avg_pool for n in (1, 2, 3)},
    **{f"adaptive_avg_pool{n}d": pool_rules.adaptive_pool for n in (1, 2, 3)},
    **{f"adaptive_max_pool{n}d": pool_rules.adaptive_pool for n in (1, 2, 3)},
    "pad": window_rules.pad,
    **dict.fromkeys(meeting_rules.JOINS, meeting_rules.join),
    "expand": meeting_rules.expand,
    "expand_as": meeting_rules.expand_as,
    **dict.fromkeys((*global_rules.PER_PHASE, *global_rules.REDUCTIONS), global_rules.reduce),
    "linear": global_rules.linear,
    "layer_norm": global_rules.layer_norm,
    "group_norm": global_rules.group_norm,
    "interpolate": global_rules.resize,
    "pixel_shuffle": global_rules.pixel_shuffle,
    **dict.fromkeys(("view", "reshape", "flatten", "unflatten"), shape_rules.view),
    **dict.fromkeys(("squeeze", "unsqueeze"), shape_rules.view),
    "permute": shape_rules.permute,
    **dict.fromkeys(("transpose", "swapaxes", "swapdims"), shape_rules.transpose),
    **dict.fromkeys(("chunk", "split", "tensor_split"), shape_rules.split),
    "getitem": shape_rules.item,
}


class Walk:
    """Walks a graph in order and rewrites what the strides before it have moved apart.

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

    def run(self) -> None:
        """Rewrite every node that needs it.

        Raises:
            ValueError: naming the module that has no dense form.
        """
        for node in list(self.graph.nodes):
            if node.meta.get("shape") is None:
                continue
            if node.op == "placeholder":
                self._input(node)
            elif node.op == "call_module":
                self._module(node)
            elif node.op in ("call_function", "call_method"):
                rule = FUNCTION_RULES.get(self.operator_name(node), _unknown)
                rule(self, node, *node.args, **node.kwargs)

    def _input(self, node: fx.Node) -> None:
        axes = len(node.meta["shape"]) - 2
        if axes > 0:
            dims = tuple(range(2, 2 + axes))
            self.grids[node] = Grid(dims, (1,) * axes, (Fraction(1),) * axes)

    def _module(self, node: fx.Node) -> None:
        module = self.model.get_submodule(str(node.target))
        rule = next((rule for kinds, rule in MODULE_RULES if isinstance(module, kinds)), None)
        if rule is not None:
            rule(self, node, node.all_input_nodes[0], module)
        elif isinstance(module, POINTWISE_MODULES) or _is_activation(module):
            meeting_rules.pointwise(self, node)
            grid = self.grid(node)
            if grid is not None and grid.folded and isinstance(module, nn.BatchNorm1d):
                self.refuse(node, "it takes one vector for each image, and there is one per phase")
        else:
            _unknown(self, node)

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


def _is_activation(module: nn.Module) -> bool:
    own = type(module).__module__ == "torch.nn.modules.activation"
    return own and not isinstance(module, nn.MultiheadAttention)


def _unknown(walk: Walk, node: fx.Node, *args: Any, **kwargs: Any) -> None:
    """An operator without a rule: no matter where both networks hold the same tensor."""
    grids = [(n, walk.grids[n]) for n in node.all_input_nodes if n in walk.grids]
    if any(grid.is_dense for _, grid in grids):
        walk.refuse(node, f"there is no rule for {walk.operator_name(node)} on a dense tensor")
    for source, grid in grids:
        if source.meta.get("shape") == node.meta["shape"]:
            walk.grids[node] = grid
