"""Before a long journey: what this machine, its disk, its GPU, the hub and the data lack for a scale, all at once, each with its fix.

Nothing is written. The tiny scale looks at the disk, the memory and the shipped model alone and imports no heavy library.
"""

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from utils import runs
from utils.journey.machine import NEEDS, memory_gb
from utils.languages import language as language_record
from utils.runs import UserError
from utils.scales import Scale

TINY_MB = 500  # of disk
# Whole models that a notebook writes at the big scales: the tuned one, the idioms' three, the system trained anew, the exported copy.
MODELS = {"05": 1, "08": 3, "09": 1, "10": 1}
TIMEOUT = 5  # seconds for the hub's first answer
LOOKED_AT = 20  # rows of each file whose pictures must be there


def problems(size: Scale, kind: str, language: str, recipe: object, notebooks: Sequence[str]) -> list[str]:
    """Everything that would stop a journey of a scale (its `kind`: the name without share and seed), a sentence each; [] when it can start.

    Weights are not asked for with WEIGHTS=random. Raises nothing that the user can fix: it is a sentence too.
    """
    if size.weights == "data":
        return [*_memory(kind), *_shipped(), *_disk([(runs.outputs(), TINY_MB << 20, "results")])]
    random, found, download = os.environ.get("WEIGHTS") == "random", [], 0
    model = _model_bytes(size.weights)
    if not random and not cached(size.weights):
        found += _hub(size.weights)
        download = model
    kept = sum(MODELS.get(name[:2], 0) for name in notebooks) * model
    needs = [(runs.outputs(), kept + (TINY_MB << 20), "trained models"), (_hub_cache(), download, "the hub's weights")]
    checks = (_memory(kind), _packages(size, random), _data(), _engine(language), _gpu(size, recipe, random))
    return [*_disk([one for one in needs if one[1]]), *found, *(one for check in checks for one in check)]


def _gb(size: float) -> str:
    return f"{size / 2**30:.1f} GB"


def _memory(kind: str) -> Iterator[str]:
    """Memory of the machine, or of the part of it that a scheduler's cgroup gives us; machines show a little less than is sold."""
    want, have = NEEDS[kind][1], _memory_here()
    if have is not None and have < 0.9 * want:
        yield f"{have:.1f} GB of memory are here and scale {kind} wants {want} GB; take a larger machine, or ask the scheduler for more (--mem)"


def _memory_here() -> float | None:
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        return min(memory_gb() or float("inf"), int(limit) / 2**30)
    except (OSError, ValueError):  # no cgroup, or "max"
        return memory_gb()


def _shipped() -> Iterator[str]:
    if not (runs.ROOT / "data" / "base" / "config.json").exists():
        yield "the English base is missing in data/base; bring it back from the repository, or make it again: python -m utils base --install"


def _nearest(path: Path) -> Path:
    """The path itself, or the nearest folder above it that is there."""
    path = Path(path).absolute()
    return next(one for one in (path, *path.parents) if one.exists())


def _disk(needs: list[tuple[Path, int, str]]) -> Iterator[str]:
    """Folders that cannot be written, and disks with less room than the folders on them need together."""
    disks: dict[int, list[tuple[Path, int, str]]] = {}
    for path, size, what in needs:
        near = _nearest(path)
        if not (near.is_dir() and os.access(near, os.W_OK | os.X_OK)):
            yield f"cannot write in {path}; free it for writing, or set OUTPUTS (HF_HOME for weights) to a folder you may write in"
        else:
            disks.setdefault(near.stat().st_dev, []).append((near, size, what))
    for on_it in disks.values():
        want, free = sum(size for _, size, _ in on_it), runs.free_space_mb(on_it[0][0]) << 20
        if free < want:
            parts = " and ".join(f"{_gb(size)} for {what}" for _, size, what in on_it)
            yield (
                f"{_gb(free)} are free in {on_it[0][0]} and the journey needs about {parts}; "
                "free space or set OUTPUTS (HF_HOME for weights) to a larger disk"
            )


