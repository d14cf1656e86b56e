"""The table of a sweep: a row for each run, mean and spread over seeds for each language and recipe; as CSV, as a page, as text."""

import csv
import html
import io
import re
import statistics
from collections.abc import Mapping, Sequence

from utils.journey.report import PAGE, as_told

FACTS = ("scale", "language", "recipe", "seed", "status", "seconds")


def rows_of(made: Sequence, results: Mapping) -> list[dict]:
    """A row for each run of the grid, in its order: FACTS, message, folder, and `numbers`, its headline numbers.

    In the numbers' names the run's language is written LANGUAGE, so that languages share a column. A run that has not come yet waits.
    """
    rows = []
    for run in made:
        told = results.get(run, {"status": "waiting", "seconds": None, "message": "", "folder": "", "headlines": {}})
        numbers = {re.sub(rf"(?<![\w-]){re.escape(run.language)}(?![\w-])", "LANGUAGE", key): value for key, value in told["headlines"].items()}
        rows.append(
            {"scale": run.scale, "language": run.language, "recipe": run.recipe, "seed": run.seed}
            | {key: told[key] for key in ("status", "seconds", "message", "folder")}
            | {"numbers": numbers}
        )
    return rows


def number_of(value: object) -> tuple[float, str] | None:
    """(number, unit) of a headline: 0.86 and "86 %" are per cent, 12 and "-5.0" plain; None for what is no single number."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and 0 <= value <= 1:
        return 100 * value, "%"
    if isinstance(value, (int, float)):
        return float(value), ""
    found = re.fullmatch(r"\s*([-+−]?\d+(?:\.\d+)?)\s*(%?)\s*", str(value))
    return (float(found[1].replace("−", "-")), found[2]) if found else None


def means(rows: Sequence[dict]) -> list[dict]:
    """For each language, recipe and number over the runs that went well: mean, spread, seeds and the values by seed.

    `spread` is the standard deviation of a sample (n - 1 below), None with one seed. Numbers of different units are not mixed.
    """
    groups: dict[tuple[str, str, str, str], dict[int, float]] = {}
    for row in rows:
        for name, value in row["numbers"].items() if row["status"] == "ok" else ():
            if found := number_of(value):
                groups.setdefault((row["language"], row["recipe"], name, found[1]), {})[row["seed"]] = found[0]
    return [
        {
            "language": language, "recipe": recipe, "number": name, "unit": unit, "mean": statistics.fmean(by_seed.values()),
            "spread": statistics.stdev(by_seed.values()) if len(by_seed) > 1 else None, "seeds": len(by_seed), "by_seed": by_seed,
        }
        for (language, recipe, name, unit), by_seed in groups.items()
    ]  # fmt: skip


def _columns(rows: Sequence[dict]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row["numbers"]))


def csv_of(rows: Sequence[dict]) -> str:
    """A line for each run: FACTS, message, then each number as its notebook told it."""
    names, file = _columns(rows), io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*FACTS, "message", *names])
    for row in rows:
        writer.writerow([*(row[key] for key in FACTS), row["message"], *(row["numbers"].get(name, "") for name in names)])
    return file.getvalue()


def _spread(one: dict) -> str:
    """Mean and spread as a reader wants them."""
    spread = "" if one["spread"] is None else f" ± {one['spread']:.1f}"
    return f"{one['mean']:.1f}{spread}{' ' + one['unit'] if one['unit'] else ''}"


def _by_seed(one: dict) -> str:
    return ", ".join(f"seed {seed}: {value:g}" for seed, value in one["by_seed"].items())


def text_of(rows: Sequence[dict], table: Sequence[dict]) -> str:
    """The runs and the means as lines of equal columns."""
    lines = [[str(row[key]) if row[key] is not None else "" for key in FACTS] + [row["message"][:80]] for row in rows]
    told = [[one["language"], one["recipe"], one["number"], _spread(one), _by_seed(one)] for one in table]
    return "\n\n".join(map(_aligned, filter(None, ([[*FACTS, ""], *lines], told))))


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines)


def page_of(rows: Sequence[dict], table: Sequence[dict], scale_name: str, notebooks: Sequence[str]) -> str:
    """Both tables as one page that needs no network; all text is escaped."""
    title = f"Sweep · {scale_name} · {' '.join(notebooks)}"
    parts = [f"<h1>{html.escape(title)}</h1>"]
    if scale_name.startswith("tiny"):
        parts.append("<p>Everything here was made at the <b>tiny</b> scale: real models, made small. It says nothing of big ones.</p>")
    if table:
        cells = [[one["language"], one["recipe"], one["number"], _spread(one), one["seeds"], _by_seed(one)] for one in table]
        head = ("language", "recipe", "number", "mean ± spread", "seeds", "by seed")
        parts += ["<h2>Mean and spread over seeds</h2>", _table(head, [list(map(_text, line)) for line in cells])]
        parts.append("<p>The spread is the standard deviation of the runs (n − 1). Means are of the numbers as the notebooks told them.</p>")
    names = _columns(rows)
    lines = [
        [*(_text(row[key]) for key in FACTS[1:]), _text(row["message"]), _links(row, notebooks)]
        + [_text(as_told(row["numbers"].get(name, ""))) for name in names]
        for row in rows
    ]
    parts += ["<h2>Runs</h2>", _table((*FACTS[1:], "message", "pages and logs", *names), lines)]
    return PAGE.format(title=html.escape(title), body="".join(parts))


def _text(cell: object) -> str:
    return html.escape("" if cell is None else str(cell))


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table of HTML cells that scrolls where it is too wide, and stands as a list of rows on a phone."""
    named = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in head)
    written = [
        "".join(
            f'<td data-name="{html.escape(name, quote=True)}">{cell}</td>' if cell else "<td></td>" for name, cell in zip(head, line, strict=True)
        )
        for line in lines
    ]
    body = "".join(f"<tr>{line}</tr>" for line in written)
    return f'<div class="wide" tabindex="0"><table class="runs"><thead><tr>{named}</tr></thead><tbody>{body}</tbody></table></div>'


def _links(row: dict, notebooks: Sequence[str]) -> str:
    if not row["folder"]:
        return ""
    place = html.escape(row["folder"], quote=True)
    return " ".join(f'<a href="{place}/{name}.html">{name}</a> (<a href="{place}/{name}.log">log</a>)' for name in map(html.escape, notebooks))
