"""Every exact claim: its rule can be judged on what its experiment measures."""

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest

from bnkit import claims, experiments
from bnkit.judging import judge
from bnkit.store import spec_key

# Fewer trials and smaller nets, same levels, so that a rule meets the metrics that it names.
SMALL = {
    "affine_and_moments": {"num_trials": 5},
    "any_learning_rate": {"num_steps": 300},
    "auto_tuning": {},
    "batch_mates": {"num_draws": 500},
    "batch_moments": {"num_trials": 30},
    "bias_before_batch_norm": {"num_steps": 20},
    "bias_is_lost": {"num_trials": 5},
    "blocked_components": {"num_trials": 3},
    "convolution_by_reshape": {"num_trials": 3},
    "curvature_bound": {"num_trials": 20, "num_steps": 20},
    "descent_limit": {"num_trials": 2},
    "direction_update": {},
    "distance_to_ray": {"num_trials": 20},
    "dropout_through_linear": {"num_samples": 1_000},
    "dropout_variance_shift": {"num_samples": 100_000},
    "exponential_rate": {"num_steps": 10},
    "fisher_by_width": {"examples_per_unit": 0.05, "num_outputs": 1, "num_hidden": 1},
    "gradient_bound": {"num_trials": 10},
    "gradient_growth": {"width": 32, "depth": 6},
    "gradient_variance": {"num_draws": 20},
    "identity_by_affine": {"num_trials": 5},
    "linear_chain": {"num_trials": 2},
    "lipschitz_on_grids": {"num_trials": 1},
    "lp_constants": {"num_samples": 50},
    "near_the_origin": {},
    "one_neuron": {"times": 1.0},
    "orthogonal_gradient": {"num_trials": 3},
    "quadratic_remainder": {},
    "relu_kink": {},
    "running_variance": {},
    "sigmoid_linearity": {"num_samples": 10_000},
    "smoothness_of_quadratics": {"num_trials": 1},
    "stop_gradient_bias": {},
    "uniform_noise_shift": {"num_samples": 100_000},
    "weight_scale": {"num_trials": 1},
    "worst_input_bound": {"num_trials": 10},
}
LONG = {"auto_tuning"}  # its levels are numbers of steps
CLAIMS = [claim for claim in claims.load().claims if claim.experiment in SMALL]


def samples(name, seeds=(0, 1)):
    """{arm: {metric: values by seed}} of a small run of all arms."""
    module, found = experiments.find(name), {}
    for arm, spec in module.ARMS.items():
        columns = defaultdict(list)
        for row in module.run(replace(spec, **SMALL[name]), list(seeds)):
            columns[row.name].append(row.value)
        found[arm] = dict(columns)
    return found


def marked(name):
    return pytest.param(name, marks=pytest.mark.slow if name in LONG else ())


@pytest.mark.parametrize("name", [marked(name) for name in SMALL])
def test_each_rule_meets_the_numbers_that_it_names(name):
    numbers = samples(name)
    rules = [rule for claim in CLAIMS if claim.experiment == name for rule in claim.rules.values()]
    assert rules, f"no claim is decided by {name}"
    for rule in rules:
        assert judge(rule, numbers).verdict in ("supported", "refuted", "undecided")


@pytest.mark.parametrize("name", sorted(set(SMALL) - LONG))
def test_a_seed_has_the_same_finite_rows_whichever_others_are_run(name):
    module = experiments.find(name)
    spec = replace(next(iter(module.ARMS.values())), **SMALL[name])
    both, alone = module.run(spec, [3, 4]), module.run(spec, [4])
    assert [row for row in both if row.seed == 4] == alone
    assert [row.name for row in both if row.seed == 3] == [row.name for row in alone]
    assert len({row.name for row in alone}) == len(alone)
    assert all(type(row.value) is float and not np.isnan(row.value) for row in alone)


@pytest.mark.parametrize("name", SMALL)
def test_arms_have_keys_of_their_own(name):
    arms = experiments.find(name).ARMS
    assert len({spec_key(spec) for spec in arms.values()}) == len(arms)
