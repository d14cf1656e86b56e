"""Checkpoints that can be trusted: a seal, written last, holds each file's size and hash and tells a whole one from a torn one."""

import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from utils import runs

SEAL = "seal.json"


def seal(checkpoint: Path) -> None:
    """Mark a checkpoint whole; raises UserError on a full disk."""
    files = sorted(path for path in checkpoint.rglob("*") if path.is_file() and path.name != SEAL)
    runs.write_json(checkpoint / SEAL, {str(p.relative_to(checkpoint)): [p.stat().st_size, runs.file_hash(p)] for p in files})


def flaw(checkpoint: Path) -> str | None:
    """What is wrong with a checkpoint, in words that follow its name; None for a whole one."""
    try:
        sealed = dict(json.loads((checkpoint / SEAL).read_text(encoding="utf-8")))
        for name, (size, digest) in sealed.items():
            path = checkpoint / name
            if not path.is_file():
                return f"{name} is missing"
            if path.stat().st_size != size:
                return f"{name} has {path.stat().st_size} of {size} bytes"
            if runs.file_hash(path) != digest:
                return f"{name} is not what was written"
    except FileNotFoundError:
        return "it was not finished"
    except (OSError, ValueError, TypeError) as error:
        return str(error)
    return None


def _all(folder: Path) -> list[Path]:
    """Every checkpoint of a stage's folder, newest first."""
    found = [path for path in (folder / "checkpoints").glob("checkpoint-*") if path.name.rpartition("-")[2].isdigit()]
    return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)


def usable_checkpoints(folder: Path) -> list[Path]:
    """Checkpoints newest first, without the torn ones, which are named on stderr."""
    whole = []
    for path in _all(folder):
        problem = flaw(path)
        if problem is None:
            whole.append(path)
        else:
            print(f"checkpoint {path.name} is torn ({problem}); the one before is used", file=sys.stderr)
    return whole


def newest_checkpoint(folder: Path) -> str | None:
    """The checkpoint to go on from, or None. Torn ones are removed: the Trainer keeps two, and would count them."""
    whole = usable_checkpoints(folder)
    for path in _all(folder):
        if path not in whole:
            shutil.rmtree(path)
    return str(whole[0]) if whole else None


def drop_other_checkpoints(folder: Path, inputs: str) -> None:
    """Delete the checkpoints of a run with other inputs: they must not be resumed."""
    mark = folder / "inputs.json"
    if not mark.exists() or runs.read_json(mark) != inputs:
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        runs.write_json(mark, inputs)


def trained_once(folder: Path, inputs: str, train: Callable[[], dict], **facts: object) -> dict:
    """The manifest of a small training: the one that is there for these inputs, or that of `train`, which goes on from its own checkpoints alone.

    `train` returns what the manifest tells beside `facts` and the CPU seconds. Raises UserError when another run holds the folder.
    """
    runs.output_folder(str(folder.resolve()))
    with runs.lock(folder):
        done = runs.complete(folder, inputs)
        if done:
            return done
        drop_other_checkpoints(folder, inputs)
        started, cpu = time.monotonic(), time.process_time()
        found = train()
        runs.finish(folder, inputs, started, cpu_seconds=round(time.process_time() - cpu, 1), **facts, **found)
        return runs.complete(folder, inputs)  # as a later call reads it: tuples are lists in JSON
