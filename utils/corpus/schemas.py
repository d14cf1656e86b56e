"""Turn rows of other schemas (OpenAI messages, the ShareGPT family) into LLaVA rows, and say why where that cannot be."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from utils.corpus.checks import problems, side
from utils.corpus.conversations import iter_json_lines, iter_rows, rows_writer
from utils.corpus.texts import IMAGE_TOKEN, MEDIA
from utils.runs import UserError, atomic_file

TURN_KEYS = ("messages", "conversations", "conversation")  # where schemas keep their turns
_TOOLS = ("tool", "function", "function_call", "observation", "ipython")
_SYSTEM = ("system", "developer")
_TEXT_PARTS = ("text", "input_text", "output_text")
_IMAGE_PARTS = ("image", "image_url", "input_image")
_AROUND_TOKEN = re.compile(rf"\n?[ \t]*{IMAGE_TOKEN}[ \t]*\n?")


@dataclass(frozen=True)
class Converted:
    """What became of a file's rows; `reasons` counts the problems that kept rows back."""

    rows: int
    converted: int
    left: int
    left_file: Path
    reasons: Counter = field(default_factory=Counter)


def to_llava(row: object, made_id: str = "row") -> dict:
    """The row in the LLaVA schema; a sound LLaVA row comes back as it is.

    Kept: the id (`made_id` where there is none), the system message under `system`, keys that are not the schema's.
    Raises UserError with the reason: sound, video, tools, several pictures, or what `problems` still finds.
    """
    if not any(problems([row])):
        return row
    if not isinstance(row, dict):
        raise UserError(f"the row is a JSON {type(row).__name__}, not an object; remove it")
    for key in MEDIA:
        if row.get(key):
            raise UserError(f"the row has `{key}`: LLaVA has no {MEDIA[key]}; leave it out")
    source = next((key for key in TURN_KEYS if isinstance(row.get(key), list) and row[key]), None)
    if source is None:
        raise UserError(f"the row has none of {', '.join(TURN_KEYS)}; name its turns so")
    pictures = _pictures_named(row.get("image")) + _pictures_named(row.get("images"))
    system, turns = [], []
    for number, turn in enumerate(row[source]):
        kind, said, shown, rest = _read_turn(number, turn)
        pictures += shown
        if kind == "system" and not turns:
            system.append(said)
        elif kind == "system":
            raise UserError(f"turn {number} is a system message inside the conversation; LLaVA has no place for it")
        else:
            turns.append({"from": kind, "value": said, **rest})
    picture = _one_picture(pictures, turns)
    rest = {key: value for key, value in row.items() if key not in ("id", "image", "images", source)}
    if system:
        rest.setdefault("system", "\n".join(system))
    made = {"id": _id(row.get("id"), picture, made_id), **({"image": picture} if picture else {}), "conversations": _placed(turns, picture), **rest}
    for problem in problems([made]):
        turn = "" if problem.turn is None else f"turn {problem.turn}: "
        raise UserError(f"{turn}{problem.problem}; {problem.fix}")
    return made


def _read_turn(number: int, turn: object) -> tuple[str, str, list[str], dict]:
    """(human, gpt or system; text with `<image>` where a picture stood; paths of its pictures; other keys of the turn)."""
    if not isinstance(turn, dict):
        raise UserError(f"turn {number} is a JSON {type(turn).__name__}, not an object; rebuild the row")
    speaker = turn.get("from", turn.get("role"))
    word = speaker.strip().lower() if isinstance(speaker, str) else ""
    if word in _TOOLS or turn.get("tool_calls") or turn.get("function_call"):
        raise UserError(f"turn {number} calls a tool; LLaVA has no tools")
    kind = "system" if word in _SYSTEM else side(speaker)
    if kind is None:
        raise UserError(f"turn {number} is said by {speaker!r}; use human or gpt")
    key = next((key for key in ("value", "content", "text") if turn.get(key) is not None), None)
    said, shown = _read_parts(number, turn.get(key))
    return kind, said, shown, {name: value for name, value in turn.items() if name not in ("from", "role", key)}


