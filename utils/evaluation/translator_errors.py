"""What kinds of errors the translator made in the picture world's corpus, against gold, by question type.

What counts is the meaning that `reading.read` finds: kinds of things, numbers, colours, places, verdicts; and whether card and
background are named. Other words ("acima", "restam") are not judged, and agreement only where the word list knows the noun.
"""

import functools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.corpus.conversations import IMAGE_TOKEN, read_rows
from utils.corpus.scenes.asks import TYPES, Ask
from utils.corpus.scenes.grammar import say
from utils.corpus.scenes.instruct import PARTS, draw_rows
from utils.corpus.scenes.lists import LISTS
from utils.corpus.scenes.words import CATEGORIES, COLOURS, KINDS, NUMBERS
from utils.evaluation.reading import Mark, answer_language, counted, fold, read, tokens, values
from utils.runs import MANIFEST, UserError, read_json

SIDES = ("question", "answer")
CLASSES = (
    "identical", "other words, same meaning", "a thing under another name", "another number", "another colour", "another place",
    "another verdict", "agreement broken", "left in English",
)  # fmt: skip
_DETERMINERS = {  # gender and number -> words, folded; what stands right before a noun
    "pt": {
        "ms": "o um do no ao num dum nenhum este esse outro pelo", "fs": "a uma da na numa duma nenhuma esta essa outra pela",
        "mp": "os uns dos nos aos dois quantos estes esses outros", "fp": "as umas das nas duas quantas estas essas outras",
        " p": "tres quatro cinco seis",
    },
    "it": {
        "ms": "il lo un uno del dello nel nello al allo nessun nessuno questo", "fs": "la una un' della nella alla nessuna questa",
        "mp": "i gli dei degli nei negli ai agli quanti questi", "fp": "le delle nelle alle quante queste", " p": "due tre quattro cinque sei",
    },
}  # fmt: skip
# All that has a colour here: masculine nouns. Of a word list's language only its own card is known, and nobody checks what agrees with it.
_BACKS = {"pt": ("cartao", "fundo"), "it": ("cartoncino", "sfondo"), **{code[:2]: (fold(words.card),) for code, words in LISTS.items() if words.card}}


@dataclass(frozen=True)
class Turn:
    """One turn in three texts; `side` is "question" or "answer", `type` that of the question."""

    type: str
    side: str
    english: str
    said: str
    gold: str


