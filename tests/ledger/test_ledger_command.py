"""`python -m bnkit claims`: the table, the count, JSON, and a reader that stops reading."""

import json
import os
import re
import subprocess
import sys

import pytest

from bnkit.__main__ import main

COUNT = re.compile(
    r"(\d+) claims: (\d+) supported, (\d+) refuted, (\d+) undecided, (\d+) untested "
    r"\(\+(\d+) editorial\)"
)


def claims(capsys, *arguments):
    assert main(["claims", *arguments]) == 0
    return capsys.readouterr().out


def test_the_last_line_counts_the_claims(recorded, capsys):
    lines = claims(capsys).splitlines()
    assert len(lines) == 6
    assert lines[-1] == "4 claims: 3 supported, 0 refuted, 0 undecided, 1 untested (+1 editorial)"


@pytest.mark.slow
def test_the_count_of_the_book_adds_up(capsys):
    lines = claims(capsys).splitlines()
    total, *judged, editorial = map(int, COUNT.fullmatch(lines[-1]).groups())
    assert total == sum(judged)
    assert total + editorial == len(lines) - 1


def test_a_line_has_the_verdict_with_its_numbers(recorded, capsys):
    line = claims(capsys).splitlines()[0]
    assert line.split()[:3] == ["T1", "supported", "speed-and-accuracy"]
    assert "ratio 0.5 [" in line
    assert "n = 8; steps_to_target: batch@none against none" in line
    assert "not reached" not in line


def test_runs_that_never_arrive_are_counted_in_the_line(recorded, home, capsys):
    path = home / "data" / "claims.toml"
    path.write_text(path.read_text().replace('arm = "batch@none"', 'arm = "diverged"'))
    from bnkit.claims import _load

    _load.cache_clear()
    line = claims(capsys).splitlines()[0]
    assert "not reached: diverged 8, none 0" in line
    assert "(rule changed after the record)" in line


def test_a_claim_that_is_not_tested_says_what_is_missing(home, capsys):
    assert "experiment not_written is not written yet" in claims(capsys).splitlines()[3]


def test_a_chapter_alone_is_counted_alone(recorded, capsys):
    lines = claims(capsys, "--chapter", "lipschitz").splitlines()
    assert [line.split()[0] for line in lines[:-1]] == ["T3", "T4", "T5"]
    assert lines[-1] == "2 claims: 1 supported, 0 refuted, 0 undecided, 1 untested (+1 editorial)"


def test_json_is_a_list_of_objects_with_the_agreed_fields(recorded, capsys):
    entries = json.loads(claims(capsys, "--json"))
    assert [entry["id"] for entry in entries] == ["T1", "T2", "T3", "T4", "T5"]
    for entry in entries:
        assert list(entry) == ["id", "kind", "chapter", "verdict", "effect", "low", "high", "n"]
    assert [entry["verdict"] for entry in entries][2:] == ["supported", "untested", "editorial"]
    assert entries[3]["n"] is None
    assert len(json.loads(claims(capsys, "--json", "--chapter", "lipschitz"))) == 3


def test_json_has_no_infinity(keep_only, capsys):
    # two seeds leave the rank interval open at both ends
    for arm in ("none", "batch@none"):
        keep_only(arm, [0, 1])
    text = claims(capsys, "--json")
    assert "Infinity" not in text
    assert "NaN" not in text
    assert json.loads(text)[0]["high"] is None


@pytest.mark.parametrize("arguments", [["claims"], ["data"]])
def test_a_reader_that_stops_reading_gets_no_traceback(environment, arguments):
    environment.pop("PYTHONUNBUFFERED", None)  # then nothing is written before the command ends
    read, write = os.pipe()
    os.close(read)  # as `head` does after its lines
    command = [sys.executable, "-m", "bnkit", *arguments]
    result = subprocess.run(command, env=environment, stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert result.stderr == b""
    assert result.returncode == 0
