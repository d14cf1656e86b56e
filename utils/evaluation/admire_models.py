"""Rankers for AdMIRe: a LLaVA that sees one picture at a time, and baselines that see none.

LLaVA 1.5 takes one picture a prompt (haotian-liu/LLaVA), so five pictures are five questions, and no place can be
preferred. The score is how much likelier "yes" is than "no" in the item's language. The wording of the questions is
ours: assumed, not tuned on any item.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from utils.corpus.images import load_picture
from utils.evaluation.admire import DCG_RANDOM, TYPES, Item, Prediction, picture_path, score_a, score_b
from utils.languages import ALL
from utils.runs import UserError

Score = Callable[[str, str], float]  # (picture "<compound>/<file name>", question) -> how well they fit, higher is better

ASKS = {  # part A: one question a picture
    "pt": 'Na frase "{sentence}", a expressão "{compound}" tem um sentido. A imagem mostra esse sentido? Responda sim ou não.',
    "en": 'In the sentence "{sentence}", the expression "{compound}" has one meaning. Does the picture show that meaning? Answer yes or no.',
    "it": 'Nella frase "{sentence}", l\'espressione "{compound}" ha un significato. L\'immagine mostra quel significato? Rispondi sì o no.',
}
CONTINUES = 'A story about "{compound}" begins with two pictures: {first} Then: {second} Is this picture the next one? Answer yes or no.'
LITERAL = 'Does this picture show "{compound}" word for word, in its literal meaning? Answer yes or no.'


def question(item: Item, language: str) -> str:
    """The question that is put to each picture; raises UserError where the language or the sentence is missing."""
    if item.sequence:
        first, second = (caption.strip() for caption in item.sequence)
        return CONTINUES.format(compound=item.compound, first=first, second=second)
    if language[:2] not in ASKS:
        raise UserError(f"AdMIRe has no question in {language!r}; use en, pt-BR or it")
    if not item.sentence:
        raise UserError(f"the item {item.compound!r} has no sentence; give the file with the sentences, not the scorer's gold")
    return ASKS[language[:2]].format(sentence=item.sentence, compound=item.compound)


def rank_by_likelihood(score: Score, item: Item, language: str = "pt-BR") -> list[str]:
    """The item's file names from best to worst, each picture scored alone, so their order cannot matter.

    Equal scores are ordered by name; a score that is no number comes last.
    """
    asked = question(item, language)
    found = {name: score(f"{item.compound}/{name}", asked) for name in item.images}
    return sorted(item.images, key=lambda name: (math.isnan(found[name]), -found[name] if not math.isnan(found[name]) else 0.0, name))


def type_by_likelihood(score: Score, item: Item) -> str:
    """Part B's second answer: literal if the story's first two pictures, s1.png and s2.png, are likelier so than not."""
    asked = LITERAL.format(compound=item.compound)
    return "literal" if math.fsum(score(f"{item.compound}/{name}", asked) for name in ("s1.png", "s2.png")) > 0 else "idiomatic"


def answer_a(score: Score, items: Sequence[Item], language: str) -> list[Prediction]:
    """A submission for part A."""
    return [Prediction(item.compound, tuple(rank_by_likelihood(score, item, language))) for item in items]


def answer_b(score: Score, items: Sequence[Item]) -> list[Prediction]:
    """A submission for part B, which exists in English only; needs the captions of the story's pictures."""
    bare = [item.compound for item in items if not item.sequence]
    if bare:
        raise UserError(f"the item {bare[0]!r} has no sequence_caption1 and 2; give the file of part B with them")
    return [Prediction(item.compound, (rank_by_likelihood(score, item, "en")[0],), type_by_likelihood(score, item)) for item in items]


