"""LLaVA-NDiNO's mix by share, and every stage's files of the picture world at any size."""

import dataclasses
import random
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from utils import runs
from utils.corpus.conversations import write_rows
from utils.corpus.ndino import documents, pages, rounds, tasks
from utils.corpus.scenes.grammar import LANGUAGES
from utils.corpus.scenes.instruct import PARTS, draw_rows, picture_scene, to_row
from utils.corpus.scenes.render import render
from utils.corpus.scenes.world import Scene
from utils.scales import TINY, Scale

# 168k page sections, 72k captions, 10k document pages: reported (Musacchio et al. 2024, CEUR-WS Vol-3877, paper 9).
SHARES = {"sections": 168, "captions": 72, "documents": 10}
FILES = {"align": "align_captions.json", "adapt": "adapt_mix.json", "short": "short_tasks.json", "long": "long_rounds.json"}
TASKS_EACH = 3  # short tasks asked about one picture
PARALLEL = ("parallel_english.json", "parallel_translated.json")  # the same questions and answers twice, by which a vocabulary is aligned
REPORT = "report.json"
PDFS = "pdfs"
VERSION = 2  # part of what a finished folder is known by: raise it when the rows change


def counts(total: int, shares: dict[str, int] = SHARES) -> dict[str, int]:
    """How many rows of each source make up `total`, by share; what rounding leaves goes to the largest remainders."""
    whole = sum(shares.values())
    found = {name: total * share // whole for name, share in shares.items()}
    by_rest = sorted(shares, key=lambda name: -(total * shares[name] % whole))
    for name in by_rest[: total - sum(found.values())]:
        found[name] += 1
    return found


def mix(pools: dict[str, Sequence[dict]], total: int, seed: int, shares: dict[str, int] = SHARES) -> tuple[list[dict], dict]:
    """`total` rows by share, each row at most once, shuffled by `seed`, and the report of what was short.

    A source that has too few rows gives all it has; no other source stands in, so that a short mix is seen and not hidden.
    """
    wanted, rows, told = counts(total, shares), [], {}
    for name, number in wanted.items():
        there = pools.get(name, ())
        taken = random.Random(f"ndino mix/{seed}/{name}").sample(list(there), k=min(number, len(there)))
        rows += taken
        told[name] = {"wanted": number, "there": len(there), "taken": len(taken), "short": number - len(taken)}
    random.Random(f"ndino mix/{seed}").shuffle(rows)
    return rows, {"wanted": total, "taken": len(rows), "short": total - len(rows), "sources": told}


def adapt_rows(
    tables: Sequence[Path], wit_images: Path, pdfs: Path, images: Path, language: str, total: int, seed: int = 0
) -> tuple[list[dict], dict]:  # fmt: skip
    """The adaptation mix from published data on disk: WIT tables with their pictures, and a folder of PDFs.

    Pictures of document pages are written to `images`, which should be `wit_images` where one stage reads both. Raises UserError.
    """
    wanted, pools, told = counts(total), {}, {}
    for kind in ("sections", "captions"):
        report = pages.Report()
        pools[kind] = list(pages.wit_rows(tables, wit_images, language, kind, report, limit=wanted[kind]))
        told[kind] = dataclasses.asdict(report)
    read = documents.Report()
    pools["documents"] = list(documents.document_rows(pdfs, images, language, read, limit=wanted["documents"]))
    rows, mixed = mix(pools, total, seed)
    return rows, mixed | {"read": told | {"documents": dataclasses.asdict(read)}}


def build(scale: Scale, language: str, folder: Path, seed: int = 0) -> dict[str, list[Path]]:
    """Every stage's files of the picture world in `folder`: stage name -> LLaVA files; pictures lie in `folder/images`.

    `align` is English, the other stages are gold text in `language`. Whole or not at all, and left alone when complete; without
    Tesseract the mix is short of documents, which `folder/report.json` says. Raises UserError for a language without a grammar.
    """
    if language not in LANGUAGES:
        raise runs.UserError(f"the picture world has no grammar for {language!r}; use one of: {', '.join(LANGUAGES)}")
    folder, pictures = Path(folder), scale.pictures or TINY.pictures
    inputs = runs.text_hash("ndino", VERSION, pictures, language, seed, SHARES, TASKS_EACH, documents.reader_version())
    found = {stage: [folder / name] for stage, name in FILES.items()}
    with runs.lock(folder):
        if runs.complete(folder, inputs) and all((folder / name).is_file() for name in (*FILES.values(), *PARALLEL)):
            return found
        started, made = time.monotonic(), folder / ".part"
        shutil.rmtree(made, ignore_errors=True)  # what a killed run had begun
        with runs.full_disk_told(folder):
            report = _write(made, pictures, language, seed)
            (folder / runs.MANIFEST).unlink(missing_ok=True)  # from here on neither the old files nor the new ones are whole
            for path in sorted(made.iterdir()):
                _replace(path, folder / path.name)
        made.rmdir()
        runs.finish(folder, inputs, started, pictures=pictures, language=language, seed=seed, text="gold", rows=report["rows"])
    return found


def _replace(new: Path, old: Path) -> None:
    if old.is_dir():
        shutil.rmtree(old)
    new.replace(old)


def _write(folder: Path, pictures: int, language: str, seed: int) -> dict:
    """All files, the pictures and the report, in a folder of their own."""
    (folder / "images").mkdir(parents=True)
    names = [f"{index + 1:012d}" for index in range(pictures)]
    scenes = [picture_scene(index, seed) for index in range(pictures)]
    for name, scene in zip(names, scenes, strict=True):
        render(scene).save(folder / "images" / f"{name}.png")
    about = list(zip(scenes, names, strict=True))
    adapt, mixed = _adapt(folder, about, language, seed)
    left: Counter = Counter()
    rows = {
        "align": [pages.world_row(scene, name, "en", "captions", seed) for scene, name in about],
        "adapt": adapt,
        "short": [row for scene, name in about for row in tasks.world_rows(scene, name, language, each=TASKS_EACH, seed=seed)],
        "long": list(rounds.single_rounds(_conversations(names, language, seed), left)),
    }
    for stage, name in FILES.items():
        write_rows(folder / name, rows[stage])
    for name, code in zip(PARALLEL, ("en", language), strict=True):
        write_rows(folder / name, list(_conversations(names, code, seed)))
    report = {
        "text": f"gold text of the picture world, {language}; align is English",
        "rows": {stage: len(found) for stage, found in rows.items()},
        "adapt": mixed,
        "short": {"tasks": Counter(row["task"] for row in rows["short"]), "no counterpart": tasks.NO_COUNTERPART},
        "long": left,
    }
    runs.write_json(folder / REPORT, report)
    return report


def _adapt(folder: Path, about: Sequence[tuple[Scene, str]], language: str, seed: int) -> tuple[list[dict], dict]:
    """The adaptation mix: sections and captions about different pictures, and PDFs of more text, read back from their pages."""
    wanted = counts(len(about))
    cut = wanted["sections"]
    pools = {
        "sections": [pages.world_row(scene, name, language, "sections", seed) for scene, name in about[:cut]],
        "captions": [pages.world_row(scene, name, language, "captions", seed) for scene, name in about[cut : cut + wanted["captions"]]],
    }
    read = documents.Report()
    _write_pdfs(folder / PDFS, len(about), wanted["documents"], language, seed)
    pools["documents"] = list(documents.document_rows(folder / PDFS, folder / "images", language, read, limit=wanted["documents"]))
    rows, mixed = mix(pools, len(about), seed)
    return rows, mixed | {"documents": dataclasses.asdict(read)}


def _write_pdfs(folder: Path, after: int, number: int, language: str, seed: int) -> None:
    """PDFs of two pages, `number` pages in all or one more, about scenes that no picture shows: those behind the first `after`."""
    folder.mkdir()
    for first in range(0, number, 2):
        texts = []
        for index in range(after + first, after + first + 2):
            rng = random.Random(f"ndino documents/{seed}/{index}")
            texts.append("\n\n".join(pages.sentences_about(picture_scene(at, seed), language, rng, 1) for at in (index, index + number)))
        documents.write_pdf(folder / f"{first // 2 + 1:06d}.pdf", texts)


def _conversations(names: Sequence[str], language: str, seed: int) -> Iterator[dict]:
    """The conversations that `write_corpus` writes about the same pictures, in a language."""
    for index, name in enumerate(names):
        asks = draw_rows(index, seed).get(PARTS[0])
        if asks:
            yield to_row(name, asks, language, before=True)
