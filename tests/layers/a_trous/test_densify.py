"""densify on whole networks: torchvision's, our own, with global operators, and what it refuses."""

from __future__ import annotations

import pickle
import re
import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from wavestack.layers import ASPP, densify
from wavestack.models import FCN, DeepLabV3, DilatedVGG, LinkNet
from wavestack.models.backbones import make_backbone
from wavestack.receptive_field import analyze

torchvision = pytest.importorskip("torchvision")


def named(name: str, **options) -> nn.Module:
    """A torchvision model with random weights and statistics, in eval mode."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = torchvision.models.get_model(name, weights=None, **options)
    return with_statistics(model)


def with_statistics(model: nn.Module) -> nn.Module:
    """Batch normalizations as after training: none of them the identity."""
    for part in model.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            nn.init.uniform_(part.running_mean, -0.2, 0.2)
            nn.init.uniform_(part.running_var, 0.5, 2.0)
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.uniform_(part.bias, -0.2, 0.2)
    return model.eval()


def output_of(model: nn.Module, layer: str, x: torch.Tensor) -> torch.Tensor:
    """What a submodule of the untouched model returns."""
    caught = []
    module = model.get_submodule(layer)
    handle = module.register_forward_hook(lambda _m, _i, out: caught.append(out.clone()))
    model(x)
    handle.remove()
    return caught[-1]


def assert_equal(dense: torch.Tensor, strided: torch.Tensor) -> None:
    """To 1e-5 of the largest value."""
    scale = float(strided.detach().abs().max())
    torch.testing.assert_close(dense / scale, strided / scale, atol=1e-5, rtol=0)


NETS = [
    ("resnet18", "layer4", 32, 8),
    ("vgg11_bn", "features", 32, 8),
    ("mobilenet_v2", "features", 32, 8),
    ("densenet121", "features", 32, 8),
    ("squeezenet1_1", "features", 16, 2),
]
MORE_NETS = [
    ("googlenet", "inception5b", 32, 8),
    ("shufflenet_v2_x0_5", "conv5", 32, 8),
    ("resnet18", "layer4", 32, 1),
    ("resnet50", "layer4", 32, 16),
    ("vgg11", "features", 32, 4),
    ("regnet_x_400mf", "trunk_output", 32, 8),
    ("mnasnet0_5", "layers", 32, 8),
    ("resnext50_32x4d", "layer4", 32, 8),
    ("wide_resnet50_2", "layer4", 32, 8),
    ("resnet50", "layer4", 32, 2),
    ("vgg16", "features", 32, 1),
    ("vgg16_bn", "features", 32, 8),
    ("mobilenet_v2", "features", 32, 1),
    ("densenet121", "features", 32, 2),
    ("googlenet", "inception5b", 32, 1),
    ("squeezenet1_0", "features", 16, 1),
    ("inception_v3", "Mixed_7c", 32, 4),
    ("convnext_tiny", "features", 32, 8),
    ("alexnet", "features", 32, 2),
]


def compare(name: str, layer: str, stride: int, output_stride: int, sizes) -> None:
    options = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
    model = named(name, **options)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    dense = densify(model, output_stride, layer=layer)
    k = stride // output_stride
    with torch.no_grad():
        for size in sizes:
            x = torch.randn(1, 3, *size)
            assert_equal(dense(x)[..., ::k, ::k], output_of(model, layer, x))
    weights = dense.state_dict()
    assert weights
    assert all(torch.equal(weights[key], before[key]) for key in weights)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize(("name", "layer", "stride", "output_stride"), NETS)
def test_torchvision_nets_at_odd_and_even_sizes(name, layer, stride, output_stride):
    compare(name, layer, stride, output_stride, ((41, 65), (64, 50)))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "layer", "stride", "output_stride"), MORE_NETS)
def test_more_of_torchvision(name, layer, stride, output_stride):
    smallest = 75 if name == "inception_v3" else 63
    compare(name, layer, stride, output_stride, [(smallest + i, smallest + 20 - i) for i in (0, 7)])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18d", "resnet26t", "resnetblur18", "resnetaa50", "gluon"])
def test_timm_resnets_with_mean_pools_and_blurred_strides(name):
    timm = pytest.importorskip("timm")
    model = with_statistics(timm.create_model("resnet50c" if name == "gluon" else name))
    dense = densify(model, 4, layer="layer4")
    with torch.no_grad():
        # Mean pools that drop an odd row, beside shortcuts that keep it, take even sizes only.
        for size in ((96, 128), (64, 160) if name == "resnetaa50" else (97, 110)):
            x = torch.randn(1, 3, *size)
            assert_equal(dense(x)[..., ::8, ::8], output_of(model, "layer4", x))


@pytest.mark.parametrize("name", ["resnet18", "vgg16_bn", "drn_c_26", "xception41"])
def test_our_backbones_at_every_stage(name):
    backbone = with_statistics(make_backbone(name, base_channels=4))
    x = torch.randn(1, 3, 67, 98)
    for output_stride in (8,) if name == "xception41" else (8, 2):
        dense = densify(backbone, output_stride)
        for stride, ours, strided in zip(backbone.strides, dense(x), backbone(x), strict=True):
            k = max(1, stride // output_stride)
            assert_equal(ours[..., ::k, ::k], strided)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_the_backbones_own_output_stride_is_the_same_transform(name):
    strided = with_statistics(make_backbone(name, base_channels=4))
    dilated = make_backbone(name, output_stride=8, base_channels=4).eval()
    dilated.load_state_dict(strided.state_dict())
    x = torch.randn(1, 3, 96, 64)
    with torch.no_grad():
        assert_equal(densify(strided, 8)(x)[-1], dilated(x)[-1])


def test_our_segmentation_networks_up_to_their_scores():
    x = torch.randn(1, 3, 65, 97)
    fcn = with_statistics(FCN(5, "resnet18", skips=0, base_channels=4))
    dense = densify(fcn, 8, layer="classifier")
    assert_equal(dense(x)[..., ::4, ::4], output_of(fcn, "classifier", x))
    front_end = DilatedVGG(5, base_channels=4, channels=8, padding="same").eval()
    dense = densify(front_end, 2, layer="context")
    assert_equal(dense(x)[..., ::4, ::4], output_of(front_end, "context", x))
    deep = with_statistics(DeepLabV3(5, "resnet18", 16, base_channels=4))
    dense = densify(deep, 4, layer="classifier", global_pooling="per_phase")
    assert_equal(dense(x)[..., ::4, ::4], output_of(deep, "classifier", x))


def test_torchvisions_replaced_strides_agree_where_they_exist():
    strided = named("resnet50")
    dilated = named("resnet50", replace_stride_with_dilation=[False, True, True])
    dilated.load_state_dict(strided.state_dict())
    x = torch.randn(1, 3, 66, 65)
    with torch.no_grad():
        theirs = output_of(dilated, "layer4", x)
        assert_equal(densify(strided, 8, layer="layer4")(x), theirs)
    with pytest.raises(NotImplementedError):
        named("resnet18", replace_stride_with_dilation=[False, False, True])


def test_dilating_the_strided_convolution_itself_is_another_function():
    strided = named("resnet18")
    careless = named("resnet18")
    for part in careless.layer4.modules():
        if isinstance(part, nn.Conv2d):
            part.stride, part.dilation = (1, 1), (2, 2)
            part.padding = tuple(2 * p for p in part.padding)
    careless.load_state_dict(strided.state_dict())
    x = torch.randn(1, 3, 65, 65)
    with torch.no_grad():
        wanted = output_of(strided, "layer4", x)
        assert_equal(densify(strided, 16, layer="layer4")(x)[..., ::2, ::2], wanted)
        off = (output_of(careless, "layer4", x)[..., ::2, ::2] - wanted).abs().max()
    assert off > 0.1 * wanted.abs().max()


def slow(*values: str) -> object:
    return pytest.param(*values, marks=pytest.mark.slow)


GLOBAL = [
    ("resnet18", "avgpool"),
    ("mobilenet_v3_small", "features.4.block.2.avgpool"),
    slow("vgg11", "avgpool"),
    slow("mobilenet_v2", "adaptive_avg_pool2d"),
    slow("efficientnet_b0", "features.4.0.block.2.avgpool"),
    slow("regnet_y_400mf", "trunk_output.block3.block3-0.f.se.avgpool"),
    slow("mnasnet0_5", "mean"),
]


@pytest.mark.parametrize(("name", "where"), GLOBAL)
def test_global_pooling_is_refused_by_name_or_done_per_phase(name, where):
    model = named(name)
    with pytest.raises(ValueError, match=re.escape(where)) as refused:
        densify(model, 8)
    assert "\n" not in str(refused.value)
    dense = densify(model, 8, global_pooling="per_phase")
    x = torch.randn(2, 3, 66, 65)
    with torch.no_grad():
        y = dense(x)
        assert_equal(y[:, :, 0, 0], model(x))
    assert y.shape == (2, 1000, 4, 4)


class SqueezeExcitation(nn.Module):
    """In the form with linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 2, 2)
        self.fc = nn.Sequential(nn.Linear(6, 3), nn.ReLU(), nn.Linear(3, 6), nn.Sigmoid())

    def forward(self, x):
        x = self.conv(x)
        b, c = x.shape[:2]
        y = self.fc(x.mean((2, 3)).view(b, c)).view(b, c, 1, 1)
        return x * y.expand_as(x)


