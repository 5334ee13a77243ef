"""What the chapter on smoothness found, as words and tables.

Tables of rows have the columns of a row: seed, step, name, value, unit. What is not recorded yet
says so.
"""

from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from bnkit import experiments, sweep
from bnkit.errors import InputError
from bnkit.figures.findings import NOT_YET, estimate, final
from bnkit.figures.scoreboard import short

Tables = Mapping[str, pd.DataFrame]

_GLUED = "\u00a0"  # a space at which no line breaks


def smoother(verdict: Any, *, of_batch: bool = False) -> str:
    """Which net the whole interval of a ratio calls the smoother one.

    Args:
        verdict: on a ratio of the plain net to BN, or None.
        of_batch: it is the ratio of BN to the plain net.
    """
    if verdict is None:
        return NOT_YET
    if verdict.low > 1 or verdict.high < 1:
        return "rougher with BN" if (verdict.low > 1) == of_batch else "smoother with BN"
    return "not told apart"


def text_of(values: pd.Series, form: str = "{}", scale: float = 1.0) -> str:
    """The median over seeds as text; a word where there is none."""
    return form.format(short(scale * float(values.median()))) if len(values) else NOT_YET


def power(value: float) -> str:
    """A number of one digit and a power of ten, for sizes of rounding errors and the like.

    >>> power(-1.31e-15)
    '−1×10⁻¹⁵'
    >>> power(1e-6)
    '10⁻⁶'
    """
    return short(float(f"{value:.0e}"))


def rate_of(experiment: str, arm: str) -> str:
    """The rate of an arm as text; a word where it is not tuned yet."""
    rate = chosen_rate(experiment, arm)
    return NOT_YET if rate is None else short(rate)


def times_rate(
    tables: Tables, arms: Mapping[str, tuple[str, str]], windows: Mapping[str, str]
) -> pd.DataFrame:
    """An eigenvalue in units of one over the rate, as text: descent is stable up to 2.

    Args:
        tables: arm -> rows.
        arms: what a row is called -> experiment and arm.
        windows: metric with the eigenvalue -> what its column is called. The median over seeds.
    """
    rows = {}
    for label, (experiment, arm) in arms.items():
        rate = chosen_rate(experiment, arm)
        values = [final(tables.get(arm), metric) for metric in windows]
        found = [f"{rate * v.median():.2f}" if rate and len(v) else NOT_YET for v in values]
        rows[label] = [rate_of(experiment, arm), *found]
    columns = ["rate", *windows.values()]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def chosen_rate(experiment: str, arm: str) -> float | None:
    """None where it is not tuned yet."""
    try:
        spec = sweep.resolve(experiment, experiments.find(experiment).ARMS[arm])
    except InputError:
        return None
    return float(spec.rate)


def judged(
    rules: Mapping[str, Any],
    statements: Mapping[str, str],
    found: str = "found",
    optional: Collection[str] = (),
) -> pd.DataFrame:
    """Statements in words with what was found, one row each; no line breaks within an interval.

    Args:
        rules: name -> `Verdict`; one that is missing or None has not been measured.
        statements: name -> the statement that "supported" affirms.
        found: head of the column of numbers. Where all of them are of one kind, as ratios are, it
            says what they are; the rows say it otherwise.
        optional: names that have no row as long as they are not measured.
    """
    units = {verdict.unit for name in statements if (verdict := rules.get(name)) is not None}
    rows = {}
    for name, statement in statements.items():
        verdict = rules.get(name)
        if verdict is not None:
            number = estimate(verdict).replace(" ", _GLUED)
            text = number if len(units) == 1 else f"{verdict.unit} {number}"
            rows[statement] = (text, verdict.verdict)
        elif name not in optional:
            rows[statement] = (NOT_YET, "untested")
    return pd.DataFrame.from_dict(rows, orient="index", columns=[found, "verdict"])
