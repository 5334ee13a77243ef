"""What a record of `bench gpu` says, in the form that a figure or a table wants.

Every function takes the record, or None where no GPU has been measured, and then has nothing to
say: a chapter is the same code before and after the measurement.
"""

import json
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

from bnkit import places
from bnkit.bench.gpu_cases import PASSES_OVER_MEMORY, SMALL
from bnkit.bench.gpu_record import SCHEMA
from bnkit.errors import InputError

NOT_YET = "not yet measured"
ITEM_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
Document = dict[str, Any]
Passes = Mapping[str, tuple[int, int]]  # workload -> of the tensor, forward and backward
_VERSIONS = {
    "torch": "torch", "CUDA": "cuda", "cuDNN": "cudnn", "Triton": "triton", "driver": "driver",
}  # fmt: skip


class Spread(NamedTuple):
    """The median of all rounds, and the least and greatest median of one round."""

    low: float
    middle: float
    high: float


Rows = dict[str, dict[str, Spread]]  # case -> arm -> value


def load() -> Document | None:
    """The record with the most cases in `data/records/gpu`, of equals the latest; or None.

    Raises:
        InputError: a file there is no record of this schema.
    """
    documents = []
    for path in sorted((places.records() / "gpu").glob("*.json")):
        try:
            document = json.loads(path.read_text("utf-8"))
            if document["schema"] != SCHEMA:
                raise ValueError(f"schema {document['schema']}")
            latest = max((session["date"] for session in document["sessions"]), default="")
            documents.append(((len(document["cases"]), latest), document))
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path} is no record of `bench gpu` with schema {SCHEMA} ({error}): remove it"
            ) from error
    return max(documents, key=lambda pair: pair[0])[1] if documents else None


def origin(document: Document | None) -> str:
    """Device, days and versions: what stands under every figure of a record.

    Sessions may differ in versions; then all of them are named.
    """
    if not document or not document["cases"]:
        return NOT_YET
    used = {case.get("session", 0) for case in document["cases"].values()}
    facts = [fact for number, fact in enumerate(document["sessions"]) if number in used]
    days = sorted({session["date"][:10] for session in facts})
    parts = [_each(facts, "device"), " to ".join(dict.fromkeys([*days[:1], *days[-1:]]))]
    parts += [f"{name} {found}" for name, key in _VERSIONS.items() if (found := _each(facts, key))]
    return ", ".join(parts)


def sessions(document: Document | None) -> list[dict[str, Any]]:
    """Date, commit and versions of each session, and the number of cases measured in it."""
    if document is None:
        return []
    used = [case.get("session", 0) for case in document["cases"].values()]
    return [
        {"date": session["date"][:10], "device": session["device"]}
        | {"commit": str(session.get("commit", ""))[:9]}
        | {name: str(session.get(key) or "") for name, key in _VERSIONS.items()}
        | {"cases": used.count(number)}
        for number, session in enumerate(document["sessions"])
    ]


def shares(
    document: Document | None,
    workload: str,
    dtype: str,
    direction: str,
    passes: Passes = PASSES_OVER_MEMORY,
    *,
    small: bool = False,
) -> Rows:
    """Bytes that a design must move, over time, as a share of the copy's rate.

    Args:
        document: the record.
        workload: "bn", "bn_relu" or "bn_add_relu".
        dtype: of the batch, a name in torch.
        direction: "forward", "backward" or "both".
        passes: of the design: two passes over the tensor, or `READ_ONCE`.
        small: the small batches in place of the large ones.
    """
    forward, backward = passes[workload]
    number = {"forward": forward, "backward": backward, "both": forward + backward}[direction]
    return {
        _label(name): {
            arm: _spread(times, direction, lambda t, copy=case["copy"]: number / 2 * copy / t)
            for arm, times in timed(case, direction)
        }
        for name, case in batches(document, workload, dtype, small=small)
        if timed(case, direction)
    }


def speedups(document: Document | None, workload: str, dtype: str) -> Rows:
    """Time of torch's eager operators over that of each other arm, forward and backward together.

    The spread is that of the other arm; eager is its median.
    """
    rows: Rows = {}
    for name, case in batches(document, workload, dtype):
        times = dict(timed(case, "both"))
        eager = times.pop("eager", None)
        if eager and times:
            rows[_label(name)] = {
                arm: _spread(laps, "both", lambda t, eager=eager["both"]: eager / t)
                for arm, laps in times.items()
            }
    return rows


def peaks(document: Document | None, workload: str, dtype: str) -> Rows:
    """Memory that a forward and backward pass needs at its peak, in sizes S of the batch.

    What is there before the call, the batch and the gradient of its output, does not count.
    """
    rows: Rows = {}
    for name, case in batches(document, workload, dtype):
        sizes = {
            arm: laps["peak_bytes"] / num_bytes(name)
            for arm, laps in timed(case, "both")
            if laps.get("peak_bytes")
        }
        if sizes:
            rows[_label(name)] = {arm: Spread(size, size, size) for arm, size in sizes.items()}
    return rows


