"""What each command of the command line does; every function takes the parsed options and returns the exit code."""

import argparse
import gc
import json
import os
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

from utils import runs
from utils.languages import language
from utils.runs import UserError
from utils.scales import scale


def journey(options: argparse.Namespace) -> int:
    from utils.journey.run import journey_command

    return journey_command(options)


def check(options: argparse.Namespace) -> int:
    from itertools import chain

    from utils.corpus.conversations import Problem, iter_rows, list_writer, picture_problems, problems

    count, found, affected = 0, 0, set()

    def rows() -> Iterator[object]:
        nonlocal count
        for count, row in enumerate(iter_rows(options.file), start=1):  # noqa: B007  (the summary tells the last count)
            yield row

    def tell(problem: Problem) -> None:
        nonlocal found
        found += 1
        affected.add(problem.row)
        write(asdict(problem)) if options.json else print(problem)

    pictures = picture_problems(iter_rows(options.file), options.images) if options.images else ()
    try:
        with list_writer(sys.stdout) if options.json else nullcontext() as write:
            for problem in chain(problems(rows()), pictures):
                tell(problem)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has enough (`| head`); Python would flush once more at the end and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    print(f"{options.file}: {count} rows, {found} problems, {len(affected)} rows affected", file=sys.stderr)
    return 1 if found else 0


def convert(options: argparse.Namespace) -> int:
    from utils.corpus.schemas import convert_file

    done = convert_file(options.file, options.out)
    print(f"{options.file}: {done.rows} rows, {done.converted} converted, {done.left} left")
    for reason, count in done.reasons.most_common(5):
        print(f"  {count} left: {reason}")
    if done.left:
        print(f"every row that was left, with its reason: {done.left_file}")
    return 1 if done.left else 0


def translate(options: argparse.Namespace) -> int:
    from utils.translation.pipeline import translate_files

    report = translate_files(
        options.files, options.out, options.language, options.engine, options.memory, second=options.second,
        back_translate=options.back_translate, workers=options.workers, server=options.server, rate=options.rate,
    )  # fmt: skip
    for name, counts in report["files"].items():
        print(f"{name}: {counts['rows']} rows, {counts['translated']} translated, {counts['quarantined']} in quarantine")
    print(f"report: {options.out / 'report.html'}")
    return 0


def train(options: argparse.Namespace) -> int:
    from utils.corpus.scenes.instruct import PARTS
    from utils.journey.systems import stage_data
    from utils.training.recipes import recipe
    from utils.training.stages import Corpus, train_recipe

    if options.weights:
        os.environ["WEIGHTS"] = options.weights
    size, chosen = scale(options.scale), recipe(options.recipe)
    language(options.language)
    chosen.only(*options.stages or ())  # a wrong name is told before a corpus is made
    if options.data:
        if not options.images:
            raise UserError("--data needs --images: the folder of the pictures")
        files = tuple(sorted(options.data.glob("*.json")))
        files = tuple(f for f in files if f.name in PARTS) or tuple(f for f in files if f.name != "report.json")
        english = tuple(options.english / f.name for f in files) if options.english else ()
        corpus = Corpus(files, english, options.images)
    else:
        corpus = stage_data(chosen, size, options.language)
    for manifest in train_recipe(size, options.language, chosen, corpus, names=tuple(options.stages or ())):
        last = manifest["history"][-1]["loss"] if manifest["history"] else float("nan")
        print(f"{manifest['recipe']}, {manifest['stage']}: {manifest['steps']} steps, loss {last:.3f}, {manifest['seconds']:.0f} s")
    return 0


def plan(options: argparse.Namespace) -> int:
    from utils.training import plan_page
    from utils.training.gpus import gpu
    from utils.training.recipes import recipe

    if options.explain:
        print(plan_page.explain(), end="")
        return 0
    chosen, card = recipe(options.recipe), gpu(options.gpu)
    recompute = {"on": True, "off": False}.get(options.checkpointing)
    changes = {"model": options.model, "batch": options.batch, "length": options.length, "checkpointing": recompute}
    found = [plan_page.report(chosen, stage, scale(options.scale), card, **changes) for stage in plan_page.stages_of(chosen, options.stage)]
    whole = {"recipe": chosen.name, "scale": options.scale, "gpu": card.name, "fits": all(each["fits"] for each in found), "stages": found}
    print(json.dumps(whole, indent=1) if options.json else "\n\n".join(map(plan_page.text_of, found)))
    return 0


def rehearse(options: argparse.Namespace) -> int:
    from dataclasses import replace

    from utils.training import rehearsal
    from utils.training.gpus import gpu
    from utils.training.plan_page import stages_of
    from utils.training.recipes import recipe

    size, chosen = scale(options.scale), recipe(options.recipe)
    size = size if options.batch is None else replace(size, batch=options.batch)
    card = gpu(options.gpu) if options.gpu else rehearsal.card_here()
    folder = runs.output_folder(size.name, "rehearsal")
    how = {"baseline": options.baseline, "cap": options.cap, "anyway": options.anyway}
    found = [rehearsal.rehearse(chosen, stage, size, card, options.steps, folder, **how) for stage in stages_of(chosen, options.stage)]
    print(json.dumps(found, indent=1) if options.json else "\n\n".join(map(rehearsal.text_of, found)))
    print(f"written to {folder}", file=sys.stderr)
    return 0


