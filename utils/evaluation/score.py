"""`python -m utils score`: judge prediction files made anywhere against a gold file; a second file adds paired significance."""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.evaluation import measures
from utils.evaluation.matching import match
from utils.evaluation.score_files import Column, fitting, paired_by_question, read_column
from utils.evaluation.significance import items_needed, mcnemar, paired_bootstrap
from utils.languages import ALL
from utils.runs import UserError

TASKS = ("exact-match", "pope", "admire-a", "admire-b", "perplexity")
READINGS = ("strict", "relaxed")
GOLD = ("gold", "label", "answer", "answers", "answer_key")
SAID = ("answer", "prediction", "said", "text")
GROUPS = ("group", "category", "type")
GRADED = ("nats_per_character", "dcg")  # scores that are neither right nor wrong: no McNemar
DRAWS = 200_000_000  # items drawn by a bootstrap in all: 10,000 rounds up to 20,000 items, fewer beyond

Gold = tuple[tuple[str, ...], tuple[float, ...] | None]  # accepted answers, and their weights in a VQA-like gold


@dataclass(frozen=True)
class Judged:
    """One prediction file: its table, and each item's score under each reading, in the order of the ids."""

    table: dict
    scores: dict[str, list[float]]


def score(task: str, gold: Path, predictions: Sequence[Path], language: str = "pt-BR", strict: bool = False) -> dict:
    """Everything the command tells, as one dict; the order of the rows in a file changes nothing.

    With `strict`, plain string equality is the headline; both readings are always there. Raises UserError with all
    problems of the files at once, and for an unknown task or language.
    """
    if task not in TASKS:
        raise UserError(f"task {task!r} is unknown; use one of: {', '.join(TASKS)}")
    if language not in ALL:
        raise UserError(f"language {language!r} is unknown; use one of: {', '.join(ALL)}")
    if strict and task not in ("exact-match", "pope"):
        raise UserError(f"--strict is for exact-match and pope; {task} compares no texts")
    gold, predictions = Path(gold), [Path(path) for path in predictions]
    result: dict = {"task": task, "language": language, "gold": gold.name}
    if task.startswith("admire"):
        judged = _admire(task[-1], gold, predictions)
        result["headline"] = "top1" if task == "admire-a" else "item"
    elif task == "perplexity":
        judged = _perplexity(gold, predictions)
        result["headline"] = "per_character"
    else:
        judged = (_exact_match if task == "exact-match" else _pope)(gold, predictions, language)
        result["headline"] = "strict" if strict else "relaxed"
    result["files"] = [{"file": path.name} | one.table for path, one in zip(predictions, judged, strict=True)]
    if len(judged) == 2:
        result["compared"] = {name: _compared(name, first, judged[1].scores[name]) for name, first in judged[0].scores.items()}
    return result


def text_value(value: object) -> str:
    """A prediction as text: null is an empty answer, a number its digits. Raises ValueError for anything else."""
    if type(value) is str:
        return value
    if value is None:
        return ""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"the answer is a {type(value).__name__}, not text")


def gold_value(value: object) -> Gold:
    """Gold as accepted answers: one text, a list (of texts or of {"answer"}), or LXMERT's answer -> weight from 0 to 1."""
    if type(value) is str:
        return (value,), None
    if isinstance(value, dict):
        weights = tuple(value.values())
        if weights == (1.0,):  # GQA: one answer
            return tuple(value), None
        if not all(isinstance(w, (int, float)) and 0 <= w <= 1 for w in weights):
            raise ValueError("a weight of the gold is no number from 0 to 1")
        return tuple(value), None if all(w == 1 for w in weights) else tuple(map(float, weights))
    if isinstance(value, (list, tuple)):
        return tuple(text_value(each["answer"] if isinstance(each, dict) else each) for each in value), None
    if value is None:
        raise ValueError("it has no gold answer")
    return (text_value(value),), None


