import copy

import pytest
from books import chapter, code, executed, markdown, notebook

from bnkit.book import notebook as nb
from bnkit.errors import InputError


def test_a_notebook_that_ran_through_has_no_fault():
    assert nb.fault(executed(chapter("1", "2"))) is None


@pytest.mark.parametrize("count", [None, 1, 4, 0])
def test_a_cell_without_its_own_count_is_a_fault(count):
    done = executed(chapter("1", "2"))
    nb.code_cells(done)[1]["execution_count"] = count
    assert nb.fault(done)[0] == 2


def test_an_error_output_is_a_fault_whatever_the_counts_say():
    done = executed(chapter("1", "2"))
    nb.code_cells(done)[2]["outputs"] = [
        {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": []}
    ]
    assert nb.fault(done) == (3, "ValueError: no")


def test_an_empty_code_cell_needs_no_count():
    assert nb.fault(executed(chapter("1", "  \n", "2"))) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 1  # why"),
        ("x = 1", "# why\n\nx   =  1\n"),
        ("f(a,\n  b)", "f(a, b)"),
    ],
)
def test_comments_and_layout_do_not_change_the_meaning(one, other):
    assert nb.meaning(one) == nb.meaning(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 2"),
        ("plot(x)", "plot(x);"),
        ("if a:\n    b\n    c", "if a:\n    b\nc"),
        ("'# no comment'", "'# another'"),
        ("%timeit f()", "%timeit g()"),
        ("%timeit (", "%timeit ["),
    ],
)
def test_code_changes_the_meaning(one, other):
    assert nb.meaning(one) != nb.meaning(other)


def test_outputs_meet_newer_words():
    source = chapter("1", title="Old")
    newer = chapter("1", title="New")
    newer["cells"][2]["metadata"]["tags"] = ["hide-input"]
    merged = nb.merge(newer, executed(source))
    assert nb.text(merged["cells"][0]) == "# New"
    assert merged["cells"][2]["metadata"] == {"tags": ["hide-input"]}
    assert merged["cells"][2]["outputs"][0]["text"] == "2\n"
    assert nb.fault(merged) is None


def test_no_trace_of_the_time_or_the_run_is_kept():
    one, other = executed(chapter("1")), executed(chapter("1"))
    for index, cell in enumerate(other["cells"]):
        cell["id"] = f"random-{index}"
        cell["metadata"]["execution"] = {"shell.execute_reply": "2031-12-31T00:00:00Z"}
    other["metadata"]["papermill"] = {"duration": 3}
    source = chapter("1")
    first, second = (nb.dump(nb.merge(source, done)) for done in (one, other))
    assert first == second
    assert b"papermill" not in first
    assert b"execute_reply" not in first


def test_text_that_timing_cut_in_pieces_is_joined_and_warnings_are_left_out():
    done = executed(chapter("print(1)"))
    pieces = [("stdout", "a\n"), ("stderr", "/home/me: warning\n"), ("stdout", ["b\n", "c\n"])]
    done["cells"][2]["outputs"] = [
        {"output_type": "stream", "name": name, "text": text} for name, text in pieces
    ]
    merged = nb.merge(chapter("print(1)"), done)
    assert [output["text"] for output in merged["cells"][2]["outputs"]] == ["a\nb\nc\n"]
    assert nb.stderr(done) == "/home/me: warning\n"


def test_an_object_that_shows_as_html_has_no_address():
    done = executed(chapter("card"))
    data = {"text/html": "<p>at 0x12</p>", "text/plain": ["<a.Card at 0x7f01>"]}
    done["cells"][2]["outputs"] = [{"output_type": "execute_result", "data": data, "metadata": {}}]
    (shown,) = nb.merge(chapter("card"), done)["cells"][2]["outputs"]
    assert shown["data"] == {"text/html": "<p>at 0x12</p>", "text/plain": "<a.Card>"}


def test_the_values_of_a_run_stay_in_the_notebook_but_not_on_the_page():
    source = chapter("1")
    ran = copy.deepcopy(source)
    ran["cells"].insert(2, code("seed = 7", nb.INJECTED))
    merged = nb.merge(source, executed(ran))
    assert nb.text(merged["cells"][2]) == "seed = 7"
    assert "remove-cell" in nb.tags(merged["cells"][2])
    assert len({cell["id"] for cell in merged["cells"]}) == len(merged["cells"])
    assert nb.fault(merged) is None


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"cells": 3}', '"text"'])
def test_a_file_that_is_no_notebook_is_named(tmp_path, content):
    path = tmp_path / "broken.ipynb"
    path.write_text(content)
    with pytest.raises(InputError, match=r"broken\.ipynb is not a Jupyter notebook"):
        nb.read(path)


@pytest.mark.parametrize("source", ["seed = f()", "seed: int = 0", "print(1)", "seed ="])
def test_a_parameters_cell_assigns_plain_values_only(source):
    with pytest.raises(InputError, match="must assign plain values"):
        nb.parameters(notebook(markdown("# T"), code(source, "parameters")))