def test_every_phase_is_the_network_on_a_shifted_image():
    groups = nn.Sequential(nn.Conv2d(3, 6, 2, 2), nn.GroupNorm(2, 6), nn.InstanceNorm2d(6))
    pyramid = nn.Sequential(nn.Conv2d(3, 6, 2, 2), ASPP(6, (1,), 6), nn.Conv2d(6, 2, 1))
    bins = nn.Sequential(nn.Conv2d(3, 6, 2, 2), nn.AdaptiveMaxPool2d((2, 3)), nn.Flatten())
    x = torch.randn(2, 3, 15, 20)
    for model in (SqueezeExcitation(), groups.eval(), bins):
        dense = densify(model, 1, global_pooling="per_phase")(x)
        for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
            shifted = model(x[..., i:, j:])
            phase = dense[..., i::2, j::2]
            torch.testing.assert_close(phase.reshape(shifted.shape), shifted, atol=1e-5, rtol=0)
    pyramid = with_statistics(pyramid)
    dense = densify(pyramid, 1, global_pooling="per_phase")(x)
    torch.testing.assert_close(dense[..., ::2, ::2], pyramid(x), atol=1e-5, rtol=0)


def test_a_classifier_of_patches_slides_over_an_image():
    """Giusti et al. (2013): what patch by patch would cost a pass for every pixel."""
    patches = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(4 * 3 * 4, 8), nn.Tanh(), nn.Linear(8, 3), nn.LogSoftmax(1),
    )  # fmt: skip
    image = torch.randn(1, 1, 31, 33)
    scan = densify(patches, 1, example_input=image[..., :18, :22])(image)
    assert scan.shape == (1, 3, 31 - 18 + 1, 33 - 22 + 1)
    for i, j in ((0, 0), (3, 7), (13, 11)):
        patch = image[..., i : i + 18, j : j + 22]
        torch.testing.assert_close(scan[..., i, j], patches(patch), atol=1e-5, rtol=0)


