"""The convolutional network that a CPU can train many times: 16-16, 32-32, 64-64, linear head."""

from typing import Any

from bnkit.models.plain_cnn import PlainCNN

STAGES = ((16, 16), (32, 32), (64, 64))


class SmallCNN(PlainCNN):
    """Six convolutions in three stages; options and names of layers as in `PlainCNN`."""

    def __init__(
        self, shape: tuple[int, int, int], num_classes: int, seed: int, **options: Any
    ) -> None:
        super().__init__(shape, num_classes, seed, stages=STAGES, **options)
