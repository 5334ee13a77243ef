import numpy as np
from torch import nn

from bnkit.experiments import convolution_by_reshape
from bnkit.experiments.convolution_by_reshape import as_matrix

SPEC = convolution_by_reshape.ConvolutionByReshape(num_trials=5)


def test_each_position_becomes_an_example():
    image = np.arange(8.0).reshape(1, 2, 2, 2)  # channel 0 holds 0..3, channel 1 holds 4..7
    np.testing.assert_array_equal(as_matrix(image), [[0, 4], [1, 5], [2, 6], [3, 7]])


def test_images_and_matrices_agree():
    found = convolution_by_reshape.measure(SPEC, np.random.default_rng(0))
    assert found["max_error"] < 1e-13


def test_a_layer_that_averages_each_image_alone_would_be_noticed(monkeypatch):
    def per_image(num_channels, eps):
        return nn.InstanceNorm2d(num_channels, eps, affine=True)

    monkeypatch.setattr(convolution_by_reshape, "BatchNorm2d", per_image)
    found = convolution_by_reshape.measure(SPEC, np.random.default_rng(1))
    assert found["max_error"] > 1e-2
