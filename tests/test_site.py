"""The documentation site: two languages, the last journey's outputs, every link and picture inside it, nothing from a network, a search that works."""

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
from browser import NAMES, browser
from small_course import CODE, PORTUGUESE, notebook, write_course

from utils.__main__ import main
from utils.runs import ROOT, UserError
from utils.site import build
from utils.site.executed import last_journey, merge
from utils.site.sources import find_pages, rewrite

DOCS = [pytest.importorskip(name, reason="the site's packages are not installed: make site installs them") for name in ("sphinx", "furo", "myst_nb")]


class Parts(HTMLParser):
    """What a page names: ids, links, files it loads, pictures without alternative text, its language."""

    def __init__(self, page: Path):
        super().__init__()
        self.page, self.ids, self.links, self.loads, self.bare, self.alts, self.language = page, set(), [], [], [], [], None
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, found):
        has = dict(found)
        self.ids |= {has["id"]} if "id" in has else set()
        self.language = has.get("lang") if tag == "html" else self.language
        if tag in ("script", "img", "iframe", "source", "link"):
            self.loads += [has[key] for key in ("src", "href", "srcset") if has.get(key)]
        if tag == "a" and has.get("href"):
            self.links.append(has["href"])
        if tag == "img":
            self.alts.append(has.get("alt"))


def broken(site: Path) -> list[str]:
    """Links and loaded files of all pages that are not in the site, and everything loaded from elsewhere."""
    pages = {page: Parts(page) for page in site.rglob("*.html")}
    wrong = []
    for page, parts in pages.items():
        wrong += [f"{page.name} loads {one[:80]}" for one in parts.loads if re.match(r"(https?:)?//", one)]
        for link in [*parts.links, *parts.loads]:
            if re.match(r"(https?:|mailto:|data:|//)", link):
                continue
            path, _, anchor = unquote(link).partition("#")
            goal = (page.parent / path.partition("?")[0]).resolve() if path else page
            if not goal.exists() or (anchor and goal.suffix == ".html" and anchor not in pages[goal].ids):
                wrong.append(f"{page.relative_to(site)} -> {link}")
    for style in site.rglob("*.css"):
        wrong += [
            f"{style.name} loads {one}"
            for one in re.findall(r"(?:url\(|@import\s*)[\"']?((?:https?:)?//[^\"')]+)", style.read_text(encoding="utf-8"))
        ]
    return wrong


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The small course's site, what was told, and the warnings."""
    root = tmp_path_factory.mktemp("course")
    journey = write_course(root)
    told, warnings = build.build_site(root / "site", root, journey)
    return root / "site", told, warnings


def text_of(page: Path) -> str:
    return re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8"))


def test_no_warning_and_every_link_leads_somewhere(small):
    site, _, warnings = small
    assert warnings == [] and broken(site) == []


def test_what_is_not_shown_is_told_in_one_sentence_each(small):
    assert [one.partition(" is shown")[0] for one in small[1]] == ["01_next.ipynb (en)", "00_start_here.ipynb (en)"]


