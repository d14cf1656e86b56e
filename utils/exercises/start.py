"""The exercises of notebook 00: ask the English base about another picture, catch it wrong, and draw a picture of one's own."""

import dataclasses
import functools
import random

from utils.corpus.scenes.asks import WORDINGS, Ask, possible, truth
from utils.corpus.scenes.grammar import LANGUAGES, say
from utils.corpus.scenes.words import COLOURS, KIND
from utils.corpus.scenes.world import THESIS_PICTURES, Scene, scene_of, single

# Words that few languages but English write so. The identifier of utils/translation knows five languages, too few for anybody's own.
_ENGLISH = frozenset(
    "what which where who how many much are the you see this that picture there describe things tell they with were have not".split()
)


@functools.cache
def base():
    """(model, tokenizer) of the shipped English base, loaded once for all checks."""
    from utils.models.load import SHIPPED, load_folder

    return load_folder(SHIPPED)


def base_says(scenes: list[Scene], questions: list[str]) -> list[str]:
    """The base's own answers, one for each (scene, question)."""
    from utils.corpus.scenes.render import render
    from utils.evaluation.generate import answer_all

    return answer_all(*base(), [render(scene) for scene in scenes], questions)


def reads_english(text: str) -> bool:
    """True for a text of which a quarter or more is common English words."""
    from utils.evaluation.reading import tokens

    words = tokens(text)
    return sum(word in _ENGLISH for word in words) >= max(1, len(words) / 4)


def other_picture(answer: dict) -> str:
    """a dict with "kind", a thing of the picture world, and "said", a dict from each question to what the base said

    Copy: one thing that the notebook has not shown, asked in English and in another language.
    """
    kind, said = answer["kind"], dict(answer["said"].items())
    if kind not in KIND:
        return f"the kind: {kind!r} is none of the picture world's {len(KIND)} things; `KIND` in utils/corpus/scenes/words.py names them"
    if kind in THESIS_PICTURES:
        return f"the kind: section 5 asks about {kind!r} already; choose another thing"
    asked = {code: {say(Ask("listing", single(kind), w), code)[0] for w in range(WORDINGS["listing"])} & set(said) for code in LANGUAGES}
    if not asked["en"] or not any(found for code, found in asked.items() if code != "en"):
        return "the questions: hand in section 5's two, `english` and `target`, word by word"
    real = dict(zip(said, base_says([single(kind)] * len(said), list(said)), strict=True))
    wrong = [question for question in said if said[question].strip() != real[question]]
    if wrong and sorted(said.values()) == sorted(real.values()):
        return "which answer belongs to which question: they are exchanged"
    return f"the answer to {wrong[0]!r}: asked about `single({kind!r})`, the base says something else" if wrong else ""


def asks_about(scene: Scene, kind_of_question: str) -> list[Ask]:
    """Every question of a type about a scene, in every wording that makes sense; raises ValueError for an unknown type."""
    found = possible(scene, kind_of_question, random.Random(0))
    if kind_of_question == "yes_no":
        return [Ask("yes_no", scene, wording, kind=kind) for kind in KIND for wording in range(2)]
    if kind_of_question == "relation":
        return found
    if kind_of_question == "arithmetic":
        return [ask for ask in found if not ask.wording] + [Ask("arithmetic", scene, 1, number=n) for n in (1, 2)]
    wordings = range(2 if kind_of_question == "naming" and len(scene.items) > 1 else WORDINGS[kind_of_question])
    return [dataclasses.replace(ask, wording=wording) for ask in found for wording in wordings]


def wrong_answer(answer: dict) -> str:
    """a dict with "picture" (the n of scene_of("known", n)), "type", "question" (in English) and "said"

    Adapt: a question that the English base answers wrongly in its own language.
    """
    from utils.evaluation.scoring import judge

    number, kind_of_question, question, said = (answer[key] for key in ("picture", "type", "question", "said"))
    scene = scene_of("known", number)
    asks = [ask for ask in asks_about(scene, kind_of_question) if say(ask, "en")[0] == question.strip()]
    if not asks:
        return f"the question: no {kind_of_question} question about picture {number} reads {question!r}; take it from `say(ask, 'en')`"
    real = base_says([scene], [question.strip()])[0]
    if said.strip() != real:
        return "what you hand in as said: the base's words on this picture are others; ask it, do not guess"
    if judge(real, kind_of_question, truth(asks[0]), "en").right:
        return f"the picture: {real!r} is right there; go on to other pictures, or to a type that needs several facts"
    return ""


def _scene_problem(scene: Scene) -> str:
    """What keeps a hand-made scene from being a picture of this exercise, or ""."""
    colours, cells = {colour.key for colour in COLOURS}, [item.cell for item in scene.items]
    strange = [item.kind for item in scene.items if item.kind not in KIND]
    shades = [shade for shade in (scene.background, *(item.card for item in scene.items)) if shade is not None and shade not in colours]
    if strange or shades:
        return (
            f"the scene: the picture world has no {(strange or shades)[0]!r}; `KIND` and `COLOURS` in utils/corpus/scenes/words.py name what it has"
        )
    if len(set(cells)) < len(cells) or not set(cells) <= set(range(4)):
        return "the cells: each thing stands in its own, 0 to 3 (top left, top right, bottom left, bottom right)"
    if len(scene.counts) < 2:
        return "the things: draw at least two different kinds, so that the answer can miss one"
    return "the cards: one has the background's colour, so nobody could see it" if scene.background in [i.card for i in scene.items] else ""


def own_scene(answer: dict) -> str:
    """a dict with "scene" (a Scene), "question" (yours, not English), "said" and "named" (the scene's kinds that the answer names)

    Own data: a picture and a question of one's own; does an answer in the wrong language still look?
    """
    from utils.evaluation.reading import read, values

    scene, question, said, named = (answer[key] for key in ("scene", "question", "said", "named"))
    problem = _scene_problem(scene)
    if problem:
        return problem
    if not question.strip() or reads_english(question):
        return "the question: ask in a language that the base never learnt, not in English"
    real = base_says([scene], [question])[0]
    if said.strip() != real:
        return "what you hand in as said: of this scene and question the base's words are others"
    mentioned = set(values(read(real, "en"), "kind"))
    invented = sorted(set(named) - set(scene.counts))
    if invented:
        return f"named: there is no {invented[0]} in your picture; what the base invents is no sight"
    if set(named) != mentioned & set(scene.counts):
        return f"named: the answer is {real!r}; list the kinds of your scene that stand in it, and no other"
    return ""


EXERCISES = {"00.1": other_picture, "00.2": wrong_answer, "00.3": own_scene}
