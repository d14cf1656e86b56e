"""Shared-image packing against one padded row per question: learnt tokens a second, same model, same questions."""

import time

import torch

from utils.models.load import SHIPPED, image_tokens, load_folder
from utils.models.prompts import IGNORE, encode_prefix
from utils.training.data import PackCollator
from utils.training.english_base import SceneStream
from utils.training.objective import language_loss
from utils.training.packing import Pack

PICTURES, ROUNDS = 8, 6


def run() -> list[dict]:
    model, tokenizer = load_folder(SHIPPED)
    model.train()
    collate = PackCollator(tuple(encode_prefix(tokenizer, image_tokens(model))), tokenizer.pad_token_id)
    data = SceneStream(tokenizer, PICTURES, seed=1)
    items = [data[n] for n in range(PICTURES)]
    apart = [{"packs": [Pack("", (branch,))], "pixels": item["pixels"]} for item in items for branch in item["packs"][0].branches]
    learnt = sum(label != IGNORE for item in items for _, labels in item["packs"][0].branches for label in labels)
    shared = _seconds(model, [collate(items)])
    separate = _seconds(model, [collate(apart[start : start + 16]) for start in range(0, len(apart), 16)])
    ratio = separate / shared
    how = f"{PICTURES} pictures, {len(apart)} questions, {learnt} learnt tokens, {torch.get_num_threads()} threads, forward and backward"
    return [
        {
            "measure": "learnt tokens a second, shared over separate rows",
            "value": ratio,
            "unit": "×",
            "target": 2.5,
            "meets": ratio >= 2.5,
            "how": how,
        }
    ]


def _seconds(model, batches: list[dict]) -> float:
    """The faster half of a few rounds of forward and backward."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for batch in batches:
            language_loss(model, batch).backward()
            model.zero_grad()
        times.append(time.perf_counter() - started)
    return min(times)
