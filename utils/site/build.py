"""The documentation site: every page of a language through Sphinx into `en/` and `pt/`, readable from a disk without a network."""

import contextlib
import io
import os
import re
import shutil
from pathlib import Path

from utils import runs
from utils.runs import UserError
from utils.site.executed import last_journey
from utils.site.sources import Page, find_pages, write_sources
from utils.site.words import TITLE, WORDS

THEME = Path(__file__).parent / "theme"
NEEDS = "the site needs Sphinx, furo and myst-nb; make site installs them, or: python -m pip install -r requirements-docs.txt"
START = """<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark"><title>{title}</title><style>body{{font:1.2rem/1.6 system-ui,sans-serif;margin:4rem auto;
max-width:30rem;padding:0 1rem;color:#111;background:#fff}}li{{margin:1rem 0}}a{{color:#0645ad}}
@media (prefers-color-scheme:dark){{body{{color:#eee;background:#131416}}a{{color:#8ab4f8}}}}</style></head>
<body><main><h1>{title}</h1><ul>{links}</ul></main></body></html>
"""


def build_site(out: Path, root: Path = runs.ROOT, journey: Path | None = None) -> tuple[list[str], list[str]]:
    """Write the site into `out`; returns what a reader should know, and Sphinx's warnings.

    `journey` is the folder of a journey; without one, the last of `outputs/` is taken. The old site stays until the new one is whole.
    Raises UserError where Sphinx is not installed or the disk is full.
    """
    _need_sphinx()
    pages, told, warnings = find_pages(root), [], []
    journey = journey or last_journey(runs.outputs())
    if journey is None:
        told.append("no journey was run yet, so no notebook shows outputs; make journey, then make site")
    languages = [code for code in WORDS if any(page.language == code and page.name == "index" for page in pages)]
    if "pt" not in languages:
        told.append("the Portuguese part is left out: README.pt-BR.md and notebooks/pt-BR are not built yet")
    pages = [page for page in pages if page.language in languages]
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    with runs.full_disk_told(out):
        bare = list(write_sources(pages, journey, part / "source"))
        told += bare if journey else []
        for code in languages:
            warnings += _sphinx(code, part, [page for page in pages if page.language == code], _twins(pages, code))
        links = "".join(f'<li><a lang="{WORDS[code]["tag"]}" href="{code}/index.html">{WORDS[code]["name"]}</a></li>' for code in languages)
        runs.write_text(part / "site" / "index.html", START.format(title=TITLE, links=links))
        shutil.rmtree(out, ignore_errors=True)
        os.replace(part / "site", out)
    shutil.rmtree(part)
    return told, warnings


def _need_sphinx() -> None:
    try:
        import furo  # noqa: F401
        import myst_nb  # noqa: F401
        import sphinx  # noqa: F401
    except ImportError as error:
        raise UserError(NEEDS) from error


def _twins(pages: list[Page], code: str) -> dict[str, str]:
    """Page's name -> the same page in the other language, or that language's front page, as a path from the site's root."""
    other = {page.name for page in pages if page.language != code} | {"search"}
    folder = next((page.language for page in pages if page.language != code), None)
    mine = [page.name for page in pages if page.language == code]
    return {name: f"{folder}/{name if name in other else 'index'}.html" for name in [*mine, "search"]} if folder else {}


def _sphinx(code: str, part: Path, pages: list[Page], twins: dict[str, str]) -> list[str]:
    """Build one language; returns the warnings, one a line."""
    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    warned = io.StringIO()
    source, out = part / "source" / code, part / "site" / code
    with patch_docutils(), docutils_namespace(), contextlib.redirect_stdout(io.StringIO()):
        app = Sphinx(source, None, out, part / "doctrees" / code, "html", _settings(code), status=None, warning=warned, freshenv=True)
        app.connect("html-page-context", lambda app, name, template, context, tree: _adapt(context, _switch(name, code, twins)))
        app.build(force_all=True)
    shutil.rmtree(out / "_sources", ignore_errors=True)
    for name in (".buildinfo", "objects.inv"):
        (out / name).unlink(missing_ok=True)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", warned.getvalue())
    return [line.replace(f"{source}{os.sep}", f"{code}/") for line in plain.splitlines() if line.strip()]


def _adapt(context: dict, switch: dict) -> None:
    """Give a page its link to the other language, and the menu's captions the level that their role of heading wants."""
    menu = context.get("furo_navigation_tree", "")
    context.update(switch, furo_navigation_tree=menu.replace('class="caption" role="heading"', 'class="caption" role="heading" aria-level="2"'))


def _switch(name: str, code: str, twins: dict[str, str]) -> dict:
    """What the templates need for the link to the other language, relative so that it works from a disk."""
    if name not in twins:
        return {"other": None}
    other = next(one for one in WORDS if one != code)
    up = "../" * (name.count("/") + 1)
    return {"other": {"href": up + twins[name], **WORDS[other]}}


def _settings(code: str) -> dict:
    """Sphinx's configuration: notebooks are not run, and nothing is taken from a network (no MathJax, no widget scripts)."""
    return {
        "project": TITLE,
        "html_title": TITLE,
        "language": WORDS[code]["sphinx"],
        "extensions": ["myst_nb"],
        "nb_execution_mode": "off",
        "nb_ipywidgets_js": {},
        "myst_heading_anchors": 4,
        "suppress_warnings": ["misc.highlighting_failure", "myst.header"],
        "html_theme": "furo",
        "html_theme_options": {"top_of_page_buttons": []},
        "html_static_path": [str(THEME / "static")],
        "html_css_files": ["site.css"],
        "html_js_files": ["site.js"],
        "templates_path": [str(THEME / "templates")],
        "html_show_search_summary": False,  # summaries are fetched, which a page from a disk may not do
        "html_copy_source": False,
        "html_show_copyright": False,
        "html_use_index": False,
        "html_domain_indices": False,
    }
