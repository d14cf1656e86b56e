"""The English grammar of the picture world: the language LLaVA-Instruct is written in."""

from utils.corpus.scenes.asks import Ask
from utils.corpus.scenes.words import CATEGORY, COLOUR, KIND, NUMBERS
from utils.corpus.scenes.world import PLACES

CODE = "en"
PLACE_WORDS = {place: f"the {place} corner" for place in PLACES}
QUESTIONS = {
    "naming": ("What is in {place}?", "What can you see in {place}?", "What is this?"),
    "yes_no": ("Is there {a} in the picture?", "Do you see {a} in the picture?"),
    "counting": ("How many {plural} are there?", "How many {plural} can you see?"),
    "total": ("How many things are there in total?", "How many things can you see?"),
    "position": ("Where is {the}?", "Where can you see {the}?"),
    "background": ("What is the color of the background?", "What is the background color of the picture?"),
    "card": ("What color is the card behind {the}?", "What is the color of the card behind {the}?"),
    "category": ("What kind of thing is in {place}?", "What kind of thing is {the}?"),
    "listing": ("What do you see?", "What do you see in the picture?", "What things are in the picture?"),
    "description": ("Describe the picture in detail.", "Describe this picture.", "Can you describe the picture in detail?"),
    "comparison": ("Are there more {plural} or more {others}?",),
    "relation": ("What is on the left side of {the}?", "What is on the right side of {the}?", "What is above {the}?", "What is below {the}?"),
    "arithmetic": ("If we take one {one} away, how many {plural} remain?", "If we add {added}, how many things will there be?"),
    "group": ("How many {group} are there?", "How many {group} can you see?"),
}  # fmt: skip
SIDE_WORDS = ("to its left", "to its right", "above it", "below it")


def noun(kind: str, n: int) -> str:
    word = KIND[kind].words[CODE]
    return word.singular if n == 1 else word.plural


def a(singular: str) -> str:
    return f"{'an' if singular[0] in 'aeiou' else 'a'} {singular}"


def number(n: int) -> str:
    return NUMBERS[CODE][n][0]


def some(kind: str, n: int) -> str:
    """ "a dog", "two dogs"."""
    return a(noun(kind, 1)) if n == 1 else f"{number(n)} {noun(kind, n)}"


def exactly(kind: str, n: int) -> str:
    """ "one dog", "two dogs"."""
    return f"{number(n)} {noun(kind, n)}"


def join(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def be(n: int) -> str:
    return "is" if n == 1 else "are"


def things(n: int) -> str:
    return f"{number(n)} thing{'s' * (n != 1)}"


def question(ask: Ask) -> str:
    slots = {"place": PLACE_WORDS[PLACES[ask.cell]]} if ask.cell is not None else {}
    if ask.kind:
        one = noun(ask.kind, 1)
        slots |= {"a": a(one), "the": f"the {one}", "one": one, "plural": noun(ask.kind, 2)}
    if ask.type == "comparison":
        slots["others"] = noun(ask.other, 2)
    if ask.number:
        slots["added"] = things(ask.number)
    if ask.category:
        slots["group"] = CATEGORY[ask.category].words[CODE].plural
    return QUESTIONS[ask.type][ask.wording].format(**slots)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def answer(ask: Ask) -> str:
    scene, counts = ask.scene, ask.scene.counts
    colour = lambda key: COLOUR[key].words[CODE].singular  # noqa: E731
    match ask.type:
        case "naming":
            return f"It is {a(noun(ask.kind, 1))}."
        case "yes_no":
            n = counts.get(ask.kind, 0)
            return f"Yes, there {be(n)} {some(ask.kind, n)}." if n else f"No, there is no {noun(ask.kind, 1)}."
        case "counting":
            n = counts[ask.kind]
            return f"There {be(n)} {exactly(ask.kind, n)}."
        case "total":
            return f"There {be(len(scene.items))} {things(len(scene.items))}."
        case "position":
            return f"The {noun(ask.kind, 1)} is in {PLACE_WORDS[PLACES[ask.cell]]}."
        case "background":
            return f"The background is {colour(scene.background)}."
        case "card":
            return f"The card is {colour(scene.at(ask.cell).card)}."
        case "category":
            return f"It is {a(CATEGORY[KIND[ask.kind].category].words[CODE].singular)}."
        case "listing":
            return _capital(join([some(k, n) for k, n in counts.items()])) + "."
        case "description":
            return _description(ask, colour)
    return _reasoning(ask)


def _description(ask: Ask, colour) -> str:
    n = len(ask.scene.items)
    first = f"The background is {colour(ask.scene.background)} and there {be(n)} {things(n)}."
    rest = [
        f"In {PLACE_WORDS[PLACES[i.cell]]} there is {a(noun(i.kind, 1))}" + (f" on {a(colour(i.card))} card." if i.card else ".")
        for i in ask.scene.items
    ]
    return " ".join([first, *rest])


def _reasoning(ask: Ask) -> str:
    counts = ask.scene.counts
    match ask.type:
        case "comparison":
            n, m = counts[ask.kind], counts[ask.other]
            more = f"more {noun(ask.kind if n > m else ask.other, 2)}" if n != m else "the same number of each"
            return f"There {be(n)} {exactly(ask.kind, n)} and {exactly(ask.other, m)}, so there {'are' if n != m else 'is'} {more}."
        case "relation":
            return f"The {noun(ask.kind, 1)} is in {PLACE_WORDS[PLACES[ask.cell]]}, and {SIDE_WORDS[ask.wording]} there is {a(noun(ask.other, 1))}."
        case "arithmetic" if ask.wording == 0:
            n = counts[ask.kind]
            return f"There are {exactly(ask.kind, n)}, and {number(n)} minus one is {number(n - 1)}."
        case "arithmetic":
            n = len(ask.scene.items)
            return f"There {be(n)} {things(n)}, and {number(n)} plus {number(ask.number)} is {number(n + ask.number)}."
        case "group":
            members = [(k, n) for k, n in counts.items() if KIND[k].category == ask.category]
            total = sum(n for _, n in members)
            word = CATEGORY[ask.category].words[CODE]
            listed = join([exactly(k, n) for k, n in members])
            return f"There {be(members[0][1])} {listed}, so there {be(total)} {number(total)} {word.singular if total == 1 else word.plural}."
    raise ValueError(f"no English answer for question type {ask.type!r}")
