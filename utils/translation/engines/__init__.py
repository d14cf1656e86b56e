"""The engines by name. An engine is a module with two functions and one signature:

`engine_id(language, setup)` names engine, weights and version (part of the memory's key) and raises UserError with one
sentence when something is missing; `translate(texts, language, setup)` yields translations in the order of `texts`, ""
for a text that failed alone, and raises UserError when nothing can be translated any more.
"""

from types import ModuleType

from utils.runs import UserError
from utils.translation.engines import apertium, bergamot, ctranslate2, googletrans, huggingface, llm
from utils.translation.engines.setup import Setup

ENGINES: dict[str, ModuleType] = {
    "bergamot": bergamot, "googletrans": googletrans, "huggingface": huggingface, "ctranslate2": ctranslate2,
    "apertium": apertium, "llm": llm,
}  # fmt: skip


def engine(name: str) -> ModuleType:
    """The engine of that name; raises UserError naming the valid ones."""
    if name not in ENGINES:
        raise UserError(f"engine {name!r} is unknown; use one of: {', '.join(ENGINES)}")
    return ENGINES[name]


def parse(text: str, **settings: object) -> tuple[str, Setup]:
    """`NAME` or `NAME:MODEL` from the command line as (name, setup)."""
    name, _, model = text.partition(":")
    engine(name)
    return name, Setup(model=model, **settings)
