"""The Cauldron's 50 sub-sets: which 15 LLaVA-NDiNO translated and why the others stay out, and a reader of their rows.

Laurençon et al. 2024 (arXiv 2405.02246, HuggingFaceM4/the_cauldron) published the sub-sets. The 15 are reported (Musacchio et al.
2024, CEUR-WS Vol-3877, paper 9), as are the rule (no English text inside the picture: a translated answer would contradict it),
its examples DocVQA and OCR-VQA, and the first 10,000 rows of each. Which rule meets which other sub-set is assumed.
"""

import io
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from utils.corpus.conversations import IMAGE_TOKEN
from utils.corpus.images import MAX_PIXELS
from utils.runs import UserError

FIRST = 10_000  # rows of each sub-set, a row being a picture with all its questions
TEXT = "English text inside the picture"
CHART = "a chart or map whose labels are English text"
TABLE = "a table of English text, drawn as a picture"
SCHOOL = "a textbook's diagram with English labels"
CODE = "the answer is code or English text read off a drawn page"


@dataclass(frozen=True)
class Subset:
    """One sub-set: kept by LLaVA-NDiNO or not, the reason where not, and whether that reason is reported, assumed or unknown."""

    name: str
    kept: bool
    reason: str = ""
    status: str = "reported"


def _out(reason: str, names: str, status: str = "assumed") -> tuple[Subset, ...]:
    return tuple(Subset(name, False, reason, status) for name in names.split())


_KEPT = "aokvqa clevr cocoqa geomverse iconqa intergps localized_narratives mimic_cgd nlvr2 raven spot_the_diff tallyqa visual7w vqarad vqav2"
SUBSETS: tuple[Subset, ...] = (
    *(Subset(name, True) for name in _KEPT.split()),
    *_out(TEXT, "docvqa ocrvqa", "reported"),
    *_out(TEXT, "hateful_memes iam infographic_vqa rendered_text screen2words st_vqa textcaps textvqa visualmrc"),
    *_out(CHART, "chart2text chartqa dvqa figureqa mapqa plotqa vistext"),
    *_out(TABLE, "finqa hitab multihiertt robut_sqa robut_wikisql robut_wtq tabmwp tat_qa"),
    *_out(SCHOOL, "ai2d diagram_image_to_text scienceqa tqa"),
    *_out(CODE, "datikz websight"),
    *_out("the paper measures on OK-VQA in Italian", "okvqa"),
    *_out("photos or drawings without text; the paper gives no reason", "clevr_math vsr", "unknown"),
)
KEPT = tuple(subset.name for subset in SUBSETS if subset.kept)


def table() -> list[dict]:
    """The 50 sub-sets as rows for a reader: name, kept or excluded, reason, reported or assumed or unknown."""
    return [
        {"sub-set": s.name, "decision": "kept" if s.kept else "excluded", "reason": s.reason or "on the paper's list", "status": s.status}
        for s in sorted(SUBSETS, key=lambda s: (not s.kept, s.name))
    ]


def records(folder: Path, name: str) -> Iterable[dict]:
    """The rows of one sub-set under `folder/<name>`: the hub's Parquet files, or what `save_to_disk` wrote; pictures as bytes.

    Raises UserError where the folder has neither, or none of The Cauldron's columns.
    """
    import datasets

    place = Path(folder) / name
    files = sorted(map(str, place.glob("*.parquet")))
    try:
        if files:
            found = datasets.load_dataset("parquet", data_files=files, split="train", streaming=True)
        elif (place / "state.json").is_file():
            found = datasets.load_from_disk(str(place))
        else:
            raise UserError(f"{place} has no Parquet file; put the sub-set {name} of HuggingFaceM4/the_cauldron there")
        columns = found.column_names or []
        if not {"images", "texts"} <= set(columns):
            raise UserError(f"{place} has the columns {', '.join(columns)}, not images and texts; name a sub-set of HuggingFaceM4/the_cauldron")
        # A broken picture must cost its own row alone, so pictures are decoded here, not by the reader.
        return found.cast_column("images", datasets.List(datasets.Image(decode=False)))
    except (ValueError, OSError) as error:
        raise UserError(f"{place} cannot be read ({str(error).splitlines()[0][:120]}); download it again") from error


def _decoded(stored: dict) -> Image.Image | None:
    """An RGB picture from {"bytes", "path"}, or None where it is too large or does not decode."""
    try:
        picture = Image.open(io.BytesIO(stored["bytes"])) if stored.get("bytes") else Image.open(stored["path"])
        if picture.width * picture.height > MAX_PIXELS:
            return None
        return picture.convert("RGB")
    except Exception:  # Pillow's decoders raise struct.error, zlib.error, KeyError and more on torn files
        return None


def side_by_side(pictures: list[Image.Image], gap: int = 10) -> Image.Image:
    """Several pictures as one, in order, white between them: a LLaVA row holds one picture (assumed; the paper does not tell)."""
    if len(pictures) == 1:
        return pictures[0]
    width = sum(picture.width for picture in pictures) + gap * (len(pictures) - 1)
    board, at = Image.new("RGB", (width, max(picture.height for picture in pictures)), "white"), 0
    for picture in pictures:
        board.paste(picture, (at, 0))
        at += picture.width + gap
    return board


def rows(found: Iterable[dict], name: str, images: Path, report: Counter, first: int = FIRST) -> Iterator[dict]:
    """LLaVA rows of a sub-set's first `first` rows, English, pictures written to `images/cauldron/<name>/`; fills `report`.

    All questions about a picture are one row whose turns are independent. Raises UserError for a sub-set that is not kept.
    """
    subset = next((one for one in SUBSETS if one.name == name), None)
    if subset is None or not subset.kept:
        raise UserError(f"The Cauldron's {name!r} is not among the 15 ({subset.reason if subset else 'unknown'}); use one of: {', '.join(KEPT)}")
    (Path(images) / "cauldron" / name).mkdir(parents=True, exist_ok=True)
    for number, record in enumerate(found):
        if number >= first:
            return
        report["read"] += 1
        pictures = [_decoded(one) for one in record["images"] or []]
        turns = [(t["user"].strip(), t["assistant"].strip()) for t in record["texts"] or [] if t.get("user") and t.get("assistant")]
        turns = [(asked, said) for asked, said in turns if asked and said and IMAGE_TOKEN not in asked + said]
        why = "no picture" if not pictures else "picture broken" if None in pictures else "no question" if not turns else ""
        if why:
            report[why] += 1
            continue
        place = f"cauldron/{name}/{number:06d}.jpg"
        side_by_side(pictures).save(Path(images) / place, quality=95)
        report["kept"] += 1
        report["several pictures"] += len(pictures) > 1
        report["questions"] += len(turns)
        yield _row(f"{name}-{number:06d}", place, turns, name)


def _row(row_id: str, image: str, turns: list[tuple[str, str]], task: str) -> dict:
    conversations = []
    for number, (question, answer) in enumerate(turns):
        asked = f"{IMAGE_TOKEN}\n{question}" if number == 0 else question
        conversations += [{"from": "human", "value": asked}, {"from": "gpt", "value": answer}]
    return {"id": row_id, "image": image, "conversations": conversations, "turns": "independent", "task": task}
