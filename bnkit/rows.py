"""The row: what every probe measures, every experiment returns and every record stores."""

from typing import NamedTuple


class Row(NamedTuple):
    """One measured number.

    Attributes:
        seed: the replicate that it belongs to; seeds are the sample of every verdict.
        step: optimizer steps taken before the measurement; 0 is initialization.
        name: what was measured, for example "test_accuracy" or "loss_range".
        value: the number, a float; NaN and infinities are allowed and stored.
        unit: its unit, for example "fraction", "nat", "1" for a pure number.
    """

    seed: int
    step: int
    name: str
    value: float
    unit: str