def test_the_receptive_field_stays_and_the_jump_shrinks():
    model = named("resnet18")
    x = torch.zeros(1, 3, 640, 640)
    strided = analyze(model, x, layer="layer4").axes["H"]
    dense = analyze(densify(model, 8, layer="layer4"), x).axes["H"]
    assert (dense.size, dense.start) == (strided.size, strided.start) == (435, -217)
    assert (dense.jump, strided.jump) == (8, 32)


class Forward(nn.Module):
    """A function behind a stride."""

    def __init__(self, function) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 3, 2, 2)
        self.function = function

    def forward(self, x):
        return self.function(self.down(x))


def with_rows(y):
    """The number of its row at every position."""
    rows = torch.arange(y.shape[2]).view(1, 1, -1, 1).expand(1, 3, -1, 128)
    return torch.cat([y, rows.to(y)], 1)


class Branching(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


class Pyramid(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 3, 2, 2)
        self.bias = nn.Parameter(torch.randn(3, 112, 128))
        self.mode = "add"

    def forward(self, x):
        y = self.down(x)
        if self.mode == "unequal":
            return nn.functional.max_pool2d(x, 3, 1, 1) + y.repeat(1, 1, 2, 2)
        return y + self.bias if self.mode == "add" else y.sum((2, 3)) / y.shape[-1]


def stem(*parts: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 3, 3, 2, 1), *parts)


