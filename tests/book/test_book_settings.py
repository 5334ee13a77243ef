import math
import random
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
import torch

from bnkit.book import Settings, begin
from bnkit.errors import InputError


@pytest.fixture(autouse=True)
def _keep_threads():
    num_threads = torch.get_num_threads()
    yield
    torch.set_num_threads(num_threads)


def namespace(**changes):
    """What IPython has in a fresh notebook after a cell of parameters and one of imports."""
    return {
        "__name__": "__main__",
        "_": "",
        "_i1": "seed = 0",
        "In": ["", "seed = 0"],
        "Out": {},
        "exit": object(),
        "get_ipython": lambda: None,
        "open": open,
        "math": math,
        "begin": begin,
        "profile": "default",
        "seed": 0,
        "device": "cpu",
        **changes,
    }


def test_sound_parameters_become_settings():
    assert begin(namespace()) == Settings("default", 0, "cpu", None)
    smoke = begin(namespace(profile="smoke", seed=3, data_set="digits"))
    assert smoke == Settings("smoke", 3, "cpu", "digits")


def test_the_profile_picks():
    assert Settings("default", 0, "cpu").pick(default=100, smoke=2) == 100
    assert Settings("smoke", 0, "cpu").pick(default=100, smoke=2) == 2


@pytest.mark.parametrize(("profile", "laid_out"), [("default", True), ("smoke", False)])
def test_the_short_profile_does_not_lay_figures_out(profile, laid_out):
    with mpl.rc_context({"figure.constrained_layout.use": not laid_out}):
        begin(namespace(profile=profile))
        assert mpl.rcParams["figure.constrained_layout.use"] is laid_out


@pytest.mark.parametrize("value", [3, 0.1, "x", None, [1], True, math.nan])
def test_a_name_that_papermill_injected_and_nobody_declared_is_refused(value):
    with pytest.raises(InputError, match=r"unknown parameter 'seeed' = .*profile, seed, device$"):
        begin(namespace(seeed=value))


def test_a_refused_name_is_refused_again():
    given = namespace(seeed=3)
    for _ in range(2):
        with pytest.raises(InputError):
            begin(given)


def test_the_cell_may_run_again_after_the_rest_of_the_notebook():
    given = namespace()
    first = begin(given)
    given.update(losses=[1.0, 2.0], num_steps=3)
    assert begin(given) == first


@pytest.mark.parametrize("name", ["profile", "seed", "device"])
def test_a_missing_parameter_is_named(name):
    given = namespace()
    del given[name]
    with pytest.raises(InputError, match=f"parameter {name} is missing"):
        begin(given)


@pytest.mark.parametrize(("name", "value"), [("seed", 3.7), ("profile", "x"), ("device", "gpu")])
def test_an_unsound_value_is_refused_in_the_notebook_too(name, value):
    with pytest.raises(InputError, match=f"parameter {name} = "):
        begin(namespace(**{name: value}))


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="this machine has"):
        begin(namespace(device="cuda:99"))


def test_everything_random_is_seeded():
    draws = []
    for seed in (5, 5, 6):
        begin(namespace(seed=seed))
        draws.append((random.random(), np.random.random(), torch.rand(1).item()))  # noqa: NPY002
    assert draws[0] == draws[1]
    assert all(a != b for a, b in zip(draws[1], draws[2], strict=True))


def test_torch_computes_with_one_thread():
    torch.set_num_threads(2)
    begin(namespace())
    assert torch.get_num_threads() == 1


def test_the_start_of_a_chapter_loads_nothing_heavy():
    code = (
        "import sys; from bnkit.book import begin;"
        "print([m for m in ('papermill', 'sphinx', 'yaml', 'torch', 'matplotlib', 'nbformat')"
        " if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