def _model_bytes(name: str) -> int:
    """Bytes of a model in 16 bits, as the hub and our folders hold it, counted on transformers' own class."""
    import math

    from utils.training.planner import named_shapes

    return 2 * sum(math.prod(shape) for _, shape, _ in named_shapes(name))


def _hub_cache() -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def cached(repo: str) -> bool:
    """Whether the hub's local cache holds a model whole: configuration, tokenizer, and every file of its safetensors weights."""
    from huggingface_hub import try_to_load_from_cache

    here = lambda name: isinstance(path := try_to_load_from_cache(repo, name), str) and Path(path).exists() and path  # noqa: E731
    if not (here("config.json") and (here("tokenizer.json") or here("tokenizer.model"))):
        return False
    if here("model.safetensors"):
        return True
    index = here("model.safetensors.index.json")
    try:
        return bool(index) and all(map(here, set(json.loads(Path(index).read_text(encoding="utf-8"))["weight_map"].values())))
    except (OSError, ValueError, KeyError, AttributeError):
        return False


def _hub(repo: str) -> Iterator[str]:
    """Why a model that is not in the cache cannot be fetched either."""
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HfHubHTTPError

    away = f"the weights {repo} are not whole in the local cache and"
    fix = "download them where there is a network and set HF_HOME to that cache, or rehearse the shape with WEIGHTS=random"
    if constants.is_offline_mode():
        yield f"{away} HF_HUB_OFFLINE is set; unset it, or {fix}"
        return
    try:
        HfApi(endpoint=constants.ENDPOINT).model_info(repo, timeout=TIMEOUT)
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", "an error")
        yield f"{away} the hub answers {status} for them; log in (hf auth login) or try again later, or {fix}"
    except Exception as error:  # no network is another class in each version of the client
        yield f"{away} the hub gives no answer within {TIMEOUT} s ({type(error).__name__}); connect to it, or {fix}"


def _data() -> Iterator[str]:
    """LLaVA-Instruct's files and, for the first rows of each, their pictures."""
    from utils.corpus.conversations import iter_rows
    from utils.corpus.images import inside
    from utils.corpus.scenes.instruct import PARTS

    folder = runs.ROOT / "data" / "llava_instruct"
    missing = [name for name in PARTS if not (folder / name).exists()]
    if missing:
        yield f"{', '.join(missing)} of LLaVA-Instruct are missing in data/llava_instruct; put them there, see data/README.md"
    if not (folder / "images").is_dir():
        yield "the pictures are missing; put COCO train2017 into data/llava_instruct/images, see data/README.md"
        return
    for name in PARTS:
        if name in missing:
            continue
        try:
            shown = [row["image"] for row in islice(iter_rows(folder / name), LOOKED_AT) if row.get("image")]
            lost = next((one for one in shown if not inside(folder / "images", one).exists()), None)
        except (UserError, ValueError, AttributeError, TypeError) as error:
            yield f"data/llava_instruct/{name} cannot be read ({error}); download it again, see data/README.md"
            continue
        if lost:
            yield f"{name} names the picture {lost}, which is not in data/llava_instruct/images; put COCO train2017 there, see data/README.md"


def _engine(language: str) -> Iterator[str]:
    """Whether some engine writes the language: the offline one, or that which ENGINE names."""
    from utils.translation.engines import ENGINES
    from utils.translation.engines.bergamot import PAIRS

    named = os.environ.get("ENGINE") or ""
    if not named and language not in PAIRS:
        name = language_record(language).prompt_name
        yield f"the offline engine does not translate into {name}; name another with ENGINE=, for instance ENGINE=ctranslate2:FOLDER"
    elif named and named.partition(":")[0] not in ENGINES:
        yield f"ENGINE {named!r} is unknown; use one of: {', '.join(ENGINES)}"


