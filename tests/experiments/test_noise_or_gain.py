"""The parts of the noise: what each arm multiplies by, and that the whole is the population's."""

from dataclasses import replace

import pytest
import torch

from bnkit import store
from bnkit.experiments import shift_population
from bnkit.experiments.noise_or_gain import ARMS, NORMS, PARTS, NoiseOrGain, run
from bnkit.models.shifting_noise import ShiftingNoise

SHORT = {
    "data_set": "digits",
    "widths": (20, 30, 10),
    "num_steps": 40,
    "look_interval": 20,
    "num_probe_examples": 40,
}


def noise(part):
    return ShiftingNoise([3, 5], 1, dose=0.4, part=part)


@pytest.mark.parametrize("norm", NORMS)
def test_all_and_nothing_are_arms_of_the_population(norm):
    for part, dose in (("nothing", 0.0), ("all", 0.4)):
        spec = NoiseOrGain(norm=norm, part=part, **SHORT)
        same = shift_population.ShiftPopulation(norm=norm, dose=dose, rate=0.01, **SHORT)
        assert run(spec, [3, 0]) == shift_population.run(same, [3, 0])


def test_the_gain_is_a_constant_and_the_noise_is_centered_on_one():
    x = torch.randn(2, 400, 300)
    for mode in (True, False):
        assert torch.equal(noise("gain").train(mode)(x), x * 1.1)
    assert torch.equal(noise("centered").eval()(x), x)
    torch.testing.assert_close(noise("centered")(x) * 1.1, noise("all")(x))
    factor = (noise("centered")(x) * x).mean() / (x * x).mean()
    assert factor == pytest.approx(1.0, abs=0.01)


def test_the_arms_are_all_parts_of_both_nets_at_one_dose_and_rate():
    assert {(spec.norm, spec.part) for spec in ARMS.values()} == {
        (n, p) for n in NORMS for p in PARTS
    }
    assert len({replace(spec, norm="none", part="all") for spec in ARMS.values()}) == 1


def test_a_seed_alone_has_the_rows_that_it_has_in_a_stack():
    spec = NoiseOrGain(norm="batch", part="centered", **SHORT)
    assert run(spec, [0]) == [row for row in run(spec, [3, 0]) if row.seed == 0]


def test_the_keys_are_pinned():
    assert store.spec_key(ARMS["batch-gain"]) == "370f75cb92ca"