def _read_parts(number: int, content: object) -> tuple[str, list[str]]:
    if isinstance(content, str):
        return content, []
    if not isinstance(content, list):
        raise UserError(f"turn {number} has no text; write it, or remove this turn and its partner")
    said, shown = [], []
    for part in content:
        kind = "text" if isinstance(part, str) else part.get("type") if isinstance(part, dict) else None
        if kind in _TEXT_PARTS:
            text = part if isinstance(part, str) else part.get("text", part.get("value"))
            if not isinstance(text, str):
                raise UserError(f"turn {number} has a text part without text; write it or remove the part")
            said.append(text)
        elif kind in _IMAGE_PARTS:
            said.append(IMAGE_TOKEN)
            shown += _pictures_named(next((part[key] for key in (kind, "value", "url", "path", "image") if part.get(key)), None))
        else:
            raise UserError(f"turn {number} has a part of type {kind!r}; LLaVA has text and pictures only")
    return "\n".join(said), shown


def _pictures_named(value: object) -> list[str]:
    """The paths in a picture field: text, a list, or an object with a url or path."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [path for part in value for path in _pictures_named(part)]
    if isinstance(value, dict):
        path = value.get("url") or value.get("path")
        if isinstance(path, str):
            return [path]
        raise UserError("the picture is inside the row, not in a file; save it as a file and give its path")
    if value is None:
        return []
    raise UserError(f"the picture is {value!r}, not a path; give the file's path")


def _one_picture(pictures: list[str], turns: list[dict]) -> str | None:
    different = list(dict.fromkeys(pictures))
    if len(different) > 1:
        raise UserError(f"the row has {len(different)} pictures; LLaVA 1.5 reads one a row")
    for number, turn in enumerate(turns):
        if turn["from"] == "gpt" and IMAGE_TOKEN in turn["value"]:
            raise UserError(f"turn {number} is an answer with a picture; LLaVA answers in text")
    return different[0] if different else None


def _placed(turns: list[dict], picture: str | None) -> list[dict]:
    """The turns with `<image>` once, in the first human turn: before the text if it stood at its beginning, else after."""
    if picture is None:
        return turns
    holding = [turn["value"] for turn in turns if IMAGE_TOKEN in turn["value"]]
    before = not holding or holding[0].lstrip().startswith(IMAGE_TOKEN)
    bare = [{**turn, "value": _without_token(turn["value"])} for turn in turns]
    first = next((turn for turn in bare if turn["from"] == "human"), None)
    if first and first["value"]:
        first["value"] = f"{IMAGE_TOKEN}\n{first['value']}" if before else f"{first['value']}\n{IMAGE_TOKEN}"
    return bare


def _without_token(text: str) -> str:
    if IMAGE_TOKEN not in text:
        return text
    return _AROUND_TOKEN.sub(lambda found: "\n" if "\n" in found.group() else " ", text).strip()


def _id(label: object, picture: str | None, made_id: str) -> str:
    if isinstance(label, bool) or not isinstance(label, (str, int)) or not str(label).strip():
        return made_id
    stem = Path(picture).stem if picture else ""
    # An id that only lost its zeros gets them back from the picture's name.
    return stem if stem.isdecimal() and str(label).isdecimal() and int(stem) == int(label) else str(label)


def _rows_of(path: Path) -> Iterator[object]:
    """The rows of a JSON list or of JSON Lines, told apart by the first character; a missing file is `iter_rows`'s to name."""
    try:
        with open(path, "rb") as file:
            start = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    except OSError:
        start = b""
    return iter_json_lines(path) if start.startswith(b"{") else iter_rows(path)


def convert_file(path: Path, out: Path) -> Converted:
    """Write the rows of `path` (JSON list or JSON Lines) to `out` as a LLaVA file, those that cannot be to `<out>.left.jsonl`.

    Each line there is {"row", "reason", "source"}; without such rows there is no such file. Raises UserError when
    `path` cannot be read or would be overwritten.
    """
    path, out = Path(path), Path(out)
    left_file = out.with_name(f"{out.name}.left.jsonl")
    if path.resolve() in (out.resolve(), left_file.resolve()):
        raise UserError(f"{path} would be overwritten; give --out another name")
    rows, converted, reasons = 0, 0, Counter()
    with rows_writer(out) as write, atomic_file(left_file) as left:
        for number, row in enumerate(_rows_of(path)):
            rows += 1
            try:
                write(to_llava(row, f"{path.stem}_{number}"))
                converted += 1
            except UserError as error:
                left.write(json.dumps({"row": number, "reason": str(error), "source": row}, ensure_ascii=False) + "\n")
                reasons[re.sub(r"turn \d+:? ", "a turn ", str(error))] += 1
    if rows != converted + reasons.total():
        raise AssertionError(f"{path}: {rows} rows in, {converted} out and {reasons.total()} left")
    if not reasons:
        left_file.unlink(missing_ok=True)
    return Converted(rows, converted, reasons.total(), left_file, reasons)
