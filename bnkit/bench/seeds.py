"""Seed-steps per second: the sweep's stacks, one process a core, against one seed at a time.

The plain loop is what one would write with torch.nn for a single seed: `nn.Sequential`,
cross-entropy, SGD, an index of 60 examples a step, in one process with one thread.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from bnkit.data import load
from bnkit.experiments.mnist_sigmoid import STACK, MnistSigmoid, probes
from bnkit.models import StackedMLP, StackedStep
from bnkit.train import Batch, every, stacked_batches, train


class Speed(NamedTuple):
    """One way to train, measured.

    Attributes:
        name: what ran.
        seed_steps_per_second: seeds times optimizer steps, over wall seconds.
    """

    name: str
    seed_steps_per_second: float


def measure(norm: str, *, num_steps: int, workers: int) -> list[Speed]:
    """The plain loop and the stacks in turn, twice; the better of each.

    Args:
        norm: "none" or "batch".
        num_steps: optimizer steps of a stack; the plain loop takes four times as many.
        workers: processes of the stacked run.
    """
    spec = MnistSigmoid(norm=norm, rate=0.5, data_set=_data_set(), num_steps=num_steps)
    ways: dict[str, Callable[[], float]] = {
        "plain loop, one seed, one process": lambda: _plain(spec, 4 * num_steps),
        f"stack of {STACK} seeds, one process": lambda: _stacked(spec, 1),
        f"stacks of {STACK} seeds, {workers} processes": lambda: _stacked(spec, workers),
    }
    best = dict.fromkeys(ways, 0.0)
    for _ in range(2):
        for name, way in ways.items():
            best[name] = max(best[name], way())
    return [Speed(name, speed) for name, speed in best.items()]


def probe_share(norm: str, *, num_steps: int) -> float:
    """The share of a recorded run's time that its probes take.

    A short run has many looks for its steps, so looks and steps are timed apart and weighed as
    often as the recorded run has them.
    """
    spec = MnistSigmoid(norm=norm, rate=0.5, data_set=_data_set(), num_steps=num_steps)
    recorded = replace(spec, num_steps=MnistSigmoid.num_steps)
    seeds = range(STACK)
    model, batches, step = _stack(spec, seeds)
    taking_steps = _seconds_of_training(spec, seeds) / num_steps * recorded.num_steps
    looking = 0.0
    for due, probe in probes(recorded, load(recorded.data_set)):
        once = _seconds(
            lambda probe=probe: train(
                model,
                batches,
                seeds=seeds,
                rate=spec.rate,
                num_steps=0,
                step=step,
                probes=[(every(1), probe)],
            )
        )
        looking += once * sum(map(due, range(recorded.num_steps + 1)))
    return looking / (looking + taking_steps)


def _data_set() -> str:
    """MNIST where it is at hand: without it digits, whose 64 inputs make another network."""
    from bnkit.errors import DataError

    try:
        load("mnist", download=False)
    except DataError:
        return "digits"
    return "mnist"


def _examples(spec: MnistSigmoid) -> tuple[Tensor, Tensor, int]:
    data = load(spec.data_set)
    return torch.tensor(data.train.flat), torch.tensor(data.train.y), data.num_classes


def _plain(spec: MnistSigmoid, num_steps: int) -> float:
    torch.set_num_threads(1)
    x, y, num_classes = _examples(spec)
    sizes = (x.shape[1], *spec.widths)
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers.append(nn.Linear(inputs, outputs, bias=spec.norm == "none"))
        layers += [nn.BatchNorm1d(outputs)] if spec.norm == "batch" else []
        layers.append(nn.Sigmoid())
    net = nn.Sequential(*layers, nn.Linear(sizes[-1], num_classes))
    optimizer = torch.optim.SGD(net.parameters(), lr=spec.rate)
    order = torch.randint(len(x), (num_steps, spec.batch_size))
    started = time.perf_counter()
    for index in order:
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x[index]), y[index]).backward()
        optimizer.step()
    return num_steps / (time.perf_counter() - started)


def _stacked(spec: MnistSigmoid, workers: int) -> float:
    """Each process times its own stack: starting it is not training."""
    from joblib import Parallel, delayed, parallel_config

    seeds = [range(STACK * worker, STACK * (worker + 1)) for worker in range(workers)]
    if workers == 1:
        seconds = [_seconds_of_training(spec, seeds[0])]
    else:
        with parallel_config(backend="loky", n_jobs=workers, inner_max_num_threads=1):
            seconds = Parallel()(delayed(_seconds_of_training)(spec, stack) for stack in seeds)
    return sum(STACK * spec.num_steps / each for each in seconds)


def _seconds_of_training(spec: MnistSigmoid, seeds: range) -> float:
    torch.set_num_threads(1)
    model, batches, step = _stack(spec, seeds)

    def steps(num_steps: int) -> None:
        train(model, batches, seeds=seeds, rate=spec.rate, num_steps=num_steps, step=step)

    steps(20)  # warm up
    return _seconds(lambda: steps(spec.num_steps))


def _stack(spec: MnistSigmoid, seeds: range) -> tuple[StackedMLP, Iterator[Batch], StackedStep]:
    x, y, num_classes = _examples(spec)
    model = StackedMLP(
        (x.shape[1], *spec.widths, num_classes), seeds, norm=spec.norm, activation=spec.activation
    )
    batches = stacked_batches(x, y, batch_size=spec.batch_size, seeds=seeds)
    return model, batches, StackedStep(model)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
