"""The wheelhouse: every wheel that requirements.txt needs, for a platform and a Python that may be another machine's.

`pip download --platform` judges the markers of a requirement (`; sys_platform == "win32"`) by the machine it runs on, so a Windows
wheelhouse made on Linux would lack packages. Here pip only fetches; which packages are needed is read from the wheels themselves.
"""

import functools
import importlib.util
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from utils import runs
from utils.runs import UserError
from utils.workshop.install import system

GLIBC = 28  # 2.28 is of 2018: Ubuntu 20.04, Debian 10, RHEL 8 and later
LINUX = tuple(
    f"{kind}_x86_64" for kind in (*(f"manylinux_2_{n}" for n in range(GLIBC, 4, -1)), "manylinux2014", "manylinux2010", "manylinux1", "linux")
)
MACOS = (14, 0)  # the oldest system; Apple's chips
# name -> pip's platform tags, and what the markers of a requirement read there
PLATFORMS = {
    "linux": (LINUX, {"os_name": "posix", "sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64"}),
    "macos": (("macosx_%d_%d_arm64" % MACOS,), {"os_name": "posix", "sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64"}),
    "windows": (("win_amd64",), {"os_name": "nt", "sys_platform": "win32", "platform_system": "Windows", "platform_machine": "AMD64"}),
}  # fmt: skip
SYSTEMS = {"linux": "linux-x86_64", "macos": "macosx-arm64", "windows": "win-amd64"}
BATCH = 8  # packages that one call of pip fetches: a killed download loses no more
NO_NETWORK = ("NewConnectionError", "Connection refused", "Failed to establish", "name resolution", "unreachable", "getaddrinfo", "timed out",
              "ProxyError", "RemoteDisconnected", "Connection aborted", "SSLError")  # fmt: skip


@dataclass(frozen=True)
class Target:
    """A kind of laptop: the name of its platform ("" is this machine's own) and its Python, such as 3.11."""

    platform: str
    python: str

    @property
    def name(self) -> str:
        return f"{self.platform or 'this machine'}, Python {self.python}"

    @property
    def system(self) -> str:
        """System and chip as install.py names them, such as linux-x86_64."""
        return SYSTEMS[self.platform] if self.platform else system()

    def environment(self) -> dict[str, str]:
        """What the markers of a requirement are judged by."""
        from packaging.markers import default_environment

        known = PLATFORMS[self.platform][1] if self.platform else {}
        own = self.python == "%d.%d" % sys.version_info[:2]
        full = {} if own and not self.platform else {"python_version": self.python, "python_full_version": f"{self.python}.0"}
        return {**default_environment(), **known, **full}

    def tags(self) -> list:
        """Tags of the wheels that this target takes, best first."""
        from packaging import tags

        short = tuple(int(part) for part in self.python.split("."))
        if not self.platform and short == sys.version_info[:2]:
            return list(tags.sys_tags())
        platforms = PLATFORMS[self.platform][0] if self.platform else list(tags.platform_tags())
        if self.platform == "macos":  # it takes what was built for older systems too, as pip knows by itself
            platforms = list(tags.mac_platforms(MACOS, "arm64"))
        interpreter = f"cp{short[0]}{short[1]}"
        return [*tags.cpython_tags(short, platforms=platforms), *tags.compatible_tags(short, interpreter=interpreter, platforms=platforms)]

    def flags(self) -> list[str]:
        """The options that tell pip of another platform or Python."""
        platforms = PLATFORMS[self.platform][0] if self.platform else ()
        other = self.platform or self.python != "%d.%d" % sys.version_info[:2]
        return [*(f"--platform={tag}" for tag in platforms), *([f"--python-version={self.python}"] if other else [])]


def gather(requirements: Path, target: Target, wheelhouse: Path, tell: Callable[[str], None] = print, also: tuple[str, ...] = ("pip",)) -> list[Path]:
    """Fetch what is not there yet; returns the wheels of one target. Killed or failed, a second call goes on.

    A package of the running environment keeps that version, so that every laptop gets what was tested here; others take the newest
    that all who need them accept. Raises UserError: no network, a package without a wheel, a full disk.
    """
    from packaging.requirements import Requirement

    wheelhouse.mkdir(parents=True, exist_ok=True)
    environment, tags, wanted = target.environment(), {tag: rank for rank, tag in enumerate(target.tags())}, {}
    _merge(wanted, [*read_requirements(requirements), *map(Requirement, also)], {""}, environment)
    while True:
        before = {name: (str(need), frozenset(extras)) for name, (need, extras) in wanted.items()}
        missing = [name for name in wanted if not _best(name, wanted, wheelhouse, tags)]
        for start in range(0, len(missing), BATCH):
            tell(f"{target.name}: {len(wanted) - len(missing) + start} of {len(wanted)} packages known so far, fetching …")
            _fetch(missing[start : start + BATCH], wanted, target, wheelhouse)
        found = {name: _best(name, wanted, wheelhouse, tags) for name in wanted}
        if lost := [name for name, wheel in found.items() if not wheel]:
            raise UserError(f"pip brought no wheel of {lost[0]} that fits {target.name}; empty {wheelhouse} and run again")
        for name, wheel in found.items():
            _merge(wanted, requires(wheel), wanted[name][1], environment)
        if before == {name: (str(need), frozenset(extras)) for name, (need, extras) in wanted.items()}:
            return sorted(found.values())