def _exact_match(gold: Path, paths: list[Path], language: str) -> list[Judged]:
    truth = read_column(gold, GOLD, gold_value, GROUPS)
    columns = [read_column(path, SAID, text_value) for path in paths]
    fitting(truth, columns)
    kinds = _kinds({answers for answers, _ in truth.values.values()})
    ids = list(truth.values)
    return [_matched(truth, [column.values[of] for of in ids], ids, kinds, language) for column in columns]


def _kinds(golds: set[tuple[str, ...]]) -> Callable[[tuple[str, ...]], str]:
    """How each gold is matched: as an option when every gold is one letter, as yes/no when it is such a word, else as text."""
    letters = bool(golds) and all(len(g) == 1 and len(g[0]) == 1 and g[0].isalpha() for g in golds)
    words = {word for record in ALL.values() for word in (*record.yes, *record.no)}
    return lambda gold: "option" if letters else "yes_no" if len(gold) == 1 and gold[0].strip().lower() in words else "text"


def _matched(truth: Column, said: list[str], ids: list[str], kind: Callable[[tuple[str, ...]], str], language: str) -> Judged:
    seen: dict[tuple[str, Gold], tuple[float, float]] = {}
    found: list[tuple[float, float]] = []
    for of, answer in zip(ids, said, strict=True):
        gold = truth.values[of]
        both = seen.get((answer, gold))
        if both is None:
            both = weighed(answer, gold, kind(gold[0]), language)
            if len(answer) < measures.LONG:
                seen[answer, gold] = both
        found.append(both)
    scores = {name: [both[at] for both in found] for at, name in enumerate(READINGS)}
    table: dict = {name: measures.scored(values) for name, values in scores.items()}
    table["empty"] = sum(1 for answer in said if not answer.strip())
    table["languages"] = measures.languages(said, language)
    if truth.groups:
        table["groups"] = _grouped([truth.groups.get(of, "") for of in ids], scores)
    return Judged(table, scores)


def weighed(answer: str, gold: Gold, kind: str, language: str) -> tuple[float, float]:
    """(strict, relaxed) score of one answer: 1 or 0, or the weight of the best gold answer that it matches."""
    answers, weights = gold
    if not answers:  # LXMERT's gold has items whose answers are outside its vocabulary
        return 0.0, 0.0
    if weights is None:
        result = match(answer, answers, language, kind)
        return float(result.strict), float(result.relaxed)
    results = [(match(answer, one, language, kind), weight) for one, weight in zip(answers, weights, strict=True)]
    return max((w for r, w in results if r.strict), default=0.0), max((w for r, w in results if r.relaxed), default=0.0)


def _grouped(groups: list[str], scores: dict[str, list[float]]) -> dict:
    by_group: dict[str, list[int]] = defaultdict(list)
    for at, group in enumerate(groups):
        by_group[group].append(at)
    return {group: {name: measures.scored([values[at] for at in by_group[group]]) for name, values in scores.items()} for group in sorted(by_group)}


def _label(value: object) -> tuple[bool, str]:
    word = value[0] if isinstance(value, list) and len(value) == 1 else value  # our own files keep a list of gold answers
    return measures.yes_no(word), word


def _pope(gold: Path, paths: list[Path], language: str) -> list[Judged]:
    truth = read_column(gold, ("gold", "label", "answer"), _label, GROUPS)
    columns = [paired_by_question(gold, path, SAID, text_value) or read_column(path, SAID, text_value) for path in paths]
    fitting(truth, columns)
    ids = list(truth.values)
    spelt = {label: said for said, label in truth.values.values()}
    return [pope_judged([truth.values[of][0] for of in ids], [column.values[of] for of in ids], language, spelt) for column in columns]


def pope_judged(gold: list[bool], said: list[str], language: str, spelt: dict[str, bool]) -> Judged:
    """POPE's measures under both readings; `spelt` holds the gold's own spellings of yes and no, all that strict takes."""
    read = {"strict": [spelt.get(answer) for answer in said], "relaxed": [measures.verdict(answer, language) for answer in said]}
    table: dict = {name: measures.pope(gold, values) for name, values in read.items()}
    table |= {"empty": sum(1 for answer in said if not answer.strip()), "languages": measures.languages(said, language)}
    return Judged(table, {name: [float(a is b) for a, b in zip(values, gold, strict=True)] for name, values in read.items()})