def _packages(size: Scale, random: bool) -> Iterator[str]:
    """What requirements-gpu.txt lists, where weights are loaded in four bits."""
    if not size.four_bit or random:
        return
    lines = (runs.ROOT / "requirements-gpu.txt").read_text(encoding="utf-8").splitlines()
    names = [found[0] for line in lines if (found := re.match(r"[A-Za-z][\w-]*", line))]
    lacking = [name for name in names if importlib.util.find_spec(name.replace("-", "_")) is None]
    if lacking:
        yield f"scale {size.name} loads weights in 4 bits, and {', '.join(lacking)} is missing; pip install -r requirements-gpu.txt"


_CARDS = "import json, torch; torch.cuda.is_available() and print(json.dumps([torch.cuda.get_device_name(0), *torch.cuda.mem_get_info(0)]))"


def card_here() -> tuple[str, int, int] | None:
    """(name, free bytes, all bytes) of the first GPU, asked in a process of its own that leaves nothing on it; None without one."""
    told = subprocess.run([sys.executable, "-c", _CARDS], capture_output=True, text=True).stdout.strip()
    return tuple(json.loads(told.splitlines()[-1])) if told else None


def _gpu(size: Scale, recipe: object, random: bool) -> Iterator[str]:
    """Whether every stage of the recipe fits the GPU found, by the planner; with which change it would."""
    if size.device != "cuda":
        return
    here = card_here()
    if here is None:
        yield f"scale {size.name} wants {size.machine}, and no GPU was found; run it on such a machine, or use SCALE=tiny here"
        return
    import dataclasses

    from utils.training.gpus import GPUS
    from utils.training.plan_page import gb, report
    from utils.training.rehearsal import card_named
    from utils.training.stages import plan_of

    name, free, whole = here
    card = card_named(name) or dataclasses.replace(GPUS["a100-80"], name=name, memory=whole)
    for stage in (one for one in recipe.stages if one.tune is not None):
        try:
            plan = plan_of(size, stage, 0, 0)
        except UserError as error:
            yield str(error)
            return
        base = size.dtype if random else None  # random weights are never in four bits
        how = {"batch": max(1, plan.batch // plan.accumulate), "checkpointing": plan.checkpointing, "base": base}
        found = report(recipe, stage, size, card, **how)
        if found["fits"] is False:
            yield _too_small(found, card, stage.name)
        elif found["total"] > free:
            yield f"stage {stage.name} needs {gb(found['total'])} of {name} and {gb(free)} are free; end what else runs on it (nvidia-smi)"


def _too_small(found: dict, card: object, stage: str) -> str:
    """A stage that does not fit, and the least change that helps: variables of ours where they do, else a scale or a card."""
    from utils.training.plan_page import gb

    said = f"stage {stage} needs {gb(found['total'])} and {card.name} has room for {gb(found['room'])}; "
    change = found["change"]
    names = set(change["names"]) if change else {"none"}
    if names <= {"batch", "checkpointing"}:
        settings = {"batch": f"ACCUMULATE={change['accumulate']}", "checkpointing": "CHECKPOINTING=1"}
        return said + f"set {' '.join(settings[name] for name in change['names'])}: the same batch in smaller parts, {gb(change['total'])}"
    larger = f"take a GPU such as {found['gpu_that_fits']}" if found["gpu_that_fits"] else "no single GPU holds it"
    return said + f"{larger}, or use a smaller scale (python -m utils plan tells what else would fit)"


def ready(size: Scale, kind: str, language: str, recipe: object, notebooks: Sequence[str], anyway: bool = False) -> bool:
    """Tell every problem; returns whether a journey may start."""
    found = problems(size, kind, language, recipe, notebooks)
    tell(found, anyway)
    return anyway or not found


def tell(found: Sequence[str], anyway: bool) -> None:
    """Every problem on standard error, a line each."""
    for one in found:
        print(f"{'warning' if anyway else 'error'}: {one}", file=sys.stderr, flush=True)
