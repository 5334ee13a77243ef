"""What every chapter promises: first what one can read off its source, then what shows when run."""

import ast
import gzip
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from bnkit.book import build, notebook, parameters, toc
from bnkit.book.folders import Folders
from bnkit.book.manifest import Manifest

HOME = Path(__file__).resolve().parent.parent
CHAPTERS = toc.chapters(HOME)
MAX_LINES = 12  # of code in a cell, without blank lines and comments
SMOKE_SECONDS = 15
SLACK = 2  # a processor shared with other tests, or slower than ours
PEAK_BYTES = 2 * 2**30
PAGE_BYTES = 1_500_000  # of one page with all that it loads, compressed

EXERCISE = re.compile(r"^`{3,}\{exercise\}[^\n]*\n:label: *(\S+)", re.MULTILINE)
EXERCISES = re.compile(r"^`{3,}\{exercise(?:-start)?\}", re.MULTILINE)
SOLUTION = re.compile(r"^`{3,}\{solution(?:-start)?\} *(\S+)", re.MULTILINE)
CITED = re.compile(r"\{cite(?::\w+)?\}`([^`]+)`")
PATH = re.compile(
    r"^(~|\.{1,2}$|\.{0,2}/|[A-Za-z]:\\)|\.(csv|html|ipynb|json|md|npy|npz|pkl|png|pt|svg|toml|txt)$"
)
ADDRESS = re.compile(r"0x[0-9a-f]{6,}")

every_chapter = pytest.mark.parametrize("name", CHAPTERS)


def source(name):
    return notebook.read(CHAPTERS[name])


def words(name):
    return "\n\n".join(
        notebook.text(cell) for cell in source(name)["cells"] if cell["cell_type"] == "markdown"
    )


def sources(name):
    return [notebook.text(cell) for cell in notebook.code_cells(source(name))]


def nodes(text, *kinds):
    return [node for node in ast.walk(ast.parse(text)) if isinstance(node, kinds)]


def test_every_notebook_is_in_the_table_of_contents():
    found = {path for path in (HOME / "chapters").rglob("*.ipynb") if ".ipynb_ch" not in str(path)}
    assert found == set(CHAPTERS.values())


@every_chapter
def test_no_outputs_are_in_git(name):
    for cell in source(name)["cells"]:
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None


@every_chapter
def test_any_python_3_kernel_opens_it(name):
    assert source(name)["metadata"]["kernelspec"]["name"] == "python3"


@every_chapter
def test_one_cell_has_the_parameters_and_they_are_those_of_the_table(name):
    tagged = [c for c in notebook.code_cells(source(name)) if "parameters" in notebook.tags(c)]
    assert len(tagged) == 1
    given = notebook.parameters(source(name))
    required = {key for key, parameter in parameters.TABLE.items() if parameter.required}
    assert required <= set(given) <= set(parameters.TABLE)
    for key, value in given.items():
        parameters.check(key, value)
    assert (given["profile"], given["device"]) == ("default", "cpu")


@every_chapter
def test_it_begins_by_checking_them(name):
    cells = sources(name)
    first = next(i for i, text in enumerate(cells) if "begin(globals())" in text)
    assert first == 1  # straight after the parameters


@every_chapter
def test_cells_are_short(name):
    for text in sources(name):
        lines = [line.strip() for line in text.splitlines()]
        code = [line for line in lines if line and not line.startswith("#")]
        assert len(code) <= MAX_LINES, text


@every_chapter
def test_definitions_stand_only_where_the_chapter_is_the_derivation(name):
    if name.startswith("what-it-is/"):
        return
    for text in sources(name):
        assert not nodes(text, ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef), text


@every_chapter
def test_nothing_is_installed_and_no_file_is_named(name):
    for text in sources(name):
        assert not re.search(r"\bpip\b|^\s*[!%]", text, re.MULTILINE), text
        called = {getattr(node.func, "id", "") for node in nodes(text, ast.Call)}
        assert not called & {"open", "Path"}, text
        for node in nodes(text, ast.Constant):
            assert not (isinstance(node.value, str) and PATH.search(node.value)), text


