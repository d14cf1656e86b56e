"""The four systems beside each other: what each scored, cost and learnt from, as records, one table, and sentences made of their numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from utils.corpus.scenes.asks import TYPES
from utils.evaluation.gains import gains
from utils.evaluation.scenes_task import Answer, table
from utils.runs import UserError


@dataclass(frozen=True)
class System:
    """One system, trained on the common budget and asked the common questions.

    `answers`: language asked in -> the answers, English and the target. `trained` counts the parameters that learn, in the stage where most do.
    A picture becomes `views` views and `picture_tokens` tokens. `steps` and `seconds` are those of all stages, `answer_seconds` are
    for 100 answers; `memory_mb` is the largest resident memory of the process that trained.
    """

    name: str
    idea: str
    data: str
    scale: str
    language: str
    answers: Mapping[str, Sequence[Answer]]
    trained: int
    parameters: int
    views: int
    picture_tokens: int
    steps: int
    seconds: float
    answer_seconds: float
    memory_mb: int

    def table(self, asked: str) -> list[dict]:
        """A row per type of question and one for all, asked in a language; see `scenes_task.table`."""
        return table(list(self.answers[asked]))


def asked_in(systems: Sequence[System]) -> tuple[str, ...]:
    """The languages asked in, the target first."""
    return tuple(dict.fromkeys((systems[0].language, "en")))


def check_same_questions(systems: Sequence[System]) -> None:
    """Raise UserError naming a system that was asked other questions, or in other languages, than the first one."""
    what = lambda system: {asked: [(a.type, a.scene, a.key, a.question) for a in some] for asked, some in system.answers.items()}  # noqa: E731
    for other in systems[1:]:
        if what(other) != what(systems[0]):
            raise UserError(f"{other.name} and {systems[0].name} answered different questions; evaluate all systems alike")


def title_of(systems: Sequence[System], text: str) -> str:
    """A figure's title: the scale, the language, and the budget that all share."""
    steps = sorted({system.steps for system in systems})
    told = f"{steps[0]}" if len(steps) == 1 else f"{steps[0]}–{steps[-1]}"
    return f"{text}\nscale {systems[0].scale} · {systems[0].language} · {told} steps each, all stages together, one seed"


def _share(row: dict) -> str:
    return f"{100 * row['share']:.0f} % [{100 * row['low']:.0f}–{100 * row['high']:.0f}]"


def _overall(systems: Sequence[System]) -> dict[str, list[str]]:
    """What the table says before the types: a row's name -> a cell for each system."""
    cells: dict[str, list[str]] = {"idea": [s.idea for s in systems], "data": [s.data for s in systems]}
    for asked in asked_in(systems):
        rows = [s.table(asked)[-1] for s in systems]
        cells[f"right, asked in {asked}"] = [_share(row) for row in rows]
        cells[f"answered in the language, asked in {asked}"] = [f"{100 * row['in_language']:.0f} %" for row in rows]
    cells["always the commonest answer"] = [f"{100 * s.table(s.language)[-1]['baseline']:.0f} %" for s in systems]
    cells["parameters that learn, in the largest stage"] = [f"{s.trained:,}" for s in systems]
    cells["parameters of the model"] = [f"{s.parameters:,}" for s in systems]
    cells["picture: views, tokens"] = [f"{s.views}, {s.picture_tokens}" for s in systems]
    cells["training: steps, seconds"] = [f"{s.steps}, {s.seconds:,.0f}" for s in systems]
    cells["training: peak memory of the process"] = [f"{s.memory_mb:,} MiB" for s in systems]
    cells["seconds per 100 answers"] = [f"{s.answer_seconds:.1f}" for s in systems]
    return cells


def one_table(systems: Sequence[System]) -> list[dict]:
    """A row per measure, a column per system; then a row per type of question: right in the target language [interval] · in English.

    Raises UserError when the systems were not asked the same questions.
    """
    check_same_questions(systems)
    rows = [{"": what, **dict(zip([s.name for s in systems], cells, strict=True))} for what, cells in _overall(systems).items()]
    tables = {s.name: {asked: {row["type"]: row for row in s.table(asked)} for asked in asked_in(systems)} for s in systems}
    for kind in TYPES:
        if kind in next(iter(tables[systems[0].name].values())):
            cell = lambda name: " · ".join(_share(rows[kind]) for rows in tables[name].values())  # noqa: B023, E731
            rows.append({"": f"{kind}: {' · '.join(asked_in(systems))}", **{name: cell(name) for name in tables}})
    return rows


def _change(row: dict) -> str:
    """A difference of shares in points with its interval, and what it shows."""
    shows = "more" if row["low"] > 0 else "less" if row["high"] < 0 else "no difference shown"
    return f"{100 * row['difference']:+.1f} points [{100 * row['low']:+.1f}, {100 * row['high']:+.1f}], {shows}"


def _types(rows: Sequence[dict]) -> str:
    """The types that changed beyond chance (McNemar, corrected by Holm)."""
    beyond = [row for row in rows[:-1] if row["p"] < 0.05]
    up = ", ".join(row["type"] for row in beyond if row["difference"] > 0)
    down = ", ".join(row["type"] for row in beyond if row["difference"] < 0)
    return f"types better beyond chance: {up or 'none'}; worse: {down or 'none'}"


def _times(value: float, against: float) -> str:
    return f"{value / against:.2g} times" if against else "an unknown multiple of"


def what_each_bought(systems: Sequence[System]) -> list[str]:
    """A sentence for each system after the first: its idea, its price, and what changed against the first, in either language.

    One training each: a difference beyond the questions' chance can still be a seed's, and is that of a whole system, not of its idea
    alone. Raises UserError when the systems were not asked the same questions.
    """
    check_same_questions(systems)
    told = []
    for first, one in [(systems[0], other) for other in systems[1:]]:
        rows = {asked: gains(first.answers[asked], one.answers[asked]) for asked in asked_in(systems)}
        changes = "; ".join(f"asked in {asked} {_change(found[-1])} ({_types(found)})" for asked, found in rows.items())
        told.append(
            f"{one.name} ({one.idea}): {_views(one)} and {one.picture_tokens} picture tokens instead of {first.picture_tokens}, "
            f"{_times(one.trained, first.trained)} the parameters that learn, {_times(one.seconds, first.seconds)} the training seconds, "
            f"{_times(one.answer_seconds, first.answer_seconds)} the seconds per answer, {_times(one.memory_mb, first.memory_mb)} the memory; "
            f"against {first.name}, {changes}."
        )
    return told


def _views(system: System) -> str:
    return "1 view" if system.views == 1 else f"{system.views} views"
