"""One case: the arms are checked against float64, then timed in turn, round after round."""

import secrets
from collections.abc import Callable
from functools import partial
from itertools import cycle
from math import prod
from statistics import median
from typing import Any

import torch
from torch.nn import functional as F

from bnkit.bench import gpu_arms
from bnkit.bench.gpu_arms import Batch, Forward, Parameters
from bnkit.bench.gpu_cases import (
    PASSES_OVER_MEMORY,
    READ_ONCE,
    Accuracy,
    AnyCase,
    Case,
    Stack,
)
from bnkit.bench.gpu_device import Device, Mark, reason

ROUNDS = 3
REPEATS = 10  # calls of an arm in a round
STACK_STEPS = 50
Report = dict[str, Any]


def measure(case: AnyCase, device: Device) -> Report:
    """What the record keeps of a case. An arm that fails has its error in place of numbers."""
    seed = secrets.randbelow(2**31)  # fresh inputs each time: no kernel can be right by habit
    torch.manual_seed(seed)
    gpu_arms.forget_compiled()
    if isinstance(case, Stack):
        report = _stack(case, device)
    elif isinstance(case, Accuracy):
        report = _accuracy(case, device)
    else:
        report = _normalization(case, device)
    return {"seed": seed, **report}


def _normalization(case: Case, device: Device) -> Report:
    dtype = getattr(torch, case.dtype)
    parameters = gpu_arms.draw_parameters(case.shape[1], device.kind, torch.float32)
    num_bytes = prod(case.shape) * dtype.itemsize
    adds, relu = case.workload == "bn_add_relu", case.workload != "bn"
    # Over one buffer again and again, a small batch would be measured in the cache.
    num_batches = max(2, min(32, -(-3 * device.cache_bytes // num_bytes)))
    draw = partial(gpu_arms.draw_batch, case.shape, dtype, case.layout, device.kind, adds=adds)
    batches = [draw() for _ in range(num_batches)]

    arms: dict[str, Forward] = {}
    report: dict[str, Report] = {}
    for name, forward in _arms(case, device, parameters, relu=relu).items():
        report[name] = _checked(name, forward, draw(), parameters, case)
        if "error" not in report[name]:
            arms[name] = forward

    calls = {name: _call(forward, parameters, case) for name, forward in arms.items()}
    times = _in_turn({**calls, "copy": _copies(batches)}, batches, device)
    copied = times.pop("copy")
    if "error" in copied:
        raise RuntimeError(f"the copy failed: {copied['error']}")
    for name, laps in times.items():
        report[name] |= laps
        if "error" not in laps:
            report[name] |= _beside(laps, calls[name], case, batches, device, copied["forward"])
    return {
        "bytes": num_bytes,
        "batches": num_batches,
        "native_backend": gpu_arms.native_backend(batches[0].x, parameters),
        "copy": copied["forward"],
        "copy_bytes_per_second": 2 * num_bytes / copied["forward"],
        "arms": report,
    }


def _arms(case: Case, device: Device, parameters: Parameters, *, relu: bool) -> dict[str, Forward]:
    compiled = partial(gpu_arms.compiled, parameters, relu=relu, device=device.kind)
    arms = {
        "eager": gpu_arms.eager(parameters, relu=relu),
        "compile": compiled(mode=None),
        "kernels": gpu_arms.ours(parameters, relu=relu),
    }
    if case.autotune:
        arms["compile max-autotune"] = compiled(mode="max-autotune-no-cudagraphs")
    return arms


def _checked(
    name: str, forward: Forward, batch: Batch, parameters: Parameters, case: Case
) -> Report:
    """Errors against float64, and an "error" if one is too large or the arm fails."""
    before = gpu_arms.num_compiled()
    relu = case.workload != "bn"
    try:
        if name == "kernels":
            with gpu_arms.poisoned():
                errors = gpu_arms.relative_errors(forward, batch, parameters, relu=relu)
        else:
            errors = gpu_arms.relative_errors(forward, batch, parameters, relu=relu)
    except Exception as error:  # an arm that cannot run is a result, and the others go on
        return {"error": reason(error)}
    if name.startswith("compile") and gpu_arms.num_compiled() == before:
        return {"relative_errors": errors, "error": "nothing was compiled: it ran eagerly"}
    largest = allowed(case, rounds_between=name != "kernels")
    wrong = {what: size for what, size in errors.items() if not size <= largest[what]}
    if wrong:
        return {"relative_errors": errors, "error": f"too far from float64: {wrong}"}
    return {"relative_errors": errors}


def allowed(case: Case, *, rounds_between: bool) -> dict[str, float]:
    """Largest relative errors: some roundings of the dtype, and of sums of many terms.

    Where the input of a ReLU is 0 but for rounding, its slope is 0 or 1 by chance. In float32 that
    is one value in some million, which is a relative error of its square root. Operators that
    round the normalized batch before a residual is added to it meet such a sum far more often: in
    bfloat16 about once in a thousand values.
    """
    rounding = {"float32": 1e-5, "float16": 2e-3, "bfloat16": 1e-2}[case.dtype]
    slope = rounding if case.workload == "bn" else max(rounding, 2e-3)
    if case.workload == "bn_add_relu" and case.dtype == "bfloat16" and rounds_between:
        slope = 6e-2
    sums = max(slope, 1e-4)
    return {"y": rounding, "dx": slope, "dgamma": sums, "dbeta": sums, "dresidual": slope}


def _call(forward: Forward, parameters: Parameters, case: Case) -> Callable[[Batch, Mark], None]:
    """Both directions with a mark before, between and after, or one without gradients."""

    def both(batch: Batch, mark: Mark) -> None:
        mark()
        y = forward(batch.x, batch.residual)
        mark()
        torch.autograd.grad(y, gpu_arms.inputs(batch, parameters), batch.dy)
        mark()

    @torch.no_grad()
    def one(batch: Batch, mark: Mark) -> None:
        mark()
        forward(batch.x, batch.residual)
        mark()

    return both if case.backward else one


def _copies(batches: list[Batch]) -> Callable[[Batch, Mark], None]:
    """Each into the next of as many tensors: a single one would stay in the cache."""
    targets = cycle([torch.empty_like(batch.x) for batch in batches])

    @torch.no_grad()
    def copy(batch: Batch, mark: Mark) -> None:
        target = next(targets)
        mark()
        target.copy_(batch.x)
        mark()

    return copy


def _in_turn(
    calls: dict[str, Callable[[Batch, Mark], None]], batches: list[Batch], device: Device
) -> dict[str, Report]:
    """Median seconds of each arm's passes, with the medians of the rounds: their spread is noise.

    Arms take turns within a round, so that a device that slows down does so for all. An arm that
    fails has its error, and the others go on.
    """
    rounds: dict[str, list[list[tuple[float, ...]]]] = {name: [] for name in calls}
    failed: dict[str, Report] = {}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            if name in failed:
                continue
            try:
                rounds[name].append(
                    device.laps(
                        lambda i, mark, call=call: call(batches[i % len(batches)], mark), REPEATS
                    )
                )
            except Exception as error:
                failed[name] = {"error": reason(error)}
    return {name: failed.get(name) or _medians(laps) for name, laps in rounds.items()}


def _medians(rounds: list[list[tuple[float, ...]]]) -> Report:
    passes: dict[str, Callable[[tuple[float, ...]], float]] = {"forward": lambda lap: lap[0]}
    if len(rounds[0][0]) == 2:
        passes |= {"backward": lambda lap: lap[1], "both": sum}
    report: Report = {}
    for name, of in passes.items():
        report[name] = median(of(lap) for laps in rounds for lap in laps)
        report[f"{name}_rounds"] = [median(of(lap) for lap in laps) for laps in rounds]
    return report


def _beside(
    laps: Report,
    call: Callable[[Batch, Mark], None],
    case: Case,
    batches: list[Batch],
    device: Device,
    copy: float,
) -> Report:
    """What else is kept of an arm that was timed: shares, host's time, memory, a graph's time."""
    report = _shares(laps, case, copy)
    try:
        report["called"] = device.wall_seconds(lambda: call(batches[0], _no_mark), REPEATS)
        report["peak_bytes"] = device.peak_bytes(lambda: call(batches[0], _no_mark))
    except Exception as error:
        return {**report, "error": reason(error)}
    return report | (_replayed(call, batches, device) if case.graph else {})


def _shares(times: Report, case: Case, copy: float) -> Report:
    """Bytes that must move, over time, as a share of the copy's bytes over its time.

    Twice: for two passes over the batch in each direction, and for one.
    """
    report: Report = {}
    for label, (forward, backward) in (
        ("share_of_copy", PASSES_OVER_MEMORY[case.workload]),
        ("share_of_copy_read_once", READ_ONCE[case.workload]),
    ):
        passes = {"forward": forward, "backward": backward, "both": forward + backward}
        report[label] = {
            name: num / 2 * copy / times[name] for name, num in passes.items() if name in times
        }
    return report


def _replayed(call: Callable[[Batch, Mark], None], batches: list[Batch], device: Device) -> Report:
    """Seconds per call where the calls on all batches are one graph."""

    def all_batches() -> None:
        for batch in batches:
            call(batch, _no_mark)

    try:
        replay = device.graph(all_batches)
        if replay is None:
            return {}
        laps = device.laps(lambda i, mark: (mark(), replay(), mark()), REPEATS)
    except Exception as error:
        return {"graph_error": reason(error)}
    return {"graph": median(lap for (lap,) in laps) / len(batches)}


def _accuracy(case: Accuracy, device: Device) -> Report:
    dtype = getattr(torch, case.dtype)
    batch = gpu_arms.draw_batch(case.shape, dtype, case.layout, device.kind, adds=False)
    with torch.no_grad():
        batch.x.copy_(torch.randn_like(batch.x) + case.ratio)
    axes = (0, *range(2, len(case.shape)))
    exact = batch.x.detach().double().var(axes, correction=1)
    parameters = gpu_arms.draw_parameters(case.shape[1], device.kind, torch.float32)
    parameters.running_var.zero_()  # then it is the batch's, times the weight of the new batch
    arms = {
        "eager": gpu_arms.eager(parameters, relu=False),
        "compile": gpu_arms.compiled(parameters, relu=False, device=device.kind, mode=None),
        "kernels": gpu_arms.ours(parameters, relu=False),
    }
    report: dict[str, Report] = {}
    for name, forward in arms.items():
        parameters.running_var.zero_()
        try:
            forward(batch.x, None)
        except Exception as error:
            report[name] = {"error": reason(error)}
            continue
        errors = (parameters.running_var.double() / 0.1 - exact).abs() / exact
        report[name] = {"var_relative_error": float(errors.max())}
        if name == "kernels" and not report[name]["var_relative_error"] <= 1e-5:
            report[name]["error"] = "the variance is off by more than 1e-5"
    return {"arms": report}


def _stack(case: Stack, device: Device) -> Report:
    from bnkit.models import StackedMLP

    seeds = range(case.num_seeds)
    model = StackedMLP(case.sizes, seeds, norm=case.norm, activation="sigmoid").to(device.kind)
    shape = (case.num_seeds, case.batch_size)
    x = torch.randn(*shape, case.sizes[0], device=device.kind)
    labels = torch.randint(case.sizes[-1], shape, device=device.kind)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        logits = model(x).flatten(0, 1)  # each seed's loss is a mean, and they are added up
        loss = F.cross_entropy(logits, labels.flatten(), reduction="sum") / case.batch_size
        loss.backward()
        optimizer.step()

    ways: dict[str, Callable[[], None] | None] = {"eager": step}
    report: dict[str, Report] = {}
    try:
        ways["graph"] = device.graph(step)
    except Exception as error:
        report["graph"] = {"error": reason(error)}
    for name, way in ways.items():
        if way is not None:
            seconds = min(device.wall_seconds(way, STACK_STEPS) for _ in range(ROUNDS))
            report[name] = {
                "step": seconds, "seed_steps_per_second": case.num_seeds / seconds
            }  # fmt: skip
    return {"num_seeds": case.num_seeds, "norm": case.norm, "arms": report}


def _no_mark() -> None:
    pass
