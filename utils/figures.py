"""Every plot of the course. Titles carry recipe, scale and language, so that a tiny result never stands for a big one."""

import base64
import html
import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg", force=False)
import matplotlib.pyplot as plt  # noqa: E402
import seaborn as sns  # noqa: E402
from PIL import Image  # noqa: E402

from utils import runs  # noqa: E402

COLOURS = sns.color_palette("colorblind")
GREY = "0.45"
COLOURS_KEPT = 192  # in a picture file: a third of the size; a test holds how far colours may move
STYLE = {"axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 12, "axes.titlelocation": "left", "font.size": 10, "figure.dpi": 110}


def luminance(colour) -> float:
    """Relative luminance of a matplotlib colour, 0 (black) to 1 (white), as WCAG 2 defines it."""
    from matplotlib.colors import to_rgb

    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def ink(ground) -> str:
    """Black or white, whichever reads better on a colour; one of them always has a contrast of 4.5:1."""
    return "black" if (luminance(ground) + 0.05) / 0.05 >= 1.05 / (luminance(ground) + 0.05) else "white"


def canvas(width: float, height: float, columns: int = 1):
    with plt.rc_context(STYLE):
        return plt.subplots(1, columns, figsize=(width, height), layout="constrained", squeeze=False)


def finish(figure, folder: Path, name: str, alt: str):
    """Save a figure as `figures/<name>.png` with its alternative text beside it; returns it as an HTML picture."""
    from IPython.display import HTML

    folder = Path(folder) / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    drawn = png(figure)
    (folder / f"{name}.png").write_bytes(drawn)
    runs.write_text(folder / f"{name}.txt", alt)
    return HTML(picture_tag(drawn, alt))


def png(figure) -> bytes:
    """A figure as the bytes of a PNG file of few colours; the figure is closed."""
    drawn, kept = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", bbox_inches="tight", facecolor="white")
    plt.close(figure)
    flat = Image.open(drawn).convert("RGB").quantize(COLOURS_KEPT, method=Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
    flat.save(kept, format="PNG", optimize=True)
    return kept.getvalue()


def picture_tag(data: bytes, alt: str, style: str = "max-width:100%", kind: str = "png") -> str:
    """An <img> that needs no file and no network; the text is escaped."""
    return f'<img alt="{html.escape(alt, quote=True)}" style="{style}" src="data:image/{kind};base64,{base64.b64encode(data).decode()}">'


def webp(picture) -> bytes:
    """A picture as a WebP file, for pictures with more colours than a plot; a seventh of a PNG."""
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, format="WEBP", quality=85)
    return buffer.getvalue()


def thumbnail(picture, alt: str, side: int = 144) -> str:
    """A small picture as an <img>: dozens of them fit into a notebook."""
    return picture_tag(webp(picture), alt, f"width:{side}px;height:{side}px;image-rendering:auto;border-radius:4px", "webp")


def before_and_after(tables: dict[str, list[dict]], title: str, order: Sequence[str]):
    """Dots with 95 % intervals by question type for each model, the majority baseline as a grey mark."""
    figure, axes = canvas(9, 0.42 * len(order) + 1.4)
    axis = axes[0, 0]
    step = 0.8 / len(tables)
    for n, (name, rows) in enumerate(tables.items()):
        by_type = {row["type"]: row for row in rows}
        for y, kind in enumerate(order):
            row = by_type[kind]
            at = y + (n - (len(tables) - 1) / 2) * step
            axis.plot([100 * row["low"], 100 * row["high"]], [at, at], color=COLOURS[n], lw=2, alpha=0.6)
            axis.plot(100 * row["share"], at, "os^Dv"[n % 5], color=COLOURS[n], ms=6, label=name if y == 0 else None)
            if n == 0:
                base = 100 * row["baseline"]
                axis.plot([base, base], [y - 0.42, y + 0.42], color=GREY, lw=2, ls=":", label="always the commonest answer" if y == 0 else None)
    axis.set(xlim=(-2, 102), ylim=(len(order) - 0.4, -0.6), xlabel="answers right, % (line: 95 % interval)", title=title)
    axis.set_yticks(range(len(order)), order)
    axis.grid(axis="x", alpha=0.3)
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.09 - 0.6 / len(order)), ncols=3, frameon=False)
    return figure


