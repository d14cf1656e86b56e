"""Does an answer say what the gold answer says? A strict and a relaxed verdict, per language and kind of answer.

Strict is equality of the two texts as they are. Relaxed reads both: Unicode forms, case, accents, punctuation,
articles, contractions, number words, verdicts, option letters, framing phrases ("a resposta é"), and plural and gender
where they carry no meaning. It takes no synonym, and no text that merely starts or ends with the gold answer, as mBLIP's
relaxed accuracy does: "não é um gato" ends with "um gato". An answer is read in the language that the caller names; a gold
yes or no is understood in any (POPE's labels stay English in its translations). Which language an answer is in is
another measurement (`reading.answer_language`).
"""

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from utils.evaluation.answer_tables import HEAD, NUMBER, OPENING, Phrase, Tables, head, normal, numerals, shortest, tables, tokens, words_of
from utils.evaluation.answer_words import WORDS
from utils.runs import UserError

KINDS = ("text", "yes_no", "option", "number")
CACHED = 200  # characters: longer answers hardly repeat, and would fill the memory
_GLUED = re.compile(r"\W*\w+-[^\W\d_]")
_VERDICTS = {"yes": True, "sim": True, "si": True, "no": False, "nao": False}
_DELIMITERS = ")].:;,-!*\n"


@dataclass(frozen=True)
class Match:
    """`strict` is plain equality, `relaxed` equality of meaning; strict implies relaxed. `why` says what decided."""

    strict: bool
    relaxed: bool
    why: str


_EQUAL = Match(True, True, "equal")


class Reading(NamedTuple):
    """The words of a text: all, those with content, those with "um" as 1, those after a first preposition.

    `initials` are the first letters of the last three: they decide most comparisons at once.
    """

    spelled: Phrase
    content: Phrase
    counted: Phrase
    bare: Phrase
    initials: frozenset[str]
    has_number: bool


def match(answer: str, gold: str | Sequence[str], language: str, kind: str = "text") -> Match:
    """Compare an answer with one gold answer, or with several of which any will do.

    `kind` is "text", "yes_no", "option" (a letter) or "number"; a text whose gold answer is a bare yes or no is read as
    "yes_no". Every text gets a verdict, in time linear in its length. Raises UserError for an unknown language or kind.
    """
    if answer == gold and language in WORDS and kind in KINDS:
        return _EQUAL
    golds = (gold,) if isinstance(gold, str) else tuple(gold)
    return _judge(answer, golds, language, kind) if len(answer) <= CACHED else _judge.__wrapped__(answer, golds, language, kind)


def suffix(language: str, kind: str) -> str:
    """The sentence that asks for a short answer ("short") or for a letter ("option"), in a language's variety.

    Raises UserError for an unknown language or kind. Sources stand beside the sentences in `answer_words`.
    """
    if kind not in ("short", "option"):
        raise UserError(f"the kind of suffix {kind!r} is unknown; use short or option")
    return getattr(words_of(language), kind)


@functools.lru_cache(maxsize=1 << 16)
def _judge(answer: str, golds: tuple[str, ...], language: str, kind: str) -> Match:
    table = tables(language)
    if kind not in KINDS:
        raise UserError(f"the kind of answer {kind!r} is unknown; use one of: {', '.join(KINDS)}")
    if answer in golds:
        return _EQUAL
    why = "no gold answer"
    for gold in golds:
        right, why = _COMPARE[kind](answer, gold, table)
        if right:
            return _match(False, True, why)
    return _match(False, False, why)


_match = functools.lru_cache(maxsize=64)(Match)  # a dozen values in all; making one costs more than most comparisons


def _short_cached(read):
    """Cache a reading of short texts: gold answers come again and again, and so do most short answers."""
    cached = functools.lru_cache(maxsize=1 << 15)(read)
    return lambda text, table: cached(text, table) if len(text) <= CACHED else read(text, table)


# ---- text


def _frame_off(words: list[str], leads: dict[str, list[Phrase]], tails: Mapping[str, list[Phrase]] = MappingProxyType({})) -> list[str]:
    """Without framing phrases, at most three before and one behind; a text that is nothing else keeps them."""
    for _ in range(3):
        lead = _starting(words, leads)
        if not lead or len(lead) == len(words):
            break
        words = words[len(lead) :]
    if words and words[-1] in tails:
        tail = next((p for p in tails[words[-1]] if len(words) > len(p) and tuple(words[-len(p) :]) == p), ())
        words = words[: len(words) - len(tail)]
    return words


def _starting(words: list[str], phrases: dict[str, list[Phrase]]) -> Phrase | None:
    """The longest of the phrases with which the words start."""
    if not words or words[0] not in phrases:
        return None
    return next((p for p in phrases[words[0]] if tuple(words[: len(p)]) == p), None)


@_short_cached
def _read(text: str, table: Tables) -> Reading:
    spelled = tokens(text, table.accented)
    framed = _frame_off(spelled, table.leads, table.tails)
    content, counted = [], []
    if table.rewritten.isdisjoint(framed) and not any("0" <= word[-1] <= "9" for word in framed):
        content = framed
    else:
        for word in numerals(framed, table):
            if word in table.one:
                counted.append("1")
            elif word not in table.articles:
                word = table.contractions.get(word, word)
                content.append(word)
                counted.append(word)
    content = content or counted or spelled  # "um" alone is the number, "a" alone the letter
    counted = counted or content
    bare = content[1:] if len(content) > 1 and content[0] in table.optional else content
    forms = tuple(content), tuple(counted), tuple(bare)
    initials = frozenset((content[0][0], counted[0][0], bare[0][0]) if content else ())
    return Reading(tuple(spelled), *forms, initials, any(map(NUMBER.fullmatch, counted)))


