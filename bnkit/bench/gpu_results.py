"""What a record of `bench gpu` says, in the form that a figure or a table wants.

Every function takes the record, or None where no GPU has been measured, and then has nothing to
say: a chapter is the same code before and after the measurement.
"""

import json
from math import exp, fsum, log
from statistics import median
from typing import Any, NamedTuple

from bnkit import places
from bnkit.bench.gpu_cases import PASSES_OVER_MEMORY
from bnkit.bench.gpu_record import SCHEMA
from bnkit.errors import InputError

NOT_YET = "not yet measured"
Document = dict[str, Any]


class Spread(NamedTuple):
    """The median of all rounds, and the least and greatest median of one round."""

    low: float
    middle: float
    high: float


Rows = dict[str, dict[str, Spread]]  # case -> arm -> value


def load() -> Document | None:
    """The record with the most cases in `data/records/gpu`, or None if there is none.

    Raises:
        InputError: a file there is no record of this schema.
    """
    documents = []
    for path in sorted((places.records() / "gpu").glob("*.json")):
        try:
            document = json.loads(path.read_text("utf-8"))
            if document["schema"] != SCHEMA:
                raise ValueError(f"schema {document['schema']}")
            documents.append((len(document["cases"]), document))
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path} is no record of `bench gpu` with schema {SCHEMA} ({error}): remove it"
            ) from error
    return max(documents, key=lambda pair: pair[0])[1] if documents else None


def origin(document: Document | None) -> str:
    """Device, days and versions: what stands under every figure of a record."""
    if document is None:
        return NOT_YET
    sessions = document["sessions"]
    facts = sessions[-1]
    days = sorted({session["date"][:10] for session in sessions})
    named = {"CUDA": "cuda", "cuDNN": "cudnn", "Triton": "triton", "driver": "driver"}
    versions = [f"{name} {facts[key]}" for name, key in named.items() if facts.get(key)]
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return ", ".join([facts["device"], when, f"torch {facts['torch']}", *versions])


def shares(document: Document | None, workload: str, dtype: str, direction: str) -> Rows:
    """Bytes that two passes must move, over time, as a share of the copy's rate.

    Args:
        document: the record.
        workload: "bn", "bn_relu" or "bn_add_relu".
        dtype: of the batch, a name in torch.
        direction: "forward", "backward" or "both".
    """
    forward, backward = PASSES_OVER_MEMORY[workload]
    passes = {"forward": forward, "backward": backward, "both": forward + backward}[direction]
    return {
        label: {
            arm: _spread(times, direction, lambda t, copy=case["copy"]: passes / 2 * copy / t)
            for arm, times in _timed(case, direction)
        }
        for label, case in _large(document, workload, dtype)
        if _timed(case, direction)
    }


def speedups(document: Document | None, workload: str, dtype: str) -> Rows:
    """Time of torch's eager operators over that of each other arm, forward and backward together.

    The spread is that of the other arm; eager is its median.
    """
    rows: Rows = {}
    for label, case in _large(document, workload, dtype):
        times = dict(_timed(case, "both"))
        eager = times.pop("eager", None)
        if eager and times:
            rows[label] = {
                arm: _spread(laps, "both", lambda t, eager=eager["both"]: eager / t)
                for arm, laps in times.items()
            }
    return rows


def launches(document: Document | None, dtype: str, key: str) -> Rows:
    """Microseconds of a small layer's forward and backward pass, cases with a CUDA graph only.

    Args:
        document: the record.
        dtype: of the batch, a name in torch.
        key: "called", from the host, call by call; or "graph", replayed in one launch.
    """
    rows: Rows = {}
    for name, case in _cases(document):
        if name[0] != "bn" or name[2] != dtype:
            continue
        times = {arm: 1e6 * laps[key] for arm, laps in _sound(case) if key in laps}
        if times and any("graph" in laps for _, laps in _sound(case)):
            rows[_label(name)] = {arm: Spread(t, t, t) for arm, t in times.items()}
    return rows


def forward_times(document: Document | None, shape: tuple[int, ...]) -> dict[str, float]:
    """Arm -> milliseconds of the forward pass alone, without gradients, over this float32 batch."""
    size = "x".join(map(str, shape))
    case = (document or {"cases": {}})["cases"].get(f"bn/{size}/float32/contiguous/forward")
    return {arm: 1e3 * laps["forward"] for arm, laps in _sound(case)} if case else {}


