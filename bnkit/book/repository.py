"""Where a reader opens a chapter in Colab: only where a repository has been named.

The published site holds its executed notebooks in `_sources/`, and the branch `gh-pages` holds
the site: the button of a page opens the very notebook that the page shows.
"""

import os
import re

from bnkit.book.notebook import Notebook
from bnkit.errors import InputError

VARIABLE = "BNKIT_REPOSITORY"
_URL = re.compile(r"https://(?P<host>[\w.-]+)/[\w.-]+/[\w-][\w.-]*")


def url() -> str:
    """The address in `$BNKIT_REPOSITORY`, without a last slash or ".git"; empty where not set."""
    given = os.environ.get(VARIABLE, "")
    short = given.removesuffix("/").removesuffix(".git")
    if short and not _URL.fullmatch(short):
        raise InputError(
            f"{VARIABLE}={given!r}: give an address like https://github.com/OWNER/NAME"
        )
    return short


def configure(configuration: dict, address: str) -> dict:
    """The book's configuration with the repository and, where Colab can open it, its button."""
    host = _URL.fullmatch(address)["host"]
    added = {
        "repository": {"url": address, "branch": "gh-pages", "path_to_book": "_sources"},
        "launch_buttons": {"notebook_interface": "jupyterlab"},
    }
    if host == "github.com":  # the only host that Colab opens notebooks from
        added["launch_buttons"]["colab_url"] = "https://colab.research.google.com"
    return {**configuration, **added}


def with_colab_cell(notebook: Notebook, address: str) -> Notebook:
    """The notebook with a first code cell that installs `bnkit` on Colab and nothing elsewhere."""
    cells = list(notebook["cells"])
    first = next(i for i, cell in enumerate(cells) if cell["cell_type"] == "code")
    cell = {
        "cell_type": "code",
        "id": "colab",
        "metadata": {"tags": ["colab", "remove-cell"]},
        "source": (
            "import sys\n"
            'if "google.colab" in sys.modules:\n'
            f'    %pip install --quiet "bnkit[chapters] @ git+{address}"'
        ),
        "outputs": [],
        "execution_count": None,
    }
    return {**notebook, "cells": [*cells[:first], cell, *cells[first:]]}
