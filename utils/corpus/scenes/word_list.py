"""What a further language needs in the picture world, as data: its words, and its sentences with gaps. `spanish.py` is the example."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from utils.runs import UserError

GENDERS = ("m", "f", "n")


@dataclass(frozen=True)
class WordList:
    """One language of the picture world; `frames` makes its questions and answers, so that a further language needs no code.

    `kinds`, `categories` and `colours` have one line an entry: "dog: m perro/perros = can, canes" is the English key, the gender
    (m, f, n, or none), singular/plural, and other words that a reader takes for the same. `feminine` are colours that change
    beside a feminine noun. `thing` is the noun for things in general. `numbers` are 0 to 6, other forms behind "|", that for a
    feminine noun last. `articles`: gap -> gender -> what stands before the noun, its blank included; a gender with an apostrophe
    ("m'") is for nouns that begin with one of `elided`. "a" and "the" are needed, others may be added and used as gaps.
    `there` and `makes` are a verb for one and for many. `places` are the four corners in the order of `world.PLACES`, `beside`
    the sides in that of `asks.SIDES`, `sides` the words that tell a corner in an answer. `questions` and `answers` are the
    sentences: `frames.QUESTION_GAPS` and `ANSWER_GAPS` name the gaps that each may have, and a gap that begins
    a sentence gets a capital.

    The rest may be left out: `card` (what stands behind a thing), `letter` (the sentence that asks for an option's letter),
    `caption` and `exam` (what a published set's picture without a question is asked), `sounds` (as in `corpus.sounds`; English
    without it), `matching` (fields of `evaluation.answer_words.Words`, which is else made from this list and the language's record).
    """

    code: str
    thing: str
    kinds: str
    categories: str
    colours: str
    numbers: str
    articles: dict[str, dict[str, str]]
    how_many: dict[str, str]
    there: tuple[str, str]
    makes: tuple[str, str]
    joined: str
    places: tuple[str, str, str, str]
    beside: tuple[str, str, str, str]
    sides: dict[str, tuple[str, ...]]
    questions: dict[str, tuple[str, ...]]
    answers: dict[str, str]
    feminine: dict[str, str] = field(default_factory=dict)
    elided: str = ""
    card: str = ""
    letter: str = ""
    caption: str = ""
    exam: str = ""
    sounds: dict | None = None
    matching: dict[str, str] = field(default_factory=dict)


def lines_of(text: str) -> dict[str, str]:
    """ "dog: m perro/perros" as {"dog": "m perro/perros"}; empty lines are left out."""
    pairs = (line.partition(":") for line in text.splitlines() if line.strip())
    return {key.strip(): entry.strip() for key, _, entry in pairs}


def entry_of(words: WordList, sort: str, key: str) -> str:
    """A list's line for one kind, category or colour; raises UserError naming the line that is missing."""
    found = lines_of(getattr(words, sort)).get(key, "")
    if not found.partition("=")[0].strip():
        raise UserError(f"the word list of {words.code!r} has no line for {key!r} in `{sort}`; add one such as “{key}: m singular/plural”")
    return found


def numbers_of(words: WordList) -> tuple[tuple[str, ...], ...]:
    """The forms of each number, its place is its value."""
    return tuple(tuple(forms.split("|")) for forms in words.numbers.split())


def without_common(phrases: Iterable[str]) -> list[str]:
    """Phrases without the whole words that all begin with: "la esquina superior izquierda" is "superior izquierda"."""
    split = [phrase.split() for phrase in phrases]
    same = 0
    while all(len(words) > same + 1 for words in split) and len({words[same] for words in split}) == 1:
        same += 1
    return [" ".join(words[same:]) for words in split]
