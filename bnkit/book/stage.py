"""The copy of the book that the builder reads: pages, executed chapters, status, configuration."""

import shutil
from pathlib import Path

from bnkit.book import notebook, repository, status, toc
from bnkit.book.folders import Folders
from bnkit.book.manifest import Manifest

_COPIED = ("_toc.yml", "references.bib", "_ext", "_extra", "_static", "_generated")


def stage(folders: Folders, manifest: Manifest) -> None:
    """Fill `folders.stage` anew. The same sources and manifest give the same bytes."""
    import yaml

    shutil.rmtree(folders.stage, ignore_errors=True)
    folders.stage.mkdir(parents=True)
    for name in _COPIED:
        _copy(folders.home / name, folders.stage / name)
    address = repository.url()
    for page in toc.pages(folders.home):
        target = folders.stage / page.relative_to(folders.home)
        target.parent.mkdir(parents=True, exist_ok=True)
        if page.suffix == ".ipynb":
            target.write_bytes(notebook.dump(_chapter(folders, page, address)))
        else:
            shutil.copyfile(page, target)
    configuration = yaml.safe_load((folders.home / "_config.yml").read_text("utf-8"))
    if address:
        configuration = repository.configure(configuration, address)
    text = yaml.safe_dump(configuration, sort_keys=True, allow_unicode=True)
    (folders.stage / "_config.yml").write_text(text, "utf-8")
    table = folders.stage / status.PAGE
    table.parent.mkdir(exist_ok=True)
    table.write_text(status.page(manifest, list(toc.chapters(folders.home))), "utf-8")


def _chapter(folders: Folders, page: Path, address: str) -> notebook.Notebook:
    """The outputs of the last execution, in today's words: Markdown may have changed since."""
    executed = notebook.read(folders.executed(toc.name_of(folders.home, page)))
    merged = notebook.merge(notebook.read(page), executed)
    return repository.with_colab_cell(merged, address) if address else merged


def _copy(source: Path, target: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
    if source.is_dir():
        shutil.copytree(source, target, ignore=ignored)
    elif source.is_file():
        shutil.copyfile(source, target)
