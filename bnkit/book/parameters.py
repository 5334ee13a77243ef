"""Which parameters may a chapter have, and which values may they take?

The same table serves the command line, which knows only text, and a running notebook, which knows
only what somebody's papermill has injected. Nothing is converted in silence: 3.7, True and "3" are
not a seed.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bnkit.errors import InputError

PROFILES = ("default", "smoke")
MAX_SEED = 2**31 - 1  # the largest that NumPy, torch and scikit-learn all take

_SHOWN = 60  # characters of a bad value that a one-line message repeats


def _is_profile(value: object) -> bool:
    return isinstance(value, str) and value in PROFILES


def _is_seed(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_SEED


def _is_device(value: object) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(r"cpu|cuda(:(0|[1-9][0-9]?))?", value))


def _is_data_set(value: object) -> bool:
    from bnkit.data import NAMES

    if not isinstance(value, str):
        return False
    return value in NAMES or (value.endswith(".npz") and "\0" not in value and _is_file(value))


def _is_file(value: str) -> bool:
    try:
        return Path(value).expanduser().is_file()
    except (OSError, RuntimeError):  # a name longer than the file system takes, an unknown ~user
        return False


def _data_sets() -> str:
    from bnkit.data import NAMES

    return f"one of {', '.join(NAMES)}, or an existing file that ends in .npz"


@dataclass(frozen=True)
class Parameter:
    """One parameter: the test of a value, the words for what is allowed, and text to value."""

    accepts: Callable[[object], bool]
    allowed: Callable[[], str]
    required: bool = True
    from_text: Callable[[str], object] = str


def _seed_from_text(text: str) -> object:
    # Not int(text): that also takes "1_0" and " 3 ", and refuses 5,000 digits with another error.
    return int(text) if re.fullmatch(r"[0-9]{1,10}", text) else text


def _data_set_from_text(text: str) -> object:
    # The notebook runs in another folder: a path is taken from where the command was given.
    return str(Path(text).absolute()) if text.endswith(".npz") else text


TABLE = {
    "profile": Parameter(_is_profile, lambda: f"one of {', '.join(PROFILES)}"),
    "seed": Parameter(
        _is_seed, lambda: f"a whole number from 0 to {MAX_SEED}", from_text=_seed_from_text
    ),
    "device": Parameter(_is_device, lambda: "cpu, cuda or cuda:N with N from 0 to 99"),
    "data_set": Parameter(_is_data_set, _data_sets, False, _data_set_from_text),
}


def check(name: str, value: object) -> None:
    """Raise InputError unless `value` is allowed for the parameter `name`."""
    if name not in TABLE:
        raise unknown(name, value, TABLE)
    parameter = TABLE[name]
    if not parameter.accepts(value):
        raise InputError(f"parameter {name} = {shown(value)}: give {parameter.allowed()}")


def parse(name: str, text: str) -> object:
    """The checked value of the parameter `name` that a command line gave as `text`."""
    value = TABLE[name].from_text(text) if name in TABLE else text
    check(name, value)
    return value


def unknown(name: str, value: object, known) -> InputError:
    """The error for a name that no parameter has; `known` are those that the chapter has."""
    return InputError(
        f"unknown parameter {name!r} = {shown(value)}: this chapter has {', '.join(known)}"
    )


def shown(value: object) -> str:
    """`repr(value)`, cut to a length that stays on one line."""
    try:
        text = repr(value)
    except ValueError:  # an int of more digits than Python prints
        text = f"an int of {value.bit_length()} bits"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text)} characters)"
