"""Does batch normalization lower the curvature along its own gradient?

Santurkar et al. (2018, version 3), theorem 4.2, for one unit with activations y (m,), spread σ,
normalized ŷ, and upstream gradient g and Hessian H of the loss by BN's output z = γ ŷ + β. With the
gradient v = ∂L̂/∂y in front of BN and the Hessian Ĥ there,

    vᵀĤv ≤ (γ²/σ²) vᵀHv - γ/(mσ²) ⟨g, ŷ⟩ ‖v‖²                                        (first)
    vᵀĤv ≤ (γ²/σ²) (gᵀHg - ⟨g, ŷ⟩ ‖v‖² / (mγ))   if H preserves the relative norms   (second)

The first is no inequality. Ĥ is (γ²/σ²) PHP plus γ times the second derivative of ŷ along g, P the
projection off 1 and ŷ; v lies in the image of P, and all that is left of the second part is the
term with ⟨g, ŷ⟩: the two sides are equal, whatever the loss. For the second, vᵀHv must be at most
gᵀHg. If H only preserves the ratio of the norms, vᵀHv / gᵀHg = ‖v‖² / ‖g‖², as every multiple of
the identity does, that is so where ‖v‖ ≤ ‖g‖: not where σ is small next to γ.

⟨g, ŷ⟩ is the gradient by γ, so the premise ⟨g, ŷ⟩ ≥ 0 says that the step at hand makes γ smaller.
How often that is so is counted along the training of a small net.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bnkit.data import load
from bnkit.layers import functional
from bnkit.models import StackedMLP, StackedStep
from bnkit.probes.landscape import landscape
from bnkit.rows import Row, StepEvent
from bnkit.train import every, stacked_batches, train

Loss = Callable[[Tensor], Tensor]  # (T, m) outputs of BN to T losses


@dataclass(frozen=True, kw_only=True)
class CurvatureBound:
    """Random activations, γ and convex losses; derivatives by autograd. And one small net."""

    # Fixed: the verdict holds for these values only, and the chapter says so.
    batch_sizes: tuple[int, ...] = (8, 64)
    num_trials: int = 4_000  # with each head at each batch size; most meet the premise
    decades: float = 1.0  # σ and γ are drawn from 10**-decades to 10**decades
    num_classes: int = 10
    slack: float = 1e-9  # relative, in favor of the printed bounds
    # of the net in which the premise is counted
    data_set: str = "digits"
    widths: tuple[int, ...] = (32, 32)
    rate: float = 0.1
    batch_size: int = 60
    num_steps: int = 1_000
    look_interval: int = 10  # steps

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {"trials": CurvatureBound()}


def run(spec: CurvatureBound, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """For each seed counts of trials and shares of steps; "trials" are those with ⟨g, ŷ⟩ ≥ 0.

    Of them "held", the first bound as printed, and "larger", where the curvature along BN's
    gradient, vᵀĤv / ‖v‖², is above the plain one, gᵀHg / ‖g‖². Of "second_trials", in which H is a
    multiple of the identity, "second_held", and "second_misforetold", where ‖v‖ ≤ ‖g‖ does not say
    whether it holds. All but the first and the last also "-sigma-below-gamma" and
    "-sigma-above-gamma". "identity_error" is the largest relative error of the first bound as an
    equation, over all trials, also those without the premise.

    Of the net: "premise_share", of units and looks at which ⟨g, ŷ⟩ ≥ 0, over all steps, the first
    tenth ("_early") and the second half ("_late").
    """
    rows = []
    for seed in seeds:
        found = measure(spec, np.random.default_rng(seed)) | premise_in_training(spec, seed)
        rows += [Row(seed, 0, name, value, "1") for name, value in found.items()]
    return rows


def measure(spec: CurvatureBound, rng: np.random.Generator) -> dict[str, float]:
    """One seed of random trials."""
    counts: Counter[str] = Counter()
    worst = 0.0
    for m in spec.batch_sizes:
        for make in (quadratic, isotropic, softmax):
            size = spec.num_trials
            spread, gamma = 10.0 ** rng.uniform(-spec.decades, spec.decades, (2, size))
            y = rng.standard_normal((size, m)) * spread[:, None]
            loss = make(size, m, spec.num_classes, rng)
            it = sides(torch.from_numpy(y), torch.from_numpy(gamma), loss)
            worst = max(worst, float(((it.left - it.first).abs() / it.size).max()))
            _count(counts, it, spec.slack, isotropic=make is isotropic)
    return {"identity_error": worst, **{name: float(count) for name, count in counts.items()}}


class Sides(NamedTuple):
    """The theorem's quantities, (T,) each."""

    left: Tensor  # vᵀĤv, by autograd through BN
    first: Tensor  # the right side of the first bound
    second: Tensor  # and of the second one
    size: Tensor  # the sum of the sizes of the first bound's terms, a scale for errors
    along: Tensor  # ⟨g, ŷ⟩
    own: Tensor  # ‖v‖²
    upstream: Tensor  # ‖g‖²
    plain: Tensor  # gᵀHg
    narrow: Tensor  # whether σ < γ


