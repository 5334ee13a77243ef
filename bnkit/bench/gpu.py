"""`python -m bnkit bench gpu`: batch normalization on a GPU, case by case within a budget.

A device may be lent for minutes. So every case is kept as soon as it is done, and the next call
goes on with those that are missing.
"""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from bnkit import places
from bnkit.bench import gpu_cases, gpu_device, gpu_measure
from bnkit.bench.gpu_cases import AnyCase
from bnkit.bench.gpu_device import Device
from bnkit.bench.gpu_record import Record
from bnkit.errors import InputError
from bnkit.sweep.origin import commit, machine


def run(*, seconds: float, out: str | None, tiny: bool, device: Device | None = None) -> int:
    """Measure the cases that the record has not, until the next might end after the budget.

    Args:
        seconds: the budget, in wall time. At least one case is measured.
        out: the record's path; by default named after the device.
        tiny: small tensors, on the CPU where there is no GPU; then `out` must be given, since
            nothing of it is a result.
        device: in place of the one that is there.

    Returns:
        0, or 1 if our kernels failed in one of the cases.

    Raises:
        InputError: there is no GPU, or the record is another's.
    """
    started = time.monotonic()
    device = device or gpu_device.find(tiny=tiny)
    record = Record(_path(out, tiny=tiny, device=device), session(device))
    cases = gpu_cases.TINY if tiny else gpu_cases.CASES
    missing = [case for case in cases if case.name not in record.names]
    longest = 0.0
    failed = False
    for number, case in enumerate(missing):
        now = time.monotonic()
        if number and now - started + longest > seconds:
            break
        report = gpu_measure.measure(case, device)
        longest = max(longest, time.monotonic() - now)
        report["seconds"] = round(time.monotonic() - now, 2)
        record.keep(case.name, report)
        failed = failed or "error" in report["arms"].get("kernels", {})
        print(_line(case, report), flush=True)
    left = len([case for case in cases if case.name not in record.names])
    rest = "" if not left else f"; {left} missing: call again"
    print(f"{len(cases) - left} of {len(cases)} cases in {record.path}{rest}")
    return int(failed)


def session(device: Device) -> dict[str, Any]:
    """When, by what code and on what: the origin of the cases of one call."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        **commit(),
        **machine(),
        **device.facts(),
        "torch": torch.__version__,
    }


def _path(out: str | None, *, tiny: bool, device: Device) -> Path:
    if out:
        return Path(out)
    if tiny:
        raise InputError("--tiny is a rehearsal: name a file for its record by --out")
    return places.records() / "gpu" / f"{gpu_device.slug(device.name)}.json"


def _line(case: AnyCase, report: dict[str, Any]) -> str:
    """One case on one line: times of the arms, and ours as a share of the copy."""
    cells = []
    for name, arm in report["arms"].items():
        if "error" in arm:
            cells.append(f"{name} FAILED ({arm['error']})")
        elif "step" in arm:
            cells.append(f"{name} {arm['seed_steps_per_second']:,.0f} seed-steps/s")
        elif "var_relative_error" in arm:
            cells.append(f"{name} {arm['var_relative_error']:.1e}")
        else:
            shares = arm["share_of_copy"].items()
            times = " ".join(
                f"{key} {1e6 * arm[key]:.1f} µs ({share:.2f})" for key, share in shares
            )
            cells.append(f"{name}: {times}")
    return f"{case.name}  " + " | ".join(cells)
