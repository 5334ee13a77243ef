"""Keep of the icon script only the icons that a page or another script of the site names.

The theme loads all of Font Awesome on each page: more than half a megabyte, compressed, for a dozen
of icons, and more than everything else on most pages.
"""

import re
from pathlib import Path

_SCRIPT = "_static/scripts/fontawesome.js"
_NAME = re.compile(r"\bfa-([a-z0-9-]+)")
# One icon as the script has it: name:[width, height, [other names], "code point", path or paths].
_ICON = re.compile(
    r'("?)(?P<name>[a-z0-9-]+)\1:'
    r'\[\d+,\d+,\[(?P<others>[^\]]*)\],"[0-9a-f]*",(?:"[^"]*"|\["[^"]*","[^"]*"\])\],?'
)


def used(root, script):
    texts = (path for path in root.rglob("*") if path.suffix in {".html", ".js"} and path != script)
    return {name for path in texts for name in _NAME.findall(path.read_text("utf-8"))}


def reduced(script, names):
    def keep(match):
        called = {match["name"], *re.findall(r'"([a-z0-9-]+)"', match["others"])}
        return match[0] if called & names else ""

    return _ICON.sub(keep, script)


def reduce(app, exception):
    root = Path(app.outdir)
    script = root / _SCRIPT
    if exception is None and script.is_file():
        script.write_text(reduced(script.read_text("utf-8"), used(root, script)), "utf-8")


def setup(app):
    app.connect("build-finished", reduce, priority=950)  # when the pages are complete
    return {"parallel_read_safe": True, "parallel_write_safe": True}
