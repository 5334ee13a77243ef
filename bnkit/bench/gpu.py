"""`python -m bnkit bench gpu`: batch normalization on a GPU, case by case within a budget.

A device may be lent for minutes. So every case is kept as soon as it is done, why one failed too,
and the next call goes on with those that are missing or may now succeed.
"""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from bnkit import places
from bnkit.bench import gpu_cases, gpu_device, gpu_measure
from bnkit.bench.gpu_cases import AnyCase
from bnkit.bench.gpu_device import Device, reason
from bnkit.bench.gpu_record import OtherCode, Record, code
from bnkit.errors import InputError
from bnkit.sweep.origin import commit, machine

AGAIN = 75  # the device is lost to this process: call again


def run(*, seconds: float, out: str | None, tiny: bool, device: Device | None = None) -> int:
    """Measure the cases that the record has not, until the next might end after the budget.

    Args:
        seconds: the budget, in wall time. At least one case is measured.
        out: the record's path; by default named after the device.
        tiny: small tensors, on the CPU where there is no GPU; then `out` must be given, since
            nothing of it is a result.
        device: in place of the one that is there.

    Returns:
        0; 1 if a case has failed in whole or in part; AGAIN if the device answers no longer.

    Raises:
        InputError: there is no GPU, none that kernels can be compiled for, or the record is
            another's.
    """
    started = time.monotonic()
    device = device or gpu_device.find(tiny=tiny)
    device.check()
    record = _record(out, tiny=tiny, device=device)
    cases = {case.name: case for case in (gpu_cases.TINY if tiny else gpu_cases.CASES)}
    longest = 0.0
    for number, name in enumerate(record.missing(cases)):
        now = time.monotonic()
        if number and now - started + longest > seconds:
            break
        _measure(cases[name], device, record)
        longest = max(longest, time.monotonic() - now)
        if not device.works():
            print(f"{device.name} answers no longer: call again")
            return AGAIN
    for name, why in record.failed.items():
        print(f"failed: {name}: {why}")
    left = len(record.missing(cases))
    rest = "" if not left else f"; {left} missing: call again"
    print(f"{len(cases) - left} of {len(cases)} cases in {record.path}{rest}")
    return int(bool(record.failed))


def _measure(case: AnyCase, device: Device, record: Record) -> None:
    """One case into the record; if it fails, why."""
    record.begin(case.name)
    began = time.monotonic()
    try:
        report = gpu_measure.measure(case, device)
    except Exception as error:  # too little memory, say: the other cases go on
        record.fail(case.name, reason(error))
        print(f"{case.name}  FAILED ({reason(error)})", flush=True)
        return
    report["seconds"] = round(time.monotonic() - began, 2)
    record.keep(case.name, report)
    print(_line(case, report), flush=True)


def session(device: Device) -> dict[str, Any]:
    """When, by what code and on what: the origin of the cases of one call."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        **commit(),
        **machine(),
        **device.facts(),
        "torch": torch.__version__,
        "code": code(),
    }


def _record(out: str | None, *, tiny: bool, device: Device) -> Record:
    """The record to go on with; one of other code is left, and another begun beside it."""
    if out:
        return Record(Path(out), session(device))
    if tiny:
        raise InputError("--tiny is a rehearsal: name a file for its record by --out")
    name, number = gpu_device.slug(device.name), 1
    while True:
        end = "" if number == 1 else f"-{number}"
        try:
            return Record(places.records() / "gpu" / f"{name}{end}.json", session(device))
        except OtherCode:
            number += 1


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
