"""Write a multilingual mix as a LLaVA file with its pictures: whole or not at all, and on from where a stopped run left off."""

import os
import shutil
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from utils.corpus.conversations import write_rows
from utils.corpus.multilingual.mix import IN_ENGLISH, LANGUAGES, MC4, Example, checked_shares, draw, mixed
from utils.corpus.scenes.render import render
from utils.runs import MANIFEST, UserError, complete, finish, lock, read_json, text_hash, write_json

ROWS = "multilingual.json"
BEGUN = "begun.json"
PICTURES = "images"
ATTRIBUTION = {
    "artwork": "OpenMoji 17.0, CC BY-SA 4.0, https://openmoji.org; pictures made from it share alike",
    "names": "Unicode CLDR short names, Unicode License v3, from the PyPI package emoji 2.16.0 (BSD)",
}


def _render_once(example: Example, path: Path) -> None:
    if not path.exists():
        part = path.with_suffix(".part")
        render(example.scene).save(part, format="PNG")
        os.replace(part, path)


def _free(folder: Path) -> None:
    """Raise UserError unless the folder is absent, empty, or a mix that may be written anew."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; name a folder for the mix")
    if folder.is_dir() and any(folder.iterdir()) and "multilingual" not in _told(folder):
        raise UserError(f"{folder} holds other files; name an empty folder for the mix")


def _told(folder: Path) -> dict:
    try:
        told = read_json(folder / MANIFEST)
    except UserError:
        return {}
    return told if isinstance(told, dict) else {}


def _prepared(folder: Path, inputs: str) -> Path:
    """The folder beside the mix where it is made; what a run of other inputs left there is removed."""
    part = folder.with_name(f".{folder.name}.part")
    if part.is_dir() and _begun(part) != inputs:
        shutil.rmtree(part)
    (part / PICTURES).mkdir(parents=True, exist_ok=True)
    write_json(part / BEGUN, {"inputs": inputs})
    return part


def _begun(part: Path) -> str | None:
    try:
        told = read_json(part / BEGUN)
    except UserError:
        return None
    return told.get("inputs") if isinstance(told, dict) else None


def write_mix(
    folder: Path,
    pictures: int,
    languages: tuple[str, ...] = LANGUAGES,
    shares: Mapping[str, float] = MC4,
    seed: int = 0,
    in_english: float = IN_ENGLISH,
    split: str = "train",
) -> dict:
    """Write images/, multilingual.json and ATTRIBUTION.json; returns the manifest, with rows per language and type. Skips itself when complete.

    It is made in a hidden folder beside `folder`, which takes its place at the end: a stopped run leaves `folder` as it was, and
    the next one keeps the pictures already drawn. `in_english` is the share of short questions in other languages that are
    answered in English. Raises UserError for languages, shares or numbers that cannot be, and for a folder of other files.
    """
    folder, part_of_one = Path(folder), checked_shares(tuple(languages), shares)
    if pictures < 1 or not 0 <= in_english <= 1:
        raise UserError(f"{pictures} pictures with a share {in_english} answered in English cannot be; use 1 or more and a share from 0 to 1")
    inputs = text_hash("multilingual", pictures, part_of_one, seed, in_english, split)
    with lock(folder.with_name(f".{folder.name}.lock")):
        done = complete(folder, inputs)
        if done:
            return done
        _free(folder)
        started, part = time.monotonic(), _prepared(folder, inputs)
        drawn = list(draw(split, pictures, tuple(languages), seed))
        for number, some in enumerate(drawn, start=1):
            _render_once(some[0], part / PICTURES / f"{number:012d}.png")
        rows = mixed(drawn, part_of_one, in_english, seed)
        write_rows(part / ROWS, rows)
        write_json(part / "ATTRIBUTION.json", ATTRIBUTION)
        facts = {name: dict(Counter(row[name] for row in rows)) for name in ("language", "answer_language", "type")}
        (part / BEGUN).unlink()
        manifest = finish(part, inputs, started, multilingual=facts, pictures=pictures, seed=seed, rows=len(rows), shares=part_of_one)
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(part, folder)
    return manifest
