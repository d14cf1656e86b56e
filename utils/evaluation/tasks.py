"""Published test sets as tasks: read them from disk or a hub, ask a model row by row, keep every answer, and go on after a stop.

The picture world's own test is in `scenes_task`, AdMIRe in `admire`; files made elsewhere are judged by `score`.
"""

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.corpus.scenes.lists import LISTS
from utils.evaluation import task_files
from utils.evaluation.matching import suffix
from utils.runs import UserError

ASK = {  # what a row without a question of its own is asked; the captions' wording in Portuguese is that of AMALIA-VL's evaluation
    "caption": {
        "pt-BR": "Apresente uma legenda de uma frase para a imagem fornecida.", "pt-PT": "Apresenta uma legenda de uma frase para a imagem fornecida.",
        "it": "Fornisci una didascalia di una frase per l'immagine data.", "en": "Provide a one-sentence caption for the provided image.",
        **{code: words.caption for code, words in LISTS.items() if words.caption},
    },
    "exam": {
        "pt-BR": "Responda à questão que está na imagem.", "pt-PT": "Responde à questão que está na imagem.",
        "it": "Rispondi alla domanda nell'immagine.", "en": "Answer the question in the image.",
        **{code: words.exam for code, words in LISTS.items() if words.exam},
    },
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One question: `image` is its file name (or ""), `picture` the picture itself where a hub row holds it."""

    id: str
    image: str
    question: str
    gold: tuple[str, ...]
    group: str = ""
    picture: object = None


@dataclass(frozen=True)
class Task:
    """A published set. `records` reads its files below a folder (one part), `row` turns a record into questions.

    `kind` is how answers are matched, `suffix` which sentence asks for their form ("" for none), `asks` the question for rows
    without one, `gold_language` that of the gold where it is not the language asked in. `hub` is the set's name there:
    `checked` tells whether its columns were seen on its card or are assumed.
    """

    name: str
    records: Callable[[Path, str], Iterator[dict]]
    row: Callable[[dict], Iterable[Row]]
    kind: str
    suffix: str
    metric: str
    source: str
    hub: str
    checked: bool
    asks: str = ""
    gold_language: str = ""


def _row(record: dict, ids: Sequence[str], golds: Sequence[str], question: str | None = None, group: Sequence[str] = ("category",)) -> Row:
    """A row from the first of the columns that the record has; raises KeyError naming what it lacks."""
    image = record.get("image")
    name = image if isinstance(image, str) else next((str(record[k]) for k in ("imageId", "image_id", "image_source", "img_id") if k in record), "")
    gold = record[next((k for k in golds if k in record), golds[0])]
    asked = question if question is not None else record[next((k for k in ("question", "text", "sent") if k in record), "question")]
    answers = tuple(map(str, gold)) if isinstance(gold, (list, tuple, dict)) else (str(gold),)
    of = str(record[next((k for k in (*ids, "_row") if k in record), ids[0])])  # a hub's rows without ids go by their number
    picture = image if image is not None and not isinstance(image, str) else None
    return Row(of, name, str(asked).strip(), answers, str(next((record[k] for k in group if k in record), "")), picture)


def _pope(record: dict) -> Iterator[Row]:
    yield _row(record, ("question_id",), ("label", "answer"))


def _gqa(record: dict) -> Iterator[Row]:
    yield _row(record, ("question_id", "id"), ("answer", "label"), group=())


def _okvqa(record: dict) -> Iterator[Row]:
    told = record["answers"]
    people = [each["answer"] if isinstance(each, dict) else each for each in told]
    image = record.get("image") or (f"COCO_val2014_{int(record['image_id']):012d}.jpg" if "image_id" in record else None)
    yield _row({**record, "answers": people, "image": image}, ("question_id",), ("answers",), group=("question_type",))


def _seed(record: dict) -> Iterator[Row]:
    if record.get("data_type", "image") == "image":  # the set has videos too
        options = "\n".join(f"{letter.upper()}. {record[f'choice_{letter}']}" for letter in "abcd")
        image = record["image"][0] if isinstance(record.get("image"), list) else record.get("image", record.get("data_id"))
        question = f"{record['question'].strip()}\n{options}"
        yield _row({**record, "image": image}, ("question_id",), ("answer",), question, ("question_type_id",))


def _exams(record: dict) -> Iterator[Row]:
    yield _row(record, ("sample_id",), ("answer_key",), "", ("subject",))


def _caption(record: dict) -> Iterator[Row]:
    yield _row(record, ("image/key", "question_id", "id"), ("captions", "answer", "caption"), "", ())


def _bench(record: dict) -> Iterator[Row]:
    yield _row(record, ("question_id",), ("gold", "gpt_answer", "answer"))


def _mtvqa(record: dict) -> Iterator[Row]:
    pairs = record["qa_pairs"]
    pairs = ast.literal_eval(pairs) if isinstance(pairs, str) else pairs  # a list as Python writes it
    for number, pair in enumerate(pairs):
        of = f"{record.get('id', record.get('_row'))}_{number}"
        yield _row({**record, **pair, "question_id": of}, ("question_id",), ("answer",), group=("lang",))


def _okvqa_files(folder: Path, part: str) -> Iterator[dict]:
    told = task_files.one(folder, ("annotation",), part)
    answers = {record["question_id"]: record["answers"] for record in task_files.inside(told, "annotations")}
    for record in task_files.inside(task_files.one(folder, ("question",), part), "questions"):
        yield record | {"answers": answers[record["question_id"]]}


def _caption_files(folder: Path, part: str) -> Iterator[dict]:
    """COCO's captions (images and annotations), or XM3600's lines, whose `part` is the language of the captions."""
    path = task_files.one(folder, ("caption",), "" if _is_xm3600(folder) else part)
    if _is_xm3600(folder):
        for record in task_files.listed(path):
            yield {"image/key": record["image/key"], "image": f"{record['image/key']}.jpg", "captions": record[part or "pt"]["caption"]}
        return
    told: dict[object, list[str]] = {}
    for record in task_files.inside(path, "annotations"):
        told.setdefault(record["image_id"], []).append(record["caption"])
    for record in task_files.inside(path, "images"):
        yield {"id": record["id"], "image": record["file_name"], "captions": told[record["id"]]}


def _is_xm3600(folder: Path) -> bool:
    path = task_files.one(folder, ("caption",))
    with task_files.opened(path) as content:
        return b'"image/key"' in content.read(4096)


def _bench_files(folder: Path, part: str) -> Iterator[dict]:
    gold = {str(record["question_id"]): record["text"] for record in task_files.listed(task_files.one(folder, ("answer",), part))}
    for record in task_files.listed(task_files.one(folder, ("question",), "")):
        yield record | {"gold": gold[str(record["question_id"])]}


def _files(read: Callable[[Path], Iterator[dict]], *words: str) -> Callable[[Path, str], Iterator[dict]]:
    return lambda folder, part: read(task_files.one(folder, words, part))


TASKS = {task.name: task for task in (
    Task("pope", _files(task_files.listed, "pope"), _pope, "yes_no", "short", "pope", "RUCAIBox/POPE, arXiv 2305.10355", "lmms-lab/POPE", True),
    Task("xgqa", _files(task_files.keyed, "testdev"), _gqa, "text", "short", "exact", "adapter-hub/xGQA, arXiv 2109.06082", "floschne/xgqa", True,
         gold_language="en"),
    Task("gqa-it", _files(task_files.keyed, "testdev"), _gqa, "text", "short", "exact", "crux82/gqa-it", "", False),
    Task("ok-vqa", _okvqa_files, _okvqa, "text", "short", "vqa", "OK-VQA, arXiv 1906.00067", "lmms-lab/OK-VQA", True),
    Task("seed", _files(lambda path: task_files.inside(path, "questions"), "seed"), _seed, "option", "option", "exact",
         "SEED-Bench, arXiv 2307.16125", "lmms-lab/SEED-Bench", True),
    Task("exams-v", _files(task_files.listed, ""), _exams, "option", "option", "exact", "EXAMS-V, arXiv 2403.10378", "Rocktim/EXAMS-V", True, asks="exam"),
    Task("captions", _caption_files, _caption, "text", "", "captions", "COCO, arXiv 1504.00325; XM3600, arXiv 2205.12522", "lmms-lab/COCO-Caption", False,
         asks="caption"),
    Task("llava-bench", _bench_files, _bench, "text", "", "perplexity", "haotian-liu/LLaVA, arXiv 2304.08485", "lmms-lab/llava-bench-in-the-wild", False),
    Task("mtvqa", _files(task_files.listed, ""), _mtvqa, "text", "short", "exact", "bytedance/MTVQA, arXiv 2405.11985", "ByteDance/MTVQA", True),
)}  # fmt: skip


def task(name: str) -> Task:
    """The task of a name; raises UserError naming the others."""
    if name not in TASKS:
        raise UserError(f"task {name!r} is unknown; use one of: {', '.join(TASKS)}")
    return TASKS[name]


def rows(of: Task, source: str | Path, part: str = "") -> Iterator[Row]:
    """The task's questions one by one: from a folder of published files, a `datasets` folder, or (source "hub") the hub.

    `part` names one of several files or splits (POPE: random, popular, adversarial). Raises UserError for what cannot be read.
    """
    if source == "hub":
        if not of.hub:
            raise UserError(f"{of.name} has no known name on the hub; download it from {of.source} and name its folder")
        records = task_files.from_datasets(of.hub, part)
    elif task_files.is_datasets_folder(Path(source)):
        records = task_files.from_datasets(Path(source), part)
    else:
        records = of.records(Path(source), part)
    number = 0
    try:
        for number, record in enumerate(records, start=1):  # noqa: B007  (the error tells it)
            yield from of.row(record)
    except (KeyError, TypeError, ValueError, SyntaxError, AttributeError) as error:
        raise UserError(f"{source}: record {max(number, 1)} is not as {of.name} publishes it ({error!r}); name the published file") from error


def prompt(of: Task, row: Row, language: str) -> str:
    """What is asked: the row's question (or the task's), and on a new line the sentence that asks for a short answer or a letter."""
    asked = row.question or ASK[of.asks].get(language)
    if not asked:
        raise UserError(f"{of.name} asks nothing in {language!r}; add `{of.asks}` to the language's word list (utils/corpus/scenes)")
    return f"{asked}\n{suffix(language, of.suffix).strip()}" if of.suffix else asked
