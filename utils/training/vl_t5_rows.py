"""What a small VL-T5 learns from: short answers under the released prefixes first, whole captions and sentences after that."""

import dataclasses
import random

from utils.corpus.scenes import english, frames, italian, portuguese
from utils.corpus.scenes.asks import CONVERSATION, Ask, possible, truth
from utils.corpus.scenes.grammar import say
from utils.corpus.scenes.lists import LISTS
from utils.corpus.scenes.word_list import without_common
from utils.corpus.scenes.words import CATEGORY, COLOUR, KIND, parse
from utils.corpus.scenes.world import PLACES, Item, Scene
from utils.languages import ALL
from utils.models.vl_t5 import prompt
from utils.training.fusions import Budget, questions_of

CARD = {"en": "card", "pt-BR": "cartão", "pt-PT": "cartão", "it": "cartoncino", **{code: words.card or "card" for code, words in LISTS.items()}}
CORNER = {"en": ("the ", " corner"), "pt-BR": ("canto ", ""), "pt-PT": ("canto ", ""), "it": ("nell'angolo ", "")}
MASKED = 0.15  # reported: word_mask_rate in VL-T5/src/param.py
# Rows of each task among 16. Assumed: the released script draws a task for each row of its data sets, whose sizes differ.
TASKS = {"vqa": 10, "caption region": 2, "visual grounding": 2, "image text match": 1, "span prediction": 1}


@dataclasses.dataclass(frozen=True)
class Amount:
    """What a small VL-T5 gets: pictures, pictures a step and rows on each, steps and highest rate of each stage.

    A rate is relative to a matrix's size, as Adafactor's (T5 was pre-trained from nothing with about 1e-2, Raffel et al. 2020, section 3.1.2).

    `english` is the share of English rows in pre-training (1 is as released), the rest being in the target language, and in
    tuning the share of pictures whose questions also come in English. `types` are asked in tuning; in pre-training CONVERSATION is.
    """

    pictures: int = 1600
    batch: int = 4
    rows: int = 8
    steps: tuple[int, int] = (800, 260)
    rates: tuple[float, float] = (2e-2, 1e-2)
    english: tuple[float, float] = (0.5, 0.25)
    types: tuple[str, ...] = (*CONVERSATION, "description")


USUAL = Amount()


def number(n: int, gender: str, language: str) -> str:
    if language in LISTS:
        return frames.number(LISTS[language], n, gender)
    return {"en": lambda: english.number(n), "it": lambda: italian.number(n)}.get(language, lambda: portuguese.number(n, gender, language))()


def place(cell_name: str, language: str) -> str:
    """ "top left", "superior esquerdo": a corner without the word for corner."""
    if language in LISTS:
        return without_common(LISTS[language].places)[PLACES.index(cell_name)]
    words = {"en": english, "it": italian}.get(language, portuguese).PLACE_WORDS[cell_name]
    before, after = CORNER[language]
    return words.removeprefix(before).removesuffix(after)


def short_answer(ask: Ask, language: str) -> str:
    """The answer in one to three words, as VL-T5's question data sets have it; asked for everything, it names the commonest thing."""
    right = truth(ask)
    match ask.type:
        case "naming":
            return KIND[right["kind"]].words[language].singular
        case "listing":
            return KIND[max(right["counts"], key=right["counts"].get)].words[language].singular
        case "yes_no":
            return (ALL[language].yes if right["yes"] else ALL[language].no)[0]
        case "counting":
            return number(right["number"], KIND[ask.kind].words[language].gender, language)
        case "total":
            thing = parse(LISTS[language].thing).gender if language in LISTS else "f"  # things are feminine in Portuguese
            return number(right["number"], thing, language)
        case "position":
            return place(right["place"], language)
        case "background" | "card":
            return COLOUR[right["colour"]].words[language].singular
        case "category":
            return CATEGORY[right["category"]].words[language].singular
    raise ValueError(f"question type {ask.type!r} has no short answer")


