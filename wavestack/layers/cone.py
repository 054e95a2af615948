"""The cone behind the last outputs: a stack evaluated only where those outputs need it.

The last output of a dilated stack reads few positions of each level. With kernel 2 and dilations
1, 2, 4 (o: needed, ·: not)::

    outputs     · · · · · · · o
    dilation 4  · · · o · · · o
    dilation 2  · o · o · o · o
    dilation 1  o o o o o o o o     the input

Which positions these are is the receptive-field calculator's answer (``Window.pull``), level by
level. Here a level is the tensor of its needed columns alone, and a convolution leads from the
columns of one level to those of the next (see ``cone_read``).
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wavestack.layers.comb import spaced
from wavestack.layers.cone_read import columns_of, plan_gather, plan_rows
from wavestack.receptive_field import sets
from wavestack.receptive_field.recording.running import recording
from wavestack.receptive_field.relation import Notes, Window
from wavestack.receptive_field.sets import IntSet

if TYPE_CHECKING:
    from wavestack.layers.conv1d import CausalConv1d
    from wavestack.layers.lookahead import LookaheadConv1d

    Conv: TypeAlias = "CausalConv1d | LookaheadConv1d"


@functools.lru_cache(maxsize=256)
def needed_levels(
    branches: tuple[tuple[Window, ...], ...], num_samples: int, num_outputs: int
) -> tuple[tuple[IntSet, ...], ...]:
    """The positions that the last outputs need, at every level of a residual stack.

    Args:
        branches: for each block the convolutions of its branch, first to last, to whose output the
            block's input is added.
        num_samples: T, of the input and so of every level.
        num_outputs: N, how many of the last outputs are wanted.

    Returns:
        For each block the positions of its input, those between its convolutions, and those of its
        output, which are the next block's input.

    Raises:
        ValueError: when num_outputs is not 1 to num_samples.

    Example:
        >>> stack = tuple((Window(2, padding=d, dilation=d),) for d in (1, 2, 4))
        >>> [block[0] for block in needed_levels(stack, 100, 1)]
        [range(92, 100), range(93, 100, 2), range(95, 100, 4)]
    """
    wanted: IntSet = last_outputs(num_samples, num_outputs)
    blocks: list[tuple[IntSet, ...]] = []
    for windows in reversed(branches):
        levels = [wanted]
        for window in reversed(windows):
            levels.insert(0, needed_input(window, levels[0], num_samples))
        # The way past the branch: with look-ahead its taps may miss the present sample.
        levels[0] = spaced(sets.union([levels[0], wanted]))
        wanted = levels[0]
        blocks.insert(0, tuple(levels))
    return tuple(blocks)


def last_outputs(num_samples: int, num_outputs: int) -> range:
    """The positions of the last outputs.

    Raises:
        ValueError: when num_outputs is not 1 to num_samples.
    """
    if not 1 <= num_outputs <= num_samples:
        raise ValueError(
            f"num_outputs must be 1 to {num_samples} for this signal, got {num_outputs}"
        )
    return range(num_samples - num_outputs, num_samples)


def needed_input(window: Window, want: IntSet, num_samples: int) -> IntSet:
    """The positions of a signal that some outputs of a convolution need; one where none is."""
    found = sets.clip(window.pull(want, False, Notes()), 0, num_samples)
    # With look-ahead all taps may fall into the zeros; a tensor without columns serves nobody.
    return range(sets.first(want), sets.first(want) + 1) if sets.is_empty(found) else spaced(found)


def window_of(conv: Conv) -> Window:
    """The index relation of a convolution that pads by its history."""
    return Window(conv.kernel_size[0], conv.stride[0], conv.history_samples, conv.dilation[0])


def refuse_batch_statistics(module: nn.Module) -> None:
    """Refuse a module whose outputs depend on positions outside the cone.

    Batch normalization in training mode takes mean and variance over all positions: over the cone
    alone they would be others, and the function another.

    Raises:
        ValueError: naming the normalization.
    """
    name = batch_statistics(module)
    if name is not None:
        raise ValueError(
            f"forward_last needs eval mode: {name} normalizes by the statistics of the whole "
            "batch, positions outside the cone included"
        )


def whole_in_graph(num_samples: int) -> bool:
    """Whether a graph is being made that needs all outputs, of which the last are then taken.

    A graph for every length cannot name positions; torch.compile cannot follow their arithmetic.
    The calculator's record of the cone would be of one example's columns, clipped at its borders,
    and without the layers: they are not called as modules.
    """
    if torch.compiler.is_dynamo_compiling() or isinstance(num_samples, torch.SymInt):
        return True
    return recording()


def batch_statistics(module: nn.Module) -> str | None:
    """The name of a part that now normalizes by the statistics of its batch, or None."""
    for name, part in module.named_modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and (
            part.training or part.running_mean is None
        ):
            return name
    return None


def last_of(model: Any, x: Tensor, num_outputs: int = 1) -> Tensor:
    """The last outputs of a model: by ``forward_last``, or where it has none, from all outputs.

    Also from all outputs where batch statistics make ``forward_last`` another function.

    Example:
        >>> last_of(nn.Conv1d(2, 3, kernel_size=1), torch.ones(4, 2, 10), num_outputs=5).shape
        torch.Size([4, 3, 5])
    """
    if hasattr(model, "forward_last") and batch_statistics(model) is None:
        return model.forward_last(x, num_outputs)
    return model(x)[..., -num_outputs:]


def take(x: Tensor, have: IntSet, want: IntSet) -> Tensor:
    """Some of the columns that a tensor holds.

    Args:
        x: its columns, last.
        have: their positions.
        want: the positions to keep, all of them in ``have``.

    Shape:
        x: (..., len(have)) -> (..., len(want))

    Example:
        >>> import torch
        >>> take(torch.tensor([10.0, 12.0, 14.0, 16.0]), range(0, 8, 2), range(2, 8, 4))
        tensor([12., 16.])
    """
    if have == want:
        return x
    if isinstance(have, range) and isinstance(want, range):
        first, last = have.index(want[0]), have.index(want[-1])
        return _Columns.apply(x, slice(first, last + 1, max(1, want.step // have.step)))
    return x.index_select(-1, columns_of(have, want).to(x.device))


class _Columns(torch.autograd.Function):
    """x[..., columns], of which the gradient keeps the order in memory.

    The gradient of torch's own slice is always contiguous. Where the channels lie innermost, sums
    with it then took twice the time of the convolutions.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, columns: slice) -> Tensor:
        ctx.columns, ctx.length = columns, x.shape[-1]
        return x[..., columns]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        shape = (*grad.shape[:-1], ctx.length)
        if grad.dim() == 3 and grad.stride(1) == 1:
            whole = grad.new_zeros(shape[0], shape[2], shape[1]).transpose(1, 2)
        else:
            whole = grad.new_zeros(shape)
        whole[..., ctx.columns] = grad
        return whole, None


