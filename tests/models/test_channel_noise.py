"""The noise behind a convolution: Algorithm 1 of Santurkar et al. (2018), channel by channel."""

import pytest
import torch
from scipy import stats

from bnkit.models.channel_noise import ChannelNoise, in_memory_order


def parts(dose, shape):
    """Shift and factor of one pass: its outputs at 0 and, with the same numbers drawn, at 1."""
    noise = ChannelNoise(dose)
    torch.manual_seed(3)
    shift = noise(torch.zeros(shape))
    torch.manual_seed(3)
    return shift, noise(torch.ones(shape)) - shift


def test_means_and_scales_of_channels_are_uniform_over_the_intervals_of_the_paper():
    for values, low, high in zip(
        parts(0.5, (4, 500, 20, 20)), (-0.5, 1.0), (0.5, 1.25), strict=True
    ):
        means = values.mean(dim=(0, 2, 3)).numpy()
        assert stats.kstest(means, stats.uniform(low, high - low).cdf).pvalue > 0.01
        assert low - 0.02 < means.min() < low + 0.1 * (high - low)
        assert high - 0.1 * (high - low) < means.max() < high + 0.02


def test_values_jitter_around_their_channel_as_in_the_paper():
    shift, factor = parts(0.5, (10, 2, 40, 40))
    middle = (shift[:, 0].max() + shift[:, 0].min()) / 2
    around = (shift[:, 0] - middle).flatten().numpy()
    assert stats.kstest(around, stats.uniform(-0.1, 0.2).cdf).pvalue > 0.01
    assert factor[:, 1].std() == pytest.approx(0.1, rel=0.03)


def test_images_with_channels_last_get_the_same_kind_of_noise():
    x = torch.zeros(10, 2, 40, 40).contiguous(memory_format=torch.channels_last)
    torch.manual_seed(3)
    shift = ChannelNoise(0.5)(x)
    assert shift.is_contiguous(memory_format=torch.channels_last)
    for channel in range(2):
        values = shift[:, channel]
        middle = (values.max() + values.min()) / 2
        around = (values - middle).flatten().numpy()
        assert stats.kstest(around, stats.uniform(-0.1, 0.2).cdf).pvalue > 0.01
    row = in_memory_order(x)
    row.copy_(torch.arange(x.numel()))
    assert torch.equal(x.flatten().sort().values, row)
    assert x[0, :, 0, 0].tolist() == [0, 1]


def test_every_pass_in_training_has_noise_of_its_own_and_evaluation_its_mean():
    noise, x = ChannelNoise(0.5), torch.randn(2, 3, 4, 4)
    assert not torch.equal(noise(x), noise(x))
    torch.testing.assert_close(noise.eval()(x), x * 1.125)
    draws = torch.stack([ChannelNoise(0.5)(torch.ones(1, 1, 1)) for _ in range(4_000)])
    assert draws.mean() == pytest.approx(1.125, abs=4 * 0.31 / 4_000**0.5)


def test_noise_without_a_dose_is_refused():
    with pytest.raises(ValueError, match=r"dose 0\.0: noise needs a dose above 0"):
        ChannelNoise(0.0)
