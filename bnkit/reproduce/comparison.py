"""When does a new run agree with a record?

On the same processor, versions and threads every number must be equal bit for bit. On another
machine, and on any GPU, an exact claim must agree to 1e-6 relative, and a trained one must lie
inside the 99 % prediction interval of the stored seeds: sums are rounded in another order there,
and training magnifies the last digit. A measured time, a row in seconds, is never twice the same:
everywhere its order of magnitude must agree. What a process was called by the system says nothing
about the next.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy import stats

from bnkit.rows import Row

Rule = Literal["equal", "close", "interval"]
_MACHINE = ("python", "versions", "device", "gpu", "cpu", "threads")
_RELATIVE, _ABSOLUTE = 1e-6, 1e-12
_TIME_FACTOR = 10.0
_NAMES_A_RUN = "process id"  # the unit of numbers that have to be there, and may be any


class Difference(NamedTuple):
    """One number that does not agree."""

    seed: int
    step: int
    name: str
    stored: float
    again: float
    allowed: str


def same_machine(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Do two origins name the same processor, device, versions and threads, and no GPU?

    A GPU adds up in the order in which its threads come, which no two runs have in common.
    """
    return not a.get("gpu") and all(a.get(key) == b.get(key) for key in _MACHINE)


def compare(
    stored: Sequence[Row], again: Sequence[Row], rule: Rule, others: Sequence[Row] = ()
) -> list[Difference]:
    """What differs between the stored rows of some seeds and those of a new run.

    Args:
        stored: the record.
        again: the new run, the same seeds.
        rule: "equal" bit for bit, "close" to 1e-6 relative, or "interval".
        others: for "interval": the rows of all stored seeds of this arm.
    """
    by_key = {row[:3]: row.value for row in again}  # (seed, step, name)
    recorded = {row[:3] for row in stored}
    absent = [
        Difference(*row[:4], np.nan, "a number, it is missing")
        for row in stored
        if row[:3] not in by_key
    ]
    added = [
        Difference(*row[:3], np.nan, row.value, "nothing, it is not in the record")
        for row in again
        if row[:3] not in recorded
    ]
    intervals = _prediction_intervals(others or stored) if rule == "interval" else {}
    found = []
    for row in _judged(stored, rule):
        value = by_key.get(row[:3])
        if value is None or _equal(row.value, value) or row.unit == _NAMES_A_RUN:
            continue
        if row.unit == "s":
            if not 1 / _TIME_FACTOR <= value / row.value <= _TIME_FACTOR:
                allowed = f"within a factor of {_TIME_FACTOR:g}, as a time"
                found.append(Difference(*row[:4], value, allowed))
        elif rule == "equal":
            found.append(Difference(*row[:4], value, "the same bits"))
        elif rule == "close":
            if not np.isclose(value, row.value, rtol=_RELATIVE, atol=_ABSOLUTE):
                found.append(Difference(*row[:4], value, f"within {_RELATIVE:g} relative"))
        else:
            low, high = intervals[row.step, row.name]
            if not low <= value <= high:
                allowed = f"in the 99 % prediction interval [{low:.6g}, {high:.6g}]"
                found.append(Difference(*row[:4], value, allowed))
    return absent + added + found


def _equal(a: float, b: float) -> bool:
    return a == b or (np.isnan(a) and np.isnan(b))


def _judged(stored: Iterable[Row], rule: Rule) -> list[Row]:
    """All rows; under "interval" only the last of each metric, which is what verdicts use."""
    rows = list(stored)
    if rule != "interval":
        return rows
    last: dict[tuple[int, str], Row] = {}
    for row in rows:
        key = (row.seed, row.name)
        if key not in last or row.step > last[key].step:
            last[key] = row
    return list(last.values())


def _prediction_intervals(rows: Sequence[Row]) -> dict[tuple[int, str], tuple[float, float]]:
    """Where a new seed's value lies with 99 % confidence, by Student's t."""
    values: dict[tuple[int, str], list[float]] = {}
    for row in rows:
        values.setdefault((row.step, row.name), []).append(row.value)
    intervals = {}
    for key, sample in values.items():
        n = len(sample)
        if n < 2 or not np.isfinite(sample).all():
            intervals[key] = (-np.inf, np.inf)
            continue
        half = stats.t.ppf(0.995, n - 1) * np.std(sample, ddof=1) * np.sqrt(1 + 1 / n)
        intervals[key] = (float(np.mean(sample) - half), float(np.mean(sample) + half))
    return intervals
