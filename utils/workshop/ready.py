"""Is this laptop ready? `python utils/workshop/ready.py` runs with nothing installed, even on a Python that is too old for the course.

Plain standard library and plain ASCII on the screen: an old terminal prints nothing else.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PYTHON = (3, 11)
DISK_GB = 1.0  # for results: a whole journey at tiny writes a fifth of it, the rest is room to breathe
INSTALL_GB = 3.0  # for the packages, where they are not there yet
MEMORY_GB = 3.5  # a laptop sold with 4 GB reports less
MINUTES = 5  # after which a check that does not answer counts as stuck
INSTALL = "run: python install.py (in the unpacked archive), or: make journey"


def row(what, ok, found, fix=""):
    return {"what": what, "ok": bool(ok), "found": str(found), "fix": "" if ok else fix}


def own_python():
    """The Python of the course's environment, whether it is there or not."""
    return ROOT / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def outside():
    """The environment's Python where there is one and another one runs this check; else None."""
    return own_python() if own_python().exists() and Path(sys.prefix).resolve() != (ROOT / ".venv").resolve() else None


def python_row():
    found = "%s, %d bit" % (platform.python_version(), 64 if sys.maxsize > 2**32 else 32)
    if sys.version_info < PYTHON:  # noqa: UP036  (this file must also run, and say so, on an older one)
        return row("Python", False, found, "it is too old: install Python %d.%d or newer (64 bit) and run install.py with it" % PYTHON)
    return row("Python", sys.maxsize > 2**32, found, "install the 64-bit Python and run install.py with it")


def package_rows():
    """One row for every package that is missing or has another version; one row for all where all are right."""
    if sys.version_info < PYTHON:  # noqa: UP036
        return [row("packages", False, "not looked at", "install the right Python first")]
    from importlib.metadata import PackageNotFoundError, version

    wrong, total = [], 0
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        name, _, wanted = line.split("#")[0].strip().partition("==")
        if not name:
            continue
        total += 1
        try:
            found = version(name.split("[")[0].strip()).split("+")[0]
        except PackageNotFoundError:
            found = "missing"
        if wanted and found != wanted:
            wrong.append((name, wanted, found))
    if outside() and wrong:
        return [
            row("packages", False, "this is not the course's Python", "run it with the environment's own: %s -m utils workshop check" % own_python())
        ]
    if total and len(wrong) == total:
        return [row("packages", False, "none of %d" % total, INSTALL)]
    return [row(n, False, "%s, wanted %s" % (f, w), INSTALL) for n, w, f in wrong] or [row("packages", True, "all %d, at their versions" % total)]


