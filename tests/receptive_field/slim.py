"""The networks of TF-Slim at width 1: kernels, strides, paddings and branches as they are there."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.utils import _pair

Kernel = int | tuple[int, int]


class Same(nn.Module):
    """TensorFlow's SAME padding before a convolution or pool."""

    def __init__(self, core: nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d) -> None:
        super().__init__()
        self.core = core

    def forward(self, x: Tensor) -> Tensor:
        pads: list[int] = []
        for dim in (-1, -2):
            n, kernel = x.shape[dim], _pair(self.core.kernel_size)[dim]
            stride = _pair(self.core.stride)[dim]
            total = max((-(-n // stride) - 1) * stride + kernel - n, 0)
            pads += [total // 2, total - total // 2]
        return self.core(F.pad(x, pads))


def conv(kernel: Kernel, stride: int = 1) -> nn.Module:
    """A convolution with SAME padding."""
    core = nn.Conv2d(1, 1, kernel, stride)
    return core if kernel == 1 else Same(core)


def valid(kernel: Kernel, stride: int = 1) -> nn.Module:
    """A convolution with VALID padding, which is none."""
    return nn.Conv2d(1, 1, kernel, stride)


def max_pool(kernel: int, stride: int) -> nn.Module:
    """A maximum pool with SAME padding."""
    return Same(nn.MaxPool2d(kernel, stride))


def valid_max_pool(kernel: int, stride: int) -> nn.Module:
    """A maximum pool with VALID padding."""
    return nn.MaxPool2d(kernel, stride)


def avg_pool() -> nn.Module:
    """The average pool of the Inception modules."""
    return Same(nn.AvgPool2d(3, 1))


def alexnet_v2() -> nn.Module:
    pool = valid_max_pool(3, 2)
    return nn.Sequential(valid(11, 4), pool, conv(5), pool, conv(3), conv(3), conv(3), pool)


def vgg_16() -> nn.Module:
    layers: list[nn.Module] = []
    for number in (2, 2, 3, 3, 3):
        layers += [*(conv(3) for _ in range(number)), valid_max_pool(2, 2)]
    return nn.Sequential(*layers)


def mobilenet_v1() -> nn.Module:
    strides = (2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
    return nn.Sequential(*(conv(3, stride) for stride in strides))


# ---- ResNet v1 ----------------------------------------------------------------------------------


def padded(kernel: int, stride: int) -> nn.Module:
    """``conv2d_same`` of TF-Slim: the padding does not depend on the input size."""
    return nn.Conv2d(1, 1, kernel, stride, (kernel - 1) // 2)


class Bottleneck(nn.Module):
    """A unit of ResNet v1: the stride is in its 3x3 convolution."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(conv(1), padded(3, stride), conv(1))
        self.short = nn.MaxPool2d(1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + self.short(x)


def resnet_v1(*units: int) -> nn.Module:
    layers = [padded(7, 2), max_pool(3, 2)]
    for block, number in enumerate(units):
        # The last unit of every block but the last one strides.
        layers += [Bottleneck(2 if k == number - 1 and block < 3 else 1) for k in range(number)]
    return nn.Sequential(*layers)


# ---- Inception ----------------------------------------------------------------------------------


class Mixed(nn.Module):
    """Branches side by side, concatenated, and averaged back to width 1."""

    def __init__(self, *branches: list[nn.Module]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Sequential(*branch) for branch in branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1).mean(1, keepdim=True)


class Block(nn.Module):
    """A residual block of Inception-ResNet: branches, a 1x1 convolution, the sum."""

    def __init__(self, *branches: list[nn.Module]) -> None:
        super().__init__()
        self.body = nn.Sequential(Mixed(*branches), conv(1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def inception_v2() -> nn.Module:
    """Everything is SAME. The first layer is a separable 7x7, here its depthwise half."""

    def mixed() -> nn.Module:
        return Mixed(
            [conv(1)], [conv(1), conv(3)], [conv(1), conv(3), conv(3)], [avg_pool(), conv(1)]
        )

    def reduction() -> nn.Module:
        return Mixed([conv(1), conv(3, 2)], [conv(1), conv(3), conv(3, 2)], [max_pool(3, 2)])

    def pooled() -> nn.Module:  # Mixed_5c pools by maximum
        return Mixed(
            [conv(1)],
            [conv(1), conv(3)],
            [conv(1), conv(3), conv(3)],
            [max_pool(3, 1), conv(1)],
        )

    return nn.Sequential(
        *(conv(7, 2), max_pool(3, 2), conv(1), conv(3), max_pool(3, 2)),
        *(mixed() for _ in range(2)),  # Mixed_3b, 3c
        reduction(),  # Mixed_4a
        *(mixed() for _ in range(4)),  # Mixed_4b to 4e
        reduction(),  # Mixed_5a
        *(mixed(), pooled()),  # Mixed_5b, 5c
    )


def fork() -> nn.Module:
    """The 1x3 and 3x1 convolutions side by side at the end of a branch."""
    return Mixed([conv((1, 3))], [conv((3, 1))])


def seven(*orders: str) -> list[nn.Module]:
    """Convolutions of 1x7 ("w") and 7x1 ("h") in a row, behind a 1x1."""
    return [conv(1), *(conv((1, 7) if order == "w" else (7, 1)) for order in orders)]


def inception_v3() -> nn.Module:
    """The stem and the strided layers are VALID, the rest is SAME."""
    return nn.Sequential(
        *(valid(3, 2), valid(3), conv(3), valid_max_pool(3, 2)),
        *(conv(1), valid(3), valid_max_pool(3, 2)),
        *(
            Mixed([conv(1)], [conv(1), conv(5)], [conv(1), conv(3), conv(3)], [avg_pool(), conv(1)])
            for _ in range(3)  # Mixed_5b to 5d
        ),
        Mixed([valid(3, 2)], [conv(1), conv(3), valid(3, 2)], [valid_max_pool(3, 2)]),  # Mixed_6a
        *(
            Mixed([conv(1)], seven(*"wh"), seven(*"hwhw"), [avg_pool(), conv(1)])
            for _ in range(4)  # Mixed_6b to 6e
        ),
        Mixed([conv(1), valid(3, 2)], [*seven(*"wh"), valid(3, 2)], [valid_max_pool(3, 2)]),
        *(
            Mixed([conv(1)], [conv(1), fork()], [conv(1), conv(3), fork()], [avg_pool(), conv(1)])
            for _ in range(2)  # Mixed_7b, 7c
        ),
    )


def inception_v4() -> nn.Module:
    """The strided layers and three more of the stem are VALID, the rest is SAME."""
    return nn.Sequential(
        *(valid(3, 2), valid(3), conv(3)),
        Mixed([valid_max_pool(3, 2)], [valid(3, 2)]),  # Mixed_3a
        Mixed([conv(1), valid(3)], [*seven(*"wh"), valid(3)]),  # Mixed_4a
        Mixed([valid(3, 2)], [valid_max_pool(3, 2)]),  # Mixed_5a
        *(
            Mixed([conv(1)], [conv(1), conv(3)], [conv(1), conv(3), conv(3)], [avg_pool(), conv(1)])
            for _ in range(4)  # Mixed_5b to 5e
        ),
        Mixed([valid(3, 2)], [conv(1), conv(3), valid(3, 2)], [valid_max_pool(3, 2)]),  # Mixed_6a
        *(
            Mixed([conv(1)], seven(*"wh"), seven(*"hwhw"), [avg_pool(), conv(1)])
            for _ in range(7)  # Mixed_6b to 6h
        ),
        Mixed([conv(1), valid(3, 2)], [*seven(*"wh"), valid(3, 2)], [valid_max_pool(3, 2)]),
        *(
            Mixed(
                [conv(1)],
                [conv(1), fork()],
                [conv(1), conv((3, 1)), conv((1, 3)), fork()],
                [avg_pool(), conv(1)],
            )
            for _ in range(3)  # Mixed_7b to 7d
        ),
    )


def inception_resnet_v2(align_feature_maps: bool = False) -> nn.Module:
    """The stem and the strided layers are VALID, or, with ``align_feature_maps``, SAME as well."""
    edge, pool = (conv, max_pool) if align_feature_maps else (valid, valid_max_pool)
    return nn.Sequential(
        *(edge(3, 2), edge(3), conv(3), pool(3, 2), conv(1), edge(3), pool(3, 2)),
        Mixed([conv(1)], [conv(1), conv(5)], [conv(1), conv(3), conv(3)], [avg_pool(), conv(1)]),
        *(
            Block([conv(1)], [conv(1), conv(3)], [conv(1), conv(3), conv(3)])
            for _ in range(10)  # block35
        ),
        Mixed([edge(3, 2)], [conv(1), conv(3), edge(3, 2)], [pool(3, 2)]),  # Mixed_6a
        *(Block([conv(1)], seven(*"wh")) for _ in range(20)),  # block17
        Mixed(  # Mixed_7a
            [conv(1), edge(3, 2)],
            [conv(1), edge(3, 2)],
            [conv(1), conv(3), edge(3, 2)],
            [pool(3, 2)],
        ),
        *(Block([conv(1)], [conv(1), conv((1, 3)), conv((3, 1))]) for _ in range(10)),  # block8
        conv(1),
    )
