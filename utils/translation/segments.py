"""Cut a turn into what an engine may see and what it must never see, and put it together again exactly.

Never sent: the image token, line breaks, list markers, spaces at the ends. The rest goes out as whole sentences.
Reassembly is exact by construction: `join(pieces, {})` with nothing translated is the original text.
"""

import re
from dataclasses import dataclass

from utils.corpus.conversations import IMAGE_TOKEN

VERSION = "1"  # part of the memory's key: raise it when the cutting changes

_KEPT = re.compile(rf"({re.escape(IMAGE_TOKEN)}|\r?\n|^[ \t]*(?:[-*•]|\d{{1,3}}[.)]|[A-Z][.)])[ \t]+)", re.MULTILINE)
# A sentence ends at . ! ? (and closing quotes) before a space and a capital, digit or quote; not after one capital
# letter ("J. Smith") nor after these short forms.
_END = re.compile(
    r"(?<=[.!?])(?<!\b[A-Z]\.)(?<!Mr\.)(?<!Mrs\.)(?<!Dr\.)(?<!St\.)(?<!vs\.)(?<!e\.g\.)(?<!i\.e\.)(?<!etc\.)[\"'”’)]*(\s+)(?=[\"'“‘(]?[A-Z0-9])"
)
_LETTER = re.compile(r"[^\W\d_]")


@dataclass(frozen=True)
class Piece:
    """A stretch of a turn; `sent` says whether an engine translates it."""

    text: str
    sent: bool


def cut(text: str) -> list[Piece]:
    """The pieces of one turn, in order; their texts together are the turn."""
    pieces: list[Piece] = []
    for stretch in _KEPT.split(text):
        if not stretch:
            continue
        if _KEPT.fullmatch(stretch):
            pieces.append(Piece(stretch, False))
        else:
            pieces += _sentences(stretch)
    return pieces


def _sentences(stretch: str) -> list[Piece]:
    pieces, start = [], 0
    for end in _END.finditer(stretch):
        pieces += _trimmed(stretch[start : end.start(1)])
        pieces.append(Piece(end.group(1), False))
        start = end.end(1)
    return pieces + _trimmed(stretch[start:])


def _trimmed(sentence: str) -> list[Piece]:
    """The sentence without the spaces at its ends; text without a letter ("3.5", "…") is not sent at all."""
    core = sentence.strip()
    if not core:
        return [Piece(sentence, False)] if sentence else []
    start = sentence.index(core)
    around = (Piece(sentence[:start], False), Piece(core, bool(_LETTER.search(core))), Piece(sentence[start + len(core) :], False))
    return [piece for piece in around if piece.text]


def join(pieces: list[Piece], translations: dict[str, str]) -> str:
    """The turn again, each sent piece replaced by its translation; raises KeyError for a piece without one."""
    return "".join(translations[piece.text] if piece.sent else piece.text for piece in pieces)
