"""The grammar of every language that is given as a word list: sentences whose gaps are filled with nouns, numbers and places."""

import functools
import re
import string

from utils.corpus.scenes.asks import WORDINGS, Ask
from utils.corpus.scenes.lists import LISTS
from utils.corpus.scenes.word_list import GENDERS, WordList, lines_of, numbers_of
from utils.corpus.scenes.words import CATEGORIES, CATEGORY, COLOUR, COLOURS, KIND, KINDS, Word, parse
from utils.corpus.scenes.world import PLACES
from utils.runs import UserError

NUMBERED = 7  # numbers 0 to 6
# Sentence -> the gaps that it may have besides its articles; a sentence about a noun may use every article of the list as a gap.
QUESTION_GAPS = {
    "naming": "place", "yes_no": "a", "counting": "plural how_many", "total": "", "position": "the", "background": "", "card": "the",
    "category": "place the", "listing": "", "description": "", "comparison": "plural others", "relation": "the",
    "arithmetic": "a plural how_many added", "group": "group how_many",
}  # fmt: skip
ANSWER_GAPS = {
    "naming": "a", "yes": "a exactly there", "no": "a singular", "counting": "exactly there", "total": "exactly there", "position": "the place",
    "background": "colour colour_f", "card": "colour colour_f", "category": "a", "listing": "listed", "description": "colour colour_f exactly there",
    "thing": "a place", "thing on card": "a place colour colour_f", "more": "exactly others more there", "equal": "exactly others there",
    "relation": "the place side other", "take away": "exactly there n makes result", "add": "exactly there n m makes result",
    "group": "listed there total there_all",
}  # fmt: skip
OF_NOUN = {*QUESTION_GAPS, *ANSWER_GAPS} - {"total", "background", "listing", "description", "group", "add"}


def number(words: WordList, n: int, gender: str = "m") -> str:
    """A number as a word, in the form for a feminine noun where there is one; "m" is that which stands alone."""
    forms = numbers_of(words)[n]
    return forms[-1] if gender == "f" and n > 0 else forms[0]


def articled(words: WordList, word: Word) -> dict[str, str]:
    """Gap -> the noun behind that article: {"a": "un perro", "the": "el perro", …}."""
    elided = "'" if words.elided and word.singular[0].lower() in words.elided else ""
    return {gap: forms.get(word.gender + elided, forms.get(word.gender, "")) + word.singular for gap, forms in words.articles.items()}


def exactly(words: WordList, word: Word, n: int) -> str:
    """ "un perro", "dos perros": one is said with the article."""
    return articled(words, word)["a"] if n == 1 else f"{number(words, n, word.gender)} {word.plural}"


def listed(words: WordList, parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])}{words.joined}{parts[-1]}"


def _verb(pair: tuple[str, str], n: int) -> str:
    return pair[n != 1]


def _capital(text: str) -> str:
    """The first letter large, also behind an opening mark ("¿Cuántos …")."""
    return re.sub(r"[^\W\d_]", lambda first: first[0].upper(), text, count=1)


def question(ask: Ask, code: str) -> str:
    """The question in a language that is given as a word list; raises UserError where the list is not complete."""
    words = complete_list(code)
    gaps = {"place": words.places[ask.cell]} if ask.cell is not None else {}
    counted = None
    if ask.kind:
        counted = KIND[ask.kind].words[code]
        gaps |= articled(words, counted) | {"plural": counted.plural}
    if ask.type == "comparison":
        gaps["others"] = KIND[ask.other].words[code].plural
    if ask.number:
        gaps["added"] = exactly(words, parse(words.thing), ask.number)
    if ask.category:
        counted = CATEGORY[ask.category].words[code]
        gaps["group"] = counted.plural
    if counted:
        gaps["how_many"] = words.how_many.get(counted.gender, "")
    return _capital(words.questions[ask.type][ask.wording].format(**gaps))


