"""Train the taxonomy's small fusions on the same scenes with the same questions and budget; a finished one skips itself."""

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
from utils.corpus.scenes.world import Scene, scene_of
from utils.models import load
from utils.models.fusions import fusion, parts
from utils.models.fusions.parts import PROMPT, WEIGHTS, Fusion
from utils.models.pixels import to_pixels
from utils.models.prompts import IGNORE, encode_prefix, encode_turns
from utils.training.checkpoints import newest_checkpoint, trained_once
from utils.training.loop import Plan, Progress, StageMethods, history_of, trainer_options
from utils.training.recipes import Stage, Tune
from utils.training.vocabulary import align_vocabulary, untrained_pieces

CODE = "2"  # raise when data, rates or fusions change: kept models are then trained again
ALIGNED = 400  # scenes whose texts tell which pieces mean the same in both languages
STAGE = Stage("fuse", data="scenes", tune={"llm": Tune("full", 1e-3)}, warmup=0.06)  # each weight's rate: Fusion.rates


@dataclasses.dataclass(frozen=True)
class Budget:
    """What every fusion gets: pictures, questions on each, pictures a step, rounds over the pictures.

    A fusion that draws also gets pictures' texts, with a picture's tokens as the answer: lessons that the others have no use for.
    """

    pictures: int = 1600
    questions: int = 8
    batch: int = 8
    rounds: float = 1.5
    types: tuple[str, ...] = CONVERSATION
    new_connector: bool = False  # the control: without the base's projector, which learnt as type C
    english: float = 0.0  # share of pictures whose questions also come in English

    def share(self, share: float) -> "Budget":
        """The same number of rounds over a share of the pictures; raises UserError for one that is not in (0, 1]."""
        if not 0 < share <= 1:
            raise runs.UserError(f"the share {share} of the pictures is not between 0 and 1; give one such as 0.25")
        return dataclasses.replace(self, pictures=max(self.batch, round(self.pictures * share)))

    @property
    def steps(self) -> int:
        return max(1, round(self.pictures * self.rounds / self.batch))


def questions_of(scene: Scene, rng: random.Random, language: str, budget: Budget) -> list[tuple[str, str]]:
    """A picture's questions with gold answers, drawn over the types; yes and no come in pairs."""
    asks = []
    for kind_of_question in rng.sample(budget.types, k=len(budget.types)):
        found = possible(scene, kind_of_question, rng)
        asks += found if kind_of_question == "yes_no" else rng.sample(found, k=min(len(found), 1))
    return list(dict.fromkeys(say(ask, language) for ask in asks[: budget.questions]))


@functools.lru_cache(maxsize=2)
def pictures_of(count: int, seed: int) -> tuple[tuple[Scene, ...], torch.Tensor]:
    """`count` training scenes and their pixels (count, 3, 96, 96)."""
    scenes = tuple(scene_of("train", index, seed) for index in range(count))
    return scenes, torch.stack([to_pixels(render(scene)) for scene in scenes])


def tower_features(model: Fusion, pixels: torch.Tensor, batch: int = 64, second: bool = False) -> torch.Tensor:
    """What a fusion's connector gets of many pictures, computed once: patches of the frozen tower, or codes."""
    look = model.look_second if second else model.look
    return torch.cat([look(part) for part in pixels.split(batch)])


def branches_of(tokenizer, scene: Scene, rng: random.Random, language: str, budget: Budget) -> list[tuple[list[int], list[int]]]:
    return [encode_turns(tokenizer, [turn], PROMPT) for turn in questions_of(scene, rng, language, budget)]


def drawing_row(model: Fusion, tokenizer, scene: Scene, language: str, slots: int) -> tuple[list[int], list[tuple]]:
    """(prefix, branches) of a row whose answer is the picture: the text, then the picture's places with a label each."""
    text = parts.drawing_prompt(tokenizer, parts.caption_of(scene, language))
    return [], [(text + [model.image_id] * slots, [IGNORE] * len(text) + [model.image_id] * slots)]


