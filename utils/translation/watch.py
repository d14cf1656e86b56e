"""Look at rows as they pass: count their sentences, keep samples for the report, tell how far the run is."""

import time
from pathlib import Path

from utils.corpus.conversations import problems
from utils.translation.block import ASKED, Job, pieces_of
from utils.translation.identify import language_of
from utils.translation.memory import Memory
from utils.translation.row_gates import pairs, plain, worst_pair
from utils.translation.tally import Tally, draw
from utils.translation.variety import marks_in

EVERY = 5.0  # seconds between two lines of progress


def look(name: str, rows: list[dict], job: Job, memory: Memory, tally: Tally) -> None:
    """Count what a block of English rows would cost: as it stands, for this file alone, and new to this run."""
    count = tally.files[name]
    texts = [piece.sent for row in rows for pieces in pieces_of(row) for piece in pieces if piece.sent]
    count.sentences += len(texts)
    count.characters += sum(map(len, texts))
    count.characters_alone += sum(map(len, memory.note(texts, name)))
    new = memory.note(texts, "")
    tally.unique += len(new)
    tally.from_memory += len(memory.new(memory.get(new, job.ids[0]), ASKED))
    count.characters_new += sum(map(len, new))
    count.source_problems += sum(any(True for _ in problems([row])) for row in rows)


def keep(tally: Tally, name: str, row: dict, target: dict, job: Job) -> None:
    """Take a kept row into the samples, the languages and the varieties."""
    distance, turn, before, after = worst_pair(row, target, job.band)
    entry = {"file": name, "id": str(row.get("id")), "turn": turn, "source": before, "target": after, "distance": round(distance, 2)}
    tally.worst.offer(-distance, before, entry)
    for number, (a, b) in enumerate(zip(row["conversations"], target["conversations"], strict=True)):
        said, source = plain(b["value"]), plain(a["value"])
        tally.languages[language_of(said) or "too short to tell"] += 1
        tally.marks.update(marks_in(said, job.language))
        sample = {"file": name, "id": str(row.get("id")), "turn": number, "source": a["value"], "target": b["value"]}
        tally.samples.offer(draw(source), source, sample)
        for one, other in pairs(a["value"], b["value"]):
            tally.lengths.offer(draw(one), one, [len(one), len(other)])


class Watch:
    """Progress of one file on one line every few seconds."""

    def __init__(self, path: Path, tally: Tally):
        self.path, self.tally = path, tally
        self.total = _rows(path)
        self.started = self.told = time.monotonic()

    def tell(self, rows: int) -> None:
        now = time.monotonic()
        if now - self.told < EVERY or not rows:
            return
        self.told = now
        left = (now - self.started) / rows * max(0, self.total - rows)
        sent = f"{self.tally.sent:,} sentences sent, {self.tally.from_memory:,} known before"
        print(f"translation: {self.path.name}, {rows:,} of {self.total:,} rows, {sent}, about {left / 60:.0f} min left", flush=True)


def _rows(path: Path) -> int:
    """How many rows a file has, nearly: counted by their key, without reading the JSON."""
    with open(path, "rb") as file:
        return sum(block.count(b'"conversations"') for block in iter(lambda: file.read(1 << 22), b""))
