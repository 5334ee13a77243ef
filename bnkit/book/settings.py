"""What a chapter calls first: are its parameters sound, and is all of its randomness seeded?"""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from bnkit.book.parameters import TABLE, check, unknown
from bnkit.errors import InputError

Value = TypeVar("Value")

# The names that IPython puts in every notebook and whose values are plain.
_IPYTHON = {"In", "Out"}
# What papermill can inject: it writes its parameters as literals, and nan and inf as floats.
_PLAIN = (bool, int, float, complex, str, bytes, list, tuple, dict, set, type(None))
# Left in a notebook's namespace by the first `begin`, so that a reader may run its cell again.
_BEGUN = "__bnkit_begun__"


@dataclass(frozen=True)
class Settings:
    """The checked parameters of one run of a chapter.

    Attributes:
        profile: "default", which the published book shows, or "smoke", a run of seconds.
        seed: seeds everything in the chapter that is random.
        device: "cpu", "cuda" or "cuda:N".
        data_set: a name of `bnkit.data.NAMES`, the path of an .npz file, or None in a chapter
            that trains on no data set.
    """

    profile: str
    seed: int
    device: str
    data_set: str | None = None

    def pick(self, *, default: Value, smoke: Value) -> Value:
        """The value for the profile of this run: `num_steps = settings.pick(default=..., ...)`."""
        return {"default": default, "smoke": smoke}[self.profile]


def begin(namespace: dict[str, Any]) -> Settings:
    """Check the parameters in a notebook's `globals()` and seed everything.

    The notebook checks for itself because `papermill -p` does not: a name that it does not know
    is injected with a warning and has no effect.

    Returns:
        The settings. On the way: `random`, NumPy and torch are seeded, torch computes with one
        thread (the last digits of a sum depend on the number), the figure style is set.

    Raises:
        InputError: for an unknown, missing or unsound parameter, or a device that is not there.
    """
    given = {name: namespace[name] for name in TABLE if name in namespace}
    missing = [name for name in TABLE if TABLE[name].required and name not in given]
    if missing:
        raise InputError(
            f"parameter {missing[0]} is missing: give {TABLE[missing[0]].allowed()}"
            " in the cell tagged 'parameters'"
        )
    if _BEGUN not in namespace:
        for name in _plain_names(namespace):
            raise unknown(name, namespace[name], given)
    for name, value in given.items():
        check(name, value)
    settings = Settings(**given)
    _check_device(settings.device)
    _seed(settings.seed)
    from bnkit.figures import style

    style.use(draft=settings.profile == "smoke")
    namespace[_BEGUN] = True
    return settings


def _plain_names(namespace: dict[str, Any]) -> Iterable[str]:
    """Public names of plain values that nobody declared as a parameter."""
    for name, value in namespace.items():
        known = name in TABLE or name in _IPYTHON or name.startswith("_")
        if not known and isinstance(value, _PLAIN):
            yield name


def _check_device(device: str) -> None:
    if device == "cpu":
        return
    import torch

    num_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if int(device.partition(":")[2] or 0) >= num_devices:
        raise InputError(
            f"parameter device = {device!r}: this machine has {num_devices} CUDA devices;"
            " give cpu or one that is there"
        )


def _seed(seed: int) -> None:
    import numpy as np
    import torch

    random.seed(seed)  # the ids of quizzes are drawn from here
    np.random.seed(seed)  # noqa: NPY002 - for libraries that still draw from the global state
    torch.manual_seed(seed)
    torch.set_num_threads(1)
