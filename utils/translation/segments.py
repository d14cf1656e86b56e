"""Cut a turn into what an engine may see and what it must never see, and put it together again exactly.

Never sent: the image token, line breaks, list markers, option letters, code, URLs, boxes, spaces at the ends. The rest
goes out as whole sentences. Code, URLs and boxes inside a sentence leave a placeholder there, so that the engine sees the
whole sentence; when a placeholder comes back broken, the sentence goes out again in the parts around it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from utils.corpus.conversations import IMAGE_TOKEN

VERSION = "2"  # part of the memory's key: raise it when the cutting changes

# Whole stretches that stay: fenced code, the image token, line breaks, list markers at a line's start, option letters.
_KEPT = re.compile(
    rf"(```.*?(?:```|\Z)|{re.escape(IMAGE_TOKEN)}|\r?\n|^[ \t]*(?:[-*•]|\d{{1,3}}[.)]|\(?[A-Ha-h][.):])[ \t]+|(?<!\S)\([A-Ha-h]\)[ \t]+)",
    re.MULTILINE | re.DOTALL,
)
# What stays inside a sentence: inline code, web and mail addresses, boxes of numbers, tags, and our own placeholder.
PROTECTED = re.compile(
    r"`[^`\n]+`|(?:https?://|www\.)[^\s<>\"'）)]*[\w/#=&-]|[\w.+-]+@[\w-]+\.[\w.-]*\w"
    r"|[\[(]\s*-?\d+(?:\.\d+)?(?:\s*,\s*-?\d+(?:\.\d+)?){1,}\s*[\])]|</?[A-Za-z_][^<>\n]{0,40}>|_{1,3}PH\d+_{1,3}"
)
PLACEHOLDER = "__PH{}__"
_FOUND = re.compile(r"_{1,3}\s?PH\s?(\d+)\s?_{1,3}", re.IGNORECASE)
# A sentence ends at . ! ? (and closing quotes) before a space and a capital, digit or quote; not after one capital
# letter ("J. Smith") nor after these short forms.
END = re.compile(
    r"(?<=[.!?…])(?<!\b[A-Z]\.)(?<!Mr\.)(?<!Mrs\.)(?<!Ms\.)(?<!Dr\.)(?<!Sr\.)(?<!Sra\.)(?<!St\.)(?<!vs\.)(?<!e\.g\.)(?<!i\.e\.)(?<!p\.ex\.)(?<!etc\.)"
    r"[\"'”’)]*(\s+)(?=[\"'“‘(¿¡]?[A-ZÀ-Ý0-9_])"
)
JOIN = "; "  # between the options of a question that goes out as one string
_HEAD = re.compile(r"(.+?[?:.!])\s+(.+)")
_LETTER = re.compile(r"[^\W\d_]")
_OPTION_LETTER = re.compile(r"\(?[A-H]\)?[.)]?")  # a whole sentence that is nothing but an option's letter


@dataclass(frozen=True)
class Piece:
    """A stretch of a turn.

    `sent` is what an engine reads of it, "" when it is never sent. `slots` are the texts behind its placeholders,
    `parts` the smaller pieces to fall back on, and `joined` marks a question with its options as one string. An answer
    that repeats an option carries that option's text in `echo`: it takes the option's translation.
    """

    text: str
    sent: str = ""
    slots: tuple[str, ...] = ()
    parts: tuple["Piece", ...] = ()
    joined: bool = False
    echo: str = ""


@lru_cache(maxsize=8192)  # a row's turns are cut by the pipeline, the gates and the report
def cut(text: str) -> tuple[Piece, ...]:
    """The pieces of one turn, in order; their texts together are the turn."""
    pieces: list[Piece] = []
    for stretch in _KEPT.split(text):
        if not stretch:
            continue
        if _KEPT.fullmatch(stretch):
            pieces.append(Piece(stretch))
        else:
            pieces += _sentences(stretch)
    return tuple(pieces)


def _sentences(stretch: str) -> list[Piece]:
    """Sentences of a stretch without line breaks; protected texts are hidden first so that no sentence ends inside them."""
    if "\0" in stretch:  # our mark for hidden text: such a stretch is no language, it stays as it is
        return [Piece(stretch)]
    slots: list[str] = []

    def hide(match: re.Match) -> str:
        slots.append(match.group())
        return f"\0{len(slots) - 1}\0"

    hidden = PROTECTED.sub(hide, stretch)
    pieces, start = [], 0
    for end in END.finditer(hidden):
        pieces += _trimmed(hidden[start : end.start(1)], slots)
        pieces.append(Piece(end.group(1)))
        start = end.end(1)
    return pieces + _trimmed(hidden[start:], slots)


def _trimmed(sentence: str, slots: list[str]) -> list[Piece]:
    """The sentence without the spaces at its ends; text without a letter ("3.5", "…") is not sent at all."""
    core = sentence.strip()
    if not core:
        return [Piece(sentence)] if sentence else []
    start = sentence.index(core)
    around = (Piece(sentence[:start]), _piece(core, slots), Piece(sentence[start + len(core) :]))
    return [piece for piece in around if piece.text]


def _piece(core: str, slots: list[str]) -> Piece:
    runs = re.split(r"\0(\d+)\0", core)  # text, slot number, text, …
    if len(runs) == 1:
        return Piece(core, core if _LETTER.search(core) and not _OPTION_LETTER.fullmatch(core) else "")
    held = tuple(slots[int(number)] for number in runs[1::2])
    text = "".join(slots[int(run)] if n % 2 else run for n, run in enumerate(runs))
    if not any(_LETTER.search(run) for run in runs[::2]):
        return Piece(text)
    sent = "".join(PLACEHOLDER.format(n // 2) if n % 2 else run for n, run in enumerate(runs))
    parts = [piece for n, run in enumerate(runs) for piece in ([Piece(slots[int(run)])] if n % 2 else _trimmed(run, slots))]
    return Piece(text, sent, held, tuple(parts))


def restore(piece: Piece, target: str) -> str | None:
    """The translated piece from an engine's `target`, its placeholders filled; None when they came back broken."""
    if not piece.slots:
        return target
    found = [int(number) for number in _FOUND.findall(target)]
    if sorted(found) != list(range(len(piece.slots))):
        return None
    return _FOUND.sub(lambda match: piece.slots[int(match.group(1))], target)


