"""Judge short answers in many languages, and set each language's accuracy against its share of the training data.

Answers are read as the templates write them: bare nouns, digits or number words, a yes or no in front. A noun counts whole
("gatos" is not "gato" unless the word list has it), the longest first ("bunga matahari" is a flower, not the sun); in Chinese and
Japanese, which part no words, a noun counts wherever it stands. Case, accents, Arabic's marks and letter forms, and the digits of
any script are folded away; Japanese voicing marks are not, for they make other sounds.
"""

import functools
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from utils.corpus.multilingual.names import forms, names
from utils.corpus.multilingual.templates import TYPES, tongue
from utils.evaluation.answer_tables import without_long_runs
from utils.evaluation.intervals import majority_share
from utils.evaluation.measures import share

_VOICING = "\u3099\u309a"
# Letters that Arabic and Persian code in two ways, letters that Unicode does not take apart, Turkish's dotless i, a joiner, a sign.
_LETTERS = str.maketrans({"ي": "ی", "ى": "ی", "ك": "ک", "ة": "ه", "ـ": "", "œ": "oe", "æ": "ae", "ı": "i", "\u200c": " ", "×": " "})


@dataclass(frozen=True)
class Judged:
    """One answer: its type, the language asked for, right or not, in that language or not (None: it holds no word), the truth as a key."""

    type: str
    language: str
    right: bool
    in_language: bool | None
    key: str


def fold(text: str) -> str:
    """A text as it is compared: small letters without accents, digits as 0-9, one blank for any space."""
    plain = unicodedata.normalize("NFKD", without_long_runs(text.casefold())).translate(_LETTERS)
    kept = "".join(sign for sign in plain if sign in _VOICING or not unicodedata.combining(sign))
    digits = "".join(str(unicodedata.digit(sign)) if sign.isdigit() else sign for sign in kept)
    return " ".join(unicodedata.normalize("NFC", digits).split())


def _pattern(words: Iterable[str], spaced: bool) -> re.Pattern:
    longest_first = "|".join(re.escape(word) for word in sorted(words, key=lambda word: (-len(word), word)))
    return re.compile(rf"(?<!\w)(?:{longest_first})(?!\w)" if spaced else longest_first)


@functools.lru_cache(maxsize=32)
def _kinds(code: str) -> tuple[re.Pattern, dict[str, str]]:
    said = {fold(form): kind for kind in names(code) for form in forms(kind, code)}
    return _pattern(said, tongue(code).spaced), said


@functools.lru_cache(maxsize=32)
def _numbers(code: str) -> dict[str, int]:
    return {fold(form): value for value, told in enumerate(tongue(code).numbers.split()) for form in told.split("|")}


@functools.lru_cache(maxsize=32)
def _verdicts(code: str) -> tuple[re.Pattern, dict[str, bool]]:
    record = tongue(code)
    said = {fold(word): value for value, words in ((True, record.yes), (False, record.no)) for word in words}
    return _pattern(said, record.spaced), said


@functools.lru_cache(maxsize=32)
def _words(code: str) -> re.Pattern:
    return _pattern({*_kinds(code)[1], *_numbers(code), *_verdicts(code)[1]}, tongue(code).spaced)


def verdict(answer: str, code: str) -> bool | None:
    """What an answer says first: yes (True), no (False), or neither (None).

    The word stands alone or before a sign: "No, …" is a no, "não sei" (I do not know) and "no hay perro" are none of the two.
    """
    pattern, said = _verdicts(code)
    text = re.sub(r"^\W+", "", fold(answer))
    found = pattern.match(text)
    return said[found.group()] if found and re.match(r"\s*(?:[^\w\s]|$)", text[found.end() :]) else None


def kinds_in(answer: str, code: str) -> list[str]:
    """The kinds that an answer names, in its order."""
    pattern, said = _kinds(code)
    return [said[found.group()] for found in pattern.finditer(fold(answer))]


def number_in(answer: str, code: str) -> int | None:
    """The one number that an answer states, in digits or, where it has none, in a word; None for none or several."""
    text = fold(answer)
    found = {int(digits) for digits in re.findall(r"\d+", text[:100])}
    if not found:
        numbers = _numbers(code)
        found = {numbers[one.group()] for one in _words(code).finditer(text) if one.group() in numbers}
    return found.pop() if len(found) == 1 else None


