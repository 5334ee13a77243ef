"""What each dose did to smoothness and to speed, and what share of the speed smoothness carries.

Tables of text, from tables of runs: a row a seed, a column a metric.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bnkit.figures.findings import NOT_YET
from bnkit.figures.mediation import STEPS, Kinds, Runs, base_of, label_of, over_base
from bnkit.figures.scoreboard import short

AIM = {"none": "β ↓", "batch": "β ↑"}  # what the doses on each net are for
MISSED = f"{STEPS}_not_reached"


def achieved(
    runs: Runs, kinds: Kinds, metrics: Mapping[str, str], rates: Mapping[str, float]
) -> pd.DataFrame:
    """What each dose did: medians of ratios to the same seed without a dose, a row a dose.

    Args:
        runs: of all arms and of "none" and "batch"; an arm without runs is left out.
        kinds: kind -> arm -> spec.
        metrics: column of the runs -> what it is called.
        rates: arm -> its rate.

    Returns:
        Index: the dose in words; columns: "aim", "rate", a number for each metric, and "missed",
        the runs that did not arrive.
    """
    rows = {
        label_of(kind, spec): [
            AIM[base_of(arms)],
            rates[arm],
            *(over_base(runs, arm, base_of(arms), metric).median() for metric in metrics),
            int(runs[arm][MISSED].sum()),
        ]
        for kind, arms in kinds.items()
        for arm, spec in arms.items()
        if arm in runs and base_of(arms) in runs
    }
    columns = ["aim", "rate", *metrics.values(), "missed"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def every_arm(
    runs: Runs, labels: Mapping[str, str], metrics: Mapping[str, str], rates: Mapping[str, float]
) -> pd.DataFrame:
    """Medians over seeds as text of two digits or all before the point: a row an arm that has runs.

    Args:
        runs: arm -> a table with a row a seed and a column a metric.
        labels: arm -> its row.
        metrics: column of the runs -> what it is called.
        rates: arm -> its rate.
    """
    rows = {
        label: [
            f"{rates[arm]:g}",
            *(_digits(runs[arm][metric].median()) for metric in metrics),
            f"{runs[arm][MISSED].sum():.0f}",
        ]
        for arm, label in labels.items()
        if arm in runs
    }
    rows = rows or {NOT_YET: [""] * (len(metrics) + 2)}
    columns = ["rate", *metrics.values(), "missed"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def _digits(value: float) -> str:
    return f"{value:.0f}" if 10 <= value < np.inf else short(float(f"{value:.2g}"))


def judged(rules: Mapping[str, Any], statements: Mapping[str, str]) -> pd.DataFrame:
    """Statements in words with the ratio that was found, dosed over undosed, with BN over without.

    Where a statement is about steps, "missed" counts the runs that did not arrive, first of the
    arm above and, if there are any, of the one below; if none of the former arrived, the ratio is
    a bound.

    Args:
        rules: name -> `Verdict` of a ratio; one that is missing or None has not been measured.
        statements: name -> the statement that "supported" affirms.
    """
    rows = {statement: _judged(rules.get(name)) for name, statement in statements.items()}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["ratio", "missed", "verdict"])
    return table if table["missed"].any() else table.drop(columns="missed")


def _judged(verdict: Any) -> tuple[str, str, str]:
    if verdict is None:
        return NOT_YET, "", "untested"
    numbers = verdict.effect, verdict.low, verdict.high
    if _is_upside_down(verdict.what):
        numbers = tuple(1 / numbers[place] if numbers[place] else np.inf for place in (0, 2, 1))
    missed = [count for _, count in verdict.not_reached]
    if missed and missed[0] == verdict.n:
        ratio = f"≥ {_hundredths(numbers[0])}"
    else:
        ratio = _with_interval(*numbers)
    counts = " and ".join(str(count) for count in missed[: 2 if any(missed[1:]) else 1])
    return ratio, f"{counts} of {verdict.n}" if missed else "", verdict.verdict


def _is_upside_down(what: str) -> bool:
    """Whether "metric: over against under" has the arm without a dose on top."""
    over, _, under = what.partition(": ")[2].partition(" against ")
    over, under = (arm.partition("@")[0] for arm in (over, under))
    return under.startswith(f"{over}-")


def infinite(runs: Runs, metric: str) -> set[str]:
    """The arms of which some run has no finite value of a metric: a level that it did not reach."""
    return {arm for arm, table in runs.items() if not np.isfinite(table[metric]).all()}


def shares(chains: Mapping[str, Any]) -> pd.DataFrame:
    """The links of each chain as text: factors a and c, slope b, the mediated share.

    Args:
        chains: name -> `judging.mediation.Mediation`; may be empty.
    """
    columns = ["BN on S", "slope b", "BN on steps", "share"]
    rows = {
        name: [
            _interval(chain.treatment_on_mediator, np.exp),
            _interval(chain.mediator_on_outcome),
            _interval(chain.total, np.exp),
            _interval(chain.share),
        ]
        for name, chain in chains.items()
    }
    rows = rows or {NOT_YET: [""] * len(columns)}
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def share(chains: Mapping[str, Any], name: str) -> str:
    """The mediated share of one chain with its interval, as text."""
    return _interval(chains[name].share) if name in chains else NOT_YET


def common_slopes(chains: Mapping[str, Any]) -> tuple[float, float]:
    """The lowest and the highest slope b that all intervals hold; none where low is above high."""
    every = [chain.mediator_on_outcome for chain in chains.values()]
    return max(b.lower(0.025) for b in every), min(b.upper(0.025) for b in every)


def _interval(estimate: Any, turned: Any = lambda value: value) -> str:
    numbers = estimate.effect, estimate.lower(0.025), estimate.upper(0.025)
    return _with_interval(*(float(turned(value)) for value in numbers))


def _with_interval(effect: float, low: float, high: float) -> str:
    return f"{_hundredths(effect)} [{_hundredths(low)}, {_hundredths(high)}]"


def _hundredths(value: float) -> str:
    if np.isinf(value):
        return short(value)
    return f"{value:.2f}".replace("-0.00", "0.00").replace("-", "−")
