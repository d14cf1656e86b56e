"""Probe VL-T5 and LLaVA with the same pictures and prompts: how they answer, in which language, how long, how right, and whether they look."""

import itertools
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from utils.corpus.scenes.asks import CONVERSATION, WORDINGS, Ask, truth
from utils.corpus.scenes.grammar import LANGUAGES, say
from utils.corpus.scenes.lists import LISTS
from utils.corpus.scenes.render import render
from utils.corpus.scenes.world import THESIS_PICTURES, Scene, single
from utils.evaluation.intervals import wilson
from utils.evaluation.reading import answer_language
from utils.evaluation.scenes_task import TEST_SEED, counterpart, questions
from utils.evaluation.scoring import judge

Answerer = Callable[[list[Image.Image], list[str]], list[str]]  # pictures and questions to answers, in order
WAYS = ("VL-T5, raw", "VL-T5, with prefix", "VL-T5, caption-tuned")
# What the thesis typed, and the same in other languages: a description, and everything that is there.
THESIS_PROMPTS = {
    "en": {"description": "Describe the image.", "listing": "What is in the picture?"},
    "pt-BR": {"description": "Descreva a imagem.", "listing": "O que há na imagem?"},
    "pt-PT": {"description": "Descreva a imagem.", "listing": "O que há na imagem?"},
    "it": {"description": "Descrivi l'immagine.", "listing": "Che cosa c'è nell'immagine?"},
    **{code: {"description": words.questions["description"][1], "listing": words.questions["listing"][2]} for code, words in LISTS.items()},
}
CHANGES = ("prefix", "targets and length", "architecture, size and start")  # what each step of `gap` changes


@dataclass(frozen=True)
class Prompt:
    """A question about a picture, its truth, and a picture on which the truth is another (None when there is none)."""

    type: str
    scene: Scene
    language: str
    question: str
    truth: dict
    other: Scene | None


def thesis_prompts(language: str) -> list[Prompt]:
    """The thesis's two prompts on its nine pictures, each drawn alone; the other picture is the next one."""
    pictures = [single(kind) for kind in THESIS_PICTURES]
    return [
        Prompt(kind_of_question, scene, language, question, truth(Ask(kind_of_question, scene)), other)
        for kind_of_question, question in THESIS_PROMPTS[language].items()
        for scene, other in zip(pictures, pictures[1:] + pictures[:1], strict=True)
    ]


def held_out_prompts(language: str, per_type: int, types: tuple[str, ...] = CONVERSATION, split: str = "known") -> list[Prompt]:
    """Balanced questions about held-out pictures, and for each a slightly changed picture with another right answer."""
    rng = random.Random(f"swap/{TEST_SEED}")
    asks = questions(split, per_type, types)
    return [Prompt(ask.type, ask.scene, language, say(ask, language)[0], truth(ask), counterpart(ask, rng)) for ask in asks]


def asks_for_description(question: str) -> bool:
    """True for the questions that want a whole description, in any language: those for which VL-T5's prefix is `caption:`."""
    blank = single(THESIS_PICTURES[0])
    known = {say(Ask("description", blank, wording), code)[0] for code in LANGUAGES for wording in range(WORDINGS["description"])}
    return question in known | {prompts["description"] for prompts in THESIS_PROMPTS.values()}


def with_prefix(question: str) -> str:
    """The text that VL-T5 was trained on: `vqa: question`, or `caption:` for a description."""
    from utils.models.vl_t5 import prompt

    return prompt("caption") if asks_for_description(question) else prompt("vqa", text=question)


def vl_t5_way(model, tokenizer, limit: int, change: Callable[[str], str] = str, batch: int = 64) -> Answerer:
    """A VL-T5 as an answerer: the picture world's detector finds its regions, `change` writes its text, at most `limit` tokens are said."""
    from utils.models.load import SHIPPED, load_folder
    from utils.models.regions import find_regions, shortened
    from utils.models.vl_t5 import QUESTION_LIMIT, answers

    llava, _ = load_folder(SHIPPED)

    def ask(pictures: list[Image.Image], asked: list[str]) -> list[str]:
        order, said = sorted(range(len(asked)), key=lambda i: asked[i]), [""] * len(asked)
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            seen = [shortened(one) for one in find_regions([pictures[i] for i in chosen], llava)]
            new = answers(model, tokenizer, [change(asked[i]) for i in chosen], seen, limit=limit, text_limit=QUESTION_LIMIT)
            for i, text in zip(chosen, new, strict=True):
                said[i] = text
        return said

    return ask


def vl_t5_ways(folder: Path) -> dict[str, Answerer]:
    """The three ways of asking the VL-T5 that training/vl_t5.py left in `folder`: as the demo, with prefix, and caption-tuned.

    The first two say at most 20 tokens (reported: the public demo), the third as many as a description needs.
    """
    from utils.models.vl_t5 import LONG_LIMIT, TEXT_LIMIT
    from utils.models.vl_t5_weights import open_vl_t5

    first, second = open_vl_t5(Path(folder) / "pretrain"), open_vl_t5(Path(folder) / "tune")
    ways = (vl_t5_way(*first, TEXT_LIMIT), vl_t5_way(*first, TEXT_LIMIT, with_prefix), vl_t5_way(*second, LONG_LIMIT))
    return dict(zip(WAYS, ways, strict=True))


