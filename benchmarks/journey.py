"""Does a journey that is killed at ten random moments end with the numbers of one that never was? Both run here, with little of everything."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from utils import runs
from utils.journey.same import differences

SHARE, KILLS, SEED = "0.02", 10, 0
COMMAND = (sys.executable, "-m", "utils", "journey", "--scale", "tiny")


def run() -> list[dict]:
    """Rows for the table; the moments, and what was running at each, go to standard error."""
    with tempfile.TemporaryDirectory() as kept:
        whole, killed = Path(kept) / "whole", Path(kept) / "killed"
        began = time.monotonic()
        _ended(_started(whole))
        seconds = time.monotonic() - began
        kills = _kill(killed, seconds, random.Random(SEED))
        folders = [next(folder.glob("*/pt-BR/journey.json")).parent for folder in (whole, killed)]  # its name tells the share
        found = {what: lines for what, lines in differences(*folders) if lines}
    for what, lines in found.items():
        print(what, *lines, sep="\n  ", file=sys.stderr)
    how = f"all notebooks, SHARE={SHARE}, killed at random moments (seed {SEED}), in turns the journey alone and its whole group; given again at once"
    count = sum(map(len, found.values()))
    return [
        {"measure": "times the journey was killed", "value": kills, "unit": "kills", "target": KILLS, "meets": kills >= KILLS, "how": how},
        {
            "measure": "lines, weights and rows other than of a whole journey",
            "value": count,
            "unit": "",
            "target": 0,
            "meets": count == 0,
            "how": how,
        },
    ]


def _started(folder: Path) -> subprocess.Popen:
    environment = os.environ | {"OUTPUTS": str(folder), "SHARE": SHARE}
    return subprocess.Popen(COMMAND, cwd=runs.ROOT, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True)


def _ended(process: subprocess.Popen) -> str:
    """What a journey printed, once it ended; raises UserError where it was not green."""
    printed, _ = process.communicate()
    if process.returncode:
        raise runs.UserError(f"the journey ended with {process.returncode}; it printed:\n{printed}")
    return printed


def _kill(folder: Path, seconds: float, rng: random.Random) -> int:
    """Kill a journey KILLS times and let it end; returns how often that came before its end. `seconds`: what a whole one takes."""
    for kill in range(KILLS):
        process, wait = _started(folder), rng.uniform(1, 1.8 * seconds / KILLS)
        try:
            process.wait(timeout=wait)
        except subprocess.TimeoutExpired:
            (os.killpg if kill % 2 else os.kill)(process.pid, signal.SIGKILL)
            last = process.communicate()[0].strip().splitlines()[-1:]
            print(f"kill {kill + 1} after {wait:.0f} s: {' '.join(last)}", file=sys.stderr, flush=True)
            continue
        _ended(process)
        return kill
    _ended(_started(folder))
    return KILLS
