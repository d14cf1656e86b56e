"""AdMIRe items drawn from the course's own idiom pictures, in the published layout, and a model's answers to them."""

import math
from collections.abc import Sequence
from pathlib import Path

from utils.corpus.idiom_pictures import NEARLY, SENSE, SHOWS, WHICH, gold_order, other, sense_of, sentence_in, sentences
from utils.corpus.images import load_picture
from utils.evaluation.admire import TYPES, Item, Prediction, picture_path, score_a
from utils.evaluation.admire_models import ASKS, answer_a, llava_score
from utils.evaluation.perplexity import answer_nll


def ask(sentence: str, compound: str) -> str:
    """The question that is put to each picture: that of the likelihood scorer, so that training and test word it alike."""
    return ASKS["pt"].format(sentence=sentence, compound=compound)


def own_items(compounds: Sequence[str], names: dict[str, dict[str, str]], flipped: bool = False, seed: int = 0) -> list[Item]:
    """One item a compound: in its first sense, or `flipped` in the other, as AdMIRe's extended set does; the sentence was never trained on."""
    found = []
    for compound in compounds:
        sense = sense_of(compound, seed)
        sense = other(sense) if flipped else sense
        sentence = sentence_in(sentences(compound, seed)[1], sense)
        gold = gold_order(names[compound], sense)
        found.append(Item(compound, "Extended Evaluation" if flipped else "Test", sense, sentence, gold, tuple(sorted(gold))))
    return found


def asked(model, tokenizer, folder: Path, items: Sequence[Item], language: str, steps: int = 1) -> dict:
    """Score a model on the items, one picture at a time, in one question or in two; returns `score_a`'s result and the predictions."""
    if steps == 2:
        said = [Prediction(item.compound, two_steps(model, tokenizer, folder, item)) for item in items]
    else:
        said = answer_a(llava_score(model, tokenizer, folder, language), items, language)
    return {"predictions": said, **score_a(items, said)}


def two_steps(model, tokenizer, folder: Path, item: Item) -> tuple[str, ...]:
    """The item's pictures, best first: how sure the model is of the sentence's sense, times how sure that the picture shows it.

    A picture that nearly shows a sense counts a third of one that does: assumed, it decides only who is second.
    """
    shown = [load_picture(picture_path(folder, f"{item.compound}/{name}")) for name in item.images]
    which, shows = WHICH.format(s=item.sentence, c=item.compound), SHOWS.format(c=item.compound)
    told = _likelihoods(model, tokenizer, shown, which, [SENSE[sense] for sense in TYPES])
    pictured = _likelihoods(model, tokenizer, shown, shows, [*(SENSE[sense] for sense in TYPES), *(NEARLY[sense] for sense in TYPES)])
    # No picture belongs to the sentence's own question: all are asked with it, and averaged.
    sure = [math.fsum(row[n] / math.fsum(row) for row in told) / len(told) for n in range(len(TYPES))]
    score = {
        name: math.fsum(sure[n] * (row[n] + row[n + len(TYPES)] / 3) for n in range(len(TYPES)))
        for name, row in zip(item.images, pictured, strict=True)
    }
    return tuple(sorted(item.images, key=lambda name: (-score[name], name)))


def _likelihoods(model, tokenizer, pictures: Sequence, question: str, answers: Sequence[str]) -> list[list[float]]:
    """For each picture the likelihood of each answer."""
    nats = answer_nll(
        model, tokenizer, [p for p in pictures for _ in answers], [question] * len(pictures) * len(answers), list(answers) * len(pictures)
    )
    return [[math.exp(-value) for value, _, _ in nats[at : at + len(answers)]] for at in range(0, len(nats), len(answers))]