def take_condition(condition: Tensor | None, num_samples: int, want: IntSet) -> Tensor | None:
    """The columns of a condition at some positions; a single one serves all.

    Raises:
        ValueError: when it has neither one column nor one for each sample.
    """
    if condition is None or condition.shape[-1] == 1:
        return condition
    if condition.shape[-1] != num_samples:
        raise ValueError(
            f"condition must have 1 or {num_samples} columns, got {condition.shape[-1]}"
        )
    return take(condition, range(num_samples), want)


def convolve_at(conv: Conv, x: Tensor, have: IntSet, want: IntSet) -> Tensor:
    """The columns ``want`` of a convolution from the columns ``have`` of its input.

    Equals ``take(conv(whole), range(T), want)``, zeros on both sides of the signal.

    Args:
        conv: a causal convolution or one that looks ahead.
        x: its input at the positions ``have``.
        have: the positions of the columns of x; all that ``want`` needs are among them.
        want: the positions of the output.

    Shape:
        x: (B, in_channels, len(have)) -> (B, out_channels, len(want))
    """
    window = window_of(conv)
    rows = plan_rows(window, have, want)
    if rows is None:
        index = plan_gather(window, have, want).to(x.device)
        taps = F.pad(x, (0, 1)).index_select(-1, index)  # a column of zeros beyond the borders
        return F.conv1d(taps, conv.weight, conv.bias, window.kernel, 0, 1, conv.groups)
    y = rows.convolve(x, conv.weight, conv.bias, conv.groups)
    return y if rows.gives == want else take(y, rows.gives, want)