def split_joined(piece: Piece, target: str) -> list[str] | None:
    """Question and options out of one translated string; None when the question or an option got lost or doubled.

    LLaVA-NDiNO's structural checks (section 3): the question is still at the beginning, the options are as many as before.
    """
    found = _HEAD.match(target)
    if not found:
        return None
    options = [option.strip() for option in found.group(2).split(JOIN.strip())]
    wholes = [part.text for part in piece.parts if part.sent][1:]
    if len(options) != len(wholes) or not all(options):
        return None
    last = options[-1]  # the engine likes to end the string with a full stop
    options[-1] = last if wholes[-1].endswith(".") else last.rstrip(".")
    return [found.group(1), *options]


def settled(piece: Piece, said: Mapping[str, str]) -> str | None:
    """What a sent piece becomes with the translations at hand; None when it is unsaid or came back broken."""
    target = said.get(piece.sent)
    if target is None or not piece.joined:
        return target and restore(piece, target)
    values = split_joined(piece, target)
    if values is None:
        return None
    rest = iter(values)
    return "".join(next(rest) if part.sent else part.text for part in piece.parts)


def wanted(piece: Piece, said: Mapping[str, str], failed: Mapping[str, str]) -> Iterator[str]:
    """What an engine must still be asked for this piece: the whole first, its parts only when the whole came back broken."""
    if not piece.sent or piece.echo:
        return
    if piece.sent not in said and piece.sent not in failed:
        yield piece.sent
    elif settled(piece, said) is None:
        for part in piece.parts:
            yield from wanted(part, said, failed)


def join(pieces: Iterable[Piece], said: Mapping[str, str], failed: Mapping[str, str] | None = None) -> str:
    """The turn again, each sent piece replaced by its translation or its failed attempt; raises KeyError for one without."""
    return "".join(value(piece, said, failed or {}) for piece in pieces)


def value(piece: Piece, said: Mapping[str, str], failed: Mapping[str, str]) -> str:
    """One piece translated: whole, else in its parts, else as the failed attempt."""
    if not piece.sent:
        return piece.text
    whole = settled(piece, said)
    if whole is not None:
        return whole
    if piece.parts:
        return join(piece.parts, said, failed)
    return said[piece.sent] if piece.sent in said else failed[piece.sent]
