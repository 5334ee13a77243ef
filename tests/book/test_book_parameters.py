import math

import pytest
from books import book, chapter

from bnkit.__main__ import main
from bnkit.book import notebook
from bnkit.book.parameters import TABLE, check, parse
from bnkit.data import NAMES
from bnkit.errors import InputError

# (name, value): every way in which somebody's papermill can get a parameter wrong.
REFUSED = [
    ("seed", "abc"),
    ("seed", "3"),
    ("seed", ""),
    ("seed", 3.7),
    ("seed", 3.0),
    ("seed", math.nan),
    ("seed", math.inf),
    ("seed", -5),
    ("seed", 2**31),
    ("seed", 10**30),
    ("seed", 10**5000),
    ("seed", True),
    ("seed", None),
    ("seed", [0]),
    ("profile", "full"),
    ("profile", ""),
    ("profile", "Smoke"),
    ("profile", "smoke "),
    ("profile", None),
    ("profile", 1),
    ("profile", True),
    ("profile", ["smoke"]),
    ("device", "gpu"),
    ("device", ""),
    ("device", "CPU"),
    ("device", "cuda:"),
    ("device", "cuda:-1"),
    ("device", "cuda:1.5"),
    ("device", "cuda:٣"),
    ("device", "cuda:00"),
    ("device", "mps"),
    ("device", 0),
    ("device", math.nan),
    ("data_set", "imagenet"),
    ("data_set", ""),
    ("data_set", "absent.npz"),
    ("data_set", ".npz"),
    ("data_set", "a\0.npz"),
    ("data_set", "x" * 5000 + ".npz"),
    ("data_set", "~nobody-has-this-name/x.npz"),
    ("data_set", 5),
    ("data_set", None),
    ("learning_rate", 0.1),
]
# (name, text) on a command line.
REFUSED_TEXT = [
    ("seed", "abc"),
    ("seed", ""),
    ("seed", "3.7"),
    ("seed", "True"),
    ("seed", "-5"),
    ("seed", "nan"),
    ("seed", "1e3"),
    ("seed", "1_0"),
    ("seed", " 3"),
    ("seed", "9" * 5000),
    ("seed", "٣"),
    ("profile", "none"),
    ("device", "cuda:x"),
    ("data_set", "absent.npz"),
    ("seeed", "3"),
]


@pytest.mark.parametrize(("name", "value"), REFUSED, ids=range(len(REFUSED)))
def test_a_bad_value_is_refused_in_one_line_that_names_it(name, value):
    with pytest.raises(InputError) as caught:
        check(name, value)
    message = str(caught.value)
    assert name in message
    assert "\n" not in message
    assert len(message) < 300
    assert "give " in message or "this chapter has" in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", 0),
        ("seed", 2**31 - 1),
        ("profile", "default"),
        ("profile", "smoke"),
        ("device", "cpu"),
        ("device", "cuda"),
        ("device", "cuda:0"),
        ("device", "cuda:12"),
        *[("data_set", name) for name in NAMES],
    ],
)
def test_a_good_value_is_taken(name, value):
    check(name, value)


def test_an_npz_that_exists_is_a_data_set_seen_from_where_the_command_was_given(
    tmp_path, monkeypatch
):
    (tmp_path / "mine.npz").touch()
    monkeypatch.chdir(tmp_path)
    assert parse("data_set", "mine.npz") == str(tmp_path / "mine.npz")


def test_text_becomes_the_type_of_its_parameter():
    assert parse("seed", "007") == 7
    assert parse("profile", "smoke") == "smoke"


@pytest.fixture
def one_chapter(tmp_path, monkeypatch):
    book(tmp_path, lonely=chapter("1 + 1"))
    monkeypatch.setenv("BNKIT_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(("name", "text"), REFUSED_TEXT, ids=range(len(REFUSED_TEXT)))
def test_the_command_line_refuses_before_anything_runs(one_chapter, capsys, name, text):
    assert main(["book", "run", "lonely", "-p", name, text]) == 2
    error = capsys.readouterr().err
    assert name in error
    assert error.count("\n") == 1
    assert not (one_chapter / "_build").exists()


def test_the_command_line_refuses_a_parameter_that_only_other_chapters_have(one_chapter, capsys):
    assert main(["book", "run", "lonely", "-p", "data_set", "digits"]) == 2
    assert "this chapter has profile, seed, device" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "absent"],
        ["run", "lonely", "-o", "out.html"],
        ["run", "lonely", "-o", "no/such/folder/out.ipynb"],
        ["--workers", "0"],
    ],
)
def test_other_bad_input_is_one_line_too(one_chapter, capsys, arguments):
    assert main(["book", *arguments]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_parameters_of_a_chapter_are_what_its_tagged_cell_assigns():
    assert notebook.parameters(chapter("rate = 1")) == {
        "profile": "default",
        "seed": 0,
        "device": "cpu",
    }
    assert {"profile", "seed", "device"} == {n for n, p in TABLE.items() if p.required}
