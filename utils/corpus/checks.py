"""Name every problem in the rows of a LLaVA file and in their pictures, each with its place and the way to mend it.

What the original code does with each defect, often in silence, is in haotian-liu/LLaVA llava/train/train.py.
"""

import hashlib
import json
import re
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path, PureWindowsPath

from utils.corpus.images import flaws, inside, misspelt
from utils.corpus.texts import IMAGE_TOKEN, MEDIA, mangled, text_problems
from utils.runs import UserError

ROLES = ("human", "gpt")
OTHER_ROLES = {
    **dict.fromkeys(("human", "user", "prompter", "humano", "humana", "usuário", "usuario", "utilizador", "umano", "utente"), "human"),
    **dict.fromkeys(("gpt", "assistant", "bot", "model", "chatgpt", "bing", "bard", "claude", "assistente", "modelo", "modello"), "gpt"),
}
CONVERT = "convert the file: python -m utils convert FILE --out NEW"
PROGRESS = 2  # seconds between two lines about pictures


@dataclass(frozen=True)
class Problem:
    """One defect: where (row counted from 0, id, turn counted from 0) and, in one sentence each, what and how to mend it."""

    row: int
    id: str
    turn: int | None
    problem: str
    fix: str

    def __str__(self) -> str:
        turn = "" if self.turn is None else f", turn {self.turn}"
        label = self.id if self.id.isprintable() else repr(self.id)
        return f"row {self.row} (id {label}){turn}: {self.problem}; {self.fix}"


def as_json(found: Iterable[Problem]) -> str:
    """The problems as a JSON list of {row, id, turn, problem, fix}."""
    return json.dumps([asdict(problem) for problem in found], ensure_ascii=False, indent=1)


def problems(rows: Iterable[object]) -> Iterator[Problem]:
    """Every defect of the rows, in order; memory grows by the ids only."""
    ids: dict[object, int] = {}
    whole: dict[bytes, int] = {}
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            yield Problem(number, "?", None, f"the row is {_kind(row)}, not an object", "remove it or rebuild the file")
            continue
        label = str(row.get("id", "?"))
        for turn, problem, fix in (*_row_problems(row), *_double_problems(number, row, ids, whole)):
            yield Problem(number, label, turn, problem, fix)


def _kind(value: object) -> str:
    """A JSON value's kind in words, with the value where it is short."""
    if value is None or isinstance(value, bool):
        return f"the JSON word {json.dumps(value)}"
    if isinstance(value, (int, float)):
        return f"the number {value!r}"
    return {dict: "a JSON object", list: "a JSON list", str: "text"}.get(type(value), type(value).__name__)


def _row_problems(row: dict) -> Iterator[tuple[int | None, str, str]]:
    media = [key for key in MEDIA if row.get(key)]
    for key in media:
        yield None, f"the row has `{key}`: LLaVA has no {MEDIA[key]}", "remove the row"
    turns = row.get("conversations")
    if not isinstance(turns, list) or not turns:
        if not media:
            yield _no_turns(row)
        return
    if not isinstance(row.get("id"), str):
        yield None, f"the id is {row.get('id')!r}, not text", "write it as text; numbers lose their leading zeros"
    elif not row["id"].strip():
        yield None, "the id is empty", "give each row its own id"
    if row.get("images") and "image" not in row:
        yield None, "the row has `images` where LLaVA has `image`", CONVERT
    if "image" in row:
        yield from image_problems(row["image"], row.get("id"))
    yield from _turns_problems(turns)
    yield from _token_problems(turns, bool(row.get("images")) or row.get("image") is not None)


def _no_turns(row: dict) -> tuple[None, str, str]:
    if "messages" in row:
        return None, "the row has no conversations but `messages`, the OpenAI schema", CONVERT
    if "conversation" in row:
        return None, "the row has no conversations but `conversation`", CONVERT
    if row.get("conversations") not in (None, []):
        return None, f"`conversations` is {_kind(row['conversations'])}: the row has no conversations", "give it a list of turns"
    return None, "the row has no conversations", "give it a list of turns"


