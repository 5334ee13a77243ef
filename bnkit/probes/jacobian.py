"""Does a small change of one layer's inputs arrive at a later layer at its own size?"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bnkit.probes.guard import BnMode
from bnkit.probes.hooks import captured_inputs
from bnkit.probes.landscape import landscape
from bnkit.probes.spectrum import is_nonzero, singular_values
from bnkit.rows import Row, StepEvent


@dataclass(frozen=True, kw_only=True)
class JacobianSpectrum:
    """Singular values of the Jacobian between the inputs of two modules, for single examples.

    Ioffe & Szegedy (2015), section 3.3, conjecture that they are pushed towards 1 between
    normalized activations: take the modules that follow two normalizers. The Jacobian is that of
    an example's values with respect to its own, with the other examples of the batch held still; in
    bn_mode "batch" its own share in the statistics counts. It is a local and linear account,
    at a few examples, and says nothing about the size of the steps that it holds for. Cost: one
    forward pass, and a backward pass between the two layers for each example and output value.

    Attributes:
        source: name of the module whose inputs are moved.
        target: name of the module whose inputs are looked at.
        num_examples: how many examples, from the beginning of the batch.
    """

    source: str
    target: str
    num_examples: int = 4
    bn_mode: BnMode = "batch"
    dtype: torch.dtype | None = torch.float64
    name: str = "jacobian"

    def __call__(self, event: StepEvent) -> list[Row]:
        """Rows after `name`, each the median over examples, pure numbers.

        "_log_condition" ln(s_max / s_min), infinite if the Jacobian is singular; "_max", "_median"
        and "_min" singular values; "_rank" the share that is not zero; "_log_std" the standard
        deviation of the logarithms of those, and "_log_rms" their root mean square, which is the
        distance from 1. Where all are zero, as behind a layer of dead ReLUs, "_log_std" is 0 and
        "_log_rms" infinite.
        """
        names = (self.source, self.target)
        with (
            landscape(event, self.bn_mode, self.dtype) as at,
            captured_inputs(event.model, names) as seen,
        ):
            at.outputs(at.point)
            source, target = (seen[name] for name in names)
            of_examples = by_example(target, len(event.seeds)).unbind(1)[: self.num_examples]
            jacobians = torch.stack(
                [self._jacobian(source, values, n) for n, values in enumerate(of_examples)], dim=1
            )  # (K, examples, U_out, U_in)
        rows = []
        for name, values in spectrum_summary(jacobians.double().cpu().numpy()).items():
            rows += event.rows(f"{self.name}_{name}", np.median(values, axis=-1), "1")
        return rows

    def _jacobian(self, source: Tensor, values: Tensor, example: int) -> Tensor:
        """(K, U_out, U_in) for one example, whose target `values` are (K, U_out)."""
        rows = []
        for value in values.unbind(1):  # (K,), one number for each seed, which do not interact
            (row,) = torch.autograd.grad(value.sum(), source, retain_graph=True, allow_unused=True)
            if row is None:
                raise ValueError(f"{self.target!r} does not depend on {self.source!r}: swap them")
            rows.append(by_example(row, len(values))[:, example])
        return torch.stack(rows, dim=1)


def by_example(values: Tensor, num_seeds: int) -> Tensor:
    """(K, N, U): the U values of each example, from (K, C, N) of a stack or (N, ...) of one net."""
    if values.dim() == 3 and len(values) == num_seeds:
        return values.transpose(1, 2)
    return values.flatten(1).unsqueeze(0)


def spectrum_summary(matrices: np.ndarray) -> dict[str, np.ndarray]:
    """What the rows of `JacobianSpectrum` say of matrices (..., U_out, U_in), (...) each."""
    s = singular_values(matrices)
    diverged = np.isnan(s[..., 0])
    nonzero = is_nonzero(s, matrices.shape[-2:]) | diverged[..., np.newaxis]
    logs = np.log(s, out=np.full_like(s, -np.inf), where=nonzero)
    dead = ~nonzero[..., 0]
    with np.errstate(invalid="ignore"):  # a matrix of zeros
        log_condition = np.where(dead, np.inf, logs[..., 0] - logs[..., -1])
    count = np.maximum(nonzero.sum(axis=-1, keepdims=True), 1)
    mean = np.where(nonzero, logs, 0.0).sum(axis=-1, keepdims=True) / count
    deviations = np.where(nonzero, logs - mean, 0.0)
    variance = (deviations**2).sum(axis=-1) / count[..., 0]
    return {
        "log_condition": log_condition,
        "max": s[..., 0],
        "median": np.median(s, axis=-1),
        "min": s[..., -1],
        "rank": np.where(diverged, np.nan, nonzero.mean(axis=-1)),
        "log_std": np.sqrt(variance),
        "log_rms": np.where(dead, np.inf, np.sqrt(variance + mean[..., 0] ** 2)),
    }
