"""One archive for a room without a network: the tracked files, a wheelhouse, install.py, and a list of SHA-256 sums."""

import errno
import hashlib
import json
import os
import stat
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

from utils import runs
from utils.runs import UserError
from utils.workshop.wheels import PLATFORMS, Target, gather

TOP = "llava-workshop"  # the folder that the archive unpacks to
SUMS, FACTS = "SHA256SUMS", "workshop.json"
WHOLE = (".whl", ".png", ".jpg", ".safetensors", ".gz", ".npz")  # compressed already, or not worth the time


def pack(out: Path, platforms: Iterable[str] = (), pythons: Iterable[str] = (), root: Path = runs.ROOT, tell: Callable[[str], None] = print) -> Path:
    """Write `OUT/llava-workshop-….zip`; returns its path. Wheels stay in `OUT/wheelhouse`, so a second call is quick.

    Without platforms and Pythons it is made for this machine's. Raises UserError with one sentence: no repository, no network,
    a package without a wheel, a full disk.
    """
    targets = targets_of(tuple(platforms), tuple(pythons))
    files = tracked_files(root)
    wheels, most = set(), 0
    for target in targets:
        found = gather(root / "requirements.txt", target, out / "wheelhouse", tell)
        cuda = sum(wheel.stat().st_size for wheel in found if wheel.name.startswith("nvidia"))
        tell(f"{target.name}: {len(found)} wheels, {megabytes(found)} MB")
        if cuda:
            tell(f"{target.name}: {cuda >> 20} MB of them are CUDA, which no laptop needs; name a CPU build of torch in PIP_FIND_LINKS")
        wheels, most = wheels | set(found), max(most, megabytes(found))
    names = "-".join(dict.fromkeys(target.platform or target.system for target in targets))
    versions = "-".join(dict.fromkeys(target.python for target in targets))
    archive = out / f"{TOP}-{names}-py{versions}.zip"
    _need_space(out, [*files.values(), *wheels], archive)
    facts = {
        "pythons": sorted({t.python for t in targets}),
        "systems": sorted({t.system for t in targets}),
        "wheels_mb": most,
        "made": time.strftime("%Y-%m-%d"),
    }
    digest = write_archive(archive, files, sorted(wheels), facts)
    tell(f"{archive}: {archive.stat().st_size / 1e6:.0f} MB, {len(files)} files and {len(wheels)} wheels; SHA-256 {digest}")
    return archive


def targets_of(platforms: tuple[str, ...], pythons: tuple[str, ...]) -> list[Target]:
    """Every kind of laptop asked for; raises UserError for an unknown platform or a Python that is no 3.11 or newer."""
    import platform as here

    for name in platforms:
        if name not in PLATFORMS:
            raise UserError(f"--platform {name!r} is unknown; use one or more of: {', '.join(PLATFORMS)}")
    pythons = pythons or (".".join(here.python_version_tuple()[:2]),)
    for python in pythons:
        parts = python.split(".")
        if len(parts) != 2 or not all(part.isdigit() for part in parts) or tuple(map(int, parts)) < (3, 11):
            raise UserError(f"--python {python!r} is not a version from 3.11 on; write it as 3.11")
    return [Target(name, python) for name in platforms or ("",) for python in pythons]


def tracked_files(root: Path) -> dict[str, Path]:
    """Name in the archive -> file, of all that git tracks and that is there; raises UserError where there is no repository."""
    try:
        ended = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True)
    except FileNotFoundError as error:
        raise UserError("git is not installed, and says which files belong into the archive; install it and run again") from error
    if ended.returncode:
        raise UserError(f"{root} is not a git repository, so what belongs into the archive is unknown; run the command in a clone")
    files = {}
    for name in filter(None, ended.stdout.decode("utf-8").split("\0")):
        path = root / name
        if not path.resolve().is_relative_to(root.resolve()):
            raise UserError(f"{name} is a link to outside of the repository; replace it by a file")
        if path.is_file():
            files[name] = path
    return files


def megabytes(paths: Iterable[Path]) -> int:
    return round(sum(path.stat().st_size for path in paths) / 1e6)


def _need_space(out: Path, paths: list[Path], archive: Path) -> None:
    wanted, free = megabytes(paths), runs.free_space_mb(out)
    if free < wanted:
        raise UserError(f"{archive} needs {wanted} MB and {free} MB are free in {out}; free space and run again, the wheels are kept")


def write_archive(archive: Path, files: dict[str, Path], wheels: list[Path], facts: dict) -> str:
    """Write the zip file whole or not at all, its sum beside it; returns the SHA-256 of the archive. Raises UserError on a full disk."""
    part = archive.with_name(archive.name + ".part")
    inside = {**files, "install.py": Path(__file__).with_name("install.py"), **{f"wheelhouse/{wheel.name}": wheel for wheel in wheels}}
    sums = []
    try:
        with zipfile.ZipFile(part, "w") as opened:
            for name, path in sorted(inside.items()):
                sums.append(f"{_add(opened, name, path)}  {name}\n")
            text = json.dumps(facts, indent=1) + "\n"
            opened.writestr(f"{TOP}/{FACTS}", text)
            opened.writestr(f"{TOP}/{SUMS}", "".join([*sums, f"{hashlib.sha256(text.encode()).hexdigest()}  {FACTS}\n"]))
        with open(part, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        os.replace(part, archive)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise UserError(f"the disk of {archive.parent} is full; free space and run again, the wheels are kept") from error
        raise
    finally:
        part.unlink(missing_ok=True)
    runs.write_text(archive.with_name(archive.name + ".sha256"), f"{digest}  {archive.name}\n")
    return digest


def _add(opened: zipfile.ZipFile, name: str, path: Path) -> str:
    """Put one file into the archive and return its SHA-256; read once, never whole in memory."""
    info = zipfile.ZipInfo.from_file(path, f"{TOP}/{name}", strict_timestamps=False)
    info.compress_type = zipfile.ZIP_STORED if path.suffix in WHOLE else zipfile.ZIP_DEFLATED
    info.external_attr = (stat.S_IFREG | (0o755 if path.stat().st_mode & 0o100 else 0o644)) << 16
    digest = hashlib.sha256()
    with open(path, "rb") as file, opened.open(info, "w", force_zip64=path.stat().st_size > 1 << 31) as inside:
        while block := file.read(1 << 20):
            digest.update(block)
            inside.write(block)
    return digest.hexdigest()