def _singulars(word: str, table: Tables) -> tuple[str, ...]:
    """What a word could be the regular plural of."""
    if word in table.apart or word in table.pairs:
        return ()
    return tuple(word[: -len(many)] + one for many, one in table.plurals.get(word[-1], ()) if len(word) > max(len(many), 2) and word.endswith(many))


def _same_word(one: str, other: str, table: Tables) -> bool:
    if one == other or table.pairs.get(one) == other or table.pairs.get(other) == one:
        return True
    if one[:2] != other[:2]:  # as all regular forms of a word do
        return False
    if one in _singulars(other, table) or other in _singulars(one, table):
        return True
    return table.agreeing.get(one, one) == table.agreeing.get(other, other)


def _text(answer: str, gold: str, table: Tables) -> tuple[bool, str]:
    said, wanted = _read(answer, table), _read(gold, table)
    if len(wanted.spelled) == 1 and wanted.spelled[0] in _VERDICTS:
        return _yes_no(answer, gold, table)
    if not said.content:
        return False, "no words"
    if said.spelled == wanted.spelled:
        return True, "same words"
    if said.initials.isdisjoint(wanted.initials):  # no two forms of a word differ in the first letter
        return False, "other words"
    pairs = ((said.content, wanted.content), (said.bare, wanted.content), (said.content, wanted.bare))
    if said.counted == wanted.counted or any(one == other for one, other in pairs):
        return True, "same content"
    if said.has_number or wanted.has_number:  # where things are counted, the plural counts too
        return False, "other words"
    for one, other in set(pairs):
        if len(one) == len(other) and all(_same_word(a, b, table) for a, b in zip(one, other, strict=True)):
            return True, "plural or gender"
    return False, "other words"


# ---- yes and no


@_short_cached
def _verdict(text: str, table: Tables) -> bool | None:
    """The yes or no with which an answer starts; None for none, for both, and for "não sei"."""
    text = text.strip()[:OPENING]
    if "-" in text and _GLUED.match(normal(text)):  # "não-fumador"
        return None
    words = tokens(text)
    found = _starting(words, table.verdict_starts)
    if not found:
        words = _frame_off(words, table.answer_leads)
        found = _starting(words, table.verdict_starts)
    if not found or _starting(words, table.unsure) or _starting(words[len(found) :], table.unsure):
        return None
    value, rest = table.verdicts[found], words[len(found) :]
    at = 1 if rest and rest[0] in table.joins else 0
    opposite = table.verdicts.get(tuple(rest[at : at + 1])) is (not value)
    return None if opposite and (len(rest) == at + 1 or rest[0] in table.either) else value  # "sim ou não"


def _yes_no(answer: str, gold: str, table: Tables) -> tuple[bool, str]:
    words = tokens(gold[:HEAD])
    wanted = _VERDICTS.get(words[0]) if len(words) == 1 else _verdict(gold, table)
    said = _verdict(answer, table)
    if said is None or wanted is None:
        return False, "no yes or no"
    return (True, "same verdict") if said == wanted else (False, "other verdict")


# ---- option letters


@_short_cached
def _letter(text: str, table: Tables) -> str | None:
    """The one option letter that an answer names; None for none and for several."""
    found = table.option.match(head(text))
    if not found:
        return None
    letter, rest = found["letter"], found["rest"]
    if found["article"] and len(found["article"]) == 1 and found["article"].isupper() and not found["noun"]:
        return None  # "A B": two letters
    if not re.search(r"[^\W_]", rest):
        plain = not rest.strip(' \t\r\n*"') and rest[:1] != "'"
        if plain and found["lead"] and not found["noun"] and letter in table.functions:
            return None  # "a resposta é a": a sentence cut off, or the letter
        return None if rest[:1] in tuple("'+#%/&?") else letter.upper()
    others = [found[1] for found in (table.second_option.match(rest), *table.listed_option.finditer(rest)) if found]
    if any(other.upper() != letter.upper() for other in others):
        return None
    glued = re.match(r"['\-+#%/&]", rest) and not re.match(r"-\s", rest)
    if not glued and (rest.lstrip(" \t")[:1] in tuple(_DELIMITERS) or table.option_tail.match(rest)):
        return letter.upper()
    return None


def _option(answer: str, gold: str, table: Tables) -> tuple[bool, str]:
    said, wanted = _letter(answer, table), _letter(gold, table)
    if said is None or wanted is None:
        return False, "no single letter"
    return (True, "same letter") if said == wanted else (False, "other letter")


# ---- numbers


@_short_cached
def _count(text: str, table: Tables) -> str | None:
    """The one exact number that an answer states; None for none, several, a bound ("mais de três") or a group."""
    words = tokens(text)
    if not table.groups.isdisjoint(words):
        return None
    joined = f" {' '.join(words)} "
    plain = joined
    for phrase in table.zero:
        plain = plain.replace(phrase, " ")
    if any(bound in plain for bound in table.bounds):
        return None
    found, previous = set(), ""
    for word in numerals(plain.split(), table):
        if word in table.one and previous not in table.prepositions:  # "três gatos em uma mesa": an article
            found.add("1")
        elif NUMBER.fullmatch(word):
            found.add(shortest(word))
        previous = word
    if plain != joined:
        return None if found else "0"
    if len(found) != 1 or not table.negations.isdisjoint(words):
        return None
    return found.pop() + ("%" if "%" in words else "")


def _number(answer: str, gold: str, table: Tables) -> tuple[bool, str]:
    said, wanted = _count(answer, table), _count(gold, table)
    if said is None or wanted is None:
        return False, "no single number"
    return (True, "same number") if said == wanted else (False, "other number")


_COMPARE = {"text": _text, "yes_no": _yes_no, "option": _option, "number": _number}
