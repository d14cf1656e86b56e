"""Build, check and update the Portuguese pages: what `python -m utils prose` does."""

from collections.abc import Sequence
from pathlib import Path

from utils import runs
from utils.prose import pages as shelf
from utils.prose.blocks import hash_of, matches, prose_text, read_blocks, updated
from utils.prose.rules import GLOSSARY, Term, faults, read_glossary

TO_DO = {
    "missing": "has no Portuguese block; run `python -m utils prose --update` and translate it",
    "untranslated": "is still English; translate the text below its mark and delete “ · untranslated”",
    "stale": "changed in English; revise the Portuguese text and put {hash} in its mark",
}


def every(root: Path) -> list[shelf.Page]:
    """README, notebooks and solutions."""
    return [*shelf.pages(root), *shelf.solutions(root)]


def build_all(root: Path) -> list[Path]:
    """Write every built page whose text changed; returns those."""
    written = []
    for page in every(root):
        text = shelf.build(page, read_blocks(page.prose))
        if not page.built.exists() or page.built.read_text(encoding="utf-8") != text:
            runs.write_text(page.built, text)
            written.append(page.built)
    return written


def update_all(root: Path) -> list[Path]:
    """Write every prose file anew that lacks a block or has its blocks in another order; nothing translated is lost. Returns those."""
    written = []
    for page in every(root):
        text = prose_text(page.name, updated(shelf.pieces(page), read_blocks(page.prose)))
        if not page.prose.exists() or page.prose.read_text(encoding="utf-8") != text:
            runs.write_text(page.prose, text)
            written.append(page.prose)
    return written


def problems(root: Path) -> list[str]:
    """Every problem of every page, each as one sentence: page, block, what is wrong, what to do."""
    terms = read_glossary(root / GLOSSARY)
    found = [line for page in every(root) for line in page_problems(page, terms)]
    known = {path for page in every(root) for path in (page.prose, page.built)}
    here = [path for kind in ("*.ipynb", "*.md") for path in sorted((root / "notebooks" / shelf.LANGUAGE).rglob(kind))]
    strays = [path for path in here if path not in known and ".ipynb_checkpoints" not in path.parts]
    return found + [f"{path.relative_to(root)}: no English notebook has this name; delete it" for path in strays]


def page_problems(page: shelf.Page, terms: Sequence[Term]) -> list[str]:
    """The problems of one page: blocks that are missing, stale or left over, faults of the text, and a built page that is out of date."""
    blocks = read_blocks(page.prose)
    found, left = matches(shelf.pieces(page), blocks)
    told = []
    for match in found:
        if match.state != "good":
            told.append(f"{page.name}, {match.key}: {TO_DO[match.state].format(hash=hash_of(match.english))}")
        else:
            told += [f"{page.name}, {match.key}: {fault}" for fault in faults(match.english, match.block.text, terms, match.block.apart)]
    told += [f"{page.name}, {block.key}: is in the prose file and no longer in English; delete the block" for block in left]
    orderly = page.prose.exists() and prose_text(page.name, updated(shelf.pieces(page), blocks)) == page.prose.read_text(encoding="utf-8")
    if not orderly and all(match.block for match in found):
        told.append(f"{page.name}: the blocks stand in another order or layout than the page; run `python -m utils prose --update`")
    if not page.built.exists() or page.built.read_text(encoding="utf-8") != shelf.build(page, blocks):
        told.append(f"{page.name}: the built page {page.built.name} is out of date; run `python -m utils prose`")
    return told
