"""What this machine is and which scales it can run."""

import os
import platform
import shutil

from utils import runs
from utils.scales import SCALES

NEEDS = {"tiny": (2, 4, 0), "workshop": (2, 16, 16), "a100": (8, 64, 80)}  # cores, GB of memory, GB on the GPU


def memory_gb() -> float | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (AttributeError, OSError, ValueError):
        return None  # Windows


def gpus() -> list[tuple[str, float]]:
    """(name, GB) of each CUDA GPU."""
    import torch

    found = [torch.cuda.get_device_properties(n) for n in range(torch.cuda.device_count())]
    return [(gpu.name, gpu.total_memory / 2**30) for gpu in found]


def machine_rows() -> list[dict]:
    """The machine as rows of a table: what it has, and the versions that decide results."""
    from utils.models.load import SHIPPED

    memory, graphics = memory_gb(), gpus()
    rows = {
        "system": f"{platform.system()} {platform.machine()}", "Python": platform.python_version(), "cores": os.cpu_count(),
        "memory": f"{memory:.0f} GB" if memory else "unknown", "free disk": f"{shutil.disk_usage(runs.ROOT).free / 2**30:.0f} GB",
        "GPU": ", ".join(f"{name} ({size:.0f} GB)" for name, size in graphics) or "none",
        "English base": "shipped in data/base" if (SHIPPED / "config.json").exists() else "missing: run make base",
    }  # fmt: skip
    return [{"what": k, "here": v} for k, v in {**rows, **runs.versions()}.items()]


def scale_rows() -> list[dict]:
    """Each scale with what it wants and whether this machine has it."""
    cores, memory = os.cpu_count() or 1, memory_gb() or 0
    largest = max((size for _, size in gpus()), default=0)
    rows = []
    for name, size in SCALES.items():
        want_cores, want_memory, want_gpu = NEEDS[name]
        lacks = []
        if cores < want_cores:
            lacks.append(f"{want_cores} cores (slower, still right)")
        if memory and memory < want_memory:
            lacks.append(f"{want_memory} GB of memory")
        if largest < want_gpu * 0.95:
            lacks.append(f"a GPU of {want_gpu} GB")
        start = "shipped model" if size.weights == "data" else size.weights
        rows.append({"SCALE": name, "wants": size.machine, "starts from": start, "here": "runs" if not lacks else "lacks " + ", ".join(lacks)})
    return rows


# The residency's periods (thesis, UFG 2024): notebook, first week, last week, question.
WEEKS = (
    ("01", 1, 3, "how do architecture types A–D fuse picture and text?"),
    ("02", 4, 5, "why did one-word answers send the thesis to LLaVA?"),
    ("03", 6, 7, "how do five English files become a sound Portuguese corpus?"),
    ("08", 7, 7, "can it tell an idiom from its literal picture?"),
    ("04", 8, 8, "how do the systems differ, which GPU does each need?"),
    ("05", 8, 10, "what changes when the adapter learns Portuguese?"),
    ("06", 10, 10, "what do people see that metrics do not?"),
    ("10", 10, 10, "how does someone else try it?"),
)
