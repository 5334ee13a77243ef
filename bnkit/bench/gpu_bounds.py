"""What bounds batch normalization on a GPU: operations, bytes and memory, counted and recorded."""

from statistics import median
from typing import NamedTuple

from bnkit.bench.gpu_cases import PASSES_OVER_MEMORY
from bnkit.bench.gpu_results import ITEM_BYTES, Document, batches, cases, num_bytes, timed

# Operations on each value, forward and backward. Forward: 1 for the mean, 3 for the variance, 3
# for the output. Backward: 1 and 3 for the two sums, 5 for the affine form. A ReLU is one more
# each way, a sum before it one more forward. What is done once per channel does not count.
OPERATIONS: dict[str, tuple[int, int]] = {"bn": (7, 9), "bn_relu": (8, 10), "bn_add_relu": (9, 10)}

# What a forward and backward pass must allocate, in sizes S of the batch: its output and the
# gradients of the tensors that went in.
LEAST_ALLOCATED: dict[str, float] = {"bn": 2.0, "bn_relu": 2.0, "bn_add_relu": 3.0}

DIRECTIONS = ("forward", "backward")
# (arm, direction) -> (operations per byte, operations per second) of each batch
Points = dict[tuple[str, str], list[tuple[float, float]]]

LARGE_BYTES = 100e6  # from here on no cache holds a batch


class Sheet(NamedTuple):
    """The two speeds of a card as its maker's data sheet has them.

    Attributes:
        device: as the driver names the card.
        teraflops: float32 outside the tensor cores, 10^12 operations per second.
        terabytes: of memory, 10^12 bytes per second.
    """

    device: str
    teraflops: float
    terabytes: float


H200 = Sheet("NVIDIA H200", 67.0, 4.8)


def intensity(workload: str, dtype: str, direction: str) -> float:
    """Operations per byte of a design with two passes over the tensor."""
    at = DIRECTIONS.index(direction)
    return OPERATIONS[workload][at] / (PASSES_OVER_MEMORY[workload][at] * ITEM_BYTES[dtype])


def points(document: Document | None) -> Points:
    """Where the large batches of a record lie under the roofline."""
    found: Points = {}
    for workload in OPERATIONS:
        for dtype in ITEM_BYTES:
            for name, case in batches(document, workload, dtype):
                num_values = num_bytes(name) / ITEM_BYTES[dtype]
                for direction, number in zip(DIRECTIONS, OPERATIONS[workload], strict=True):
                    for arm, laps in timed(case, direction):
                        rate = number * num_values / laps[direction]
                        point = (intensity(workload, dtype, direction), rate)
                        found.setdefault((arm, direction), []).append(point)
    return found


def copy_rate(document: Document | None) -> float | None:
    """Bytes per second of a copy, read and written: median over batches that no cache holds."""
    rates = [
        2 * num_bytes(name) / case["copy"]
        for name, case in cases(document)
        if "copy" in case and num_bytes(name) >= LARGE_BYTES
    ]
    return median(rates) if rates else None


def sheet(document: Document | None) -> Sheet | None:
    """The data sheet of the record's card, if it is one that is known here."""
    devices = {session["device"] for session in document["sessions"]} if document else set()
    return H200 if devices == {H200.device} else None


def reading(document: Document | None) -> str:
    """On which side of the ridge the record's points lie; nothing without any."""
    found = [at for curve in points(document).values() for at, _ in curve]
    rate, card = copy_rate(document), sheet(document)
    if not found or not rate:
        return ""
    copied = f"The copies of large batches moved {rate / 1e12:.2f} TB/s."
    if card is None:
        return f"{copied} The arithmetic peak of this card is not known here, so no ridge is drawn."
    ridge = 1e12 * card.teraflops / rate
    left = sum(at < ridge for at in found)
    factor = ridge / max(found)
    nearest = "left" if factor > 1 else "right"
    return (
        f"{copied} With the data sheet's {card.teraflops:g} TFLOP/s the ridge is at {ridge:.1f} "
        f"operations per byte; {left} of {len(found)} points lie left of it, and the rightmost is "
        f"a factor of {max(factor, 1 / factor):.1f} to its {nearest}."
    )