def image_problems(image: object, row_id: object) -> Iterator[tuple[None, str, str]]:
    """(None, problem, fix) for an `image` value that is no path inside the image folder, or that the row's id contradicts."""
    if isinstance(image, list):
        yield None, f"the image is a list of {len(image)} (LLaVA-NeXT interleaved), which LLaVA 1.5 cannot read", "keep one picture a row"
        return
    if not isinstance(image, str) or not image.strip():
        fix = "remove the key, or give the file's path relative to the image folder"
        yield None, f"the image is {'empty text' if isinstance(image, str) else _kind(image)}, not a path", fix
        return
    if re.match(r"(?:[a-zA-Z][\w+.-]+://|data:)", image):
        yield None, f"the image {image[:60]!r} is a URL, not a path", "download the picture into the image folder and give its path there"
        return
    if image.startswith(("/", "\\", "~")) or ".." in PureWindowsPath(image).parts or re.match(r"^[A-Za-z]:", image):
        yield None, f"the image path {image!r} leaves the image folder", "use a path inside it"
    elif "\\" in image:
        yield None, f"the image path {image!r} has Windows separators", "write / between folders"
    if image != image.strip() or not image.isprintable():
        yield None, f"the image path {image!r} has spaces at its ends or control characters", "take them out"
    stem = re.split(r"[\\/]", image)[-1].rpartition(".")[0]
    if isinstance(row_id, (str, int)) and str(row_id) != stem and _digits(stem) and _digits(str(row_id)) and int(row_id) == int(stem):
        yield None, f"the id {row_id!r} lost its zeros against {image!r}", f"write {stem!r}"


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 100


def _double_problems(number: int, row: dict, ids: dict[object, int], whole: dict[bytes, int]) -> Iterator[tuple[None, str, str]]:
    """A row that stands twice, or an id on two rows that does not name their picture.

    LLaVA-Instruct's ids name pictures, and its union file holds each picture up to three times: that is sound.
    """
    label, image = row.get("id"), row.get("image")
    if not row.get("conversations"):
        return
    same = json.dumps([label, image if label is None else None, row["conversations"]], sort_keys=True).encode()
    earlier = whole.setdefault(hashlib.blake2b(same, digest_size=16).digest(), number)
    if earlier != number:
        yield None, f"the row repeats row {earlier}: same id, same conversations", "remove one of the two"
    if not isinstance(label, (str, int)) or not str(label).strip():
        return
    first = ids.setdefault(label, number)
    named = image.rpartition(".")[0] if isinstance(image, str) else ""
    ending = re.split(r"[/_]", named)[-1]
    as_number = _digits(ending) and _digits(str(label)) and int(ending) == int(label)
    names_picture = as_number or named == label or named.endswith((f"/{label}", f"_{label}"))
    if first != number and earlier == number and not names_picture:
        yield None, f"the id already stands on row {first}", "give each row its own id, or its picture's name without the ending"


def _turns_problems(turns: list) -> Iterator[tuple[int | None, str, str]]:
    due = "human"
    for number, turn in enumerate(turns):
        if not isinstance(turn, dict):
            yield number, f"the turn is {_kind(turn)}, not an object", 'write {"from": …, "value": …}'
            continue
        speaker = turn.get("from", turn.get("role"))
        role = side(speaker)
        if "from" not in turn and "role" in turn:
            yield number, "the turn has `role` and `content` where LLaVA has `from` and `value`", CONVERT
        elif speaker not in ROLES:
            yield number, f"`from` is {speaker!r}", f"write {role}" if role else "use human or gpt; LLaVA has no other speakers"
        if role and role != due:
            why = "LLaVA drops this turn" if number == 0 else "LLaVA stops at two turns of one side"
            yield number, f"`from` is {speaker}, {due} is due: {why}", "turns alternate and human starts"
        if role:
            due = ROLES[role == "human"]
        yield from _text_problems(number, turn)
    if due == "gpt":
        yield len(turns) - 1, f"{len(turns)} turns: the last question has no answer", "add the answer or remove the question"


def side(speaker: object) -> str | None:
    """human or gpt for any word that some schema or translation uses for it, else None."""
    return OTHER_ROLES.get(speaker.strip().lower()) if isinstance(speaker, str) else None


