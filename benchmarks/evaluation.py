"""Scoring prediction files: its seconds over those that the standard json module takes to read the same files, in one run."""

import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from utils.evaluation.score import score

ITEMS, ROUNDS, TARGET = 100_000, 5, 5.0
WORDS = "gato cão pássaro cavalo vermelho azul verde mesa cadeira janela esquerda direita homem mulher criança carro bicicleta água pão maçã".split()
FORMS = ("{}", "{}.", "Um {}.", "o {}", "{}", "É um {}.", "Uma {}", " {}", "{} grande", "a {}")


def row(measure: str, value: float, unit: str, target: float | None, meets: bool | None, how: str) -> dict:
    return {"measure": measure, "value": value, "unit": unit, "target": target, "meets": meets, "how": how}


def run() -> list[dict]:
    """Each task's file of 100,000 predictions: once as models answer, once with every answer different from all others."""
    rng = random.Random(6)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        _load_modules(place)
        return [
            *_exact(place, rng),
            _ratio("pope", *_pope(place, rng), TARGET, "answers: sim, Não., Sim, há … (9 forms)"),
            _ratio("perplexity", *_perplexity(place, rng), TARGET, "LLaVA-Bench-like likelihoods"),
        ]


def _exact(place: Path, rng: random.Random) -> list[dict]:
    """GQA's published layout; 1,840 different gold answers, as GQA has (arXiv 1902.09506 tells 1,878)."""
    golds = [f"{a} {b}" for a in WORDS for b in WORDS][:-20] + [f"{n} {w}" for n in range(73) for w in WORDS]
    labels = [rng.choice(golds[: 1 + int(len(golds) * rng.random() ** 3)]) for _ in range(ITEMS)]
    gold = place / "gold.json"
    gold.write_text(
        json.dumps([{"question_id": f"{n:08d}", "img_id": f"n{n}", "sent": "O que é?", "label": {one: 1.0}} for n, one in enumerate(labels)])
    )
    said = [rng.choice(FORMS).format(one if rng.random() < 0.6 else rng.choice(golds)) for one in labels]
    models = {"as models answer": said, "every answer different": [f"{text} {n}" for n, text in enumerate(said)]}
    rows, files = [], []
    for name, texts in models.items():
        files.append(place / f"{len(files)}.json")
        files[-1].write_text(json.dumps([{"questionId": f"{n:08d}", "prediction": text} for n, text in enumerate(texts)], ensure_ascii=False))
        target = TARGET if name == "as models answer" else None
        rows.append(_ratio(f"exact-match, {name}", "exact-match", gold, [files[-1]], target, f"{len(set(texts)):,} different answers"))
    return [*rows, _ratio("exact-match, two files, McNemar and bootstrap", "exact-match", gold, files, None, "both of the above; no target")]


def _pope(place: Path, rng: random.Random) -> tuple[str, Path, list[Path]]:
    forms = ("sim", "Sim", "Sim.", "Sim, há.", "não", "Não", "Não.", "Não, não há.", "talvez")
    gold, said = place / "pope.json", place / "answers.jsonl"
    gold.write_text(
        "".join(
            json.dumps({"question_id": n, "image": "i.jpg", "text": "Há um gato?", "label": rng.choice(("yes", "no"))}) + "\n" for n in range(ITEMS)
        )
    )
    said.write_text(
        "".join(json.dumps({"question_id": n, "text": rng.choice(forms), "model_id": "m"}, ensure_ascii=False) + "\n" for n in range(ITEMS))
    )
    return "pope", gold, [said]


def _perplexity(place: Path, rng: random.Random) -> tuple[str, Path, list[Path]]:
    gold, said = place / "questions.jsonl", place / "nll.jsonl"
    gold.write_text("".join(json.dumps({"question_id": n, "text": "Descreva a imagem."}) + "\n" for n in range(ITEMS)))
    said.write_text("".join(json.dumps({"id": n, "nll": rng.expovariate(0.02), "tokens": 40, "characters": 160}) + "\n" for n in range(ITEMS)))
    return "perplexity", gold, [said]


def _read(path: Path) -> object:
    """What anyone would write: the whole file, or each line, through json."""
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file] if path.suffix == ".jsonl" or path.name == "pope.json" else json.load(file)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _timed(task: str, gold: Path, files: list[Path]) -> tuple[float, float]:
    return _seconds(lambda: score(task, gold, files)), _seconds(lambda: [_read(path) for path in (gold, *files)])


def _ratios(task: str, gold: Path, files: list[Path]) -> list[float]:
    """Scoring over reading, each round in a process of its own: modules are loaded, no answer is in any cache."""
    found = []
    for _ in range(ROUNDS):
        with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
            scoring, reading = pool.submit(_timed, task, gold, files).result()
        found.append(scoring / reading)
    return found


def _ratio(name: str, task: str, gold: Path, files: list[Path], target: float | None, how: str) -> dict:
    found = _ratios(task, gold, files)
    value = statistics.median(found)
    told = f"{ITEMS:,} predictions, {how}; all files read by json alone are 1; median of {ROUNDS} rounds, {min(found):.1f} to {max(found):.1f}"
    return row(f"{name}, scoring over reading", value, "×", target, None if target is None else value <= target, told)


def _load_modules(place: Path) -> None:
    """Score one item of each task, so that imports are not measured."""
    gold, said = place / "one gold.json", place / "one.json"
    gold.write_text('[{"id": "1", "label": "yes"}]')
    said.write_text('[{"id": "1", "answer": "no", "nll": 1.0, "tokens": 1, "characters": 2}]')
    for task in ("exact-match", "pope", "perplexity"):
        score(task, gold, [said, said])
