"""The Portuguese text of a page, one block for each English piece: read and written as Markdown with a mark above each block.

A mark is an HTML comment: `<!-- cell 03-04 · 1a2b3c4d -->` names the piece and hashes the English text that the block
translates. `· untranslated` says that the text below is still English, `· not: gate, turn` that these glossary terms mean
something else there.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from utils.runs import UserError, text_hash

MARK = re.compile(r"<!-- (?P<key>(?:cell|part) .+?) · (?P<hash>[0-9a-f]{8})(?: · (?P<note>untranslated|not: .+))? -->")
HEAD = "<!-- Portuguese text for {source}; `python -m utils prose` builds the page, `--check` names what is out of date. -->"


@dataclass(frozen=True)
class Block:
    """A translated piece: its key, the hash of the English it translates, the text, and the terms that it need not use."""

    key: str
    hash: str
    text: str
    apart: tuple[str, ...] = ()
    untranslated: bool = False


@dataclass(frozen=True)
class Match:
    """An English piece beside its block: `state` is good, stale, untranslated or missing (then there is no block)."""

    key: str
    english: str
    block: Block | None
    state: str


def hash_of(english: str) -> str:
    """Eight hex digits for an English text, whatever blank lines are around it."""
    return text_hash(english.strip())[:8]


def read_blocks(path: Path) -> tuple[Block, ...]:
    """The blocks of a prose file, none where the file is not there; raises UserError for a broken or repeated mark, or text above the first."""
    if not path.exists():
        return ()
    found, lines = [], []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        mark = MARK.fullmatch(line.strip())
        if mark:
            note = mark["note"] or ""
            apart = tuple(note.removeprefix("not: ").split(", ")) if note.startswith("not: ") else ()
            lines = []
            found.append((Block(mark["key"], mark["hash"], "", apart, note == "untranslated"), lines))
        elif re.match(r"<!-- (cell|part) ", line):
            raise UserError(f"{path}, line {number}: this mark cannot be read; write it as <!-- cell ID · 8 hex digits -->")
        elif found:
            lines.append(line)
        elif line.strip() and number > 1:
            raise UserError(f"{path}, line {number}: text stands above the first mark and belongs to no cell; move it below one or delete it")
    keys = [block.key for block, _ in found]
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        raise UserError(f"{path}: {', '.join(twice)} stands there twice; keep one block")
    return tuple(replace(block, text="\n".join(lines).strip()) for block, lines in found)


def prose_text(source: str, blocks: Iterable[Block]) -> str:
    """A prose file's whole text for the page named `source`."""
    parts = [HEAD.format(source=source)]
    for block in blocks:
        note = " · untranslated" if block.untranslated else f" · not: {', '.join(block.apart)}" if block.apart else ""
        parts.append(f"<!-- {block.key} · {block.hash}{note} -->\n\n{block.text}")
    return "\n\n".join(parts) + "\n"


def matches(pieces: Sequence[tuple[str, str]], blocks: Sequence[Block]) -> tuple[list[Match], list[Block]]:
    """Each piece (key, English text) with its block, and the blocks that are left over.

    A block is found by its hash first, so that a piece that only moved keeps its text, and else by its key: then it is stale.
    """
    left, taken = list(blocks), {}
    wanted = [(key, hash_of(english)) for key, english in pieces]
    fits = (
        lambda block, key, hash: (block.key, block.hash) == (key, hash),
        lambda block, key, hash: block.hash == hash,
        lambda block, key, hash: block.key == key,
    )
    for fit in fits:
        for key, hash in wanted:
            block = None if key in taken else next((b for b in left if fit(b, key, hash)), None)
            if block:
                left.remove(block)
                taken[key] = block
    return [Match(key, english, taken.get(key), _state(english, taken.get(key))) for key, english in pieces], left


def _state(english: str, block: Block | None) -> str:
    if not block:
        return "missing"
    if block.hash != hash_of(english):
        return "stale"
    return "untranslated" if block.untranslated else "good"


def updated(pieces: Sequence[tuple[str, str]], blocks: Sequence[Block]) -> list[Block]:
    """The blocks in the order of the pieces: new ones for what is missing, with the English text; left-over ones at the end."""
    found, left = matches(pieces, blocks)
    new = [replace(m.block, key=m.key) if m.block else Block(m.key, hash_of(m.english), m.english.strip(), (), True) for m in found]
    return [*new, *left]
