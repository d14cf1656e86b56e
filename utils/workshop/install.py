"""Install the course from this folder's wheelhouse, with no network: `python install.py`. Plain Python, for any system.

`python -m utils workshop pack` puts a copy of this file at the top of its archive.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

HERE = Path(__file__).resolve().parent
GROWS = 4.2  # installed packages take about this many times the space of their wheels


def stop(sentence):
    sys.exit("error: " + sentence)


def system():
    """The system and chip that this Python was built for, such as win-amd64, linux-x86_64 or macosx-arm64."""
    parts = sysconfig.get_platform().split("-")
    return parts[0] + "-" + (platform.machine() if parts[-1] == "universal2" else parts[-1])


def check_archive():
    """What the archive was made for; ends the program where it is not unpacked, or is for another Python or another system."""
    try:
        facts = json.loads((HERE / "workshop.json").read_text(encoding="utf-8"))
    except OSError:
        stop("workshop.json and the wheelhouse are not beside install.py; unpack the whole archive first, then run install.py in its folder")
    here = "%d.%d" % sys.version_info[:2]
    if here not in facts["pythons"]:
        fits = " or ".join(facts["pythons"])
        also = "py -%s install.py" % facts["pythons"][0] if os.name == "nt" else "python%s install.py" % facts["pythons"][0]
        stop("this archive is for Python %s and this is Python %s; install that one and run: %s" % (fits, here, also))
    if system() not in facts["systems"]:
        stop(
            "this archive is for %s and this is %s; ask for one that has its packages, or share a laptop" % (" or ".join(facts["systems"]), system())
        )
    return facts


def check_sums():
    """Compare each wheel with SHA256SUMS: a stick that was pulled out too early leaves a torn copy."""
    for line in (HERE / "SHA256SUMS").read_text(encoding="utf-8").splitlines():
        wanted, name = line.split("  ", 1)
        if not name.startswith("wheelhouse/"):
            continue
        digest = hashlib.sha256()
        try:
            with open(str(HERE / name), "rb") as file:
                for block in iter(lambda: file.read(1 << 20), b""):
                    digest.update(block)
        except OSError:
            stop("%s is missing; unpack the archive again" % name)
        if digest.hexdigest() != wanted:
            stop("%s is damaged; copy the archive again and unpack it again" % name)


def check_disk(megabytes):
    needed, free = GROWS * megabytes * 1e6, shutil.disk_usage(str(HERE)).free
    if free < needed:
        stop("%.1f GB are free in %s and about %.1f GB are needed; free space and run again" % (free / 2**30, HERE, needed / 2**30))


def run(command, sentence):
    # A laptop's own settings must not send pip to a network, or refuse the environment.
    quiet = {name: value for name, value in os.environ.items() if not name.startswith("PIP_") and name not in ("PYTHONPATH", "PYTHONHOME")}
    if subprocess.call(command, env=dict(quiet, PIP_CONFIG_FILE=os.devnull)):
        stop(sentence)


def main():
    parser = argparse.ArgumentParser(description="Make .venv and install every package from the wheelhouse; nothing comes from a network.")
    parser.add_argument("--no-check", action="store_true", help="do not run the five-minute check afterwards")
    options = parser.parse_args()
    facts = check_archive()
    wheelhouse, place = HERE / "wheelhouse", HERE / ".venv"
    print("checking the copy ...", flush=True)
    check_sums()
    if not (place / ".ready").exists():
        check_disk(facts["wheels_mb"])
    python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    # pip runs from its own wheel: Debian's Python cannot make an environment with pip unless another package is installed.
    run([sys.executable, "-m", "venv", "--without-pip", str(place)], "no environment could be made in %s; see the lines above" % place)
    print("installing; this takes some minutes ...", flush=True)
    pip = sorted(wheelhouse.glob("pip-*.whl"))[-1]
    install = [str(python), str(pip / "pip"), "install", "--isolated", "--quiet", "--no-index", "--find-links", str(wheelhouse)]
    run(install + ["--requirement", str(HERE / "requirements.txt"), "pip"], "pip could not install all packages; see the lines above, then run again")
    (place / ".ready").touch()  # the Makefile's own sign that the environment stands
    print("installed in %s" % place, flush=True)
    if options.no_check:
        return 0
    return subprocess.call([str(python), "-m", "utils", "workshop", "check"], cwd=str(HERE))


if __name__ == "__main__":
    sys.exit(main())
