"""The last line of a notebook's header: how to open it here and, once the course has a public repository, with one click elsewhere."""

import re
from pathlib import Path

from utils import runs

MARK = "▶ "
LINE = re.compile(rf"\s*^{MARK}.*\Z", flags=re.MULTILINE)
CITATION = "CITATION.cff"  # its `repository-code` names the public repository; without it the line tells `make lab` alone
ADDRESS = re.compile(r"^repository-code: https://github\.com/([\w.-]+/[\w.-]+)$", flags=re.MULTILINE)


def without(header: str) -> str:
    """A header without its launch line: what a translator translates."""
    return LINE.sub("", header)


def line(notebook: str, repository: str = "", folder: str = "") -> str:
    """The launch line of a notebook (its file name) in `notebooks/`, or in a folder below it such as pt-BR; `repository` is OWNER/NAME."""
    within = f"{folder}/" if folder else ""
    told = f"{MARK}`make lab NOTEBOOK={within}{notebook[:2]}`"
    if not repository:
        return told
    page = f"https://colab.research.google.com/github/{repository}/blob/main/notebooks/{within}{notebook}"
    return f"{told} · [Codespaces](https://codespaces.new/{repository}) · [Colab]({page})"


def repository(root: Path) -> str:
    """OWNER/NAME of the public repository, "" where CITATION.cff does not name one."""
    found = ADDRESS.search((root / CITATION).read_text(encoding="utf-8")) if (root / CITATION).exists() else None
    return found[1] if found else ""


def name_repository(root: Path, name: str) -> None:
    """Write OWNER/NAME into CITATION.cff as `repository-code`; raises UserError for another form."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise runs.UserError(f"{name!r} is no repository; write it as OWNER/NAME")
    path = root / CITATION
    text = re.sub(r"^repository-code: .*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    runs.write_text(path, text.replace("license: ", f"repository-code: https://github.com/{name}\nlicense: ", 1))


def write_lines(root: Path) -> list[Path]:
    """Put the launch line under the header of every English notebook; returns the notebooks that changed."""
    import nbformat

    written = []
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        header = f"{without(notebook.cells[0].source)}\n\n{line(path.name, repository(root))}"
        if notebook.cells[0].source != header:
            notebook.cells[0].source = header
            runs.write_text(path, nbformat.writes(notebook) + "\n")
            written.append(path)
    return written
