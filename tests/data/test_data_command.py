import argparse
import json

import pytest

from bnkit.data import NAMES, command, registry
from bnkit.errors import DataError, InputError


@pytest.fixture
def data(cache, capsys):
    """Runs `data` with the given words and returns what it prints."""
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())

    def run(*words: str) -> str:
        args = parser.parse_args(["data", *words])
        assert args.handler(args) == 0
        return capsys.readouterr().out

    return run


def test_the_list_says_what_is_here(data, mnist, cache):
    lines = data().splitlines()
    assert [line.split()[0] for line in lines] == list(NAMES)
    state = {line.split()[0]: line.split()[1] for line in lines}
    assert state == {
        "digits": "present",
        "mnist": "present",
        "mnist1k": "present",
        "cifar10": "missing",
        "cifar10-jpeg75": "missing",
    }
    assert str(cache / "mnist") in lines[1]


def test_one_missing_file_makes_a_set_missing(data, mnist, cache):
    file = registry.FILES["mnist"][3]
    whole = json.loads(data("--json"))[1]
    (cache / "mnist" / file.name).unlink()
    entry = json.loads(data("--json"))[1]
    assert (whole["present"], entry["present"]) == (True, False)
    assert (whole["bytes_missing"], entry["bytes_missing"]) == (0, file.num_bytes)
    assert entry["bytes"] == whole["bytes"] - file.num_bytes


def test_a_name_shows_splits_and_hash(data):
    text = data("digits")
    for part in ("train        1,077", "validation     360", "test           360", "1 x 8 x 8"):
        assert part in text
    assert "65e5b4619795efb40c1082f4c350c049e4ad552200d369b6ae99e21eef5e72c5" in text
    assert "note" not in text


def test_json_has_shapes_and_hash(data):
    report = json.loads(data("digits", "--json"))
    assert report["splits"]["validation"] == {"x": [360, 1, 8, 8], "y": [360]}
    assert report["num_classes"] == 10
    assert len(report["sha256"]) == 64


def test_the_note_of_the_jpeg_copy_is_shown(data, pack):
    assert "note: not re-derivable without the pack" in data("cifar10-jpeg75")


def test_an_unknown_name_lists_what_is_allowed(data):
    with pytest.raises(InputError, match=r"'imagenet': choose digits, mnist, .* an \.npz file"):
        data("imagenet")


def test_offline_downloads_nothing(data, monkeypatch):
    monkeypatch.setattr("bnkit.data.loading.fetch", None)
    with pytest.raises(DataError, match="is missing"):
        data("mnist", "--offline")
