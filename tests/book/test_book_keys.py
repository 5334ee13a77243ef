import pytest
from books import chapter, entry

import bnkit
from bnkit.book import files, keys
from bnkit.book.manifest import Manifest


@pytest.fixture
def home(tmp_path):
    (tmp_path / "data" / "records").mkdir(parents=True)
    (tmp_path / "data" / "claims.toml").write_text("a = 1\n")
    (tmp_path / "requirements.txt").write_text("torch==2.13.0\n")
    (tmp_path / "_toc.yml").write_text("root: chapters/index\n")
    return tmp_path


def test_the_same_surroundings_have_the_same_key(home):
    assert keys.surroundings(home) == keys.surroundings(home)


@pytest.mark.parametrize(
    "name", ["data/claims.toml", "data/records/new.csv", "requirements.txt", "_toc.yml"]
)
def test_a_changed_file_changes_the_key(home, name):
    before = keys.surroundings(home)
    (home / name).write_text("changed\n")
    assert keys.surroundings(home) != before


def test_a_changed_helper_changes_the_key(home, tmp_path, monkeypatch):
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    helper = package / "helper.py"
    helper.write_text("x = 1\n")
    monkeypatch.setattr(bnkit, "__file__", str(package / "__init__.py"))
    before = keys.surroundings(home)
    helper.write_text("x = 2\n")
    assert keys.surroundings(home) != before


def test_a_new_version_of_a_library_changes_the_key(home, monkeypatch):
    before = keys.surroundings(home)
    monkeypatch.setattr(keys, "version", lambda name: "99")
    assert keys.surroundings(home) != before


def test_downloads_and_compiled_files_do_not_change_the_key(home):
    before = keys.surroundings(home)
    (home / "data" / "cache").mkdir()
    (home / "data" / "cache" / "mnist.gz").write_text("bytes")
    (home / "data" / "records" / "half.part").write_text("bytes")
    assert keys.surroundings(home) == before


def test_words_do_not_change_the_key_of_a_chapter_and_code_does():
    key = keys.chapter(chapter("x = 1", title="One"), {}, "around")
    assert keys.chapter(chapter("x = 1  # why", title="Two"), {}, "around") == key
    assert keys.chapter(chapter("x = 2", title="One"), {}, "around") != key
    assert keys.chapter(chapter("x = 1", title="One"), {"seed": 1}, "around") != key
    assert keys.chapter(chapter("x = 1", title="One"), {}, "elsewhere") != key


def test_the_digest_of_a_folder_sees_names_and_bytes(tmp_path):
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("2")
    before = files.tree_digest(tmp_path)
    (tmp_path / "a").write_text("2")
    (tmp_path / "b").write_text("1")
    swapped = files.tree_digest(tmp_path)
    (tmp_path / "b").rename(tmp_path / "c")
    assert len({before, swapped, files.tree_digest(tmp_path)}) == 3


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "file"
    files.replace(path, b"old")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.replace(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_manifest_comes_back_as_it_was(tmp_path):
    manifest = Manifest({"part/one": entry()}, "staged", "html")
    manifest.write(tmp_path / "manifest.json")
    assert Manifest.read(tmp_path / "manifest.json") == manifest


def test_a_manifest_cut_at_any_byte_counts_nothing_as_done(tmp_path):
    path = tmp_path / "manifest.json"
    Manifest({"part/one": entry()}, "staged", "html").write(path)
    whole = path.read_bytes()
    for length in range(len(whole.rstrip())):
        path.write_bytes(whole[:length])
        assert Manifest.read(path) == Manifest()


@pytest.mark.parametrize(
    "content", ["[]", '{"version": 0}', '{"version": 1, "chapters": {"a": {"key": 1}}}']
)
def test_a_manifest_of_another_form_counts_nothing_as_done(tmp_path, content):
    path = tmp_path / "manifest.json"
    path.write_text(content)
    assert Manifest.read(path) == Manifest()