def _perplexity(gold: Path, paths: list[Path]) -> list[Judged]:
    from utils.evaluation.perplexity import summary

    truth = read_column(gold, ("id", "question_id", "questionId", "sample_id"), lambda value: None)
    columns = [_likelihoods(path) for path in paths]
    fitting(truth, columns)
    ids = sorted(truth.values)
    judged = []
    for column in columns:
        items = [column.values[of] for of in ids]
        table = summary(items)
        table["outliers"] = [{"id": ids[each["item"]], "perplexity": each["perplexity"]} for each in table["outliers"]]
        table |= {name: [ids[at] for at in table[name]] for name in ("empty", "not_a_number")}
        within = [bool(t and c) and nats / t <= math.log(table["limit"]) for nats, t, c in items]
        # A mean of logarithms: one item with a huge perplexity cannot rule it, and one of likelihood 0 has none.
        nats = [item[0] / item[2] if item[2] else math.nan for item in items]
        judged.append(Judged(table, {"within_limit": list(map(float, within)), "nats_per_character": nats}))
    return judged


def _likelihoods(path: Path) -> Column:
    return read_column(path, ("nll",), _likelihood, whole=True)


def _likelihood(record: dict) -> tuple[float, int, int]:
    """(nll, tokens, characters) of a row; raises ValueError for a missing, negative or broken one."""
    found = []
    for name in ("nll", "tokens", "characters"):
        value = record[name]
        try:
            if isinstance(value, bool):
                raise ValueError
            found.append(float(value))
        except (TypeError, ValueError):
            raise ValueError(f"{name} {value!r} is no number") from None
        if found[-1] < 0 or (name != "nll" and not found[-1].is_integer()):
            raise ValueError(f"{name} {value!r} is {'negative' if found[-1] < 0 else 'no whole number'}")
    return found[0], int(found[1]), int(found[2])


def _admire(part: str, gold: Path, paths: list[Path]) -> list[Judged]:
    """Parts A and B by the official rules; an unusable answer is wrong and named, the official -999 stands beside it."""
    from utils.evaluation import admire

    items = sorted(admire.read_items(gold, part), key=lambda item: item.compound)
    files = [admire.read_predictions(path, part) for path in paths]
    truth = Column(gold, {item.compound: item for item in items})
    fitting(truth, [Column(path, {said.compound: said for said in file}) for path, file in zip(paths, files, strict=True)])
    judged = []
    for file in files:
        table = (admire.score_a if part == "a" else admire.score_b)(items, file)
        rows, names = table.pop("rows"), ("top1", "dcg") if part == "a" else ("item", "type")
        judged.append(Judged(table, {name: [float(row[name]) for row in rows] for name in names}))
    return judged


def _compared(name: str, first: list[float], second: list[float]) -> dict:
    """Both files on the same items, second minus first: McNemar on right and wrong, the bootstrap on the scores."""
    both = [(a, b) for a, b in zip(first, second, strict=True) if math.isfinite(a) and math.isfinite(b)]
    one, other = [a for a, _ in both], [b for _, b in both]
    found: dict = {"items": len(both), "left_out": len(first) - len(both)}
    if not both:
        return found
    rounds = max(1_000, min(10_000, DRAWS // len(both)))
    found["bootstrap"] = paired_bootstrap(one, other, rounds=rounds) | {"rounds": rounds}
    if name not in GRADED:
        found["mcnemar"] = mcnemar([value > 0 for value in one], [value > 0 for value in other])
        alone = found["mcnemar"]["only_first"], found["mcnemar"]["only_second"]
        found["items_needed"] = items_needed(alone[0] / len(both), alone[1] / len(both)) if alone[0] != alone[1] else None
    return found
