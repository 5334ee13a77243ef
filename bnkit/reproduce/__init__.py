"""Run stored seeds again, from scratch, and compare them with their records."""

from bnkit.reproduce.comparison import Difference, compare
from bnkit.reproduce.rerun import Report, reproduce

__all__ = ["Difference", "compare", "Report", "reproduce"]
