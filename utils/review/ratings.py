"""Rating files, the same from the form and from the page: read with every problem named, saved at once, merged over raters."""

import hashlib
import json
import math
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from utils import runs
from utils.review.rubric import CRITERIA, ERRORS, VERSION
from utils.review.sampling import RATINGS
from utils.runs import UserError

FORMAT = 1
LARGEST_FILE = 32 << 20  # bytes; 10,000 items rated in full with remarks are about 10 MB
LONGEST_REMARK = 10_000  # characters
LONGEST_NAME = 80
PROBLEMS_TOLD = 5
CHOICES = ("tie", "none")  # best answer: all the same, or none is good; None where nothing is chosen yet
LEVELS = {one.key: tuple(value for value, _ in one.levels) for one in CRITERIA}
ERROR_KEYS = frozenset(one.key for one in ERRORS)


@dataclass(frozen=True)
class Ratings:
    """What one rater said of one review: item id -> {"best", "answers", "at", "seconds"}."""

    review: str
    rater: str
    ratings: dict[str, dict]


@dataclass(frozen=True)
class Change:
    """What a save replaced: the item's rating before it, None where there was none. `undo` takes it back."""

    item: str
    before: dict | None


def now() -> str:
    """The time as rating files hold it: UTC to the millisecond, as a browser writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def rater_name(name: str) -> str:
    """A rater's name with accents coded one way and single spaces; raises UserError where nothing readable is left or it is long."""
    clean = " ".join(unicodedata.normalize("NFC", name).split())
    if not clean or len(clean) > LONGEST_NAME or not clean.isprintable():
        raise UserError(f"the rater's name {name[:40]!r} does not do; use 1 to {LONGEST_NAME} printable characters")
    return clean


def rating_path(folder: Path, rater: str) -> Path:
    """Where the form keeps a rater's file; the hash keeps apart names that differ only in what a file name cannot hold."""
    name = rater_name(rater)
    plain = re.sub(r"[^a-z0-9]+", "-", unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()).strip("-")
    return Path(folder) / RATINGS / f"{plain[:40] or 'rater'}-{hashlib.sha256(name.encode()).hexdigest()[:6]}.json"


def complete(item: dict, rating: dict | None) -> bool:
    """Whether an item of the review is rated in full: every score of every answer and, where there are several answers, the best one."""
    if rating is None or (len(item["answers"]) > 1 and rating["best"] is None):
        return False
    return all(LEVELS.keys() <= rating["answers"].get(answer["id"], {"scores": {}})["scores"].keys() for answer in item["answers"])


def read_ratings(path: Path, review: dict) -> Ratings:
    """One rating file of `review` (the data of `items.json`). Raises UserError with the file's problems in one sentence."""
    return _checked(path, _read(Path(path)), review)


def _checked(path: Path, data: object, review: dict) -> Ratings:
    problems = list(_problems(data, review))
    if problems:
        more = f"; and {len(problems) - PROBLEMS_TOLD} more" if len(problems) > PROBLEMS_TOLD else ""
        raise UserError(f"{path} is not a sound rating file of this review: {'; '.join(problems[:PROBLEMS_TOLD])}{more}; export it again")
    return Ratings(review["review"], rater_name(data["rater"]), {item: _plain(rating) for item, rating in data["ratings"].items()})


def _read(path: Path) -> object:
    try:
        if not path.is_file():
            raise UserError(f"{path} is missing or not a file; check the path")
        if (size := path.stat().st_size) > LARGEST_FILE:
            raise UserError(f"{path} has {size >> 20} MB, more than the {LARGEST_FILE >> 20} MB of any rating file; export it again")
        text = path.read_bytes()
        if b"\x00" in text:
            raise UserError(f"{path} holds NUL bytes and is not text; export it again")
        return json.loads(text.decode("utf-8-sig"), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not JSON ({str(error)[:120]}); export it again") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); check the path and its rights") from error


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not a number")


def _problems(data: object, review: dict) -> Iterator[str]:
    """Everything wrong with a rating file's data, in words."""
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        yield f"it is not marked as format {FORMAT}"
        return
    if data.get("review") != review["review"]:
        yield f"it belongs to review {_short(data.get('review'))}, not {review['review']!r}"
        return
    if data.get("rubric") != VERSION:
        yield f"it follows rubric {_short(data.get('rubric'))}, not {VERSION!r}"
    try:
        rater_name(data["rater"])
    except (KeyError, TypeError, UserError):
        yield f"the rater's name is {_short(data.get('rater'))}"
    if not isinstance(data.get("ratings"), dict):
        yield "it has no ratings"
        return
    items = {item["id"]: {answer["id"] for answer in item["answers"]} for item in review["items"]}
    for item, rating in data["ratings"].items():
        if item not in items:
            yield f"item {_short(item)} is not in the review"
        else:
            yield from (f"{item}: {problem}" for problem in _rating_problems(rating, items[item]))