def answer_languages(rows: dict[str, dict], title: str):
    """Stacked bars: in which language each model answered. `rows`: label -> {"en": n, …, "undecided": n}."""
    figure, axes = canvas(9, 0.5 * len(rows) + 1.3)
    axis = axes[0, 0]
    languages = list(dict.fromkeys(code for counts in rows.values() for code in counts))
    left = [0.0] * len(rows)
    for n, code in enumerate(sorted(languages, key=lambda c: (c == "undecided", c))):
        share = [100 * counts.get(code, 0) / max(1, sum(counts.values())) for counts in rows.values()]
        colour = "0.8" if code == "undecided" else COLOURS[n]
        bars = axis.barh(list(rows), share, left=left, color=colour, edgecolor="white", label=code)
        axis.bar_label(bars, [f"{s:.0f} %" if s >= 6 else "" for s in share], label_type="center", color=ink(colour))
        left = [a + b for a, b in zip(left, share, strict=True)]
    axis.invert_yaxis()
    axis.set(xlim=(0, 100), xlabel="answers, %", title=title)
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12 - 0.5 / len(rows)), ncols=4, frameon=False)
    return figure


def losses(histories: dict[str, list[dict]], title: str):
    """Training loss over steps, one line per run."""
    figure, axes = canvas(8, 3.4)
    axis = axes[0, 0]
    for n, (name, history) in enumerate(histories.items()):
        axis.plot([h["step"] for h in history], [h["loss"] for h in history], color=COLOURS[n], lw=2, ls=("-", "--", ":")[n % 3], label=name)
    axis.set(xlabel="step", ylabel="loss on answer tokens", yscale="log", title=title)
    axis.grid(alpha=0.3)
    axis.legend(frameon=False)
    return figure


def rank_and_rate(panels: dict[str, dict[str, dict]], title: str):
    """Loss (above) and share right with 95 % intervals (below), one column per panel, one place per setting.

    `panels`: label of the axis -> setting -> {"loss", "share", "low", "high", "english", "english_low", "english_high", "baseline"}.
    """
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(2, len(panels), figsize=(9, 5.6), layout="constrained", squeeze=False, sharex="col", sharey="row")
    series = (("asked in the language", "", "share", "o-", COLOURS[0], -0.06), ("asked in English", "english_", "english", "s--", COLOURS[1], 0.06))
    for (label, found), (above, below) in zip(panels.items(), axes.T, strict=True):
        places, rows = range(len(found)), list(found.values())
        above.plot(places, [row["loss"] for row in rows], "D-", color="0.2", lw=1.5)
        for place, row in zip(places, rows, strict=True):
            told = f"{row['loss']:.2f}"
            above.annotate(
                told, (place, row["loss"]), (0, 9), textcoords="offset points", ha="center", bbox={"fc": "white", "ec": "none", "pad": 0.5}
            )
        for name, prefix, key, mark, colour, aside in series:
            at = [place + aside for place in places]
            below.vlines(at, [100 * row[f"{prefix}low"] for row in rows], [100 * row[f"{prefix}high"] for row in rows], color=colour, lw=3, alpha=0.5)
            below.plot(at, [100 * row[key] for row in rows], mark, color=colour, mfc="white" if prefix else colour, ms=7, lw=1, label=name)
        below.plot(places, [100 * row["baseline"] for row in rows], ":", color=GREY, lw=2, label="always the commonest answer")
        below.set(xlabel=label, ylim=(-4, 104), xlim=(-0.4, len(found) - 0.6))
        below.set_xticks(places, list(found))
        for axis in (above, below):
            axis.grid(axis="y", alpha=0.3)
    axes[0, 0].set(ylabel="loss on answer tokens")
    axes[0, 0].margins(y=0.2)
    axes[0, 0].set_ylim(bottom=0)
    axes[1, 0].set(ylabel="right, % (line: 95 % interval)")
    figure.suptitle(title, x=0.01, ha="left", fontsize=12)
    figure.legend(*axes[1, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return figure


def savings(report: dict, title: str):
    """Engine characters by file: as they stand, equal text once in each file, and new to the run after the files before."""
    files = report["files"]
    figure, axes = canvas(9, 0.62 * len(files) + 1.5)
    axis = axes[0, 0]
    series = {
        "sentence by sentence": "characters",
        "this file alone, equal text once": "characters_alone",
        "new after the files above": "characters_new",
    }
    for n, (label, key) in enumerate(series.items()):
        values = [count[key] for count in files.values()]
        drawn = axis.barh([y + (n - 1) * 0.26 for y in range(len(files))], values, height=0.24, color=(GREY, COLOURS[0], COLOURS[2])[n], label=label)
        axis.bar_label(drawn, [f" {v:,}" for v in values], fontsize=8)
    axis.invert_yaxis()
    axis.set_yticks(range(len(files)), list(files))
    axis.set(xlabel="characters that the engine would read", title=title, xlim=(0, 1.16 * max(count["characters"] for count in files.values())))
    axis.xaxis.set_major_formatter("{x:,.0f}")
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.09 - 0.5 / len(files)), ncols=3, frameon=False)
    return figure