def counts_in(answer: str, code: str) -> dict[str, int] | None:
    """Kind -> number of a list such as "perro × 2, mariposa × 1"; None when an item is no kind with one number, or comes twice."""
    counts: dict[str, int] = {}
    for item in re.split(r"[,،、，;\n]", fold(answer)):
        kinds, number = kinds_in(item, code), re.findall(r"\d+", item[:100])
        if len(kinds) != 1 or len(number) != 1 or kinds[0] in counts:
            return None
        counts[kinds[0]] = int(number[0])
    return counts


def right(answer: str, type: str, truth: Mapping, code: str) -> bool:
    """Whether an answer says the truth in the language `code`: nothing less, and no second kind or number beside it.

    The order of a caption's items does not count. Raises ValueError for an unknown type.
    """
    match type:
        case "naming":
            return set(kinds_in(answer, code)) == {truth["kind"]}
        case "presence" | "matching":
            return verdict(answer, code) is truth["yes"]
        case "counting":
            return number_in(answer, code) == truth["number"]
        case "caption":
            return counts_in(answer, code) == dict(truth["counts"])
    raise ValueError(f"question type {type!r} is unknown; use one of: {', '.join(TYPES)}")


def in_language(answer: str, code: str, among: Sequence[str]) -> bool | None:
    """Whether the words of an answer are of the language asked for: no other language of `among` knows more of its letters.

    A word of two languages ("pizza", "No") counts for the one asked for. None for an answer without letters: digits are of no
    language.
    """
    text = fold(answer)
    if not any(sign.isalpha() for sign in text):
        return None
    known = {one: sum(len(found.group()) for found in _words(one).finditer(text)) for one in {code, *among}}
    return 0 < known[code] == max(known.values())


def judge(rows: Sequence[Mapping], answers: Sequence[str]) -> list[Judged]:
    """Each row of a mix with what was answered; a row tells its type, truth and the language asked for."""
    among = tuple({row["answer_language"] for row in rows})
    return [
        Judged(
            row["type"], row["answer_language"], right(said, row["type"], row["truth"], row["answer_language"]),
            in_language(said, row["answer_language"], among), repr(next(iter(row["truth"].values()))),
        )
        for row, said in zip(rows, answers, strict=True)
    ]  # fmt: skip


def _right(judged: Sequence[Judged]) -> dict:
    return share(sum(one.right for one in judged), len(judged))


def _baseline(judged: Sequence[Judged]) -> float:
    """What always giving each type's most common answer would score."""
    keys: dict[str, list[str]] = defaultdict(list)
    for one in judged:
        keys[one.type].append(one.key)
    return sum(majority_share(some) * len(some) for some in keys.values()) / len(judged)


def by_language(judged: Sequence[Judged], shares: Mapping[str, float]) -> list[dict]:
    """One row per language, the largest share of the data first.

    {"language", "data_share", "accuracy", "in_language", "baseline", "types"}: accuracies are shares with 95 % Wilson intervals
    (`measures.share`); `baseline` is that of the safest guess; a language without data has the share 0.
    """
    table = []
    for code in sorted({one.language for one in judged}, key=lambda code: (-shares.get(code, 0.0), code)):
        some = [one for one in judged if one.language == code]
        spoken = [one.in_language for one in some if one.in_language is not None]
        types = {type: _right([one for one in some if one.type == type]) for type in TYPES if any(one.type == type for one in some)}
        table.append({
            "language": code, "data_share": shares.get(code, 0.0), "accuracy": _right(some), "in_language": share(sum(spoken), len(spoken)),
            "baseline": _baseline(some), "types": types,
        })  # fmt: skip
    return table


def against_share(table: Sequence[Mapping], seed: int = 0) -> dict:
    """Spearman's rank correlation of accuracy with the share of the data, over the languages of `by_language`.

    {"rho", "p", "languages"}; p is two-sided, from 9,999 random pairings (scipy), since languages are few; both are None for
    fewer than three languages, or where all shares or all accuracies are equal.
    """
    from scipy.stats import permutation_test, rankdata, zscore

    shares, accuracies = [row["data_share"] for row in table], [row["accuracy"]["share"] for row in table]
    if len(table) < 3 or len(set(shares)) == 1 or len(set(accuracies)) == 1:
        return {"rho": None, "p": None, "languages": len(table)}
    ranks = zscore(rankdata(accuracies))
    found = permutation_test(
        (zscore(rankdata(shares)),), lambda x, axis: (x * ranks).mean(axis=axis), permutation_type="pairings", vectorized=True, rng=seed
    )
    return {"rho": float(found.statistic), "p": float(found.pvalue), "languages": len(table)}
