"""LLaVA JSON: read it, name every problem in it, write it back.

The contract (haotian-liu/LLaVA docs/Finetune_Custom_Data.md): a list of {"id", "image", "conversations"}; turns
alternate human and gpt; one literal `<image>` in the first human turn of a row that has an image. What the original
code does with each defect, often in silence, is in its llava/train/train.py.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from utils.corpus.images import inside, load_picture
from utils.languages import LANGUAGES
from utils.runs import UserError, write_text

IMAGE_TOKEN = "<image>"
ROLES = ("human", "gpt")
MANGLED = tuple(sorted({form for language in LANGUAGES.values() for form in language.manglings}))
_LOOKS_MANGLED = re.compile(r"<\s*/?\s*ima?[gm]+[a-zé]*\s*>", re.IGNORECASE)
_RESERVED = {" ASSISTANT: ": "it splits the round in two", "</s>": "it ends the answer early", "<unk>": "it is the padding token"}


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
        return f"row {self.row} (id {self.id}){turn}: {self.problem}; {self.fix}"


def read_rows(path: Path) -> list:
    """The rows of a LLaVA file; raises UserError for a missing, unreadable or non-JSON file or one that is no list."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing; check the path") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 at byte {error.start}; save it as UTF-8") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); check the path and its rights") from error
    if text.startswith("version https://git-lfs"):
        raise UserError(f"{path} is a Git-LFS pointer, not the data; run: git lfs pull")
    try:
        rows = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"{path} is not JSON (line {error.lineno}: {error.msg}); download it again, it may be cut off") from error
    if not isinstance(rows, list):
        raise UserError(f"{path} holds a JSON {type(rows).__name__}, not a list of rows; LLaVA files are lists")
    return rows


def write_rows(path: Path, rows: list[dict]) -> None:
    """Write a LLaVA file whole or not at all; unknown keys are kept."""
    write_text(path, json.dumps(rows, ensure_ascii=False, indent=1) + "\n")


def problems(rows: list) -> Iterator[Problem]:
    """Every defect of a file's rows, in order."""
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            yield Problem(number, "?", None, f"the row is a JSON {type(row).__name__}, not an object", "remove it or rebuild the file")
            continue
        label = str(row.get("id", "?"))
        for turn, problem, fix in _row_problems(row):
            yield Problem(number, label, turn, problem, fix)


def _row_problems(row: dict) -> Iterator[tuple[int | None, str, str]]:
    if not isinstance(row.get("id"), str):
        yield None, f"the id is {row.get('id')!r}, not text", "write it as text; numbers lose their leading zeros"
    image = row.get("image")
    if image is not None:
        yield from _image_problems(image, row.get("id"))
    turns = row.get("conversations")
    if not isinstance(turns, list) or not turns:
        hint = "it has `messages`: convert it from the OpenAI schema" if "messages" in row else "give it a list of turns"
        yield None, "the row has no conversations", hint
        return
    for number, turn in enumerate(turns):
        yield from _turn_problems(number, turn)
    if len(turns) % 2:
        yield None, f"{len(turns)} turns: the last question has no answer", "add the answer or remove the question"
    yield from _token_problems(turns, image is not None)


def _image_problems(image: object, row_id: object) -> Iterator[tuple[None, str, str]]:
    if not isinstance(image, str) or not image:
        yield None, f"the image is {image!r}, not a path", "give the file's path, relative to the image folder"
        return
    if image.startswith(("/", "\\")) or ".." in Path(image).parts or re.match(r"^[A-Za-z]:", image):
        yield None, f"the image path {image!r} leaves the image folder", "use a path inside it"
    stem = Path(image).stem
    if isinstance(row_id, (str, int)) and str(row_id) != stem and stem.isdigit() and str(row_id).isdigit() and int(row_id) == int(stem):
        yield None, f"the id {row_id!r} lost its zeros against {image!r}", f"write {stem!r}"


def _turn_problems(number: int, turn: object) -> Iterator[tuple[int, str, str]]:
    if not isinstance(turn, dict):
        yield number, "the turn is not an object", 'write {"from": …, "value": …}'
        return
    speaker, value, due = turn.get("from"), turn.get("value"), ROLES[number % 2]
    if speaker not in ROLES:
        yield number, f"`from` is {speaker!r}", "use human or gpt; these words are never translated"
    elif speaker != due:
        yield number, f"`from` is {speaker}, {due} is due", "turns alternate and human starts"
    if not isinstance(value, str) or not value.replace(IMAGE_TOKEN, "").strip():
        yield number, "the text is empty", "write it, or remove this turn and its partner"
        return
    for reserved, why in _RESERVED.items():
        if reserved in value:
            yield number, f"the text holds {reserved.strip()!r}: {why}", "reword it"


def _token_problems(turns: list, has_image: bool) -> Iterator[tuple[int | None, str, str]]:
    texts = [t["value"] if isinstance(t, dict) and isinstance(t.get("value"), str) else "" for t in turns]
    holding = [n for n, text in enumerate(texts) if IMAGE_TOKEN in text]
    for number, text in enumerate(texts):
        rest = text.replace(IMAGE_TOKEN, "")
        found = _LOOKS_MANGLED.search(rest) or next((m for m in MANGLED if m in rest), None)
        if found:
            broken = found if isinstance(found, str) else found.group()
            yield number, f"the image token became {broken!r}: LLaVA would train this row as text only", f"write {IMAGE_TOKEN}"
    if has_image and not holding:
        yield None, f"the row has an image but no {IMAGE_TOKEN}: LLaVA would train it as text only", f"put {IMAGE_TOKEN} into the first turn"
    if not has_image and holding:
        yield holding[0], f"{IMAGE_TOKEN} without an image: it would be read as plain text", "add the image or remove the token"
    for number in holding:
        if number % 2:
            yield number, f"{IMAGE_TOKEN} in an answer", "move it to the first turn"
        elif number > 0:
            yield number, f"{IMAGE_TOKEN} in turn {number}, not in the first", "move it to the first turn"
        if texts[number].count(IMAGE_TOKEN) > 1:
            yield number, f"{texts[number].count(IMAGE_TOKEN)} image tokens in one turn", "keep one"


def picture_problems(rows: list, folder: Path) -> list[Problem]:
    """Every picture of the rows that cannot be opened from `folder`: missing, broken, too large, outside the folder."""
    found, opened = [], {}
    for number, row in enumerate(rows):
        image = row.get("image") if isinstance(row, dict) else None
        if not isinstance(image, str):
            continue
        if image not in opened:
            try:
                load_picture(inside(folder, image))
                opened[image] = None
            except UserError as error:
                opened[image] = str(error)
        if opened[image]:
            problem, _, fix = opened[image].partition("; ")
            found.append(Problem(number, str(row.get("id", "?")), None, problem, fix))
    return found


def turns_of(row: dict) -> list[tuple[str, str]]:
    """(question, answer) pairs of a sound row, the image token taken off as LLaVA's preprocess_multimodal does."""
    values = [turn["value"].replace(IMAGE_TOKEN, "").strip() for turn in row["conversations"]]
    return list(zip(values[::2], values[1::2], strict=True))


def as_json(found: list[Problem]) -> str:
    return json.dumps([asdict(problem) for problem in found], ensure_ascii=False, indent=1)
