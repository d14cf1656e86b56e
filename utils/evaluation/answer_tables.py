"""Turn a text into comparable words, and a language's word record into tables that are built once."""

import functools
import re
import unicodedata
from dataclasses import dataclass

from utils.evaluation.answer_words import WORDS, Words
from utils.runs import UserError

Phrase = tuple[str, ...]
HEAD = 2_000  # characters that are read for an option letter
OPENING = 200  # characters that are read for a verdict

_TOKEN = re.compile(r"(?<!\w)-?\d+(?:[.,]\d+)*[^\W_]*|[^\W_]+(?:'(?=[^\W_])|[+#]+)?|[%€$£¥]")
NUMBER = re.compile(r"-?\d+(?:[.,]\d+)*")
_PLAIN = re.compile(r"[\x00-\x7f\xc0-\xff]*")  # signs that NFKC and the table below leave alone
_MARKS = re.compile(r"[\u0300-\u036f]+")
_ONE_KIND = (  # of quote, of dash; signs without width go
    {ord(c): "'" for c in "’‘ʼ`´′"} | {ord(c): "-" for c in "−‐‑–—"} | dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff\u200e\u200f"))
)
_DOUBLE_MARKS = "\u0f73\u0f75\u0f81"  # each is no loose mark itself, but two when decomposed


def words_of(language: str) -> Words:
    """The record of a language; raises UserError naming the known ones."""
    if language not in WORDS:
        raise UserError(f"language {language!r} is unknown to answer matching; use one of: {', '.join(WORDS)}")
    return WORDS[language]


def without_long_runs(text: str) -> str:
    """A long text without loose accents: to sort a long run of them takes `normalize` quadratic time."""
    if len(text) <= HEAD or text.isascii():
        return text
    return "".join(c for c in text if not unicodedata.combining(c) and c not in _DOUBLE_MARKS)


def fold(word: str) -> str:
    """Without accents; the case stays."""
    return word if word.isascii() else _fold(word) if len(word) <= 30 else _fold.__wrapped__(word)


@functools.lru_cache(maxsize=1 << 14)
def _fold(word: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c))


def normal(text: str) -> str:
    """NFKC, lower case, one kind of quote and dash."""
    if _PLAIN.fullmatch(text):
        return text.casefold().replace("`", "'")
    text = unicodedata.normalize("NFKC", without_long_runs(text).translate(_ONE_KIND)).casefold()
    return _MARKS.sub("", unicodedata.normalize("NFKC", text))  # what still stands loose fits no letter


def head(text: str) -> str:
    """The first 2,000 characters for reading an option letter: plain letters, case kept, wrapping quotes and stars off."""
    text = fold(text.strip()[:HEAD].translate(_ONE_KIND)).strip(' \t\r\n*_"“”«»`')
    return text[1:-1] if len(text) > 2 and text[0] == text[-1] == "'" else text


def tokens(text: str, accented: frozenset[str] = frozenset()) -> list[str]:
    """Words, numbers and units. An elided word keeps its apostrophe; a word in `accented` keeps its accent."""
    if text.isascii() and text.isalpha():  # most short answers
        return [text.lower()]
    found = _TOKEN.findall(normal(text))
    return found if text.isascii() else [word if word.isascii() or word in accented else fold(word) for word in found]


def _phrases(listed: str) -> tuple[Phrase, ...]:
    """ "a|b c" as word tuples, the longest first."""
    return tuple(sorted((tuple(tokens(phrase)) for phrase in listed.split("|") if phrase), key=len, reverse=True))


def _by_word(phrases: tuple[Phrase, ...], at: int = 0) -> dict[str, list[Phrase]]:
    """First (or last) word -> phrases, the longest first: most texts start with no phrase, and one look says so."""
    found: dict[str, list[Phrase]] = {}
    for phrase in sorted(phrases, key=len, reverse=True):
        found.setdefault(phrase[at], []).append(phrase)
    return found


@dataclass(frozen=True, eq=False)
class Tables:
    """A language's `Words`, folded and indexed: one object per language, so that it may stand in the key of a cache.

    `zero` and `bounds` stand between spaces, to be found in joined words; `rewritten` are the words that a reading replaces or drops.
    """

    accented: frozenset[str]
    numbers: dict[str, str]
    tens: frozenset[str]
    joiner: str
    separator: str
    thousands: re.Pattern
    articles: frozenset[str]
    one: frozenset[str]
    contractions: dict[str, str]
    prepositions: frozenset[str]
    optional: frozenset[str]
    verdicts: dict[Phrase, bool]
    verdict_starts: dict[str, list[Phrase]]
    unsure: dict[str, list[Phrase]]
    answer_leads: dict[str, list[Phrase]]
    leads: dict[str, list[Phrase]]
    tails: dict[str, list[Phrase]]
    rewritten: frozenset[str]
    zero: tuple[str, ...]
    bounds: tuple[str, ...]
    negations: frozenset[str]
    groups: frozenset[str]
    plurals: dict[str, list[tuple[str, str]]]
    pairs: dict[str, str]
    apart: frozenset[str]
    agreeing: dict[str, str]
    either: frozenset[str]
    joins: frozenset[str]
    functions: frozenset[str]
    option: re.Pattern
    second_option: re.Pattern
    listed_option: re.Pattern
    option_tail: re.Pattern


