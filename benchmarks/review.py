"""The rating page with 10,000 items beside one with 100, in one headless browser: does it open and move as fast?"""

import shutil
import statistics
import tempfile
import time
from pathlib import Path

from tests.browser import NAMES, browser
from utils import runs
from utils.corpus.scenes.render import render
from utils.corpus.scenes.world import scene_of
from utils.review.page import write_page
from utils.review.rubric import VERSION
from utils.review.sampling import FORMAT, webp

FEW, MANY, ROUNDS = 100, 10_000, 5
PICTURES = 200  # different ones; the page holds one for every item all the same
READY = "document.body?.dataset.ready==='yes'"
SHOWN = "document.querySelector('#picture img')?.naturalWidth>0"


def row(measure: str, value: float, unit: str, how: str, target: float | None = None) -> dict:
    return {"measure": measure, "value": value, "unit": unit, "target": target, "meets": None if target is None else value <= target, "how": how}


def run() -> list[dict]:
    """Sizes, and the seconds of the large page over those of the small one. Without a browser there are the sizes alone."""
    with tempfile.TemporaryDirectory() as folder:
        pages = {items: _page(Path(folder) / str(items), items) for items in (FEW, MANY)}
        rows = [row("page of 10,000 items", pages[MANY].stat().st_size / 1e6, "MB", "pictures of the picture world, inside the page")]
        if not any(map(shutil.which, NAMES)):
            return rows
        with browser() as seen:
            found = {items: _seconds(seen.open(page), page, items) for items, page in pages.items()}
    for what, target in (("until the start is shown", None), ("from start to first item", None), ("jump to another item", 3.0)):
        small, large = found[FEW][what], found[MANY][what]
        rows.append(row(f"{what}: 10,000 items over 100", large / small, "x", f"{1000 * large:.0f} ms over {1000 * small:.0f} ms", target))
    rows.append(row("elements on the page: 10,000 items over 100", found[MANY]["elements"] / found[FEW]["elements"], "x", "scripts aside", 1.5))
    return rows


def _page(folder: Path, items: int) -> Path:
    (folder / "pictures").mkdir(parents=True)
    drawn = [webp(render(scene_of("train", n, 0))) for n in range(PICTURES)]
    told = []
    for n in range(1, items + 1):
        (folder / "pictures" / f"q{n:05d}.webp").write_bytes(drawn[n % PICTURES])
        answers = [{"id": f"q{n:05d}{letter}", "text": f"Uma resposta {letter}."} for letter in "ab"]
        told.append(
            {
                "id": f"q{n:05d}",
                "type": "naming",
                "picture": f"pictures/q{n:05d}.webp",
                "alt": f"Picture {n} of {items}",
                "question": "O que é?",
                "answers": answers,
            }
        )
    head = {"format": FORMAT, "review": runs.text_hash(items), "title": "bench", "language": "pt-BR", "scale": "tiny", "rubric": VERSION}
    runs.write_json(folder / "items.json", head | {"items": told})
    return write_page(folder)


def _seconds(tab, page: Path, items: int) -> dict[str, float]:
    started = time.perf_counter()
    tab.say("Page.navigate", url=page.resolve().as_uri())
    tab.until(f"location.href.includes('/{items}/') && {READY}")
    opened = time.perf_counter()
    tab.write("Ana")
    tab.press(["Enter"])
    tab.until(SHOWN)
    first = time.perf_counter()
    tab.until("document.readyState==='complete'")
    jumps = [_jump(tab, 1 + n * (items - 1) // ROUNDS) for n in range(1, ROUNDS + 1)]
    elements = tab.run("document.querySelectorAll(':not(script)').length")
    return {
        "until the start is shown": opened - started,
        "from start to first item": first - opened,
        "jump to another item": statistics.median(jumps),
        "elements": elements,
    }


def _jump(tab, number: int) -> float:
    started = time.perf_counter()
    tab.run(f"document.querySelector('#number').value={number}")
    tab.click("#jump button")
    tab.until(f"document.querySelector('#item-heading').textContent.includes(' {number} ') && {SHOWN}")
    return time.perf_counter() - started
