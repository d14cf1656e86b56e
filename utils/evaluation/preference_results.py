"""What preference training changed: which variety a model answers in and what it still sees, before and after, as rows, a sentence and a chart."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from utils import runs
from utils.corpus.scenes.varieties import sister
from utils.evaluation.intervals import wilson
from utils.evaluation.runner import evaluate, inputs_of, load
from utils.evaluation.scenes_task import Answer, ask_all, questions, table
from utils.evaluation.variety import seeing_kept, telling, variety_gain, variety_table
from utils.models.load import load_model
from utils.scales import TINY, Scale

TELLING_SEED = 77  # other questions than those that test sight
WANTED = 0.30  # our aim, no paper's: by how much the share of the language should rise
PLAIN = "plain questions right"
TIMES_MORE = 2  # a quarter of the questions tells, and not every answer can be decided


@dataclass(frozen=True)
class Asked:
    """One model's answers: to the questions whose right answer tells the varieties apart, and to the plain held-out ones."""

    telling: list[Answer]
    plain: list[Answer]


def ask_model(reference: Path | str, language: str, out: Path, per_type: int, scale: Scale = TINY) -> Asked:
    """Put `per_type` plain questions of each type to a model, and those of twice as many others that tell; kept in `out`, never asked twice.

    `telling` is empty for a language without a sister variety. Raises UserError where the model cannot be loaded.
    """
    out = Path(out)
    plain = evaluate(reference, language, out / "plain", per_type, scale=scale)["answers"]
    if sister(language) is None:
        return Asked([], plain)
    folder, inputs, started = out / "telling", inputs_of(reference, language, per_type, TELLING_SEED, TIMES_MORE), time.monotonic()
    if not runs.complete(folder, inputs):
        asks = telling(questions("known", TIMES_MORE * per_type, seed=TELLING_SEED), language)
        answers = ask_all(*load_model(reference, scale), asks, language)
        runs.write_json(folder / "result.json", {"table": table(answers), "answers": [asdict(a) for a in answers]})
        runs.finish(folder, inputs, started, language=language, per_type=per_type)
    return Asked(load(folder)["answers"], plain)


def preference_result(before: Asked, after: Asked, language: str) -> dict:
    """{"language", "sister", "variety", "gain", "told", "seeing"}: both models on the same questions.

    "variety" holds a row for each side ("before", "after") from `variety_table`, "gain" is `variety_gain` and "told" `seeing_kept` of
    the telling questions; all three are None where there is no sister variety. "seeing" is `seeing_kept` of the plain questions.
    Raises UserError when the questions differ.
    """
    found = {"language": language, "sister": sister(language), "variety": None, "gain": None, "told": None}
    found["seeing"] = seeing_kept(before.plain, after.plain)
    if found["sister"]:
        found["variety"] = {name: variety_table(side.telling, language)[-1] for name, side in (("before", before), ("after", after))}
        found["gain"] = variety_gain(before.telling, after.telling, language)
        found["told"] = seeing_kept(before.telling, after.telling)
    return found


def _variety_measures(found: dict) -> list[dict]:
    """The share of the language among all decidable answers, among those that echo no word of the question, and by the records' marks alone."""
    language, gain = found["language"], found["gain"]
    rows = []
    for label, own, decidable in (
        (f"decidable answers in {language}", "own", "decidable"),
        ("… that do not repeat the question", "free_own", "free_decidable"),
        ("… by the language records' marks alone", "strict_own", "strict_decidable"),
    ):
        row: dict = {"measure": label}
        for name, side in found["variety"].items():
            low, high = wilson(side[own], side[decidable])
            row |= {name: side[own] / side[decidable] if side[decidable] else None, f"{name}_of": side[decidable]}
            row |= {f"{name}_low": low, f"{name}_high": high}
        known = row["before"] is not None and row["after"] is not None
        row["difference"] = row["after"] - row["before"] if known else None
        row |= {key: gain[key] if own == "own" else None for key in ("low", "high")}
        rows.append(row)
    return rows


def _seeing_measure(measure: str, seen: dict) -> dict:
    row = {"measure": measure, "difference": seen["difference"], "low": seen["low"], "high": seen["high"]}
    for name in ("before", "after"):
        low, high = wilson(round(seen[name] * seen["questions"]), seen["questions"])
        row |= {name: seen[name], f"{name}_of": seen["questions"], f"{name}_low": low, f"{name}_high": high}
    return row


def preference_rows(found: dict) -> list[dict]:
    """A row for each measure: before, after, each with its number of answers and interval, and the difference with its own where there is one.

    Shares from 0 to 1; None where nothing could be decided. `found` comes from `preference_result`.
    """
    plain = _seeing_measure(PLAIN, found["seeing"])
    return [*_variety_measures(found), _seeing_measure("telling questions right", found["told"]), plain] if found["sister"] else [plain]


