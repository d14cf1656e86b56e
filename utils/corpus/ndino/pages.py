"""Page sections and captions beside pictures, as rows for the `plain` prompts: from WIT's published tables and from the picture world.

LLaVA-NDiNO (Musacchio et al. 2024, CEUR-WS Vol-3877, paper 9) adapts its model with 168k page sections and 72k captions of WIT
(Srinivasan et al. 2021, arXiv 2103.01913; layout: google-research-datasets/wit): reported. How it words a section is not told;
here it is the page's title, the section's title and the text, one a line: assumed. Its least length is not told either: assumed.
"""

import contextlib
import csv
import gzip
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from utils.corpus.conversations import IMAGE_TOKEN
from utils.corpus.images import inside, open_picture
from utils.corpus.scenes.asks import Ask, possible
from utils.corpus.scenes.grammar import say
from utils.corpus.scenes.world import Scene
from utils.corpus.texts import text_problems
from utils.runs import UserError, text_hash

COLUMNS = (
    "language", "page_url", "image_url", "page_title", "section_title", "hierarchical_section_title", "caption_reference_description",
    "caption_attribution_description", "caption_alt_text_description", "mime_type", "original_height", "original_width", "is_main_image",
    "attribution_passes_lang_id", "page_changed_recently", "context_page_description", "context_section_description",
)  # fmt: skip
NEEDED = ("language", "image_url", "page_title", "section_title", "caption_reference_description", "context_section_description")
LEAST = {"sections": 100, "captions": 15}  # characters: assumed, the paper names no limit
FIELD = 1 << 20  # characters of one field; Python's own limit is an eighth of it
_BODY = {"sections": "context_section_description", "captions": "caption_reference_description"}
NAMED = 20  # how many pictures a report names; the rest it counts
# What the human side holds. The plain prompts leave it out; `check` wants words there, as LCS-558K has them.
ASKED = {"en": "Describe the picture.", "pt": "Descreva a imagem.", "it": "Descrivi l'immagine."}
SECTION = ("position", "relation", "comparison", "group", "total")  # types whose answers are sentences that stand alone


@dataclass
class Report:
    """What a reader took and left: counts by reason, and the first pictures that are missing or broken."""

    counts: Counter = field(default_factory=Counter)
    missing: list[str] = field(default_factory=list)

    def lost(self, name: str, why: str) -> None:
        self.counts[why] += 1
        if len(self.missing) < NAMED:
            self.missing.append(name)


def plain_row(row_id: str, image: str, text: str, language: str, task: str, question: str = "") -> dict:
    """A row of one turn whose answer is all that a plain prompt learns; `task` tells where it comes from."""
    asked = question or ASKED.get(language.partition("-")[0], ASKED["en"])
    turns = [{"from": "human", "value": f"{IMAGE_TOKEN}\n{asked}"}, {"from": "gpt", "value": text}]
    return {"id": row_id, "image": image, "conversations": turns, "task": task}


def wit_records(path: Path, report: Report) -> Iterator[dict]:
    """The records of one WIT table (.tsv or .tsv.gz); torn lines are counted as "broken line".

    Raises UserError: missing, no WIT table, not UTF-8, gzip that breaks off.
    """
    path = Path(path)
    before = csv.field_size_limit(FIELD)
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") if path.suffix == ".gz" else open(path, encoding="utf-8", newline="") as file:
            rows = csv.reader(file, delimiter="\t")
            header = next(rows, [])
            lacking = [name for name in NEEDED if name not in header]
            if lacking:
                raise UserError(f"{path} has no column {lacking[0]!r}; name a table of google-research-datasets/wit")
            while True:
                with contextlib.suppress(csv.Error):
                    for row in rows:
                        if len(row) == len(header):
                            yield dict(zip(header, row, strict=True))
                        else:
                            report.counts["broken line"] += 1
                    return
                report.counts["broken line"] += 1
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing; check the path") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 ({error.reason}); download it again") from error
    except (gzip.BadGzipFile, EOFError) as error:
        raise UserError(f"{path} is gzip that breaks off ({error}); download it again") from error
    finally:
        csv.field_size_limit(before)


