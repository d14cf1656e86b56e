"""AdMIRe items drawn from the course's own idiom pictures, in the published layout, and a model's answers to them."""

from collections.abc import Sequence
from pathlib import Path

from utils.corpus.idiom_pictures import gold_order, other, sense_of, sentence_in, sentences
from utils.evaluation.admire import Item, Prediction, score_a
from utils.evaluation.admire_models import ASKS, answer_a, llava_score


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


def asked(model, tokenizer, folder: Path, items: Sequence[Item], language: str) -> dict:
    """Score a model on the items, one picture at a time; returns `score_a`'s result and the predictions."""
    said: list[Prediction] = answer_a(llava_score(model, tokenizer, folder, language), items, language)
    return {"predictions": said, **score_a(items, said)}