def answer(ask: Ask, code: str) -> str:
    """The gold answer, as `question` is made."""
    words = complete_list(code)
    if ask.type == "description":
        return _description(words, ask)
    name, gaps = _reasoning(words, ask) if ask.type in ("comparison", "relation", "arithmetic", "group") else _simple(words, ask)
    return _capital(words.answers[name].format(**gaps))


def _colours(words: WordList, key: str) -> dict[str, str]:
    plain = COLOUR[key].words[words.code].singular
    return {"colour": plain, "colour_f": words.feminine.get(key, plain)}


def _simple(words: WordList, ask: Ask) -> tuple[str, dict[str, str]]:
    """(the sentence's name, its gaps) of the types that state one fact, and of listing."""
    scene, counts, code = ask.scene, ask.scene.counts, words.code
    kind = KIND[ask.kind].words[code] if ask.kind else None
    gaps = articled(words, kind) | {"singular": kind.singular} if kind else {}
    match ask.type:
        case "yes_no" | "counting":
            n = counts.get(ask.kind, 0)
            if not n:
                return "no", gaps
            return "yes" if ask.type == "yes_no" else "counting", gaps | {"exactly": exactly(words, kind, n), "there": _verb(words.there, n)}
        case "total":
            n = len(scene.items)
            return "total", {"exactly": exactly(words, parse(words.thing), n), "there": _verb(words.there, n)}
        case "position":
            return "position", gaps | {"place": words.places[ask.cell]}
        case "background":
            return "background", _colours(words, scene.background)
        case "card":
            return "card", gaps | _colours(words, scene.at(ask.cell).card)
        case "category":
            return "category", articled(words, CATEGORY[KIND[ask.kind].category].words[code])
        case "listing":
            return "listing", {"listed": listed(words, [exactly(words, KIND[k].words[code], n) for k, n in counts.items()])}
    return "naming", gaps


def _description(words: WordList, ask: Ask) -> str:
    n = len(ask.scene.items)
    gaps = {"exactly": exactly(words, parse(words.thing), n), "there": _verb(words.there, n)}
    said = [words.answers["description"].format(**gaps, **_colours(words, ask.scene.background))]
    for item in ask.scene.items:
        gaps = articled(words, KIND[item.kind].words[words.code]) | {"place": words.places[item.cell]}
        name = "thing on card" if item.card else "thing"
        said.append(words.answers[name].format(**gaps, **(_colours(words, item.card) if item.card else {})))
    return " ".join(map(_capital, said))


def _reasoning(words: WordList, ask: Ask) -> tuple[str, dict[str, str]]:
    counts, code = ask.scene.counts, words.code
    word = lambda key: KIND[key].words[code]  # noqa: E731
    some = lambda key, n: {"exactly": exactly(words, word(key), n), "there": _verb(words.there, n)}  # noqa: E731
    match ask.type:
        case "comparison":
            n, m = counts[ask.kind], counts[ask.other]
            gaps = articled(words, word(ask.kind)) | some(ask.kind, n) | {"others": exactly(words, word(ask.other), m)}
            return ("equal", gaps) if n == m else ("more", gaps | {"more": word(ask.kind if n > m else ask.other).plural})
        case "relation":
            other = articled(words, word(ask.other))["a"]
            return "relation", articled(words, word(ask.kind)) | {
                "place": words.places[ask.cell], "side": words.beside[ask.wording], "other": other,
            }  # fmt: skip
        case "arithmetic" if ask.wording == 0:
            n = counts[ask.kind]
            gaps = articled(words, word(ask.kind)) | some(ask.kind, n)
            return "take away", gaps | {"n": number(words, n), "makes": _verb(words.makes, n - 1), "result": number(words, n - 1)}
        case "arithmetic":
            n, m = len(ask.scene.items), ask.number
            gaps = {"exactly": exactly(words, parse(words.thing), n), "there": _verb(words.there, n), "n": number(words, n), "m": number(words, m)}
            return "add", gaps | {"makes": _verb(words.makes, n + m), "result": number(words, n + m)}
    members = [(k, n) for k, n in counts.items() if KIND[k].category == ask.category]
    all_of_them = sum(n for _, n in members)
    return "group", {
        "listed": listed(words, [exactly(words, word(k), n) for k, n in members]), "there": _verb(words.there, members[0][1]),
        "total": exactly(words, CATEGORY[ask.category].words[code], all_of_them), "there_all": _verb(words.there, all_of_them),
    }  # fmt: skip


