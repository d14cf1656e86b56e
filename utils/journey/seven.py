"""LLaVA-NDiNO's seven models, whole and small, in two languages with three seeds: does training on its text first help a language?

It takes an hour of one core, so its answers travel with the repository (`data/ndino/seven.json`) and one command makes them
again: `python -m utils seven`. Finished stages skip themselves; a killed one goes on. Source: LLaVA-NDiNO, CEUR-WS Vol-3877, paper 9.
"""

import contextlib
import dataclasses
import functools
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from utils import runs
from utils.journey.systems import stage_data
from utils.languages import language as language_record
from utils.scales import TINY, Scale
from utils.scales import scale as scale_record
from utils.training.small_rates import at_size
from utils.training.systems import LLAVA_NDINO, SEVEN

LANGUAGES, SEEDS = ("it", "pt-BR"), (0, 1, 2)
SHIPPED = runs.ROOT / "data" / "ndino"
CODE = "1"  # raise when questions or judging change: kept answers are then asked again
ALIGN = "align"  # in English, and the same for every language
FORMAT = "llama_3"  # in which all seven are asked, also the one that learnt from plain text alone
STEPS = {ALIGN: 40, "adapt": 200, "short": 200, "long": 60}  # the paper's last three are about 1953, 2034 and 500: so long is short here too
BATCH = 2  # rows a step
PER_TYPE = 12  # held-out questions of each type that has an answer of one word
POPE = 40  # questions whether a thing is there
SENTENCES = 2  # right answers in whole sentences of each type, for perplexity
NEW_TOKENS = 40  # the paper's 16 are of Llama 3's long pieces; the tiny tokenizer spells a word of the new language letter by letter
# The types of LLaVA-NDiNO's short tasks here whose answer is a word.
KINDS = (
    "naming", "yes_no", "counting", "total", "position", "background", "card", "category", "comparison", "relation", "arithmetic", "group",
)  # fmt: skip

Chain = tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Budget:
    """How much is trained and asked: steps of each stage, rows a step, questions of each type, POPE's questions, sentences of each type."""

    steps: Mapping[str, int] = dataclasses.field(default_factory=lambda: dict(STEPS))
    batch: int = BATCH
    per_type: int = PER_TYPE
    pope: int = POPE
    sentences: int = SENTENCES


def budget_of(scale: Scale) -> Budget:
    """The budget of a scale: where SHARE made it smaller, as much smaller."""
    share = min(1.0, (scale.steps or TINY.steps) / TINY.steps)
    part = lambda number, least: max(least, round(number * share))  # noqa: E731
    return Budget(
        {name: part(steps, 2) for name, steps in STEPS.items()}, per_type=part(PER_TYPE, 2), pope=part(POPE, 4), sentences=part(SENTENCES, 1)
    )


def trainings(models: Mapping[str, Chain] = SEVEN) -> list[Chain]:
    """Every stage result that the models need, once each, behind the one that it starts from: models with the same first stages share them."""
    return sorted({chain[:length] for chain in models.values() for length in range(1, len(chain) + 1)}, key=lambda chain: (len(chain), chain))


def _folder(chain: Chain, language: str, seed: int, scale: Scale) -> tuple[str, object, Path]:
    """(language, recipe, folder) of a stage result; alignment is English and lies there."""
    from utils.training.stages import stage_folder

    told = "en" if chain == (ALIGN,) else language
    recipe = dataclasses.replace(LLAVA_NDINO.only(*chain), name=f"llava-ndino-seven/{seed}/{'-'.join(chain)}")
    return told, recipe, stage_folder(scale, told, recipe, recipe.stages[-1])


def train_all(language: str, seed: int, scale: Scale, budget: Budget) -> dict[Chain, dict]:
    """Train every stage result in a language from a seed; returns their manifests. What is done is skipped."""
    from utils.training.stages import train_stage

    data, found = stage_data(LLAVA_NDINO, scale, language), {}
    for chain in trainings():
        told, recipe, _ = _folder(chain, language, seed, scale)
        stage = recipe.stages[-1]
        sized = dataclasses.replace(scale, batch=budget.batch)
        before = _folder(chain[:-1], language, seed, scale)[2] / "model" if chain[:-1] else None
        found[chain] = train_stage(sized, told, recipe, at_size(scale, recipe, stage), data[stage.name], seed, budget.steps[stage.name], before)
    return found


