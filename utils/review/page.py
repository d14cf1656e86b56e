"""Write a review as one HTML page for people without Jupyter: pictures inside, no network, ratings kept in the browser."""

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from utils import runs
from utils.corpus.images import inside, open_picture
from utils.review.rubric import as_dict
from utils.review.sampling import ITEMS, LETTERS, PICTURES, read_review
from utils.runs import UserError

PAGE = "review.html"
PARTS = Path(__file__).parent / "page_files"
SCRIPTS = ("store.js", "rating.js", "view.js", "page.js", "keys.js")  # in this order, one script
TYPES = {"WEBP": "image/webp", "PNG": "image/png", "JPEG": "image/jpeg"}
TELLING = ("exif", "xmp", "XML:com.adobe.xmp", "icc_profile", "comment", "photoshop")  # metadata in which a file may name its maker
CHUNK = 512 << 10  # characters of pictures in one piece of the page; the browser decodes a piece in about a millisecond
IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{1,64}")
RESERVED = {"tie", "none"}
PROBLEMS_TOLD = 5


def write_page(folder: Path, out: Path | None = None) -> Path:
    """One self-contained HTML file from the `items.json` and `pictures/` of a review; without `out`, `review.html` beside them.

    The key is not read, and of `items.json` only what a rater may see enters the page. Raises UserError: a review or a picture that is
    missing, broken or carries metadata, or a disk that is full.
    """
    folder = Path(folder)
    review = read_review(folder)
    _check(folder / ITEMS, review)
    places, chunks = _lay_out(folder, review["items"])
    target = Path(out) if out is not None else folder / PAGE
    if target.is_dir():
        raise UserError(f"{target} is a folder; name an HTML file for the page")
    with runs.atomic_file(target) as file:
        for part in _page(folder, review, places, chunks):
            file.write(part)
    return target


def _check(path: Path, review: dict) -> None:
    """Raises UserError with everything that `read_review` does not look at and the page depends on."""
    problems = [f"its {name} is not a text" for name in ("title", "language", "scale") if not isinstance(review.get(name), str)]
    if not IDENTIFIER.fullmatch(review["review"]):
        problems.append("its review id has other characters than letters, digits, - and _")
    for item in review["items"]:
        ids = [answer["id"] for answer in item["answers"]]
        if not all(IDENTIFIER.fullmatch(one) for one in (item["id"], *ids)) or len(set(ids)) < len(ids) or RESERVED & set(ids):
            problems.append(f"item {item['id'][:64]!r} or its answers have ids that are not sound or not their own")
        if len(ids) > len(LETTERS):
            problems.append(f"item {item['id'][:64]!r} has {len(ids)} answers, more than {len(LETTERS)}")
        if Path(item["picture"]).parts[:1] != (PICTURES,):
            problems.append(f"item {item['id'][:64]!r} has a picture outside {PICTURES}/")
    try:
        json.dumps(review, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        problems.append("a text has half of a two-part character")
    if problems:
        more = f"; and {len(problems) - PROBLEMS_TOLD} more" if len(problems) > PROBLEMS_TOLD else ""
        raise UserError(f"{path} cannot become a page: {'; '.join(problems[:PROBLEMS_TOLD])}{more}; write the review again")


def _picture(path: Path) -> tuple[str, tuple[int, int], int]:
    """MIME type, width and height in pixels, size in bytes of a picture that may be shown to raters."""
    with open_picture(path) as picture:
        if picture.format not in TYPES:
            raise UserError(f"{path} is {picture.format}; browsers show WebP, PNG and JPEG, so convert it or write the review again")
        telling = [name for name in TELLING if picture.info.get(name)] + list(getattr(picture, "text", {}))
        if telling:
            raise UserError(f"{path} carries metadata ({telling[0]}) that may name the system; write the review again")
        return TYPES[picture.format], picture.size, path.stat().st_size


def _lay_out(folder: Path, items: Iterable[dict]) -> tuple[dict, list[list[tuple[str, Path]]]]:
    """Where each picture goes: path -> {"picture": [chunk, place], "size": [width, height]}, and the chunks as lists of (MIME type, file).

    Only headers are read, so that the pictures of a large review are never in memory at once.
    """
    places: dict[str, dict] = {}
    chunks: list[list[tuple[str, Path]]] = []
    filled = CHUNK
    for item in items:
        if item["picture"] in places:
            continue
        path = inside(folder / PICTURES, str(Path(*Path(item["picture"]).parts[1:])))
        kind, size, length = _picture(path)
        if filled + length * 4 // 3 > CHUNK:
            chunks.append([])
            filled = 0
        places[item["picture"]] = {"picture": [len(chunks) - 1, len(chunks[-1])], "size": list(size)}
        chunks[-1].append((kind, path))
        filled += length * 4 // 3
    return places, chunks


def _json(data: object) -> str:
    """JSON that can stand in a <script> element: no text of the data can end the element or open a comment."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _chunk(number: int, pictures: Iterable[tuple[str, Path]]) -> str:
    data = [f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}" for kind, path in pictures]
    return f'<script type="application/json" id="pictures-{number}">{_json(data)}</script>\n'


def _review(review: dict, places: dict) -> dict:
    """What the page knows: named fields only, so that nothing else of the file can reach a rater."""
    rubric = as_dict()
    items = [
        {
            "id": item["id"],
            "question": item["question"],
            "answers": [{"id": answer["id"], "text": answer["text"]} for answer in item["answers"]],
            **places[item["picture"]],
        }
        for item in review["items"]
    ]
    head = {name: review[name] for name in ("review", "title", "language", "scale", "rubric")}
    return {**head, "criteria": rubric["criteria"], "errors": rubric["errors"], "items": items}


def _allowed(text: str) -> str:
    """The Content-Security-Policy source for an inline script or style: its SHA-256."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _page(folder: Path, review: dict, places: dict, chunks: list) -> Iterator[str]:
    """The page in pieces; the first pictures stand before the script, so that it can start while the rest still loads."""
    style, script = _part("page.css"), "".join(map(_part, SCRIPTS))
    policy = (
        f"default-src 'none'; script-src {_allowed(script)}; style-src {_allowed(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"
    )
    values = {
        "policy": policy,
        "title": html.escape(review["title"]),
        "style": style,
        "texts": _json(json.loads(_part("texts.json"))),
        "review": _json(_review(review, places)),
        "script": script,
    }
    for number, part in enumerate(re.split(r"\{\{(\w+)\}\}", _part("page.html"))):
        if number % 2 == 0:
            yield part
        elif part == "first":
            yield _chunk(0, chunks[0])
        elif part == "rest":
            yield from (_chunk(at, chunk) for at, chunk in enumerate(chunks) if at > 0)
        else:
            yield values[part]


def _part(name: str) -> str:
    return (PARTS / name).read_text(encoding="utf-8")
