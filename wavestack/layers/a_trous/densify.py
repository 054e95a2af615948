"""Stride into dilation: a dense network with the weights of a strided one."""

from __future__ import annotations

import copy

from torch import Tensor, fx, nn

from wavestack.layers.a_trous.rewrite import rewrite
from wavestack.layers.a_trous.trace import trace
from wavestack.layers.a_trous.walk import Walk

GLOBAL_POOLING = ("refuse", "per_phase")


def densify(
    model: nn.Module,
    output_stride: int,
    *,
    layer: str | None = None,
    global_pooling: str = "refuse",
    example_input: Tensor | None = None,
) -> fx.GraphModule:
    """Make a strided network dense, with the same weights: the algorithme à trous.

    A strided network answers at every k-th position. The dense one answers at every position
    between them too, and where both answer they agree: ``densify(model, s)(x)[..., ::k, ::k]``
    equals ``model(x)`` with k = model's stride / s, at the borders as well, for every size of image
    that the model takes. What lies between are the answers of the same network to shifted images.

    Every operator has a rate, the strides that were taken out before it on its path. A convolution
    at rate r is dilated by r and padded r times as far; its weights do not change. Max pools are
    dilated, average pools (of which torch has no dilated ones) become sums of shifted tensors
    divided by the number of positions that torch would count. The first strides of a path are kept
    as long as they fit into ``output_stride``, the others become dilation; a single stride of 4 may
    be kept by half.

    The copy of the model is traced by ``torch.fx`` in eval mode, because only the graph shows what
    a module list cannot: pools called as functions, branches that must meet at one rate, slices
    with a step. The result is an ordinary module with the parameter names of the model; the model
    itself stays as it is. Modules follow ``train()`` and ``eval()`` as before; what ``forward``
    decides by ``self.training`` itself stays as in eval mode (auxiliary heads are gone), and what
    it decides by the shape of its input (checks, mostly) stays as for ``example_input``.

    What joins all positions of an image (squeeze-excitation, image pooling, the pool before a
    classifier, group normalization) joins more of them in a dense network. It is refused, or works
    phase by phase: the positions that are equal modulo the rate are one strided network's, and it
    pools these alone. Phase 0 then is the strided network exactly, the others are the network on
    shifted images, borders aside. A network that ends in a vector gives one vector per phase,
    (B, K, rate, rate). Without a global pool a flattened window slides over larger images, as in
    Giusti et al.

    Args:
        model: any module that torch.fx can follow; of signals, images or volumes.
        output_stride: input positions per output position; a divisor of the model's own.
        layer: path of the submodule whose output is wanted; what follows it is left out.
        global_pooling: "refuse", or "per_phase".
        example_input: an input that the model takes, of which only shape and type matter. By
            default an image of 224 x 256 with the channels of the first convolution.

    Shape:
        x: (B, C, H, W) -> (B, C', H', W'), where the model has ceil(H' / k) rows

    Returns:
        The dense network, in the mode of the model.

    Raises:
        ValueError: when an argument is out of range, or naming the module that has no dense form:
            a global operator, an interpolation or transposed convolution behind a stride that was
            taken out, an operator without a rule, a forward that torch.fx cannot follow.

    References:
        Holschneider et al. (1990), A Real-Time Algorithm for Signal Analysis with the Help of the
        Wavelet Transform.
        Shensa (1992), The Discrete Wavelet Transform: Wedding the À Trous and Mallat Algorithms.
        Giusti et al. (2013), Fast Image Scanning with Deep Max-Pooling Convolutional Neural
        Networks.
        Chen et al. (2018), DeepLab, section 3.1; Yu, Koltun and Funkhouser (2017), Dilated Residual
        Networks.

    Notes:
        The strided convolution itself still reads its input at the old rate; only what follows is
        dilated. torchvision's ``replace_stride_with_dilation`` does so in the bottlenecks of
        ResNet-50 and larger, the only ones that it takes, and agrees. Code that dilates all
        convolutions of a stage, the first included, gives another function than the weights had.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.MaxPool2d(2), nn.Conv2d(4, 5, 3, 2, 1))
        >>> dense = densify(net, output_stride=1)
        >>> x = torch.randn(1, 3, 37, 50)
        >>> net(x).shape, dense(x).shape
        (torch.Size([1, 5, 5, 6]), torch.Size([1, 5, 35, 48]))
        >>> torch.allclose(dense(x)[..., ::8, ::8], net(x), atol=1e-6)
        True
    """
    if isinstance(output_stride, bool) or not isinstance(output_stride, int) or output_stride < 1:
        raise ValueError(f"output_stride must be a whole number >= 1, got {output_stride!r}")
    if global_pooling not in GLOBAL_POOLING:
        raise ValueError(f"global_pooling must be one of {GLOBAL_POOLING}, got {global_pooling!r}")
    dense = trace(copy.deepcopy(model).eval(), layer, example_input)
    walk = Walk(model, dense, dense.graph, output_stride, global_pooling == "per_phase")
    rewrite(walk)
    if walk.reached % output_stride:
        raise ValueError(
            f"output_stride must be a divisor of the model's own, {walk.reached}, "
            f"got {output_stride}"
        )
    for node in dense.graph.nodes:
        for key in ("shape", "several", "value"):
            node.meta.pop(key, None)
    dense.graph.lint()
    dense.delete_all_unused_submodules()
    dense.recompile()
    modes = {path: part.training for path, part in model.named_modules()}
    for path, part in dense.named_modules():
        part.training = modes.get(path, model.training)
    return dense