def launches(document: Document | None, dtype: str, key: str) -> Rows:
    """Microseconds of a small layer's forward and backward pass.

    Args:
        document: the record.
        dtype: of the batch, a name in torch.
        key: "called", from the host, call by call; or "graph", replayed in one launch.
    """
    rows: Rows = {}
    for name, case in batches(document, "bn", dtype, small=True):
        times = {arm: 1e6 * laps[key] for arm, laps in sound(case) if key in laps}
        if times:
            rows[_label(name)] = {arm: Spread(t, t, t) for arm, t in times.items()}
    return rows


def forward_times(document: Document | None, shape: tuple[int, ...]) -> dict[str, float]:
    """Arm -> milliseconds of the forward pass alone, without gradients, over this float32 batch."""
    size = "x".join(map(str, shape))
    case = (document or {"cases": {}})["cases"].get(f"bn/{size}/float32/contiguous/forward")
    return {arm: 1e3 * laps["forward"] for arm, laps in sound(case)} if case else {}


def stacks(document: Document | None) -> dict[tuple[str, str], list[tuple[int, float]]]:
    """(norm, arm) -> (stacked seeds, seed-steps per second), by the number of seeds."""
    curves: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for name, case in cases(document):
        if name[0] == "stack":
            for arm, speed in sound(case):
                point = (case["num_seeds"], speed["seed_steps_per_second"])
                curves.setdefault((case["norm"], arm), []).append(point)
    return {key: sorted(curve) for key, curve in sorted(curves.items())}


def accuracies(document: Document | None) -> list[dict[str, Any]]:
    """Relative error of the variance for each batch and arm, an arm that failed with its error."""
    return [
        {"batch": _label(name), "mean / std": float(name[4])}
        | {arm: laps.get("var_relative_error", laps.get("error")) for arm, laps in _arms(case)}
        for name, case in cases(document)
        if name[0] == "accuracy"
    ]


def failures(document: Document | None) -> list[dict[str, str]]:
    """Arms that have no time because they failed, or were too far from float64; and whole cases."""
    if document is None:
        return []
    whole = [
        {"case": name, "arm": "all", "error": failure["error"]}
        for name, failure in sorted(document.get("failed", {}).items())
        if name not in document["cases"]
    ]
    return whole + [
        {"case": "/".join(name), "arm": arm, "error": laps["error"]}
        for name, case in cases(document)
        for arm, laps in _arms(case)
        if "error" in laps
    ]


def cases(document: Document | None) -> list[tuple[list[str], Any]]:
    """The parts of a case's name, and what the record keeps of it; by name."""
    found = document["cases"] if document else {}
    return [(name.split("/"), case) for name, case in sorted(found.items())]


def batches(
    document: Document | None, workload: str, dtype: str, *, small: bool = False
) -> list[tuple[list[str], Any]]:
    """Cases in both directions, the largest batch first.

    Those where bytes decide; or the small ones, where launches do.
    """
    found = [
        (name, case)
        for name, case in cases(document)
        if name[0] == workload and name[2] == dtype and len(name) == 4
        and (tuple(map(int, name[1].split("x"))) in SMALL) == small
    ]  # fmt: skip
    return sorted(found, key=lambda pair: -num_bytes(pair[0]))


def timed(case: Any, direction: str) -> list[tuple[str, Any]]:
    """The arms that have a time in this direction."""
    return [(arm, laps) for arm, laps in sound(case) if direction in laps]


def sound(case: Any) -> list[tuple[str, Any]]:
    """The arms that did not fail."""
    return [(arm, laps) for arm, laps in _arms(case) if "error" not in laps]


def num_bytes(name: Sequence[str]) -> int:
    """S, the size of a case's batch."""
    return prod(map(int, name[1].split("x"))) * ITEM_BYTES[name[2]]


def _spread(laps: Any, direction: str, value: Any) -> Spread:
    rounds = [value(t) for t in laps[f"{direction}_rounds"]]
    return Spread(min(rounds), value(laps[direction]), max(rounds))


def _each(facts: Sequence[Mapping[str, Any]], key: str) -> str:
    """What the sessions say of this, all of it if they differ."""
    return " and ".join(dict.fromkeys(str(fact[key]) for fact in facts if fact.get(key)))


def _arms(case: Any) -> list[tuple[str, Any]]:
    return sorted(case["arms"].items())


def _label(name: Sequence[str]) -> str:
    layout = " channels last" if name[3] == "channels_last" else ""
    return name[1].replace("x", " × ") + layout
