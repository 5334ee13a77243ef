"""Which examples train, which choose, which judge? Splits that are the same on every machine."""

import numpy as np

from bnkit.errors import InputError

NUM_VALIDATION = 5_000  # held out of the official training set of MNIST and CIFAR-10
SPLIT_SEED = 20150211  # the day on which the batch normalization paper appeared


def hold_out_last(num_examples: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices (train, validation): validation is the last 5,000 of one fixed permutation.

    Both keep the permuted order, so that the first n of either are a random sample.
    """
    order = np.random.default_rng(SPLIT_SEED).permutation(num_examples)
    return order[:-NUM_VALIDATION], order[-NUM_VALIDATION:]


def hold_out_tenth(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices (train, validation), sorted: validation is a stratified tenth, at most 5,000."""
    num_validation = min(max(len(y) // 10, 1), NUM_VALIDATION)
    validation = stratified_subset(y, num_validation, SPLIT_SEED)
    return np.setdiff1d(np.arange(len(y)), validation), validation


def stratified_subset(y: np.ndarray, num: int, seed: int) -> np.ndarray:
    """Sorted indices of `num` examples drawn without replacement, classes in proportion.

    Each class gets its exact share rounded down; the examples still missing go to the classes
    with the largest remainders, ties to the smaller label. So no class is off by one or more.

    Args:
        y: (N,) labels.
        num: how many, 1 to N.
        seed: of the draw; the same y, num and seed give the same indices.
    """
    if not 1 <= num <= len(y):
        raise InputError(f"num={num} examples of {len(y)}: choose 1 to {len(y)}")
    classes, counts = np.unique(y, return_counts=True)
    quotas, remainders = np.divmod(counts * num, len(y))  # integers: no rounding
    favored = np.argsort(-remainders, kind="stable")[: num - quotas.sum()]
    quotas[favored] += 1
    rng = np.random.default_rng(seed)
    drawn = [
        rng.permutation(np.flatnonzero(y == label))[:quota]
        for label, quota in zip(classes, quotas, strict=True)
    ]
    return np.sort(np.concatenate(drawn))
