"""Load on each page the scripts that it needs and no others.

The builder always adds thebe, which starts cells on a remote kernel: training does not fit there,
its script comes from another server, and its variables are declared twice on each page. plotly.js
is 1.5 MB and stands on few pages.
"""

import re

_PLOT = 'class="bn-plot"'  # as bnkit.figures.interactive writes it
_PLOTLY = "vendor/plotly/plotly-cartesian.min.js"
_THEBE_SETTINGS = re.compile(r'<script type="text/x-thebe-config">.*?</script>', re.DOTALL)
_THEBE_KERNEL = re.compile(r"<script>kernelName = .*?</script>", re.DOTALL)


def _of_thebe(script):
    attributes = getattr(script, "attributes", {})
    text = f"{getattr(script, 'filename', script)} {attributes.get('body', '')}"
    return "thebe" in text.lower()


def choose(app, pagename, templatename, context, doctree):
    scripts = context.get("script_files")
    if scripts is not None:
        scripts[:] = [script for script in scripts if not _of_thebe(script)]
    body = context.get("body")
    if not body:
        return
    body = _THEBE_KERNEL.sub("", _THEBE_SETTINGS.sub("", body))
    context["body"] = body
    if _PLOT in body:
        scripts.append(context["pathto"](_PLOTLY, 1))


def setup(app):
    app.connect("html-page-context", choose, priority=900)  # after the others have added theirs
    return {"parallel_read_safe": True, "parallel_write_safe": True}
