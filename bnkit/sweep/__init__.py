"""Arms times seeds: what is not yet recorded is run on all cores, and stored as it finishes."""

from bnkit.sweep.running import run
from bnkit.sweep.tasks import Done, Task, perform, plan
from bnkit.sweep.tuning import TUNING_SEEDS, OutOfTime, arms, resolve, tune, tuned, tuning_scores

__all__ = [
    "run",
    "plan",
    "perform",
    "Task",
    "Done",
    "arms",
    "resolve",
    "tune",
    "tuned",
    "tuning_scores",
    "TUNING_SEEDS",
    "OutOfTime",
]
