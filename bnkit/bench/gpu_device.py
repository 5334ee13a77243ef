"""The one place that knows whether there is a GPU: how it is named, timed and looked at.

Work on a GPU is asynchronous. Times come from events on the device, which is held while the host
queues up the work: so they are the device's, and not those of Python. What the host takes to
queue a call is measured apart.
"""

import re
import subprocess
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Protocol

import torch

from bnkit.errors import InputError

_CYCLES_PER_SECOND = 2e9  # about the highest clock: rather held too long than too short

Mark = Callable[[], None]
Run = Callable[[int, Mark], None]


class Device(Protocol):
    """What the benchmarks ask of a device.

    Attributes:
        name: as the driver has it.
        kind: "cuda" or "cpu".
        cache_bytes: of its last cache: buffers are rotated past it.
    """

    name: str
    kind: str
    cache_bytes: int

    def check(self) -> None:
        """InputError, with the reason, where no compiled kernel can run."""

    def works(self) -> bool:
        """Whether it still answers: after an access to wrong memory nothing does in a process."""

    def facts(self) -> dict[str, Any]:
        """Where a time was measured: what belongs into the record."""

    def laps(self, run: Run, repeats: int) -> list[tuple[float, ...]]:
        """Seconds of the device between the marks set by run(i, mark), for each i."""

    def wall_seconds(self, call: Callable[[], None], repeats: int) -> float:
        """Seconds of the host per call, from the first call to the end of the last one's work."""

    def graph(self, call: Callable[[], None]) -> Callable[[], None] | None:
        """A replay of `call` in one launch, or None where there is none."""

    def peak_bytes(self, call: Callable[[], None]) -> int:
        """Memory that the call needs at its peak, beyond what is held before."""


class Cuda:
    """The current CUDA device."""

    kind = "cuda"

    def __init__(self) -> None:
        if not torch.cuda.is_available():
            raise InputError(
                "no CUDA device: `bench gpu` measures one; `--tiny` rehearses on the CPU"
            )
        self._properties = torch.cuda.get_device_properties(torch.cuda.current_device())
        self.name: str = self._properties.name
        self.cache_bytes = int(getattr(self._properties, "L2_cache_size", 64 * 2**20))

    def check(self) -> None:
        """By the least that torch compiles: it needs what every case needs."""
        try:
            torch.compile(lambda x: x + 1, fullgraph=True)(torch.zeros(8, device="cuda"))
            torch.cuda.synchronize()
        except Exception as error:
            raise InputError(
                f"no kernel can be compiled and run on {self.name} ({reason(error)}): it needs "
                "Triton, a C compiler and Python's headers"
            ) from error

    def works(self) -> bool:
        """By waiting for it."""
        try:
            torch.cuda.synchronize()
        except Exception:
            return False
        return True

    def facts(self) -> dict[str, Any]:
        """Name, size, driver and the versions that make the code of the kernels."""
        import triton

        return {
            "device": self.name,
            "multiprocessors": self._properties.multi_processor_count,
            "memory_bytes": self._properties.total_memory,
            "cache_bytes": self.cache_bytes,
            "capability": f"{self._properties.major}.{self._properties.minor}",
            "driver": _driver(),
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
            "triton": triton.__version__,
        }

    def laps(self, run: Run, repeats: int) -> list[tuple[float, ...]]:
        """By CUDA events; the device sleeps until all calls are queued."""
        hold = min(0.3, 1e-3 + 1.5 * self._host_seconds(run) * repeats)
        torch.cuda._sleep(int(hold * _CYCLES_PER_SECOND))
        calls: list[list[torch.cuda.Event]] = []
        for i in range(repeats):
            events: list[torch.cuda.Event] = []
            run(i, lambda events=events: events.append(_recorded()))
            calls.append(events)
        torch.cuda.synchronize()
        return [tuple(a.elapsed_time(b) / 1e3 for a, b in pairwise(events)) for events in calls]

    def wall_seconds(self, call: Callable[[], None], repeats: int) -> float:
        """By the host's clock, between two synchronizations."""
        call()
        torch.cuda.synchronize()
        started = time.perf_counter()
        for _ in range(repeats):
            call()
        torch.cuda.synchronize()
        return (time.perf_counter() - started) / repeats

    def graph(self, call: Callable[[], None]) -> Callable[[], None] | None:
        """Captured on a stream of its own, after a warm-up there."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                call()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            call()
        return graph.replay

    def peak_bytes(self, call: Callable[[], None]) -> int:
        """By the statistics of torch's allocator."""
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        call()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before

    def _host_seconds(self, run: Run) -> float:
        """What the host takes to queue a call, while the device does nothing else."""
        run(0, lambda: None)
        torch.cuda.synchronize()
        started = time.perf_counter()
        for i in range(5):
            run(i, lambda: None)
        seconds = (time.perf_counter() - started) / 5
        torch.cuda.synchronize()
        return seconds


class Rehearsal:
    """The CPU in the part of a GPU: nothing that it times is a result."""

    kind = "cpu"
    name = "rehearsal on a CPU"
    cache_bytes = 0

    def check(self) -> None:
        """Nothing is compiled for it."""

    def works(self) -> bool:
        """Always."""
        return True

    def facts(self) -> dict[str, Any]:
        """That it is none."""
        return {"device": self.name}

    def laps(self, run: Run, repeats: int) -> list[tuple[float, ...]]:
        """By the clock of the host, on which everything runs."""
        laps = []
        for i in range(repeats):
            marks: list[float] = []
            run(i, lambda marks=marks: marks.append(time.perf_counter()))
            laps.append(tuple(b - a for a, b in pairwise(marks)))
        return laps

    def wall_seconds(self, call: Callable[[], None], repeats: int) -> float:
        """By the same clock."""
        started = time.perf_counter()
        for _ in range(repeats):
            call()
        return (time.perf_counter() - started) / repeats

    def graph(self, call: Callable[[], None]) -> Callable[[], None] | None:
        """There are none."""
        return None

    def peak_bytes(self, call: Callable[[], None]) -> int:
        """Not known, but the call is made."""
        call()
        return 0


def find(*, tiny: bool) -> Device:
    """The CUDA device; without one an InputError, or the CPU if it is but a rehearsal."""
    return Rehearsal() if tiny and not torch.cuda.is_available() else Cuda()


def slug(name: str) -> str:
    """A device's name as a file name: "NVIDIA H200" -> "nvidia-h200"."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def reason(error: Exception) -> str:
    """What went wrong, in a line."""
    text = str(error).strip() or "no message"
    return f"{type(error).__name__}: {text.splitlines()[0][:300]}"


def _recorded() -> torch.cuda.Event:
    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return event


def _driver() -> str:
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.split("\n")[0].strip()
