"""How far an interval reaches, for the bars of figures; verdicts have their own in `judging`."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

SHARE = 0.95


def half_width(values: ArrayLike) -> float:
    """Of the 95 % interval of a mean by Student's t; 0 for fewer than two values (n,)."""
    values = np.asarray(values, dtype=float)
    if len(values) < 2:
        return 0.0
    error = values.std(ddof=1) / np.sqrt(len(values))
    return float(error * stats.t.ppf((1 + SHARE) / 2, len(values) - 1))
