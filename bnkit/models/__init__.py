"""The networks on trial. The normalizer and its place are chosen by name."""

from bnkit.models.stacked_mlp import StackedMLP

__all__ = ["StackedMLP"]
