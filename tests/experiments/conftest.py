"""Tests of experiments train small nets, and there are many: `make check` has the quick ones."""

from pathlib import Path

import pytest

QUICK = ("pinned", "arms", "refused")  # of keys, designs and bad input: they train nothing


def pytest_collection_modifyitems(items):
    """Leave what trains to `make test`."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and not any(w in item.originalname for w in QUICK):
            item.add_marker(pytest.mark.slow)