class Rows(torch.utils.data.Dataset):
    """Item i is the i-th picture of an endless seeded stream: parts of {"rows": (prefix, branches), "features": of the part's picture}.

    A fusion that draws has DRAWS parts more: this picture and those after it, each to be drawn from its text.
    """

    def __init__(self, model: Fusion, module, tokenizer, features: torch.Tensor, scenes, language: str, budget: Budget, seed: int):
        self.model, self.module, self.tokenizer, self.features, self.scenes = model, module, tokenizer, features, scenes
        self.language, self.budget, self.seed = language, budget, seed
        self.prefix = encode_prefix(tokenizer, module.SLOTS, PROMPT)

    def __len__(self) -> int:
        return self.budget.steps * self.budget.batch

    def __getitem__(self, place: int) -> list[dict]:
        epoch, index = divmod(place, len(self.scenes))
        order = random.Random(f"order/{self.seed}/{epoch}").sample(range(len(self.scenes)), k=len(self.scenes))
        which, rng = order[index], random.Random(f"fusion/{self.seed}/{place}")
        branches = branches_of(self.tokenizer, self.scenes[which], rng, self.language, self.budget)
        if random.Random(f"english/{self.seed}/{place}").random() < self.budget.english:
            branches += branches_of(self.tokenizer, self.scenes[which], rng, "en", self.budget)
        drawn = [order[(index + n) % len(order)] for n in range(getattr(self.module, "DRAWS", 0))]
        return [{"rows": (self.prefix, branches), "features": self.features[which]}] + [
            {"rows": drawing_row(self.model, self.tokenizer, self.scenes[other], self.language, self.module.SLOTS), "features": self.features[other]}
            for other in drawn
        ]


def collate(items: list[list[dict]], packed: bool, pad_id: int) -> dict:
    """A batch; packed, a row is a picture with all its questions, blind to each other; otherwise each question has a row."""
    rows = [
        (part["rows"][0], branches, part)
        for parts_of_one in items
        for part in parts_of_one
        for branches in ([part["rows"][1]] if packed else [[branch] for branch in part["rows"][1]])
    ]
    length = max(len(prefix) + sum(len(ids) for ids, _ in branches) for prefix, branches, _ in rows)
    ids, labels = torch.full((len(rows), length), pad_id), torch.full((len(rows), length), IGNORE)
    places, branch = torch.zeros(len(rows), length, dtype=torch.long), torch.full((len(rows), length), -1)
    for number, (prefix, branches, _) in enumerate(rows):
        at = len(prefix)
        ids[number, :at], places[number, :at], branch[number, :at] = torch.tensor(prefix), torch.arange(at), 0
        for which, (words, told) in enumerate(branches, start=1):
            end = at + len(words)
            ids[number, at:end], labels[number, at:end], branch[number, at:end] = torch.tensor(words), torch.tensor(told), which
            places[number, at:end] = torch.arange(len(prefix), len(prefix) + len(words))
            at = end
    batch = {"input_ids": ids, "labels": labels, "features": torch.stack([part["features"] for *_, part in rows])}
    if "second" in rows[0][2]:  # which rows are of a second modality
        batch["second"] = torch.tensor([part["second"] for *_, part in rows])
    if not packed:
        return batch | {"attention_mask": (branch >= 0).long()}
    back = torch.ones(length, length, dtype=torch.bool).tril()
    sees = (branch[:, None, :] == 0) & (branch[:, :, None] >= 0) | (branch[:, None, :] == branch[:, :, None])
    return batch | {"attention_mask": (back & sees)[:, None], "position_ids": places}


class FusionTrainer(StageMethods, Trainer):
    """The course's loop for a model that is not one of transformers' own: rates by weight, weights by safetensors."""

    def create_optimizer(self, model=None):
        if self.optimizer is None:
            groups: dict[float, list] = {}
            for name, parameter in self.model.named_parameters():
                if parameter.requires_grad:
                    groups.setdefault(self.model.rate(name), []).append(parameter)
            groups = [{"params": parameters, "lr": rate} for rate, parameters in groups.items()]
            self.optimizer = torch.optim.AdamW(groups, weight_decay=0.0, betas=(0.9, 0.98))
        return self.optimizer

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        return model(**inputs)

    def _save(self, output_dir=None, state_dict=None):
        parts.save(self.model, Path(output_dir or self.args.output_dir) / WEIGHTS)

    def _load_from_checkpoint(self, resume_from_checkpoint, model=None):
        parts.load(self.model, Path(resume_from_checkpoint) / WEIGHTS).train()


