"""Which variety of a language an answer is in, what share is in the one asked for, and whether seeing survived the training for it.

Most answers hold no word that tells ("Há duas coisas."): they are counted apart, never as one or the other.
"""

import functools
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from utils.corpus.scenes.asks import TYPES, Ask
from utils.corpus.scenes.grammar import say
from utils.corpus.scenes.varieties import own_words, sister, told_apart
from utils.evaluation.intervals import wilson
from utils.evaluation.scenes_task import Answer
from utils.languages import language as language_record
from utils.runs import UserError

MARGIN = 0.03  # assumed: how much worse seeing may become, 3 points
# Beside the marks of the language records: numbers, persons, and a singular that the records lack.
MORE = {
    "pt-PT": r"dezasseis|dezassete|dezanove|connosco|vês|consegues|podes|estás|tens",
    "pt-BR": r"dezesseis|dezessete|dezenove|conosco",
}
# Words that only look like the gerund or the infinitive that the records' marks end in: "está no fundo", "está a mulher".
NO_VERB = re.compile(r"\b(?:fundo|mundo|segundo|quando|redondo|profundo|lindo|bando|mulher|colher|mar|par|lugar|altar|bar|ar)$", re.IGNORECASE)


@functools.cache
def _pattern(code: str) -> re.Pattern:
    more = f"|{MORE[code]}" if code in MORE else ""
    return re.compile(rf"\b(?:{language_record(code).marks}{more})\b", re.IGNORECASE)


def _sister_of(code: str) -> str:
    other = sister(code)
    if other is None:
        raise UserError(f"{code!r} has no sister variety to be told from; ask for pt-PT or pt-BR")
    return other


def marks(text: str, language: str = "pt-PT", strict: bool = False) -> list[tuple[str, str]]:
    """(variety, its words) for each word of a text that only `language` or only its sister has, in reading order.

    `strict` leaves out the picture world's own pairs (cinza and cinzento, menina and rapariga), of which the Brazilian form may be
    heard in Portugal; what stays are the marks of the language records. Raises UserError for a language without a sister.
    """
    text = unicodedata.normalize("NFC", text)
    found = [(start, end, code) for start, end, code, _ in own_words(text, language)] if not strict else []
    for code in (language, _sister_of(language)):
        found += [(*match.span(), code) for match in _pattern(code).finditer(text) if not NO_VERB.search(match[0])]
    kept: list[tuple[int, int, str]] = []
    for start, end, code in sorted(found):
        if not any(code == other and start < last for _, last, other in kept):  # one word counts once
            kept.append((start, end, code))
    return [(code, text[start:end]) for start, end, code in kept]


def variety_of(text: str, language: str = "pt-PT", strict: bool = False) -> str | None:
    """`language` or its sister, whichever has more words in the text; None where no word tells, or as many tell either way."""
    codes = [code for code, _ in marks(text, language, strict)]
    ahead = codes.count(language) * 2 - len(codes)
    return None if ahead == 0 else language if ahead > 0 else _sister_of(language)


def telling(asks: Sequence[Ask], language: str = "pt-PT") -> list[Ask]:
    """The questions whose right answer is worded otherwise in the sister variety: about a quarter, so ask more to decide more."""
    other = _sister_of(language)
    return [ask for ask in asks if told_apart(say(ask, language)[1], say(ask, other)[1], language)]


def variety_table(answers: Sequence[Answer], language: str = "pt-PT") -> list[dict]:
    """A row for each type and one for all: how many answers can be decided, and which share of these is in `language`.

    Shares come with Wilson intervals; `share` is None where nothing could be decided. "mixed" answers hold words of both;
    "strict_…" reads the language records' marks alone, "free_…" only answers that do not repeat their telling words from
    the question. Raises UserError for a language without a sister variety.
    """
    rows = []
    for kind in (*TYPES, "all"):
        some = [a for a in answers if kind in (a.type, "all")]
        if not some:
            continue
        read = [variety_of(a.said, language) for a in some]
        strict = [variety_of(a.said, language, strict=True) for a in some]
        free = [code for a, code in zip(some, read, strict=True) if code and not _repeats(a, language)]
        mixed = sum(len({code for code, _ in marks(a.said, language)}) > 1 for a in some)
        decided, own = sum(code is not None for code in read), read.count(language)
        low, high = wilson(own, decided)
        fewest, most = wilson(decided, len(some))
        rows.append(
            {
                "type": kind, "answers": len(some), "decidable": decided, "decidable_share": decided / len(some), "decidable_low": fewest,
                "decidable_high": most, "own": own, "share": own / decided if decided else None, "low": low, "high": high, "mixed": mixed,
                "strict_decidable": sum(code is not None for code in strict), "strict_own": strict.count(language),
                "free_decidable": len(free), "free_own": free.count(language),
            }
        )  # fmt: skip
    return rows


def _repeats(answer: Answer, language: str) -> bool:
    """Whether every telling word of an answer stands in its question: an echo shows no preference."""
    asked = {words.lower() for _, words in marks(answer.question, language)}
    return {words.lower() for _, words in marks(answer.said, language)} <= asked


