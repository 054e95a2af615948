"""A strided network made dense with the same weights: features for every pixel."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wavestack.explain.compare import Answer, draw_answers, enlarge, luminance, strongest
from wavestack.explain.style import heat
from wavestack.layers import AtrousConv2d, densify
from wavestack.receptive_field import analyze

ORIENTATIONS = 8
TAPS = 5


class EdgeNet(nn.Sequential):
    """A network of fixed weights that answers to long straight edges, of output stride 8.

    The first layer takes the derivative in eight directions; two depthwise layers then keep of each
    what goes on along its edge; the last adds them up. A ReLU and a 3 x 3 maximum of stride 2 stand
    behind all but the last, as in the stem of a classifier.

    Shape:
        x: (B, 1, H, W) -> (B, 1, ceil(H / 8), ceil(W / 8))

    Example:
        >>> EdgeNet()(torch.zeros(1, 1, 24, 40)).shape
        torch.Size([1, 1, 3, 5])
    """

    def __init__(self) -> None:
        edges, lines = oriented_filters()
        layers: list[nn.Module] = []
        for in_channels, weight in ((1, edges), (ORIENTATIONS, lines), (ORIENTATIONS, lines)):
            conv = AtrousConv2d(in_channels, ORIENTATIONS, TAPS, groups=in_channels, bias=False)
            conv.requires_grad_(False).weight.copy_(weight)
            layers += [conv, nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
        last = AtrousConv2d(ORIENTATIONS, 1, 1, bias=False).requires_grad_(False)
        last.weight.fill_(1.0)
        super().__init__(*layers, last)


def oriented_filters() -> tuple[Tensor, Tensor]:
    """Derivatives in eight directions, and line segments that run along their edges.

    Shape:
        -> two of (8, 1, 5, 5)
    """
    grid = torch.arange(TAPS) - (TAPS - 1) / 2
    y, x = torch.meshgrid(grid, grid, indexing="ij")
    angles = torch.arange(ORIENTATIONS)[:, None, None] * (2 * math.pi / ORIENTATIONS)
    across = x * torch.cos(angles) + y * torch.sin(angles)
    along = -x * torch.sin(angles) + y * torch.cos(angles)
    bell = torch.exp(-0.5 * (x**2 + y**2))
    edges = across * bell
    edges = edges / edges.clamp(min=0).sum((1, 2), keepdim=True)
    lines = torch.exp(-0.5 * ((across / 0.6) ** 2 + (along / 2.0) ** 2))
    # Sides that are as strong as the line itself cancel it: texture is no edge.
    lines = lines - 0.75 * torch.exp(-0.5 * ((across.abs() - 2) ** 2 / 0.5 + (along / 2.0) ** 2))
    lines = lines / lines.clamp(min=0).sum((1, 2), keepdim=True)
    return edges[:, None], lines[:, None]


def draw_extraction(picture: NDArray[np.float32], path: Path) -> str:
    """Draw a network's strided output, the same enlarged, and its dense output.

    Args:
        picture: (H, W, 3), red, green and blue from 0 to 1.
        path: file to write.

    Returns:
        what the picture shows, measured: one line
    """
    x = luminance(picture)
    net = EdgeNet().eval()
    dense_net = densify(net, 1, example_input=x)
    with torch.no_grad():
        sparse, dense = net(x), dense_net(x)
    report = analyze(net, x)
    field, stride = report.axes["H"].size, int(report.axes["H"].jump or 1)
    size = (x.shape[-2], x.shape[-1])
    counts = [f"{n.shape[-1]} x {n.shape[-2]} answers" for n in (sparse, dense)]
    answers = (
        Answer(f"network of output stride {stride}", counts[0],
               f"one answer for {stride * stride} pixels",
               enlarge(sparse, stride, size, "nearest")[0, 0]),
        Answer("enlarged", counts[0], "interpolated between them",
               enlarge(sparse, stride, size)[0, 0]),
        Answer("the same weights made dense", counts[1], "an answer for every pixel",
               dense[0, 0]),
    )  # fmt: skip
    draw_answers(
        picture,
        answers,
        strongest(dense, 10 * stride),
        path,
        colours=heat(),
        limits=(0.0, float(torch.quantile(dense.flatten()[::7], 0.998))),
    )
    difference = float((dense[..., ::stride, ::stride] - sparse).abs().max())
    return (
        f"{sparse.numel():,} answers of the strided network, {dense.numel():,} of the dense one, "
        f"each of {field} x {field} pixels; where both have one they differ by {difference:.1g} at "
        "most"
    )
