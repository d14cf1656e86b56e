"""Write a task of ours for lmms-eval (EvolvingLMMs-Lab/lmms-eval): a YAML, its utils.py, and a copy of the scoring they need.

The folder stands alone: neither this course nor lmms-eval has to be installed to import its utils.py, so that users of
lmms-eval get the same prompts and the same judgements as here.
"""

import ast
from pathlib import Path

from utils.evaluation.tasks import Task
from utils.languages import ALL
from utils.runs import ROOT, UserError, write_text

PACKAGE = "llava_pt_scoring"  # not "utils": lmms-eval gives that name to the file beside the YAML
METRICS = {  # metric -> (names, aggregation function; "mean" is lmms-eval's own; higher is better)
    "exact": (("strict", "mean", True), ("relaxed", "mean", True)),
    "vqa": (("strict", "mean", True), ("relaxed", "mean", True)),
    "pope": (
        ("strict", "mean", True),
        ("relaxed", "mean", True),
        ("f1", "f1", True),
        ("yes_ratio", "yes_ratio", True),
        ("unreadable", "unreadable", False),
    ),
    "captions": (("chrf", "chrf", True), ("bleu", "bleu", True), ("cider_d", "cider_d", True)),
    "perplexity": (("nats_per_character", "mean", False),),
}
TOKENS = {"exact": 16, "vqa": 16, "pope": 16, "captions": 96}

UTILS = '''"""Functions of the task {name} ({language}) for lmms-eval; the scoring beside this file judges as the course does."""

import sys
from pathlib import Path

_HERE = str(Path(__file__).resolve().parent)
if _HERE not in sys.path:
    sys.path.insert(0, _HERE)

from {package}.evaluation import measures  # noqa: E402
from {package}.evaluation.tasks import prompt, task  # noqa: E402

TASK, LANGUAGE = task("{name}"), "{language}"
GOLD_LANGUAGE = TASK.gold_language or LANGUAGE


def _row(doc):
    return next(iter(TASK.row({{"_row": 0, **doc}})))  # lmms-eval has numbers of its own


def process_docs(dataset):
    """One question a row: MTVQA has several a picture; SEED-Bench's videos are left out."""
    if "qa_pairs" in dataset.column_names:
        return dataset.map(_apart, batched=True, batch_size=1)
    if "data_type" in dataset.column_names:
        return dataset.filter(lambda doc: doc["data_type"] == "image")
    return dataset


def _apart(batch):
    import ast

    pairs = batch["qa_pairs"][0]
    pairs = ast.literal_eval(pairs) if isinstance(pairs, str) else pairs
    return {{name: values * len(pairs) for name, values in batch.items()}} | {{"qa_pairs": [repr([pair]) for pair in pairs]}}


def doc_to_visual(doc):
    picture = _row(doc).picture
    if isinstance(picture, dict):  # undecoded: bytes or a path
        import io

        from PIL import Image

        picture = Image.open(io.BytesIO(picture["bytes"]) if picture.get("bytes") else picture["path"])
    return [] if picture is None else [picture.convert("RGB")]


def doc_to_text(doc, lmms_eval_specific_kwargs=None):
    return prompt(TASK, _row(doc), LANGUAGE)


def doc_to_target(doc):
    return _row(doc).gold[0] if _row(doc).gold else ""


def process_results(doc, results):
    row, said = _row(doc), results[0] if results else ""
    if TASK.metric == "perplexity":
        nats = -float(said[0] if isinstance(said, (tuple, list)) else said or 0.0)
        return {{"nats_per_character": nats / max(1, len(doc_to_target(doc)))}}
    if TASK.metric == "captions":
        return {{name: (said, list(row.gold)) for name in ("chrf", "bleu", "cider_d")}}
    strict, relaxed = measures.item_scores(TASK.metric, TASK.kind, said, row.gold, GOLD_LANGUAGE)
    found = {{"strict": strict, "relaxed": relaxed}}
    if TASK.metric == "pope":
        pair = (measures.yes_no(row.gold[0]), measures.verdict(said, GOLD_LANGUAGE))
        found |= {{"f1": pair, "yes_ratio": pair, "unreadable": pair}}
    return found


def _pope(name, pairs):
    return measures.pope([gold for gold, _ in pairs], [said for _, said in pairs])[name]


def f1(pairs):
    return _pope("f1", pairs)


def yes_ratio(pairs):
    return _pope("yes_ratio", pairs)


def unreadable(pairs):
    return _pope("unreadable", pairs)


def _captions(name, pairs):
    from {package}.evaluation.captions import caption_scores

    return caption_scores([said for said, _ in pairs], [gold for _, gold in pairs])[name]


def chrf(pairs):
    return _captions("chrf", pairs)


def bleu(pairs):
    return _captions("bleu", pairs)


def cider_d(pairs):
    return _captions("cider_d", pairs)
'''


