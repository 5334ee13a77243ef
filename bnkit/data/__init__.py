"""Images to train on, each set with train, validation and test; NumPy only.

`load("digits")` needs neither network nor download. The arrays are read-only and shared between
callers: make tensors with `torch.tensor(split.flat)`, which copies.
"""

from bnkit.data.dataset import Dataset, Split
from bnkit.data.loading import NAMES, load
from bnkit.data.splits import stratified_subset

__all__ = ["NAMES", "Dataset", "Split", "load", "stratified_subset"]
