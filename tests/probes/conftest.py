"""Models whose answers are known by pencil, and readers of rows."""

import pytest
import torch
from torch import nn

from bnkit.rows import StepEvent


class Point(nn.Module):
    """A model that is nothing but its parameters: it returns them, whatever the input."""

    def __init__(self, *points):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(points, dtype=torch.float64))  # (K, P)

    def forward(self, x):
        return self.weight


class Chain(nn.Sequential):
    """x * w1 * w2 * ..., one weight per layer."""

    def __init__(self, *weights):
        super().__init__(*(nn.Linear(1, 1, bias=False).double() for _ in weights))
        with torch.no_grad():
            for layer, weight in zip(self, weights, strict=True):
                layer.weight.fill_(weight)


@pytest.fixture
def point():
    return Point


@pytest.fixture
def chain():
    return Chain


@pytest.fixture
def event_of():
    """An event of a model whose batch does not matter, or is given."""

    def event(model, *, seeds=(0,), x=None, y=None, rate=0.1, step=0):
        x = torch.ones(1, 1, dtype=torch.float64) if x is None else x
        y = torch.zeros(1) if y is None else y
        return StepEvent(step, model, tuple(seeds), x, y, rate)

    return event


@pytest.fixture
def read():
    """The values of rows by name; a list where there is more than one seed."""

    def values(rows):
        by_name = {}
        for row in rows:
            by_name.setdefault(row.name, []).append(row.value)
        return {name: v[0] if len(v) == 1 else v for name, v in by_name.items()}

    return values
