"""How near captions come to what people wrote: chrF and BLEU by sacrebleu, and CIDEr-D written to its paper."""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from utils.runs import UserError

ORDERS = 4  # n-grams of 1 to 4 words (CIDEr paper, section 4)
SIGMA = 6.0  # standard deviation of the length penalty, in words (section 7, CIDEr-D)

Grams = list[Counter]  # one counter for each order


def words(text: str) -> list[str]:
    """The words that CIDEr-D counts: runs of Unicode letters and digits in lower case, accents kept, punctuation and emoji dropped.

    A hyphen inside a word stays ("guarda-chuva"), an apostrophe ends one ("l'", "uomo"). Scripts without spaces are not cut.
    The paper stems words, and its published script cuts with Stanford's English tokenizer in Java: values differ a little from both.
    """
    return re.findall(r"[^\W_]+(?:-[^\W_]+)*['’]?", unicodedata.normalize("NFC", text).lower())


def caption_scores(answers: Sequence[str], references: Sequence[Sequence[str]]) -> dict:
    """`chrf` and `bleu` (0 to 100, of the whole set) and `cider_d` (0 to 10, mean over pictures), with `items` and `empty` answers.

    An empty answer counts with score 0. `cider_d` is None for fewer than two pictures and all scores without any: an n-gram's
    weight comes from how many other pictures it fits. chrF and BLEU keep case and punctuation; BLEU cuts words as "13a".
    Raises UserError when a picture has no reference or the lengths differ.
    """
    from sacrebleu.metrics import BLEU, CHRF

    _check(answers, references)
    shared = {"items": len(answers), "empty": sum(not answer.strip() for answer in answers)}
    if not answers:
        return shared | {"chrf": None, "bleu": None, "cider_d": None}
    longest = max(map(len, references))  # sacrebleu wants the first references of all, then the second of all, …
    streams = [[of[n] if n < len(of) else None for of in references] for n in range(longest)]
    cider = cider_d(answers, references)
    return shared | {
        "chrf": min(100.0, CHRF().corpus_score(answers, streams).score),  # rounding could leave it a little over
        "bleu": min(100.0, BLEU(force=True).corpus_score(answers, streams).score),  # forced: an answer that ends in " ." is no reason to warn
        "cider_d": math.fsum(cider) / len(cider) if len(cider) > 1 else None,
    }


def cider_d(answers: Sequence[str], references: Sequence[Sequence[str]]) -> list[float]:
    """CIDEr-D of each answer against its picture's references, from 0 to 10.

    A caption equal to a single reference of four words or more has 10, if no order of its n-grams is in every picture's
    references; a shorter one lacks whole orders and has less. So has a caption by its likeness to each of several
    references that differ. One picture alone has 0: then every n-gram is in "every" picture. Raises UserError as
    `caption_scores` does. Vedantam et al. 2015 (arXiv 1411.5726), equations 1 to 5; the weight of an n-gram is its count
    times log(pictures / pictures whose references have it), as in tylin/coco-caption, which does not divide by length.
    """
    _check(answers, references)
    told = [[_grams(words(reference)) for reference in of] for of in references]
    pictures = _pictures_with(told)
    scores = []
    for answer, of in zip(answers, told, strict=True):
        said = _grams(words(answer))
        vectors = _weigh(said, pictures, len(told))
        likeness = math.fsum(_likeness(said, vectors, one, _weigh(one, pictures, len(told))) for one in of) / len(of)
        scores.append(10 * min(1.0, likeness))
    return scores


def _check(answers: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    if len(answers) != len(references):
        raise UserError(f"there are {len(answers)} captions and references for {len(references)} pictures; give one caption for each picture")
    bare = [n for n, of in enumerate(references, start=1) if isinstance(of, str) or not of]
    if bare:
        raise UserError(f"{len(bare)} pictures have no list of references, the first is number {bare[0]}; give each at least one in a list")


def _grams(text: list[str]) -> Grams:
    return [Counter(zip(*(text[start:] for start in range(n)), strict=False)) for n in range(1, ORDERS + 1)]


def _pictures_with(references: Iterable[Iterable[Grams]]) -> Counter:
    """For each n-gram, how many pictures have it in any of their references."""
    found: Counter = Counter()
    for of in references:
        found.update({gram for grams in of for order in grams for gram in order})
    return found


def _weigh(grams: Grams, pictures: Counter, total: int) -> list[dict]:
    """The n-grams' weights; one that no reference has weighs as if one picture had it."""
    return [{gram: count * math.log(total / max(1, pictures[gram])) for gram, count in order.items()} for order in grams]


def _likeness(said: Grams, vectors: list[dict], told: Grams, wanted: list[dict]) -> float:
    """Mean over the orders of the clipped cosine, times the penalty for another length; 0 to 1."""
    gap = said[0].total() - told[0].total()
    cosines = [_cosine(a, b) for a, b in zip(vectors, wanted, strict=True)]
    return math.exp(-(gap**2) / (2 * SIGMA**2)) * math.fsum(cosines) / ORDERS


def _cosine(said: dict, told: dict) -> float:
    """Cosine of two weighted counts, what is said more often than told cut to what is told; 0 where either has no weight."""
    sizes = math.hypot(*said.values()) * math.hypot(*told.values())
    return math.fsum(min(weight, told[gram]) * told[gram] for gram, weight in said.items() if gram in told) / sizes if sizes else 0.0