def shares(table: dict[str, dict[str, float]], title: str):
    """A grid of shares in %, one column per name, one row per kind; darker is more."""
    import textwrap

    kinds = list(dict.fromkeys(kind for column in table.values() for kind in column))
    figure, axes = canvas(3.2 + 1.9 * len(table), 0.42 * len(kinds) + 1.6)
    grid = [[100 * column.get(kind, 0.0) for column in table.values()] for kind in kinds]
    names = [textwrap.fill(name, 22) for name in table]
    sns.heatmap(
        grid, annot=True, fmt=".0f", cmap="Blues", vmin=0, vmax=100, cbar=False, linewidths=1, xticklabels=names, yticklabels=kinds, ax=axes[0, 0]
    )
    axes[0, 0].set_title(title)
    axes[0, 0].tick_params(length=0, rotation=0)
    return figure


def lengths(report: dict, title: str):
    """Source against target length of a sample of sentences, and the band that the length gate lets pass."""
    figure, axes = canvas(8, 4.2)
    figure.set_layout_engine("none")  # one plain axis: the layout search would cost more than the drawing
    axis = axes[0, 0]
    points, band = report["lengths"], report["band"]
    axis.scatter([a for a, _ in points], [b for _, b in points], s=9, alpha=0.35, color=COLOURS[0], label="sentences that passed", linewidths=0)
    xs = [4 * 1.06**n for n in range(96) if 4 * 1.06**n <= 1.3 * max((a for a, _ in points), default=100)]
    for sign, label in ((-1, "the gate's limits"), (1, None)):
        reach = [band["mean"] + sign * band["limit"] * band["spread"] * max(1.0, band["full"] / x) ** 0.5 for x in xs]
        axis.plot(xs, [x * 2.718281828**r for x, r in zip(xs, reach, strict=True)], color=COLOURS[3], lw=1.5, ls="--", label=label)
    axis.set(xscale="log", yscale="log", xlabel="English, characters", ylabel="translation, characters", title=title)
    axis.grid(alpha=0.3)
    axis.legend(frameon=False)
    return figure


def bars(values: dict[str, float], title: str, xlabel: str):
    """Plain horizontal bars with their values."""
    figure, axes = canvas(8, 0.4 * len(values) + 1.1)
    axis = axes[0, 0]
    drawn = axis.barh(list(values), list(values.values()), color=COLOURS[0])
    axis.bar_label(drawn, [f" {v:.3g}" for v in values.values()])
    axis.invert_yaxis()
    axis.set(title=title, xlabel=xlabel, xlim=(0, max(values.values()) * 1.15))
    return figure