def sides(y: Tensor, gamma: Tensor, loss: Loss) -> Sides:
    """For T trials: activations y (T, m), γ (T,), β = 0, eps = 0, and the losses behind BN."""
    z = _bn(y, gamma)
    m, sigma, y_hat = y.shape[1], y.std(dim=1, correction=0), z / gamma[:, None]
    v, h_hat_v = _derivatives(lambda y: loss(_bn(y, gamma)), y)
    g, h_g = _derivatives(loss, z)
    _, h_v = _derivatives(loss, z, v)
    along, own, factor = (g * y_hat).sum(1), v.square().sum(1), gamma**2 / sigma**2
    curved, turned = factor * (v * h_v).sum(1), gamma / (m * sigma**2) * along * own
    plain = (g * h_g).sum(1)
    return Sides(
        left=(v * h_hat_v).sum(1),
        first=curved - turned,
        second=factor * (plain - along * own / (m * gamma)),
        size=curved.abs() + turned.abs(),
        along=along,
        own=own,
        upstream=g.square().sum(1),
        plain=plain,
        narrow=sigma < gamma,
    )


def _bn(y: Tensor, gamma: Tensor) -> Tensor:
    return functional.batch_norm(y.T, gamma, None).T


def _derivatives(loss: Loss, at: Tensor, along: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The gradient, and the Hessian times `along`, by default the gradient itself; (T, m) each."""
    at = at.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(at).sum(), at, create_graph=True)  # trials do not meet
    vector = gradient.detach() if along is None else along
    (product,) = torch.autograd.grad((gradient * vector).sum(), at)
    return gradient.detach(), product


def quadratic(size: int, m: int, num_classes: int, rng: np.random.Generator) -> Loss:
    """(z - t)ᵀ A (z - t) / 2, A positive semidefinite, of half the rank it could have."""
    root = torch.from_numpy(rng.standard_normal((size, m, m // 2)) / m**0.5)
    target = torch.from_numpy(rng.standard_normal((size, m)))
    return lambda z: 0.5 * torch.einsum("tmk,tm->tk", root, z - target).square().sum(1)


def isotropic(size: int, m: int, num_classes: int, rng: np.random.Generator) -> Loss:
    """A multiple of the identity, a ‖z - t‖² / 2."""
    steepness = torch.from_numpy(10.0 ** rng.uniform(-1, 1, size))
    target = torch.from_numpy(rng.standard_normal((size, m)))
    return lambda z: 0.5 * steepness * (z - target).square().sum(1)


def softmax(size: int, m: int, num_classes: int, rng: np.random.Generator) -> Loss:
    """Mean cross-entropy of logits that are linear in z, with random labels."""
    weight = torch.from_numpy(rng.standard_normal((size, 1, num_classes)))
    rest = torch.from_numpy(rng.standard_normal((size, m, num_classes)))
    labels = torch.from_numpy(rng.integers(num_classes, size=(size, m)))

    def loss(z: Tensor) -> Tensor:
        logits = (z[:, :, None] * weight + rest).flatten(0, 1)
        each = F.cross_entropy(logits, labels.flatten(), reduction="none")
        return each.view(z.shape).mean(1)

    return loss


def _count(counts: Counter[str], it: Sides, slack: float, *, isotropic: bool) -> None:
    met = it.along >= 0
    narrow = {"-sigma-below-gamma": it.narrow, "-sigma-above-gamma": ~it.narrow}
    larger = it.left / it.own > it.plain / it.upstream
    counts["trials"] += int(met.sum())
    counts["held"] += int((met & (it.left <= it.first + slack * it.size)).sum())
    counts["larger"] += int((met & larger).sum())
    for name, inside in narrow.items():
        counts[f"trials{name}"] += int((met & inside).sum())
        counts[f"larger{name}"] += int((met & inside & larger).sum())
    if not isotropic:
        return
    held = it.left <= it.second + slack * (it.size + it.second.abs())
    counts["second_trials"] += int(met.sum())
    counts["second_held"] += int((met & held).sum())
    counts["second_misforetold"] += int((met & (held != (it.own <= it.upstream))).sum())
    for name, inside in narrow.items():
        counts[f"second_trials{name}"] += int((met & inside).sum())
        counts[f"second_held{name}"] += int((met & inside & held).sum())


def premise_in_training(spec: CurvatureBound, seed: int) -> dict[str, float]:
    """How often ⟨g, ŷ⟩ ≥ 0 in a ReLU net with BN, trained on mini-batches."""
    data = load(spec.data_set)
    x, y = torch.tensor(data.train.flat), torch.tensor(data.train.y)
    sizes = (x.shape[1], *spec.widths, data.num_classes)
    model = StackedMLP(sizes, [seed], norm="batch", activation="relu", init="he")
    rows = train(
        model,
        stacked_batches(x, y, batch_size=spec.batch_size, seeds=[seed]),
        seeds=[seed],
        rate=spec.rate,
        num_steps=spec.num_steps,
        step=StackedStep(model),
        probes=[(every(spec.look_interval), premise_share)],
    )
    windows = {
        "": (0, spec.num_steps),
        "_early": (0, spec.num_steps // 10),
        "_late": (spec.num_steps // 2, spec.num_steps),
    }
    return {
        f"premise_share{suffix}": float(np.mean([r.value for r in rows if a <= r.step <= b]))
        for suffix, (a, b) in windows.items()
    }


def premise_share(event: StepEvent) -> list[Row]:
    """The share of units with ∂L/∂γ ≥ 0 on the batch of the coming step."""
    with landscape(event, "batch", torch.float64) as at:
        _, gradient = at.gradients(at.point)
        spans = [span for name, span in at.spans.items() if name.endswith("bn.weight")]
        by_gamma = torch.cat([gradient[:, span] for span in spans], dim=1)
    return event.rows("premise_share", (by_gamma >= 0).double().mean(1), "fraction")
