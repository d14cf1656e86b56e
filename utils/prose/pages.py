"""The pages that exist twice, and how the Portuguese one is built: English structure and code, Portuguese text, links that still lead there."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from utils.prose import launch
from utils.prose.blocks import Block, matches, read_blocks

LANGUAGE = "pt-BR"
SOLUTIONS = "solutions"
README, README_BUILT = "README.md", f"README.{LANGUAGE}.md"
SWITCH = f"[English]({README}) · **Português**"
LINK = re.compile(r"(\]\(|\b(?:src|href)=[\"'])([^)\s\"']+)")
FENCE = re.compile(r"^ {0,3}(```|~~~)")
WRITTEN, WRITTEN_END = re.compile(r"<!-- [\w ]+: written by "), re.compile(r"<!-- end of [\w ]+ -->")


@dataclass(frozen=True)
class Page:
    """One page: the English source, the file with its Portuguese text, and the page that is built from both."""

    english: Path
    prose: Path
    built: Path

    @property
    def name(self) -> str:
        within = "notebooks/" + f"{SOLUTIONS}/" * self.solves
        return within + self.english.name if self.english.suffix == ".ipynb" else self.english.name

    @property
    def solves(self) -> bool:
        """Whether this is a solution, whose exercises are translated in the notebook of the same name."""
        return self.english.parent.name == SOLUTIONS


def pages(root: Path) -> list[Page]:
    """README and every notebook of the course, in order; their solutions are in `solutions`."""
    return [Page(root / README, root / "docs" / LANGUAGE / README, root / README_BUILT), *_folder(root / "notebooks", root / "notebooks" / LANGUAGE)]


def solutions(root: Path) -> list[Page]:
    """The solutions of the notebooks' exercises, in order."""
    return _folder(root / "notebooks" / SOLUTIONS, root / "notebooks" / LANGUAGE / SOLUTIONS)


def _folder(english: Path, portuguese: Path) -> list[Page]:
    return [Page(path, portuguese / f"{path.stem}.md", portuguese / path.name) for path in sorted(english.glob("*.ipynb"))]


def pieces(page: Page) -> list[tuple[str, str]]:
    """(key, English text) of everything to translate: the Markdown cells of a notebook, the paragraphs of README.

    A solution repeats its notebook's exercises: those are translated there.
    """
    if page.english.suffix == ".ipynb":
        there = {key for key, _ in _repeated(page)}
        return [pair for pair in _cells(page.english) if pair[0] not in there]
    return [(key, text) for key, text in readme_parts(page.english.read_text(encoding="utf-8")) if key]


def _cells(notebook: Path) -> list[tuple[str, str]]:
    return [(f"cell {cell.id}", launch.without(cell.source)) for cell in _notebook(notebook).cells if cell.cell_type == "markdown"]


def _repeated(page: Page) -> list[tuple[str, str]]:
    """What a solution repeats of its notebook, cell id and text alike."""
    source = page.english.parents[1] / page.english.name
    there = set(_cells(source)) if page.solves and source.exists() else set()
    return [pair for pair in _cells(page.english) if pair in there]


def build(page: Page, blocks: Sequence[Block]) -> str:
    """The text of the built page; a piece without a block keeps its English text.

    Code cells, cell ids and metadata of a notebook, and what README takes over (`readme_parts`), are the source's own.
    """
    repeated = _repeated(page) if page.english.suffix == ".ipynb" else []
    theirs = read_blocks(page.prose.parents[1] / page.prose.name) if repeated else ()
    found = [*matches(pieces(page), blocks)[0], *matches(repeated, theirs)[0]]
    said = {match.key: match.block.text if match.block else match.english for match in found}
    here = anchors((match.english, said[match.key]) for match in found)
    if page.english.suffix == ".ipynb":
        import nbformat

        here_and_there = ("*.ipynb", ""), (f"{SOLUTIONS}/*.ipynb", f"{SOLUTIONS}/"), ("../*.ipynb", "../")
        names = {f"{step}{path.name}" for pattern, step in here_and_there for path in page.english.parent.glob(pattern)}
        notebook = _notebook(page.english)
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                opens = _launch(page) if launch.LINE.search(cell.source) else ""
                cell.source = relinked(said[f"cell {cell.id}"], lambda target: here.get(unquote(target)) or deeper(target, names)) + opens
        return nbformat.writes(notebook) + "\n"
    names = {path.name for path in (page.english.parent / "notebooks").glob("*.ipynb")}
    parts = [said[key] if key else text for key, text in readme_parts(page.english.read_text(encoding="utf-8"))]
    parts = [part for part in parts if f"]({README_BUILT})" not in part]
    return relinked("\n\n".join([parts[0], SWITCH, *parts[1:]]) + "\n", lambda target: here.get(unquote(target)) or in_folder(target, names))


