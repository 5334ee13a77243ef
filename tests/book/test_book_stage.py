import re

import pytest
import yaml
from books import book, chapter, entry, executed

from bnkit.book import files, notebook, repository, site, status, toc
from bnkit.book.manifest import Manifest
from bnkit.book.stage import stage
from bnkit.errors import InputError

ADDRESS = "https://github.com/somebody/trial"


@pytest.fixture
def ready(tmp_path, monkeypatch):
    """A book of one chapter that has been executed."""
    monkeypatch.delenv(repository.VARIABLE, raising=False)
    folders = book(tmp_path, one=chapter("x = 1"))
    files.replace(
        folders.executed("part/one"),
        notebook.dump(notebook.merge(chapter("x = 1"), executed(chapter("x = 1")))),
    )
    return folders, Manifest({"part/one": entry()})


def staged(folders, name="chapters/part/one.ipynb"):
    return notebook.read(folders.stage / name)


def test_pages_come_in_reading_order_and_missing_ones_are_named(tmp_path):
    folders = book(tmp_path, one=chapter("1"), two=chapter("2"))
    assert [toc.name_of(tmp_path, page) for page in toc.pages(tmp_path)] == [
        "index",
        "part/one",
        "part/two",
    ]
    assert list(toc.chapters(tmp_path)) == ["part/one", "part/two"]
    (folders.home / "chapters/part/two.ipynb").unlink()
    with pytest.raises(InputError, match="names chapters/part/two, but there is no"):
        toc.pages(tmp_path)


@pytest.mark.parametrize("text", ["part/one", "one"])
def test_a_chapter_is_found_by_its_name(ready, text):
    folders, _ = ready
    assert toc.find(folders.home, text)[0] == "part/one"
    assert toc.find(folders.home, str(folders.home / "chapters/part/one.ipynb"))[0] == "part/one"


def test_the_stage_has_the_outputs_and_todays_words(ready):
    folders, manifest = ready
    book(folders.home, one=chapter("x = 1", title="Newer"))
    stage(folders, manifest)
    assert notebook.text(staged(folders)["cells"][0]) == "# Newer"
    assert staged(folders)["cells"][2]["execution_count"] == 2


def test_the_same_manifest_gives_the_same_bytes(ready):
    folders, manifest = ready
    stage(folders, manifest)
    before = files.tree_digest(folders.stage)
    stage(folders, manifest)
    assert files.tree_digest(folders.stage) == before


def test_the_status_page_has_what_the_manifest_has(ready):
    folders, manifest = ready
    stage(folders, manifest)
    table = (folders.stage / status.PAGE).read_text()
    assert "| {doc}`/chapters/part/one` | default | cpu | 1.5 | 256 |" in table
    assert "torch 2.13.0" in table
    assert "a processor, 2 cores" in table


def test_without_a_repository_there_is_no_button_and_no_installation(ready):
    folders, manifest = ready
    stage(folders, manifest)
    assert "repository" not in yaml.safe_load((folders.stage / "_config.yml").read_text())
    assert not any("colab" in notebook.tags(cell) for cell in staged(folders)["cells"])


@pytest.mark.parametrize("given", [ADDRESS, ADDRESS + "/", ADDRESS + ".git"])
def test_with_a_repository_each_chapter_opens_in_colab(ready, monkeypatch, given):
    folders, manifest = ready
    monkeypatch.setenv(repository.VARIABLE, given)
    stage(folders, manifest)
    configuration = yaml.safe_load((folders.stage / "_config.yml").read_text())
    assert configuration["repository"] == {
        "url": ADDRESS,
        "branch": "gh-pages",
        "path_to_book": "_sources",
    }
    assert configuration["launch_buttons"]["colab_url"] == "https://colab.research.google.com"
    first = next(cell for cell in staged(folders)["cells"] if cell["cell_type"] == "code")
    assert set(notebook.tags(first)) == {"colab", "remove-cell"}
    assert f'"bnkit[chapters] @ git+{ADDRESS}"' in notebook.text(first)


def test_a_host_that_colab_cannot_open_gets_no_button():
    changed = repository.configure({}, "https://git.example.org/somebody/trial")
    assert "colab_url" not in changed["launch_buttons"]


@pytest.mark.parametrize(
    "given",
    [
        "http://github.com/a/b",
        "github.com/a/b",
        "https://github.com/a",
        'https://github.com/a/b" x',
        "https://github.com/a/b/c",
    ],
)
def test_an_address_that_is_none_is_refused(monkeypatch, given):
    monkeypatch.setenv(repository.VARIABLE, given)
    with pytest.raises(InputError, match=re.escape(repr(given))):
        repository.url()


def test_a_new_site_takes_the_place_of_the_old_one(tmp_path):
    folders = book(tmp_path)
    files.replace(folders.html / "index.html", b"old")
    files.replace(folders.html / "gone.html", b"old")
    new = folders.build / "site" / "new"
    files.replace(new / "index.html", b"new")
    site.publish(folders, new)
    assert [(p.name, p.read_bytes()) for p in folders.html.iterdir()] == [("index.html", b"new")]


def test_an_exchange_that_was_killed_half_way_is_undone(tmp_path):
    folders = book(tmp_path)
    files.replace(folders.build / "html.old" / "index.html", b"old")
    site.recover(folders)
    assert (folders.html / "index.html").read_bytes() == b"old"


def test_a_failed_exchange_puts_the_old_site_back(tmp_path):
    folders = book(tmp_path)
    files.replace(folders.html / "index.html", b"old")
    with pytest.raises(FileNotFoundError):
        site.publish(folders, folders.build / "absent")
    assert (folders.html / "index.html").read_bytes() == b"old"
