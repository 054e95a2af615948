"""Small models of every kind, two channels wide: what the calculator is held against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Wired(nn.Module):
    """Modules put together by a function."""

    def __init__(self, wiring: Callable[..., Tensor], *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.wiring = wiring

    def forward(self, x: Tensor) -> Tensor:
        return self.wiring(x, *self.parts)


@dataclass
class Case:
    """One model.

    Attributes:
        build: makes it
        small: length of the axes for the calculator and for the borders
        large: length for the truth in the interior
        loose: NaNs reach further than gradients (exact zeros of an interpolation or a mask)
        pattern: whether the interior repeats
    """

    build: Callable[[], nn.Module]
    small: tuple[int, ...] = (48,)
    large: tuple[int, ...] = (144,)
    loose: bool = False
    pattern: bool = True


def conv(
    k: int = 3, s: int = 1, p: Any = 0, d: int = 1, i: int = 2, o: int = 2, **more: Any
) -> nn.Conv1d:
    return nn.Conv1d(i, o, k, s, p, d, **more)


def up(k: int, s: int, p: int = 0, **more: Any) -> nn.ConvTranspose1d:
    return nn.ConvTranspose1d(2, 2, k, s, p, **more)


def conv2(
    k: Any = 3, s: Any = 1, p: Any = 0, d: Any = 1, i: int = 2, o: int = 2, **more: Any
) -> nn.Conv2d:
    return nn.Conv2d(i, o, k, s, p, d, **more)


def causal(x: Tensor, layer: nn.Conv1d) -> Tensor:
    return layer(F.pad(x, ((layer.kernel_size[0] - 1) * layer.dilation[0], 0)))


def wavenet(x: Tensor, *layers: nn.Conv1d) -> Tensor:
    skips: Any = 0
    for layer in layers:
        filtered, gate = causal(x, layer).chunk(2, 1)
        h = torch.tanh(filtered) * torch.sigmoid(gate)
        skips = skips + h
        x = x + h
    return skips


def cropped_wavenet(x: Tensor, *layers: nn.Conv1d) -> Tensor:
    for layer in layers:
        h = F.glu(layer(x), dim=1)
        x = x[..., -h.shape[-1] :] + h
    return x


def swapped_channels(x: Tensor, a: nn.Module, b: nn.Module, c: nn.Module, d: nn.Module) -> Tensor:
    u, v = a(x[:, :1]), b(x[:, 1:])
    return torch.cat([d(u), c(v)], 1)


def data_loop(x: Tensor, layer: nn.Module) -> Tensor:
    n = 0
    while n < 3 and not bool(x.detach().abs().max() > 1e9):
        x = layer(x)
        n += 1
    return x


def written_slices(x: Tensor, layer: nn.Module) -> Tensor:
    y = torch.zeros_like(x)
    y[..., 1:] = x[..., :-1]
    y += layer(x)
    return y.relu_()


def written_channel(x: Tensor, layer: nn.Module) -> Tensor:
    y = layer(x)
    y[:, :1].mul_(2)
    y[:, 1] = x[:, 0].roll(1, -1)
    return layer(y)


def written_constant(x: Tensor) -> Tensor:
    b = torch.zeros(x.shape, dtype=x.dtype)
    b[..., ::2] = x[..., 1::2]
    b[..., 1::2] = x[..., ::2]
    return b


def python_loop(x: Tensor) -> Tensor:
    return torch.stack([x[..., t] + x[..., t - 1] for t in range(1, x.shape[-1])], -1)


def dual_path(x: Tensor, a: nn.Module) -> Tensor:
    """A convolution over segments, place by place."""
    B = x.shape[0]
    segments = x.reshape(B, 2, -1, 8).transpose(2, 3).reshape(B, 16, -1)
    return a(segments).reshape(B, 2, 8, -1).transpose(2, 3).reshape(B, 2, -1)


def periods(x: Tensor, a: nn.Module) -> Tensor:
    return a(x.reshape(x.shape[0], 2, -1, 3)).flatten(2)


def unet(x: Tensor, a: nn.Module, b: nn.Module, c: nn.Module, d: nn.Module) -> Tensor:
    top = a(x)
    low = c(F.max_pool1d(b(F.max_pool1d(top, 2)), 2))
    return d(torch.cat([F.interpolate(low, scale_factor=4), top], 1))


def unet_transposed(x: Tensor, a: nn.Module, b: nn.Module, u: nn.Module, d: nn.Module) -> Tensor:
    top = a(x)
    return d(torch.cat([u(b(F.max_pool1d(top, 2))), top], 1))


def linknet(x: Tensor, e1: nn.Module, e2: nn.Module, d2: nn.Module, d1: nn.Module) -> Tensor:
    one = e1(x)
    return d1(d2(e2(one)) + one)


def segnet(x: Tensor, a: nn.Module, b: nn.Module) -> Tensor:
    y, indices = F.max_pool1d(a(x), 2, 2, return_indices=True)
    return F.max_unpool1d(b(y), indices, 2, 2)


def banded_attention(x: Tensor) -> Tensor:
    q = x.transpose(1, 2)
    t = torch.arange(x.shape[-1])
    near = (t[:, None] - t[None]).abs() <= 2
    return F.scaled_dot_product_attention(q, q, q, attn_mask=near).transpose(1, 2)


def banded_by_hand(x: Tensor) -> Tensor:
    q = x.transpose(1, 2)
    t = torch.arange(x.shape[-1])
    far = (t[:, None] - t[None] > 3) | (t[:, None] < t[None])
    scores = (q @ q.transpose(1, 2)).masked_fill(far, float("-inf"))
    return (scores.softmax(-1) @ q).transpose(1, 2)


def windowed_attention(x: Tensor) -> Tensor:
    q = x.transpose(1, 2).reshape(x.shape[0], -1, 4, 2)
    return F.scaled_dot_product_attention(q, q, q).reshape(x.shape[0], -1, 2).transpose(1, 2)


def shifted_windows(x: Tensor) -> Tensor:
    y = windowed_attention(x) + x
    return torch.roll(windowed_attention(torch.roll(y, -2, -1)), 2, -1) + y


def frames(x: Tensor) -> Tensor:
    B, C, T = x.shape
    return x.contiguous().as_strided((B, C, (T - 5) // 3 + 1, 5), (C * T, T, 3, 1)).sum(-1)


def sub_pixel(x: Tensor, a: nn.Module, b: nn.Module) -> Tensor:
    y = a(x).reshape(x.shape[0], 2, 3, -1).permute(0, 1, 3, 2)
    return b(y.reshape(x.shape[0], 2, -1))


def nested(x: Tensor, *branches: nn.Module) -> Tensor:
    return torch.cat([branch(x) for branch in branches], 1)


def res2net(x: Tensor, a: nn.Module, b: nn.Module, mix: nn.Module) -> Tensor:
    first, second = x.chunk(2, 1)
    y = a(first)
    return mix(torch.cat([y, b(second + y)], 1))


def squeeze_only_channels(x: Tensor, layer: nn.Module) -> Tensor:
    return layer(x) * torch.sigmoid(x.mean(1, keepdim=True))


LINE: dict[str, Case] = {
    "three convolutions": Case(
        lambda: nn.Sequential(conv(3, 1, 1), conv(5, 2, 2), conv(4, 3, 1, 2))
    ),
    "padding same, even kernels": Case(
        lambda: nn.Sequential(conv(4, 1, "same", 3), conv(2, 1, "same"))
    ),
    "strided, dilated, even": Case(lambda: nn.Sequential(conv(4, 2, 3, 2), conv(2, 3, 0, 4))),
    "depthwise and grouped": Case(
        lambda: nn.Sequential(conv(3, 1, 1, groups=2), conv(1), conv(5, 2, 2, groups=2))
    ),
    "kernel 1": Case(lambda: nn.Sequential(conv(1), conv(1, 2))),
    "hybrid dilation 1 2 5": Case(
        lambda: nn.Sequential(conv(3, 1, 1, 1), conv(3, 1, 2, 2), conv(3, 1, 5, 5))
    ),
    "gridding 2 2 2": Case(
        lambda: nn.Sequential(conv(3, 1, 2, 2), conv(3, 1, 2, 2), conv(3, 1, 2, 2))
    ),
    "gridding 2 4": Case(lambda: nn.Sequential(conv(3, 1, 2, 2), conv(3, 1, 4, 4))),
    "transposed": Case(lambda: nn.Sequential(conv(3, 2, 1), up(4, 2, 1))),
    "transposed with gaps": Case(lambda: nn.Sequential(up(2, 3, 0, output_padding=1), nn.Tanh())),
    "transposed, output padding, dilation": Case(
        lambda: nn.Sequential(conv(5, 3, 2), up(3, 2, 1, output_padding=1), up(5, 3, 1, dilation=2))
    ),
    "transposed then strided": Case(lambda: nn.Sequential(up(3, 3), conv(3, 2, 1))),
    "pools": Case(lambda: nn.Sequential(nn.MaxPool1d(3, 2, 1), nn.AvgPool1d(2), conv())),
    "pool with ceil mode": Case(lambda: nn.Sequential(nn.MaxPool1d(3, 2, ceil_mode=True), conv())),
    "dilated pool": Case(lambda: nn.Sequential(nn.MaxPool1d(3, 1, 1, dilation=2), conv())),
    "average pool without padding": Case(
        lambda: nn.Sequential(nn.AvgPool1d(3, 1, 1, count_include_pad=False), conv(3, 2))
    ),
    "power pool": Case(lambda: nn.Sequential(nn.LPPool1d(2, 3, 2), conv(2))),
    "adaptive pool that divides": Case(
        lambda: Wired(lambda x: F.adaptive_avg_pool1d(x, x.shape[-1] // 3))
    ),
    "zero padding": Case(lambda: nn.Sequential(conv(3, 1, 1), conv(3, 2, 2, 2))),
    "reflect padding": Case(
        lambda: nn.Sequential(
            conv(3, 1, 1, padding_mode="reflect"), conv(3, 2, 2, 2, padding_mode="reflect")
        )
    ),
    "replicate padding": Case(
        lambda: nn.Sequential(
            conv(3, 1, 1, padding_mode="replicate"), conv(3, 2, 2, 2, padding_mode="replicate")
        )
    ),
    "circular padding": Case(
        lambda: nn.Sequential(
            conv(3, 1, 1, padding_mode="circular"), conv(3, 2, 2, 2, padding_mode="circular")
        )
    ),
    "causal padding": Case(lambda: Wired(causal, conv(3, 1, 0, 2))),
    "causal padding by concatenation": Case(
        lambda: Wired(
            lambda x, a: a(torch.cat([x.new_zeros(*x.shape[:2], 4), x], -1)), conv(3, 1, 0, 2)
        )
    ),
    "negative padding": Case(lambda: Wired(lambda x, a: a(F.pad(x, (-2, 3))), conv(3, 1, 1))),
    "circular by hand": Case(
        lambda: Wired(lambda x, a: a(torch.cat([x[..., -1:], x, x[..., :1]], -1)), conv(3))
    ),
    "roll": Case(lambda: Wired(lambda x, a: a(torch.roll(x, 1, -1)) + x, conv(3, 1, 1))),
    "crop and add": Case(lambda: Wired(lambda x, a: a(x)[..., 3:-2] + x[..., 2:-3], conv(3, 1, 1))),
    "slices as a convolution": Case(lambda: Wired(lambda x: x[..., 2:] * x[..., :-2])),
    "steps": Case(lambda: Wired(lambda x, a: a(x[..., 1::3]), conv())),
    "flip and back": Case(
        lambda: Wired(lambda x, a: causal(x.flip(-1), a).flip(-1) + x, conv(3, 1, 0, 2))
    ),
    "index with a constant": Case(
        lambda: Wired(lambda x, a: a(x)[..., torch.arange(0, x.shape[-1], 2)], conv(3, 1, 1))
    ),
    "index_select": Case(
        lambda: Wired(
            lambda x, a: a(x).index_select(-1, torch.arange(1, x.shape[-1], 3)), conv(3, 1, 1)
        )
    ),
    "difference": Case(lambda: Wired(lambda x: torch.diff(x, dim=-1))),
    "unfold and mean": Case(lambda: Wired(lambda x: x.unfold(-1, 5, 2).mean(-1))),
    "unfold and maximum": Case(lambda: Wired(lambda x: x.unfold(-1, 4, 3).amax(-1))),
    "strided view": Case(lambda: Wired(frames)),
    "view as pool": Case(lambda: Wired(lambda x: x.reshape(*x.shape[:2], -1, 2).mean(-1))),
    "pixel unshuffle in 1D": Case(
        lambda: Wired(
            lambda x, a: a(
                x.reshape(x.shape[0], 2, -1, 2).permute(0, 1, 3, 2).reshape(x.shape[0], 4, -1)
            ),
            conv(3, i=4),
        )
    ),
    "pixel shuffle in 1D": Case(lambda: Wired(sub_pixel, conv(3, 1, 1, o=6), conv(5, 1, 2))),
    "repeat_interleave": Case(
        lambda: Wired(lambda x, a: a(x.repeat_interleave(3, -1)), conv(3, 1, 1))
    ),
    "nearest x2": Case(
        lambda: Wired(lambda x, a: a(F.interpolate(x, scale_factor=2)), conv(3, 1, 1))
    ),
    "linear x2": Case(
        lambda: Wired(
            lambda x, a: F.interpolate(a(x), scale_factor=2, mode="linear"), conv(3, 2, 1)
        ),
        loose=True,
    ),
    "linear x3": Case(
        lambda: Wired(lambda x: F.interpolate(x, scale_factor=3, mode="linear")), loose=True
    ),
    "linear / 2": Case(
        lambda: Wired(lambda x: F.interpolate(x, scale_factor=0.5, mode="linear")), loose=True
    ),
    "linear / 3": Case(
        lambda: Wired(lambda x: F.interpolate(x, size=x.shape[-1] // 3, mode="linear")), loose=True
    ),
    "linear x2/3": Case(
        lambda: Wired(lambda x: F.interpolate(x, size=x.shape[-1] * 2 // 3, mode="linear")),
        loose=True,
    ),
    "nearest-exact x1.5": Case(
        lambda: Wired(lambda x: F.interpolate(x, scale_factor=1.5, mode="nearest-exact"))
    ),
    "area": Case(lambda: Wired(lambda x: F.interpolate(x, size=x.shape[-1] // 4, mode="area"))),
    "wavenet": Case(lambda: Wired(wavenet, *(conv(2, d=2**k, o=4) for k in range(4)))),
    "cropped wavenet": Case(
        lambda: Wired(cropped_wavenet, *(conv(2, d=2**k, o=4) for k in range(3)))
    ),
    "channels that never meet": Case(
        lambda: Wired(
            swapped_channels,
            *(conv(k, 1, k // 2, i=1, o=1) for k in (3, 5, 3, 5)),
        )
    ),
    "res2net": Case(
        lambda: Wired(res2net, conv(3, 1, 1, i=1, o=1), conv(3, 1, 1, i=1, o=1), conv(1, 2))
    ),
    "branches of unlike reach": Case(
        lambda: nn.Sequential(
            Wired(nested, conv(3, 1, 1), conv(3, 1, 6, 6), conv(1)), conv(1, i=6), conv(3, 1, 4, 4)
        )
    ),
    "shared module": Case(lambda: Wired(lambda x, a: a(a(a(x))), conv(3, 1, 1))),
    "dead branch": Case(
        lambda: Wired(lambda x, a, b: (b(x), a(x))[1], conv(3, 1, 1), conv(9, 1, 4))
    ),
    "loop that reads data": Case(lambda: Wired(data_loop, conv(3, 1, 1))),
    "slices written": Case(lambda: Wired(written_slices, conv(3, 1, 1))),
    "channels written": Case(lambda: Wired(written_channel, conv(3, 1, 1))),
    "constant overwritten": Case(lambda: Wired(written_constant)),
    "python loop over time": Case(lambda: Wired(python_loop), (24,), (48,)),
    "einsum": Case(
        lambda: Wired(
            lambda x, a: torch.einsum("bct,cd->bdt", a(x), torch.ones(2, 3, dtype=x.dtype)),
            conv(3, 1, 1),
        )
    ),
    "linear over channels": Case(
        lambda: Wired(lambda x, a, f: f(a(x).mT).mT, conv(3, 1, 1), nn.Linear(2, 3))
    ),
    "layer norm over channels": Case(
        lambda: Wired(lambda x, a, n: n(a(x).mT).mT, conv(3, 1, 1), nn.LayerNorm(2))
    ),
    "norms and activations": Case(
        lambda: nn.Sequential(conv(3, 1, 1), nn.BatchNorm1d(2).eval(), nn.PReLU(), nn.Softmax(1))
    ),
    "channel attention": Case(lambda: Wired(squeeze_only_channels, conv(3, 1, 1))),
    "u-net": Case(
        lambda: Wired(unet, conv(3, 1, 1), conv(3, 1, 1), conv(3, 1, 1), conv(3, 1, 1, i=4))
    ),
    "u-net, transposed": Case(
        lambda: Wired(unet_transposed, conv(3, 1, 1), conv(3, 1, 1), up(2, 2), conv(3, 1, 1, i=4))
    ),
    "linknet": Case(
        lambda: Wired(
            linknet,
            conv(3, 2, 1),
            conv(3, 2, 1),
            up(3, 2, 1, output_padding=1),
            up(3, 2, 1, output_padding=1),
        )
    ),
    "segments, place by place": Case(
        lambda: Wired(dual_path, conv(3, 1, 1, i=16, o=16, groups=16))
    ),
    "columns of a period": Case(lambda: Wired(periods, nn.Conv2d(2, 2, (3, 1), padding=(1, 0)))),
    "linear x2, aligned corners": Case(
        lambda: Wired(
            lambda x, a: F.interpolate(a(x), scale_factor=2, mode="linear", align_corners=True),
            conv(3, 2, 1),
        ),
        loose=True,
    ),
    "weight norm": Case(
        lambda: nn.Sequential(nn.utils.parametrizations.weight_norm(conv(3, 1, 1)), conv(3, 2))
    ),
    "spectral norm": Case(
        lambda: nn.Sequential(nn.utils.parametrizations.spectral_norm(conv(3, 1, 1)), conv(3, 2))
    ),
    "branches stacked and averaged": Case(
        lambda: Wired(
            lambda x, a, b: torch.stack([a(x), b(x)]).mean(0), conv(3, 1, 1), conv(5, 1, 2)
        )
    ),
    "local response norm": Case(
        lambda: Wired(lambda x, a: F.local_response_norm(a(x), 2), conv(3, 1, 1))
    ),
    "channels rolled apart": Case(
        lambda: Wired(
            lambda x, a: torch.stack([u.roll(k, -1) for k, u in enumerate(a(x).unbind(1))], 1),
            conv(3, 1, 1),
        )
    ),
    "gather with a constant": Case(
        lambda: Wired(
            lambda x: (
                x.gather(-1, (torch.arange(x.shape[-1] - 2) + 2).expand(1, 2, -1)) + x[..., :-2]
            )
        )
    ),
    "boolean index": Case(
        lambda: Wired(lambda x, a: a(x)[:, :, torch.arange(x.shape[-1]) % 2 == 0], conv(3, 1, 1))
    ),
    "banded attention": Case(lambda: Wired(banded_attention), loose=True),
    "banded attention by hand": Case(lambda: Wired(banded_by_hand), loose=True),
    "windowed attention": Case(lambda: Wired(windowed_attention)),
    "shifted windows": Case(lambda: Wired(shifted_windows)),
    "window function": Case(
        lambda: Wired(
            lambda x, a: a(x) * torch.hamming_window(x.shape[-1], dtype=x.dtype), conv(3, 1, 1)
        )
    ),
}


def aspp(x: Tensor, *branches: nn.Module) -> Tensor:
    return torch.cat([branch(x) for branch in branches], 1)


def unet2(x: Tensor, a: nn.Module, b: nn.Module, u: nn.Module, d: nn.Module) -> Tensor:
    top = a(x)
    return d(torch.cat([u(b(F.avg_pool2d(top, 2))), top], 1))


def bilinear_head(x: Tensor, a: nn.Module) -> Tensor:
    y = a(x)
    size = (y.shape[-2] * 4, y.shape[-1] * 4)
    return F.interpolate(y, size=size, mode="bilinear", align_corners=False)


def fold(x: Tensor) -> Tensor:
    return F.fold(F.unfold(x, 3, 2, 2, 2), x.shape[-2:], 3, 2, 2, 2)


def windows2d(x: Tensor) -> Tensor:
    B, C, H, W = x.shape
    y = x.permute(0, 2, 3, 1).reshape(B, H // 4, 4, W // 4, 4, C).permute(0, 1, 3, 2, 4, 5)
    q = y.reshape(-1, 16, C)
    out = torch.softmax(q @ q.transpose(1, 2), -1) @ q
    out = out.reshape(B, H // 4, W // 4, 4, 4, C).permute(0, 1, 3, 2, 4, 5)
    return out.reshape(B, H, W, C).permute(0, 3, 1, 2)


def shifted2d(x: Tensor) -> Tensor:
    y = windows2d(x) + x
    return torch.roll(windows2d(torch.roll(y, (-2, -2), (2, 3))), (2, 2), (2, 3)) + y


PLANE: dict[str, Case] = {
    "vgg": Case(
        lambda: nn.Sequential(conv2(3, 1, 1), nn.MaxPool2d(2), conv2(3, 1, 1), nn.MaxPool2d(2)),
        (16, 20),
        (40, 48),
    ),
    "unlike axes": Case(
        lambda: nn.Sequential(
            conv2((3, 5), (1, 2), (1, 0), (2, 1)), conv2((1, 4), (3, 1), 0, (1, 2))
        ),
        (20, 24),
        (48, 60),
    ),
    "aspp 2 4": Case(
        lambda: nn.Sequential(
            Wired(aspp, conv2(1), conv2(3, 1, 2, 2), conv2(3, 1, 4, 4)), conv2(1, i=6)
        ),
        (16, 18),
        (36, 36),
    ),
    "chained aspp": Case(
        lambda: nn.Sequential(
            Wired(aspp, conv2(1), conv2(3, 1, 2, 2)),
            conv2(1, i=4),
            Wired(aspp, conv2(1), conv2(3, 1, 3, 3)),
        ),
        (16, 18),
        (36, 36),
    ),
    "hybrid dilation 1 2 3": Case(
        lambda: nn.Sequential(conv2(3, 1, 1), conv2(3, 1, 2, 2), conv2(3, 1, 3, 3)),
        (16, 14),
        (48, 45),
    ),
    "gridding 2 2": Case(
        lambda: nn.Sequential(conv2(3, 1, 2, 2), conv2(3, 1, 2, 2)), (12, 16), (36, 33)
    ),
    "depthwise separable": Case(
        lambda: nn.Sequential(
            conv2(3, 2, 1, groups=2), conv2(1), conv2(5, 1, 2, groups=2), conv2(1)
        ),
        (16, 12),
        (48, 44),
    ),
    "u-net": Case(
        lambda: Wired(
            unet2,
            conv2(3, 1, 1),
            conv2(3, 1, 1),
            nn.ConvTranspose2d(2, 2, 2, 2),
            conv2(3, 1, 1, i=4),
        ),
        (12, 16),
        (48, 44),
    ),
    "bilinear head": Case(
        lambda: Wired(bilinear_head, conv2(3, 2, 1)), (12, 16), (24, 30), loose=True
    ),
    "bicubic x2": Case(
        lambda: Wired(lambda x: F.interpolate(x, scale_factor=2, mode="bicubic")),
        (10, 12),
        (18, 20),
        loose=True,
    ),
    "bilinear / 2, antialiased": Case(
        lambda: Wired(
            lambda x: F.interpolate(
                x, size=(x.shape[-2] // 2, x.shape[-1] // 2), mode="bilinear", antialias=True
            )
        ),
        (16, 20),
        (36, 40),
        loose=True,
    ),
    "pixel shuffle": Case(
        lambda: nn.Sequential(conv2(3, 1, 1, o=8), nn.PixelShuffle(2), conv2(3, 1, 1)),
        (10, 12),
        (20, 24),
    ),
    "pixel unshuffle": Case(
        lambda: nn.Sequential(nn.PixelUnshuffle(2), conv2(3, 1, 1, i=8)), (12, 16), (36, 40)
    ),
    "unfold as convolution": Case(
        lambda: Wired(
            lambda x: (
                torch.ones(3, 18, dtype=x.dtype)
                .matmul(F.unfold(x, 3, 1, 1))
                .reshape(x.shape[0], 3, *x.shape[-2:])
            )
        ),
        (10, 12),
        (20, 24),
    ),
    "fold": Case(lambda: Wired(fold), (13, 17), (37, 41)),
    "flip in one axis": Case(
        lambda: Wired(lambda x, a: a(x.flip(3)).flip(3), conv2((3, 2))), (10, 12), (30, 33)
    ),
    "transposed picture": Case(
        lambda: Wired(lambda x, a, b: b(a(x).mT).mT, conv2((3, 1)), conv2((5, 1), (2, 1))),
        (12, 16),
        (30, 45),
    ),
    "channels last linear": Case(
        lambda: Wired(
            lambda x, a, f: f(a(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2),
            conv2(3, 1, 1),
            nn.Linear(2, 3),
        ),
        (10, 12),
        (24, 27),
    ),
    "rows as a batch": Case(
        lambda: Wired(
            lambda x, a: (
                a(x.permute(0, 2, 1, 3).reshape(-1, 2, x.shape[-1]))
                .reshape(x.shape[0], x.shape[-2], 2, -1)
                .permute(0, 2, 1, 3)
            ),
            conv(3, 1, 1),
        ),
        (8, 12),
        (24, 27),
    ),
    "windows": Case(lambda: Wired(windows2d), (12, 16), (24, 28)),
    "shifted windows": Case(lambda: Wired(shifted2d), (16, 12), (36, 40)),
}
