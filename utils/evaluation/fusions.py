"""Ask a trained fusion about held-out scenes, test whether it sees, and let a separately trained classifier name what it draws."""

import dataclasses
import time
from pathlib import Path

import torch
from PIL import Image

from utils import runs
from utils.corpus.scenes.asks import CONVERSATION, Ask, truth
from utils.corpus.scenes.grammar import say
from utils.corpus.scenes.render import render
from utils.corpus.scenes.words import KINDS
from utils.corpus.scenes.world import Scene, scene_of
from utils.evaluation.intervals import wilson
from utils.evaluation.reading import answer_language
from utils.evaluation.scenes_task import Answer, answer_key, other_pictures, questions, seeing, table
from utils.evaluation.scoring import judge
from utils.models.fusions import fusion, open_fusion
from utils.models.fusions.parts import PROMPT, WEIGHTS, Fusion, caption_of, drawing_prompt
from utils.models.pixels import CLIP_MEAN, CLIP_STD, to_pixels
from utils.models.prompts import encode_prefix, encode_question

CODE = "1"  # raise when questions or scoring change
LONGEST = 32  # new tokens of an answer; the longest gold answer of the types asked has fewer


def left_padded(rows: list[list[int]], pad_id: int) -> dict[str, torch.Tensor]:
    """input_ids and attention_mask of rows that generation goes on from."""
    length = max(map(len, rows))
    ids = torch.tensor([[pad_id] * (length - len(row)) + row for row in rows])
    lengths = torch.tensor([len(row) for row in rows])
    return {"input_ids": ids, "attention_mask": (torch.arange(length)[None] >= length - lengths[:, None]).long()}


def replies(
    model: Fusion, tokenizer, slots: int, pictures: list[Image.Image], asked: list[str], second: bool = False, limit: int = LONGEST, batch: int = 64
) -> list[str]:
    """One greedy answer per (picture, question), in order; questions of like length share a batch. `second`: pictures of the second modality."""
    prefix = encode_prefix(tokenizer, slots, PROMPT)
    rows = [prefix + encode_question(tokenizer, question, PROMPT) for question in asked]
    order, said = sorted(range(len(rows)), key=lambda i: len(rows[i])), [""] * len(rows)
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        inputs = left_padded([rows[i] for i in chosen], tokenizer.pad_token_id)
        inputs["pixel_values"] = torch.stack([to_pixels(pictures[i]) for i in chosen])
        new = model.generate(inputs | ({"second": torch.ones(len(chosen), dtype=torch.bool)} if second else {}), limit)
        for i, ids in zip(chosen, new, strict=True):
            said[i] = tokenizer.decode(ids[ids < len(tokenizer)], skip_special_tokens=True).strip()
    return said


def ask_fusion(model: Fusion, tokenizer, slots: int, asks: list[Ask], language: str, shown: list[Scene] | None = None) -> list[Answer]:
    """Put every question in `language` to a fusion; `shown` replaces the pictures, to test whether it sees."""
    said = [say(ask, language) for ask in asks]
    pictures = [render(scene) for scene in (shown or [ask.scene for ask in asks])]
    answers = replies(model, tokenizer, slots, pictures, [question for question, _ in said])
    results = []
    for ask, (question, gold), reply in zip(asks, said, answers, strict=True):
        verdict = judge(reply, ask.type, truth(ask), language)
        spoken = answer_language(reply, ("en", language, "it"))
        results.append(
            Answer(ask.type, ask.scene, answer_key(ask), language, question, gold, truth(ask), reply, verdict.right, verdict.share, spoken)
        )
    return results


def evaluate_fusion(name: str, folder: Path, language: str = "pt-BR", per_type: int = 40, split: str = "known") -> dict:
    """The scores of a trained fusion, kept in `<folder>/scores/<split>`: table by type, seeing by swapping, drawing where it draws.

    A finished evaluation of the same weights skips itself.
    """
    out = Path(folder) / "scores" / split
    inputs = runs.text_hash(CODE, runs.file_hash(Path(folder) / WEIGHTS), name, language, per_type, split)
    if runs.complete(out, inputs):
        return runs.read_json(out / "result.json")
    started = time.monotonic()
    model, tokenizer = open_fusion(name, folder)
    module = fusion(name)
    asks = questions(split, per_type, CONVERSATION)
    cpu = time.process_time()
    result = score(model, tokenizer, module.SLOTS, asks, language)
    result["answer_seconds"] = (time.process_time() - cpu) / (2 * len(asks))  # each question is asked twice: with its picture and another
    if hasattr(model, "draw"):
        result["drawing"] = drawing(model, tokenizer, language)
    runs.write_json(out / "result.json", result)
    runs.finish(out, inputs, started, fusion=name, language=language, split=split, per_type=per_type)
    return runs.read_json(out / "result.json")  # as a later call reads it: tuples are lists in JSON


