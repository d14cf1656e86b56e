"""`make base`: rebuild the English base, score it, compare it with the shipped one; `base --blip2`: the same for mBLIP's start."""

import shutil
import sys
import time
from pathlib import Path

from utils import runs
from utils.evaluation.runner import evaluate
from utils.models.load import SHIPPED
from utils.models.tokenizer import PORTUGUESE_SHARE, VOCABULARY
from utils.training.base import ALIGN, COUNT, INSTRUCT, build_base

QUESTIONS = 300  # of each type: an interval of about ±4 points at 86 %
TOLERANCE = 0.02


def score_base(model: Path, out: Path) -> dict:
    """Share right by type for English questions, facts right of descriptions, and the share right when asked in Portuguese."""
    english = evaluate(model, "en", out / "en", QUESTIONS)["table"]
    portuguese = evaluate(model, "pt-BR", out / "pt-BR", QUESTIONS)["table"]
    scores = {row["type"]: round(row["share"], 4) for row in english}
    baselines = {row["type"]: round(row["baseline"], 4) for row in english}
    facts = next(row["facts"] for row in english if row["type"] == "description")
    return {"english": scores, "baselines": baselines, "description_facts": round(facts, 4), "portuguese": round(portuguese[-1]["share"], 4)}


def make_base(install: bool = False) -> int:
    """Build in `outputs/base`, score, print the scores beside the shipped ones; returns 1 when they differ by over 2 points."""
    started = time.monotonic()
    folder = runs.output_folder("base")
    model = build_base(folder)
    scores = score_base(model, folder / "scores")
    minutes = (time.monotonic() - started) / 60
    shipped = runs.read_json(SHIPPED / runs.MANIFEST)["scores"] if (SHIPPED / runs.MANIFEST).exists() else None
    worst = 0.0
    for name, share in scores["english"].items():
        before = shipped["english"][name] if shipped else None
        worst = max(worst, abs(share - before)) if shipped else worst
        print(f"{name:12} {share:6.1%}" + (f"  shipped {before:6.1%}" if shipped else ""))
    print(f"description facts {scores['description_facts']:.1%}, asked in Portuguese {scores['portuguese']:.1%} right, {minutes:.0f} minutes")
    if install:
        _install(model, scores)
        return 0
    gap = abs(scores["english"]["all"] - shipped["english"]["all"]) if shipped else 0
    print(f"over all types {gap:.1%} from the shipped model, {worst:.1%} on the type that differs most", file=sys.stderr)
    return int(gap > TOLERANCE)


def _install(model: Path, scores: dict) -> None:
    SHIPPED.mkdir(parents=True, exist_ok=True)
    for path in model.iterdir():
        shutil.copy(path, SHIPPED / path.name)
    runs.write_json(
        SHIPPED / runs.MANIFEST,
        {
            "what": "tiny English LLaVA (CLIP-class tower, MLP projector, LLaMA), half precision",
            "command": "make base", "seeds": {"align": ALIGN.seed, "instruct": INSTRUCT.seed, "count": COUNT.seed},
            "steps": {"align": ALIGN.steps, "instruct": INSTRUCT.steps, "count": COUNT.steps},
            "tokenizer": {"vocabulary": VOCABULARY, "portuguese_share_of_its_text": PORTUGUESE_SHARE},
            "weights_saw_portuguese": False, "questions_of_each_type": QUESTIONS, "scores": scores, "versions": runs.versions(),
            "sha256": {p.name: runs.file_hash(p) for p in sorted(SHIPPED.glob("*")) if p.name != runs.MANIFEST},
        },
    )  # fmt: skip


def make_blip2(install: bool = False) -> int:
    """Build mBLIP's start in `outputs/blip2`, score it, print the scores beside the shipped ones; returns 0."""
    from utils.models import blip2_start
    from utils.training.blip2_base import PLANS, build_blip2, write_english

    folder = build_blip2(runs.output_folder("blip2"))
    english = evaluate(write_english(folder, folder / "english"), "en", folder / "scores", QUESTIONS)["table"]
    scores = {row["type"]: round(row["share"], 4) for row in english}
    shipped = blip2_start.SHIPPED / runs.MANIFEST
    before = runs.read_json(shipped)["scores"] if shipped.exists() else {}
    for name, share in scores.items():
        print(f"{name:12} {share:6.1%}" + (f"  shipped {before[name]:6.1%}" if name in before else ""))
    if not install:
        return 0
    shipped.parent.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.safetensors"):
        shutil.copy(path, shipped.parent / path.name)
    runs.write_json(
        shipped,
        {
            "what": "tiny BLIP-2: tower, Q-Former and projection in English (eyes), and two language models that read ten languages, half precision",
            "command": "python -m utils base --blip2 --install", "seeds": {name: plan.seed for name, plan in PLANS.items()},
            "steps": {name: plan.steps for name, plan in PLANS.items()}, "questions_of_each_type": QUESTIONS, "scores": scores,
            "weights_saw_pictures_with": ["en"], "versions": runs.versions(),
            "sha256": {p.name: runs.file_hash(p) for p in sorted(shipped.parent.glob("*.safetensors"))},
        },
    )  # fmt: skip
    return 0
