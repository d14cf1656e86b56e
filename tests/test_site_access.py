"""Who can read the site: axe-core in headless Chromium on every page, light and dark, on a telephone and on a desk."""

import json
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest
from browser import NAMES, browser
from small_course import write_course

from utils.journey.report import INTERACTIVE, PAGE, to_html

if not any(map(shutil.which, NAMES)):
    pytest.skip("no Chromium is installed", allow_module_level=True)
for _name in ("sphinx", "furo", "myst_nb", "axe_playwright_python"):
    if not find_spec(_name):
        pytest.skip("the site's packages are not installed: make site installs them", allow_module_level=True)

from utils.site.build import build_site  # noqa: E402

LOOKS = [(390, False), (390, True), (1280, False), (1280, True)]
ASK = """axe.run(document, {resultTypes: ["violations"], preload: false, iframes: false, runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}).then(found => found.violations
  .filter(one => ["serious", "critical"].includes(one.impact))
  .map(one => one.id + ": " + one.nodes.map(node => node.html.slice(0, 120) + " " + node.failureSummary.slice(0, 200)).join(" | ")))"""


@pytest.fixture(scope="module")
def axe() -> str:
    # axe-playwright-python carries axe.min.js; its own driver is not used
    return Path(find_spec("axe_playwright_python").submodule_search_locations[0], "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def chromium():
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    root = tmp_path_factory.mktemp("course")
    build_site(root / "site", root, write_course(root))
    return root / "site"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The real course without outputs: its prose, tables and code."""
    out = tmp_path_factory.mktemp("whole") / "site"
    build_site(out)
    return out


def judged(chromium, axe: str, page: Path, looks=LOOKS) -> list[str]:
    """Serious and critical violations in each look, pages wider than the screen, pictures without text, complaints, fetched addresses."""
    tab, wrong = chromium.open(page), []
    tab.run(f"{axe};0")
    for width, dark in looks:
        tab.looks(width, 900, dark)
        wrong += [f"{width} {'dark' if dark else 'light'} {one}" for one in tab.run(ASK)]
        if tab.run("document.documentElement.scrollWidth") > width:
            wrong.append(f"{width}: wider than the screen")
    wrong += tab.run("[...document.images].filter(one => !one.alt.trim()).map(one => 'no alternative text: ' + one.outerHTML.slice(0, 90))")
    wrong += [*tab.complaints(), *tab.fetched()]
    chromium.say("Target.closeTarget", targetId=tab.say("Target.getTargetInfo")["targetInfo"]["targetId"])
    return [f"{page.name} {one}" for one in wrong]


@pytest.mark.parametrize("language", ["en", "pt"])
def test_pages_with_every_kind_of_output(small, chromium, axe, language):
    pages = sorted((small / language).rglob("*.html"))
    assert len(pages) >= 3 and sum((judged(chromium, axe, page) for page in [small / "index.html", *pages]), []) == []


def test_every_page_of_the_real_course(whole, chromium, axe):
    # all pages share one style and the small course is asked in four looks, so each page is asked in one, in turns
    pages = [*sorted((whole / "en").rglob("*.html")), *sorted((whole / "pt").glob("*.html"))]
    assert len(pages) > 12 and sum((judged(chromium, axe, page, [LOOKS[n % 4]]) for n, page in enumerate(pages)), []) == []


def test_search_results(small, chromium, axe):
    tab = chromium.open(small / "en" / "index.html")
    tab.run(f"{axe};0")
    tab.run("document.querySelector('input[name=q]').value = 'colours'; document.querySelector('form.sidebar-search-container').submit()")
    tab.until("document.querySelectorAll('#search-results li a').length")
    tab.run(f"{axe};0")
    assert tab.run(ASK) == []


def test_the_dark_page_is_dark_and_the_switch_of_themes_works(small, chromium):
    tab = chromium.open(small / "en" / "index.html", dark=True)
    ground = "getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).slice(0, 3).reduce((a, b) => a + Number(b), 0)"
    assert tab.run(ground) < 150
    tab.looks(1280, 900, False)
    assert tab.run(ground) > 700
    tab.click(".theme-toggle-content button")  # from the system's choice to the other one
    assert tab.run("document.body.dataset.theme") == "dark" and tab.run(ground) < 150
    tab.run("localStorage.clear()")


def test_what_scrolls_sideways_can_be_reached_by_keyboard(small, chromium):
    tab = chromium.open(small / "en" / "notebooks" / "00_start_here.html", width=390)
    wide = "[...document.querySelectorAll('pre, .cell_output *')].filter(one => one.scrollWidth > one.clientWidth + 1"
    scrolls = f"{wide} && ['auto', 'scroll'].includes(getComputedStyle(one).overflowX))"
    assert tab.run(f"{scrolls}.length") > 0 and tab.run(f"{scrolls}.filter(one => one.tabIndex < 0).length") == 0


def test_the_tool_sees_what_it_must(chromium, axe, tmp_path):
    """axe itself, on a page with a grey word, a bare picture and an unnamed button."""
    page = tmp_path / "bad.html"
    page.write_text(
        '<html lang="en"><title>x</title><main><h1>x</h1><p style="color:#aaa">grey</p><img src="data:,"><button></button></main>', encoding="utf-8"
    )
    said = " ".join(judged(chromium, axe, page, [LOOKS[0]]))
    assert all(rule in said for rule in ("color-contrast", "image-alt", "button-name", "no alternative text"))


def test_a_notebooks_page_of_the_journey(chromium, axe, tmp_path):
    """Code with numbers, words and a comment, a link in a sentence, a table, a figure, and widgets, whose scripts nobody fetches."""
    ran = write_course(tmp_path) / "notebooks" / "00_start_here.ipynb"
    made = nbformat.read(ran, 4)
    made.cells[0].source = "# 00 · Start here"  # its badge is for the site's test
    made.cells += [
        nbformat.v4.new_markdown_cell("Text with [a link](01_next.ipynb) in it."),
        nbformat.v4.new_code_cell("x = 1.5 if 0x1f not in [12] else None  # why"),
    ]
    widget = {
        "application/vnd.jupyter.widget-view+json": {"model_id": "m", "version_major": 2, "version_minor": 0},
        "text/plain": "VBox(children=())",
    }
    made.cells[-1].outputs = [nbformat.v4.new_output("display_data", widget)]
    nbformat.write(made, ran)
    page = to_html(ran)
    assert judged(chromium, axe, page, [LOOKS[0], LOOKS[2]]) == []
    text = page.read_text(encoding="utf-8")
    assert "VBox" not in text and INTERACTIVE in text


def test_the_journeys_own_page(chromium, axe, tmp_path):
    page = tmp_path / "index.html"
    rows = "<tr><th>notebook</th><th>status</th></tr><tr><td><a href='#'>00</a></td><td class='failed'>failed</td></tr>"
    figure = "<figure><img alt='a dot' src='data:image/gif;base64,R0lGODlhAQABAAAAACw='><figcaption>a dot</figcaption></figure>"
    body = f"<h1>Journey</h1><h2>Notebooks</h2><table>{rows}</table>{figure}<p>Text with <a href='#'>a link</a> in it.</p>"
    fields = dict.fromkeys(re.findall(r"(?<!\{)\{(\w+)\}(?!\})", PAGE), "") | {"title": "Journey", "body": body}
    page.write_text(PAGE.format(**fields), encoding="utf-8")
    assert judged(chromium, axe, page) == [], json.dumps(fields)[:80]
