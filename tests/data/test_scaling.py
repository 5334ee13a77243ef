import numpy as np
import pytest

from bnkit.data.scaling import Scaling


def images(*channels) -> np.ndarray:
    """One pixel per image: each argument holds the values of one channel."""
    return np.array(channels).T[:, :, None, None]


def test_two_channels_by_pencil():
    # Means 2 and 20, deviations 1 and 10 (dividing by N) -> -1 and +1 in both channels.
    raw = images([1, 3], [10, 30]).astype(np.uint8)
    scaling = Scaling.fit(raw, levels=255)
    np.testing.assert_array_equal(scaling.mean, [2, 20])
    np.testing.assert_array_equal(scaling.std, [1, 10])
    x = scaling.standardize(raw)
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x, images([-1, 1], [-1, 1]))


def test_other_data_is_scaled_by_what_was_fitted():
    scaling = Scaling.fit(images([1, 3]).astype(np.uint8), levels=255)
    np.testing.assert_array_equal(
        scaling.standardize(images([2, 6]).astype(np.uint8)), images([0, 4])
    )


def test_a_set_larger_than_one_part_agrees_with_numpy(rng):
    raw = rng.integers(0, 256, (2_345, 3, 2, 2), dtype=np.uint8)
    scaling = Scaling.fit(raw, levels=255)
    np.testing.assert_allclose(scaling.mean, raw.mean(axis=(0, 2, 3)), rtol=1e-13)
    np.testing.assert_allclose(scaling.std, raw.std(axis=(0, 2, 3)), rtol=1e-13)


def test_a_large_mean_costs_no_accuracy(rng):
    raw = (1e6 + rng.standard_normal((500, 1, 2, 2))).astype(np.float32)
    x = Scaling.fit(raw, levels=None).standardize(raw)
    exact = raw.astype(np.float64)
    np.testing.assert_allclose(x, (exact - exact.mean()) / exact.std(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("value", [0.1, 7.0])
def test_a_constant_channel_becomes_zero(value):
    raw = np.full((1_001, 1, 3, 3), value, np.float32)
    x = Scaling.fit(raw, levels=None).standardize(raw)
    np.testing.assert_array_equal(x, np.zeros_like(raw))


@pytest.mark.parametrize("levels", [16, 255])
def test_pixels_come_back_exactly(levels, rng):
    raw = rng.permutation(np.arange(levels + 1, dtype=np.uint8))[:, None, None, None]
    scaling = Scaling.fit(raw, levels)
    pixels = scaling.pixels(scaling.standardize(raw))
    np.testing.assert_array_equal(pixels, (raw / levels).astype(np.float32))
    assert pixels.min() == 0
    assert pixels.max() == 1


def test_real_numbers_come_back_in_their_own_units(rng):
    raw = rng.normal(3, 5, (50, 2, 1, 1)).astype(np.float32)
    scaling = Scaling.fit(raw, levels=None)
    np.testing.assert_allclose(scaling.pixels(scaling.standardize(raw)), raw, rtol=1e-5, atol=1e-5)