def turns(english: Path, translated: Path, language: str) -> list[Turn]:
    """Every turn of the rows that were translated, matched by id, from the three parts of the corpus; gold lies below `english`.

    Raises UserError where a file is missing, or the corpus was not made by these rules from its manifest's seed.
    """
    seed = read_json(Path(english) / MANIFEST).get("seed", 0)
    found = []
    for part in PARTS:
        said = _by_id(Path(translated) / part)
        gold = _by_id(Path(english) / "gold" / language / part)
        for row in read_rows(Path(english) / part):
            if row["id"] not in said:
                continue
            asks = _asks(row["id"], seed, part)
            texts = [_texts(each) for each in (row, said[row["id"]], gold.get(row["id"], {"conversations": []}))]
            if texts[0] != [text for ask in asks for text in say(ask, "en")] or len({len(each) for each in texts}) > 1:
                raise UserError(f"row {row['id']} of {part} is not as seed {seed} makes it; write the corpus and its translation again")
            for at, (source, new, right) in enumerate(zip(*texts, strict=True)):
                found.append(Turn(asks[at // 2].type, SIDES[at % 2], source, new, right))
    return found


def _asks(of: str, seed: int, part: str) -> list[Ask]:
    """The questions of a row, drawn again; none where no such row is drawn."""
    return draw_rows(int(of) - 1, seed).get(part, []) if of.isdecimal() else []


def _by_id(path: Path) -> dict[str, dict]:
    return {row["id"]: row for row in read_rows(path)}


def _texts(row: dict) -> list[str]:
    return [turn["value"].replace(IMAGE_TOKEN, "").strip() for turn in row["conversations"]]


def error_class(said: str, gold: str, language: str) -> str:
    """The first of CLASSES that fits a translation; "same meaning" is what is left when no other does.

    A text that is English as a whole counts as that, not as many missing things.
    """
    if said == gold:
        return CLASSES[0]
    if answer_language(said, ("en", language)) == "en":
        return CLASSES[8]
    new, right = (read(_spelled(text, language), language) for text in (said, gold))
    if _backs(said, language) != _backs(gold, language):
        return CLASSES[2]
    for name, meaning in _MEANINGS.items():
        if meaning(new) != meaning(right):
            return name
    return CLASSES[7] if disagreements(said, language) else CLASSES[1]


def _spelled(text: str, language: str) -> str:
    """Digits as the words that the reading knows."""
    names = NUMBERS[language]
    return re.sub(r"\b[0-9]\b", lambda found: names[int(found[0])][0] if int(found[0]) < len(names) else found[0], text)


def _backs(text: str, language: str) -> list[str]:
    """Whether card or background is named: no mark tells, and a question that loses its card asks for another colour."""
    return [word for word in tokens(text) if word in _BACKS.get(language[:2], ())]


def _numbers(marks: Sequence[Mark]) -> tuple:
    """Numbers above one, and of which thing: "one" is an article too, "none" comes and goes with a negation."""
    return [n for n in values(marks, "number") if n > 1], {kind: n for kind, n in counted(marks).items() if n > 1}


def _places(marks: Sequence[Mark]) -> list[tuple[str, ...]]:
    """The sides named close together, each group sorted: "canto esquerdo superior" is the same place."""
    groups: list[list[Mark]] = []
    for mark in (mark for mark in marks if mark.sort == "side"):
        if groups and mark.at - groups[-1][-1].at <= 4:
            groups[-1].append(mark)
        else:
            groups.append([mark])
    return [tuple(sorted(mark.value for mark in group)) for group in groups]


_MEANINGS = {
    CLASSES[2]: lambda marks: [(mark.sort, mark.value) for mark in marks if mark.sort in ("kind", "category")],
    CLASSES[3]: _numbers,
    CLASSES[4]: lambda marks: values(marks, "colour"),
    CLASSES[5]: _places,
    CLASSES[6]: lambda marks: (values(marks, "yes")[:1], bool(values(marks, "equal"))),
}


@functools.lru_cache(maxsize=4)
def _nouns(language: str) -> dict[str, tuple[set[str], set[str]]]:
    """First word of each noun, folded -> (its genders, its numbers), from every variety that shares the words."""
    codes = ("pt-BR", "pt-PT") if language.startswith("pt") else (language,)
    found: dict[str, tuple[set[str], set[str]]] = {}
    for word in (entry.words[code] for entry in (*KINDS, *CATEGORIES) for code in codes):
        for form, number in ((word.singular, "s"), (word.plural, "p")):
            genders, numbers = found.setdefault(tokens(form)[0], (set(), set()))
            genders.add(word.gender)
            numbers.add(number)
    return found


def disagreements(text: str, language: str) -> list[str]:
    """Articles and numbers that do not agree with the noun behind them, and colours that do not with card or background.

    Gender and number are those of the word list; a noun that stands there only as an accepted form is not judged.
    """
    words, found = tokens(text), []
    for before, noun in zip(words, words[1:], strict=False):
        said = _forms(language).get(before)
        genders, numbers = _nouns(language).get(noun, (set(), set()))
        if said and genders and ((said[0] != " " and said[0] not in genders) or said[1] not in numbers):
            found.append(f"{before} {noun}")
    if language in LISTS:
        return found
    feminine = {fold(c.words[language].singular)[:-1] + "a" for c in COLOURS if fold(c.words[language].singular).endswith("o")}
    for at, word in enumerate(words):
        if word in feminine and any(noun in words[max(0, at - 2) : at] for noun in _BACKS[language[:2]]):
            found.append(f"{' '.join(words[max(0, at - 2) : at])} {word}")
    return found


@functools.lru_cache(maxsize=4)
def _forms(language: str) -> dict[str, str]:
    if language in LISTS:  # its articles stand before a singular noun
        told = [(form.strip(), f"{gender[0]}s") for forms in LISTS[language].articles.values() for gender, form in forms.items() if gender]
        return {fold(word): form for word, form in told if " " not in word and [w for w, _ in told].count(word) == 1}
    return {word: form for form, listed in _DETERMINERS[language[:2]].items() for word in listed.split()}


def error_table(english: Path, translated: Path, language: str) -> list[dict]:
    """Rows {"side", "type", "turns", <class>: count …}: all answers first, then by type, then questions the same way."""
    return table_of(turns(english, translated, language), language)


def table_of(found: Sequence[Turn], language: str) -> list[dict]:
    """The table of turns that are read already."""
    counts = Counter((turn.side, of, name) for turn, name in _classed(found, language) for of in (turn.type, "all"))
    rows = []
    for side in reversed(SIDES):
        for of in ("all", *TYPES):
            row = {name: counts[side, of, name] for name in CLASSES}
            if any(row.values()):
                rows.append({"side": side, "type": of, "turns": sum(row.values()), **row})
    return rows


def examples(english: Path, translated: Path, language: str, most: int = 1) -> list[dict]:
    """The commonest `most` triples of each class but "identical", answers and questions apart: see `examples_of`."""
    return examples_of(turns(english, translated, language), language, most)


def examples_of(found: Sequence[Turn], language: str, most: int = 1) -> list[dict]:
    """Rows {"side", "class", "type", "english", "translated", "gold", "turns"}; equally common ones by alphabet."""
    counts = Counter((turn.side, name, turn.type, turn.english, turn.said, turn.gold) for turn, name in _classed(found, language))
    rows = []
    for side in reversed(SIDES):
        for name in CLASSES[1:]:
            some = sorted((triple for triple in counts if triple[:2] == (side, name)), key=lambda triple: (-counts[triple], triple))
            keys = ("side", "class", "type", "english", "translated", "gold")
            rows += [{**dict(zip(keys, triple, strict=True)), "turns": counts[triple]} for triple in some[:most]]
    return rows


def _classed(found: Sequence[Turn], language: str) -> list[tuple[Turn, str]]:
    """Each turn with its class; equal pairs of texts, of which there are many, are judged once."""
    judged = functools.lru_cache(maxsize=None)(error_class)
    return [(turn, judged(turn.said, turn.gold, language)) for turn in found]
