"""The executable book: its parameters, its execution, its build.

A chapter starts with `settings = begin(globals())`. Importing this package loads nothing heavy;
papermill, Sphinx and YAML are imported by the functions that use them.
"""

from bnkit.book.links import chapter_links
from bnkit.book.settings import Settings, begin

__all__ = ["Settings", "begin", "chapter_links"]
