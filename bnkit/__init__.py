"""Batch normalization from scratch, its probes and its trials: the package behind the book.

Importing `bnkit` loads neither torch nor matplotlib; import the part that you need, for example
`bnkit.layers` or `bnkit.reference`.
"""

__version__ = "0.1.0"