def phrase(item: Item, language: str) -> str:
    """What stands in a region: the kind, and the colour of its card if it has one."""
    kind = KIND[item.kind].words[language].singular
    if item.card is None:
        return kind
    colour, card = COLOUR[item.card].words[language].singular, CARD[language]
    if language in LISTS:
        colour = LISTS[language].feminine.get(item.card, colour) if "{colour_f}" in LISTS[language].answers["card"] else colour
    return f"{kind}, {colour} {card}" if language == "en" else f"{kind}, {card} {colour}"


def listing(scene: Scene, language: str) -> str:
    return say(Ask("listing", scene), language)[1]


def region_name(scene: Scene, item: Item) -> str:
    return f"<vis_extra_id_{1 + scene.items.index(item)}>"  # the picture itself is the first region


def pretraining_row(task: str, scene: Scene, other: Scene, rng: random.Random, language: str) -> tuple[str, str] | None:
    """(encoder text, target) of one task of the released pre-training; None where the scene has no row of it."""
    match task:
        case "caption region":
            item = rng.choice(scene.items)
            return prompt(task, text=region_name(scene, item)), phrase(item, language)
        case "visual grounding":
            found = [item for item in scene.items if sum(phrase(i, language) == phrase(item, language) for i in scene.items) == 1]
            item = rng.choice(found) if found else None
            return item and (prompt(task, text=phrase(item, language)), region_name(scene, item))
        case "image text match":
            shown = rng.random() < 0.5 or other.counts == scene.counts
            return prompt(task, text=listing(scene if shown else other, language)), "true" if shown else "false"
        case "span prediction":
            words = listing(scene, language).split()
            at = rng.randrange(len(words))
            size = min(max(1, round(MASKED * len(words))), len(words) - at)
            masked = [*words[:at], "<extra_id_0>", *words[at + size :]]
            return prompt(task, text=" ".join(masked)), " ".join(["<extra_id_0>", *words[at : at + size]])
    raise ValueError(f"task {task!r} has no rows of its own")


def question_rows(scene: Scene, rng: random.Random, language: str, count: int) -> list[tuple[str, str]]:
    """`vqa: question` with a short answer, one question of each of `count` types."""
    rows = []
    for kind_of_question in rng.sample(CONVERSATION, k=len(CONVERSATION)):
        found = possible(scene, kind_of_question, rng)
        if found and len(rows) < count:
            ask = rng.choice(found)
            rows.append((prompt("vqa", text=say(ask, language)[0]), short_answer(ask, language)))
    return rows


def pretraining_rows(scene: Scene, other: Scene, rng: random.Random, language: str, amount: Amount) -> list[tuple[str, str]]:
    """A picture's rows of the first stage: no target is a whole caption."""
    tasks = rng.choices(list(TASKS), list(TASKS.values()), k=amount.rows)
    speak = lambda: "en" if rng.random() < amount.english[0] else language  # noqa: E731
    rows = [pretraining_row(task, scene, other, rng, speak()) for task in tasks if task != "vqa"]
    told = "en" if rng.random() < amount.english[0] else language
    return [row for row in rows if row] + question_rows(scene, rng, told, tasks.count("vqa"))


def tuning_rows(scene: Scene, rng: random.Random, language: str, amount: Amount, also_english: bool = False) -> list[tuple[str, str]]:
    """A picture's rows of the second stage: exactly the questions that `same_for_llava` gives a LLaVA of it, and `caption:`.

    `also_english` adds as many in English; the LLaVA gets them on the same pictures.
    """
    asked = questions_of(scene, rng, language, same_for_llava(amount))
    more = questions_of(scene, rng, "en", same_for_llava(amount)) if also_english else []
    return [*asked, *more, (prompt("caption"), say(Ask("description", scene), language)[1])]


def same_for_llava(amount: Amount) -> Budget:
    """The budget with which train_fusion sees the same pictures in the same order, and the same questions, as the second stage."""
    rounds = amount.steps[1] * amount.batch / amount.pictures
    return Budget(amount.pictures, amount.rows, amount.batch, rounds, amount.types, english=amount.english[1])
