"""The charts of the four systems: accuracy with intervals in two languages, types of questions, and languages against their share of the data."""

from collections.abc import Mapping, Sequence

from utils.evaluation.four import System, asked_in, title_of
from utils.figures import COLOURS, GREY, canvas, shares


def systems_chart(systems: Sequence[System], mark: str = ""):
    """Answers right with 95 % intervals, a line per system and a mark per language asked in; the majority baseline as a dotted line.

    `mark` ends the title, for instance that gold text stands in for a translation.
    """
    figure, axes = canvas(9, 0.62 * len(systems) + 1.9)
    axis, asked = axes[0, 0], asked_in(systems)
    for n, code in enumerate(asked):
        for y, system in enumerate(systems):
            row, at = system.table(code)[-1], y + (n - (len(asked) - 1) / 2) * 0.3
            axis.plot([100 * row["low"], 100 * row["high"]], [at, at], color=COLOURS[n], lw=3, alpha=0.5)
            axis.plot(100 * row["share"], at, "os"[n], color=COLOURS[n], ms=7, label=f"asked in {code}" if y == 0 else None)
            axis.text(
                100 * row["high"] + 1, at, f"{100 * row['share']:.0f} %", va="center", fontsize=8, bbox={"fc": "white", "ec": "none", "pad": 0.5}
            )
    base = 100 * systems[0].table(asked[0])[-1]["baseline"]
    axis.axvline(base, color=GREY, ls=":", lw=2, label="always the commonest answer")
    axis.set(
        xlim=(-2, 107), xticks=range(0, 101, 20), ylim=(len(systems) - 0.5, -0.5), xlabel="answers right, % (line: 95 % interval over questions)"
    )
    axis.set_yticks(range(len(systems)), [f"{system.name}\n{system.picture_tokens} picture tokens" for system in systems])
    axis.grid(axis="x", alpha=0.3)
    axis.set_title(title_of(systems, "Four systems, the same held-out scenes") + mark, loc="left")
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return figure


def types_chart(systems: Sequence[System], mark: str = ""):
    """A grid of the answers right by type in the target language, a column per system and one for the majority baseline."""
    language = systems[0].language
    tables = {system.name: system.table(language) for system in systems}
    columns = {name: {row["type"]: row["share"] for row in rows} for name, rows in tables.items()}
    columns["always the commonest answer"] = {row["type"]: row["baseline"] for row in tables[systems[0].name]}
    return shares(columns, title_of(systems, f"Answers right by type, asked in {language}, %") + mark)


def systems_alt(systems: Sequence[System]) -> str:
    """The chart of the systems in words."""
    each = (f"{s.name} " + " and ".join(f"{100 * s.table(code)[-1]['share']:.0f} % in {code}" for code in asked_in(systems)) for s in systems)
    return "Answers right: " + "; ".join(each)


def language_chart(rows: Sequence[Mapping], title: str):
    """Accuracy with its 95 % interval against the share of the training data (log axis), a point per language with its code.

    `rows` are those of `multilingual.by_language`; languages without any data stand at the left edge. The grey ticks are what the safest
    guess would score.
    """
    figure, axes = canvas(8, 4.2)
    axis = axes[0, 0]
    least = min(row["data_share"] for row in rows if row["data_share"])
    for n, row in enumerate(rows):
        x, found = 100 * (row["data_share"] or least / 3), row["accuracy"]
        axis.plot([x, x], [100 * found["low"], 100 * found["high"]], color=COLOURS[0], lw=2.5, alpha=0.5)
        axis.plot(x, 100 * found["share"], "o" if row["data_share"] else "x", color=COLOURS[0], ms=7)
        axis.plot(x, 100 * row["baseline"], "_", color=GREY, ms=14, mew=2, label="always the commonest answer" if row is rows[0] else None)
        # by turns above and below, as neighbours have nearly equal shares, and clear of the grey mark
        end, aside = (max(found["high"], row["baseline"]), 4) if n % 2 else (min(found["low"], row["baseline"]), -12)
        axis.annotate(row["language"], (x, 100 * end), xytext=(0, aside), textcoords="offset points", ha="center", fontsize=9)
    axis.set(
        xscale="log",
        ylim=(-8, 108),
        yticks=range(0, 101, 20),
        xlabel="share of the answers learnt from, % (log scale)",
        ylabel="answers right, % (line: 95 % interval)",
    )
    axis.xaxis.set_major_formatter("{x:g}")
    axis.set_title(title, loc="left")
    axis.grid(alpha=0.3)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", frameon=False)
    return figure
