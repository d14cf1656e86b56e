"""mBLIP's mix made small: each example in one language, drawn by the language's share, with the answer's language named in the prompt.

Source: gregor-ge/mBLIP, data/llava/translate_train.py (one language an example, by shares of mC4), data/vqa/generate_train.py (half
of the questions in another language are answered in English), data/pretrain/generate_match_train.py (captions to accept or refuse).
mBLIP finds hard captions by CLIP; here a hard caption is that of a picture that differs in one kind or one number.
"""

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from utils.corpus.conversations import IMAGE_TOKEN
from utils.corpus.multilingual.names import common, names
from utils.corpus.multilingual.templates import TYPES, answer_in, ask, listed, tongue
from utils.corpus.scenes.words import KIND
from utils.corpus.scenes.world import Scene, belongs, look_alikes, scene_of, uneven, vary
from utils.runs import UserError

LANGUAGES = ("en", "pt-BR", "it", "es", "fr", "de", "ru", "tr", "zh", "ar")  # of the default mix; the others may be added
# Reported: percent of mC4 (Xue et al. 2021, arXiv 2010.11934), as mBLIP's translate_train.py has it. mBLIP's "pt" and "zh" name no variety.
MC4 = {
    "en": 43.843, "ru": 11.309, "es": 6.594, "de": 6.089, "fr": 5.066, "it": 2.985, "pt-BR": 2.748, "zh": 2.396, "tr": 1.479, "ar": 1.031,
    "ja": 0.950, "fa": 0.906, "ko": 0.268, "id": 0.217,
}  # fmt: skip
# Reported: the shares with which mT5 was trained, mC4's raised to 0.3 (mt5_lang_dist in translate_match_train.py): nearly even.
MT5 = {
    "en": 8.485, "ru": 3.779, "es": 3.148, "de": 3.107, "fr": 2.944, "it": 2.475, "pt-BR": 2.404, "zh": 1.701, "tr": 1.966, "ar": 1.691,
    "ja": 1.956, "fa": 1.701, "ko": 1.161, "id": 1.834,
}  # fmt: skip
IN_ENGLISH = 0.5  # reported, for VQA: share of the questions in another language whose answer is asked for in English
VQA = ("naming", "presence", "counting")
TRIES = 400


@dataclass(frozen=True)
class Example:
    """One question about one picture, free of language: `kind` is what it asks about, `shown` the list to accept or refuse."""

    type: str
    scene: Scene
    truth: dict
    kind: str = ""
    shown: tuple[tuple[str, int], ...] = ()


def sayable(scene: Scene, kinds: Iterable[str]) -> bool:
    """Whether every kind of the scene is among the kinds that have a name in all languages of the mix."""
    return set(scene.counts) <= set(kinds)


def near_miss(scene: Scene, kinds: tuple[str, ...], split: str, rng: random.Random) -> Scene | None:
    """A picture whose list differs in one kind or one number; None where there is none.

    One to learn from stays in the training split: what is held out must not be learnt from a list either.
    """
    for _ in range(TRIES):
        other = vary(scene, rng)
        if other.counts != scene.counts and sayable(other, kinds) and (split != "train" or belongs(other, split)):
            return other
    return None


def pictures_of(split: str, index: int, kinds: tuple[str, ...], seed: int) -> tuple[Scene, Scene]:
    """(the picture, its near miss): by turns one kind alone, unequal numbers, look-alikes, so that no question is scarce.

    In training a coin decides which of the two is the picture: a list then tells nothing about whether it fits. Raises UserError
    where the kinds named in all languages are too few.
    """
    alone = (lambda scene: len(scene.counts) == 1) if split != "pairs" else uneven  # a held-out pair is two kinds
    shape = (alone, uneven, look_alikes)[index % 3]
    rng = random.Random(f"multilingual/{split}/{seed}/{index}")
    for number in range(TRIES):
        scene = scene_of(split, index * TRIES + number, seed)
        if sayable(scene, kinds) and shape(scene) and (other := near_miss(scene, kinds, split, rng)):
            return (other, scene) if split == "train" and rng.random() < 0.5 else (scene, other)
    raise UserError(f"only {len(kinds)} kinds have a name in all of these languages, too few for pictures of {split!r}; take fewer languages")


def _presence(scene: Scene, kinds: tuple[str, ...], rng: random.Random) -> Example:
    present = rng.choice(list(scene.counts))
    absent = [kind for kind in kinds if kind not in scene.counts]
    alike = [kind for kind in absent if KIND[kind].category == KIND[present].category]
    kind = present if rng.random() < 0.5 else rng.choice(alike if alike and rng.random() < 0.7 else absent)
    return Example("presence", scene, {"yes": kind in scene.counts}, kind)


