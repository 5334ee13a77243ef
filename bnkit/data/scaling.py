"""Standardization per channel, and the way back to pixels."""

from dataclasses import dataclass

import numpy as np

_PER_CHANNEL = (0, 2, 3)  # all axes of (N, C, H, W) but C


@dataclass(frozen=True, eq=False)
class Scaling:
    """x = (raw - mean) / std for each channel; mean and std come from train only.

    Attributes:
        mean: (C,) float64, in the units of the raw numbers.
        std: (C,) float64, same units, dividing by N; 1 where a channel is constant.
        levels: the raw integer that means white (255, or 16 for digits); None for real numbers.
    """

    mean: np.ndarray
    std: np.ndarray
    levels: int | None

    @classmethod
    def fit(cls, raw: np.ndarray, levels: int | None) -> "Scaling":
        """Measure `raw`, (N, C, H, W), in float64."""
        mean = raw.mean(axis=_PER_CHANNEL, dtype=np.float64)
        # In parts of 1,000 images: a float64 copy of a large set would take gigabytes.
        squares = sum(
            np.square(raw[i : i + 1000] - mean[:, None, None]).sum(axis=_PER_CHANNEL)
            for i in range(0, len(raw), 1000)
        )
        std = np.sqrt(squares * raw.shape[1] / raw.size)
        # A constant channel has a std of exactly 0: sums of float32 in float64 do not round.
        return cls(mean, np.where(std == 0, 1.0, std), levels)

    def standardize(self, raw: np.ndarray) -> np.ndarray:
        """(N, C, H, W) raw numbers -> the same shape in float32, computed in float64."""
        x = np.empty(raw.shape, np.float32)
        for c in range(raw.shape[1]):
            # dtype= casts in small blocks inside the loop and needs no large copy.
            np.subtract(raw[:, c], self.mean[c], out=x[:, c], dtype=np.float64, casting="same_kind")
            np.divide(x[:, c], self.std[c], out=x[:, c], dtype=np.float64, casting="same_kind")
        return x

    def pixels(self, x: np.ndarray) -> np.ndarray:
        """Undo `standardize`: float32 in [0, 1], exact where the raw numbers were integers."""
        raw = x * self.std[:, None, None] + self.mean[:, None, None]
        if self.levels is not None:
            raw = np.rint(raw) / self.levels
        return raw.astype(np.float32)