def fusion_way(name: str, folder: Path, limit: int = 192) -> Answerer:
    """One of the taxonomy's small fusions as an answerer; `projector` has LLaVA's architecture."""
    from utils.evaluation.fusions import replies
    from utils.models.fusions import fusion, open_fusion

    model, tokenizer = open_fusion(name, folder)
    return lambda pictures, asked: replies(model, tokenizer, fusion(name).SLOTS, pictures, asked, limit=limit)


def llava_way(model, tokenizer) -> Answerer:
    """A LLaVA of transformers, tiny or a hub's, as an answerer."""
    from utils.evaluation.generate import answer_all

    return lambda pictures, asked: answer_all(model, tokenizer, pictures, asked)


def _counter() -> Callable[[str], int]:
    """Tokens of a text by one ruler for every model: the shipped base's tokenizer."""
    from utils.models.fusions.parts import base_tokenizer

    tokenizer = base_tokenizer()
    return lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"])


def _share(name: str, hits: int, total: int) -> dict:
    low, high = wilson(hits, total)
    return {name: hits / max(1, total), f"{name}_low": low, f"{name}_high": high, f"{name}_of": total}


def probe_row(name: str, prompts: list[Prompt], said: list[str], swapped: list[str], tokens: Callable[[str], int] | None = None) -> dict:
    """One row of the table from a model's answers to `prompts` and, with the other pictures, `swapped`.

    `right` is read in the prompt's language; `facts` is the share of facts of the descriptions alone; `moved` is the share
    of answers that another picture changed, `moved_right` of the right ones; intervals are Wilson's at 95 %.
    """
    tokens = tokens or _counter()
    language = prompts[0].language
    verdicts = [judge(text, p.type, p.truth, language) for p, text in zip(prompts, said, strict=True)]
    facts = [v.share for p, v in zip(prompts, verdicts, strict=True) if p.type == "description"]
    pairs = [(v.right, a != b) for p, v, a, b in zip(prompts, verdicts, said, swapped, strict=True) if p.other]
    spoken = Counter(answer_language(text, tuple(dict.fromkeys(("en", language)))) or "undecided" for text in said)
    row = {
        "model": name, "prompt": language, "answers": len(said), "languages": dict(spoken), "in_language": spoken[language] / len(said),
        "words": sum(len(text.split()) for text in said) / len(said), "tokens": sum(map(tokens, said)) / len(said),
        "facts": sum(facts) / len(facts) if facts else None, "example": said[0],
    }  # fmt: skip
    row |= _share("right", sum(v.right for v in verdicts), len(verdicts))
    row |= _share("moved", sum(moved for _, moved in pairs), len(pairs))
    return row | _share("moved_right", sum(moved for right, moved in pairs if right), sum(right for right, _ in pairs))


def probe_rows(models: dict[str, Answerer], prompts: list[Prompt]) -> list[dict]:
    """One row for each model (a name and its answerer), all asked the same prompts, which share one language; see `probe_row`."""
    pictures = [render(p.scene) for p in prompts]
    others = [render(p.other or p.scene) for p in prompts]
    asked, tokens = [p.question for p in prompts], _counter()
    return [probe_row(name, prompts, answer(pictures, asked), answer(others, asked), tokens) for name, answer in models.items()]


def gap(rows: list[dict], changes: tuple[str, ...] = CHANGES) -> list[dict]:
    """What each step between neighbouring rows (raw, prefix, caption-tuned, LLaVA) adds, and what all of them add.

    `right` is a difference of shares with its interval by Newcombe's method 10 (1998, doi 10.1002/(SICI)1097-0258(19980430)17:8<873),
    for independent samples, which is wide for the same prompts; `words` is a difference of mean lengths; `share` is the part of the whole gap.
    """
    steps = [(change, *pair) for change, pair in zip(changes, itertools.pairwise(rows), strict=True)]
    whole = rows[-1]["right"] - rows[0]["right"]
    found = []
    for change, a, b in [*steps, ("all", rows[0], rows[-1])]:
        more = b["right"] - a["right"]
        below = ((b["right"] - b["right_low"]) ** 2 + (a["right_high"] - a["right"]) ** 2) ** 0.5
        above = ((b["right_high"] - b["right"]) ** 2 + (a["right"] - a["right_low"]) ** 2) ** 0.5
        facts = None if a["facts"] is None or b["facts"] is None else b["facts"] - a["facts"]
        found.append(
            {
                "change": change,
                "from": a["model"],
                "to": b["model"],
                "right": more,
                "low": more - below,
                "high": more + above,
                "share": more / whole if whole else None,
                "facts": facts,
                "words": b["words"] - a["words"],
            }  # fmt: skip
        )
    return found
