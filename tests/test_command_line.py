"""What all commands have in common: help, one clear line and exit code 2 on bad input."""

import errno
import os
import subprocess
import sys

import pytest

import bnkit
from bnkit.__main__ import build_parser, main

COMMANDS = ("book", "data", "claims", "sweep", "reproduce")

# Arguments -> what the line must say.
BAD = {
    "": "the following arguments are required: COMMAND",
    "frobnicate": "invalid choice: 'frobnicate'",
    "--frobnicate": "required: COMMAND",
    "claims extra": "unrecognized arguments: extra",
    "claims --frobnicate": "unrecognized arguments: --frobnicate",
    "claims --chapter": "expected one argument",
    "claims --chapter nonsense": "chapter 'nonsense' is not one of mini-batches",
    "sweep nonsense": "no experiment 'nonsense': choose one of",
    "sweep ../toy": "no experiment '../toy'",
    "sweep toy --seeds": "expected one argument",
    "sweep toy --seeds abc": "--seeds 'abc': give whole numbers",
    "sweep toy --seeds 3-1": "--seeds '3-1': give whole numbers",
    "sweep toy --seeds 1.5": "--seeds '1.5': give whole numbers",
    "sweep toy --seeds 0-999999": "--seeds '0-999999': give whole numbers up to 9999",
    "sweep toy --seeds=-1": "--seeds '-1': give whole numbers",
    "sweep toy --arms nonsense": "toy has no arm 'nonsense': choose from none, batch",
    "sweep toy --arms none,,batch": "toy has no arm ''",
    "sweep toy --workers 0": "--workers 0: give a whole number from 1",
    "sweep toy --workers -2": "--workers -2: give a whole number from 1",
    "sweep toy --workers two": "invalid int value: 'two'",
    "sweep toy": "no rate is tuned; run `python -m bnkit sweep toy --tune`",
    "sweep toy --arms none@0.1 --scheduler nonsense": "--scheduler nonsense: no Dask scheduler",
    "sweep toy --arms none@0.1 --scheduler tcp://x:abc": "--scheduler tcp://x:abc: no Dask",
    "sweep toy --arms none@0.1 --scheduler tcp://127.0.0.1:1": "no Dask scheduler answers there",
    "sweep toy extra": "unrecognized arguments: extra",
    "reproduce": "the following arguments are required: id",
    "reproduce Z9": "no claim 'Z9'",
    "reproduce T3 --seeds 0": "--seeds 0: give a whole number",
    "reproduce T3 --seeds many": "invalid int value: 'many'",
    "reproduce T5": "T5 is editorial",
    "data nonsense": "unknown data set 'nonsense': choose digits",
    "data no-such-file.npz": "no-such-file.npz",
    "data mnist --offline": "train-images-idx3-ubyte.gz is missing",
    "data digits extra": "unrecognized arguments: extra",
    "book --workers 0": "--workers 0: give a whole number",
    "book --workers many": "invalid int value: 'many'",
    "book --profile nonsense": "invalid choice: 'nonsense'",
    "book run": "the following arguments are required: chapter",
    "book run nonsense": "_toc.yml",
    "book walk": "invalid choice: 'walk'",
}


@pytest.mark.parametrize("line", BAD, ids=lambda line: line or "nothing")
def test_bad_input_is_one_line_and_exit_code_2(home, monkeypatch, capsys, line):
    monkeypatch.setenv("BNKIT_DATA", str(home / "empty"))
    try:
        code = main(line.split())
    except SystemExit as exit:  # argparse's own way
        code = exit.code
    out, err = capsys.readouterr()
    assert code == 2
    assert out == ""
    assert err.startswith("error: ")
    assert err.endswith("\n")
    assert err.count("\n") == 1
    assert BAD[line] in err


@pytest.mark.parametrize("command", ["claims", "sweep toy", "reproduce T1", "data", "book"])
def test_a_home_that_is_no_folder_is_named(home, monkeypatch, capsys, command):
    if command == "data":
        monkeypatch.delenv("BNKIT_DATA", raising=False)
    monkeypatch.setenv("BNKIT_HOME", "/no/such/folder")
    assert main(command.split()) == 2
    assert capsys.readouterr().err == (
        "error: BNKIT_HOME='/no/such/folder' is not a folder: set it to a checkout of the book, or "
        "unset it\n"
    )


def test_a_register_that_cannot_be_read_is_one_line(home, capsys):
    from bnkit.claims import _load

    path = home / "data" / "claims.toml"
    for text, words in [("[[claim", "is not TOML"), ('[[claim]]\nid = "A"\n', "field 'claim'")]:
        path.write_text(text)
        _load.cache_clear()
        assert main(["claims"]) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert words in err
    path.unlink()
    _load.cache_clear()
    assert main(["claims"]) == 2
    assert "no register of claims at" in capsys.readouterr().err


def test_a_damaged_record_is_one_line_in_every_command(recorded, toy, capsys):
    from bnkit import store

    path = store.folder("toy", toy.ARMS["none@0.1"]) / "provenance.json"
    path.write_text(path.read_text().replace('"schema": 1', '"schema": 0'))
    commands = {"claims": 2, "sweep toy --arms none@0.1": 2, "reproduce T3": 1}
    for command, expected in commands.items():
        assert main(command.split()) == expected
        out, err = capsys.readouterr()
        assert out == ""
        assert "schema 0, this version reads 1; move the folder away" in err
        assert err.count("\n") == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(capsys, command):
    with pytest.raises(SystemExit) as exit:
        main([command, "--help"])
    assert exit.value.code == 0
    out = capsys.readouterr().out
    assert f"usage: python -m bnkit {command}" in out
    assert len(out.splitlines()) > 4


def test_the_help_of_all_names_every_command(capsys):
    text = build_parser().format_help()
    assert set(COMMANDS) <= set(text.partition("COMMAND\n")[2].split())


def test_the_version_is_printed(capsys):
    with pytest.raises(SystemExit) as exit:
        main(["--version"])
    assert exit.value.code == 0
    assert capsys.readouterr().out == f"bnkit {bnkit.__version__}\n"


def test_ctrl_c_is_said_in_one_line(home, monkeypatch, capsys):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("bnkit.claims.load", interrupted)
    assert main(["claims"]) == 130
    assert capsys.readouterr().err == "interrupted: what was finished is kept\n"


def test_a_full_disk_is_said_in_one_line_and_what_was_there_stays(
    recorded, toy, monkeypatch, capsys
):
    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = {path: path.read_bytes() for path in recorded.rglob("*.csv")}
    monkeypatch.setattr(os, "fsync", full)
    command = ["sweep", "toy", "--arms", "none@0.1", "--seeds", "0-20", "--workers", "1"]
    assert main(command) == 1
    err = capsys.readouterr().err.splitlines()
    assert err[-1] == "error: [Errno 28] No space left on device; what was finished is kept"
    assert {path: path.read_bytes() for path in recorded.rglob("*.csv")} == before


def test_the_module_is_the_command(environment):
    command = [sys.executable, "-m", "bnkit", "claims", "--chapter", "nonsense"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: chapter 'nonsense' is not one of")
