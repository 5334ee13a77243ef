"""The one training loop: every network of the book is trained here, and nowhere else.

Before each step, and once after the last, due probes look at the model; so step 0 is measured.
A seed whose loss is no longer finite has diverged: that is a result, stored with its step.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bnkit.progress import progress_bar
from bnkit.rows import Row, StepEvent

Schedule = Callable[[int], bool]
Probe = Callable[[StepEvent], list[Row]]
Batch = tuple[Tensor, Tensor]
TakeStep = Callable[[Tensor, Tensor, float], Tensor]  # (inputs, targets, rate) -> (K,) losses


def stacked_batches(
    x: Tensor, y: Tensor, *, batch_size: int, seeds: Sequence[int], reshuffle: bool = True
) -> Iterator[Batch]:
    """Endless mini-batches, an order of its own for each seed; a short last batch is left out.

    Args:
        x: (M, D) examples.
        y: (M,) labels.
        batch_size: N, at most M.
        seeds: one order each, the same in every arm, so that arms are paired by seed.
        reshuffle: a new order each epoch; otherwise that of the first epoch again.

    Yields:
        (K, N, D) examples and (K, N) labels.
    """
    if not 1 <= batch_size <= len(x):
        raise ValueError(f"batch_size {batch_size}: the data set has {len(x)} examples")
    generators = [torch.Generator().manual_seed(1_000_003 + seed) for seed in seeds]
    orders: Tensor | None = None
    while True:
        if orders is None or reshuffle:
            drawn = [torch.randperm(len(x), generator=g) for g in generators]
            orders = torch.stack(drawn).to(x.device)  # once: a copy at each step keeps a GPU idle
        for start in range(0, len(x) - batch_size + 1, batch_size):
            index = orders[:, start : start + batch_size]
            flat = index.reshape(-1)  # index_select is twice as fast as x[index]
            yield x.index_select(0, flat).view(*index.shape, *x.shape[1:]), y[index]


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy in nats of each stacked seed, (K,), from (K, N, classes) and (K, N)."""
    log_probabilities = F.log_softmax(logits, dim=-1)
    return -log_probabilities.gather(-1, targets.unsqueeze(-1)).squeeze(-1).mean(dim=-1)


def train(
    model: nn.Module,
    batches: Iterable[Batch],
    *,
    seeds: Sequence[int],
    rate: float,
    num_steps: int,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    rate_at: Callable[[int], float] | None = None,
    loss: Callable[[Tensor, Tensor], Tensor] = cross_entropy,
    step: TakeStep | None = None,
    probes: Sequence[tuple[Schedule, Probe]] = (),
    progress: str | None = None,
) -> list[Row]:
    """Stochastic gradient descent on the sum of the seeds' losses, which do not interact.

    Args:
        model: (K, N, D) or (N, ...) examples to logits.
        batches: endless examples and labels.
        seeds: the seeds stacked in `model`, in order.
        rate: learning rate, in units of parameter squared per nat.
        num_steps: optimizer steps.
        momentum: of the gradient (heavy ball), as in torch.optim.SGD.
        weight_decay: L2 coefficient, as in torch.optim.SGD.
        rate_at: step -> factor on `rate`; a constant rate if absent.
        loss: (logits, targets) -> (K,) losses.
        step: takes a step of the model and returns the losses before it, in place of automatic
            differentiation and SGD; `loss`, `momentum` and `weight_decay` are then its own affair.
        probes: (schedule, probe) pairs; a schedule says at which steps its probe is due.
        progress: the title of a progress bar with loss and rate; none if absent.

    Returns:
        The rows of all probes, and for each diverged seed a row "diverged" whose step and value
        are the step at which its loss was no longer finite.
    """
    if not rate > 0 or num_steps < 0:
        raise ValueError(f"rate {rate}, num_steps {num_steps}: give a rate above 0 and steps >= 0")
    take_step = step or _by_autograd(model, loss, momentum=momentum, weight_decay=weight_decay)
    rows: list[Row] = []
    diverged: set[int] = set()
    unchecked: list[Tensor] = []  # losses since the last look: a look at each step costs time
    bar = progress_bar(num_steps, "step", desc=progress, mininterval=0.5, disable=progress is None)
    for now, (inputs, targets) in enumerate(batches):
        current = rate * (rate_at(now) if rate_at else 1.0)
        event = StepEvent(now, model, tuple(seeds), inputs, targets, current)
        for due, probe in probes:
            if due(now):
                rows += probe(event)
        if now == num_steps:
            break
        if not model.training:  # asked first, for setting it walks through all modules
            model.train()
        losses = take_step(inputs, targets, current)
        unchecked.append(losses)
        if now % 100 == 0 or now == num_steps - 1:
            rows += _newly_diverged(torch.stack(unchecked), seeds, now, diverged)
            unchecked.clear()
            bar.set_postfix(loss=f"{float(losses.nanmedian()):.4f}", rate=f"{current:g}")
        bar.update()
    else:
        raise ValueError(f"the batches ran out before step {num_steps}: give endless ones")
    bar.close()
    return rows


def _by_autograd(
    model: nn.Module, loss: Callable[[Tensor, Tensor], Tensor], **settings: float
) -> TakeStep:
    """The usual step: automatic differentiation and torch's SGD."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, **settings)

    def take_step(inputs: Tensor, targets: Tensor, rate: float) -> Tensor:
        optimizer.param_groups[0]["lr"] = rate
        losses = loss(model(inputs), targets).reshape(-1)  # (K,)
        optimizer.zero_grad(set_to_none=True)
        losses.sum().backward()
        optimizer.step()
        return losses.detach()

    return take_step


def _newly_diverged(
    losses: Tensor, seeds: Sequence[int], last: int, diverged: set[int]
) -> list[Row]:
    """A row for each seed whose loss is not finite in (steps, K) `losses`, which end at `last`."""
    steps = range(last - len(losses) + 1, last + 1)
    rows = []
    for seed, finite in zip(seeds, torch.isfinite(losses).T.tolist(), strict=True):
        if seed not in diverged and not all(finite):
            diverged.add(seed)
            step = steps[finite.index(False)]
            rows.append(Row(seed, step, "diverged", float(step), "step"))
    return rows


def every(interval: int) -> Schedule:
    """Step 0 and each multiple of `interval`."""
    return lambda step: step % interval == 0


def at(steps: Iterable[int]) -> Schedule:
    """Just these steps."""
    chosen = frozenset(steps)
    return chosen.__contains__


def tenths(num_steps: int) -> list[int]:
    """The first step, the last, and those that cut the way between them into ten parts.

    >>> tenths(1000)
    [0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000]
    """
    return [num_steps * part // 10 for part in range(11)]


def growing(first: int, last: int, *, interval: int, growth: float) -> list[int]:
    """Steps that are `interval` apart at first and later grow by the factor `growth`.

    >>> growing(0, 1000, interval=100, growth=1.5)
    [0, 100, 200, 300, 500, 800, 1000]
    """
    steps = [first]
    while steps[-1] < last:
        wanted = max(steps[-1] + interval, steps[-1] * growth)
        steps.append(min(last, int(np.ceil(wanted / interval) * interval)))
    return steps
