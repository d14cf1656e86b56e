"""The picture world's own test: held-out pictures, balanced answers, each type against its majority baseline."""

import dataclasses
import random
import time
from collections import Counter, defaultdict
from dataclasses import dataclass

from utils.corpus.scenes.asks import TYPES, Ask, possible, truth
from utils.corpus.scenes.grammar import say
from utils.corpus.scenes.render import render
from utils.corpus.scenes.world import Scene, scene_of, vary
from utils.evaluation.generate import answer_all
from utils.evaluation.intervals import majority_share, wilson
from utils.evaluation.reading import answer_language
from utils.evaluation.scoring import judge

TEST_SEED = 2024


@dataclass(frozen=True)
class Answer:
    """One question, what the model said, and the verdict. `asked_in` is the question's language."""

    type: str
    scene: Scene
    key: str
    asked_in: str
    question: str
    gold: str
    truth: dict
    said: str
    right: bool
    share: float
    said_in: str | None


def answer_key(ask: Ask) -> str:
    """The right answer as a short key: what is balanced, and what the majority baseline counts."""
    right = truth(ask)
    if ask.type == "comparison":  # "the first one named" is a guess that needs no picture
        return {"equal": "equal", ask.kind: "first", ask.other: "second"}[right["more"]]
    return repr(right) if ask.type == "description" else repr(next(iter(right.values())))


def questions(split: str, per_type: int, types: tuple[str, ...] = TYPES, seed: int = TEST_SEED) -> list[Ask]:
    """`per_type` questions of each type on the split's pictures, spread evenly over the right answers where that can be.

    An even spread keeps "one" or "equal" from being the safe guess.
    """
    rng = random.Random(f"questions/{split}/{seed}")
    pools: dict[str, dict[str, list[Ask]]] = {t: defaultdict(list) for t in types}
    for index in range(max(60, per_type * 8)):
        scene = scene_of(split, index, seed)
        for kind_of_question in types:
            found = possible(scene, kind_of_question, rng)
            if found:
                ask = rng.choice(found)
                pools[kind_of_question][answer_key(ask)].append(ask)
    chosen = []
    for kind_of_question in types:
        groups = list(pools[kind_of_question].values())
        picked: list[Ask] = []
        while groups and len(picked) < per_type:
            groups = [group for group in groups if group]
            rng.shuffle(groups)
            picked += [group.pop(0) for group in groups[: per_type - len(picked)]]
        chosen += picked
    return chosen


def ask_all(
    model, tokenizer, asks: list[Ask], language: str, style: str = "openmoji", shown: list[Scene] | None = None, wording: list[str] | None = None,
    max_new_tokens: int = 96,
) -> list[Answer]:  # fmt: skip
    """Put every question in `language` to the model; `shown` replaces the pictures (to test whether it sees), `wording` the questions."""
    said = [say(ask, language) for ask in asks]
    if wording:
        said = [(question, gold) for question, (_, gold) in zip(wording, said, strict=True)]
    pictures = [render(scene, style) for scene in (shown or [ask.scene for ask in asks])]
    replies = answer_all(model, tokenizer, pictures, [question for question, _ in said], max_new_tokens=max_new_tokens)
    results = []
    for ask, (question, gold), reply in zip(asks, said, replies, strict=True):
        verdict = judge(reply, ask.type, truth(ask), language)
        spoken = answer_language(reply, tuple(dict.fromkeys(("en", language, "it"))))
        results.append(
            Answer(ask.type, ask.scene, answer_key(ask), language, question, gold, truth(ask), reply, verdict.right, verdict.share, spoken)
        )
    return results


def answer_seconds(model, tokenizer, asks: list[Ask], language: str, warm: int = 8) -> float:
    """Seconds per 100 answers of a model in memory, after `warm` that do not count."""
    pictures, wording = [render(ask.scene) for ask in asks], [say(ask, language)[0] for ask in asks]
    answer_all(model, tokenizer, pictures[:warm], wording[:warm])
    started = time.perf_counter()
    answer_all(model, tokenizer, pictures, wording)
    return 100 * (time.perf_counter() - started) / len(asks)


def table(answers: list[Answer]) -> list[dict]:
    """One row per type and one for all: right, total, share, interval, baseline, share of facts, answers in the language asked."""
    rows = []
    for name in (*TYPES, "all"):
        some = [a for a in answers if name in (a.type, "all")]
        if not some:
            continue
        right = sum(a.right for a in some)
        low, high = wilson(right, len(some))
        base = majority_share([a.key for a in some]) if name != "all" else _mean_baseline(answers)
        rows.append(
            {
                "type": name,
                "right": right,
                "total": len(some),
                "share": right / len(some),
                "low": low,
                "high": high,
                "baseline": base,
                "facts": sum(a.share for a in some) / len(some),
                "in_language": sum(a.said_in == a.asked_in for a in some) / len(some),
                "languages": dict(Counter(a.said_in or "undecided" for a in some)),
            }  # fmt: skip
        )
    return rows


def _mean_baseline(answers: list[Answer]) -> float:
    by_type = defaultdict(list)
    for a in answers:
        by_type[a.type].append(a.key)
    return sum(majority_share(truths) * len(truths) for truths in by_type.values()) / len(answers)


def counterpart(ask: Ask, rng: random.Random, tries: int = 400) -> Scene | None:
    """A slightly changed picture on which the same question has another right answer; None when none was found."""
    question, answer = say(ask, "en")[0], truth(ask)
    for _ in range(tries):
        scene = ask.scene
        for _ in range(rng.randint(1, 2)):
            scene = vary(scene, rng)
        if ask.type == "yes_no":
            candidates = [dataclasses.replace(ask, scene=scene)]
        else:
            found = possible(scene, ask.type, rng)
            candidates = (
                found if ask.type == "relation" else [dataclasses.replace(a, wording=ask.wording, number=ask.number) for a in found if _fits(a, ask)]
            )
        if any(say(c, "en")[0] == question and truth(c) != answer for c in candidates):
            return scene
    return None


def _fits(candidate: Ask, ask: Ask) -> bool:
    """Same shape of question: with the kind it names, if it names one, and the same cell if it names a place."""
    if ask.type in ("naming", "category"):
        return candidate.cell == ask.cell
    return candidate.kind == ask.kind and candidate.other == ask.other


def other_pictures(asks: list[Ask], seed: int = TEST_SEED) -> list[Scene]:
    """For each question a picture on which its right answer is different (its own picture where there is none)."""
    rng = random.Random(f"swap/{seed}")
    return [counterpart(ask, rng) or ask.scene for ask in asks]


def seeing(before: list[Answer], swapped: list[Answer], shown: list[Scene]) -> dict:
    """Of the right answers whose picture was swapped for one with another truth: how many changed."""
    pairs = [(a, b) for a, b, scene in zip(before, swapped, shown, strict=True) if a.right and scene != a.scene]
    changed = sum(a.said != b.said for a, b in pairs)
    low, high = wilson(changed, len(pairs))
    return {"right": len(pairs), "changed": changed, "share": changed / max(1, len(pairs)), "low": low, "high": high}