def llava_score(model, tokenizer, folder: Path, language: str) -> Score:
    """How much likelier a model says yes than no, in nats: log p("Sim") - log p("Não"), end token included.

    Capitalised, as answers in LLaVA's training data begin. Pictures lie in `folder/<compound>/<file name>`; raises
    UserError for one that is missing, broken or outside.
    """
    record = ALL[language]
    words = [record.yes[0].capitalize(), record.no[0].capitalize()]

    def score(picture: str, asked: str) -> float:
        from utils.evaluation.perplexity import answer_nll

        shown = load_picture(picture_path(folder, picture))
        (yes, *_), (no, *_) = answer_nll(model, tokenizer, [shown, shown], [asked, asked], words)
        return no - yes

    return score


def one_sense(items: Sequence[Item], sense: str) -> list[Prediction]:
    """What a ranker says that takes every sentence in one sense and is right otherwise, made from the gold (part A).

    For the other sense it puts the gold's third and fourth picture first: those of this sense (the data's five roles;
    their order among themselves is assumed and changes no figure). "literal" is the CLIP-like ranker, "idiomatic" the
    language model's habit.
    """
    if sense not in TYPES:
        raise ValueError(f"the sense is {sense!r}; use literal or idiomatic")
    found = []
    for item in items:
        if not item.gold or not item.sentence_type:
            raise UserError(f"the item {item.compound!r} hides its order or its type; this baseline needs the gold file")
        order = item.gold if item.sentence_type == sense else (*item.gold[2:4], *item.gold[:2], *item.gold[4:])
        found.append(Prediction(item.compound, order))
    return found


def majority_type(items: Sequence[Item]) -> str:
    """The more frequent type, literal where both are as frequent; raises UserError where all are hidden."""
    times = Counter(item.sentence_type for item in items if item.sentence_type)
    if not times:
        raise UserError("all items hide their sentence_type; give the training file, which has it")
    return max(TYPES, key=lambda sense: times[sense])


def baselines_a(gold: Sequence[Item], train: Sequence[Item] = ()) -> dict[str, dict[str, dict]]:
    """Name -> split -> {"items", "top1", "dcg"}: random (exact means of the 120 orders), one sense always, the majority sense.

    The majority is that of `train`, or of the gold itself without it. On the extended set, where every compound returns
    in the other sense, a majority learnt per compound would be wrong throughout.
    """
    senses = {"literal only": "literal", "idiomatic only": "idiomatic", "majority type": majority_type(train or gold)}
    found = {name: score_a(gold, one_sense(gold, sense))["splits"] for name, sense in senses.items()}
    chance = {split: {**figures, "top1": 0.2, "dcg": DCG_RANDOM} for split, figures in found["literal only"].items()}
    return {
        name: {split: {key: figures[key] for key in ("items", "top1", "dcg")} for split, figures in table.items()}
        for name, table in ({"random": chance} | found).items()
    }


def baselines_b(gold: Sequence[Item], train: Sequence[Item] = ()) -> dict[str, dict[str, float]]:
    """Name -> {"item", "type"}: random (exact), and the type always literal or always the majority, its picture at random."""
    found = {"random": {"item": 0.25, "type": 0.5}}
    for name, sense in (("literal only", "literal"), ("majority type", majority_type(train or gold))):
        said = [Prediction(item.compound, item.gold, sense) for item in gold]
        found[name] = {"item": 0.25, "type": score_b(gold, said)["splits"]["all"]["type"]}
    return found


def both_senses(first: dict, second: dict) -> dict:
    """Of the compounds that two scored sets share in opposite senses, how many are right in both: the test that memory fails.

    Takes two results of `score_a` (test and extended). Guessing gets 0.04 of them, one sense always 0.
    """
    other = {row["compound"]: row for row in second["rows"]}
    pairs = [(row, other[row["compound"]]) for row in first["rows"] if row["compound"] in other]
    pairs = [(one, two) for one, two in pairs if {one["sentence_type"], two["sentence_type"]} == set(TYPES)]
    right = Counter((one["top1"], two["top1"]) for one, two in pairs)
    return {"pairs": len(pairs), "both": right[True, True], "one": right[True, False] + right[False, True], "neither": right[False, False]}
