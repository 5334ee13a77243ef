"""Mend in each finished page what the theme and its extensions make hard for assistive software.

Found with axe on sphinx-book-theme 1.3, myst-nb 1.4 and sphinxcontrib-bibtex 2.7; a change that a
newer version has made itself finds nothing to replace.
"""

import re
from pathlib import Path

_MENDED = (
    # The name of a button must have the words that it shows: "Search Ctrl+K".
    (re.compile(r'(<button class="btn search-button-field[^>]*) aria-label="Search"'), r"\1"),
    (re.compile(r'<summary aria-label="Toggle hidden content">'), "<summary>"),
    # The three states of one button are pictures, not three names for it.
    (re.compile(r'(<i class="theme-switch [^>]*) title="[^"]*"'), r'\1 aria-hidden="true"'),
    # All content belongs to a landmark, also the title and the search field in the sidebar.
    (
        re.compile(r'(<div id="pst-primary-sidebar" class="[^"]*")>'),
        r'\1 role="region" aria-label="Contents of the book">',
    ),
    # The corner of a table of numbers is empty: it heads nothing.
    (re.compile(r'<th></th>|<th class="head"><p></p></th>'), "<td></td>"),
    # These roles are deprecated, or ask for children that are not there.
    (re.compile(r' role="list" class="citation-list"'), ' class="citation-list"'),
    (re.compile(r' role="doc-biblioentry"'), ""),
    # A wide table scrolls by itself, and so needs the focus of a keyboard.
    (
        re.compile(r'<div class="output text_html">(?=\s*<(?:div>\s*<style|style|table))'),
        '<div class="output text_html" tabindex="0" role="group" aria-label="Table">',
    ),
    # A drawn figure opens by itself, where one can zoom; on a phone its link scrolls sideways.
    (
        re.compile(r'(?<!page">)(<img [^>]*src="([^"]*_images/[^"/]+\.svg)"[^>]*>)'),
        r'<a class="bn-figure" href="\2" title="Open this figure as its own page">\1</a>',
    ),
)

_START = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<meta http-equiv="refresh" content="0; url={page}">
</head>
<body><main><p><a href="{page}">{title}</a></p></main></body>
</html>
"""


def mended(html):
    for pattern, replacement in _MENDED:
        html = pattern.sub(replacement, html)
    return html


def mend(app, exception):
    if exception is not None or app.builder.format != "html":
        return
    root = Path(app.outdir)
    for path in sorted(root.rglob("*.html")):
        if "_static" not in path.relative_to(root).parts:
            path.write_text(mended(path.read_text("utf-8")), "utf-8")
    first = f"{app.config.root_doc}.html"
    if first != "index.html":
        start = _START.format(title=app.config.html_title, page=first)
        (root / "index.html").write_text(start, "utf-8")


def setup(app):
    app.connect("build-finished", mend, priority=900)  # after the redirect has been written
    return {"parallel_read_safe": True, "parallel_write_safe": True}