def _same_questions(before: Sequence[Answer], after: Sequence[Answer]) -> None:
    if [(a.type, a.scene, a.question) for a in before] != [(a.type, a.scene, a.question) for a in after]:
        raise UserError("two evaluations are compared on the same questions in the same order, and these differ; evaluate both models alike")
    if not before:
        raise UserError("there is no answer to compare two models on; evaluate both on some questions")


def variety_gain(before: Sequence[Answer], after: Sequence[Answer], language: str = "pt-PT", rounds: int = 10_000, seed: int = 0) -> dict:
    """The share of decidable answers in `language` before and after, and the difference with its percentile bootstrap interval.

    Questions are drawn with replacement, each with both of its answers: which answers can be decided differs between the two,
    and the draw keeps what they share (Efron and Tibshirani 1993, chapter 13). Shares from 0 to 1; "difference", "low" and
    "high" are None where one side has nothing to decide. Raises UserError when the questions differ, and for no sister variety.
    """
    import numpy as np

    _same_questions(before, after)
    sides = [[variety_of(a.said, language) for a in some] for some in (before, after)]
    found = Counter((None if one is None else one == language, None if two is None else two == language) for one, two in zip(*sides, strict=True))
    cells = np.array(list(found.values()), dtype=float)  # at most nine: which question fell into which is of no matter
    decided, own = (np.array([[test(side) for side in pair] for pair in found], dtype=float) for test in (lambda s: s is not None, bool))
    counts = dict(zip(("decidable_before", "decidable_after"), map(int, cells @ decided), strict=True))
    if not all(counts.values()):
        return counts | {"before": None, "after": None, "difference": None, "low": None, "high": None}
    shares = (cells @ own) / (cells @ decided)
    drawn = np.random.default_rng(seed).multinomial(len(before), cells / len(before), size=rounds)
    with np.errstate(invalid="ignore"):  # a draw without a decidable answer has no share
        again = (drawn @ own) / (drawn @ decided)
    low, high = np.nanquantile(again[:, 1] - again[:, 0], [0.025, 0.975])
    return counts | {
        "before": float(shares[0]), "after": float(shares[1]), "difference": float(shares[1] - shares[0]), "low": float(low), "high": float(high),
    }  # fmt: skip


def seeing_kept(before: Sequence[Answer], after: Sequence[Answer], margin: float = MARGIN) -> dict:
    """Did seeing not get worse? The difference in right answers, after minus before, with its interval against a margin.

    "verdict" is "kept" when the interval's lower end lies above minus the margin (a non-inferiority test at the one-sided 2.5 %
    level; Piaggio et al. 2012, JAMA 308:2594), "lost" when its upper end lies below it, else "not shown": too few questions.
    "questions_for" estimates how many would show it with power 80 % if nothing were lost. Raises UserError when the questions differ.
    """
    _same_questions(before, after)
    first, second = ([a.right for a in some] for some in (before, after))
    only_before = sum(a and not b for a, b in zip(first, second, strict=True))
    only_after = sum(b and not a for a, b in zip(first, second, strict=True))
    total = len(first)
    low, high = paired_interval(only_after, only_before, total)
    apart = max((only_before + only_after) / total, margin)  # as many would differ at least, were seeing worse by the margin
    return {
        "questions": total, "before": sum(first) / total, "after": sum(second) / total, "difference": (only_after - only_before) / total,
        "low": low, "high": high, "margin": margin, "only_before": only_before, "only_after": only_after, "kept": low > -margin,
        "verdict": "kept" if low > -margin else "lost" if high < -margin else "not shown",
        "questions_for": math.ceil((1.959964 + 0.841621) ** 2 * apart / margin**2),
    }  # fmt: skip


def paired_interval(only_second: int, only_first: int, total: int, level: float = 0.95) -> tuple[float, float]:
    """Tango's score interval of a difference of two paired shares (1998, Statistics in Medicine 17:891, equations 9 and 23).

    Where no item tells the two apart, a bootstrap interval has no width; this one narrows as the items grow. From -1 to 1.
    """
    from scipy.optimize import brentq
    from scipy.stats import norm

    z, best = float(norm.isf((1 - level) / 2)), (only_second - only_first) / total

    def distance(delta: float) -> float:
        """How many standard errors the counts lie from a true difference of `delta`, less the z of the level."""
        b = -only_second - only_first + (2 * total - only_second + only_first) * delta
        nuisance = (math.sqrt(b * b + 8 * total * only_first * delta * (1 - delta)) - b) / (4 * total)
        variance = max(total * (2 * nuisance + delta * (1 - delta)), 1e-300)
        return abs(only_second - only_first - total * delta) / math.sqrt(variance) - z

    tiny = 1e-12
    low = -1.0 if best <= -1 else brentq(distance, -1 + tiny, best, xtol=1e-12)
    high = 1.0 if best >= 1 else brentq(distance, best, 1 - tiny, xtol=1e-12)
    return low, high
