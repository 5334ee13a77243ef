"""Which pages has the book, and in which order?"""

from collections.abc import Iterator
from pathlib import Path

from bnkit.errors import InputError


def pages(home: Path) -> list[Path]:
    """The files that `_toc.yml` names, in reading order, the root first."""
    import yaml

    path = home / "_toc.yml"
    if not path.is_file():
        raise InputError(f"no {path}: set BNKIT_HOME to a checkout of the book")
    try:
        table = yaml.safe_load(path.read_text("utf-8"))
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    return [_file(home, name) for name in _names(table)]


def chapters(home: Path) -> dict[str, Path]:
    """The notebooks among the pages by name: "what-it-is/forward" and its path."""
    return {name_of(home, page): page for page in pages(home) if page.suffix == ".ipynb"}


def find(home: Path, text: str) -> tuple[str, Path]:
    """The one chapter that `text` means: its name, the last part of it, or its path."""
    known = chapters(home)
    wanted = Path(text)
    found = [
        name
        for name, path in known.items()
        if text in (name, path.stem) or (wanted.exists() and wanted.samefile(path))
    ]
    if len(found) != 1:
        raise InputError(f"chapter {text!r}: give one of {', '.join(known)}")
    return found[0], known[found[0]]


def name_of(home: Path, page: Path) -> str:
    """The name of a page: its path in `chapters/`, without the suffix."""
    return page.relative_to(home / "chapters").with_suffix("").as_posix()


def _names(node: object) -> Iterator[str]:
    """Every value of a key `root` or `file`, depth first."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("root", "file"):
                yield value
            else:
                yield from _names(value)
    elif isinstance(node, list):
        for item in node:
            yield from _names(item)


def _file(home: Path, name: str) -> Path:
    for suffix in (".ipynb", ".md"):
        path = home / f"{name}{suffix}"
        if path.is_file():
            return path
    raise InputError(f"_toc.yml names {name}, but there is no {name}.ipynb and no {name}.md")
