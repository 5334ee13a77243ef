"""A small book in a temporary folder: pages by name, notebooks of a few cells."""

import copy
import json
from pathlib import Path

from bnkit.book import notebook as nb
from bnkit.book.folders import Folders
from bnkit.book.manifest import Execution

PARAMETERS = 'profile = "default"\nseed = 0\ndevice = "cpu"'


def markdown(text):
    return {"cell_type": "markdown", "metadata": {}, "source": text}


def code(text, *tags):
    metadata = {"tags": list(tags)} if tags else {}
    return {
        "cell_type": "code",
        "metadata": metadata,
        "source": text,
        "outputs": [],
        "execution_count": None,
    }


def notebook(*cells):
    numbered = [{**cell, "id": f"c{index}"} for index, cell in enumerate(cells)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {
        "cells": numbered,
        "metadata": {"kernelspec": kernel},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def chapter(*lines, title="A chapter"):
    return notebook(markdown(f"# {title}"), code(PARAMETERS, "parameters"), *map(code, lines))


def write(path: Path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), "utf-8")


def book(home: Path, **chapters):
    """A book whose root is a page and whose chapters are `part/<name>`."""
    lines = ["format: jb-book", "root: chapters/index", *(["chapters:"] if chapters else [])]
    for name, content in chapters.items():
        lines.append(f"  - file: chapters/part/{name}")
        write(home / f"chapters/part/{name}.ipynb", content)
    (home / "chapters").mkdir(parents=True, exist_ok=True)
    (home / "chapters/index.md").write_text("# A book\n", "utf-8")
    (home / "_toc.yml").write_text("\n".join(lines) + "\n", "utf-8")
    (home / "_config.yml").write_text(
        'title: A book\nonly_build_toc_files: true\nexecute: {execute_notebooks: "off"}\n'
    )
    return Folders(home, home / "_build")


def executed(source):
    """As papermill leaves a notebook that ran through."""
    done = copy.deepcopy(source)
    for number, cell in enumerate(nb.code_cells(done), start=1):
        cell["execution_count"] = number
        cell["metadata"]["papermill"] = {"status": "completed"}
        cell["metadata"]["execution"] = {"shell.execute_reply": "2025-01-01T00:00:00Z"}
        cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": [f"{number}\n"]}]
    done["metadata"]["papermill"] = {"exception": None}
    return done


def entry(**changes):
    fields = {
        "key": "k",
        "sha256": "s",
        "seconds": 1.5,
        "cpu_seconds": 1.25,
        "peak_bytes": 2**28,
        "parameters": {"profile": "default", "device": "cpu"},
        "machine": "a processor, 2 cores, Linux x86_64",
        "versions": {"python": "3.11.7", "torch": "2.13.0"},
    }
    return Execution(**{**fields, **changes})
