"""Singular values, and what one number can say of them."""

import numpy as np


def singular_values(matrices: np.ndarray) -> np.ndarray:
    """Of matrices (..., M, N), in descending order; NaN where a matrix is not finite."""
    finite = np.isfinite(matrices).all(axis=(-2, -1), keepdims=True)
    values = np.linalg.svd(np.where(finite, matrices, 0.0), compute_uv=False)
    return np.where(finite[..., 0], values, np.nan)


def effective_rank(values: np.ndarray) -> np.ndarray:
    """exp(entropy) of the squared singular values (..., R), normalized to sum 1.

    It is R if all are equal and 1 if one alone is not zero. Roy & Vetterli (2007) define it with
    the values themselves; their squares are shares of the variance. NaN if all are zero.
    """
    squares = values**2
    total = squares.sum(axis=-1, keepdims=True)
    nothing = np.full_like(squares, np.nan)
    shares = np.divide(squares, total, out=nothing, where=total > 0)
    logs = np.log(shares, out=np.zeros_like(shares), where=shares != 0)
    return np.exp(-(shares * logs).sum(axis=-1))


def is_nonzero(values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Which of the descending singular values (..., R) of a matrix of this shape are not rounding.

    The tolerance is that of numpy.linalg.matrix_rank.
    """
    tolerance = values[..., :1] * max(shape) * np.finfo(values.dtype).eps
    return values > tolerance
