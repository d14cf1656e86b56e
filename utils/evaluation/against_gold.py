"""How good is the machine-translated corpus? The picture world has gold text, so it can be measured."""

import re
from collections import Counter
from pathlib import Path

from utils.corpus.conversations import IMAGE_TOKEN, read_rows
from utils.corpus.scenes.english import a
from utils.corpus.scenes.words import KINDS
from utils.evaluation.reading import fold


def turn_pairs(english: Path, translated: Path, gold: Path) -> list[tuple[str, str, str]]:
    """(English, translated, gold) of every turn of rows that were translated, matched by id."""
    by_id = {row["id"]: row for row in read_rows(translated)}
    right = {row["id"]: row for row in read_rows(gold)}
    pairs = []
    for row in read_rows(english):
        if row["id"] in by_id:
            triples = zip(row["conversations"], by_id[row["id"]]["conversations"], right[row["id"]]["conversations"], strict=True)
            pairs += [tuple(turn["value"].replace(IMAGE_TOKEN, "").strip() for turn in triple) for triple in triples]
    return pairs


def chrf(pairs: list[tuple[str, str, str]]) -> float:
    """chrF of the translation against gold (sacrebleu), 0–100; synonyms count as errors."""
    from sacrebleu.metrics import CHRF

    return CHRF().corpus_score([said for _, said, _ in pairs], [[gold for _, _, gold in pairs]]).score


def identical(pairs: list[tuple[str, str, str]]) -> float:
    return sum(fold(said) == fold(gold) for _, said, gold in pairs) / max(1, len(pairs))


def noun_forms(pairs: list[tuple[str, str, str]], language: str) -> list[dict]:
    """For each kind, how the translator named it in "It is a …": forms with counts, and which the word list accepts."""
    asked = {f"It is {a(kind.words['en'].singular)}.": kind for kind in KINDS}
    found: dict[str, Counter] = {}
    for source, said, _ in pairs:
        if source in asked:
            noun = re.split(r"\b(?:um|uma|un|una|uno)[ ']", said.rstrip("."))[-1]
            found.setdefault(asked[source].key, Counter())[noun] += 1
    rows = []
    for kind in KINDS:
        forms = found.get(kind.key)
        if not forms:
            continue
        accepted = {fold(form) for form in kind.words[language].forms}
        rows.append(
            {
                "kind": kind.key,
                "gold": kind.words[language].singular,
                "translator": ", ".join(f"{f} ×{n}" for f, n in forms.most_common()),
                "accepted": all(fold(form) in accepted for form in forms),
                "forms": len(forms),
            }  # fmt: skip
        )
    return rows
