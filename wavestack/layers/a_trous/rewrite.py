"""Which rule rewrites which operator, and the pass over a graph that applies them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from torch import fx, nn

from wavestack.layers.a_trous import (
    global_rules,
    meeting_rules,
    pool_rules,
    shape_rules,
    window_rules,
)
from wavestack.layers.a_trous.grid import Grid
from wavestack.layers.a_trous.walk import Rule, Walk

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


def rewrite(walk: Walk) -> None:
    """Rewrite in order every node that the strides before it have moved apart.

    Raises:
        ValueError: naming the module that has no dense form.
    """
    for node in list(walk.graph.nodes):
        if node.meta.get("shape") is None:
            continue
        if node.op == "placeholder":
            _input(walk, node)
        elif node.op == "call_module":
            _module(walk, node)
        elif node.op in ("call_function", "call_method"):
            rule = FUNCTION_RULES.get(walk.operator_name(node), _unknown)
            rule(walk, node, *node.args, **node.kwargs)


def _input(walk: Walk, node: fx.Node) -> None:
    axes = len(node.meta["shape"]) - 2
    if axes > 0:
        dims = tuple(range(2, 2 + axes))
        walk.grids[node] = Grid(dims, (1,) * axes, (Fraction(1),) * axes)


def _module(walk: Walk, node: fx.Node) -> None:
    module = walk.model.get_submodule(str(node.target))
    rule = next((rule for kinds, rule in MODULE_RULES if isinstance(module, kinds)), None)
    if rule is not None:
        rule(walk, node, node.all_input_nodes[0], module)
    elif isinstance(module, POINTWISE_MODULES) or _is_activation(module):
        meeting_rules.pointwise(walk, node)
        grid = walk.grid(node)
        if grid is not None and grid.folded and isinstance(module, nn.BatchNorm1d):
            walk.refuse(node, "it takes one vector for each image, and there is one per phase")
    else:
        _unknown(walk, node)


def _unknown(walk: Walk, node: fx.Node, *args: Any, **kwargs: Any) -> None:
    """An operator without a rule: no matter where both networks hold the same tensor."""
    grids = [(n, walk.grids[n]) for n in node.all_input_nodes if n in walk.grids]
    if any(grid.is_dense for _, grid in grids):
        walk.refuse(node, f"there is no rule for {walk.operator_name(node)} on a dense tensor")
    for source, grid in grids:
        if source.meta.get("shape") == node.meta["shape"]:
            walk.grids[node] = grid


def _is_activation(module: nn.Module) -> bool:
    own = type(module).__module__ == "torch.nn.modules.activation"
    return own and not isinstance(module, nn.MultiheadAttention)