def text_key(turn: dict) -> str:
    """`value`, or the OpenAI schema's `content` where only that is there."""
    return "content" if "value" not in turn and "content" in turn else "value"


def _text_problems(number: int, turn: dict) -> Iterator[tuple[int, str, str]]:
    key = text_key(turn)
    text = turn.get(key)
    if not isinstance(text, str):
        told = f"`{key}` is {_kind(text)}, not text" if key in turn else "the turn has no `value`"
        yield number, told, "write the text, or remove this turn and its partner"
        return
    yield from ((number, problem, fix) for problem, fix in text_problems(text))


def _token_problems(turns: list, has_image: bool) -> Iterator[tuple[int | None, str, str]]:
    texts = [text if isinstance(turn, dict) and isinstance(text := turn.get(text_key(turn)), str) else "" for turn in turns]
    sides = [side(turn.get("from", turn.get("role"))) if isinstance(turn, dict) else None for turn in turns]
    holding = [n for n, text in enumerate(texts) if IMAGE_TOKEN in text]
    first = sides.index("human") if "human" in sides else 0
    for number, text in enumerate(texts):
        broken = mangled(text, lost=has_image and not holding and number == first)
        if broken:
            yield number, f"the image token became {broken!r}: LLaVA would train this row as text only", f"write {IMAGE_TOKEN}"
    if has_image and not holding:
        yield None, f"the row has an image but no {IMAGE_TOKEN}: LLaVA would train it as text only", f"put {IMAGE_TOKEN} into the first turn"
    if not has_image and holding:
        yield holding[0], f"{IMAGE_TOKEN} without an image: it would be read as plain text", "add the image or remove the token"
    for number in holding:
        if sides[number] == "gpt":
            yield number, f"{IMAGE_TOKEN} in an answer", "move it to the first turn"
        elif number != first:
            yield number, f"{IMAGE_TOKEN} in turn {number}, not in the first", "move it to the first turn"
        if texts[number].count(IMAGE_TOKEN) > 1:
            yield number, f"{texts[number].count(IMAGE_TOKEN)} image tokens in one turn", "keep one"


def picture_problems(rows: Iterable[object], folder: Path) -> Iterator[Problem]:
    """Every problem of the pictures that the rows name in `folder`; each picture is opened once.

    Raises UserError at once when `folder` is no folder. Says on stderr how far it is when it takes long.
    """
    if not Path(folder).is_dir():
        raise UserError(f"{folder} is no folder; name the folder of the pictures")
    return _open_all(rows, Path(folder))


def _open_all(rows: Iterable[object], folder: Path) -> Iterator[Problem]:
    opened: dict[str, list[tuple[str, str]]] = {}
    listings: dict[Path, dict[str, str]] = {}
    told = time.monotonic()
    for number, row in enumerate(rows):
        image = row.get("image") if isinstance(row, dict) else None
        if not isinstance(image, str) or not image.strip():
            continue
        if image not in opened:
            opened[image] = _picture_flaws(folder, image, listings)
            if time.monotonic() - told >= PROGRESS:
                told = time.monotonic()
                print(f"pictures: {len(opened)} opened, at row {number}", file=sys.stderr, flush=True)
        for problem, fix in opened[image]:
            yield Problem(number, str(row.get("id", "?")), None, problem, fix)


def _picture_flaws(folder: Path, image: str, listings: dict[Path, dict[str, str]]) -> list[tuple[str, str]]:
    try:
        inside(folder, image)
        spelt = misspelt(folder, image, listings)
        found = flaws(inside(folder, spelt or image))
    except (UserError, ValueError, OSError, RuntimeError) as error:  # a NUL, a name too long, a ring of links
        problem, _, fix = str(error).rpartition("; ")
        return [(problem, fix)] if problem else [(f"the image path {image[:60]!r} cannot be used ({error})", "correct the path")]
    if spelt:
        found.insert(0, (f"the picture {image!r} is {spelt!r} on the disk: case or accents differ", f"write {spelt!r}"))
    return found