def test_both_languages_name_themselves_and_each_other(small):
    site, *_ = small
    front = (site / "index.html").read_text(encoding="utf-8")
    assert 'href="en/index.html"' in front and 'lang="pt-BR" href="pt/index.html"' in front
    assert Parts(site / "en/index.html").language == "en" and Parts(site / "pt/index.html").language == "pt-BR"
    for page in ("index.html", "notebooks/00_start_here.html", "search.html"):
        up = "../" * (page.count("/") + 1)
        assert f'<a href="{up}pt/{page}" lang="pt-BR"' in (site / "en" / page).read_text(encoding="utf-8")
        assert f'<a href="{up}en/{page}" lang="en"' in (site / "pt" / page).read_text(encoding="utf-8")
    # a page that is in one language only leads to the other's front page
    assert '<a href="../../pt/index.html"' in (site / "en/docs/planner.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("language", ["en", "pt"])
def test_outputs_of_the_journey_stand_in_both_languages_with_their_alternative_text(small, language):
    page = small[0] / language / "notebooks" / "00_start_here.html"
    assert {'Bars: "one" 1, two 2', "a black square"} <= set(Parts(page).alts)
    said = text_of(page)
    assert "a line that is much wider" in said and "Wide rows" in said and "a warning" in said
    assert 'srcdoc="&lt;!doctype html&gt;' in page.read_text(encoding="utf-8")
    assert ("Start here" in said) == (language == "en") and ("Comece aqui" in said) == (language == "pt")
    assert ("scale tiny, language it" if language == "en" else "escala tiny, idioma it") in said


def test_the_parameters_shown_are_those_that_ran_and_stand_once(small):
    said = text_of(small[0] / "en/notebooks/00_start_here.html")
    assert said.count("LANGUAGE =") == 1 and re.search(r"LANGUAGE = \S+it\b", said)


def test_a_notebook_without_outputs_says_so(small):
    assert "No outputs here" in text_of(small[0] / "en/notebooks/01_next.html")


def test_outputs_of_other_code_are_not_shown_in_portuguese(tmp_path):
    journey = write_course(tmp_path)
    path = tmp_path / "notebooks" / "pt-BR" / "00_start_here.ipynb"
    nbformat.write(notebook(PORTUGUESE, [*CODE[:2], "print(2)"]), path)
    merged, shown = merge(path, "pt", journey)
    assert not shown and not any(cell.get("outputs") for cell in merged.cells)


def test_the_last_journey_is_the_one_that_was_written_last(tmp_path):
    import os

    for n, name in enumerate(("it", "pt-BR", "es")):
        folder = tmp_path / "tiny" / name
        folder.mkdir(parents=True)
        (folder / "journey.json").write_text("{}")
        os.utime(folder / "journey.json", (100, 100 - n if n else 50))
    assert last_journey(tmp_path).name == "pt-BR" and last_journey(tmp_path / "none") is None


def test_links_are_rewritten_outside_code_only(tmp_path):
    write_course(tmp_path)
    pages = {page.source: page for page in find_pages(tmp_path)}
    front, planner = pages[tmp_path / "README.md"], pages[tmp_path / "docs" / "planner.md"]
    say = lambda text, page=front: rewrite(text, page, pages, tmp_path / "made")  # noqa: E731
    assert say("[a](docs/planner.md#why) `[b](docs/planner.md)`") == "[a](docs/planner.md#why) `[b](docs/planner.md)`"
    assert say("[a](LICENSE) `[b](LICENSE)`\n```\n[c](LICENSE)\n```\n") == "a `[b](LICENSE)`\n```\n[c](LICENSE)\n```\n"
    assert say("[front](../README.md)", planner) == "[front](../index.md)"
    assert say("[x](https://a.invalid/b) [y](#why)") == "[x](https://a.invalid/b) [y](#why)"
    assert say("[![badge](https://a.invalid/b.svg)](https://c.invalid)") == "[badge](https://c.invalid)"
    assert say("[Português](README.pt-BR.md)") == '<a href="../pt/index.html">Português</a>'


def test_translators_files_are_no_pages(tmp_path):
    write_course(tmp_path)
    (tmp_path / "docs" / "pt-BR").mkdir()
    for path in ("docs/pt-BR/README.md", "docs/faq.pt-BR.md"):
        (tmp_path / path).write_text("# x", encoding="utf-8")
    names = [(page.language, page.name) for page in find_pages(tmp_path)]
    assert ("pt", "docs/faq") in names and ("pt", "docs/README") not in names and ("en", "notebooks/solutions/00_start_here") in names


def test_without_portuguese_pages_that_part_is_left_out_and_said(tmp_path):
    journey = write_course(tmp_path)
    (tmp_path / "README.pt-BR.md").unlink()
    told, warnings = build.build_site(tmp_path / "site", tmp_path, journey)
    assert warnings == [] and any("Portuguese" in one for one in told)
    assert not (tmp_path / "site/pt").exists() and "language-switch" not in (tmp_path / "site/en/index.html").read_text(encoding="utf-8")


def test_a_link_that_leads_nowhere_is_a_warning_and_exit_1(tmp_path, monkeypatch, capsys):
    write_course(tmp_path)
    planner = tmp_path / "docs" / "planner.md"
    planner.write_text(planner.read_text(encoding="utf-8") + "\n[nowhere](#gone)\n", encoding="utf-8")
    monkeypatch.setattr(build.build_site, "__defaults__", (tmp_path, None))
    monkeypatch.setenv("OUTPUTS", str(tmp_path / "outputs"))
    assert main(["site"]) == 1
    said = capsys.readouterr().out
    assert "gone" in said and "en/docs/planner.md" in said and (tmp_path / "outputs/site/en/index.html").exists()


def test_a_failed_build_leaves_the_old_site(tmp_path, monkeypatch):
    journey = write_course(tmp_path)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("old", encoding="utf-8")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(build, "_sphinx", full)
    with pytest.raises(UserError, match="is full; free space"):
        build.build_site(tmp_path / "site", tmp_path, journey)
    assert (tmp_path / "site" / "index.html").read_text(encoding="utf-8") == "old"


def test_missing_packages_are_one_sentence(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "furo", None)
    with pytest.raises(UserError, match="make site installs them"):
        build.build_site(tmp_path / "site", tmp_path)


def test_the_real_course_builds_without_a_warning(tmp_path):
    told, warnings = build.build_site(tmp_path / "site")
    assert warnings == [] and broken(tmp_path / "site") == []
    for page in find_pages(ROOT):
        if page.language == "en":
            assert (tmp_path / "site" / "en" / f"{page.name}.html").exists()


@pytest.mark.skipif(not any(map(shutil.which, NAMES)), reason="no Chromium is installed")
@pytest.mark.parametrize(("language", "word", "found"), [("en", "pineapple", "docs/planner.html"), ("pt", "jabuticaba", "index.html")])
def test_the_search_finds_a_word_from_a_disk(small, language, word, found):
    with browser() as chromium:
        tab = chromium.open(small[0] / language / "index.html")
        tab.run(f"document.querySelector('input[name=q]').value = '{word}'; document.querySelector('form.sidebar-search-container').submit()")
        tab.until("document.querySelectorAll('#search-results li a').length")
        hits = tab.run("[...document.querySelectorAll('#search-results li a')].map(one => one.getAttribute('href'))")
        assert any(found in hit for hit in hits) and tab.fetched() == [] and tab.complaints() == []
