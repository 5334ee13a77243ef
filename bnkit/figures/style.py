"""The look of every figure: one palette, one size, SVG that is the same bytes twice.

A color means the same thing on every page: `COLORS["batch"]` is batch normalization,
`COLORS["none"]` the plain net. The palette is Okabe and Ito's, which readers with any common
form of color blindness can tell apart; figures keep a white background, also on a dark page.
"""

import matplotlib as mpl
from cycler import cycler

INK = "#1f2430"
FAINT = "#8a8f9c"
GRID = "#e4e6eb"

BLUE = "#0072b2"
ORANGE = "#d55e00"
GREEN = "#009e73"
PINK = "#cc79a7"
SKY = "#56b4e9"
AMBER = "#e69f00"

COLORS = {
    "batch": BLUE,
    "none": ORANGE,
    "layer": GREEN,
    "group": PINK,
    "weight": AMBER,
    "noisy": SKY,
}
LABELS = {
    "batch": "with BN",
    "none": "without BN",
    "layer": "LayerNorm",
    "group": "GroupNorm",
    "weight": "weight norm",
    "noisy": "noisy BN",
}
CYCLE = (BLUE, ORANGE, GREEN, PINK, AMBER, SKY)

WIDE = (7.2, 3.2)  # inches: two panels side by side
SINGLE = (6.0, 3.4)


def use(*, draft: bool = False) -> None:
    """Set matplotlib's defaults for the book; in a notebook, show figures as SVG.

    Args:
        draft: lay nothing out, which takes half of the time of drawing; labels may overlap.
    """
    mpl.rcParams.update(
        {
            "figure.figsize": SINGLE,
            "figure.facecolor": "white",
            "figure.constrained_layout.use": not draft,
            "savefig.facecolor": "white",
            "axes.edgecolor": FAINT,
            "axes.labelcolor": INK,
            "axes.titlecolor": INK,
            "axes.titlesize": 11,
            "axes.titlelocation": "left",
            "axes.labelsize": 10,
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.prop_cycle": cycler(color=CYCLE),
            "grid.color": GRID,
            "grid.linewidth": 0.8,
            "xtick.color": INK,
            "ytick.color": INK,
            "xtick.labelsize": 9,
            "ytick.labelsize": 9,
            "text.color": INK,
            "legend.frameon": False,
            "legend.fontsize": 9,
            "lines.linewidth": 1.8,
            "font.family": "DejaVu Sans",
            "svg.fonttype": "path",
            "svg.hashsalt": "bnkit",  # element ids, and with them the bytes, stay the same
        }
    )
    _svg_in_notebooks(trim=not draft)


def _svg_in_notebooks(*, trim: bool) -> None:
    """Outside a notebook there is nothing to set: plain scripts and tests save as they like."""
    try:
        from IPython import get_ipython
        from matplotlib_inline.backend_inline import set_matplotlib_formats
    except ImportError:
        return
    if get_ipython() is not None:
        # To trim a figure to what is on it, matplotlib draws it twice.
        box = "tight" if trim else None
        set_matplotlib_formats("svg", metadata={"Date": None}, bbox_inches=box)
