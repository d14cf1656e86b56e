"""Train a small VL-T5 on the picture world in two stages: short answers, as its authors pre-trained it, and whole captions after that."""

import dataclasses
import functools
import random
import shutil
from pathlib import Path

import torch
from transformers import PrinterCallback, Trainer, TrainingArguments

from utils import runs
from utils.corpus.scenes.asks import CONVERSATION, possible
from utils.corpus.scenes.grammar import say
from utils.corpus.scenes.render import render
from utils.corpus.scenes.words import COLOUR
from utils.corpus.scenes.world import Scene, scene_of
from utils.models.load import SHIPPED, load_folder
from utils.models.regions import RegionFeatures, find_regions, shortened
from utils.models.vl_t5 import LONG_LIMIT, QUESTION_LIMIT, TEXT_LIMIT, VISUAL_TOKENS, VLT5, small_vl_t5, visual_tokenizer, vl_t5_batch
from utils.models.vl_t5_weights import open_vl_t5
from utils.training.checkpoints import newest_checkpoint, trained_once
from utils.training.loop import Plan, Progress, StageMethods, history_of, trainer_options
from utils.training.recipes import Stage, Tune
from utils.training.vl_t5_rows import USUAL, Amount, phrase, pretraining_rows, tuning_rows
from utils.training.vocabulary import align_vocabulary, untrained_pieces

CODE = "1"  # raise when data, rates or the start change: kept models are then trained again
ALIGNED = 400  # scenes whose texts tell which pieces mean the same in both languages
STAGES = ("pretrain", "tune")


@functools.lru_cache(maxsize=2)
def seen_pictures(count: int, seed: int = 0, chunk: int = 64) -> tuple[tuple[Scene, ...], tuple[RegionFeatures, ...]]:
    """The same training scenes as the fusions', and their regions, found once."""
    llava, _ = load_folder(SHIPPED)
    scenes, found = tuple(scene_of("train", index, seed) for index in range(count)), []
    for start in range(0, count, chunk):
        found += [shortened(one) for one in find_regions([render(scene) for scene in scenes[start : start + chunk]], llava)]
    return scenes, tuple(found)


class Rows(torch.utils.data.Dataset):
    """Item i is the i-th picture of an endless seeded stream, in the order in which the fusions see theirs."""

    def __init__(self, stage: str, language: str, amount: Amount, seed: int):
        self.stage, self.language, self.amount, self.seed = stage, language, amount, seed
        self.scenes, self.regions = seen_pictures(amount.pictures)

    def __len__(self) -> int:
        return self.amount.steps[STAGES.index(self.stage)] * self.amount.batch

    def __getitem__(self, at: int) -> list[tuple[str, str, RegionFeatures]]:
        epoch, index = divmod(at, len(self.scenes))
        order = random.Random(f"order/{self.seed}/{epoch}").sample(range(len(self.scenes)), k=len(self.scenes))
        which, rng = order[index], random.Random(f"fusion/{self.seed}/{at}")
        if self.stage == "pretrain":
            rows = pretraining_rows(self.scenes[which], self.scenes[order[index - 1]], rng, self.language, self.amount)
        else:
            also_english = random.Random(f"english/{self.seed}/{at}").random() < self.amount.english[1]
            rows = tuning_rows(self.scenes[which], rng, self.language, self.amount, also_english)
        return [(text, target, self.regions[which]) for text, target in rows]


def collate(items: list[list[tuple]], tokenizer, limit: int) -> dict:
    texts, targets, regions = zip(*(row for rows in items for row in rows), strict=True)
    return vl_t5_batch(tokenizer, list(texts), list(regions), list(targets), limit=limit, text_limit=QUESTION_LIMIT)


class VLT5Trainer(StageMethods, Trainer):
    """The course's loop with T5's own loss. Each matrix learns at the stage's rate times its own size, as with T5's optimiser.

    AdamW moves every weight by about its rate, and T5 draws words with a standard deviation of 1 and queries with 0.01: one rate for
    both is too slow or too fast. Adafactor multiplies by a matrix's root mean square (Shazeer & Stern 2018, arXiv 1804.04235, section 8).
    """

    def create_optimizer(self, model=None):
        if self.optimizer is None:
            size = lambda weight: weight.detach().square().mean().sqrt().item() if weight.ndim > 1 else 1.0  # noqa: E731
            groups = [{"params": [weight], "lr": self.args.learning_rate * size(weight)} for weight in self.model.parameters()]
            self.optimizer = torch.optim.AdamW(groups, weight_decay=0.0, betas=(0.9, 0.98))
        return self.optimizer

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        return model(**inputs).loss


def start(tokenizer, seed: int, language: str, seen: tuple[tuple[Scene, ...], tuple[RegionFeatures, ...]]) -> VLT5:
    """A small VL-T5 whose words start at the shipped base's vectors, those of the new language at their English counterparts.

    `seen` are pictures whose regions are given a start too, see `name_regions`.
    """
    llava, _ = load_folder(SHIPPED)
    words = llava.get_input_embeddings().weight.detach().float()
    model = small_vl_t5(tokenizer, seed, width=words.shape[1])
    with torch.no_grad():  # T5 draws its words with a standard deviation of 1
        model.shared.weight[: len(words)] = words / words.std()
    if language != "en":
        align_vocabulary(model, tokenizer, gold_pairs(language), untrained_pieces(SHIPPED))
    name_regions(model, tokenizer, *seen)
    let_copy(model)
    return model