def read_requirements(path: Path) -> list:
    """The requirements of a file, without comments and options; raises UserError for a line that is none."""
    from packaging.requirements import InvalidRequirement, Requirement

    lines = (line.split(" #")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    try:
        return [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]
    except InvalidRequirement as error:
        raise UserError(f"{path} has a line that is no requirement ({error}); write it as NAME==VERSION") from error


@functools.cache
def requires(wheel: Path) -> tuple:
    """The requirements that a wheel's own metadata names; raises UserError for a damaged wheel, which it removes."""
    from packaging.requirements import Requirement

    try:
        with zipfile.ZipFile(wheel) as opened:
            name = next(n for n in opened.namelist() if n.count("/") == 1 and n.endswith(".dist-info/METADATA"))
            head = BytesHeaderParser().parsebytes(opened.read(name))
    except (zipfile.BadZipFile, StopIteration) as error:
        wheel.unlink()
        raise UserError(f"{wheel} was damaged and is removed; run the same command again") from error
    return tuple(Requirement(line) for line in head.get_all("Requires-Dist") or ())


def _merge(wanted: dict, needs: Iterable, extras: set[str], environment: dict[str, str]) -> None:
    """Add requirements to name -> (specifiers, extras); a marker counts for the target and for the extras asked of the one who needs it."""
    from packaging.specifiers import SpecifierSet
    from packaging.utils import canonicalize_name

    for need in needs:
        if need.marker and not any(need.marker.evaluate({**environment, "extra": extra}) for extra in extras | {""}):
            continue
        name = canonicalize_name(need.name)
        known, asked = wanted.get(name, (SpecifierSet(), set()))
        if not known and name not in wanted:
            known = _tested(name, need.specifier)
        wanted[name] = (known & need.specifier, asked | need.extras)


def _tested(name: str, specifier):
    """The version of the running environment as a specifier, where the one who asks accepts it."""
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version

    try:
        here = Version(version(name)).public  # without the local part: 2.13.0 of 2.13.0+cpu, which no other platform has
    except PackageNotFoundError:
        return SpecifierSet()
    return SpecifierSet(f"=={here}") if specifier.contains(here, prereleases=True) else SpecifierSet()


def _best(name: str, wanted: dict, wheelhouse: Path, tags: dict) -> Path | None:
    """The newest wheel of a package that fits both the need and the target."""
    from packaging.utils import parse_wheel_filename

    fitting = []
    for path in wheelhouse.glob("*.whl"):
        found, release, _, built = parse_wheel_filename(path.name)
        ranks = [tags[tag] for tag in built if tag in tags]
        if found == name and ranks and wanted[name][0].contains(release, prereleases=True):
            fitting.append((release, -min(ranks), path))
    return max(fitting)[2] if fitting else None


def _fetch(names: list[str], wanted: dict, target: Target, wheelhouse: Path) -> None:
    """Let pip fetch some packages into a folder of their own, then move the whole ones; raises UserError."""
    asked = [f"{name}{wanted[name][0]}" for name in names]
    with tempfile.TemporaryDirectory(dir=wheelhouse, prefix=".new-") as new:
        ended = _pip("download", "--no-deps", "--only-binary=:all:", f"--dest={new}", "--progress-bar=off", *target.flags(), *asked)
        if ended.returncode:
            _stop_where_all_fails(ended.stderr, wheelhouse)
            if len(names) > 1:
                for name in names:
                    _fetch([name], wanted, target, wheelhouse)
                return
            _build(asked[0], target, Path(new))
        for path in Path(new).glob("*.whl"):
            os.replace(path, wheelhouse / path.name)


def _build(asked: str, target: Target, folder: Path) -> None:
    """Build a package that has no wheel in the index; good where it is plain Python, or for this machine. Raises UserError."""
    from packaging.utils import parse_wheel_filename

    ended = _pip("wheel", "--no-deps", f"--wheel-dir={folder}", asked)
    _stop_where_all_fails(ended.stderr, folder)
    fits = set(target.tags())
    if ended.returncode or not all(parse_wheel_filename(path.name)[3] & fits for path in folder.glob("*.whl")):
        raise UserError(f"{asked} has no wheel for {target.name}; leave that platform out, or name another Python with --python")


def _pip(*arguments: str) -> subprocess.CompletedProcess:
    """One call of pip; an environment that uv made has none, and gets Python's own copy first."""
    if not importlib.util.find_spec("pip"):
        subprocess.run([sys.executable, "-m", "ensurepip"], capture_output=True)
        importlib.invalidate_caches()
    return subprocess.run([sys.executable, "-m", "pip", *arguments, "--disable-pip-version-check"], capture_output=True, text=True, errors="replace")


def _stop_where_all_fails(said: str, folder: Path) -> None:
    """Raise UserError for what no other package would do better: a full disk, no network, no pip."""
    if "No space left" in said or "not enough space" in said:
        raise UserError(f"the disk of {folder} is full ({runs.free_space_mb(folder)} MB free); free space and run again, whole wheels are kept")
    if any(sign in said for sign in NO_NETWORK):
        raise UserError("pip reaches no package index; connect to a network, or name a folder in PIP_FIND_LINKS, and run again: wheels are kept")
    if "No module named pip" in said:
        raise UserError(f"{sys.executable} has no pip; make the environment again with: make journey")
