"""What is measured on a GPU, the most telling cases first: a lent device may go at any time."""

from typing import Literal, NamedTuple

Workload = Literal["bn", "bn_relu", "bn_add_relu"]
Layout = Literal["contiguous", "channels_last"]

# Reads and writes of the whole tensor (S bytes), forward and backward, where statistics and
# result take a pass each; and where the tensor is read once.
PASSES_OVER_MEMORY: dict[str, tuple[int, int]] = {
    "bn": (3, 5),
    "bn_relu": (3, 5),
    "bn_add_relu": (4, 7),
}
READ_ONCE: dict[str, tuple[int, int]] = {"bn": (2, 3), "bn_relu": (2, 3), "bn_add_relu": (3, 5)}


class Case(NamedTuple):
    """Batch normalization of one batch, by every arm in turn.

    Attributes:
        workload: what follows the normalization.
        shape: of the batch, (N, C, *spatial).
        dtype: of the batch, a name in torch; parameters are float32.
        layout: of the batch in memory.
        backward: also the gradient.
        autotune: also compiled with max-autotune.
        graph: also replayed as a CUDA graph, where a launch costs more than the work.
    """

    workload: Workload
    shape: tuple[int, ...]
    dtype: str
    layout: Layout
    backward: bool = True
    autotune: bool = False
    graph: bool = False

    @property
    def name(self) -> str:
        """The key in the record."""
        size = "x".join(map(str, self.shape))
        end = "" if self.backward else "/forward"
        return f"{self.workload}/{size}/{self.dtype}/{self.layout}{end}"


class Accuracy(NamedTuple):
    """The variance of a batch whose mean is `ratio` times its standard deviation."""

    shape: tuple[int, ...]
    dtype: str
    layout: Layout
    ratio: float

    @property
    def name(self) -> str:
        """The key in the record."""
        size = "x".join(map(str, self.shape))
        return f"accuracy/{size}/{self.dtype}/{self.layout}/{self.ratio:g}"


class Stack(NamedTuple):
    """Training steps of stacked networks on random data, eager and as a CUDA graph."""

    sizes: tuple[int, ...]
    batch_size: int
    norm: Literal["none", "batch"]
    num_seeds: int

    @property
    def name(self) -> str:
        """The key in the record."""
        return f"stack/{'-'.join(map(str, self.sizes))}/{self.norm}/{self.num_seeds}"


AnyCase = Case | Accuracy | Stack

EARLY, MIDDLE, LATE = (256, 64, 56, 56), (256, 256, 14, 14), (1024, 512, 7, 7)
ROWS = (65536, 1024)
HUGE = (64, 64, 512, 512)  # KernelBench level 1, problem 33, which times the forward pass alone
SMALL = [(60, 100), (256, 1024), (64, 256, 14, 14), (128, 512, 7, 7)]
MNIST = (784, 100, 100, 100, 10)  # the network of the 2015 paper, section 4.1
NUM_SEEDS = (1, 10, 100, 500, 50, 200, 20, 2, 5)


def _layouts(shape: tuple[int, ...]) -> tuple[Layout, ...]:
    return ("contiguous",) if len(shape) == 2 else ("contiguous", "channels_last")


def _large(workload: Workload) -> list[AnyCase]:
    return [
        Case(
            workload,
            shape,
            dtype,
            layout,
            autotune=workload == "bn" and dtype == "float32" and layout == "contiguous"
            and shape in (EARLY, ROWS),
        )
        for dtype in ("float32", "bfloat16")
        for shape in (EARLY, ROWS, MIDDLE, LATE)
        for layout in _layouts(shape)
    ]  # fmt: skip


CASES: list[AnyCase] = [
    Accuracy(EARLY, "float32", "contiguous", 1e3),
    Accuracy(EARLY, "float32", "channels_last", 1e3),
    Accuracy(ROWS, "float32", "contiguous", 1e3),
    Accuracy((60, 100), "float32", "contiguous", 1e3),
    Case("bn", HUGE, "float32", "contiguous", backward=False),
    *_large("bn"),
    *(
        Case("bn", shape, dtype, layout, graph=True)
        for shape in SMALL
        for dtype in ("float32", "bfloat16")
        for layout in _layouts(shape)
    ),
    *(Stack(MNIST, 60, "batch", num_seeds) for num_seeds in NUM_SEEDS),
    *_large("bn_relu"),
    Case("bn", HUGE, "float32", "contiguous"),
    *(
        Case("bn_add_relu", shape, dtype, "channels_last")
        for dtype in ("float32", "bfloat16")
        for shape in (EARLY, MIDDLE)
    ),
    *(Stack(MNIST, 60, "none", num_seeds) for num_seeds in NUM_SEEDS),
]

# Every kind of case in seconds: a rehearsal.
TINY: list[AnyCase] = [
    Accuracy((64, 2), "float32", "contiguous", 1e3),
    Case("bn", (8, 3, 4, 4), "float32", "contiguous", graph=True),
    Case("bn_relu", (16, 3), "bfloat16", "contiguous"),
    Case("bn_add_relu", (8, 3, 4, 4), "float32", "channels_last"),
    Case("bn", (8, 3, 4, 4), "float32", "channels_last", backward=False),
    Stack((16, 8, 8, 4), 6, "batch", 1),
    Stack((16, 8, 8, 4), 6, "batch", 3),
]