def splits(tables: dict[str, dict], title: str):
    """Share right with intervals, one point per test split. `tables`: label -> the row "all"."""
    figure, axes = canvas(8, 0.5 * len(tables) + 1.2)
    axis = axes[0, 0]
    for y, row in enumerate(tables.values()):
        axis.plot([100 * row["low"], 100 * row["high"]], [y, y], color=COLOURS[0], lw=3, alpha=0.5)
        axis.plot(100 * row["share"], y, "o", color=COLOURS[0], ms=8)
        axis.plot([100 * row["baseline"]] * 2, [y - 0.3, y + 0.3], color=GREY, ls=":", lw=2)
        axis.annotate(f"{100 * row['share']:.0f} %", (100 * row["share"], y), xytext=(0, 9), textcoords="offset points", ha="center")
    axis.set_yticks(range(len(tables)), list(tables))
    axis.set(xlim=(0, 102), ylim=(len(tables) - 0.5, -0.7), xlabel="answers right, % (dotted: always the commonest answer)", title=title)
    axis.grid(axis="x", alpha=0.3)
    return figure


def attention(mask, picture, branch, title: str):
    """Who may look at whom in one packed row: rows look at columns; one colour per branch."""
    figure, axes = canvas(5.4, 5.4)
    axis = axes[0, 0]
    shown = mask.float() * (branch[:, None].clamp(min=0) + 1)
    axis.imshow(shown.where(mask, shown.new_tensor(float("nan"))), cmap="viridis", interpolation="nearest")
    starts = [i for i in range(1, len(branch)) if branch[i] != branch[i - 1] or picture[i] != picture[i - 1]]
    for start in starts:
        axis.axhline(start - 0.5, color="0.8", lw=0.5)
        axis.axvline(start - 0.5, color="0.8", lw=0.5)
    axis.set(title=title, xlabel="token that is looked at", ylabel="token that looks")
    return figure


def memory(plans: dict[str, dict], labels: dict[str, str], rooms: dict[str, float], title: str):
    """Bytes by part as stacked bars, one per plan, and what each card has room for as dashed lines; unknown parts are left out."""
    figure, axes = canvas(9.5, 0.55 * len(plans) + 2.2)
    axis = axes[0, 0]
    left = [0.0] * len(plans)
    names = [name for name in labels if any(plan["parts"].get(name) for plan in plans.values())]
    for n, name in enumerate(names):
        sizes = [(plan["parts"].get(name) or 0) / 1e9 for plan in plans.values()]
        axis.barh(
            list(plans), sizes, left=left, color=COLOURS[n % len(COLOURS)], edgecolor="white", label=labels[name], hatch="//" * (n >= len(COLOURS))
        )
        left = [a + b for a, b in zip(left, sizes, strict=True)]
    for y, end in enumerate(left):
        axis.text(end, y, f" {end:.0f} GB", va="center")
    for name, room in rooms.items():
        if room / 1e9 < 1.25 * max(left):
            axis.axvline(room / 1e9, color=GREY, ls="--", lw=1)
            axis.text(room / 1e9, -0.75, name, ha="center", fontsize=8, color=GREY)
    axis.set(xlabel="GB of one GPU", xlim=(0, 1.12 * max(left)), ylim=(len(plans) - 0.5, -0.6))
    axis.set_title(title, pad=18)
    axis.legend(loc="upper center", bbox_to_anchor=(0.45, -0.1 - 0.6 / len(plans)), ncols=3, frameon=False, fontsize=9)
    return figure


def weeks(periods: Sequence[tuple[str, int, int, str]], title: str):
    """The residency as bars: (notebook, first week, last week, question)."""
    figure, axes = canvas(9.5, 0.5 * len(periods) + 1.2)
    axis = axes[0, 0]
    for y, (name, first, last, question) in enumerate(periods):
        axis.barh(y, last - first + 1, left=first - 0.5, color=COLOURS[y % len(COLOURS)], height=0.62)
        axis.text(last + 0.6, y, f"{name}: {question}", va="center", fontsize=9)
    axis.set(xlim=(0.4, 20), ylim=(len(periods) - 0.4, -0.6), xlabel="week", title=title)
    axis.set_xticks(range(1, 11))
    axis.set_yticks([])
    axis.spines["left"].set_visible(False)
    return figure
