"""The short tasks of the picture world: its question types under the names of The Cauldron's, answered in a word as that set answers.

Which question type stands for which task is ours: assumed. Seven of the 15 have no counterpart here (geometry, puzzles, medicine, two pictures).
"""

import random
from collections.abc import Sequence

from utils.corpus.conversations import IMAGE_TOKEN
from utils.corpus.scenes import english, italian, portuguese
from utils.corpus.scenes.asks import Ask, possible, truth
from utils.corpus.scenes.grammar import say
from utils.corpus.scenes.lists import LISTS
from utils.corpus.scenes.words import CATEGORIES, CATEGORY, COLOUR, KIND, NUMBERS, Word, parse
from utils.corpus.scenes.world import PLACES, Scene
from utils.languages import ALL
from utils.runs import UserError

# Sentences that ask for a word, and for a letter. Italian: LLaVA-NDiNO's (swapUniba/LLaVA-NDiNO), European Portuguese: AMALIA-VL's
# (AMALIA-LLM/amalia-vl-eval), English: LLaVA 1.5's (haotian-liu/LLaVA docs/Evaluation.md): reported. The Brazilian ones are ours.
SUFFIXES = {
    "en": ("Answer the question using a single word or phrase.", "Answer with the option's letter from the given choices directly."),
    "pt-BR": ("Responda à pergunta com uma única palavra ou expressão.", "Responda diretamente com a letra da alternativa correta."),
    "pt-PT": ("Responde à pergunta utilizando uma palavra ou frase.", "Responde diretamente com a letra da opção das opções disponíveis."),
    "it": ("Rispondi utilizzando una sola parola o frase.", "Rispondi utilizzando la lettera dell'opzione corretta."),
    **{code: (ALL[code].short_answer, words.letter) for code, words in LISTS.items() if words.letter},
}
# The Cauldron's task -> question types of the picture world; "choices" gives options with letters, "long" no suffix.
TYPES: dict[str, tuple[str, ...]] = {
    "aokvqa": ("choices",),
    "clevr": ("comparison", "relation", "arithmetic"),
    "cocoqa": ("naming", "background"),
    "iconqa": ("total", "group"),
    "localized_narratives": ("long",),
    "tallyqa": ("counting",),
    "visual7w": ("position", "category"),
    "vqav2": ("yes_no", "naming", "card"),
}
NO_COUNTERPART = {
    "geomverse": "geometry in words and lines", "intergps": "geometry in words and lines", "mimic_cgd": "two pictures",
    "nlvr2": "two pictures", "raven": "a puzzle of patterns", "spot_the_diff": "two pictures",
    "vqarad": "medical pictures",
}  # fmt: skip
LETTERS = "ABCD"
_PLACES = {
    "en": english.PLACE_WORDS, "pt-BR": portuguese.PLACE_WORDS, "pt-PT": portuguese.PLACE_WORDS, "it": italian.PLACE_WORDS,
    **{code: dict(zip(PLACES, words.places, strict=True)) for code, words in LISTS.items()},
}  # fmt: skip


def suffix(language: str, kind: str = "short") -> str:
    """The sentence that asks for a word ("short") or a letter ("option"); a language without one of its own asks for a word alone."""
    own = SUFFIXES.get(language)
    if own is None and (kind == "option" or language not in ALL):
        raise UserError(f"{language!r} has no sentence that asks for {'a letter' if kind == 'option' else 'a word'}; add it to tasks.SUFFIXES")
    return own[kind == "option"] if own else ALL[language].short_answer


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def number_word(n: int, word: Word | None, language: str) -> str:
    """A number that stands alone, in the gender of what it counts ("duas", "una")."""
    forms, feminine = NUMBERS[language][n], word is not None and word.gender == "f"
    if language == "it":
        return ("una" if feminine else "uno") if n == 1 else forms[0]
    return forms[-1] if feminine and (language.startswith("pt") or language in LISTS) and n > 0 else forms[0]


