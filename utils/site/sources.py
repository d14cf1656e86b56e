"""Which pages the site has: notebooks with the outputs of the last journey, and the Markdown files, with links that hold in the site."""

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from utils import runs
from utils.site.executed import merge
from utils.site.words import WORDS

PROJECT = {"README": "index", "CONTRIBUTING": "contributing", "CHANGELOG": "changelog"}
LINK = re.compile(r"(?P<picture>!?)\[(?P<text>(?:[^\[\]\\]|\\.|\[[^\[\]]*\])*)\]\((?P<to>[^()\s]+)\)")
FENCED = re.compile(r"(^```.*?^```[^\n]*$|`[^`\n]+`)", flags=re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Page:
    """A page of the site: its file in the repository, its language, its name in the site without suffix."""

    source: Path
    language: str
    name: str


def find_pages(root: Path) -> list[Page]:
    """Every page in the order of the menu; a folder or a suffix `pt-BR` makes a page Portuguese.

    The folder `docs/pt-BR` holds translators' texts, from which pages are built: they are no pages themselves.
    """
    found = [Page(root / f"{stem}{mark}.md", language, name) for stem, name in PROJECT.items() for mark, language in (("", "en"), (".pt-BR", "pt"))]
    found += [_page(root, path) for path in sorted((root / "notebooks").rglob("*.ipynb")) if ".ipynb_checkpoints" not in path.parts]
    found += [_page(root, path) for path in sorted((root / "docs").rglob("*.md")) if "pt-BR" not in path.parts]
    found.append(Page(root / "data" / "README.md", "en", "data"))
    return [page for page in found if page.source.exists()]


def _page(root: Path, path: Path) -> Page:
    inside = path.relative_to(root).with_suffix("")
    portuguese = "pt-BR" in inside.parts or inside.name.endswith(".pt-BR")
    name = PurePosixPath(*[part.removesuffix(".pt-BR") for part in inside.parts if part != "pt-BR"])
    return Page(path, "pt" if portuguese else "en", str(name))


def link_in_site(page: Page, target: str, pages: dict[Path, Page]) -> str | None:
    """Where a relative link of a page leads in the site; None for a file of the repository that is no page.

    A page of the same language is named by its source, so that Sphinx checks the link; one of the other language by its HTML file.
    """
    path, _, anchor = target.partition("#")
    goal = pages.get(Path(os.path.normpath(page.source.parent / path)))
    if goal is None:
        return None
    here = PurePosixPath(page.language, page.name).parent
    suffix = goal.source.suffix if goal.language == page.language else ".html"
    to = os.path.relpath(f"{goal.language}/{goal.name}{suffix}", here)
    return f"{to}#{slug(anchor)}" if anchor else to


def slug(anchor: str) -> str:
    """A heading's anchor as the site writes it, from GitHub's form (`own-data`) or from Jupyter's (`Exercise-09.3-·-own-data`)."""
    return re.sub(r"[^\w-]", "", unquote(anchor).lower())


def rewrite(text: str, page: Page, pages: dict[Path, Page], folder: Path) -> str:
    """Markdown of a page with links and pictures that hold in the site.

    Pictures of the repository are copied into `folder`; pictures of a network become their text; links to files that are no page too.
    """

    def one(match: re.Match) -> str:
        inner, to = match["text"], match["to"]
        if match["picture"]:
            return _picture(inner, to, page, folder)
        inner = LINK.sub(one, inner)
        if to.startswith("#"):
            return f"[{inner}](#{slug(to[1:])})"
        if re.match(r"[a-z]+:", to):
            return f"[{inner}]({to})"
        there = link_in_site(page, to, pages)
        if there is None:
            return inner
        # Sphinx knows nothing of the other language's build, so it is given finished HTML
        other = there.partition("#")[0].endswith(".html")
        return f'<a href="{there}">{inner}</a>' if other else f"[{inner}]({there})"

    return "".join(part if n % 2 else LINK.sub(one, part) for n, part in enumerate(FENCED.split(text)))


def _picture(alt: str, to: str, page: Page, folder: Path) -> str:
    source = Path(os.path.normpath(page.source.parent / to))
    if re.match(r"[a-z]+:", to) or not source.exists():
        return alt
    target = folder / page.language / "pictures" / source.name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    return f"![{alt}]({os.path.relpath(target, (folder / page.language / page.name).parent)})"


def write_sources(pages: list[Page], journey: Path | None, folder: Path) -> Iterator[str]:
    """Write what Sphinx reads into `folder`; yields one sentence for each notebook that has no outputs to show."""
    import nbformat

    by_path = {page.source: page for page in pages}
    for page in pages:
        target = folder / page.language / f"{page.name}{page.source.suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        if page.source.suffix == ".md":
            text = rewrite(page.source.read_text(encoding="utf-8"), page, by_path, folder)
            runs.write_text(target, text + (_menu(page, pages) if page.name == "index" else ""))
            continue
        notebook, executed = merge(page.source, page.language, journey)
        if not executed:
            yield f"{page.source.name} ({page.language}) is shown without outputs: the last journey did not run this text"
        note = f"> {_note(page, journey if executed else None)}"
        prose = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
        for cell in prose:
            cell.source = rewrite(cell.source, page, by_path, folder)
        if prose:
            prose[0].source += f"\n\n{note}"
        runs.write_text(target, nbformat.writes(notebook))


def _note(page: Page, journey: Path | None) -> str:
    words = WORDS[page.language]
    return words["outputs"].format(scale=journey.parent.name, language=journey.name) if journey else words["no outputs"]


def _menu(page: Page, pages: list[Page]) -> str:
    """Hidden lists of all pages of a language, which make the menu at the side."""
    mine = [one for one in pages if one.language == page.language and one.name != "index"]
    groups = {"notebooks": [], "solutions": [], "docs": [], "project": []}
    for one in mine:
        place = PurePosixPath(one.name).parent.parts
        kind = "solutions" if "solutions" in place else place[0] if place else "project"
        groups.setdefault(kind, []).append(one.name)
    words = WORDS[page.language]
    tree = "\n\n```{{toctree}}\n:hidden:\n:caption: {}\n\n{}\n```\n"
    return "".join(tree.format(words.get(kind, kind), "\n".join(names)) for kind, names in groups.items() if names)
