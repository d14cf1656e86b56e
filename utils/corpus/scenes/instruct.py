"""Write the picture world as the five LLaVA-Instruct files, English, with gold texts beside them.

Relations as in the originals (haotian-liu/LLaVA issues 29, 156, 488, 658): the 150k file is the union of
conversation, detail and complex reasoning; the 80k file is a sub-sample of conversation and reasoning that first
takes pictures found in only one of both. Rows stand 58 : 23 : 77, as the names say.
"""

import random
import time
from collections.abc import Iterable
from pathlib import Path

from utils.corpus.conversations import IMAGE_TOKEN, write_rows
from utils.corpus.scenes.asks import CONVERSATION, REASONING, Ask, possible
from utils.corpus.scenes.grammar import LANGUAGES, say
from utils.corpus.scenes.render import render
from utils.corpus.scenes.world import Scene, look_alikes, scene_of, scene_where, uneven
from utils.runs import complete, finish, text_hash, write_json

FILES = ("conversation_58k.json", "detail_23k.json", "complex_reasoning_77k.json", "llava_instruct_150k.json", "llava_instruct_80k.json")
PARTS = FILES[:3]
SHARES = (58 / 81, 23 / 81, 77 / 81)  # rows per picture: LLaVA-Instruct has 158k rows over 81k pictures
CONVERSATION_TURNS, REASONING_TURNS = 9, 3
GOLD = tuple(code for code in LANGUAGES if code != "en")


def _balanced(scene: Scene, types: Iterable[str], turns: int, rng: random.Random) -> list[Ask]:
    """`turns` different questions, types in random order, yes and no in pairs."""
    found: list[Ask] = []
    for kind_of_question in rng.sample(list(types), k=len(list(types))):
        asks = possible(scene, kind_of_question, rng)
        found += asks if kind_of_question == "yes_no" else rng.sample(asks, k=min(len(asks), 2))
    rng.shuffle(found)
    return found[:turns]


def picture_scene(index: int, seed: int) -> Scene:
    """The index-th picture of the corpus; every second one must be counted, so that "one" is no safe answer."""
    if index % 2 == 0:
        return scene_of("train", index, seed)
    return scene_where(uneven if index % 4 == 1 else look_alikes, "train", index, seed)


def draw_rows(index: int, seed: int) -> dict[str, list[Ask]]:
    """The questions of one picture by file; a picture need not be in each file."""
    scene = picture_scene(index, seed)
    rng = random.Random(f"instruct/{seed}/{index}")
    asked = {}
    for name, share in zip(PARTS, SHARES, strict=True):
        if rng.random() >= share:
            continue
        if name == PARTS[0]:
            asked[name] = _balanced(scene, CONVERSATION, CONVERSATION_TURNS, rng)
        elif name == PARTS[1]:
            asked[name] = possible(scene, "description", rng)
        else:
            asked[name] = _balanced(scene, REASONING, REASONING_TURNS, rng)
    return asked


def to_row(picture: str, asks: list[Ask], language: str, before: bool) -> dict:
    """A LLaVA row. `independent` marks turns that do not lean on earlier ones, so that training may part them."""
    conversations = []
    for number, ask in enumerate(asks):
        question, answer = say(ask, language)
        if number == 0:
            question = f"{IMAGE_TOKEN}\n{question}" if before else f"{question}\n{IMAGE_TOKEN}"
        conversations += [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]
    return {"id": picture, "image": f"{picture}.png", "conversations": conversations, "turns": "independent"}


def sub_sample(conversation: list[dict], reasoning: list[dict], rng: random.Random) -> list[dict]:
    """40 of each 79 rows from each part, pictures found in only one part first (the authors' rule for 80k)."""
    chosen = []
    for rows, others in ((conversation, reasoning), (reasoning, conversation)):
        elsewhere = {row["id"] for row in others}
        alone = [row for row in rows if row["id"] not in elsewhere]
        shared = [row for row in rows if row["id"] in elsewhere]
        wanted = round((len(conversation) + len(reasoning)) * 40 / 135)
        chosen += alone[:wanted] + rng.sample(shared, k=max(0, min(len(shared), wanted - len(alone))))
    return chosen


def write_corpus(folder: Path, pictures: int, seed: int = 0) -> dict:
    """Write images/, the five files and gold/<language>/<file>; returns the manifest. Skips itself when complete.

    A corpus that was written before a language was added gets that language's gold text alone.
    """
    inputs = text_hash("corpus", pictures, seed, SHARES, CONVERSATION_TURNS, REASONING_TURNS)
    done = complete(folder, inputs)
    if done:
        lacking = [language for language in GOLD if not (folder / "gold" / language / FILES[4]).exists()]
        if lacking:
            _write_texts(folder, pictures, seed, lacking)
        return done
    started = time.monotonic()
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for index in range(pictures):
        render(picture_scene(index, seed)).save(folder / "images" / f"{index + 1:012d}.png")
    counts = _write_texts(folder, pictures, seed, ("en", *GOLD))
    write_json(folder / "ATTRIBUTION.json", {"artwork": "OpenMoji 17.0, CC BY-SA 4.0, https://openmoji.org; pictures made from it share alike"})
    return finish(folder, inputs, started, pictures=pictures, seed=seed, rows=counts)


def _write_texts(folder: Path, pictures: int, seed: int, languages: Iterable[str]) -> dict[str, int]:
    """The five files in each language, the sub-sample last; returns how many rows each part has."""
    rows = {language: {name: [] for name in PARTS} for language in languages}
    for index in range(pictures):
        picture = f"{index + 1:012d}"
        for name, asks in draw_rows(index, seed).items():
            before = random.Random(f"side/{seed}/{picture}/{name}").random() < 0.5
            for language, parts in rows.items():
                parts[name].append(to_row(picture, asks, language, before))
    for language, parts in rows.items():
        place = folder if language == "en" else folder / "gold" / language
        for name in PARTS:
            write_rows(place / name, parts[name])
        union = [row for name in PARTS for row in parts[name]]
        write_rows(place / FILES[3], union)
        write_rows(place / FILES[4], sub_sample(parts[PARTS[0]], parts[PARTS[2]], random.Random(f"80k/{seed}")))
    return {name: len(part) for name, part in next(iter(rows.values())).items()}
