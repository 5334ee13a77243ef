"""The local Sphinx extensions, each on the text that it mends."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "_ext"


def extension(name):
    found = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


scripts, access, icons = (extension(f"page_{name}") for name in ("scripts", "access", "icons"))


def chosen(body):
    named = [
        SimpleNamespace(filename=name, attributes={"body": text})
        for name, text in [("a.js", ""), ("sphinx-thebe.js", ""), (None, "const THEBE_JS_URL")]
    ]
    context = {
        "script_files": named,
        "css_files": [SimpleNamespace(filename="sphinx-thebe.css")],
        "body": body,
        "pathto": lambda path, resource: f"../{path}",
    }
    scripts.choose(None, "page", "page.html", context, None)
    names = [getattr(file, "filename", file) for file in context["script_files"]]
    return names, context["css_files"], context["body"]


def test_a_page_without_plots_loads_neither_thebe_nor_plotly():
    assert chosen("<p>Text.</p>") == (["a.js"], [], "<p>Text.</p>")


def test_a_page_with_a_plot_loads_plotly_from_the_site():
    names, _, _ = chosen('<div class="bn-plot"></div>')
    assert names == ["a.js", "vendor/plotly/plotly-cartesian.min.js"]
    assert (FOLDER.parent / "_extra" / names[1]).is_file()


def test_the_plots_of_the_package_are_recognized():
    go = pytest.importorskip("plotly.graph_objects", reason="plotly is an optional dependency")
    from bnkit.figures.interactive import Interactive

    shown = Interactive(go.Figure(), alt="An empty figure.", name="empty")._repr_mimebundle_()
    assert len(chosen(shown["text/html"])[0]) == 2


def test_a_quiz_takes_mathjax_from_the_site_and_only_when_it_is_ready():
    body = (
        "if (typeof MathJax != 'undefined') {"
        "script.src = 'https://cdn.jsdelivr.net/npm/mathjax@3/es5/tex-svg.js'"
    )
    _, _, changed = chosen(body)
    assert "https:" not in changed
    assert "'../vendor/mathjax/tex-mml-chtml.js'" in changed
    assert "&& MathJax.version" in changed


@pytest.mark.parametrize(
    ("given", "mended"),
    [
        (
            '<button class="btn search-button-field x" title="Search" aria-label="Search">',
            '<button class="btn search-button-field x" title="Search">',
        ),
        (
            '<i class="theme-switch fa-sun" data-mode="light" title="Light"></i>',
            '<i class="theme-switch fa-sun" data-mode="light" aria-hidden="true"></i>',
        ),
        ("<th></th><th>a</th>", "<td></td><th>a</th>"),
        ('<div role="list" class="citation-list">', '<div class="citation-list">'),
        ('<summary aria-label="Toggle hidden content">', "<summary>"),
        (
            '<div class="output text_html"><div>\n<style scoped>',
            '<div class="output text_html" tabindex="0" role="group" aria-label="Table">'
            "<div>\n<style scoped>",
        ),
        ('<div class="output text_html"><p>', '<div class="output text_html"><p>'),
        (
            '<img alt="A line." src="../../_images/a1.svg" />',
            '<a class="bn-figure" href="../../_images/a1.svg" title="Open this figure as its own'
            ' page"><img alt="A line." src="../../_images/a1.svg" /></a>',
        ),
        ('<img alt="The logo" src="_static/logo.svg" />',) * 2,
    ],
)
def test_what_assistive_software_stumbles_over_is_mended_once(given, mended):
    assert access.mended(given) == mended
    assert access.mended(mended) == mended


def test_the_icons_that_nobody_names_are_dropped():
    script = (
        'a={sun:[512,512,[9728],"f185","M0 1"],bars:[448,512,["navicon"],"f0c9","M2"],'
        '"angle-up":[448,512,[],"f106",["M3","M4"]]};b={moon:[384,512,[],"f186","M5"]};f()'
    )
    kept = 'a={bars:[448,512,["navicon"],"f0c9","M2"],"angle-up":[448,512,[],"f106",["M3","M4"]]}'
    assert icons.reduced(script, {"navicon", "angle-up", "lg"}) == kept + ";b={};f()"


def test_an_icon_is_used_where_a_page_or_a_script_names_it(tmp_path):
    (tmp_path / "page.html").write_text('<i class="fa-solid fa-sun fa-lg">')
    (tmp_path / "other.js").write_text('x.className = "fa-moon"')
    (tmp_path / "icons.js").write_text("fa-bars")
    assert icons.used(tmp_path, tmp_path / "icons.js") == {"solid", "sun", "lg", "moon"}
