"""Show a training row as the model meets it: pieces sent to the engine, tokens with and without loss."""

import html

from utils.models.prompts import IGNORE

_SENT = "background:#cfe8ff;color:#111"
_KEPT = "background:#eee;color:#555"


def _span(text: str, style: str) -> str:
    shown = html.escape(text).replace("\n", "⏎")
    return f'<span style="{style};padding:1px 3px;margin:1px;border-radius:3px;display:inline-block;white-space:pre">{shown}</span>'


def pieces_html(pieces) -> str:
    """A turn's pieces: blue ones go to the engine, grey ones never do."""
    return '<div style="background:#fff">' + "".join(_span(piece.text, _SENT if piece.sent else _KEPT) for piece in pieces) + "</div>"


def mask_html(tokenizer, ids: list[int], labels: list[int]) -> str:
    """Tokens of a row: blue ones carry loss, grey ones are only read."""
    spans = [_span(tokenizer.decode([token]), _SENT if label != IGNORE else _KEPT) for token, label in zip(ids, labels, strict=True)]
    return f'<div style="background:#fff;line-height:1.9">{"".join(spans)}</div>'
