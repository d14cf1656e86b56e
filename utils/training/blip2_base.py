"""`base --blip2`: the tiny BLIP-2 that mBLIP starts from, made from nothing but the English base.

Two things that never met, as in Geigle et al. 2024 (arXiv 2307.06930): eyes, a tower and a Q-Former that learnt in English beside the
base's language model (BLIP-2's two stages, arXiv 2301.12597); and a multilingual language model that learnt from text alone. mT0 and
BLOOMZ bring the languages of the world and instructions; the small ones read pictures that are told in twelve words, and answer
questions about them in the mix's languages. How both are made is ours: no source has models of this size.
"""

import functools
import random
import time
from pathlib import Path

import torch

from utils import runs
from utils.corpus.multilingual.mix import IN_ENGLISH, LANGUAGES, MT5, VQA, checked_shares, examples_of, pictures_of
from utils.corpus.multilingual.mix import say as say_in_mix
from utils.corpus.multilingual.names import common
from utils.corpus.scenes.asks import TYPES, possible
from utils.corpus.scenes.grammar import LANGUAGES as GRAMMARS
from utils.corpus.scenes.grammar import say
from utils.corpus.scenes.render import render
from utils.corpus.scenes.words import COLOUR, KIND
from utils.corpus.scenes.world import PLACES, Scene, scene_of
from utils.models import load
from utils.models.blip2_start import EYES, blip2_from_llava, english_blip2, with_eyes
from utils.models.pixels import to_pixels
from utils.models.prompt_formats import MBLIP, VICUNA_V1
from utils.models.prompts import encode_prefix, encode_turns
from utils.models.small import QUERIES, small_blip2
from utils.training.adapter import freeze_absent
from utils.training.base import words_collator
from utils.training.english_base import PatchWords, SceneStream
from utils.training.loop import Plan, run_stage
from utils.training.packing import Pack
from utils.training.querying import QueryCollator
from utils.training.recipes import Stage, Tune

WORDS = Stage(
    "words", "words for queries", {part: Tune("full", 1.5e-3) for part in ("vision", "resampler", "projector")}, objective="words", warmup=0.1
)
SPEAK = Stage("speak", "English scenes", {part: Tune("full", 1e-3) for part in ("resampler", "projector")}, warmup=0.1)
READ = Stage("read", "told pictures in ten languages", {part: Tune("full", 2e-3) for part in ("llm", "embeddings")}, warmup=0.06, weight_decay=0.01)
PLANS = {
    "words": Plan(steps=500, batch=32, seed=21, save_every=250, log_every=25),
    "speak": Plan(steps=400, batch=8, seed=22, save_every=100, log_every=20),
    "mt5": Plan(steps=9000, batch=1, seed=23, save_every=500, log_every=50),
    "bloom": Plan(steps=1500, batch=1, seed=23, save_every=500, log_every=50),  # twice as slow
}
PICTURES = 12  # in one step of reading
QUESTIONS = 5  # about each of them
CUTS = 3  # batches of like lengths made from as many times the pictures
LONGEST = 100  # tokens of a question with its answer: a few lists in letters of two bytes would cost as much as all else
SPEAK_TOKENS = 110  # of questions beside one picture: every answer is a row of its own here
PER_CELL = QUERIES // len(PLACES)


def query_words(scene: Scene, tokenizer) -> torch.Tensor:
    """(QUERIES, vocabulary): for each query, equal shares for the words it should find.

    Three a cell: what stands there (singular and plural), on which card, on which background; each with the words of the place and, for
    the card, the noun again, so that what belongs together stands in one vector. Where nothing stands, the background does.
    """
    words = torch.zeros(QUERIES, len(tokenizer))
    ground = COLOUR[scene.background].words["en"].singular
    for cell, place in enumerate(PLACES):
        item, there = scene.at(cell), place.split()
        noun = KIND[item.kind].words["en"] if item else None
        what = [noun.singular, noun.plural] if noun else [ground]
        card = [COLOUR[item.card].words["en"].singular, noun.singular] if item and item.card else what
        for query, bag in enumerate((what, card, [ground])):
            ids = sorted({i for word in (*bag, *there) for i in tokenizer(f" {word}", add_special_tokens=False)["input_ids"]})
            words[cell * PER_CELL + query, ids] = 1 / len(ids)
    return words


