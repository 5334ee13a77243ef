"""VGG for images of 32 × 32, the kind of network that Santurkar et al. (2018) trained on CIFAR-10.

Simonyan & Zisserman (2015), configurations A and B; five poolings leave one position, and one
linear layer is the head. No dropout, and Glorot's initialization, as in appendix A.1 of
Santurkar et al., who do not say which configuration or which head they used.
"""

from typing import Any, Literal

from bnkit.models.plain_cnn import PlainCNN

STAGES = {
    11: ((64,), (128,), (256, 256), (512, 512), (512, 512)),
    13: ((64, 64), (128, 128), (256, 256), (512, 512), (512, 512)),
}


class VGG(PlainCNN):
    """11 or 13: 8 or 10 convolutions and, in the original, three linear layers.

    Options and names of layers as in `PlainCNN`.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        num_classes: int,
        seed: int,
        *,
        depth: Literal[11, 13] = 11,
        init: str = "glorot",
        **options: Any,
    ) -> None:
        if depth not in STAGES:
            raise ValueError(f"depth {depth}: choose one of {', '.join(map(str, STAGES))}")
        super().__init__(shape, num_classes, seed, stages=STAGES[depth], init=init, **options)
