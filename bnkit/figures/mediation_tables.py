"""What each dose did to smoothness and to speed, and what share of the speed smoothness carries.

Tables of text, from tables of runs: a row a seed, a column a metric.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bnkit.figures.findings import NOT_YET
from bnkit.figures.mediation import TITLES, Kinds, Runs, base_of, dose_of, over_base
from bnkit.figures.scoreboard import short

MEANT = {"none": "smooth", "batch": "roughen"}  # what the doses on each net are for


def achieved(runs: Runs, kinds: Kinds, metrics: Mapping[str, str]) -> pd.DataFrame:
    """What each dose did: medians of ratios to the same seed without a dose, a row a dose.

    Args:
        runs: of all arms and of "none" and "batch"; an arm without runs is left out.
        kinds: kind -> arm -> spec.
        metrics: column of the runs -> what it is called.

    Returns:
        Index: the dose in words; columns: "meant to", then a number for each metric.
    """
    rows = {
        f"{TITLES[kind]} {dose_of(spec)}": [
            MEANT[base_of(arms)],
            *(over_base(runs, arm, base_of(arms), metric).median() for metric in metrics),
        ]
        for kind, arms in kinds.items()
        for arm, spec in arms.items()
        if arm in runs and base_of(arms) in runs
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["meant to", *metrics.values()])


def infinite(runs: Runs, metric: str) -> set[str]:
    """The arms of which some run has no finite value of a metric: a level that it did not reach."""
    return {arm for arm, table in runs.items() if not np.isfinite(table[metric]).all()}


def shares(chains: Mapping[str, Any]) -> pd.DataFrame:
    """The links of each chain as text: factors a and c, slope b, the mediated share.

    Args:
        chains: name -> `judging.mediation.Mediation`; may be empty.
    """
    columns = ["BN on smoothness, factor", "slope b", "BN on steps, factor", "share mediated"]
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


def _interval(estimate: Any, turned: Any = lambda value: value) -> str:
    effect, low, high = (
        short(float(turned(v)))
        for v in (estimate.effect, estimate.lower(0.025), estimate.upper(0.025))
    )
    return f"{effect} [{low}, {high}]"
