"""Draw a stratified sample of answers by several systems, and write it blind: raters get pictures and answers, the teacher keeps the key."""

import hashlib
import io
import random
import shutil
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from utils import runs
from utils.corpus.images import load_picture
from utils.corpus.scenes.render import render
from utils.review.rubric import VERSION
from utils.runs import UserError

if TYPE_CHECKING:  # loads torch, which a rater needs not have
    from utils.evaluation.scenes_task import Answer

FORMAT = 1
ITEMS, KEY, PICTURES, RATINGS = "items.json", "key.json", "pictures", "ratings"
LETTERS = "abcdefghijklmnopqrstuvwxyz"
LARGEST_SIDE = 1024  # pixels; a phone shows no more, and 10,000 pictures must fit in one page
LOSSLESS_BELOW = 256 * 256  # pixels; small drawings lose their edges to a lossy code and gain nothing


@dataclass(frozen=True)
class Said:
    """One question about one picture and what each system answered.

    `picture` is a PIL image, a path, or a function that draws the image, so that only sampled pictures are drawn. `alt` describes the
    picture and stays in the key: it would give the answer away. `right` is the automatic metric's verdict per system, None where there is none.
    """

    item_id: str
    type: str
    picture: Image.Image | Path | Callable[[], Image.Image]
    alt: str
    question: str
    gold: str
    answers: dict[str, str]
    right: dict[str, bool | None]


def sample(items: Sequence[Said], per_type: int, seed: int) -> list[Said]:
    """`per_type` items of each question type (all where there are fewer), types in alphabetical order.

    An item is drawn by the hash of its id and the seed: the order of `items` changes nothing. Raises UserError: nothing to draw, an id twice.
    """
    if per_type < 1 or not items:
        raise UserError(f"a sample of {per_type} of each type out of {len(items)} items is empty; give items and at least 1 of each type")
    _unique(items)
    drawn = []
    for name in sorted({item.type for item in items}):
        pool = [item for item in items if item.type == name]
        drawn += sorted(pool, key=lambda item: (_draw(seed, item.item_id), item.item_id))[:per_type]
    return drawn


def _draw(*parts: object) -> bytes:
    return hashlib.sha256("\x1f".join(map(str, parts)).encode("utf-8", "surrogatepass")).digest()


def _unique(items: Sequence[Said]) -> None:
    known: set[str] = set()
    for item in items:
        if item.item_id in known:
            raise UserError(f"the item id {item.item_id!r} stands twice in the sample; give each question about a picture its own id")
        known.add(item.item_id)


def from_scenes(found: dict[str, Sequence["Answer"]], gold: bool = False, style: str = "openmoji") -> list[Said]:
    """Rows from what several systems answered to the same questions on the picture world; `gold` adds the right answer as a system.

    Raises UserError where two systems were not asked the same, or where a system has the name that the right answer needs.
    """
    if gold and "gold" in found:
        raise UserError("a system is named 'gold', which names the right answer here; give the system another name")
    by_system = {name: {(a.scene, a.question): a for a in answers} for name, answers in found.items()}
    if not by_system:
        raise UserError("no system's answers were given; give the answers of one system at least")
    (first, asked), *others = by_system.items()
    for name, answers in others:
        if differ := len(answers.keys() ^ asked.keys()):
            raise UserError(f"{first!r} and {name!r} were not asked the same: {differ} questions differ; give both the same questions")
    rows = []
    for spot, answer in asked.items():
        scene, question = spot
        said = {name: answers[spot].said for name, answers in by_system.items()} | ({"gold": answer.gold} if gold else {})
        right = {name: answers[spot].right for name, answers in by_system.items()} | ({"gold": True} if gold else {})
        alt = f"{len(scene.items)} things on {scene.background}: " + ", ".join(item.kind for item in scene.items)
        item_id = f"{answer.type}-{runs.text_hash(asdict(scene), question)}"
        rows.append(Said(item_id, answer.type, partial(render, scene, style), alt, question, answer.gold, said, right))
    return rows


def webp(picture: Image.Image | Path | Callable[[], Image.Image]) -> bytes:
    """A picture as WebP without metadata, its longest side at most LARGEST_SIDE. Raises UserError: a file that is not a sound picture."""
    if isinstance(picture, (str, Path)):
        picture = load_picture(Path(picture))
    shown = (picture if isinstance(picture, Image.Image) else picture()).convert("RGB")
    shown.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.LANCZOS)
    bare = Image.new("RGB", shown.size)  # EXIF, colour profile and comments stay behind: they may name a run
    bare.paste(shown)
    out = io.BytesIO()
    small = bare.width * bare.height <= LOSSLESS_BELOW  # without loss, `quality` is effort: 20 is 10 times as fast as 90 for a sixth more bytes
    bare.save(out, "WEBP", **({"lossless": True, "quality": 20, "method": 2} if small else {"quality": 90}))
    return out.getvalue()


def _shown_text(text: str) -> str:
    """An answer as it is shown: the spaces around it and the way its accents are coded would tell two systems apart."""
    readable = text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "")
    return unicodedata.normalize("NFC", readable).strip()