def fusion_folder(name: str, seed: int, share: float = 1.0, scale: str = "tiny", language: str = "pt-BR") -> Path:
    return runs.outputs() / scale / language / "taxonomy" / f"{name}-{seed}-{share:g}"


def inputs_of(name: str, seed: int, language: str, budget: Budget) -> str:
    """One hash of all that decides what a fusion learns."""
    told = {key: value for key, value in dataclasses.asdict(budget).items() if key != "english" or value}  # without English: as before there was any
    return runs.text_hash(CODE, name, seed, language, told, runs.file_hash(load.SHIPPED / WEIGHTS))


def train_fusion(name: str, seed: int, share: float = 1.0, folder: Path | None = None, language: str = "pt-BR", budget: Budget = Budget()) -> dict:
    """Train one fusion and save it; returns the manifest with the loss history, the parameters and the CPU seconds.

    Killed at any moment, the next call goes on from the last whole checkpoint. Raises UserError for an unknown fusion,
    a share outside (0, 1] and a full disk.
    """
    module, budget = fusion(name), budget.share(share)
    folder = Path(folder or fusion_folder(name, seed, share, language=language))
    return trained_once(
        folder, inputs_of(name, seed, language, budget), lambda: _train(module, name, seed, language, budget, folder), fusion=name, letter=module.LETTER,
        seed=seed, share=share, language=language, budget=dataclasses.asdict(budget), threads=torch.get_num_threads(),
    )  # fmt: skip


def align(model: Fusion, tokenizer, scenes: tuple[Scene, ...], language: str) -> int:
    """Start the pieces that the base never saw at the English pieces that gold texts of the same scenes align them with; returns how many.

    Every fusion gets this start, so that its budget goes to the picture and not to the words.
    """
    rng = random.Random("align")
    asks = [ask for scene in scenes[:ALIGNED] for kind_of_question in CONVERSATION for ask in possible(scene, kind_of_question, rng)]
    pairs = [pair for ask in asks for pair in zip(say(ask, "en"), say(ask, language), strict=True)]
    return align_vocabulary(model.language, tokenizer, list(dict.fromkeys(pairs)), untrained_pieces(load.SHIPPED))


def _train(module, name: str, seed: int, language: str, budget: Budget, folder: Path) -> dict:
    """Prepare, train and save; returns what the manifest tells."""
    runs.seed_all(seed)
    tokenizer = parts.base_tokenizer()
    model = module.build(tokenizer, seed)
    if budget.new_connector:
        parts.renew_connector(model, seed)
    scenes, pixels = pictures_of(budget.pictures, 0)
    features = tower_features(model, pixels)
    prepared = {"aligned_pieces": align(model, tokenizer, scenes, language)}
    prepared |= module.prepare(model, features, pixels, seed) if hasattr(module, "prepare") else {}
    data = Rows(model, module, tokenizer, features, scenes, language, budget, seed)
    history = fit(model, data, module.PACKED, tokenizer.pad_token_id, folder, seed, f"{module.LETTER}, {name}")
    return {"steps": budget.steps, "parameters": parts.counts(model), "history": history, **prepared}


def fit(model: Fusion, data: "Rows", packed: bool, pad_id: int, folder: Path, seed: int, label: str) -> list[dict]:
    """Train over the rows of `data` once, going on from `folder`'s newest checkpoint, and save the weights; returns the loss history."""
    budget = data.budget
    plan = Plan(budget.steps, budget.batch, seed, save_every=max(1, budget.steps // 3), log_every=max(1, budget.steps // 20))
    trainer = FusionTrainer(
        model=model, args=TrainingArguments(**trainer_options(folder, STAGE, plan)), train_dataset=data,
        data_collator=functools.partial(collate, packed=packed, pad_id=pad_id), callbacks=[Progress(label)],
    )  # fmt: skip
    trainer.remove_callback(PrinterCallback)
    with runs.full_disk_told(folder):
        trainer.train(resume_from_checkpoint=newest_checkpoint(folder))
        parts.save(model, folder / WEIGHTS)
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return history_of(trainer)
