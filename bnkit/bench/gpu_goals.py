"""What the kernels are to reach on an H200, and whether a record says that they do.

The goals were set before anything was measured. A goal is met only if every batch that it speaks
of meets it; the list of batches is that of the bench, not that of the record.
"""

from collections.abc import Callable, Sequence
from math import inf, isfinite, prod
from statistics import median
from typing import Any, NamedTuple

import torch

from bnkit.bench.gpu_bounds import LARGE_BYTES
from bnkit.bench.gpu_cases import CASES, PASSES_OVER_MEMORY, Accuracy, AnyCase, Case
from bnkit.bench.gpu_results import ITEM_BYTES, NOT_YET, Document, sound
from bnkit.kernels import plan, tiles

Report = dict[str, Any]
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


class Goal(NamedTuple):
    """A bound on a number of each batch.

    Attributes:
        what: the number.
        bound: of it.
        of: whether a case of the bench is one of the batches.
        measured: case, what the record keeps of it -> the number; None if there is nothing to
            compare with. It is asked only where the kernels did not fail.
        at_most: else at least.
    """

    what: str
    bound: float
    of: Callable[[AnyCase], bool]
    measured: Callable[[AnyCase, Report], float | None]
    at_most: bool = False


def share(direction: str) -> Callable[[AnyCase, Report], float | None]:
    """Bytes of two passes over the kernels' time, as a share of the copy's rate."""
    at = ("forward", "backward").index(direction)

    def measured(case: AnyCase, report: Report) -> float | None:
        passes = PASSES_OVER_MEMORY[case.workload][at]
        return passes / 2 * report["copy"] / report["arms"]["kernels"][direction]

    return measured


def gain(direction: str, *others: str) -> Callable[[AnyCase, Report], float | None]:
    """Time of the fastest of the other arms over that of the kernels."""

    def measured(_: AnyCase, report: Report) -> float | None:
        there = dict(sound(report))
        times = [there[arm][direction] for arm in others if arm in there]
        return min(times) / there["kernels"][direction] if times else None

    return measured


def is_large(case: AnyCase, *workloads: str) -> bool:
    """Whether it normalizes a batch that no cache holds."""
    return isinstance(case, Case) and case.workload in workloads and size(case) >= LARGE_BYTES


def size(case: Case) -> int:
    """S in bytes."""
    return prod(case.shape) * ITEM_BYTES[case.dtype]


def is_nchw(case: AnyCase) -> bool:
    """Whether a channel's values lie in runs of H * W."""
    return isinstance(case, Case) and len(case.shape) > 2 and case.layout == "contiguous"


def is_held(case: AnyCase) -> bool:
    """Whether the kernels hold the channels of this batch whole, as they are planned now."""
    if not isinstance(case, Case):
        return False
    x = torch.empty(case.shape, dtype=getattr(torch, case.dtype), device="meta")
    if case.layout == "channels_last":
        x = x.to(memory_format=torch.channels_last)
    runs = plan.runs(x)
    return runs is not None and bool(plan.whole(runs, x.itemsize, tiles.RESIDENT_FORWARD))


GOALS: tuple[Goal, ...] = (
    Goal(
        "BN forward, S ≥ 100 MB: 3S over the time, as a share of the copy's rate",
        0.90, lambda c: is_large(c, "bn"), share("forward"),
    ),
    Goal(
        "BN backward, S ≥ 100 MB: 5S over the time, as a share of the copy's rate",
        0.85, lambda c: is_large(c, "bn") and c.backward, share("backward"),
    ),
    Goal(
        "BN forward, NCHW float32, S ≥ 100 MB: times as fast as eager",
        1.7, lambda c: is_large(c, "bn") and is_nchw(c) and c.dtype == "float32",
        gain("forward", "eager"),
    ),
    Goal(
        "BN both ways, channels last or (N, C), S ≥ 100 MB: times as fast as eager",
        1.05, lambda c: is_large(c, "bn") and not is_nchw(c), gain("both", "eager"),
    ),
    Goal(
        "BN both ways, S ≥ 100 MB: times as fast as torch.compile, the faster of its modes",
        0.95, lambda c: is_large(c, "bn") and c.backward,
        gain("both", "compile", "compile max-autotune"),
    ),
    Goal(
        "BN and ReLU both ways, S ≥ 100 MB: times as fast as eager",
        1.5, lambda c: is_large(c, "bn_relu"), gain("both", "eager"),
    ),
    # Below a megabyte the time is that of the launch. The copy stands for a kernel of two passes:
    # none is faster, so what meets the goal here meets it against such a kernel too.
    Goal(
        "BN forward, S of 1 to 25 MB, channels held whole: times as fast as 3S by the copy",
        1.2, lambda c: is_held(c) and c.workload == "bn" and 1e6 <= size(c) <= 25e6,
        share("forward"),
    ),
    Goal(
        "Relative error of the variance at a mean of 1,000 standard deviations, float32",
        1e-5, lambda c: isinstance(c, Accuracy) and c.ratio == 1e3 and c.dtype == "float32",
        lambda _, report: report["arms"]["kernels"]["var_relative_error"], at_most=True,
    ),
)  # fmt: skip


def verdicts(
    document: Document | None,
    goals: Sequence[Goal] = GOALS,
    cases: Sequence[AnyCase] = CASES,
) -> list[dict[str, str]]:
    """A row for each goal: its bound, the worst and the median batch, and "met" or "not met".

    While a batch is missing and none fails, nothing is known yet. Batches in which there is
    nothing to compare with are left out.
    """
    return [_verdict(document or {"cases": {}}, goal, cases) for goal in goals]


def _verdict(document: Document, goal: Goal, cases: Sequence[AnyCase]) -> dict[str, str]:
    wanted = [case for case in cases if goal.of(case)]
    reports = [(c, document["cases"][c.name]) for c in wanted if c.name in document["cases"]]
    found = [_number(goal, case, report) for case, report in reports]
    numbers = [number for number in found if number is not None]
    worst = (max if goal.at_most else min)(numbers, default=None)
    fails = worst is not None and (worst > goal.bound if goal.at_most else worst < goal.bound)
    is_done = bool(numbers) and len(found) == len(wanted)
    return {
        "goal": goal.what,
        "bound": f"{'≤' if goal.at_most else '≥'}\u00a0{_digits(goal.bound, 'g')}",
        "worst": _shown(worst),
        "median": _shown(median(numbers) if numbers else None),
        "batches": f"{len(numbers)} of {len(wanted)}",
        "verdict": "not met" if fails else "met" if is_done else NOT_YET,
    }


def _number(goal: Goal, case: AnyCase, report: Report) -> float | None:
    """Of one batch; the worst there is if the kernels failed, or it is no number."""
    kernels = report["arms"]["kernels"]
    worst = inf if goal.at_most else -inf
    if "error" in kernels and "var_relative_error" not in kernels:
        return worst
    number = goal.measured(case, report)
    # A record has "nan" and "inf" as words.
    return number if number is None or isfinite(float(number)) else worst


def _shown(number: float | None) -> str:
    if number is None:
        return ""
    if number in (inf, -inf):
        return "failed"
    return _digits(number, ".3f")


def _digits(number: float, form: str) -> str:
    """A number in this form, a small one with a power of ten."""
    if number >= 1e-3:
        return f"{number:{form}}"
    digits, power = f"{number:.1e}".split("e-")
    factor = "" if digits == "1.0" else f"{digits}·"
    return f"{factor}10⁻{str(int(power)).translate(_RAISED)}"
