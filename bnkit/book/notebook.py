"""What is in a notebook, was all of it executed, and what of it goes into the book?

Notebooks are plain dictionaries here, as JSON has them: reading twenty of them costs
milliseconds, which is what a build has that finds nothing changed.
"""

import ast
import copy
import io
import json
import re
import tokenize
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bnkit.errors import InputError

_ADDRESS = re.compile(r" at 0x[0-9a-f]+(?=>)")

Notebook = dict[str, Any]
Cell = dict[str, Any]

INJECTED = "injected-parameters"  # papermill's tag of the cell with the values of `-p`
_LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENDMARKER}


def read(path: Path) -> Notebook:
    """The notebook in the file `path`."""
    try:
        notebook = json.loads(path.read_text("utf-8"))
        if not isinstance(notebook["cells"], list):
            raise TypeError
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path} is not a Jupyter notebook: restore it from git") from None
    return notebook


def text(cell: Cell) -> str:
    """The source of a cell, which JSON has as a string or as a list of lines."""
    return "".join(cell["source"])


def tags(cell: Cell) -> Sequence[str]:
    """The tags of a cell."""
    return cell.get("metadata", {}).get("tags", ())


def code_cells(notebook: Notebook) -> list[Cell]:
    """The code cells that a kernel executes: those that are not empty."""
    return [c for c in notebook["cells"] if c["cell_type"] == "code" and text(c).strip()]


def parameters(notebook: Notebook) -> dict[str, object]:
    """The names and default values that the cell tagged `parameters` assigns."""
    found = {}
    for cell in code_cells(notebook):
        if "parameters" not in tags(cell):
            continue
        try:
            for statement in ast.parse(text(cell)).body:
                (target,) = statement.targets
                found[target.id] = ast.literal_eval(statement.value)
        except (SyntaxError, ValueError, AttributeError):
            raise InputError(
                f"the cell tagged 'parameters' must assign plain values, one a line: {text(cell)!r}"
            ) from None
    return found


def meaning(code: str) -> list[str]:
    """The code without comments and line layout: what an edit must change to matter.

    A last semicolon matters: it hides the value of the cell.
    """
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(code).readline))
    except (tokenize.TokenError, SyntaxError):  # a line for IPython, such as %timeit
        return [code]
    return [token.string for token in tokens if token.type not in _LAYOUT]


def fault(notebook: Notebook) -> tuple[int, str] | None:
    """The first code cell (counted from 1) that shows that the notebook did not run through.

    papermill's own metadata cannot tell: after the death of a kernel it says that every cell is
    completed. An execution count in order and no error output can.
    """
    for number, cell in enumerate(code_cells(notebook), start=1):
        for output in cell.get("outputs", ()):
            if output["output_type"] == "error":
                return number, f"{output['ename']}: {output['evalue']}"
        if cell.get("execution_count") != number:
            return number, f"has the execution count {cell.get('execution_count')}"
    return None


def stderr(notebook: Notebook) -> str:
    """What the cells wrote to the error stream: warnings, mostly. It is not published."""
    return "".join(
        "".join(output["text"])
        for cell in code_cells(notebook)
        for output in cell.get("outputs", ())
        if output["output_type"] == "stream" and output["name"] == "stderr"
    )


def merge(source: Notebook, executed: Notebook) -> Notebook:
    """The notebook `source` with the outputs of `executed`, the same bytes at every run.

    Markdown, tags and alt texts are those of `source`, which may be newer. Times of execution
    and random cell ids are left out.
    """
    source = copy.deepcopy(source)
    done = code_cells(executed)
    injected = [cell for cell in done if INJECTED in tags(cell)]
    ran = iter([cell for cell in done if INJECTED not in tags(cell)])
    cells: list[Cell] = []
    for cell in source["cells"]:
        cells.append(cell)
        if cell["cell_type"] != "code":
            continue
        cell["outputs"], cell["execution_count"] = [], None
        if text(cell).strip():
            twin = next(ran)
            cell["outputs"] = _stable(twin["outputs"])
            cell["execution_count"] = twin["execution_count"]
        if "parameters" in tags(cell):
            cells += [_hidden(cell) for cell in injected]
    for index, cell in enumerate(cells):
        cell["id"] = f"cell-{index:03d}"
    metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": executed["metadata"].get("language_info", {"name": "python"}),
    }
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def dump(notebook: Notebook) -> bytes:
    """The notebook as Jupyter writes it: sorted keys, one space of indent."""
    return (json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _hidden(injected: Cell) -> Cell:
    return {
        "cell_type": "code",
        "metadata": {"tags": [INJECTED, "remove-cell"]},
        "source": text(injected),
        "outputs": [],
        "execution_count": injected["execution_count"],
    }


def _stable(outputs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Outputs without what differs from run to run.

    Text that timing had cut in pieces is joined, the error stream is left out, and so are the
    addresses of objects that show as HTML.
    """
    kept: list[dict[str, Any]] = []
    for output in outputs:
        if "text/html" in output.get("data", {}):
            plain = "".join(output["data"].get("text/plain", ""))
            data = {**output["data"], "text/plain": _ADDRESS.sub("", plain)}
            kept.append({**output, "data": data})
        elif output["output_type"] != "stream":
            kept.append(output)
        elif output["name"] == "stdout":
            if kept and kept[-1]["output_type"] == "stream":
                kept[-1]["text"] += "".join(output["text"])
            else:
                kept.append({**output, "text": "".join(output["text"])})
    return kept