@every_chapter
def test_a_figure_has_a_text_for_those_who_cannot_see_it(name):
    for cell in notebook.code_cells(source(name)):
        if notebook.text(cell).rstrip().endswith(";"):  # shows a figure, hides its value
            assert len(alt(cell)) > 20, notebook.text(cell)


@every_chapter
def test_an_exercise_has_a_solution(name):
    labels = EXERCISE.findall(words(name))
    assert len(labels) == len(EXERCISES.findall(words(name))), "an exercise without a label"
    assert sorted(SOLUTION.findall(words(name))) == sorted(labels)


@every_chapter
def test_what_is_cited_is_in_the_bibliography(name):
    known = re.findall(r"^@\w+\{([^,\s]+)", (HOME / "references.bib").read_text(), re.MULTILINE)
    cited = {key.strip() for keys in CITED.findall(words(name)) for key in keys.split(",")}
    assert cited <= set(known)


def alt(cell):
    return cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", "").strip()


run = [pytest.mark.chapters, pytest.mark.slow, pytest.mark.xdist_group("chapters")]


class Smoke(NamedTuple):
    folders: Folders
    codes: list[int]  # of the first build and, if that is 0, of the second
    lines: list[list[str]]  # what they said


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """The book at the smoke profile, built strictly, and built again if that went well."""
    folders = Folders(HOME, tmp_path_factory.mktemp("book"))
    codes, lines = [], []
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("BNKIT_REPOSITORY", raising=False)
        # Somebody may edit the package while this runs; tests/book has that part.
        patch.setattr(build.keys, "surroundings", cache(build.keys.surroundings))
        for _ in range(2):
            if 1 not in codes:
                lines.append([])
                smoke = {"profile": "smoke"}
                codes.append(build.build(folders, parameters=smoke, say=lines[-1].append))
    return Smoke(folders, codes, lines)


def executed(folders, name):
    path = folders.executed(name)
    return notebook.code_cells(notebook.read(path)) if path.is_file() else []


class TestRunning:
    pytestmark = run

    @every_chapter
    def test_it_runs_through_in_time_and_memory_and_warns_of_nothing(self, smoke, name):
        (line,) = [
            line for line in smoke.lines[0] if re.match(rf"(FAILED )?{re.escape(name)}: ", line)
        ]
        assert not line.startswith("FAILED"), line
        assert "not published" not in line, line
        ran = Manifest.read(smoke.folders.manifest).chapters[name]
        assert ran.cpu_seconds <= SLACK * SMOKE_SECONDS
        assert ran.peak_bytes < PEAK_BYTES

    @every_chapter
    def test_its_outputs_can_be_read_by_all_and_are_the_same_everywhere(self, smoke, name):
        for cell in executed(smoke.folders, name):
            for output in cell["outputs"]:
                shown = output.get("data", {"text/plain": output.get("text", "")})
                if any(kind.startswith("image/") for kind in shown):
                    assert len(alt(cell)) > 20, notebook.text(cell)
                readable = "".join(
                    "".join(shown.get(kind, "")) for kind in ("text/plain", "text/html")
                )
                assert not ADDRESS.search(readable), notebook.text(cell)
                assert str(HOME) not in readable, notebook.text(cell)

    def test_the_pages_are_built_without_a_warning(self, smoke):
        assert smoke.codes[0] == 0, "\n".join(smoke.lines[0])
        assert (smoke.folders.html / "index.html").is_file()

    def test_a_second_build_has_nothing_to_do(self, smoke):
        assert smoke.codes == [0, 0]
        (line,) = smoke.lines[1]
        assert line.startswith("nothing changed")

    def test_no_page_asks_another_server_and_none_is_heavy(self, smoke):
        html = smoke.folders.html
        for name in CHAPTERS:
            page = html / "chapters" / f"{name}.html"
            text = page.read_text("utf-8")
            assert not re.search(r"(src|srcset|data) *= *[\"'](https?:)?//", text)
            assert not re.search(r"<link [^>]*href=[\"'](https?:)?//", text)
            parts = set(
                re.findall(r"(?:src|<link [^>]*href)=\"([^\"#?]+\.(?:js|css|svg|png))", text)
            )
            weights = [weight(page.parent / part) for part in parts]
            assert weight(page) + sum(weights) <= PAGE_BYTES, name


def weight(path):
    return len(gzip.compress(path.read_bytes(), 6))
