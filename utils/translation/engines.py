"""The engines by name. An engine is two functions: `engine_id(language)` and `translate(texts, language)`."""

from types import ModuleType

from utils.runs import UserError
from utils.translation import bergamot

ENGINES: dict[str, ModuleType] = {"bergamot": bergamot}


def engine(name: str) -> ModuleType:
    if name not in ENGINES:
        raise UserError(f"engine {name!r} is unknown; use one of: {', '.join(ENGINES)}")
    return ENGINES[name]