def stacks(document: Document | None) -> dict[tuple[str, str], list[tuple[int, float]]]:
    """(norm, arm) -> (stacked seeds, seed-steps per second), by the number of seeds."""
    curves: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for name, case in _cases(document):
        if name[0] == "stack":
            for arm, speed in _sound(case):
                point = (case["num_seeds"], speed["seed_steps_per_second"])
                curves.setdefault((case["norm"], arm), []).append(point)
    return {key: sorted(curve) for key, curve in sorted(curves.items())}


def accuracies(document: Document | None) -> list[dict[str, Any]]:
    """Relative error of the variance for each batch and arm, an arm that failed with its error."""
    return [
        {"batch": _label(name), "mean / std": float(name[4])}
        | {arm: laps.get("var_relative_error", laps.get("error")) for arm, laps in _arms(case)}
        for name, case in _cases(document)
        if name[0] == "accuracy"
    ]


def backends(document: Document | None) -> list[dict[str, str]]:
    """Which implementation torch's eager operator chose for each batch."""
    return [
        {"shape": _size(name), "layout": name[3], "dtype": name[2],
         "backend": case["native_backend"]}
        for name, case in _cases(document)
        if name[0] == "bn"
    ]  # fmt: skip


def failures(document: Document | None) -> list[dict[str, str]]:
    """Arms that have no time because they failed, or were too far from float64."""
    return [
        {"case": "/".join(name), "arm": arm, "error": laps["error"]}
        for name, case in _cases(document)
        for arm, laps in _arms(case)
        if "error" in laps
    ]


def headline(document: Document | None) -> str:
    """The record in sentences, for large batches of float32."""
    if document is None:
        return "No GPU has been measured yet: the record is empty."
    parts = []
    for direction in ("forward", "backward"):
        found = _by_arm(shares(document, "bn", "float32", direction))
        medians = ", ".join(f"{arm} {median(values):.2f}" for arm, values in found.items())
        if medians:
            parts.append(f"median share of the copy's rate {direction}: {medians}")
    for workload, words in (("bn", "BN"), ("bn_relu", "BN and ReLU")):
        for arm, ratios in _by_arm(speedups(document, workload, "float32")).items():
            mean = exp(fsum(map(log, ratios)) / len(ratios))
            parts.append(
                f"{words} by {arm} takes {1 / mean:.2f} of eager's time "
                f"(geometric mean of {len(ratios)} batches)"
            )
    parts.append(f"{len(failures(document))} arms failed and have no time")
    return "Large batches in float32, " + "; ".join(parts) + "."


def _by_arm(rows: Rows) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for arms in rows.values():
        for arm, spread in arms.items():
            found.setdefault(arm, []).append(spread.middle)
    return found


def _large(document: Document | None, workload: str, dtype: str) -> list[tuple[str, Any]]:
    """Cases that were not replayed as a graph: there bytes decide, and not launches."""
    return [
        (_label(name), case)
        for name, case in _cases(document)
        if name[0] == workload and name[2] == dtype and len(name) == 4
        and not any("graph" in laps or "graph_error" in laps for _, laps in _arms(case))
    ]  # fmt: skip


def _timed(case: Any, direction: str) -> list[tuple[str, Any]]:
    return [(arm, laps) for arm, laps in _sound(case) if direction in laps]


def _spread(laps: Any, direction: str, value: Any) -> Spread:
    rounds = [value(t) for t in laps[f"{direction}_rounds"]]
    return Spread(min(rounds), value(laps[direction]), max(rounds))


def _cases(document: Document | None) -> list[tuple[list[str], Any]]:
    cases = document["cases"] if document else {}
    return [(name.split("/"), case) for name, case in sorted(cases.items())]


def _arms(case: Any) -> list[tuple[str, Any]]:
    return sorted(case["arms"].items())


def _sound(case: Any) -> list[tuple[str, Any]]:
    return [(arm, laps) for arm, laps in _arms(case) if "error" not in laps]


def _size(name: list[str]) -> str:
    return name[1].replace("x", " × ")


def _label(name: list[str]) -> str:
    layout = " channels last" if name[3] == "channels_last" else ""
    return _size(name) + layout
