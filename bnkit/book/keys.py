"""Did anything change that a chapter's outputs depend on?"""

import json
import os
import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import bnkit
from bnkit.book import files
from bnkit.book.notebook import Notebook, code_cells, meaning, text

# What computes or draws; their versions are part of the key, and the status page names them.
_COMPUTING = (
    "torch", "numpy", "scipy", "pandas", "scikit-learn", "pillow",
    "matplotlib", "seaborn", "plotly", "jupyterquiz", "ipykernel", "ipython",
)  # fmt: skip
# What turns executed notebooks into pages.
_BUILDING = (
    "jupyter-book", "sphinx", "docutils", "myst-nb", "myst-parser", "sphinx-book-theme",
    "pydata-sphinx-theme", "sphinx-exercise", "sphinx-proof", "sphinx-design",
    "sphinxcontrib-bibtex", "sphinx-togglebutton", "pygments",
)  # fmt: skip


def versions() -> dict[str, str]:
    """The versions of Python and of every library that an output can depend on."""
    return {"python": platform.python_version(), **_versions(_COMPUTING)}


def builder_versions() -> dict[str, str]:
    """The versions of what a page can depend on besides."""
    return _versions(_BUILDING)


def surroundings(home: Path) -> str:
    """One key of all that the chapters share: `bnkit`, `data/`, the locked versions."""
    package = Path(bnkit.__file__).parent
    named = [home / name for name in ("requirements.txt", "_toc.yml")]  # chapters link to chapters
    parts = {
        "bnkit": files.tree_digest(package, _sources(package)),
        "data": files.tree_digest(home / "data", _data(home / "data")),
        "named": files.tree_digest(home, named),
        "versions": versions(),
    }
    return files.digest(json.dumps(parts, sort_keys=True).encode())


def chapter(notebook: Notebook, given: Mapping[str, object], around: str) -> str:
    """The key of one chapter: its code, the parameters given to it, and its surroundings."""
    parts = [[meaning(text(cell)) for cell in code_cells(notebook)], dict(given), around]
    return files.digest(json.dumps(parts, sort_keys=True).encode())


def _versions(names: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def _sources(package: Path) -> Iterator[Path]:
    return (path for path in package.rglob("*") if "__pycache__" not in path.parts)


def _data(folder: Path) -> Iterator[Path]:
    """The files of `data/` that git holds: the downloads in `cache/` have their own checksums."""
    for root, names, found in os.walk(folder):
        if Path(root) == folder and "cache" in names:
            names.remove("cache")
        yield from (Path(root) / name for name in found if not name.endswith(".part"))