def _drawn(rng: random.Random, languages: tuple[str, ...]) -> str:
    shares = checked_shares(languages, MT5)
    return rng.choices(list(shares), list(shares.values()))[0]


def told(index: int, seed: int, languages: tuple[str, ...] = LANGUAGES) -> tuple[Scene, list[tuple[str, str]]]:
    """A picture and questions with answers, each in a language drawn by mT5's shares: of the mix, and by turns of the picture world."""
    rng = random.Random(f"told/{seed}/{index}")
    if index % 2:
        scene, other = pictures_of("train", index, common(languages), seed)
        found = []
        for example in examples_of(scene, other, common(languages), rng):
            language = _drawn(rng, languages)
            english = example.type in VQA and rng.random() < IN_ENGLISH / 2
            found.append(say_in_mix(example, language, "en" if english else language))
        return scene, found
    scene = scene_of("train", index, seed)
    asked = [rng.choice(some) for kind in rng.sample(TYPES, QUESTIONS) if (some := possible(scene, kind, rng))]
    return scene, [say(ask, _drawn(rng, tuple(code for code in languages if code in GRAMMARS))) for ask in asked]


class ToldPictures(torch.utils.data.Dataset):
    """`size` batches of told pictures, each a list of rows of like length: padding would else be two thirds of the work."""

    def __init__(self, tokenizer, size: int, seed: int):
        self.tokenizer, self.size, self.seed = tokenizer, size, seed
        self.group = functools.lru_cache(maxsize=2)(self._group)

    def __len__(self) -> int:
        return self.size

    def _group(self, number: int) -> list[list[dict]]:
        rows = []
        for index in range(number * PICTURES * CUTS, (number + 1) * PICTURES * CUTS):
            scene, turns = told(index, self.seed)
            words = query_words(scene, self.tokenizer)[None]
            encoded = [encode_turns(self.tokenizer, [turn], MBLIP) for turn in turns]
            rows += [(words, branch) for branch in encoded if len(branch[0]) <= LONGEST]
        rows.sort(key=lambda row: len(row[1][0]))
        made = [{"packs": [Pack("", (branch,))], "pictures": [{"words": words}]} for words, branch in rows]
        cuts = [made[len(made) * n // CUTS : len(made) * (n + 1) // CUTS] for n in range(CUTS)]
        random.Random(f"cuts/{self.seed}/{number}").shuffle(cuts)
        return cuts

    def __getitem__(self, index: int) -> list[dict]:
        return self.group(index // CUTS)[index % CUTS]


def queries_collator(model, tokenizer, prompt) -> QueryCollator:
    """The collator of a BLIP-2's rows in a prompt format."""
    text = model.config.text_config
    start = text.decoder_start_token_id if text.is_encoder_decoder else None
    return QueryCollator(tuple(encode_prefix(tokenizer, QUERIES, prompt)), tokenizer.pad_token_id, start)


def _run(model, stage: Stage, plan: Plan, data, collate, folder: Path, what: str) -> None:
    freeze_absent(model, stage.tune)
    run_stage(model, data, collate, stage, plan, folder / what / stage.name, f"BLIP-2, {what}, {stage.name}")


def _save(tensors: dict[str, torch.Tensor], path: Path) -> None:
    from safetensors.torch import save_file

    part = path.with_suffix(".part")
    save_file({name: value.detach().half().contiguous() for name, value in tensors.items()}, part)
    part.replace(path)


def build_eyes(folder: Path, plans: dict[str, Plan]) -> None:
    """Tower, Q-Former and projection in English, beside the base's language model, which stays as it is."""
    runs.seed_all(plans["words"].seed)
    llava, tokenizer = load.load_folder(load.SHIPPED)
    model = blip2_from_llava(llava, tokenizer, plans["words"].seed)
    plan, then = plans["words"], plans["speak"]
    _run(model, WORDS, plan, PatchWords(tokenizer, plan.steps * plan.batch, plan.seed, query_words), words_collator, folder, "eyes")
    stream = SceneStream(tokenizer, then.steps * then.batch, then.seed, SPEAK_TOKENS)
    _run(model, SPEAK, then, stream, queries_collator(model, tokenizer, VICUNA_V1), folder, "eyes")
    _save({name: value for name, value in model.state_dict().items() if not name.startswith("language_model.")}, folder / EYES)


@torch.no_grad()
def meet_in_english(model, tokenizer, pictures: int = 800, seed: int = 24) -> float:
    """Set the projection so that each query lands on the English words of what it sees; returns the share of variance it leaves.

    By least squares, in no steps. It stands for the projection that BLIP-2 brings with Flan-T5, from which mBLIP's mT0 starts; BLOOMZ,
    of another width, starts from a random one (gregor-ge/mBLIP README.md).
    """
    scenes = [scene_of("train", index, seed) for index in range(pictures)]
    table, seen, wanted = model.get_input_embeddings().weight, [], []
    for start in range(0, pictures, 50):
        some = scenes[start : start + 50]
        features = model.vision_model(torch.stack([to_pixels(render(scene)) for scene in some])).last_hidden_state
        queries = model.query_tokens.expand(len(some), -1, -1)
        seen.append(model.qformer(query_embeds=queries, encoder_hidden_states=features).last_hidden_state.flatten(0, 1))
        wanted.append((torch.stack([query_words(scene, tokenizer) for scene in some]) @ table).flatten(0, 1))
    x, y = torch.cat(seen), torch.cat(wanted)
    x = torch.cat([x, torch.ones(len(x), 1)], dim=1)
    found = torch.linalg.lstsq(x, y).solution
    model.language_projection.weight.copy_(found[:-1].T)
    model.language_projection.bias.copy_(found[-1])
    return float(((x @ found - y) ** 2).sum() / ((y - y.mean(0)) ** 2).sum())


def build_reader(kind: str, folder: Path, plan: Plan) -> None:
    """A multilingual language model of a kind ("mt5", "bloom") that has read told pictures and seen none; for mT5 with its projection."""
    runs.seed_all(plan.seed)
    _, tokenizer = load.load_folder(load.SHIPPED)
    model = small_blip2(tokenizer, kind, plan.seed)
    collate = queries_collator(model, tokenizer, MBLIP)
    _run(model, READ, plan, ToldPictures(tokenizer, plan.steps, plan.seed), lambda rows: collate(rows[0]), folder, kind)
    kept = {name: value for name, value in model.state_dict().items() if name.startswith("language_model.")}
    if kind == "mt5":
        meet_in_english(with_eyes(model, folder).eval(), tokenizer)
        kept |= {name: value for name, value in model.state_dict().items() if name.startswith("language_projection.")}
    _save(kept, folder / f"{kind}.safetensors")


def write_english(files: Path, folder: Path) -> Path:
    """The English BLIP-2 of the eyes in `files` as a model folder that everything else opens; returns the folder."""
    llava, tokenizer = load.load_folder(load.SHIPPED)
    model = english_blip2(llava, tokenizer, files)
    model.config.prompt = VICUNA_V1.name
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def build_blip2(folder: Path, plans: dict[str, Plan] = PLANS) -> Path:
    """The files of `data/blip2` in `folder`, in half precision; resumable. About an hour and a half of one CPU core; returns the folder."""
    started, inputs = time.monotonic(), runs.text_hash("blip2", *(str(plan) for plan in plans.values()), str((WORDS, SPEAK, READ)))
    if not runs.complete(folder, inputs):
        folder.mkdir(parents=True, exist_ok=True)
        build_eyes(folder, plans)
        for kind in ("mt5", "bloom"):
            build_reader(kind, folder, plans[kind])
        runs.finish(folder, inputs, started)
    return folder
