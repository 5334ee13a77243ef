"""Triton interprets the kernels here: they run as plain Python, on the CPU.

It decides so when a kernel is defined, for its own library too. So the variable is set while both
are imported, before anything else imports Triton, and in each test of this folder (parts of Triton
are imported late), but not elsewhere: the chapters' processes do not inherit it.
"""

import os
import sys
from pathlib import Path

import pytest
import torch

if "triton" in sys.modules and "TRITON_INTERPRET" not in os.environ:
    raise RuntimeError(
        "a test module imports Triton (torch._dynamo does so): import that inside the test, since "
        "tests/kernels has to be first"
    )
with pytest.MonkeyPatch.context() as environment:
    environment.setenv("TRITON_INTERPRET", "1")
    try:
        from bnkit.kernels import launch  # noqa: F401
    except ImportError:  # the test modules skip themselves, but not where Triton must be there
        if os.environ.get("BNKIT_REQUIRE_TRITON") == "1":
            raise


def pytest_collection_modifyitems(items):
    """Interpreted programs are slow: they are left to `make test`."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True)
def _interpreted_and_poisoned(monkeypatch):
    """Fresh tensors are full of NaN, so that an element that no program writes is seen."""
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)
