"""Run k stored seeds of every arm of a claim again."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bnkit import claims, experiments, store, sweep
from bnkit.errors import InputError
from bnkit.reproduce.comparison import Difference, compare, same_machine
from bnkit.sweep.tasks import Task


class Report(NamedTuple):
    """What came of one arm."""

    arm: str
    seeds: tuple[int, ...]
    num_rows: int
    rule: str
    differences: list[Difference]


def reproduce(id: str, num_seeds: int = 2, root: Path | None = None) -> Iterator[Report]:
    """Re-run the first `num_seeds` stored seeds of each arm that the claim's rule names.

    Raises:
        InputError: the claim has no rule, or nothing is recorded for it yet.
        RecordError: a record was altered or cut.
    """
    claim = claims.load().claim(id)
    if claim.rule is None or claim.experiment is None:
        raise InputError(f"{id} is editorial: there is nothing to run again")
    if claim.experiment not in experiments.names():
        raise InputError(f"{id}: its experiment {claim.experiment} is not written yet")
    there = experiments.find(claim.experiment).ARMS
    for arm in dict.fromkeys(operand.arm for operand in claim.rule.operands):
        if arm not in there:
            raise InputError(f"{id}: its experiment {claim.experiment} has no arm {arm}")
        home = experiments.home(claim.experiment, there[arm])
        spec = sweep.resolve(claim.experiment, there[arm], root)
        recorded = store.recorded_seeds(home, spec, root)
        seeds = tuple(s for s in recorded if s not in sweep.TUNING_SEEDS)[:num_seeds]
        if not seeds:
            raise InputError(
                f"{id}: arm {arm} has no record; run `python -m bnkit sweep {claim.experiment}`"
            )
        everything = store.load(home, spec, None, root)
        stored = [row for row in everything if row.seed in seeds]
        done = sweep.perform(Task(home, spec, seeds), progress=f"{id} {arm}")
        origins = store.provenance(home, spec, root)
        equal = all(same_machine(origins[str(seed)], done.origin) for seed in seeds)
        rule = "equal" if equal else "close" if claim.kind == "exact" else "interval"
        differences = compare(stored, done.rows, rule, everything)
        yield Report(arm, seeds, len(stored), rule, differences)