def score(model: Fusion, tokenizer, slots: int, asks: list[Ask], language: str) -> dict:
    """{"table", "seeing", "answers"}: right answers by type, and how many of them change with the picture."""
    answers = ask_fusion(model, tokenizer, slots, asks, language)
    shown = other_pictures(asks)
    seen = seeing(answers, ask_fusion(model, tokenizer, slots, asks, language, shown), shown)
    return {"table": table(answers), "seeing": seen, "answers": [dataclasses.asdict(a) for a in answers]}


class KindClassifier(torch.nn.Module):
    """A small convolutional network that names the kind in a cell (3, 48, 48), or says that it is empty."""

    def __init__(self):
        super().__init__()
        layers, width = [], 3
        for wider in (24, 48, 96):
            layers += [torch.nn.Conv2d(width, wider, 3, stride=2, padding=1), torch.nn.BatchNorm2d(wider), torch.nn.ReLU()]
            width = wider
        self.body = torch.nn.Sequential(*layers, torch.nn.AdaptiveAvgPool2d(3), torch.nn.Flatten(), torch.nn.Linear(width * 9, len(KINDS) + 1))

    def forward(self, cells: torch.Tensor) -> torch.Tensor:
        return self.body(cells)


def cells_of(pixels: torch.Tensor) -> torch.Tensor:
    """(4·batch, 3, 48, 48): the four cells of pictures (batch, 3, 96, 96) in reading order."""
    side = pixels.shape[-1] // 2
    return pixels.unfold(2, side, side).unfold(3, side, side).permute(0, 2, 3, 1, 4, 5).flatten(0, 2)


def kinds_of(scenes: list[Scene]) -> torch.Tensor:
    """The right class of each cell; the last class is an empty cell."""
    number = {kind.key: n for n, kind in enumerate(KINDS)}
    items = [scene.at(cell) for scene in scenes for cell in range(4)]
    return torch.tensor([number[item.kind] if item else len(KINDS) for item in items])


def train_classifier(pictures: int = 1500, epochs: int = 6, seed: int = 7, batch: int = 128) -> KindClassifier:
    """A classifier that learns from real pictures of its own, slightly shifted; no fusion takes part."""
    torch.manual_seed(seed)
    scenes = [scene_of("train", index, seed) for index in range(pictures)]
    cells, right = cells_of(torch.stack([to_pixels(render(scene)) for scene in scenes])), kinds_of(scenes)
    model, steps = KindClassifier(), epochs * (len(cells) // batch)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    for _ in range(steps):
        rows = torch.randint(len(cells), (batch,))
        loss = torch.nn.functional.cross_entropy(model(cells[rows]), right[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval()


@torch.no_grad()
def recognised(classifier: KindClassifier, pixels: torch.Tensor, scenes: list[Scene]) -> dict:
    """Of the things in the scenes, how many the classifier names in their cells of the pictures; empty cells do not count."""
    said, right = classifier(cells_of(pixels)).argmax(-1), kinds_of(scenes)
    there = right < len(KINDS)
    hits = int((said[there] == right[there]).sum())
    low, high = wilson(hits, int(there.sum()))
    return {"right": hits, "total": int(there.sum()), "share": hits / max(1, int(there.sum())), "low": low, "high": high}


def drawing(model: Fusion, tokenizer, language: str, pictures: int = 60, split: str = "known") -> dict:
    """How often the classifier recognises what the fusion draws from a text, what its tokenizer gives back, and real pictures (the ceiling)."""
    scenes = [scene_of(split, index, 2024) for index in range(pictures)]
    real = torch.stack([to_pixels(render(scene)) for scene in scenes])
    classifier = train_classifier()
    with torch.no_grad():
        given_back = model.connector.decode(model.connector.encode(model.look(real)))
    drawn = draw_texts(model, tokenizer, [caption_of(scene, language) for scene in scenes])
    pixels = {"drawn": drawn, "given_back": given_back, "real": real}
    return {name: recognised(classifier, some, scenes) for name, some in pixels.items()}


def drawing_sheet(name: str, folder: Path, language: str, pictures: int = 8, split: str = "known") -> Image.Image:
    """Three rows of pictures: held-out scenes, what the tokenizer gives back of them, and what the fusion draws from their texts."""
    model, tokenizer = open_fusion(name, folder)
    scenes = [scene_of(split, index, 2024) for index in range(pictures)]
    real = torch.stack([to_pixels(render(scene)) for scene in scenes])
    with torch.no_grad():
        given_back = model.connector.decode(model.connector.encode(model.look(real)))
    rows = (real, given_back, draw_texts(model, tokenizer, [caption_of(scene, language) for scene in scenes]))
    sheet = torch.cat([torch.cat(list(row), dim=2) for row in rows], dim=1)
    mean, std = (torch.tensor(values)[:, None, None] for values in (CLIP_MEAN, CLIP_STD))
    return Image.fromarray((255 * (sheet * std + mean)).clamp(0, 255).round().to(torch.uint8).permute(1, 2, 0).numpy())


def draw_texts(model: Fusion, tokenizer, texts: list[str]) -> torch.Tensor:
    """Normalised pixels (texts, 3, 96, 96) that the fusion draws, one picture a text."""
    rows = [drawing_prompt(tokenizer, text) for text in texts]
    return model.draw(left_padded(rows, tokenizer.pad_token_id))[1]
