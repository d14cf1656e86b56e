"""Figures of the evaluation: differences with their intervals, training text against wording, perplexity beside accuracy."""

from collections.abc import Sequence

from utils.figures import COLOURS, GREY, canvas


def differences(series: dict[str, list[dict]], title: str, xlabel: str):
    """Differences in points with 95 % intervals, a line per type and a mark per series; small dots are single seeds where there are any."""
    kinds = [row["type"] for row in next(iter(series.values()))]
    figure, axes = canvas(9, 0.4 * len(kinds) + 1.6)
    axis, step = axes[0, 0], 0.7 / len(series)
    for n, (name, rows) in enumerate(series.items()):
        for y, row in enumerate(rows):
            at = y + (n - (len(series) - 1) / 2) * step
            axis.plot([100 * row["low"], 100 * row["high"]], [at, at], color=COLOURS[n], lw=2.5, alpha=0.6)
            axis.plot(100 * row["difference"], at, "os^D"[n % 4], color=COLOURS[n], ms=6, label=name if y == 0 else None)
            axis.plot([100 * one for one in row.get("by_seed", ())], [at] * len(row.get("by_seed", ())), "|", color=GREY, ms=7)
    axis.axvline(0, color=GREY, lw=1)
    axis.set(ylim=(len(kinds) - 0.4, -0.6), xlabel=xlabel, title=title)
    axis.set_yticks(range(len(kinds)), kinds)
    axis.grid(axis="x", alpha=0.3)
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.07 - 0.7 / len(kinds)), ncols=3, frameon=False)
    return figure


def text_and_wording(rows: Sequence[dict], title: str):
    """Share right of each training text, once a wording of the questions; the line runs from the worst to the best seed."""
    texts, wordings = list(dict.fromkeys(row["text"] for row in rows)), list(dict.fromkeys(row["wording"] for row in rows))
    figure, axes = canvas(8, 3.2)
    axis = axes[0, 0]
    for n, wording in enumerate(wordings):
        for x, text in enumerate(texts):
            row = next(r for r in rows if (r["text"], r["wording"]) == (text, wording))
            at = x + (n - (len(wordings) - 1) / 2) * 0.3
            axis.bar(at, 100 * row["share"], 0.28, color=COLOURS[n], label=f"asked in {wording} wording" if x == 0 else None)
            axis.plot([at, at], [100 * row["least"], 100 * row["most"]], color="black", lw=1.5)
            axis.annotate(f"{100 * row['share']:.1f}", (at, 100 * row["most"]), xytext=(0, 3), textcoords="offset points", ha="center", fontsize=9)
    axis.set_xticks(range(len(texts)), [f"trained on {text} text" for text in texts])
    axis.set(ylim=(0, 108), ylabel="answers right, %", title=title)
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2, frameon=False)
    return figure


def perplexity_and_accuracy(rows: Sequence[dict], title: str):
    """Perplexity of the right answers beside the share of right answers, a row per model: two measures, two panels."""
    figure, axes = canvas(9.5, 0.5 * len(rows) + 1.4, columns=2)
    names = [row["model"] for row in rows]
    for axis, key, label, colour in (
        (axes[0, 0], "perplexity", "perplexity of the right answer (log scale)", 0),
        (axes[0, 1], "right", "answers right, %", 2),
    ):
        values = [100 * row[key] if key == "right" else row[key] for row in rows]
        drawn = axis.barh(names, values, color=COLOURS[colour])
        axis.bar_label(drawn, [f" {value:.3g}" for value in values])
        axis.invert_yaxis()
        axis.set(xlabel=label)
    axes[0, 0].set(xscale="log", xlim=(1, 6 * max(row["perplexity"] for row in rows)))
    axes[0, 1].set(xlim=(0, 115), yticks=[])
    figure.suptitle(title, x=0.01, ha="left", fontsize=12)
    return figure


def test_and_extended(rows: Sequence[dict], chance: float, title: str):
    """Top-1 with its 95 % interval for each team, on the test set and on the extended set."""
    teams = list(dict.fromkeys(row["team"] for row in rows))
    figure, axes = canvas(9, 0.45 * len(teams) + 1.8)
    axis, sets = axes[0, 0], list(dict.fromkeys((row["set"], row["items"]) for row in rows))
    for n, (name, items) in enumerate(sets):
        some = [row for row in rows if row["set"] == name]
        for row in some:
            at = teams.index(row["team"]) + (n - 0.5) * 0.34
            axis.plot([100 * row["low"], 100 * row["high"]], [at, at], color=COLOURS[n], lw=2.5, alpha=0.6)
            axis.plot(100 * row["share"], at, "os"[n], color=COLOURS[n], ms=6, label=f"{name}, {items} items" if row is some[0] else None)
    axis.axvline(100 * chance, color=GREY, ls=":", lw=2, label="chance")
    axis.set(xlim=(-2, 103), ylim=(len(teams) - 0.4, -0.6), xlabel="right picture first, % (line: 95 % interval)", title=title)
    axis.set_yticks(range(len(teams)), teams)
    axis.grid(axis="x", alpha=0.3)
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.07 - 0.7 / len(teams)), ncols=3, frameon=False)
    return figure


def senses(table: dict[str, dict[str, dict]], chance: float, title: str):
    """Top-1 with its interval: a group of bars per test set, a bar per model. `table`: model -> set -> {"top1", "top1_low", "top1_high"}."""
    sets = list(next(iter(table.values())))
    figure, axes = canvas(9.5, 3.8)
    axis, step = axes[0, 0], 0.8 / len(table)
    for n, (name, found) in enumerate(table.items()):
        for x, of in enumerate(sets):
            row, at = found[of], x + (n - (len(table) - 1) / 2) * step
            axis.bar(at, 100 * row["top1"], step * 0.92, color=COLOURS[n], label=name if x == 0 else None)
            axis.plot([at, at], [100 * row["top1_low"], 100 * row["top1_high"]], color="black", lw=1.2)
    axis.axhline(100 * chance, color=GREY, ls=":", lw=2, label="chance")
    axis.set(ylim=(0, 103), ylabel="right picture first, %", title=title)
    axis.set_xticks(range(len(sets)), sets)
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=3, frameon=False)
    return figure