def problems(words: WordList) -> list[str]:
    """What is wrong with a word list, one sentence each, with the fix; empty for a complete one."""
    found = [*_of_words(words), *_of_sentences(words)]
    if len(numbers_of(words)) != NUMBERED:
        found.append(f"`numbers` must be the {NUMBERED} words from 0 to 6, and has {len(numbers_of(words))}")
    found += [f"`{name}` needs four entries" for name in ("places", "beside") if len(set(getattr(words, name))) != len(PLACES)]
    found += [f"`sides` needs words for {side!r}" for side in ("top", "bottom", "left", "right") if not words.sides.get(side)]
    return found


def _of_words(words: WordList) -> list[str]:
    found, owner = [], {}
    genders = set()
    for sort, entries in (("kinds", KINDS), ("categories", CATEGORIES), ("colours", COLOURS)):
        known = {entry.key for entry in entries}
        found += [
            f"`{sort}` has a line for {key!r}, which the picture world does not have; take it out"
            for key in set(lines_of(getattr(words, sort))) - known
        ]
        for key, line in lines_of(getattr(words, sort)).items():
            word = parse(line)
            if sort != "colours" and "/" not in line.partition("=")[0]:
                found.append(f"the line of {key!r} in `{sort}` has no plural; write it as singular/plural, also where both are the same")
            genders |= {word.gender} if sort != "colours" else set()
            for form in {*word.forms} if sort == "kinds" else ():
                if owner.setdefault(form.lower(), key) != key:
                    found.append(
                        f"{form!r} stands for {owner[form.lower()]!r} and for {key!r}; an answer could not be read, so give it to one of them"
                    )
    genders.add(parse(words.thing).gender)
    for gap, forms in {"the": {}, "a": {}, **words.articles, "how_many": words.how_many}.items():
        lacking = sorted(genders - set(forms))
        if lacking and not (gap == "how_many" and not forms):
            found.append(f"{gap!r} needs a form for the gender {lacking[0]!r} (of {', '.join(GENDERS)}, or '' for none)")
    return found


def _of_sentences(words: WordList) -> list[str]:
    found = []
    for name, count in WORDINGS.items():
        if len(words.questions.get(name, ())) != count:
            found.append(f"the questions of {name!r} need {count} wordings, and have {len(words.questions.get(name, ()))}")
    found += [f"the answer {name!r} is missing; add it" for name in ANSWER_GAPS if not words.answers.get(name)]
    sentences = [(name, text, QUESTION_GAPS) for name, texts in words.questions.items() for text in texts]
    for name, text, gaps in [*sentences, *((name, text, ANSWER_GAPS) for name, text in words.answers.items())]:
        allowed = {*gaps.get(name, "").split(), *(words.articles if name in OF_NOUN else ())}
        unknown = {gap for _, gap, _, _ in string.Formatter().parse(text) if gap is not None} - allowed
        found += [
            f"“{text}” has the gap {{{gap}}}, which {name!r} cannot fill; it has: {', '.join(sorted(allowed)) or 'none'}" for gap in sorted(unknown)
        ]
    return found


@functools.cache
def complete_list(code: str) -> WordList:
    """The word list of a language; raises UserError with the first thing that is wrong with it."""
    wrong = problems(LISTS[code])
    if wrong:
        raise UserError(f"the word list of {code!r}: {wrong[0]}")
    return LISTS[code]
