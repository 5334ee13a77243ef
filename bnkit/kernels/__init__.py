"""Batch normalization in Triton, from scratch: few passes over memory, few launches.

Importing this loads torch alone. Triton is loaded by the first call, which says so in one line
where it is missing.
"""

from bnkit.kernels.functional import DTYPES, batch_norm, batch_norm_with_statistics

__all__ = ["batch_norm", "batch_norm_with_statistics", "DTYPES"]