def export(task: Task, folder: Path, language: str = "pt-BR", dataset_path: str = "", split: str = "test", config: str = "") -> Path:
    """Write the task into `folder` for `lmms_eval --include_path FOLDER --tasks NAME`; returns the YAML's path.

    `dataset_path` is a name on the hub or a folder; the task's own without it. Raises UserError for an unknown language
    and for a task without a set.
    """
    if language not in ALL:
        raise UserError(f"language {language!r} is unknown; use one of: {', '.join(ALL)}")
    path = dataset_path or task.hub
    if not path:
        raise UserError(f"{task.name} has no known name on the hub; give dataset_path, a folder or a name")
    folder = Path(folder)
    copied = ["utils.evaluation.tasks", "utils.evaluation.measures"] + ["utils.evaluation.captions"] * (task.metric == "captions")
    copied += [f"utils.corpus.scenes.{record.word_list}" for record in ALL.values() if record.word_list]  # named by the record, not imported
    for module in sorted(needed(copied)):
        target = folder / PACKAGE / Path(*module.split(".")[1:])
        source = ROOT / Path(*module.split("."))
        source, target = (
            (source / "__init__.py", target / "__init__.py") if source.is_dir() else (source.with_suffix(".py"), target.with_suffix(".py"))
        )
        write_text(
            target,
            source.read_text(encoding="utf-8").replace("from utils.", f"from {PACKAGE}.").replace("from utils import", f"from {PACKAGE} import"),
        )
    write_text(folder / "utils.py", UTILS.format(name=task.name, language=language, package=PACKAGE))
    name = f"{task.name.replace('-', '_')}_{language.replace('-', '_').lower()}"
    write_text(folder / f"{name}.yaml", _yaml(task, name, path, split, config))
    return folder / f"{name}.yaml"


def needed(modules: list[str]) -> set[str]:
    """These modules, those of ours that they import on loading, and the packages that hold them."""
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module in found:
            continue
        found.add(module)
        parent = module.rpartition(".")[0]
        waiting += [parent] if parent else []
        path = ROOT / Path(*module.split("."))
        if path.is_dir():
            continue
        for node in ast.parse(path.with_suffix(".py").read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "utils":
                inner = [f"{node.module}.{alias.name}" for alias in node.names]
                waiting += [one for one in inner if (ROOT / Path(*one.split("."))).with_suffix(".py").exists()] or [node.module]
    return found


def _yaml(task: Task, name: str, path: str, split: str, config: str) -> str:
    """The YAML by hand: its `!function` tags are lmms-eval's own, and texts are quoted as JSON, which YAML reads."""
    import json

    lines = [f"# {task.name} of LLaVA em Português; the set: {task.source}", f"dataset_path: {json.dumps(path)}"]
    lines += [f"dataset_name: {json.dumps(config)}"] if config else []
    lines += [f"task: {json.dumps(name)}", f"test_split: {json.dumps(split)}"]
    lines += [f"output_type: {'loglikelihood' if task.metric == 'perplexity' else 'generate_until'}"]
    lines += [f"{key}: !function utils.{key}" for key in ("process_docs", "doc_to_visual", "doc_to_text", "doc_to_target", "process_results")]
    if task.metric in TOKENS:
        lines += ["generation_kwargs:", f"  max_new_tokens: {TOKENS[task.metric]}", "  temperature: 0", "  num_beams: 1", "  do_sample: false"]
    lines.append("metric_list:")
    for metric, how, better in METRICS[task.metric]:
        lines += [f"  - metric: {metric}", f"    aggregation: {how if how == 'mean' else f'!function utils.{how}'}"]
        lines.append(f"    higher_is_better: {str(better).lower()}")
    return "\n".join([*lines, "metadata:", "  - version: 1.0", ""])