def short_answer(ask: Ask, language: str) -> str:
    """The answer in a word or phrase, capital first and a full stop, as The Cauldron writes it ("Two.").

    Raises ValueError for types whose answer is no word: listing and description.
    """
    found = truth(ask)
    kind = lambda key: KIND[key].words[language]  # noqa: E731
    match ask.type:
        case "naming" | "relation":
            said = kind(found["kind"]).singular
        case "yes_no":
            said = (ALL[language].yes if found["yes"] else ALL[language].no)[0]
        case "counting" | "arithmetic" | "total" | "group":
            said = number_word(found["number"], _counted(ask, language), language)
        case "position":
            said = _PLACES[language][PLACES[ask.cell]]
        case "background" | "card":
            said = COLOUR[found["colour"]].words[language].singular
        case "category":
            said = CATEGORY[found["category"]].words[language].singular
        case "comparison":
            said = ALL[language].equal[0] if found["more"] == "equal" else kind(found["more"]).plural
        case _:
            raise ValueError(f"the question type {ask.type!r} has no answer of one word")
    return _capital(said) + "."


def _counted(ask: Ask, language: str) -> Word | None:
    """The noun whose gender a number takes; things in general are feminine in Portuguese and Italian ("duas coisas")."""
    if ask.category:
        return CATEGORY[ask.category].words[language]
    if ask.kind:
        return KIND[ask.kind].words[language]
    return parse(LISTS[language].thing) if language in LISTS else Word("f", "", "")


def multiple_choice(scene: Scene, language: str, rng: random.Random) -> tuple[str, str]:
    """(question, letter): what kind of thing stands in a place, with four options of which one is right."""
    ask = rng.choice([one for one in possible(scene, "category", rng) if one.wording == 0] or possible(scene, "category", rng))
    right = truth(ask)["category"]
    options = rng.sample([c.key for c in CATEGORIES if c.key != right], k=3)
    options.insert(place := rng.randrange(4), right)
    listed = [f"{letter}. {CATEGORY[key].words[language].singular}" for letter, key in zip(LETTERS, options, strict=True)]
    return "\n".join([say(ask, language)[0], *listed, suffix(language, "option")]), LETTERS[place]


def turns_of_task(scene: Scene, task: str, language: str, rng: random.Random) -> list[tuple[str, str]]:
    """The questions that a task asks about a scene with their short answers; yes and no come in pairs, other types at most twice."""
    if TYPES[task] == ("choices",):
        return [multiple_choice(scene, language, rng)]
    if TYPES[task] == ("long",):
        return [say(Ask("description", scene, rng.randrange(3)), language)]
    turns = []
    for kind in TYPES[task]:
        asks = possible(scene, kind, rng)
        chosen = asks if kind == "yes_no" else rng.sample(asks, k=min(2, len(asks)))
        turns += [(f"{say(ask, language)[0]}\n{suffix(language)}", short_answer(ask, language)) for ask in chosen]
    return list(dict(turns).items())  # two askings may draw the same words


def world_rows(scene: Scene, picture: str, language: str, tasks: Sequence[str] = tuple(TYPES), each: int = 3, seed: int = 0) -> list[dict]:
    """LLaVA rows of `each` tasks, drawn by `seed`, about one picture; a task that has no question about the scene gives no row."""
    rng = random.Random(f"ndino tasks/{seed}/{picture}")
    found = []
    for task in rng.sample(list(tasks), k=min(each, len(tasks))):
        turns = turns_of_task(scene, task, language, rng)
        conversations = [
            {"from": speaker, "value": f"{IMAGE_TOKEN}\n{text}" if n == 0 and speaker == "human" else text}
            for n, turn in enumerate(turns)
            for speaker, text in zip(("human", "gpt"), turn, strict=True)
        ]
        if turns:
            found.append({"id": picture, "image": f"{picture}.png", "conversations": conversations, "turns": "independent", "task": task})
    return found
