"""The five small fusions of the taxonomy, one file each; a file here with a LETTER is a fusion, so a new one needs nothing else."""

import functools
import importlib
import pkgutil
from pathlib import Path

from utils.runs import UserError


@functools.cache
def fusions() -> dict[str, object]:
    """Name -> module of every fusion, in the order of their letters.

    A fusion's module has LETTER, TITLE, SOURCE, SLOTS (how many tokens a picture takes in the sequence), PACKED (whether
    several questions may share a row behind a block mask), `build(tokenizer, seed)`, `add_second(model, llava, seed)` and, if
    its parts learn before it does, `prepare(model, features, pixels, seed)` and `prepare_second(model, pixels, seed)`.
    """
    found = {name: importlib.import_module(f"{__name__}.{name}") for _, name, _ in pkgutil.iter_modules(__path__)}
    return dict(sorted(((n, m) for n, m in found.items() if hasattr(m, "LETTER")), key=lambda pair: pair[1].LETTER))


def fusion(name: str):
    """The module of one fusion; raises UserError naming the fusions there are."""
    if name not in fusions():
        raise UserError(f"the fusion {name!r} is unknown; use one of: {', '.join(fusions())}")
    return fusions()[name]


def open_fusion(name: str, folder: Path, second: bool = False) -> tuple[object, object]:
    """(model, tokenizer) of a trained fusion, with the parts of its second modality if `second`; raises UserError when the folder does not hold its weights."""
    from utils.models.fusions import parts

    module, path = fusion(name), Path(folder) / parts.WEIGHTS
    if not path.exists():
        raise UserError(f"{path} is missing; train the fusion {name} first")
    tokenizer = parts.base_tokenizer()
    model = module.build(tokenizer, 0)
    if second:
        module.add_second(model, parts.shipped(tokenizer), 0)
    return parts.load(model, path), tokenizer
