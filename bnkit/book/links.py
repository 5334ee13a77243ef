"""Where is the page of a chapter, seen from another page?"""

import os

from bnkit import places
from bnkit.book import toc


def chapter_links(page: str) -> dict[str, str]:
    """Last part of each chapter's name -> address of its page relative to that of `page`.

    Args:
        page: the name of the page that links, for example "verdict/scoreboard".
    """
    folder = os.path.dirname(page)  # noqa: PTH120 - a name with slashes, not a file
    names = toc.chapters(places.home())
    return {
        name.rpartition("/")[2]: os.path.relpath(f"{name}.html", folder or ".").replace(os.sep, "/")
        for name in names
    }