def _launch(page: Page) -> str:
    return "\n\n" + launch.line(page.built.name, launch.repository(page.english.parents[1]), LANGUAGE)


def anchors(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """`#heading` of each English heading -> that of its translation, as notebooks write it and as code hosts do."""
    found = {}
    for english, portuguese in pairs:
        ours, theirs = (re.findall(r"^#+ (.+)$", text, re.MULTILINE) for text in (portuguese, english))
        if len(ours) == len(theirs):
            for new, old in zip(ours, theirs, strict=True):
                found |= {_notebook_anchor(old): _notebook_anchor(new), _host_anchor(old): _host_anchor(new)}
    return found


def _notebook_anchor(heading: str) -> str:
    return "#" + heading.replace("`", "").replace(" ", "-")


def _host_anchor(heading: str) -> str:
    return "#" + re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _notebook(path: Path):
    import nbformat

    return nbformat.read(path, as_version=4)


def readme_parts(text: str) -> list[tuple[str, str]]:
    """README cut at blank lines into (key, text); the key is "" for what is taken over.

    That is: code, what code writes (from `<!-- results: written by …` to its end), and the link to the other language.
    """
    parts, lines, fence, written = [], [], "", False
    for line in text.splitlines():
        mark = FENCE.match(line)
        closes = bool(mark) and mark[1] == fence
        if mark and (closes or not fence):
            fence = "" if fence else mark[1]
        written = (written or bool(WRITTEN.match(line))) and not WRITTEN_END.match(line)
        inside = bool(fence) or closes or written
        heading = not inside and line.startswith("#")
        if heading or (not inside and not line.strip()):
            parts.append("\n".join(lines))
            lines = []
        if line.strip() or lines:
            lines.append(line)
        if heading or closes:
            parts.append("\n".join(lines))
            lines = []
    return _keyed([part for part in [*parts, "\n".join(lines)] if part.strip()])


def _keyed(parts: Sequence[str]) -> list[tuple[str, str]]:
    heading, counts, keyed = "", {}, []
    for part in parts:
        if part.startswith("#"):
            heading = part.lstrip("# ").replace(" · ", " ")
        if FENCE.match(part) or WRITTEN.match(part) or f"]({README_BUILT})" in part:
            keyed.append(("", part))
            continue
        counts[heading] = counts.get(heading, 0) + 1
        keyed.append((f"part {heading} {counts[heading]}", part))
    return keyed


def relinked(text: str, change) -> str:
    """The text with every link's target changed, except in code."""
    parts = re.split(r"(^ {0,3}```.*?^ {0,3}```|`[^`\n]+`)", text, flags=re.DOTALL | re.MULTILINE)
    return "".join(part if n % 2 else LINK.sub(lambda m: m[1] + change(m[2]), part) for n, part in enumerate(parts))


def deeper(target: str, notebooks: set[str]) -> str:
    """A link of a notebook as it must read one folder deeper: `notebooks` stay among the Portuguese ones, other files are one step up."""
    if re.match(r"[a-z]+:|#|/", target):
        return in_folder(target, notebooks)
    if target.split("#")[0] in (f"../{README}", f"../../{README}"):
        return f"../{target}".replace(README, README_BUILT)
    return target if target.split("#")[0] in notebooks else f"../{target}"


def in_folder(target: str, notebooks: set[str]) -> str:
    """A path or address that ends in one of the notebooks, led to the Portuguese one; any other as it is."""
    found = re.search(r"notebooks(/|%2F)([\w.-]+\.ipynb)", target)
    return target.replace(found[0], f"notebooks{found[1]}{LANGUAGE}{found[1]}{found[2]}") if found and found[2] in notebooks else target
