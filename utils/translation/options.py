"""Questions with option lists: question and options go out as one string, and an answer that repeats an option takes its words.

LLaVA-NDiNO (section 3) sends question, options and answer as one formatted string and drops a sample whose structure broke.
Here a broken string is cut into its parts and translated again, and what NDiNO would have dropped is counted.
"""

import re
from collections.abc import Mapping, Sequence

from utils.translation.segments import JOIN, Piece, cut, settled, split_joined, value

_MARK = re.compile(r"\(?([A-Ha-h])[.):]\s*|\(([A-Ha-h])\)\s*")


def option_runs(pieces: Sequence[Piece]) -> list[list[tuple[str, int]]]:
    """Runs of at least two options with letters in order from A: for each option its letter and its text's place in `pieces`."""
    runs, run = [], []
    for at, piece in enumerate(pieces[:-1]):
        mark = None if piece.sent else _MARK.fullmatch(piece.text.lstrip())
        if not mark:
            continue
        letter = (mark.group(1) or mark.group(2)).upper()
        if letter != "ABCDEFGH"[len(run)]:
            runs.append(run)
            run = []
        if letter == "ABCDEFGH"[len(run)]:
            run.append((letter, at + 1))
    return [run for run in (*runs, run) if len(run) >= 2]


def options_of(pieces: Sequence[Piece]) -> list[tuple[str, str]]:
    """(letter, text) of each option in a turn's pieces."""
    found = []
    for run in option_runs(pieces):
        for letter, at in run:
            found.append((letter, "".join(p.text for p in _until_break(pieces, at)).strip()))
    return found


def _until_break(pieces: Sequence[Piece], at: int) -> Sequence[Piece]:
    """The pieces of one option: from its letter to the next line break or letter."""
    end = at
    while end < len(pieces) and "\n" not in pieces[end].text and (pieces[end].sent or not _MARK.fullmatch(pieces[end].text.lstrip())):
        end += 1
    return pieces[at:end]


def same(text: str) -> str:
    """A text as it is compared with an option: without case, end marks and option letter."""
    text = text.strip()
    mark = _MARK.match(text)
    return text[mark.end() if mark else 0 :].strip().rstrip(".!").casefold()


def cut_row(values: list[str]) -> list[Sequence[Piece]]:
    """The pieces of every turn; option lists joined to their question, answers that repeat an option marked with it."""
    turns, options = [], {}
    for text in values:
        pieces = cut(text)
        runs = option_runs(pieces)
        if runs:
            options = {same(option): option for _, option in options_of(pieces)}
            pieces = _joined(pieces, runs[-1])
        elif options:
            pieces = [
                Piece(p.text, p.sent, p.slots, p.parts, echo=options[same(p.text)]) if p.sent and same(p.text) in options else p for p in pieces
            ]
        turns.append(pieces)
    return turns


def _joined(pieces: Sequence[Piece], run: list[tuple[str, int]]) -> Sequence[Piece]:
    """`pieces` with the question before the run and its options as one piece, where that string can be taken apart again."""
    before = [at for at in range(run[0][1] - 1) if pieces[at].sent]
    if not before:
        return pieces
    start, end = before[-1], run[-1][1] + 1
    span = tuple(pieces[start:end])
    sent = [piece.sent for piece in span if piece.sent]
    if len(sent) != len(run) + 1 or any(piece.slots for piece in span) or any(JOIN.strip() in text for text in sent):
        return pieces
    whole = Piece("".join(p.text for p in span), sent[0] + " " + JOIN.join(sent[1:]), parts=span, joined=True)
    # Only a string that comes apart in the source is safe to send: "What did Mr. Smith eat?" would not.
    if split_joined(whole, whole.sent) != sent:
        return pieces
    return [*pieces[:start], whole, *pieces[end:]]


def join_row(turns: list[Sequence[Piece]], said: Mapping[str, str], failed: Mapping[str, str]) -> list[str]:
    """Every turn translated; an answer that repeats an option repeats the option's translation."""
    texts, options = [], {}
    for pieces in turns:
        for piece in pieces:
            if piece.joined or not piece.echo:
                options |= _translated_options(piece, said, failed)
        said_so = (_echo(piece, options) if piece.echo in options else value(piece, said, failed) for piece in pieces)
        texts.append("".join(said_so))
    return texts


def _translated_options(piece: Piece, said: Mapping[str, str], failed: Mapping[str, str]) -> dict[str, str]:
    """Source text -> translation of the options in a joined piece, or of a plain piece that may be one."""
    if not piece.sent:
        return {}
    if not piece.joined:
        return {piece.text: value(piece, said, failed)}
    parts = [part for part in piece.parts if part.sent]
    whole = settled(piece, said)
    values = split_joined(piece, said[piece.sent]) if whole is not None else [value(part, said, failed) for part in parts]
    return {part.text: text for part, text in zip(parts[1:], values[1:], strict=True)}


def _echo(piece: Piece, options: Mapping[str, str]) -> str:
    """An option's translation in the shape of the answer: its capital letter and its full stop."""
    text = options[piece.echo].rstrip(".")
    if piece.text[:1].isupper() and not piece.echo[:1].isupper():
        text = text[:1].upper() + text[1:]
    return text + ("." if piece.text.endswith(".") else "")
