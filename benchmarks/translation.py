"""The translation pipeline against what people do today, side by side in one run."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import defects, google, models
from utils.corpus.conversations import read_rows, rows_writer, write_rows
from utils.corpus.probe import probe
from utils.corpus.scenes.instruct import FILES, write_corpus
from utils.languages import PORTUGUESE_BR
from utils.runs import ROOT, UserError
from utils.translation.engines import bergamot
from utils.translation.gates import sentence_reasons
from utils.translation.pipeline import PAGE, QUARANTINE, REPORT, translate_files
from utils.translation.segments import cut

PICTURES, MANY = 500, 1_500  # pictures whose sentences are translated; many where seconds are compared
KILLS = 50
SMALL, LARGE = 1_000, 160_000


def row(measure: str, value: float, unit: str, target: float | None, meets: bool | None, how: str) -> dict:
    return {"measure": measure, "value": value, "unit": unit, "target": target, "meets": meets, "how": how}


def run() -> list[dict]:
    """All measures of the translation, in the order of the table."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        write_corpus(place / "en", PICTURES)
        rows = google.run()
        for part in (speed, five_files):
            rows += part(place)
        rows += models.run()
        for part in (gates, kills, full_disk, growth, projection):
            rows += part(place)
    return rows


def _sentences(paths: list[Path]) -> list[str]:
    turns = (turn["value"] for path in paths for record in read_rows(path) for turn in record["conversations"])
    return list(dict.fromkeys(piece.sent for text in turns for piece in cut(text) if piece.sent))


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def speed(place: Path) -> list[dict]:
    """The whole pipeline against the bare engine on the same sentences; one process against one a core."""
    write_corpus(place / "more", MANY)
    source = place / "more" / FILES[2]
    texts = _sentences([source])
    translator = bergamot.load("pt-BR")
    bare = lambda: [translator.translate_long(text) for text in texts]  # noqa: E731
    pipe = lambda name, workers: translate_files([source], place / name, "pt-BR", memory_path=place / f"{name}.sqlite", workers=workers)  # noqa: E731
    first, one = _seconds(bare), _seconds(lambda: pipe("one", "1"))
    many, second = _seconds(lambda: pipe("many", "")), _seconds(bare)
    engine, cores = min(first, second), os.cpu_count()
    how = f"{len(texts)} different sentences of {source.name}, start-up, gates, files and report included"
    return [
        row("Bergamot: pipeline on one core over the bare engine", engine / one, "×", 0.85, engine / one >= 0.85, how),
        row(f"Bergamot: pipeline on {cores} cores over one", one / many, "×", 1.6, one / many >= 1.6, how),
    ]


def five_files(place: Path) -> list[dict]:
    """Engine characters of the five files together, against each by itself with a memory of its own."""
    paths = [place / "en" / name for name in FILES]
    together = translate_files(paths, place / "five", "pt-BR", memory_path=place / "five.sqlite")
    alone = [translate_files([path], place / f"alone{n}", "pt-BR", memory_path=place / f"alone{n}.sqlite") for n, path in enumerate(paths)]
    ratio = sum(report["characters_sent"] for report in alone) / together["characters_sent"]
    again = translate_files(paths, place / "five again", "pt-BR", memory_path=place / "five.sqlite")
    # A failing sentence is sent twice, in the batch and alone; a good one that the memory had lost would be sent once.
    resent = 2 * (again["unique_sentences"] - again["from_memory"]) - again["sentences_sent"]
    stand = together["characters"] / together["characters_sent"]
    how = f"{PICTURES} pictures, five files, Bergamot"
    return [
        row("engine characters, five files alone over together", ratio, "×", 2.2, ratio >= 2.2, how),
        row("engine characters, sentence by sentence over together", stand, "×", None, None, how),
        row("good sentences sent again by a second run", resent, "", 0, resent == 0, how + "; failures are never stored"),
    ]  # fmt: skip


def gates(place: Path) -> list[dict]:
    """Planted defects found, good rows held by mistake, and what the gates are blind to."""
    good = defects.good_rows()
    planted = {kind: defects.plant(kind, good) for kind in defects.STRUCTURAL}
    total, found = sum(map(len, planted.values())), sum(map(defects.found, planted.values()))
    gold = list(zip(read_rows(place / "en" / FILES[3]), read_rows(place / "en" / "gold" / "pt-BR" / FILES[3]), strict=True))
    references = [(p.english, p.reference) for p in probe()]
    false = defects.found(good) + defects.found(gold) + sum(bool(sentence_reasons(a, b, PORTUGUESE_BR)) for a, b in references)
    base = len(good) + len(gold) + len(references)
    how = f"{len(planted)} kinds, {min(map(len, planted.values()))} to {max(map(len, planted.values()))} rows each"
    share, alarms = 100 * found / total, 100 * false / base
    rows = [
        row("planted structural defects found", share, "%", 100, found == total, how),
        row("false alarms on good rows", alarms, "%", 1, alarms <= 1, f"{base} rows: references, gold text of the picture world"),
    ]
    blind = {kind: defects.plant(kind, good) for kind in defects.MEANING} | {"an answer of another row": defects.wrong_rows(good)}
    return rows + [row(f"found: {kind}", 100 * defects.found(p) / len(p), "%", None, None, f"{len(p)} rows; no target") for kind, p in blind.items()]


def _command(source: Path, out: Path, memory: Path) -> list[str]:
    return [sys.executable, "-m", "utils", "translate", str(source), "--out", str(out), "--memory", str(memory), "--workers", "1"]


