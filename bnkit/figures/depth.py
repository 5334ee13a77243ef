"""How does a quantity change from layer to layer, with BN and without?"""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from bnkit.figures.style import COLORS, LABELS, WIDE


def by_layer(quantities: Mapping[str, Mapping[str, ArrayLike]]) -> Figure:
    """One panel per quantity, one line per arm, against the number of the layer from 1.

    Args:
        quantities: title -> arm, a key of `style.COLORS` -> (layers,).
    """
    figure, axes = plt.subplots(1, len(quantities), figsize=WIDE, squeeze=False)
    for axis, (title, arms) in zip(axes[0], quantities.items(), strict=True):
        for arm, values in arms.items():
            layers = np.arange(1, len(np.asarray(values)) + 1)
            axis.plot(layers, values, "o-", color=COLORS[arm], markersize=4, label=LABELS[arm])
        axis.set(title=title, xlabel="layer")
        axis.set_ylim(bottom=0)
    axes[0, 0].legend()
    return figure
