"""What a record answers: which program torch runs, how the arms compare, what stacking gains.

Words are computed from the record, so that a page says what its numbers say.
"""

from collections.abc import Sequence
from statistics import geometric_mean, median
from typing import Any

from bnkit.bench.gpu_results import (
    Document,
    Rows,
    batches,
    cases,
    shares,
    speedups,
    stacks,
    timed,
)

WORDS = {"bn": "BN", "bn_relu": "BN, ReLU", "bn_add_relu": "BN, add, ReLU"}
DTYPES = ("float32", "bfloat16")
ARMS = ("eager", "compile", "kernels")  # of every case; a few have one more
_NORMS = {"batch": "with BN", "none": "without BN"}
_PATIENCE = 2.0  # times the step of the fewest networks


def backends(document: Document | None) -> list[dict[str, Any]]:
    """Which implementation torch's eager operator chose, by axes, layout and dtype."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for name, case in cases(document):
        if name[0] == "bn" and "native_backend" in case:
            axes = "(N, C)" if name[1].count("x") == 1 else "(N, C, H, W)"
            found.setdefault((axes, name[3], name[2]), []).append(case["native_backend"])
    return [
        {"axes": axes, "layout": layout.replace("_", " "), "dtype": dtype}
        | {"chosen": ", ".join(sorted(set(chosen))), "by the rule": _rule(axes, dtype)}
        | {"batches": len(chosen)}
        for (axes, layout, dtype), chosen in sorted(found.items())
    ]


def rule_of_backends(document: Document | None) -> str:
    """Whether torch chose as its source says; nothing without a record."""
    rows = backends(document)
    if not rows:
        return ""
    odd = [row for row in rows if row["chosen"] != row["by the rule"]]
    if not odd:
        return "In the record torch chose by that rule everywhere."
    named = "; ".join(f"{row['chosen']} for {row['dtype']} {row['axes']}" for row in odd)
    return f"In the record torch did not always choose by that rule: {named}."


def summary(document: Document | None, arms: Sequence[str] = ARMS) -> list[dict[str, Any]]:
    """Each arm's mean over those large batches for which all of `arms` have a time.

    Medians of the shares of the copy, geometric means of eager's time over the arm's.
    """
    found = []
    for workload, words in WORDS.items():
        for dtype in DTYPES:
            row = {"": words, "dtype": dtype}
            for direction in ("forward", "backward"):
                kept = _common(shares(document, workload, dtype, direction), arms)
                means = {arm: median(values) for arm, values in kept.items()}
                found.append((row | {"mean": f"share of the copy, {direction}"}, kept, means))
            kept = _common(speedups(document, workload, dtype), arms[1:])
            means = {arm: geometric_mean(values) for arm, values in kept.items()}
            found.append((row | {"mean": "times as fast as eager"}, kept, means))
    return [row | {"batches": len(kept[arms[-1]])} | means for row, kept, means in found if means]


def compiled_relu(document: Document | None) -> str:
    """Whether compiling BN with a ReLU behind it costs time, as on a CPU; nothing if unknown."""
    ratios = {workload: _over_eager(document, workload) for workload in ("bn", "bn_relu")}
    if not ratios["bn_relu"]:
        return ""
    behind = ratios["bn_relu"]
    slower = sum(ratio > 1.0 for ratio in behind)
    verdict = {0: "It is not so on the GPU", len(behind): "It is so on the GPU too"}.get(
        slower, "On the GPU it depends on the batch"
    )
    alone = f", of BN alone {median(ratios['bn']):.2f}" if ratios["bn"] else ""
    return (
        f"{verdict}: in {slower} of {len(behind)} large batches the compiled BN and ReLU took "
        f"longer than eager's, and the median of its time over eager's is "
        f"{median(behind):.2f}{alone}."
    )


def growth(document: Document | None) -> list[dict[str, Any]]:
    """For each curve of `stacks`, from the fewest networks to the most.

    "a step under twice": the most networks whose step, together with those of all fewer, takes
    less than twice the time of the fewest networks' step.
    """
    rows = []
    for (norm, arm), curve in stacks(document).items():
        (fewest, slow), (most, fast) = curve[0], curve[-1]
        free = fewest
        for number, speed in curve:
            if number / speed >= _PATIENCE * fewest / slow:
                break
            free = number
        rows.append(
            {"": _NORMS[norm], "arm": arm, "networks": f"{fewest} to {most}"}
            | {"seed-steps/s": f"{slow:,.0f} to {fast:,.0f}", "growth": f"{fast / slow:.1f}"}
            | {"a step under twice": f"up to {free}"}
        )
    return rows


def _rule(axes: str, dtype: str) -> str:
    """As the source of torch has it, for parameters in float32 and tensors below 2^31 values."""
    return "Native" if axes == "(N, C)" or dtype == "bfloat16" else "Cudnn"


def _over_eager(document: Document | None, workload: str) -> list[float]:
    """Compile's time over eager's, both directions together, in each large batch."""
    found = []
    for dtype in DTYPES:
        for _, case in batches(document, workload, dtype):
            times = dict(timed(case, "both"))
            if {"eager", "compile"} <= set(times):
                found.append(times["compile"]["both"] / times["eager"]["both"])
    return found


def _common(rows: Rows, arms: Sequence[str]) -> dict[str, list[float]]:
    """Each arm's values in the rows that have all of them; empty where none has."""
    kept = [row for row in rows.values() if set(arms) <= set(row)]
    return {arm: [row[arm].middle for row in kept] for arm in arms} if kept else {}