def wit_picture(images: Path, url: str) -> str | None:
    """Where a picture lies under `images`: at its place under /wikipedia/ (commons/a/ab/Name.jpg), or by its name alone; else None."""
    place = unquote(urlsplit(url).path).partition("/wikipedia/")[2]
    for name in (place, place.rpartition("/")[2]):
        with contextlib.suppress(UserError, ValueError, OSError):
            if name and inside(images, name).is_file():
                return name
    return None


def wit_text(record: dict, kind: str) -> str:
    """A record's text of a kind, "sections" or "captions"; "" where the record has none."""
    if kind == "captions":
        return " ".join(record[_BODY[kind]].split())
    text = record[_BODY[kind]].strip()
    heads = dict.fromkeys(record[name].strip() for name in ("page_title", "section_title"))
    return "\n".join([*filter(None, heads), text]) if text else ""


def wit_rows(
    paths: Iterable[Path], images: Path, language: str, kind: str, report: Report, least: int | None = None, limit: int | None = None
) -> Iterator[dict]:
    """Rows of WIT's sections or captions in a language, at most `limit`, each text once a picture; fills `report`, a new one for each call.

    `least`: characters of the text without its titles. WIT knows Portuguese, not its varieties: pt-BR and pt-PT read the same rows.
    """
    code, least = language.partition("-")[0], LEAST[kind] if least is None else least
    seen: set[str] = set()
    for path in paths:
        for record in wit_records(path, report):
            report.counts["read"] += 1
            why = _unfit(record, code, kind, least)
            text = "" if why else wit_text(record, kind)
            same = text_hash(record["image_url"], text)
            if why or same in seen:
                report.counts[why or "repeated"] += 1
            elif image := _usable(images, record["image_url"], report):
                seen.add(same)
                report.counts["kept"] += 1
                yield plain_row(f"wit-{same}", image, text, language, kind)
                if limit is not None and report.counts["kept"] >= limit:
                    return


def _unfit(record: dict, code: str, kind: str, least: int) -> str:
    """Why a record gives no row, "" when it does; the cheap reasons first, for most of WIT is in another language."""
    if record["language"] != code:
        return "other language"
    if len(record[_BODY[kind]].strip()) < least:
        return "too short"
    text = wit_text(record, kind)
    return "broken text" if IMAGE_TOKEN in text or next(text_problems(text), None) else ""


def _usable(images: Path, url: str, report: Report) -> str | None:
    """The picture's place when its file opens; else None, and the report names the URL."""
    name = wit_picture(images, url)
    if name is None:
        report.lost(url, "picture missing")
        return None
    try:
        open_picture(Path(images) / name).close()
    except UserError:
        report.lost(url, "picture unreadable")
        return None
    return name


def sentences_about(scene: Scene, language: str, rng: random.Random, more: int = 3) -> str:
    """A few sentences about a scene, as a page would tell it: its description, then `more` facts."""
    facts = [rng.choice(asks) for kind in SECTION if (asks := possible(scene, kind, rng))]
    chosen = rng.sample(facts, k=min(more, len(facts)))
    return " ".join(say(ask, language)[1] for ask in (Ask("description", scene), *chosen))


def world_row(scene: Scene, picture: str, language: str, task: str, seed: int = 0) -> dict:
    """A picture of the picture world as a row: `task` is "sections" (a few sentences) or "captions" (one sentence)."""
    rng = random.Random(f"ndino {task}/{seed}/{picture}")
    ask = Ask("listing" if task == "captions" else "description", scene, rng.randrange(3))
    question, caption = say(ask, language)
    text = caption if task == "captions" else sentences_about(scene, language, rng)
    return plain_row(picture, f"{picture}.png", text, language, task, question)