@functools.lru_cache(maxsize=2)
def _asks(per_type: int, pope: int, sentences: int) -> tuple[list, ...]:
    """Question records of each kind; drawn once, for that takes seconds."""
    from utils.corpus.scenes.asks import TYPES
    from utils.evaluation.scenes_task import TEST_SEED, questions

    return (
        questions("known", per_type, KINDS),
        questions("known", pope, ("yes_no",), TEST_SEED + 1),
        questions("known", sentences, TYPES, TEST_SEED + 2),
    )


def items_of(language: str, budget: Budget) -> dict[str, list[tuple]]:
    """What is asked, as lists of (question record, question, right answer): words, things for POPE, and sentences for perplexity.

    Questions that want a word carry the sentence that says so, as the short stage learnt it and as the paper asks. POPE's are the picture
    world's, half with the thing and half without; its popular and adversarial halves have no counterpart in pictures drawn at random.
    """
    from utils.corpus.ndino.tasks import short_answer, suffix
    from utils.corpus.scenes.grammar import say

    words, things, sentences = _asks(budget.per_type, budget.pope, budget.sentences)
    word = lambda ask: (ask, f"{say(ask, language)[0]}\n{suffix(language)}", short_answer(ask, language))  # noqa: E731
    return {
        "words": [word(ask) for ask in words],
        "pope": [word(ask) for ask in things],
        "sentences": [(ask, *say(ask, language)) for ask in sentences],
    }


def ask_model(folder: Path, language: str, scale: Scale, budget: Budget) -> dict:
    """Put all questions to a model; returns what is kept: digits for right and wrong, POPE's letters, nats of the right answers."""
    from utils.corpus.scenes.render import render
    from utils.evaluation.generate import answer_all
    from utils.evaluation.measures import verdict
    from utils.evaluation.scenes_task import ask_all
    from utils.models.load import load_model

    model, tokenizer = load_model(folder, scale)
    model.config.prompt = FORMAT
    items = items_of(language, budget)
    asks, wording = [ask for ask, _, _ in items["words"]], [question for _, question, _ in items["words"]]
    answers = ask_all(model, tokenizer, asks, language, wording=wording, max_new_tokens=NEW_TOKENS)
    right: dict[str, str] = {}
    for answer in answers:
        right[answer.type] = right.get(answer.type, "") + str(int(answer.right))
    asked = items["pope"]
    said = answer_all(model, tokenizer, [render(ask.scene) for ask, _, _ in asked], [question for _, question, _ in asked], max_new_tokens=NEW_TOKENS)
    return {
        "right": right,
        "in_language": sum(answer.said_in == language for answer in answers),
        "words": sum(len(answer.said.split()) for answer in answers),
        "pope": "".join({True: "y", False: "n", None: "?"}[verdict(text, language)] for text in said),
        "nats": {name: _nats(model, tokenizer, items[name]) for name in ("words", "sentences")},
    }


def _nats(model, tokenizer, items: Sequence[tuple]) -> str:
    """Negative log likelihoods of the right answers, in nats, with three decimals."""
    from utils.corpus.scenes.render import render
    from utils.evaluation.perplexity import answer_nll

    pictures, questions, answers = ([column(item) for item in items] for column in (lambda i: render(i[0].scene), lambda i: i[1], lambda i: i[2]))
    return " ".join(f"{nats:.3f}" for nats, _, _ in answer_nll(model, tokenizer, pictures, questions, answers, batch=32, prompt=FORMAT))


def sizes(language: str, budget: Budget) -> dict:
    """What all models of a language share: POPE's truth, what always giving a type's commonest answer gets, tokens and characters of right answers."""
    from utils.corpus.scenes.asks import truth
    from utils.evaluation.intervals import majority_share
    from utils.evaluation.scenes_task import answer_key
    from utils.models.load import SHIPPED as BASE
    from utils.models.load import load_folder
    from utils.models.prompt_formats import PROMPTS
    from utils.models.prompts import IGNORE, encode_turns

    _, tokenizer = load_folder(BASE)
    items = items_of(language, budget)
    learnt = lambda question, answer: sum(label != IGNORE for label in encode_turns(tokenizer, [(question, answer)], PROMPTS[FORMAT])[1])  # noqa: E731
    keys: dict[str, list[str]] = {}
    for ask, _, _ in items["words"]:
        keys.setdefault(ask.type, []).append(answer_key(ask))
    return {
        "baseline": {kind: round(majority_share(some), 4) for kind, some in keys.items()},
        "pope": "".join("y" if truth(ask)["yes"] else "n" for ask, _, _ in items["pope"]),
        "tokens": {name: [learnt(question, answer) for _, question, answer in items[name]] for name in ("words", "sentences")},
        "characters": {name: [len(answer) for _, _, answer in items[name]] for name in ("words", "sentences")},
    }