def _rating_problems(rating: object, answers: set[str]) -> Iterator[str]:
    if not isinstance(rating, dict) or not isinstance(rating.get("answers"), dict):
        yield "it has no answers"
        return
    best = rating.get("best")
    if best is not None and not (isinstance(best, str) and (best in answers or best in CHOICES)):
        yield f"best is {_short(best)}, not an answer of this item, tie or none"
    if _time(rating.get("at")) is None:
        yield f"at is {_short(rating.get('at'))}, not a time"
    seconds = rating.get("seconds", 0)
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool) or not 0 <= seconds < math.inf:
        yield f"seconds is {_short(seconds)}, not a number from 0"
    for answer, said in rating["answers"].items():
        if answer not in answers:
            yield f"answer {_short(answer)} is not one of this item"
        else:
            yield from (f"{answer}: {problem}" for problem in _answer_problems(said))


def _answer_problems(said: object) -> Iterator[str]:
    if not isinstance(said, dict) or not isinstance(said.get("scores", {}), dict) or not isinstance(said.get("errors", []), list):
        yield "it has no scores"
        return
    for criterion, value in said.get("scores", {}).items():
        if criterion not in LEVELS:
            yield f"{_short(criterion)} is no criterion"
        elif type(value) is not int or value not in LEVELS[criterion]:
            yield f"{criterion} is {_short(value)}, not one of {', '.join(map(str, LEVELS[criterion]))}"
    for error in said.get("errors", []):
        if not isinstance(error, str) or error not in ERROR_KEYS:
            yield f"{_short(error)} is no error type"
    if not _is_text(said.get("remark", "")):
        yield f"its remark is not a text of at most {LONGEST_REMARK} characters"


def _is_text(remark: object) -> bool:
    """Text that a UTF-8 file can hold: neither NUL nor half of a two-part character."""
    return isinstance(remark, str) and len(remark) <= LONGEST_REMARK and not re.search("[\x00\ud800-\udfff]", remark)


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 40 else shown[:39] + "…"


def _time(text: object) -> datetime | None:
    """A time of a rating file; one without a zone counts as UTC."""
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _plain(rating: dict) -> dict:
    """A sound rating with every part there and nothing else."""
    answers = {
        answer: {"scores": dict(said.get("scores", {})), "errors": sorted(set(said.get("errors", []))), "remark": said.get("remark", "")}
        for answer, said in rating["answers"].items()
    }
    return {"best": rating.get("best"), "answers": answers, "at": rating["at"], "seconds": rating.get("seconds", 0)}


def merge(paths: Iterable[Path], review: dict) -> tuple[dict[str, dict[str, dict]], list[tuple[Path, str]]]:
    """(rater -> item -> rating, [(path, reason)] of files left out): raters by name, items in the review's order.

    Of two ratings of one item by one rater the later counts, whatever the order of the files; a bad file is named and skipped, never fatal.
    """
    merged: dict[str, dict[str, dict]] = {}
    skipped = []
    for path in paths:
        try:
            found = read_ratings(path, review)
        except UserError as error:
            skipped.append((Path(path), str(error)))
            continue
        mine = merged.setdefault(found.rater, {})
        for item, rating in found.ratings.items():
            if item not in mine or _age(rating) > _age(mine[item]):
                mine[item] = rating
    place = {item["id"]: number for number, item in enumerate(review["items"])}
    return {rater: dict(sorted(merged[rater].items(), key=lambda pair: place[pair[0]])) for rater in sorted(merged)}, skipped


def _age(rating: dict) -> tuple[datetime, str]:
    """What decides between two ratings: their time, then their text, so that no order of files matters."""
    return _time(rating["at"]), json.dumps(rating, sort_keys=True)


def save_rating(path: Path, review: dict, rater: str, item: str, rating: dict | None) -> Change:
    """Put one item's rating on disk, whole or not at all, and return what it replaced; None takes the item's rating away.

    The file is read again first, so that two windows of one rater keep each other's ratings. Raises UserError: an unsound rating, or a file
    that is not this rater's (it stays as it is).
    """
    path, name = Path(path), rater_name(rater)
    head = {"format": FORMAT, "review": review["review"], "rubric": VERSION, "rater": name}
    if rating is not None:
        rating = _checked(path, {**head, "ratings": {item: rating}}, review).ratings[item]
    with runs.lock(path.parent):
        ratings = {}
        if path.exists():
            found = read_ratings(path, review)
            if found.rater != name:
                raise UserError(f"{path} holds ratings by {found.rater!r}, not {name!r}; choose another file")
            ratings = found.ratings
        before = ratings.pop(item, None)
        if rating is not None:
            ratings[item] = rating
        with runs.atomic_file(path) as file:
            file.write(json.dumps({**head, "ratings": ratings}, ensure_ascii=False) + "\n")
    return Change(item, before)


def undo(path: Path, review: dict, rater: str, change: Change) -> Change:
    """Take a save back; the answer takes the undoing back."""
    return save_rating(path, review, rater, change.item, change.before)
