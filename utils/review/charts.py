"""Figures of a review: scores by system and criterion, who was chosen as best, people beside the automatic metric; each with its text."""

from collections.abc import Mapping, Sequence

from utils import figures
from utils.review.analysis import TOP, VERDICTS
from utils.review.rubric import CRITERIA

MARKS = "os^Dvp"
SHADES = {"right": figures.COLOURS[2], "undecided": "0.85", "wrong": figures.COLOURS[3]}
HATCHES = {"right": "", "undecided": "..", "wrong": "//"}


def title(found: Mapping, text: str) -> str:
    """A figure's title with what it rests on; `found` is `analysis.summary`."""
    people = f"{found['raters']} rater{'s' * (found['raters'] != 1)}"
    return f"{text}\n{found['scale']} · {found['language']} · {people} · {found['rated']} of {found['items']} items"


def _label(name: str) -> str:
    """A system's name as it is; matplotlib would read what stands between two dollar signs as a formula."""
    return name.replace("$", r"\$")


def scores(rows: Sequence[Mapping], title: str):
    """Dots with 95 % intervals, one row a criterion and one mark a system; `rows`: `analysis.scores`."""
    names = list(dict.fromkeys(row["system"] for row in rows))
    figure, axes = figures.canvas(9, 0.22 * len(CRITERIA) * max(2, len(names)) + 1.8)
    axis, place = axes[0, 0], {criterion.key: y for y, criterion in enumerate(CRITERIA)}
    for n, name in enumerate(names):
        mine = [row for row in rows if row["system"] == name and row["mean"] is not None]
        at = [place[row["criterion"]] + (n - (len(names) - 1) / 2) * 0.7 / max(1, len(names)) for row in mine]
        colour = figures.COLOURS[n % len(figures.COLOURS)]
        axis.hlines(at, [row["low"] for row in mine], [row["high"] for row in mine], color=colour, lw=3, alpha=0.5)
        axis.plot([row["mean"] for row in mine], at, MARKS[n % len(MARKS)], color=colour, ms=7, label=_label(name))
    for y in range(1, len(CRITERIA)):
        axis.axhline(y - 0.5, color="0.9", lw=1)
    axis.set(xlim=(-0.05, TOP + 0.05), ylim=(len(CRITERIA) - 0.5, -0.5), xlabel=f"mean score, 0 to {TOP}, higher is better (line: 95 % interval)")
    axis.set_yticks(range(len(CRITERIA)), [criterion.names["en"] for criterion in CRITERIA])
    axis.set_title(title)
    axis.grid(axis="x", alpha=0.3)
    if names:
        axis.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    return figure


def scores_alt(rows: Sequence[Mapping]) -> str:
    names = {criterion.key: criterion.names["en"] for criterion in CRITERIA}
    told = [f"{row['system']}, {names[row['criterion']]}: {row['mean']:.2f} ({row['low']:.2f} to {row['high']:.2f})" for row in rows if row["items"]]
    return f"Mean scores from 0 to {TOP} by system and criterion with 95 % intervals. " + ("; ".join(told) or "Nothing is rated yet") + "."


def wins(rows: Sequence[Mapping], title: str):
    """Each system's share of the choices of the best answer with its 95 % interval; `rows`: `analysis.wins`, whose last row is for none."""
    figure, axes = figures.canvas(8, 0.5 * len(rows) + 1.5)
    axis = axes[0, 0]
    for y, row in enumerate(rows):
        if row["mean"] is None:
            continue
        colour = "0.35" if y == len(rows) - 1 else figures.COLOURS[y % len(figures.COLOURS)]
        axis.plot([100 * row["low"], 100 * row["high"]], [y, y], color=colour, lw=3, alpha=0.5)
        axis.plot(100 * row["mean"], y, "X" if y == len(rows) - 1 else MARKS[y % len(MARKS)], color=colour, ms=8)
        box = {"fc": "white", "ec": "none", "pad": 0.5}
        axis.annotate(f"{100 * row['mean']:.0f} %", (100 * row["mean"], y), (0, 9), textcoords="offset points", ha="center", bbox=box)
    if len(rows) > 2:
        axis.axvline(100 / (len(rows) - 1), color=figures.GREY, ls=":", lw=2, label="an equal share")
        axis.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    axis.set_yticks(range(len(rows)), [_label(row["system"]) for row in rows])
    axis.set(xlim=(-2, 102), ylim=(len(rows) - 0.5, -0.8), xlabel="chosen as the best answer, ties shared, % (line: 95 % interval)", title=title)
    axis.grid(axis="x", alpha=0.3)
    return figure


def wins_alt(rows: Sequence[Mapping]) -> str:
    told = [f"{row['system']} {100 * row['mean']:.0f} % ({100 * row['low']:.0f} to {100 * row['high']:.0f})" for row in rows if row["items"]]
    return "Share of the choices of the best answer with 95 % intervals: " + ("; ".join(told) or "nobody has chosen yet") + "."


def against_metric(counts: Mapping[str, Mapping], title: str):
    """Stacked bars of what people say of the answers that the metric calls right, and wrong; `counts`: `analysis.against_metric`."""
    bars = [(system, metric, counts[system][metric]) for system in counts for metric in ("right", "wrong")]
    figure, axes = figures.canvas(9, 0.42 * len(bars) + 1.7)
    axis, left = axes[0, 0], [0] * len(bars)
    for verdict in VERDICTS:
        values = [said[verdict] for _, _, said in bars]
        drawn = axis.barh(range(len(bars)), values, left=left, color=SHADES[verdict], hatch=HATCHES[verdict], edgecolor="white", label=verdict)
        labels = [str(value) if value else "" for value in values]
        axis.bar_label(drawn, labels, label_type="center", bbox={"fc": "white", "ec": "none", "pad": 1, "alpha": 0.85}, fontsize=9)
        left = [a + b for a, b in zip(left, values, strict=True)]
    axis.set_yticks(range(len(bars)), [f"{_label(system)}, metric: {metric}" for system, metric, _ in bars])
    axis.set(xlabel="answers", xlim=(0, 1.05 * max([1, *left])))
    axis.set_title(title)
    axis.invert_yaxis()
    axis.xaxis.get_major_locator().set_params(integer=True)
    if bars:
        axis.legend(title="people say", loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    return figure


def against_metric_alt(counts: Mapping[str, Mapping]) -> str:
    told = [
        f"{system}, metric {metric}: " + ", ".join(f"{said[verdict]} {verdict}" for verdict in VERDICTS)
        for system, by_metric in counts.items()
        for metric, said in by_metric.items()
    ]
    return "What people say of answers that the automatic metric calls right or wrong. " + ("; ".join(told) or "Nothing is rated yet") + "."