def _points(row: dict) -> str:
    if row["difference"] is None:
        return "could not be told on one side"
    spread = "" if row["low"] is None else f" (95 % interval {100 * row['low']:+.1f} to {100 * row['high']:+.1f})"
    return f"{100 * row['before']:.0f} % to {100 * row['after']:.0f} %, {100 * row['difference']:+.1f} points{spread}"


def preference_sentences(found: dict) -> list[str]:
    """What is to be said, a sentence each: the language's share against our aim of 30 points, then sight against its margin.

    For a language without a sister variety the first says so: its pairs are seen-right against hallucinated alone.
    """
    rows, seen = preference_rows(found), found["seeing"]
    margin = f"{100 * seen['margin']:.0f} points"
    verdicts = {
        "kept": f"seeing was kept: a loss of {margin} can be ruled out",
        "lost": f"seeing was lost: more than {margin}",
        "not shown": f"a loss of {margin} cannot be ruled out; {seen['questions_for']:,} questions would do if nothing was lost",
    }
    sight = f"Plain questions right: {_points(rows[-1])}; {verdicts[seen['verdict']]}."
    if not found["sister"]:
        return [f"{found['language']} has no sister variety here, so its pairs are seen-right against hallucinated alone.", sight]
    reached = found["gain"]["difference"] is not None and found["gain"]["difference"] >= WANTED
    aim = f"our aim of {100 * WANTED:.0f} points is {'reached' if reached else 'not reached'}"
    return [f"Decidable answers in {found['language']} (against {found['sister']}): {_points(rows[0])}; {aim}.", sight]


def flipped(before: Asked, after: Asked, language: str, most: int = 6) -> list[dict]:
    """Answers to telling questions whose wording changed, as rows to read: question, before, after, whether each was right; types in turn."""
    by_type: dict[str, list[dict]] = {}
    for one, two in zip(before.telling, after.telling, strict=True):
        if one.said != two.said:
            row = {"question": one.question, "before": one.said, "after": two.said, "right before": one.right, "right after": two.right}
            by_type.setdefault(one.type, []).append(row)
    groups, chosen = list(by_type.values()), []
    while any(groups) and len(chosen) < most:
        chosen += [group.pop(0) for group in groups if group]
    return chosen[:most]


def _panel(axis, rows: Sequence[dict], label: str) -> None:
    from utils.figures import COLOURS

    for y, row in enumerate(rows):
        for n, (name, shift) in enumerate((("before", -0.14), ("after", 0.14))):
            if row[name] is None:
                axis.text(2, y + shift, f"{name}: nothing to decide", va="center", fontsize=8)
                continue
            axis.plot([100 * row[f"{name}_low"], 100 * row[f"{name}_high"]], [y + shift] * 2, color=COLOURS[n], lw=3, alpha=0.5)
            axis.plot(100 * row[name], y + shift, "os"[n], color=COLOURS[n], ms=7, label=name if y == 0 else None)
            right = 100 * row[f"{name}_high"] + 2
            axis.text(right, y + shift, f"{100 * row[name]:.0f} % of {row[f'{name}_of']}", va="center", fontsize=8)
    axis.set(xlim=(-2, 128), ylim=(len(rows) - 0.5, -0.5), xlabel=label, xticks=range(0, 101, 20))
    axis.set_yticks(range(len(rows)), [row["measure"] for row in rows])
    axis.grid(axis="x", alpha=0.3)


def preference_chart(found: dict, recipe: str, scale: str):
    """The language's share before and after with 95 % intervals, and accuracy beside it; one panel where there is no sister variety.

    The title names recipe, scale and language.
    """
    from utils.figures import STYLE, plt

    rows = preference_rows(found)
    wording, sight = [row for row in rows if not row["measure"].endswith("right")], [row for row in rows if row["measure"].endswith("right")]
    panels = [*([(wording, f"share of {found['language']}, %")] if wording else []), (sight, "answers right, %")]
    with plt.rc_context(STYLE):
        ratios = [len(some) for some, _ in panels]
        figure, axes = plt.subplots(
            len(panels), 1, figsize=(9, 0.62 * sum(ratios) + 0.75 * len(panels) + 0.7), layout="constrained", squeeze=False, height_ratios=ratios,
        )  # fmt: skip
    for axis, (some, label) in zip(axes[:, 0], panels, strict=True):
        _panel(axis, some, f"{label} (line: 95 % interval)")
    what = "wording and sight" if found["sister"] else "sight"
    figure.suptitle(f"{recipe}, {scale}, {found['language']}: {what} before and after preference training", x=0.01, ha="left", fontsize=12)
    figure.legend(*axes[-1, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    return figure
