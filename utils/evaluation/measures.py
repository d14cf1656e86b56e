"""Measures of right and wrong answers: shares with intervals, POPE's counts, VQA accuracy, the languages answered in."""

import functools
import math
from collections import Counter
from collections.abc import Iterable, Sequence

from utils.evaluation.intervals import wilson
from utils.evaluation.matching import match
from utils.evaluation.reading import answer_language
from utils.languages import ALL

LONG = 200  # characters: longer answers are not kept in memory, they seldom come twice


def share(right: int, total: int) -> dict:
    """Right answers of all, with the 95 % Wilson interval."""
    low, high = wilson(right, total)
    return {"right": right, "total": total, "share": right / total if total else 0.0, "low": low, "high": high}


def scored(values: Sequence[float]) -> dict:
    """Items with a score above 0, with their interval; where scores lie between 0 and 1 (VQA) the mean too, which has none."""
    right = sum(1 for value in values if value > 0)
    found, total = share(right, len(values)), math.fsum(values)
    return found if total == right else found | {"mean": total / len(values)}


def verdict(answer: str, language: str) -> bool | None:
    """What an answer says to a yes/no question: True, False, or None when it says neither (an empty answer too)."""
    return _short_verdict(answer, language) if len(answer) < LONG else _verdict(answer, language)


def _verdict(answer: str, language: str) -> bool | None:
    for word, value in (("yes", True), ("no", False)):
        if match(answer, _words(language)[word], language, "yes_no").relaxed:
            return value
    return None


_short_verdict = functools.lru_cache(maxsize=1 << 16)(_verdict)


@functools.lru_cache(maxsize=8)
def _words(language: str) -> dict[str, str]:
    return {"yes": ALL[language].yes[0], "no": ALL[language].no[0]}


def pope(gold: Sequence[bool], said: Sequence[bool | None]) -> dict:
    """POPE's measures (Li et al. 2023, arXiv 2305.10355), "yes" the positive class; 0 where a share has no base.

    The yes ratio is that of the predictions; the gold's stands beside it under its own name. An unreadable answer (None)
    is wrong: it counts in the total and, on a gold "yes", as one that was not found; it is never a yes or a no.
    """
    counts = Counter(zip(gold, said, strict=True))
    found, invented, rejected, missed = counts[True, True], counts[False, True], counts[False, False], counts[True, False]
    unreadable = counts[True, None] + counts[False, None]
    total, positives = len(gold), sum(gold)
    precision = found / (found + invented) if found + invented else 0.0
    recall = found / positives if positives else 0.0
    return {
        "accuracy": share(found + rejected, total),
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / (precision + recall) if found else 0.0,
        "yes_ratio": (found + invented) / total if total else 0.0,
        "gold_yes_ratio": positives / total if total else 0.0,
        "unreadable": unreadable,
        "true_yes": found, "false_yes": invented, "true_no": rejected, "false_no": missed,
    }  # fmt: skip


def vqa_score(matches: int, people: int) -> float:
    """VQA accuracy of one answer that `matches` of `people` gave: min(n/3, 1), averaged over leaving each person out (arXiv 1505.00468)."""
    if not people:
        return 0.0
    return (matches * min((matches - 1) / 3, 1.0) + (people - matches) * min(matches / 3, 1.0)) / people


def yes_no(value: object) -> bool:
    """A gold label of POPE in any of the languages; raises ValueError for another word."""
    word = value.strip().lower() if isinstance(value, str) else None
    for said, of in ((True, "yes"), (False, "no")):
        if any(word in getattr(record, of) for record in ALL.values()):
            return said
    raise ValueError(f"the label {value!r} is neither yes nor no")


def item_scores(metric: str, kind: str, said: str, gold: Sequence[str], language: str) -> tuple[float | None, float | None]:
    """(strict, relaxed) score of one answer: 1 or 0, or VQA accuracy; None for texts that are not right or wrong."""
    if metric in ("captions", "perplexity"):
        return None, None
    if metric == "pope":
        return float(said == gold[0]), float(verdict(said, language) is yes_no(gold[0]))
    if metric == "vqa":
        results = {one: match(said, one, language, kind) for one in set(gold)}
        counts = [sum(getattr(results[one], name) for one in gold) for name in ("strict", "relaxed")]
        return vqa_score(counts[0], len(gold)), vqa_score(counts[1], len(gold))
    result = match(said, gold, language, kind)
    return float(result.strict), float(result.relaxed)


def said_in(answer: str, language: str) -> str | None:
    """The language of an answer among English, Portuguese (in the variety asked in), Italian and that asked in; None when nothing decides."""
    among = ("en", language if language.startswith("pt") else "pt-BR", "it", language)
    return answer_language(answer, tuple(dict.fromkeys(among)))


def languages(answers: Iterable[str], language: str) -> dict[str, int]:
    """Answers per language, most frequent first; "empty" and "undecided" apart."""
    found: Counter[str] = Counter()
    for answer, times in Counter(answers).items():
        found[(said_in(answer, language) or "undecided") if answer.strip() else "empty"] += times
    return dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))
