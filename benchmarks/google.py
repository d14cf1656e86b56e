"""The googletrans engine inside the pipeline against the sequential loop of the thesis, on a loopback server at 100 ms."""

import asyncio
import tempfile
import time
from pathlib import Path

from tests.google_server import FAULTS, google_server, trusted
from utils.corpus.conversations import read_rows, write_rows
from utils.corpus.scenes.instruct import FILES, PARTS, write_corpus
from utils.translation.engines import bergamot
from utils.translation.pipeline import translate_files
from utils.translation.segments import cut

LATENCY = 0.1
PAIRS = {PARTS[0]: 40, PARTS[1]: 20, PARTS[2]: 28}  # questions with answers of each part: 88, so 176 turns
UNION, SUB = FILES[3], FILES[4]


def five_files(folder: Path) -> list[Path]:
    """Five files of 450 turns: three parts, their union, and a sub-sample of 98 turns."""
    write_corpus(folder / "world", 120)
    rows: dict[str, list] = {}
    for name, count in PAIRS.items():
        asked = [(row, n) for row in read_rows(folder / "world" / name) for n in range(0, len(row["conversations"]), 2)]
        some = asked[:: len(asked) // count][:count]
        rows[name] = [{**row, "id": f"{row['id']}-{n}", "conversations": _alone(row["conversations"], n)} for row, n in some]
    rows[UNION] = [row for name in PARTS for row in rows[name]]
    rows[SUB] = rows[UNION][: 98 // 2]
    for name, kept in rows.items():
        write_rows(folder / "english" / name, kept)
    return [folder / "english" / name for name in rows]


def _alone(turns: list[dict], n: int) -> list[dict]:
    question = turns[n]["value"].replace("<image>", "").strip()
    return [{"from": "human", "value": f"<image>\n{question}"}, turns[n + 1]]


def _lines(paths: list[Path]) -> dict[str, str]:
    """What the loopback server says for each line: the offline engine's Portuguese, made beforehand."""
    turns = [turn["value"] for path in paths for row in read_rows(path) for turn in row["conversations"]]
    texts = list(
        dict.fromkeys([piece.sent for text in turns for piece in cut(text) if piece.sent] + [line for text in turns for line in text.split("\n")])
    )
    return dict(zip(texts, bergamot.translate(texts, "pt-BR"), strict=True))


async def _loop(turns: list[str], proxy: str) -> None:
    """The thesis's way: one client, one turn after the other."""
    from googletrans import Translator

    async with Translator(proxy=proxy) as translator:
        for text in turns:
            await translator.translate(text, src="en", dest="pt")


def run() -> list[dict]:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        paths = five_files(place)
        said = _lines(paths)
        backend = lambda line: said.get(line, line)  # noqa: E731
        turns = [turn["value"] for path in paths for row in read_rows(path) for turn in row["conversations"]]
        with google_server(backend, latency=LATENCY) as server, trusted(server):
            started = time.perf_counter()
            asyncio.run(_loop(turns, server.proxy))
            slow, requests = time.perf_counter() - started, server.counts["requests"]
            fast, packed = min((_ours(paths, place / f"calm{n}", server) for n in range(3)), key=lambda both: both[0])
        share = 0.16 / (len(FAULTS) - 1)
        faults = {kind: share for kind in FAULTS if kind != "timeout"}
        with google_server(backend, latency=LATENCY, faults=faults, drop_newlines=0.4, seed=7) as server, trusted(server):
            _, retried = _ours(paths, place / "faults", server, rate=1000.0)
        translate_files(paths, place / "right", "pt-BR", memory_path=place / "right.sqlite")
        exact, untranslated = _compare(paths, place / "faults", place / "right")
    how = f"{len(turns)} turns in five files, {len(said)} different lines, {LATENCY * 1000:.0f} ms"
    return [
        _row("googletrans: our client over the sequential loop", slow / fast, "×", 150, slow / fast >= 150,
             f"{how}; {requests} requests in {slow:.1f} s against {packed} in {fast:.2f} s, gates and files included"),
        _row("googletrans with 16 % faults, 40 % lost line breaks: exact turns", exact, f"of {len(turns)}", len(turns), exact == len(turns),
             f"{how}; {retried} requests; every fault but the five-second timeout"),
        _row("the same: turns left in English", untranslated, "", 0, untranslated == 0, how),
    ]  # fmt: skip


def _ours(paths: list[Path], out: Path, server, rate: float = 0.0) -> tuple[float, int]:
    """(seconds until every row is gated and written, requests) of the pipeline with an empty memory; the report is drawn after."""
    before = server.counts["requests"]
    report = translate_files(paths, out, "pt-BR", "googletrans", out.with_suffix(".sqlite"), server=server.proxy, rate=rate)
    return report["seconds"], server.counts["requests"] - before


def _compare(paths: list[Path], out: Path, right: Path) -> tuple[int, int]:
    """(turns equal to the undisturbed engine's, turns equal to their English)."""
    exact = english = 0
    for path in paths:
        ours, theirs = ({row["id"]: row for row in read_rows(folder / path.name)} for folder in (out, right))
        for row in read_rows(path):
            for n, turn in enumerate(row["conversations"]):
                said = ours.get(row["id"], row)["conversations"][n]["value"]
                exact += row["id"] in ours and said == theirs[row["id"]]["conversations"][n]["value"]
                english += said == turn["value"]
    return exact, english


def _row(measure: str, value: float, unit: str, target: float, meets: bool, how: str) -> dict:
    return {"measure": measure, "value": value, "unit": unit, "target": target, "meets": meets, "how": how}