def memory_gb():
    """Memory of the machine in GB, or None where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (AttributeError, OSError, ValueError):
        pass
    try:
        import ctypes

        # MEMORYSTATUSEX: two 32-bit numbers, the first its own length; then seven of 64 bits, the first all memory.
        told = (ctypes.c_uint64 * 8)()
        ctypes.cast(told, ctypes.POINTER(ctypes.c_uint32))[0] = ctypes.sizeof(told)
        return told[1] / 2**30 if ctypes.windll.kernel32.GlobalMemoryStatusEx(told) else None
    except (ImportError, AttributeError, OSError):
        return None


def memory_row(wanted):
    found = memory_gb()
    text = "unknown" if found is None else "%.1f GB" % found
    return row("memory", found is None or found >= wanted, text, "close other programs, or share a neighbour's laptop: %.1f GB are wanted" % wanted)


def disk_row(wanted):
    free = shutil.disk_usage(str(ROOT)).free / 2**30
    return row("free disk", free >= wanted, "%.1f GB" % free, "free space on the disk of %s: %.1f GB are wanted" % (ROOT, wanted))


def write_row():
    folder = Path(os.environ.get("OUTPUTS") or ROOT / "outputs")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=str(folder)) as file:
            file.write(b"here")
            file.flush()
    except OSError as error:
        return row(
            "writing", False, error.strerror or error, "unpack the course into a folder of your own, or set OUTPUTS to one: %s is none" % folder
        )
    return row("writing", True, folder)


def told_by(command, what, fix):
    """Run a command that prints one line of JSON; returns (what it told, None) or (None, the row that says why not)."""
    try:
        ended = subprocess.run(command, cwd=str(ROOT), capture_output=True, timeout=60 * MINUTES)
    except subprocess.TimeoutExpired:
        return None, row(what, False, "no answer in %d minutes" % MINUTES, "close other programs and run the check again")
    try:
        return json.loads(ended.stdout.decode("utf-8", "replace").strip().splitlines()[-1]), None
    except (ValueError, IndexError):
        last = (ended.stderr.decode("utf-8", "replace").strip().splitlines() or ["it ended without a word"])[-1]
        return None, row(what, False, ascii(last)[1:-1][:100], fix)


def model_row():
    fix = "unpack the archive again (data/base is damaged), then: " + INSTALL[5:]
    told, failed = told_by([sys.executable, "-m", "utils.journey.first_answer"], "the English base answers", fix)
    if failed:
        return failed
    return row("the English base answers", told["right"], "%s (%.1f s)" % (ascii(told["answer"])[1:-1][:60], told["seconds"]), fix)


def kernel_row():
    fix = "run: %s -m ipykernel install --sys-prefix" % sys.executable
    told, failed = told_by([sys.executable, str(Path(__file__).resolve()), "--kernel"], "a notebook kernel starts", fix)
    if failed:
        return failed
    same = os.path.realpath(told["prefix"]) == os.path.realpath(sys.prefix)
    return row("a notebook kernel starts", same, "%.1f s" % told["seconds"] if same else "another Python's: " + ascii(told["prefix"])[1:-1], fix)


def start_kernel():
    """Start the kernel that notebooks name and ask it where its Python is; prints {"prefix", "seconds"} as JSON."""
    from jupyter_client.manager import start_new_kernel

    started, heard = time.time(), []
    manager, client = start_new_kernel(kernel_name="python3", startup_timeout=60 * MINUTES)
    try:
        hear = lambda message: heard.append(message["content"].get("text", ""))  # noqa: E731
        client.execute_interactive("import sys; print(sys.prefix)", timeout=60, output_hook=hear)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    print(json.dumps({"prefix": "".join(heard).strip(), "seconds": round(time.time() - started, 1)}))


def rows(disk=DISK_GB, memory=MEMORY_GB):
    """Every check as {"what", "ok", "found", "fix"}; the last two run only where the packages are there."""
    packages = package_rows()
    installed = all(found["ok"] for found in packages)
    found = [python_row(), *packages, disk_row(disk + (0 if installed else INSTALL_GB)), memory_row(memory), write_row()]
    if not installed:
        late = ("the English base answers", "a notebook kernel starts")
        return found + [row(what, False, "not tried", "install the packages first") for what in late]
    return [*found, model_row(), kernel_row()]


def check(disk=DISK_GB, memory=MEMORY_GB):
    """Print the table of all checks; returns 0 where the laptop is ready, else 1."""
    found = rows(disk, memory)
    wide = max(len(r["what"]) for r in found)
    for r in found:
        print("%-*s  %-6s  %s" % (wide, r["what"], "ok" if r["ok"] else "NOT OK", r["found"]))
        if r["fix"]:
            print("%-*s  %-6s  fix: %s" % (wide, "", "", r["fix"]))
    wrong = sum(not r["ok"] for r in found)
    print("not ready: %d of %d checks failed; do the fixes from the top and run it again" % (wrong, len(found)) if wrong else "this laptop is ready")
    return int(wrong > 0)


def main():
    parser = argparse.ArgumentParser(description="Is this laptop ready for the workshop? Exit code 0: yes, 1: no.")
    parser.add_argument("--disk", type=float, default=DISK_GB, help="GB that must be free beside the packages")
    parser.add_argument("--memory", type=float, default=MEMORY_GB, help="GB of memory that the machine must have")
    parser.add_argument("--kernel", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.kernel:
        start_kernel()
        return 0
    return check(options.disk, options.memory)


if __name__ == "__main__":
    sys.exit(main())
