"""Normalization layers with the mathematics written out, drop-in for torch's."""

from bnkit.layers import functional
from bnkit.layers.batch_norm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from bnkit.layers.lp_norm import LpNorm
from bnkit.layers.sync_batch_norm import SyncBatchNorm

__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "LpNorm", "SyncBatchNorm", "functional"]
