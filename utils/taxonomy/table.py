"""The table of models and the table of claims: one filter and one page for the widget and for its static twin; all text is escaped."""

import html
from collections.abc import Iterable, Mapping, Sequence

from utils.runs import UserError
from utils.taxonomy.record import CONNECTORS, SHOWN, TRAINED, Model, shown
from utils.taxonomy.types import ASPECTS, TYPES, Type

FILTERS = ("type", "year", "connector", "trained")
ALL = "all"
UNKNOWN = "unknown"
_CELL = "text-align:left;vertical-align:top;padding:3px 8px;border-bottom:1px solid #ddd"
_WRAP = "overflow-wrap:break-word;max-width:210px"


def facet(model: Model, name: str) -> tuple:
    """The values under which a filter finds a record; a value that nobody told is found under "unknown"."""
    if name == "connector":
        return (model.kind or UNKNOWN,)
    if name == "trained":
        return model.trains or (UNKNOWN,)
    return (getattr(model, name),)


def options(models: Iterable[Model]) -> dict[str, list]:
    """For each filter, "all" and then the values that occur in the records, in the house's order."""
    models, order = list(models), (*(t.code for t in TYPES), *CONNECTORS, *TRAINED, UNKNOWN)
    found = {name: {value for model in models for value in facet(model, name)} for name in FILTERS}
    return {name: [ALL, *(sorted(values) if name == "year" else sorted(values, key=order.index))] for name, values in found.items()}


def row(model: Model) -> dict[str, str]:
    """One record as text, with its statuses in words and its source."""
    remarks = " · ".join(filter(None, (model.source, model.claim and f"its authors: {model.claim}", model.note)))
    return {"model": model.name, **{head: shown(model, field) for field, head in SHOWN.items()}, "source and remarks": remarks}


def choose(models: Iterable[Model], search: str = "", **wanted) -> list[Model]:
    """The records that fit all filters, and whose row holds every searched word (in any case), by type and date.

    `wanted` maps type, year, connector and trained to a value or "all"; raises UserError for another filter or a value that no record has.
    """
    models = list(models)
    known = options(models)
    for name, value in wanted.items():
        if name not in FILTERS:
            raise UserError(f"the table has no filter {name!r}; use one of: {', '.join(FILTERS)}")
        if value not in known[name]:
            raise UserError(f"no record has {name} {value!r}; use one of: {', '.join(map(str, known[name]))}")
    words = search.casefold().split()
    kept = [
        model for model in models
        if all(value == ALL or value in facet(model, name) for name, value in wanted.items())
        and all(word in " ".join(row(model).values()).casefold() for word in words)
    ]  # fmt: skip
    codes = [t.code for t in TYPES]
    return sorted(kept, key=lambda m: (codes.index(m.type), m.year, m.month or 13, m.name))


def grid(rows: Sequence[Mapping[str, str]], caption: str) -> str:
    """Rows as plain HTML; the keys of the first row are the head, its first column names the row."""
    if not rows:
        return f"<p>{html.escape(caption)}: no record fits.</p>"
    head = "".join(f'<th scope="col" style="{_CELL}">{html.escape(str(key))}</th>' for key in rows[0])
    body = ""
    for cells in rows:
        first, *rest = (html.escape(str(value)) for value in cells.values())
        body += f'<tr><th scope="row" style="{_CELL}">{first}</th>' + "".join(f'<td style="{_CELL};{_WRAP}">{cell}</td>' for cell in rest) + "</tr>"
    style = "border-collapse:collapse;font-size:12px;line-height:1.35;color:#111;background:#fff"
    return (
        f'<div style="overflow-x:auto" tabindex="0"><table style="{style}"><caption style="text-align:left;padding:4px 8px">{html.escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def static(models: Iterable[Model], search: str = "", **wanted) -> str:
    """The table as plain HTML that needs no script; filters as in `choose`."""
    models = list(models)
    kept = choose(models, search, **wanted)
    asked = [f"{name} {value}" for name, value in wanted.items() if value != ALL] + ([f"search {search!r}"] if search.strip() else [])
    return grid([row(model) for model in kept], f"{len(kept)} of {len(models)} models" + (f" ({', '.join(asked)})" if asked else ""))


def widget(models: Iterable[Model]):
    """Drop-downs and a search field over `static`: what they show is what `static` returns for the same choice."""
    import ipywidgets

    models = list(models)
    choices = {name: ipywidgets.Dropdown(options=values, description=name) for name, values in options(models).items()}
    search = ipywidgets.Text(description="search", continuous_update=False)
    page = ipywidgets.HTML()

    def show(_=None) -> None:
        page.value = static(models, search.value, **{name: choice.value for name, choice in choices.items()})

    for control in (*choices.values(), search):
        control.observe(show, names="value")
    show()
    return ipywidgets.VBox([ipywidgets.HBox([*choices.values(), search], layout={"flex_flow": "row wrap"}), page])


def claims(measured: Mapping[str, str] | None = None, types: Sequence[Type] = TYPES) -> list[dict[str, str]]:
    """Rows: every advantage and limit with its id and source, and beside it what was measured here.

    `measured` maps a claim's id to words; raises UserError for an id that no claim has.
    """
    measured = measured or {}
    stray = set(measured) - {claim.id for t in types for claim in t.claims}
    if stray:
        raise UserError(f"no claim has the id {', '.join(sorted(stray))}; the ids stand in utils/taxonomy/types.py")
    return [
        {"claim": claim.id, "says": claim.says, "about": ASPECTS[claim.aspect],
         "text": claim.text, "source": claim.source, "measured here": measured.get(claim.id, "not measured")}
        for t in types for claim in t.claims
    ]  # fmt: skip


def aspects(types: Sequence[Type] = TYPES) -> list[dict[str, str]]:
    """Rows: an aspect, and what is claimed of each type in it, with + for an advantage and − for a limit."""
    signs = {"advantage": "+", "limit": "−"}
    said = {(t.code, claim.aspect): f"{signs[claim.says]} {claim.text}" for t in types for claim in t.claims}
    used = [aspect for aspect in ASPECTS if any((t.code, aspect) in said for t in types)]
    return [{"about": ASPECTS[aspect], **{t.code: said.get((t.code, aspect), "") for t in types}} for aspect in used]
