"""The chart of LLaVA-NDiNO's question: what language pre-training changes, with intervals, for exact match and for perplexity."""

import math
from collections.abc import Sequence

from matplotlib.ticker import LogLocator

from utils.evaluation.seven import PAIRS, differences
from utils.figures import COLOURS, GREY, canvas

MARKS = "os^D"
PANELS = {
    "exact match": "exact match, points\n(better: right)",
    "log perplexity, words": "perplexity of short answers, factor\n(better: left)",
    "log perplexity, sentences": "perplexity of whole sentences, factor\n(better: left)",
}


def title_of(found: dict) -> str:
    """What every figure of this result carries: recipe, scale, languages, seeds, and the text it was trained on."""
    seeds = f"{len(found['seeds'])} seed{'s' if len(found['seeds']) > 1 else ''}"
    return f"{found['recipe']}, scale {found['scale']}, {' and '.join(found['languages'])}, {seeds}, {found['text']}"


def seven_chart(found: dict):
    """A figure of three panels: with language pre-training minus without, a line per pair of models and a mark per language.

    Lines are 95 % intervals over seeds and questions, small grey dashes single seeds. Perplexities are the factors between the models'
    geometric means over all answers, none skipped: the paper's own mean, with its skipped answers, is in the table.
    """
    rows = differences(found)
    names = list(dict.fromkeys(row["pair"] for row in rows))
    figure, axes = canvas(11, 0.62 * len(names) + 1.9, columns=len(PANELS))
    for axis, (measure, label) in zip(axes[0], PANELS.items(), strict=True):
        _panel(axis, [row for row in rows if row["measure"] == measure], names, found["languages"])
        axis.set_xlabel(label)
        axis.set_yticks(range(len(names)), names if axis is axes[0, 0] else [""] * len(names))
    figure.suptitle(f"What language pre-training changes\n{title_of(found)}", x=0.01, ha="left", fontsize=12)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    return figure


def _panel(axis, rows: Sequence[dict], names: Sequence[str], languages: Sequence[str]) -> None:
    """One measure: marks at the differences, lines along the intervals."""
    factors = rows[0]["measure"].startswith("log")
    scaled = math.exp if factors else lambda share: 100 * share
    for row in rows:
        n = languages.index(row["language"])
        at = names.index(row["pair"]) + (n - (len(languages) - 1) / 2) * 0.3
        axis.plot([scaled(row["low"]), scaled(row["high"])], [at, at], color=COLOURS[n], lw=2.5, alpha=0.6)
        axis.plot([scaled(one) for one in row["by_seed"]], [at] * len(row["by_seed"]), "|", color=GREY, ms=9)
        axis.plot(scaled(row["difference"]), at, MARKS[n % 4], color=COLOURS[n], ms=6, label=row["language"] if row["pair"] == names[0] else None)
    if factors:
        low, high = min(row["low"] for row in rows), max(row["high"] for row in rows)
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7) if high - low < math.log(10) else (1,), numticks=12))
        axis.xaxis.set_major_formatter("× {x:g}")
        axis.xaxis.set_minor_formatter("")
    axis.axvline(scaled(0), color=GREY, lw=1)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.grid(axis="x", alpha=0.3)


def alt_text(found: dict) -> str:
    """The chart in words."""
    told = [row for row in differences(found) if row["measure"] in PANELS]
    verdicts = "; ".join(f"{row['language']}, {row['pair']}, {row['measure']}: {row['verdict']}" for row in told)
    return f"Differences with intervals for {len(PAIRS)} pairs of models, {title_of(found)}. {verdicts}."