def asked(name: str, language: str, seed: int, scale: Scale, budget: Budget) -> dict:
    """What a model of the seven answered; asked once and kept."""
    folder = _folder(SEVEN[name], language, seed, scale)[2]
    out = folder / "asked"
    inputs = runs.text_hash(
        CODE, runs.file_hash(folder / "model" / "model.safetensors"), budget.per_type, budget.pope, budget.sentences, FORMAT, language
    )
    if not runs.complete(out, inputs):
        started = time.monotonic()
        runs.write_json(out / "told.json", ask_model(folder / "model", language, scale, budget))
        runs.finish(out, inputs, started)
    return runs.read_json(out / "told.json")


def _told(chain: Chain, language: str, seed: int, manifest: dict) -> dict:
    """What is kept of a training."""
    losses = [row["loss"] for row in manifest["history"]]
    tenth = max(1, len(losses) // 10)
    return {
        "language": "en" if chain == (ALIGN,) else language, "seed": seed, "stages": "+".join(chain), "steps": manifest["steps"],
        "seconds": manifest["seconds"], "first_loss": sum(losses[:tenth]) / tenth, "last_loss": sum(losses[-tenth:]) / tenth,
    }  # fmt: skip


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """The same numbers on every machine with as many cores as it likes."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def seven(languages: Sequence[str] = LANGUAGES, seeds: Sequence[int] = SEEDS, scale: Scale | None = None, budget: Budget | None = None) -> dict:
    """Train and ask all seven models in every language from every seed; writes `seven.json` to its outputs and returns it.

    Seeds come first, so that a stopped run leaves whole ones. Raises UserError for a language that is unknown or has no grammar here.
    """
    scale = scale or scale_record("tiny")
    budget = budget or budget_of(scale)
    if not seeds or not languages:
        raise runs.UserError("there is nothing to train; give at least one seed and one language")
    for code in languages:
        language_record(code)
    trained, models = [], []
    with _one_thread():
        for seed in seeds:
            for language in languages:
                manifests = train_all(language, seed, scale, budget)
                trained += [row for chain, manifest in manifests.items() if (row := _told(chain, language, seed, manifest)) not in trained]
                models += [{"language": language, "seed": seed, "model": name, **asked(name, language, seed, scale, budget)} for name in SEVEN]
                print(f"seven: {language}, seed {seed} done", flush=True)
    found = {
        "recipe": LLAVA_NDINO.name, "scale": scale.name, "languages": list(languages), "seeds": list(seeds), "text": "gold text of the picture world",
        "budget": dataclasses.asdict(budget), "made": time.strftime("%Y-%m-%d"), "machine": platform.machine(),
        "versions": runs.versions(), "code": CODE, "start": runs.file_hash(runs.ROOT / "data/base/model.safetensors"),
        "seconds": round(sum(row["seconds"] for row in trained)), "asked": {language: sizes(language, budget) for language in languages},
        "trained": trained, "models": models,
    }  # fmt: skip
    runs.write_json(own(scale.name), found)
    return found


def own(scale: str = "tiny") -> Path:
    """Where this machine's own result lies."""
    return runs.outputs() / scale / "seven.json"


def install(found: dict) -> Path:
    """Write a result to the folder that travels with the repository; returns the folder. Raises UserError for one that SHARE made smaller."""
    if found["scale"] != "tiny":
        raise runs.UserError(f"a result of scale {found['scale']} does not travel with the repository; run it without SHARE")
    runs.write_json(SHIPPED / "seven.json", found)
    return SHIPPED


def seven_or_own() -> dict:
    """This machine's own result where there is one, else the one that travels with the repository; it names its languages.

    Raises UserError where neither is there.
    """
    for path in (own(), SHIPPED / "seven.json"):
        if path.exists():
            return runs.read_json(path)
    raise runs.UserError(f"{SHIPPED / 'seven.json'} is missing; take it from the repository, or make it with: python -m utils seven --install")
