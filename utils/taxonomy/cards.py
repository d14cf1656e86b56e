"""The thesis's four paired comparisons as HTML cards, made from the records; all text is escaped."""

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from utils.taxonomy.models import model_of
from utils.taxonomy.record import SHOWN, Model, shown
from utils.taxonomy.types import type_of


@dataclass(frozen=True)
class Pair:
    """Two models of one type that the thesis compares, and what the comparison can teach."""

    type: str
    left: str
    right: str
    lesson: str


PAIRS = (
    Pair("A", "Flamingo", "VL-T5", "Cross-attention added to a frozen model, against the cross-attention that an encoder-decoder already has."),
    Pair("B", "LLaMA-Adapter V2", "CogVLM", "Few learned weights behind gates, against a second set of weights for image tokens in each layer."),
    Pair("C", "LLaVA", "PaLM-E", "The same idea at 7B and at 562B: vectors among the text's vectors."),
    Pair("D", "CM3Leon", "LaVIT", "A fixed number of image tokens, against as many as the picture needs."),
)
# What the thesis ran: two hosted demos, of different types, sizes and years.
CAUTION = (
    "Of these eight models the thesis ran only VL-T5 and LLaVA, as hosted demos; the rest is reading. VL-T5 against LLaVA compares sizes "
    "(0.2B and 13B), years, training targets and prompts together with the type of fusion: what differed cannot be put down to the type alone."
)


def differing(left: Model, right: Model) -> list[str]:
    """The headings under which two records differ; a value that is unknown in one of them counts as a difference."""
    unlike = lambda field: getattr(left, field) is None or getattr(left, field) != getattr(right, field)  # noqa: E731
    return [head for field, head in SHOWN.items() if unlike(field)]


def _model(model: Model) -> str:
    lines = [f"<b>{html.escape(head)}:</b> {html.escape(shown(model, field))}" for field, head in SHOWN.items()]
    lines += [f"<i>{html.escape(text)}</i>" for text in (model.claim and f"Its authors: {model.claim}", model.note) if text]
    body = "<br>".join([*lines, f'<span style="color:#555">{html.escape(model.source)}</span>'])
    return f'<div style="flex:1 1 200px"><h4 style="margin:4px 0">{html.escape(model.name)}</h4>{body}</div>'


def card(pair: Pair, models: Iterable[Model]) -> str:
    """One pair side by side, with what differs between them besides the fusion; raises UserError for a name without a record."""
    models = list(models)
    left, right = model_of(pair.left, models), model_of(pair.right, models)
    found = type_of(pair.type)
    differ = ", ".join(differing(left, right))
    return (
        '<section style="flex:1 1 420px;border:1px solid #999;border-radius:6px;padding:10px;font-size:13px;line-height:1.4">'
        f'<h3 style="margin:0 0 4px">{html.escape(f"Type {found.code}: {found.name}")}</h3><p style="margin:0 0 6px">{html.escape(pair.lesson)}</p>'
        f'<div style="display:flex;flex-wrap:wrap;gap:14px">{_model(left)}{_model(right)}</div>'
        f'<p style="margin:8px 0 0"><b>They differ in:</b> {html.escape(differ)}. No single one explains a difference in results.</p></section>'
    )


def cards(models: Iterable[Model], pairs: Sequence[Pair] = PAIRS) -> str:
    """All pairs as cards, and under them what was run and what the comparison cannot tell."""
    models = list(models)
    drawn = "".join(card(pair, models) for pair in pairs)
    return (
        f'<div style="color:#111;background:#fff"><div style="display:flex;flex-wrap:wrap;gap:12px">{drawn}</div>'
        f'<p style="font-size:13px"><b>Caution.</b> {html.escape(CAUTION)}</p></div>'
    )