REFUSED = [
    (stem(nn.Upsample(scale_factor=2)), "'1': it puts positions of its own between"),
    (stem(nn.ConvTranspose2d(3, 3, 2, 2)), "'1': it puts positions"),
    (stem(nn.PixelShuffle(1)), "'1': it puts positions"),
    (stem(nn.MaxPool2d(2, return_indices=True)), "positions of its maxima"),
    (stem(nn.LPPool2d(2, 2)), "no rule for LPPool2d"),
    (stem(nn.Fold((224, 256), 1)), "cannot densify '1'|does not take an input"),
    (stem(nn.Softmax(3)), "'1': Softmax joins the positions of an axis"),
    (stem(nn.LayerNorm((112, 128))), "knows its length"),
    (stem(nn.Flatten(2)), "merges the axes"),
    (stem(nn.Linear(128, 4)), "knows its length"),
    (Branching(), "cannot densify Branching: torch.fx cannot follow"),
    (nn.Sequential(Branching()), "cannot densify '0'"),
    (Pyramid(), "a value for each position"),
    (Forward(with_rows), "a value for each position"),
    (Forward(lambda y: y * y.shape[-1]), "computes with the size of an image"),
    (Forward(lambda y: F.avg_pool2d(y, y.shape[-1] // 2)), "kernel depends on the size"),
    (Forward(lambda y: F.pad(y, (0, y.shape[-1] % 4))), "padding is computed from the size"),
    (Forward(lambda y: y[..., y.shape[-1] // 2 :]), "depends on the size of the image"),
    (Forward(lambda y: y[..., 3]), "picks single positions"),
    (Forward(lambda y: y.cumsum(2)), "no rule for cumsum"),
    (Forward(lambda y: torch.cat([y, y], 3)), "joins images side by side"),
]


@pytest.mark.parametrize(("model", "message"), REFUSED)
def test_what_has_no_dense_form_is_refused_by_name(model, message):
    with pytest.raises(ValueError, match=message) as refused:
        densify(model, 1)
    assert "\n" not in str(refused.value)


def test_means_and_norms_of_a_vector_per_phase():
    model = Forward(lambda y: F.avg_pool2d(y, y.shape[2:]).flatten(1))
    dense = densify(model, 1, global_pooling="per_phase")
    x = torch.randn(2, 3, 10, 13)
    torch.testing.assert_close(dense(x)[..., 0, 0], model(x))
    with pytest.raises(ValueError, match="'1': it takes one vector for each image"):
        densify(nn.Sequential(model, nn.BatchNorm1d(3)), 1, global_pooling="per_phase")


def test_sums_that_count_positions_are_refused():
    model = Pyramid()
    model.mode = "sum"
    with pytest.raises(ValueError, match="sum has no form per phase"):
        densify(model, 1, global_pooling="per_phase")
    model.mode = "unequal"
    with pytest.raises(ValueError, match="no rule for repeat"):
        densify(model, 1)
    with pytest.raises(ValueError, match=r"'decoders.*puts positions of its own"):
        densify(LinkNet(3, base_channels=4), 8)


@pytest.mark.parametrize("output_stride", [0, -2, 1.5, True, 3, 64])
def test_output_strides_that_are_not_reached_are_named(output_stride):
    model = nn.Sequential(nn.Conv2d(3, 2, 3, 4), nn.MaxPool2d(2))
    with pytest.raises(ValueError, match=r"output_stride must .*" + str(output_stride)):
        densify(model, output_stride)


def test_wrong_arguments_are_named():
    model = nn.Conv2d(3, 2, 3, 2)
    with pytest.raises(ValueError, match="global_pooling must be"):
        densify(model, 1, global_pooling="mean")
    with pytest.raises(ValueError, match="layer must name a module"):
        densify(model, 1, layer="layer9")
    with pytest.raises(ValueError, match=r"does not take an input of shape \(1, 1, 9, 9\)"):
        densify(model, 1, example_input=torch.zeros(1, 1, 9, 9))


def test_the_result_is_an_ordinary_module():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.BatchNorm2d(4), nn.Dropout(), nn.MaxPool2d(2))
    dense = densify(model, 1)
    assert dense.training
    assert not densify(model.eval(), 1).training
    dense.load_state_dict(model.state_dict())
    assert dense.eval()(torch.zeros(1, 3, 20, 20)).shape == (1, 4, 16, 16)
    x = torch.randn(1, 3, 21, 20)
    again = pickle.loads(pickle.dumps(dense))
    assert torch.equal(again(x), dense(x))
    dense.train()(x).sum().backward()
    assert all(p.grad is not None for p in dense.parameters())
    assert all(p.grad is None for p in model.parameters())