def _grouped(item: Said, seed: int) -> list[tuple[str, list[str]]]:
    """(text, systems that said it) in random order. Sorted by text before the shuffle: no system's name touches the order."""
    if not item.answers or len(item.answers) > len(LETTERS):
        raise UserError(f"item {item.item_id!r} has {len(item.answers)} answers; give 1 to {len(LETTERS)} systems")
    groups: dict[str, list[str]] = {}
    for system in sorted(item.answers):
        groups.setdefault(_shown_text(item.answers[system]), []).append(system)
    order = sorted(groups.items())
    random.Random(_draw("answers", seed, item.item_id)).shuffle(order)
    return order


def write_review(folder: Path, items: Sequence[Said], language: str, scale: str, seed: int, title: str) -> Path:
    """Write `items.json` and `pictures/` for raters and `key.json` for the teacher; returns the folder. Equal answers are shown once.

    Raises UserError: no items, an id twice, a broken picture, or a folder that holds ratings of another review.
    """
    folder = Path(folder)
    if not items:
        raise UserError(f"there are no items to review in {folder}; sample some first")
    _unique(items)
    order = sorted(items, key=lambda item: item.item_id)
    random.Random(_draw("items", seed)).shuffle(order)
    width = max(4, len(str(len(order))))
    names = {f"q{number:0{width}d}": item for number, item in enumerate(order, start=1)}
    shown = [_blind(name, item, f"Picture {number} of {len(order)}", seed) for number, (name, item) in enumerate(names.items(), start=1)]
    content = {"title": title, "language": language, "scale": scale, "rubric": VERSION, "items": shown}
    half = folder / f".{PICTURES}.part"
    try:
        hashes = _draw_pictures(half, names)
        review = runs.text_hash(content, hashes)
        _put_pictures(half, folder, _known(folder, review))
        runs.write_json(folder / KEY, {"review": review, "seed": seed, **_key(names, seed)})
        runs.write_json(folder / ITEMS, {"format": FORMAT, "review": review, **content})
    except OSError as error:
        raise UserError(f"cannot write the review in {folder} ({error.strerror}); free space or choose another folder") from error
    finally:
        shutil.rmtree(half, ignore_errors=True)
    return folder


def _draw_pictures(half: Path, names: dict[str, Said]) -> dict[str, str]:
    """All pictures, in a folder that waits beside the real one; returns their hashes."""
    hashes = {}
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    for name, item in names.items():
        data = webp(item.picture)
        hashes[name] = hashlib.sha256(data).hexdigest()
        (half / f"{name}.webp").write_bytes(data)
    return hashes


def _put_pictures(half: Path, folder: Path, known: bool) -> None:
    """Other items go first: a run killed here leaves no items beside pictures that are not theirs."""
    if not known:
        (folder / ITEMS).unlink(missing_ok=True)
    if (folder / PICTURES).exists():
        shutil.rmtree(folder / PICTURES)
    half.rename(folder / PICTURES)


def _blind(name: str, item: Said, alt: str, seed: int) -> dict:
    answers = [{"id": name + letter, "text": text} for letter, (text, _) in zip(LETTERS, _grouped(item, seed), strict=False)]
    return {
        "id": name,
        "type": item.type,
        "picture": f"{PICTURES}/{name}.webp",
        "alt": alt,
        "question": _shown_text(item.question),
        "answers": answers,
    }


def _key(names: dict[str, Said], seed: int) -> dict:
    key: dict[str, dict] = {"answers": {}, "gold": {}, "right": {}, "sources": {}, "alts": {}}
    for name, item in names.items():
        key["gold"][name], key["sources"][name], key["alts"][name] = item.gold, item.item_id, item.alt
        for letter, (_, systems) in zip(LETTERS, _grouped(item, seed), strict=False):
            key["answers"][name + letter] = systems
            judged = {system: item.right[system] for system in systems if item.right.get(system) is not None}
            if judged:
                key["right"][name + letter] = judged
    return key


def _known(folder: Path, review: str) -> bool:
    """Whether the folder holds this very review. Ratings of a review that is gone are worth nothing: raises UserError before that happens."""
    try:
        known = read_review(folder)["review"] == review
    except UserError:
        known = False
    if not known and any((folder / RATINGS).glob("*.json")):
        raise UserError(f"{folder} holds ratings of another review; write to a new folder, or move its {RATINGS} folder away")
    return known


def read_review(folder: Path) -> dict:
    """`items.json` of a review, its shape checked. Raises UserError: missing, not JSON, not a review, or of another rubric."""
    path = Path(folder) / ITEMS
    review = runs.read_json(path)
    if not isinstance(review, dict) or review.get("format") != FORMAT or not isinstance(review.get("review"), str):
        raise UserError(f"{path} is not a review of format {FORMAT}; write it again")
    if review.get("rubric") != VERSION:
        raise UserError(f"{path} was written for rubric {review.get('rubric')!r}, this is rubric {VERSION!r}; write the review again")
    items = review.get("items")
    if not isinstance(items, list) or not items or not all(map(_is_item, items)) or len({item["id"] for item in items}) < len(items):
        raise UserError(f"{path} has items without an id of their own, a question, a picture inside the folder or answers; write it again")
    return review


def _is_item(item: object) -> bool:
    if not isinstance(item, dict) or not all(isinstance(item.get(part), str) for part in ("id", "type", "picture", "alt", "question")):
        return False
    path, answers = Path(item["picture"]), item.get("answers")
    if path.is_absolute() or ".." in path.parts or not isinstance(answers, list) or not answers:
        return False
    return all(isinstance(a, dict) and isinstance(a.get("id"), str) and isinstance(a.get("text"), str) for a in answers)
