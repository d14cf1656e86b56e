"""Give pieces that a model never trained a start: the English pieces they are aligned with in the translated corpus.

IBM model 1 (Brown et al. 1993) finds the alignments; to start new-language embeddings from aligned old ones is the
idea of WECHSEL (Minixhofer et al., arXiv 2112.06598). Only pieces listed as untrained by the start model are touched:
a hub's LLaMA has none, so there the step does nothing.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from utils.corpus.conversations import read_rows, turns_of

UNTRAINED = "untrained_pieces.json"
ROUNDS = 6  # of expectation maximisation; more change nothing at this size


def untrained_pieces(folder: Path) -> list[int]:
    """Ids of the pieces that the model of a folder never saw in training; empty where nothing is known."""
    try:
        return list(json.loads((Path(folder) / UNTRAINED).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return []


def pieces_of(tokenizer, files: Iterable[Path]) -> set[int]:
    """Ids of all pieces that the texts of LLaVA files are cut into."""
    texts = {text for path in files for row in read_rows(path) for turn in turns_of(row) for text in turn}
    return {piece for text in texts for piece in tokenizer(text, add_special_tokens=False)["input_ids"]}


def parallel_texts(english: Iterable[Path], translated: Iterable[Path]) -> list[tuple[str, str]]:
    """Unique (English, translated) turns of the rows both files have, matched by id."""
    pairs: dict[tuple[str, str], None] = {}
    for source, target in zip(english, translated, strict=True):
        by_id = {row["id"]: row for row in read_rows(source)}
        for row in read_rows(target):
            if row["id"] in by_id:
                for before, after in zip(turns_of(by_id[row["id"]]), turns_of(row), strict=True):
                    pairs.update(dict.fromkeys(zip(before, after, strict=True)))
    return list(pairs)


def alignment(pairs: list[tuple[list[int], list[int]]], size: int) -> np.ndarray:
    """(size, size) float32: for each target piece (row) the shares of English pieces it stands for; zero rows for unseen ones."""
    chances = np.full((size, size), 1 / size, dtype=np.float32)
    counts = chances
    for _ in range(ROUNDS):
        counts = np.zeros((size, size), dtype=np.float32)
        for english, target in pairs:
            rows, columns = np.array(target), np.array(english)
            shares = chances[np.ix_(rows, columns)]
            shares = shares / shares.sum(axis=1, keepdims=True)
            np.add.at(counts, (rows[:, None], columns[None]), shares)
        chances = counts / np.maximum(counts.sum(axis=0, keepdims=True), 1e-9)
        chances = np.maximum(chances, 1e-12)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-9)


@torch.no_grad()
def align_vocabulary(model, tokenizer, texts: list[tuple[str, str]], untrained: list[int], keep: float = 0.1) -> int:
    """Start each untrained piece of the target texts from its English mixture; returns how many were given one.

    A share `keep` of the old embedding stays, so that pieces with one and the same mixture can be told apart.
    """
    ids = lambda text: tokenizer(text, add_special_tokens=False)["input_ids"]  # noqa: E731
    pairs = [(ids(a), ids(b)) for a, b in texts]
    used = {piece for english, _ in pairs for piece in english}
    fresh = sorted(set(untrained) & {piece for _, target in pairs for piece in target} - used)
    if not fresh or not used:
        return 0
    embeddings = model.get_input_embeddings().weight
    mixture = torch.from_numpy(alignment(pairs, len(tokenizer))[fresh]).to(embeddings) @ embeddings[: len(tokenizer)]
    usual = embeddings[sorted(used)].norm(dim=-1).mean()
    embeddings[fresh] = (1 - keep) * mixture * usual / mixture.norm(dim=-1, keepdim=True) + keep * embeddings[fresh]
    return len(fresh)


def strongest(tokenizer, texts: list[tuple[str, str]], untrained: list[int], most: int = 12) -> list[dict]:
    """The untrained pieces with the clearest alignment, as rows for reading: piece, English piece, share."""
    ids = lambda text: tokenizer(text, add_special_tokens=False)["input_ids"]  # noqa: E731
    pairs = [(ids(a), ids(b)) for a, b in texts]
    fresh = sorted(set(untrained) & {piece for _, target in pairs for piece in target})
    shares = alignment(pairs, len(tokenizer))
    best = sorted(fresh, key=lambda piece: -shares[piece].max())[:most]
    return [
        {"piece": tokenizer.decode([p]), "English piece": tokenizer.decode([int(shares[p].argmax())]), "share": f"{shares[p].max():.2f}"}
        for p in best
    ]