@functools.lru_cache(maxsize=8)
def tables(language: str) -> Tables:
    """The tables of a language, built at first use; raises UserError for an unknown language."""
    words = words_of(language)
    contractions = _pairs(words.contractions)
    verdicts = dict.fromkeys(_phrases(words.yes), True) | dict.fromkeys(_phrases(words.no), False)
    answer_leads = _phrases(words.answer_leads)
    option, second, tail = _option_patterns(words)
    return Tables(
        joiner=words.joiner, separator=words.thousands,
        accented=frozenset(words.accented.split()),
        numbers={fold(word): str(value) for word, value in words.numbers.items()}, tens=frozenset(map(fold, words.tens)),
        articles=_set(words.articles), one=_set(words.one), contractions=contractions,
        prepositions=_set(words.prepositions) | contractions.keys(), optional=_set(words.optional),
        verdicts=verdicts, verdict_starts=_by_word(tuple(verdicts)), unsure=_by_word(_phrases(words.unsure)),
        answer_leads=_by_word(answer_leads), leads=_by_word((*answer_leads, *_phrases(words.leads))), tails=_by_word(_phrases(words.tails), at=-1),
        rewritten=frozenset({*map(fold, words.numbers), *_set(words.articles), *_set(words.one), *contractions}),
        zero=_spaced(words.zero), bounds=_spaced(words.bounds), negations=_set(words.negations), groups=_set(words.groups),
        plurals=_by_last_letter(words.plurals), pairs=_pairs(words.pairs), apart=_set(words.apart),
        agreeing={fold(form): fold(forms[0]) for forms in words.agreeing for form in forms},
        either=_set(words.either.replace("|", " ")), joins=_set(f"{words.either}|{words.both}".replace("|", " ")),
        functions=_set(words.functions),
        thousands=re.compile(r"-?\d{1,3}(?:[%s]\d{3})+(?:[.,]\d+)?" % words.thousands),
        option=option, second_option=second, listed_option=re.compile(r"[\s(,;]([A-Za-z])[):]"), option_tail=tail,
    )  # fmt: skip


def _set(listed: str) -> frozenset[str]:
    return frozenset(map(fold, listed.split()))


def _pairs(listed: str) -> dict[str, str]:
    return dict(pair.split("=") for pair in listed.split())


def _by_last_letter(listed: str) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for ending in listed.split():
        many, one = ending.split("=")
        found.setdefault(many[-1], []).append((many, one))
    return found


def _spaced(listed: str) -> tuple[str, ...]:
    return tuple(f" {' '.join(phrase)} " for phrase in _phrases(listed))


def _option_patterns(words: Words) -> tuple[re.Pattern, re.Pattern, re.Pattern]:
    """How an option letter is named, how a second one follows, and what may follow the letter without punctuation."""

    def any_of(listed: str) -> str:
        phrases = sorted((fold(phrase) for phrase in listed.split("|") if phrase), key=len, reverse=True)
        return "(?i:" + "|".join(re.escape(phrase).replace(r"\ ", r"\s+") for phrase in phrases) + ")"

    long = "|".join(lead for lead in words.answer_leads.split("|") if len(lead) > 2)
    short = "|".join(lead for lead in words.answer_leads.split("|") if len(lead) <= 2) or long
    articles, nouns, joins = any_of(words.articles.replace(" ", "|")), any_of(words.option_nouns), any_of(f"{words.either}|{words.both}")
    option = re.compile(
        rf"(?P<lead>{any_of(long)}\b\W{{0,4}}|{any_of(short)}\s+)?(?:(?P<article>{articles})(?:\s+|(?<=')))?(?P<noun>{nouns}\b\W{{0,4}})?"
        r"[(\[\"'*]{0,4}(?P<letter>[A-Za-z])(?![^\W_])(?P<rest>.*)",
        re.DOTALL,
    )
    second = re.compile(rf"\W*(?:{joins}\s+)?(?:{nouns}\s+)?[(\[]?([A-Za-z])(?:[)\].,:;]|\s*$|\s+{joins}\s)")
    return option, second, re.compile(rf"\s+{any_of(words.option_tails)}\b")


def numerals(words: list[str], table: Tables) -> list[str]:
    """Number words as digits ("vinte e um" is one number); a word that is article and number at once stays."""
    found, at = [], 0
    while at < len(words):
        word = words[at]
        number = table.numbers.get(word)
        at += 1
        if word in table.tens:
            unit = at + (table.joiner != "" and words[at : at + 1] == [table.joiner])
            more = table.numbers.get(words[unit], "") if unit < len(words) and (unit > at) == (table.joiner != "") else ""
            if len(more) == 1 and more != "0":
                number, at = str(int(number) + int(more)), unit + 1
        found.append(_decimal(word, table) if number is None else word if word in table.one else number)
    return found


def _decimal(word: str, table: Tables) -> str:
    """A number as Python writes it: "1.000" is "1000" in Portuguese, "2,5" is "2.5"."""
    if ("," not in word and "." not in word) or not NUMBER.fullmatch(word):
        return word
    if table.thousands.fullmatch(word):
        word = word.replace(table.separator, "")
    return word.replace(",", ".") if word.count(",") + word.count(".") == 1 else word


def shortest(number: str) -> str:
    """One way to write a number: "007" is "7", "3.0" is "3". No arithmetic, so that no length is too long."""
    sign, digits = ("-", number[1:]) if number[0] == "-" else ("", number)
    whole, point, part = digits.partition(".")
    part = part.rstrip("0")
    return sign + (whole.lstrip("0") or "0") + (point + part if part else "")