@torch.no_grad()
def let_copy(model: VLT5) -> None:
    """Let a region's features weigh more than its number, and let the decoder copy what it looks at, as a trained T5 does.

    Assumed, found by trial with one seed: after 300 steps 43 % of 360 held-out questions were right with the decoder's part, 26 % without.
    """
    visual = model.encoder.visual_embedding
    visual.img_order_embedding.weight *= 0.05
    model.shared.weight[-2 * VISUAL_TOKENS :] *= 0.3
    visual.feat_embedding[1].weight *= 2
    for block in model.decoder.block:
        attention = block.layer[1].EncDecAttention
        attention.v.weight.mul_(0.3).add_(torch.eye(model.model_dim))
        attention.o.weight.mul_(0.3).add_(0.7 * torch.eye(model.model_dim))


def gold_pairs(language: str) -> list[tuple[str, str]]:
    """The same questions and answers in English and another language: the texts with which the fusions' words are aligned."""
    rng = random.Random("align")
    scenes = [scene_of("train", index) for index in range(ALIGNED)]
    asks = [ask for scene in scenes for kind_of_question in CONVERSATION for ask in possible(scene, kind_of_question, rng)]
    return list(dict.fromkeys(pair for ask in asks for pair in zip(say(ask, "en"), say(ask, language), strict=True)))


@torch.no_grad()
def name_regions(model: VLT5, tokenizer, scenes: tuple[Scene, ...], regions: tuple[RegionFeatures, ...], ridge: float = 0.01) -> None:
    """Start the feature branch at the ridge regression of each region's features on its English words.

    A detector trained on named things gives features that are nearly its words; the tiny tower is no such detector.
    """
    features = torch.cat([torch.as_tensor(r.features[: 1 + len(scene.items)]) for scene, r in zip(scenes, regions, strict=True)]).double()
    named = [text for scene in scenes for text in (COLOUR[scene.background].words["en"].singular, *(phrase(item, "en") for item in scene.items))]
    words = torch.stack([model.shared.weight[tokenizer(" " + text, add_special_tokens=False)["input_ids"]].mean(dim=0) for text in named]).double()
    mean = features.mean(dim=0)
    centred, target = features - mean, words - words.mean(dim=0)
    square = centred.T @ centred
    weight = torch.linalg.solve(square + ridge * square.diagonal().mean() * torch.eye(len(square)), centred.T @ target).T
    layer = model.encoder.visual_embedding.feat_embedding[0]
    layer.weight.copy_(weight)
    layer.bias.copy_(words.mean(dim=0) - weight @ mean)


def train_stage(stage: str, model: VLT5, tokenizer, seed: int, folder: Path, language: str, amount: Amount) -> dict:
    """Train one stage to its end, from its newest whole checkpoint if there is one, and save it in `folder`; returns what the manifest tells."""
    number = STAGES.index(stage)
    recipe = Stage(stage, data="scenes", tune={"llm": Tune("full", amount.rates[number])}, warmup=0.02)
    steps = amount.steps[number]
    plan = Plan(steps, amount.batch, seed, save_every=max(1, steps // 3), log_every=max(1, steps // 20))
    trainer = VLT5Trainer(
        model=model, args=TrainingArguments(**trainer_options(folder, recipe, plan)), train_dataset=Rows(stage, language, amount, seed),
        data_collator=functools.partial(collate, tokenizer=tokenizer, limit=TEXT_LIMIT if stage == "pretrain" else LONG_LIMIT),
        callbacks=[Progress(f"VL-T5, {stage}")],
    )  # fmt: skip
    trainer.remove_callback(PrinterCallback)
    with runs.full_disk_told(folder):
        trainer.train(resume_from_checkpoint=newest_checkpoint(folder))
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return {"steps": steps, "history": history_of(trainer)}


def vl_t5_folder(seed: int, language: str = "pt-BR", scale: str = "tiny") -> Path:
    return runs.outputs() / scale / language / "probes" / f"vl_t5-{seed}"


def train_vl_t5(language: str = "pt-BR", seed: int = 0, folder: Path | None = None, amount: Amount = USUAL) -> dict[str, dict]:
    """Pre-train on short answers, then tune on captions and whole sentences; returns stage -> manifest, weights lie in `folder`/<stage>.

    Each stage skips itself when it is done and goes on from its last whole checkpoint when it was killed. Raises
    UserError on a full disk and when another run holds the folder. Source: Cho et al. 2021 (arXiv 2102.02779).
    """
    folder = Path(folder or vl_t5_folder(seed, language))
    base = runs.file_hash(SHIPPED / "model.safetensors")
    first = {"steps": amount.steps[:1], "rates": amount.rates[:1], "english": amount.english[:1], "types": ()}
    inputs = [runs.text_hash(CODE, seed, language, dataclasses.asdict(amount) | first, base)]
    inputs.append(runs.text_hash(inputs[0], dataclasses.asdict(amount)))
    facts = {"language": language, "seed": seed, "amount": dataclasses.asdict(amount)}

    def pretrain() -> dict:
        runs.seed_all(seed)
        tokenizer = visual_tokenizer(load_folder(SHIPPED)[1])
        model = start(tokenizer, seed, language, seen_pictures(amount.pictures))
        told = {"parameters": sum(p.numel() for p in model.parameters())}
        return told | train_stage("pretrain", model, tokenizer, seed, folder / "pretrain", language, amount)

    def tune() -> dict:
        runs.seed_all(seed)
        model, tokenizer = open_vl_t5(folder / "pretrain")
        return train_stage("tune", model, tokenizer, seed, folder / "tune", language, amount)

    made = zip(STAGES, (pretrain, tune), inputs, strict=True)
    return {stage: trained_once(folder / stage, told, make, stage=stage, threads=torch.get_num_threads(), **facts) for stage, make, told in made}
