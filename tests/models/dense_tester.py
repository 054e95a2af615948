"""The shared test of networks for dense prediction: a subclass names its models, nothing else."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from wavestack.receptive_field import analyze

SIZES = ((64, 64), (65, 97), (72, 48), (37, 33))


def main_output(y: Tensor | dict[str, Tensor]) -> Tensor:
    """The logits, with or without an auxiliary head."""
    return y["out"] if isinstance(y, dict) else y


class DensePredictionTester:
    """What holds of every model from images to one logit for each class and pixel.

    A test class inherits from it and sets `model`, a class, and `arguments`, those of a small
    instance; the lists say what the constructor knows.

    Attributes:
        model: the class under test.
        arguments: of the constructor, besides num_classes.
        num_classes: of the instance.
        sizes: heights and widths that must come back.
        output_strides: at which the same parameters must appear; () where there is no choice.
        has_aux: whether `aux=True` gives {"out", "aux"}.
        has_dilated: whether `dilated=False` gives a control of the same parameters.
    """

    model: ClassVar[type[nn.Module]]
    arguments: ClassVar[dict[str, object]] = {}
    num_classes: ClassVar[int] = 4
    sizes: ClassVar[tuple[tuple[int, int], ...]] = SIZES
    output_strides: ClassVar[tuple[int, ...]] = (8, 16, 32)
    has_aux: ClassVar[bool] = True
    has_dilated: ClassVar[bool] = True

    def build(self, **options: object) -> nn.Module:
        """A small instance."""
        return self.model(self.num_classes, **{**self.arguments, **options})

    def image(self, batch: int, height: int, width: int) -> Tensor:
        """Images for the instance."""
        return torch.randn(batch, int(self.arguments.get("in_channels", 3)), height, width)

    @torch.no_grad()
    def test_logits_have_the_size_of_the_image(self):
        model = self.build().eval()
        for height, width in self.sizes:
            y = main_output(model(self.image(1, height, width)))
            assert y.shape == (1, self.num_classes, height, width)
            assert y.dtype == torch.float32
            assert torch.isfinite(y).all()

    def test_every_parameter_learns_from_one_image(self):
        model = self.build().train()
        y = model(self.image(1, 65, 49))
        loss = (
            sum(h.square().mean() for h in y.values()) if isinstance(y, dict) else y.square().mean()
        )
        loss.backward()
        without = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
        assert not without
        assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)

    @torch.no_grad()
    def test_evaluation_is_the_same_twice_and_for_each_image_of_a_batch(self):
        model = self.build().eval()
        x = self.image(2, 64, 48)
        together = main_output(model(x))
        torch.testing.assert_close(main_output(model(x)), together, rtol=0, atol=0)
        scale = float(together.abs().max())
        for i in range(2):
            alone = main_output(model(x[i : i + 1]))
            torch.testing.assert_close(alone, together[i : i + 1], rtol=0, atol=1e-5 * scale)

    @torch.no_grad()
    def test_weights_pass_to_another_instance(self):
        first, second = self.build().eval(), self.build().eval()
        second.load_state_dict(first.state_dict(), strict=True)
        x = self.image(1, 64, 48)
        torch.testing.assert_close(main_output(second(x)), main_output(first(x)), rtol=0, atol=0)

    def test_parameters_are_the_same_at_every_output_stride(self):
        if not self.output_strides:
            pytest.skip("no choice of output stride")
        shapes = [self._shapes(output_stride=stride) for stride in self.output_strides]
        assert all(other == shapes[0] for other in shapes)

    def test_the_undilated_control_has_the_same_parameters_and_no_rates(self):
        if not self.has_dilated:
            pytest.skip("nothing dilates")
        assert self._shapes(dilated=False) == self._shapes()
        with torch.device("meta"):
            control = self.build(dilated=False)
        rates = {m.dilation for m in control.modules() if isinstance(m, nn.Conv2d)}
        assert rates == {(1, 1)}

    @torch.no_grad()
    def test_the_auxiliary_head_changes_nothing_else(self):
        if not self.has_aux:
            pytest.skip("no auxiliary head")
        plain, both = self.build().eval(), self.build(aux=True).eval()
        missing, unexpected = both.load_state_dict(plain.state_dict(), strict=False)
        assert missing
        assert not unexpected
        x = self.image(1, 65, 49)
        y = both(x)
        assert set(y) == {"out", "aux"}
        assert y["aux"].shape == y["out"].shape == (1, self.num_classes, 65, 49)
        torch.testing.assert_close(y["out"], plain(x), rtol=0, atol=0)

    @torch.no_grad()
    def test_autocast_to_bfloat16_and_channels_last(self):
        model = self.build().eval()
        x = self.image(1, 64, 48)
        expected = main_output(model(x))
        model = model.to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            y = main_output(model(x.to(memory_format=torch.channels_last)))
        assert y.shape == expected.shape
        error = (y.float() - expected).square().mean() / expected.square().mean()
        assert error < 0.05  # eight bits of mantissa, dozens of layers

    def test_the_calculator_knows_every_operator(self):
        model = self.build().eval()
        report = analyze(model, self.image(1, 32, 32))
        assert not report.unknown
        assert set(report.axes) == {"H", "W"}

    @pytest.mark.parametrize("shape", [(1, 9, 64, 64), (3, 64, 64)])
    def test_what_is_no_batch_of_images_is_refused(self, shape):
        with pytest.raises(ValueError, match=r"\(B, \d+, H, W\)"):
            self.build().eval()(torch.zeros(shape))

    def _shapes(self, **options: object) -> dict[str, torch.Size]:
        with torch.device("meta"):  # no numbers are drawn
            model = self.build(**options)
        return {name: tensor.shape for name, tensor in model.state_dict().items()}
