"""Tables of runs that nobody has run, for tests of what is drawn and told of them."""

import pandas as pd

from bnkit.judging.mediation import mediation as mediated
from bnkit.rows import Row


def table(curves, name):
    """One list of (step, value) a seed."""
    rows = [
        Row(seed, step, name, value, "1")
        for seed, points in enumerate(curves)
        for step, value in points
    ]
    return pd.DataFrame(rows, columns=Row._fields)


def runs(beta, steps, seeds=(3, 5), missed=(0, 0)):
    table = {"effective_smoothness": beta, "steps_to_target": steps}
    table["steps_to_target_not_reached"] = [float(m) for m in missed]
    return pd.DataFrame(table, index=list(seeds))


CHAIN = mediated(
    {
        "none": {"beta": [10.0, 20.0], "steps": [100.0, 50.0]},
        "none-sam-1": {"beta": [5.0, 10.0], "steps": [200.0, 100.0]},
        "batch": {"beta": [20.0, 40.0], "steps": [50.0, 25.0]},
    },
    {"none": ("none-sam-1",), "batch": ()},
    mediator="beta",
    outcome="steps",
    num_replicates=100,
)
