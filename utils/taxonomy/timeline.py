"""The timeline of the models: one line each, grouped by type, so that no label can meet another; readable without colour."""

from collections.abc import Iterable

from utils.runs import UserError
from utils.taxonomy.models import counts
from utils.taxonomy.record import Model, status
from utils.taxonomy.table import choose
from utils.taxonomy.types import TYPES

MARKERS = {"A": "o", "B": "s", "C": "^", "D": "D", "SSM": "P"}


def label(model: Model) -> str:
    """A model's name, with a word where its type or date is not reported."""
    doubts = [f"{word} {found}" for word, field in (("type", "subtype"), ("year", "year")) if (found := status(model, field)) != "reported"]
    doubts += ["month unknown"] if model.month is None else []
    return model.name + (f" ({', '.join(doubts)})" if doubts else "")


def span(model: Model) -> tuple[float, float]:
    """First and last moment that the record allows, in years: a month, or the whole year where the month is unknown."""
    if model.month is None:
        return float(model.year), model.year + 1.0
    return model.year + (model.month - 1) / 12, model.year + model.month / 12


def _bands(axis, number: dict[str, int]) -> None:
    """A band and a name for each type that has records, from the top down."""
    top = 0
    for n, kind in enumerate(t for t in TYPES if number[t.code]):
        rows = number[kind.code]
        axis.axhspan(top - 0.5, top + rows - 0.5, color="0.93" if n % 2 == 0 else "white", zorder=0)
        name = f"{kind.code}  {kind.short}" if kind.code != kind.short else kind.code
        axis.text(
            -0.01,
            top + (rows - 1) / 2,
            f"{name}\n{rows} {'model' if rows == 1 else 'models'}",
            ha="right",
            va="center",
            transform=axis.get_yaxis_transform(),
        )
        top += rows


def timeline(models: Iterable[Model], title: str):
    """The figure: years to the right, a line for each model, a band and a marker for each type; raises UserError without a model."""
    from utils import figures

    ordered = choose(models)
    if not ordered:
        raise UserError("the timeline has no model to draw; give it at least one record")
    with figures.plt.rc_context(figures.STYLE):
        figure, axis = figures.plt.subplots(figsize=(9.5, 0.235 * len(ordered) + 1.4), layout="constrained")
    _bands(axis, counts(ordered))
    middle = {model.name: sum(span(model)) / 2 for model in ordered}
    first, last = min(middle.values()), max(middle.values())
    colours = {t.code: figures.COLOURS[n] for n, t in enumerate(TYPES)}
    for y, model in enumerate(ordered):
        at, (start, end) = middle[model.name], span(model)
        axis.plot([start, end], [y, y], color="black", lw=1, zorder=2)
        axis.plot(at, y, MARKERS[model.type], color=colours[model.type], mec="black", ms=7, zorder=3)
        left = at > (first + last) / 2 + 0.6  # on the late side the label stands before its marker
        axis.text(start - 0.06 if left else end + 0.06, y, label(model), ha="right" if left else "left", va="center", fontsize=9)
    axis.set(xlim=(int(first), int(last) + 1), ylim=(len(ordered) - 0.5, -0.5), title=title, xlabel="year of the paper's first version")
    axis.set_xticks(range(int(first), int(last) + 2))
    axis.set_yticks([])
    axis.grid(axis="x", alpha=0.4)
    axis.spines["left"].set_visible(False)
    return figure
