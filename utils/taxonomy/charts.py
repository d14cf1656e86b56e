"""Charts of the taxonomy: accuracy against data, and a probe's rows side by side."""

from collections.abc import Mapping

from utils import figures


def data_curves(series: dict[str, list[tuple[int, float, float, float]]], baseline: float, title: str):
    """Share right against pictures learnt from; `series`: name -> points (pictures, mean, lowest, highest). The grey line is the majority."""
    figure, axes = figures.canvas(8, 3.8)
    axis = axes[0, 0]
    for n, (name, points) in enumerate(series.items()):
        x = [point[0] for point in points]
        middle, low, high = ([100 * point[k] for point in points] for k in (1, 2, 3))
        axis.fill_between(x, low, high, color=figures.COLOURS[n], alpha=0.15, lw=0)
        axis.plot(x, middle, "os^Dv"[n % 5] + "-", color=figures.COLOURS[n], lw=2, ms=6, label=name)
    axis.axhline(100 * baseline, color=figures.GREY, lw=2, ls=":", label="always the commonest answer")
    ticks = sorted({point[0] for points in series.values() for point in points})
    axis.set(xscale="log", ylim=(0, 102), xlabel="pictures learnt from (band: lowest and highest seed)", ylabel="answers right, %", title=title)
    axis.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axis.minorticks_off()
    axis.grid(alpha=0.3)
    axis.legend(frameon=False, bbox_to_anchor=(1.01, 1), loc="upper left")
    return figure


def probe(rows: Mapping[str, Mapping], title: str):
    """Three panels of bars, one bar a model: answers right and answers that another picture changes (%, 95 % interval), and words an answer.

    `rows`: name -> row of `evaluation.probe.probe_row`.
    """
    figure, axes = figures.canvas(10, 0.5 * len(rows) + 1.3, columns=3)
    names = list(rows)
    for axis, key, label in zip(axes[0], ("right", "moved", "words"), ("right, %", "changes with the picture, %", "words an answer"), strict=True):
        scale = 1 if key == "words" else 100
        values = [scale * row[key] for row in rows.values()]
        axis.barh(names, values, color=[figures.COLOURS[n] for n in range(len(names))], height=0.62)
        if key != "words":
            for y, row in enumerate(rows.values()):
                axis.plot([100 * row[f"{key}_low"], 100 * row[f"{key}_high"]], [y, y], color="0.2", lw=1.5)
            axis.set_xlim(0, 102)
        axis.invert_yaxis()
        axis.set_xlabel(label)
        axis.grid(axis="x", alpha=0.3)
        if axis is not axes[0][0]:
            axis.set_yticks([])
    figure.suptitle(title, x=0.01, ha="left", fontsize=12)
    return figure
