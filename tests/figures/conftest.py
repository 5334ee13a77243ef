"""Each test of a figure starts from matplotlib's own defaults and leaves no figure open."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest


@pytest.fixture(autouse=True)
def defaults():
    """The style of the book moves titles to the left, and stays set once a chapter has begun."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.use("agg")
        yield
    plt.close("all")