def examples_of(scene: Scene, other: Scene, kinds: tuple[str, ...], rng: random.Random) -> list[Example]:
    """One example of each type that the picture allows: a name is asked for where one kind stands alone."""
    counts = scene.counts
    # Things that stand more than once are asked for thrice as often, so that "1" is no safe answer.
    kind = rng.choices(list(counts), [3 if number > 1 else 1 for number in counts.values()])[0]
    fits = rng.random() < 0.5
    found = [
        _presence(scene, kinds, rng),
        Example("counting", scene, {"number": counts[kind]}, kind),
        Example("caption", scene, {"counts": counts}),
        Example("matching", scene, {"yes": fits}, shown=tuple((scene if fits else other).counts.items())),
    ]
    if len(counts) == 1:
        found.insert(0, Example("naming", scene, {"kind": next(iter(counts))}))
    return found


def say(example: Example, language: str, answer: str) -> tuple[str, str]:
    """(question in `language`, right answer in the language `answer`); the question's last line names the answer's language."""
    nouns = names(language)
    about = listed(dict(example.shown), language) if example.shown else nouns.get(example.kind, "")
    question = f"{ask(example.type, language, about)}\n{answer_in(answer)}"
    truth, record = example.truth, tongue(answer)
    match example.type:
        case "naming":
            return question, names(answer)[truth["kind"]]
        case "counting":
            return question, str(truth["number"])
        case "caption":
            return question, listed(truth["counts"], answer)
    return question, (record.yes if truth["yes"] else record.no)[0]


def checked_shares(languages: tuple[str, ...], shares: Mapping[str, float]) -> dict[str, float]:
    """The shares of the languages, made to add up to 1; raises UserError for none, an unknown one, one twice or one without a share."""
    if not languages or len(set(languages)) < len(languages):
        raise UserError(f"the languages {', '.join(languages) or '(none)'} are none or name one twice; name each once")
    for code in languages:
        tongue(code)
        if not 0 < shares.get(code, 0) < float("inf"):
            raise UserError(f"the language {code!r} has no share above 0; give it one or leave it out of the languages")
    total = sum(shares[code] for code in languages)
    return {code: shares[code] / total for code in languages}


def apportion(count: int, shares: Mapping[str, float], rng: random.Random) -> list[str]:
    """A language for each of `count` examples in random order: as many of each as its share gives, remainders to the largest.

    mBLIP cuts a shuffled file by the shares in the same way, and drops what is left.
    """
    exact = {code: count * share for code, share in shares.items()}
    seats = {code: int(number) for code, number in exact.items()}
    by_rest = sorted(exact, key=lambda code: (seats[code] - exact[code], code))
    for code in by_rest[: count - sum(seats.values())]:
        seats[code] += 1
    drawn = [code for code, number in seats.items() for _ in range(number)]
    rng.shuffle(drawn)
    return drawn


def to_row(example: Example, picture: str, language: str, answer: str) -> dict:
    """A LLaVA row: `language` is the one drawn, in which the question stands, `answer_language` the one its prompt names."""
    question, said = say(example, language, answer)
    return {
        "id": f"{picture}-{example.type}", "image": f"{picture}.png",
        "conversations": [{"from": "human", "value": f"{IMAGE_TOKEN}\n{question}"}, {"from": "gpt", "value": said}],
        "language": language, "answer_language": answer, "type": example.type, "truth": example.truth,
    }  # fmt: skip


def draw(split: str, pictures: int, languages: tuple[str, ...], seed: int = 0) -> Iterator[list[Example]]:
    """The examples of each picture; equal for equal languages, whatever their shares."""
    kinds = common(languages)
    for index in range(pictures):
        scene, other = pictures_of(split, index, kinds, seed)
        yield examples_of(scene, other, kinds, random.Random(f"examples/{split}/{seed}/{index}"))


def mixed(drawn: list[list[Example]], shares: Mapping[str, float], in_english: float = IN_ENGLISH, seed: int = 0) -> list[dict]:
    """The rows of a mix: within each type the languages have exactly their shares. Shares add up to 1 (`checked_shares`)."""
    rng = random.Random(f"languages/{seed}")
    queues = {type: apportion(sum(one.type == type for some in drawn for one in some), shares, rng) for type in TYPES}
    rows = []
    for number, some in enumerate(drawn, start=1):
        for one in some:
            language = queues[one.type].pop()
            english = "en" in shares and one.type in VQA and rng.random() < in_english
            rows.append(to_row(one, f"{number:012d}", language, "en" if english else language))
    return rows


def held_out_rows(split: str, pictures: int, languages: tuple[str, ...], seed: int = 2024) -> tuple[list[Scene], list[dict]]:
    """(pictures, rows) of a test: every example in every language, answered in it, so that languages differ in nothing else.

    The rows' `image` counts the pictures from 1.
    """
    drawn = list(draw(split, pictures, languages, seed))
    rows = [to_row(one, f"{n:012d}", code, code) for n, some in enumerate(drawn, start=1) for one in some for code in languages]
    return [some[0].scene for some in drawn], [row | {"id": f"{row['id']}-{row['language']}"} for row in rows]
