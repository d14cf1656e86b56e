"""Apertium's rule-based translation through Spanish: a bad engine on purpose, to teach what gates catch and to test them.

English goes to Spanish and Spanish to the target; the programs and their data come from the system's packages. Unknown
words stay English without Apertium's marks `*`, `@` and `#` (the mode's option `-n`, which `apertium -u` sets).
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from utils.runs import UserError, file_hash, text_hash
from utils.translation.engines.setup import Setup

MODES = {"pt-BR": ("eng-spa", "es-pt_BR"), "pt-PT": ("eng-spa", "es-pt"), "it": ("eng-spa", "spa-ita"), "es": ("eng-spa",)}
PACKAGES = {"eng-spa": "apertium-eng-spa", "es-pt_BR": "apertium-es-pt", "es-pt": "apertium-es-pt", "spa-ita": "apertium-spa-ita"}
PROBE = "The dog is red."  # any sentence that the pairs surely translate


def engine_id(language: str, setup: Setup = Setup()) -> str:
    """Modes, program version and a hash of the modes' data files as one string.

    Raises UserError when a program or a mode is missing. `setup` has nothing that this engine uses.
    """
    modes = _modes(language)
    version = subprocess.run(["apertium", "-V"], capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout.split()[-1:]
    return f"apertium/{'+'.join(MODES[language])}/{''.join(version)}/{text_hash(*(_data(mode) for mode in modes))}"


def translate(texts: Iterable[str], language: str, setup: Setup = Setup()) -> Iterator[str]:
    """Translations in the order of `texts`, "" for a text that broke the pipe.

    Raises UserError when a program or a mode is missing or the pipe does not run. The same texts in the same order give
    the same answers; another order changes a few of them, since Apertium's tagger learns while it reads.
    """
    command, texts, done = " | ".join(_command(mode) for mode in _modes(language)), list(texts), 0
    while done < len(texts):
        done += yield from _answers(texts[done:], command)
        if done < len(texts):  # the pipe broke at this text; a fresh one takes the rest
            yield ""
            done += 1


def _modes(language: str) -> list[str]:
    """The text of each mode file, in the order of the pipe; a mode is a shell pipe with `$1` and `$2` as its options."""
    if language not in MODES:
        raise UserError(f"the engine apertium has no way from English to {language}; it has: {', '.join(MODES)}")
    names = MODES[language]
    fix = f"install it with: apt-get install apertium {' '.join(dict.fromkeys(PACKAGES[name] for name in names))}"
    program = shutil.which("apertium")
    if not program or not shutil.which("lt-proc"):
        raise UserError(f"the program apertium is missing; {fix}")
    if os.environ.get("APERTIUM_DATADIR"):
        folders = [Path(os.environ["APERTIUM_DATADIR"])]
    else:  # beside the program: resolved for a linked /bin, unresolved for package managers that link each file
        folders = [path.parent.parent / "share" / "apertium" for path in (Path(program).resolve(), Path(program))]
    texts = []
    for name in names:
        found = [folder / "modes" / f"{name}.mode" for folder in folders if (folder / "modes" / f"{name}.mode").exists()]
        if not found:
            raise UserError(f"the program apertium has no mode {name} in {folders[0] / 'modes'}; {fix}")
        texts.append(found[0].read_text(encoding="utf-8").strip())
    return texts


def _data(mode: str) -> list[str]:
    """The names and hashes of the files that a mode names; names without folders, so that two machines agree."""
    files = [Path(name) for name in re.findall(r"'([^']+)'", mode)]
    return [re.sub(r"'[^']*/", "'", mode), *(file_hash(file) for file in files if file.exists())]


def _command(mode: str) -> str:
    """The mode as a shell pipe in which every stage flushes at a null byte."""
    return re.sub(r"(^|\|)\s*(\S+)", r"\1 \2 -z", mode).replace("$1", "-n").replace("$2", "")


def _escape(text: str) -> bytes:
    """A text in Apertium's stream format; the full stop with an empty blank ends the sentence, whatever ends the text."""
    return (re.sub(r"[\[\]{}^$/\\@<>~]", r"\\\g<0>", text.replace("\0", " ")) + ".[]\0").encode("utf-8", errors="replace")


def _plain(answer: bytes) -> str:
    text = answer.decode("utf-8", errors="replace").removesuffix("[]").removesuffix(".")
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL).strip()


def _answers(texts: list[str], command: str) -> Iterator[str]:
    """Answers of one pipe until it ends, early when a text breaks it; returns how many. No process outlives it."""
    with tempfile.TemporaryFile() as errors:
        # A process group of its own, so that one signal ends every stage; a killed parent ends them through end of file. The
        # trap keeps the shell alive until it has collected its stages: without it each would stay behind as a zombie.
        process = subprocess.Popen(
            ["/bin/sh", "-c", f"trap : TERM; {command}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, process_group=0,
        )  # fmt: skip
        feeder = threading.Thread(target=_feed, args=(process.stdin, [PROBE, *texts]), daemon=True)
        feeder.start()
        try:
            answers = _split(process.stdout)
            if not next(answers, ""):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=5)  # for all that its stages have to say
                errors.seek(0)
                said = errors.read().decode("utf-8", errors="replace").strip().splitlines()
                why = f" ({said[-1][:200]})" if said else ""
                raise UserError(f"apertium's programs do not run{why}; install apertium and its language pairs again")
            done = 0
            for _, answer in zip(texts, answers, strict=False):
                yield answer
                done += 1
            return done
        finally:
            _end(process)
            feeder.join()
            process.stdout.close()


def _feed(pipe, texts: list[str]) -> None:
    # A thread of its own: writing and reading by turns would lock up as soon as both pipes are full.
    try:
        with pipe:
            for text in texts:
                pipe.write(_escape(text))
                pipe.flush()
    except OSError:
        pass  # the other end is gone; the reader sees that too


def _split(pipe) -> Iterator[str]:
    """Whole answers: those that end with the blank of `_escape`. A dying pipe writes half ones and empty ones, too."""
    rest = b""
    while block := pipe.read1(1 << 16):
        *whole, rest = (rest + block).split(b"\0")
        for answer in whole:
            if not answer.endswith(b"[]"):
                return
            yield _plain(answer)


def _end(process: subprocess.Popen) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is not None:
            return  # collected already: its number may belong to another process by now
        # PermissionError is how macOS says that all of them have ended.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)
    process.wait()