def kills(place: Path) -> list[dict]:
    """SIGKILL at random moments: after each, every file is whole; at the end the result is the undisturbed run's to the byte."""
    source = place / "killed.json"
    write_rows(source, read_rows(place / "en" / FILES[2])[:400])
    out, memory = place / "killed", place / "killed.sqlite"
    translate_files([source], place / "calm", "pt-BR", memory_path=place / "calm.sqlite", workers="1")
    rng, broken, stored, done = random.Random(13), 0, 0, 0
    while done < KILLS:
        process = subprocess.Popen(_command(source, out, memory), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.2, 1.6))
        if process.poll() is not None:  # it came to its end before the kill: begin anew
            for path in (*out.iterdir(), *memory.parent.glob(f"{memory.name}*")):
                path.unlink()
            stored = 0
            continue
        process.send_signal(signal.SIGKILL)
        process.wait()
        done += 1
        broken += sum(not _whole(path) for path in out.glob("*.json*")) if out.exists() else 0
        kept = _stored(memory)
        broken += kept < stored
        stored = kept
    subprocess.run(_command(source, out, memory), cwd=ROOT, check=True, capture_output=True)
    names = (source.name, QUARANTINE)
    different = sum((out / name).read_bytes() != (place / "calm" / name).read_bytes() for name in names)
    left = {path.name for path in out.iterdir()} - {source.name, QUARANTINE, REPORT, PAGE, ".lock"}
    value = broken + different + len(left)
    return [
        row(f"files or rows hurt by {KILLS} kills", value, "", 0, value == 0, f"{len(read_rows(source))} rows, random moments of a run of seconds")
    ]


def _whole(path: Path) -> bool:
    try:
        text = path.read_text(encoding="utf-8")
        return bool([json.loads(line) for line in text.splitlines()] if path.name == QUARANTINE else json.loads(text)) or True
    except ValueError:
        return False


def _stored(memory: Path) -> int:
    if not memory.exists():
        return 0
    with sqlite3.connect(memory) as db:
        found = db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'said'").fetchone()[0]
        return db.execute("SELECT count(*) FROM said").fetchone()[0] if found else 0


def full_disk(place: Path) -> list[dict]:
    """A disk that is full while the result is written: one sentence, the old result untouched, and the next run is whole."""
    source, out, memory = place / "en" / FILES[0], place / "full", place / "full.sqlite"
    translate_files([source], out, "pt-BR", memory_path=memory)
    names = (source.name, QUARANTINE, PAGE)
    before = {name: (out / name).read_bytes() for name in names}
    (out / REPORT).unlink()
    limit = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000)); "
    code = limit + f"import sys; from utils.__main__ import main; sys.exit(main({_command(source, out, memory)[3:]!r}))"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    hurt = ended.returncode != 2 or ended.stderr.count("\n") != 1 or {path.name for path in out.glob("*.part")} != set()
    hurt += sum((out / name).read_bytes() != text for name, text in before.items())
    translate_files([source], out, "pt-BR", memory_path=memory)
    hurt += (out / source.name).read_bytes() != before[source.name]
    return [row("files or rows hurt by a full disk", int(hurt), "", 0, not hurt, "writes refused after 40 kB; " + ended.stderr.strip()[:120])]


def growth(place: Path) -> list[dict]:
    """Peak memory while one file grows; the engine is a stand-in that puts a word in front, every sentence is new."""
    peaks = {}
    for size in (SMALL, LARGE):
        with rows_writer(place / f"rows{size}.json") as write:
            for n in range(size):
                turns = [f"<image>\nWhat is number {n} on the table?", f"It is a cup. The cup with the number {n} stands near the door.",
                         "And behind it?", f"There is a chair behind the cup. Nobody sits on chair {n} today."]  # fmt: skip
                write({"id": f"{n:012d}", "image": f"{n:012d}.jpg",
                       "conversations": [{"from": ("human", "gpt")[k % 2], "value": text} for k, text in enumerate(turns)]})  # fmt: skip
        code = (
            "import resource; from pathlib import Path; from utils.translation import pipeline; from utils.translation.engines import bergamot; "
            "bergamot.translate = lambda texts, language, setup: iter(['Ora ' + text for text in texts]); "
            "import utils.translation.gates as gates; gates._ENGLISH = frozenset(); "
            f"r = pipeline.translate_files([Path({str(place / f'rows{size}.json')!r})], Path({str(place / f'grown{size}')!r}), 'pt-BR', "
            f"memory_path=Path({str(place / f'grown{size}.sqlite')!r})); "
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, next(iter(r['files'].values()))['rows'])"
        )
        started = time.perf_counter()
        printed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
        peaks[size] = int(printed[-2]), time.perf_counter() - started
        if int(printed[-1]) != size:
            raise UserError(f"{printed[-1]} rows of {size} were read")
    ratio = peaks[LARGE][0] / peaks[SMALL][0]
    how = f"{peaks[SMALL][0] >> 10} MiB at {SMALL:,} conversations, {peaks[LARGE][0] >> 10} MiB at {LARGE:,} ({peaks[LARGE][1]:.0f} s without an engine)"
    return [row("peak memory, 160,000 conversations over 1,000", ratio, "×", 1.3, ratio <= 1.3, how)]


def projection(place: Path) -> list[dict]:
    """What LLaVA-Instruct-150K would take here: its characters over the engine's measured rate on long sentences."""
    texts = [p.english for p in probe()] * 4
    rate = sum(map(len, texts)) / _seconds(lambda: list(bergamot.translate(texts, "pt-BR")))
    characters, share = 160e6, 0.85
    hours = characters * share / rate / 3600
    how = (
        f"{rate:,.0f} characters a second on {os.cpu_count()} cores (the probe's sentences); assumed: 160 million characters of text in the 229 MB file, "
        f"{share:.0%} of them in sentences that differ; the union and the 80k file come free"
    )
    return [row("LLaVA-Instruct-150K (158k conversations) on this machine", hours, "h", None, None, how)]
