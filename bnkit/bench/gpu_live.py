"""A reader's own GPU: the cases that a chapter measures on the spot, in the form of a record."""

from collections.abc import Sequence

from bnkit.bench import gpu, gpu_measure
from bnkit.bench.gpu_cases import AnyCase
from bnkit.bench.gpu_device import Device
from bnkit.bench.gpu_record import SCHEMA
from bnkit.bench.gpu_results import Document


def measure(cases: Sequence[AnyCase], device: Device) -> Document:
    """A record of one session that is kept nowhere."""
    return {
        "schema": SCHEMA,
        "sessions": [gpu.session(device)],
        "cases": {case.name: {"session": 0, **gpu_measure.measure(case, device)} for case in cases},
    }
