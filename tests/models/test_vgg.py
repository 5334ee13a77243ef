import pytest
import torch

from bnkit.models import VGG


@pytest.mark.parametrize(
    ("depth", "num_weights", "widths"),
    [
        # 3 * 64 + 64 * 128 + 128 * 256 + 256 * 256 + 256 * 512 + 3 * 512 * 512, times 9
        (11, 9_217_728, 2_752),
        # 64 * 64 + 128 * 128 more, times 9
        (13, 9_402_048, 2_944),
    ],
)
def test_parameters_by_pencil(depth, num_weights, widths):
    model = VGG((3, 32, 32), 10, 0, norm="batch", depth=depth)
    assert len(model.convs) == depth - 3
    assert sum(p.numel() for p in model.parameters()) == num_weights + 2 * widths + 5_130


def test_images_become_logits_and_the_initialization_is_glorots():
    model = VGG((3, 32, 32), 7, 0, norm="none")
    assert model(torch.randn(1, 3, 32, 32)).shape == (1, 7)
    weight = model.convs[-1].weight.detach()  # 2.4 million draws: relative standard error 0.05 %
    assert float(weight.std()) == pytest.approx((2 / (9 * 1024)) ** 0.5, rel=0.003)


def test_other_depths_are_refused():
    with pytest.raises(ValueError, match="depth 16: choose one of 11, 13"):
        VGG((3, 32, 32), 10, 0, norm="none", depth=16)