def readme(options: argparse.Namespace) -> int:
    from utils.journey.front import update_readme

    print(f"written: {update_readme(runs.outputs() / 'tiny' / 'pt-BR')}")
    return 0


def base(options: argparse.Namespace) -> int:
    from utils.journey.base import make_base, make_blip2

    return (make_blip2 if options.blip2 else make_base)(install=options.install)


def study(options: argparse.Namespace) -> int:
    from utils.journey.study import install
    from utils.journey.study import study as run
    from utils.taxonomy.results import summary

    for row in summary(run(options.language, workers=options.workers)):
        print("  ".join(f"{key}: {value}" for key, value in row.items()))
    if options.install:
        print(f"written to {install(options.language)}")
    return 0


def harm(options: argparse.Namespace) -> int:
    from utils.evaluation.harm import told
    from utils.journey.translation_harm import harm as run
    from utils.journey.translation_harm import install

    found = run(options.language, workers=options.workers)
    for wording in ("gold", "machine"):
        print(told(found, "machine", "gold", wording))
    if options.install:
        print(f"written to {install(options.language)}")
    return 0


def seven(options: argparse.Namespace) -> int:
    from utils.evaluation.seven import answer
    from utils.journey.seven import LANGUAGES, install
    from utils.journey.seven import seven as run

    found = run((options.language,) if options.language else LANGUAGES, range(options.seeds))
    print("\n".join(sentence for language in found["languages"] for sentence in answer(found, language)))
    if options.install:
        print(f"written to {install(found)}")
    return 0


def gate(options: argparse.Namespace) -> int:
    from utils.journey.gates import gate_command

    return gate_command(options.week, options.scale, options.language, options.recipe, options.student, options.supervisor)


def serve(options: argparse.Namespace) -> int:
    from utils.models.load import SHIPPED
    from utils.serving.server import serve as run

    model = options.model or default_model()
    run({"base": options.base or SHIPPED, "tuned": model}, options.host, options.port, options.language)
    return 0


def export(options: argparse.Namespace) -> int:
    from utils.journey.share import export_with_cards
    from utils.serving.predict import write_container

    model = (options.model or default_model()).resolve()
    if options.container:
        print(f"written to {write_container(model, options.out)}: build it with: cog build")
        return 0
    out = export_with_cards(model, options.out, options.dtype)
    print(f"written to {out}: weights, processor, README.md, DATA_CARD.md")
    if options.push:
        from utils.serving.push import push

        print(push(out, options.push, private=not options.public))
    return 0


def default_model() -> Path:
    """The newest model that a recipe made (side runs such as the thesis's rate do not count); UserError when there is none."""
    from utils.training.systems import SYSTEMS

    made = [path for name in SYSTEMS for path in runs.outputs().glob(f"*/*/{name}/*/model/config.json")]
    found = sorted(made, key=lambda path: path.stat().st_mtime)
    if not found:
        raise UserError("no trained model yet; run make journey first, or name a folder with --model")
    return found[-1].parent


def ask(options: argparse.Namespace) -> int:
    gc.disable()  # importing torch and transformers allocates much and frees little: half a second less to the answer
    from utils.serving.answer import ask as answer

    print(answer(options.picture, options.question, options.model or default_model()))
    return 0


def evaluate(options: argparse.Namespace) -> int:
    from utils.evaluation.runner import evaluate as run

    if not options.out.suffix:
        raise UserError(f"--out {options.out} has no suffix; name a file such as {options.out}.json")
    if options.task != "scenes":
        return _evaluate_published(options)
    size = scale(options.scale)
    result = run(options.model, options.language, options.out.with_suffix(""), options.questions, scale=size)
    runs.write_json(options.out, json.loads((options.out.with_suffix("") / "result.json").read_text()))
    for row in result["table"]:
        print(
            f"{row['type']:12} {row['right']:4}/{row['total']:<4} {row['share']:6.1%} [{row['low']:.0%}–{row['high']:.0%}]  baseline {row['baseline']:.0%}"
        )
    return 0


def _evaluate_published(options: argparse.Namespace) -> int:
    """A published set or AdMIRe: 1 when rows were left out."""
    from utils.evaluation import admire_run, published

    if not options.data:
        raise UserError(f"--task {options.task} needs --data: the published file or its folder")
    admire = options.task.startswith("admire-")
    if options.limit is not None and options.limit < 1:
        raise UserError(f"--limit {options.limit} asks nothing; give 1 or more, or leave it out")
    if admire and options.images is None:
        raise UserError(f"--task {options.task} needs --images: the folder of the pictures")
    shared = {"limit": options.limit, "scale": scale(options.scale)}
    place = (options.data, options.images, options.out, options.language)
    if admire:
        result = admire_run.evaluate_admire(options.model, options.task[-1], *place, **shared)
    else:
        result = published.evaluate_published(options.model, options.task, *place, part=options.part, **shared)
    print((admire_run if admire else published).text_of(result))
    return 0 if result["complete"] else 1


def score(options: argparse.Namespace) -> int:
    from utils.evaluation.score import score as judge
    from utils.evaluation.score_text import plain, text_of

    files = [options.predictions] + ([options.second] if options.second else [])
    result = judge(options.task, options.gold, files, options.language, options.strict)
    print(json.dumps(plain(result), indent=1, allow_nan=False) if options.json else text_of(result))
    return 0
