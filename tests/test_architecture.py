"""The folder list is the architecture: a module imports only from a lower rank, or from its own."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "bnkit"

RANKS = {
    "errors": 0, "places": 0, "rows": 0, "reference": 0, "progress": 0, "processes": 0,
    "judging": 0, "kernels": 0,
    "claims": 1, "layers": 1,
    "data": 2, "models": 2, "train": 2, "probes": 2,
    "fully_connected": 3,
    "experiments": 4,
    "store": 5,
    "sweep": 6, "ledger": 6,
    "figures": 7, "book": 7, "bench": 7, "reproduce": 7,
    "__main__": 8, "__init__": 0,
}  # fmt: skip
# Within a rank modules do not know each other, with these exceptions, each for a reason.
SAME_RANK = {
    ("places", "errors"),  # a folder that is not there is bad input
    ("judging", "errors"),  # so is a rule that cannot be read
    ("models", "data"),  # never the other way round: data knows nothing of torch
    ("book", "figures"),  # a chapter begins by setting the figures' style
    ("ledger", "sweep"),  # the rate of a tuned arm is what the sweep's tuning recorded
}
FILES = sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0].removesuffix(".py")


def imported_rooms(source: str) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "bnkit":
            names = [f"bnkit.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        rooms |= {n.split(".")[1] for n in names if n.startswith("bnkit.")}
    return rooms - {"__version__"}


def violations(here: str, there: set[str]) -> list[str]:
    return sorted(
        other
        for other in there
        if other != here and RANKS[other] >= RANKS[here] and (here, other) not in SAME_RANK
    )


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down_the_ranks(path):
    here = room(path)
    assert here in RANKS, f"{here} has no rank: choose one in tests/test_architecture.py"
    assert violations(here, imported_rooms(path.read_text("utf-8"))) == []


@pytest.mark.parametrize(
    "line", ["from bnkit.sweep import run", "from bnkit import sweep", "import bnkit.sweep as s"]
)
def test_every_form_of_an_upward_import_is_seen(line):
    assert violations("layers", imported_rooms(line)) == ["sweep"]


def test_train_and_probes_do_not_know_each_other():
    assert violations("train", {"probes"}) == ["probes"]
    assert violations("probes", {"train"}) == ["train"]


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("bnkit", {"torch", "matplotlib", "numpy"}),
        ("bnkit.reference", {"torch", "matplotlib"}),
        ("bnkit.__main__", {"torch", "matplotlib", "papermill", "sphinx"}),
        ("bnkit.book", {"papermill", "sphinx", "yaml"}),
        ("bnkit.data", {"torch", "matplotlib", "pooch"}),
        ("bnkit.kernels", {"triton", "matplotlib"}),
        ("bnkit.layers", {"triton", "matplotlib"}),
    ],
)
def test_importing_a_part_does_not_load_the_heavy_rest(module, absent):
    code = f"import sys, {module}; print(*(set({sorted(absent)!r}) & set(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert result.stdout.split() == []
