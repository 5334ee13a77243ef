"""What was found, as text: verdicts with their intervals, and medians over seeds.

Tables of rows have the columns of a row: seed, step, name, value, unit.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bnkit.figures.scoreboard import short

Array = NDArray[np.float64]
Tables = Mapping[str, pd.DataFrame]

NOT_YET = "not yet measured"


def found(verdict: Any) -> str:
    """A verdict of the ledger in words: what was estimated, its interval if any, and the word.

    Args:
        verdict: a `Verdict`, or None where there is none yet.
    """
    return NOT_YET if verdict is None else f"{verdict.unit} {estimate(verdict)}, {verdict.verdict}"


def estimate(verdict: Any) -> str:
    """The number of a verdict with its interval, if any, for a sentence that names what it is.

    Args:
        verdict: a `Verdict`, or None where there is none yet.
    """
    if verdict is None:
        return NOT_YET
    interval = f" [{short(verdict.low)}, {short(verdict.high)}]" if verdict.p is not None else ""
    return f"{short(verdict.effect)}{interval}"


def side(verdict: Any, at: float = 1.0) -> str:
    """On which side of `at` the whole interval lies, in words that fit "is ... with BN"."""
    if verdict is None:
        return NOT_YET
    if verdict.high < at:
        return "smaller with BN"
    return "larger with BN" if verdict.low > at else "not distinguishable from that without BN"


def parts(entry: Any) -> list[Any]:
    """The verdicts of the parts of an entry's rule, each None where there is none yet."""
    if entry.verdict is None:
        return [None] * len(getattr(entry.claim.rule, "parts", ()))
    return list(entry.verdict.parts)


def rules(entry: Any, names: Sequence[str] = ()) -> dict[str, Any]:
    """Name -> verdict of all that is judged of a claim, to choose from by `judged`.

    Args:
        entry: of the ledger.
        names: what to call the parts of its rule; a rule without parts goes by the claim's id.

    Returns:
        These, and the controls by their names without the claim's id; None where there is none yet.
    """
    own = dict(zip(names, parts(entry), strict=True)) if names else {entry.claim.id: entry.verdict}
    return own | {name.partition(".")[2]: found for name, found in entry.controls.items()}


def judged(rules: Mapping[str, Any], statements: Mapping[str, str]) -> pd.DataFrame:
    """Statements in words with what was found: one row each.

    Args:
        rules: name -> `Verdict`; one that is missing or None has not been measured.
        statements: name -> the statement that "supported" affirms.
    """
    rows = {}
    for name, statement in statements.items():
        verdict = rules.get(name)
        text, _, word = found(verdict).rpartition(", ")
        rows[statement] = (text, word) if verdict is not None else (NOT_YET, "untested")
    return pd.DataFrame.from_dict(rows, orient="index", columns=["found", "verdict"])


def overview(
    runs: Mapping[str, pd.DataFrame],
    arms: Sequence[str],
    metrics: Mapping[str, str],
    counted: Collection[str] = (),
) -> pd.DataFrame:
    """Medians over seeds as text: a row an arm that has runs, a column a metric.

    Args:
        runs: arm -> a table with a row a seed and a column a metric.
        arms: the rows.
        metrics: column of the runs -> what it is called.
        counted: metrics of 0 and 1 whose sum is shown.
    """
    rows = {
        arm: [
            f"{runs[arm][metric].agg('sum' if metric in counted else 'median'):.4g}"
            for metric in metrics
        ]
        for arm in arms
        if arm in runs
    }
    rows = rows or {NOT_YET: [""] * len(metrics)}
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(metrics.values()))


def final(table: pd.DataFrame | None, name: str) -> pd.Series:
    """The value at the last step of each seed; empty where there is no such table or metric."""
    if table is None:
        return pd.Series(dtype=float)
    return table[table["name"] == name].sort_values("step").groupby("seed")["value"].last()


def last(tables: Tables, name: str) -> dict[str, Array]:
    """Arm -> (n,) the value of a metric at the last step of each seed."""
    return {arm: final(table, name).to_numpy() for arm, table in tables.items()}


def medians(tables: Tables, metrics: Mapping[str, str], arms: Sequence[str]) -> pd.DataFrame:
    """The last value of some metrics as text, median over seeds: a row a metric, a column an arm.

    Args:
        tables: arm -> rows.
        metrics: name -> what its row is called.
        arms: the columns; one without a table says that it is not yet measured.
    """
    columns = {}
    for arm in arms:
        table = tables.get(arm)
        columns[arm] = [
            NOT_YET if table is None else short(final(table, name).median()) for name in metrics
        ]
    return pd.DataFrame(columns, index=list(metrics.values()))


def over_looks(tables: Tables, name: str, arm: str, statistic: Callable[[Array], float]) -> str:
    """A statistic of a curve's values at all looks of all seeds, as text; NaN are left out."""
    if arm not in tables:
        return NOT_YET
    table = tables[arm]
    return short(float(statistic(table[table["name"] == name]["value"].dropna().to_numpy())))
