"""Load on each page the scripts that it needs, and all of them from the site itself.

The builder always adds thebe, which starts cells on a remote kernel: training does not fit there,
its script comes from another server, and its variables are declared twice on each page. plotly.js
is 1.5 MB and stands on few pages. A quiz expects MathJax within half a second, and asks another
server for it where ours is late.
"""

import re

_PLOT = 'class="bn-plot"'  # as bnkit.figures.interactive writes it
_PLOTLY = "vendor/plotly/plotly-cartesian.min.js"
_MATHJAX = "vendor/mathjax/tex-mml-chtml.js"
_IF_MATHJAX = "if (typeof MathJax != 'undefined') {"
_IF_MATHJAX_IS_READY = "if (typeof MathJax != 'undefined' && MathJax.version) {"
_OUTSIDE_MATHJAX = re.compile(r"https://cdn\.jsdelivr\.net/npm/mathjax@3/es5/[\w-]+\.js")
_THEBE_SETTINGS = re.compile(
    r'<script type="text/x-thebe-config">.*?</script>|<script>kernelName = .*?</script>', re.DOTALL
)


def of_thebe(file):
    attributes = getattr(file, "attributes", {})
    return "thebe" in f"{getattr(file, 'filename', file)} {attributes.get('body', '')}".lower()


def choose(app, pagename, templatename, context, doctree):
    for kind in ("script_files", "css_files"):
        context[kind] = [file for file in context.get(kind, []) if not of_thebe(file)]
    body = context.get("body")
    if not body:
        return
    body = _THEBE_SETTINGS.sub("", body).replace(_IF_MATHJAX, _IF_MATHJAX_IS_READY)
    context["body"] = _OUTSIDE_MATHJAX.sub(context["pathto"](_MATHJAX, 1), body)
    if _PLOT in body:
        context["script_files"].append(_PLOTLY)


def setup(app):
    app.connect("html-page-context", choose, priority=900)  # after the others have added theirs
    return {"parallel_read_safe": True, "parallel_write_safe": True}
