"""A multimodal model as one record, with the status of each value.

Each record names one source. A value is reported there unless its field stands in `assumed` (our inference) or in `unsure` (recalled from
the literature or second-hand, not checked in the source); None is unknown. Year and month are those of the paper's arXiv number,
or of the page that the source names. The type is the survey's (arXiv 2405.17927) or the thesis's.
"""

import dataclasses
from dataclasses import dataclass

from utils.runs import UserError
from utils.taxonomy.types import TYPES, type_of

CONNECTORS = ("linear", "MLP", "Q-Former", "resampler", "cross-attention", "learned prompts", "tokenizer", "scan")
TRAINED = ("connector", "new layers", "LoRA", "language model", "vision encoder", "embeddings", "tokenizer")
STATUSES = ("reported", "assumed", "unsure", "unknown")
# The fields that a reader sees, with their heading.
SHOWN = {"subtype": "type", "year": "year", "sizes": "sizes", "fusion": "fusion", "connector": "connector", "trained": "trained", "data": "data"}


@dataclass(frozen=True)
class Model:
    """One model. `kind` and `trains` say connector and trained parts in the words of CONNECTORS and TRAINED, for filters; empty: unknown.

    `claim` is what its authors report of it, as the thesis quotes it; `note` is ours. `named_by`: "thesis", or "seeds" for the three systems that
    the course starts from. Raises UserError when a record contradicts itself.
    """

    name: str
    subtype: str
    year: int
    month: int | None
    sizes: str | None
    fusion: str
    connector: str | None
    kind: str | None
    trained: str | None
    trains: tuple[str, ...]
    data: str | None
    source: str
    named_by: str = "thesis"
    claim: str = ""
    note: str = ""
    unsure: frozenset[str] = frozenset()
    assumed: frozenset[str] = frozenset()

    @property
    def type(self) -> str:
        return self.subtype.partition(".")[0]

    def __post_init__(self) -> None:
        found = problem(self)
        if found:
            raise UserError(f"record {self.name!r} {found}; correct it in utils/taxonomy")


def problem(model: Model) -> str | None:
    """What is wrong with a record, or None."""
    if not model.name.strip() or not model.source.strip():
        return "has no name or no source"
    if model.type not in [t.code for t in TYPES] or model.subtype not in dict(type_of(model.type).subtypes):
        return f"has the unknown type {model.subtype!r}"
    if model.kind not in (*CONNECTORS, None) or not set(model.trains) <= set(TRAINED):
        return "names a connector or a trained part that is not in CONNECTORS or TRAINED"
    if model.month is not None and not 1 <= model.month <= 12:
        return f"has the month {model.month}"
    marked, both = model.unsure | model.assumed, model.unsure & model.assumed
    stray = marked - {field.name for field in dataclasses.fields(Model)} | both | {name for name in marked if getattr(model, name, None) is None}
    return f"marks a field that does not exist, is empty, or is marked twice: {', '.join(sorted(stray))}" if stray else None


def named(*fields: str) -> frozenset[str]:
    """Names of fields as a record's mark; each may hold several names, separated by spaces."""
    return frozenset(" ".join(fields).split())


def status(model: Model, field: str) -> str:
    """One of STATUSES for one field of a record."""
    if getattr(model, field) in (None, ""):
        return "unknown"
    return "unsure" if field in model.unsure else "assumed" if field in model.assumed else "reported"


def shown(model: Model, field: str) -> str:
    """A value as readers see it, its status in words beside it unless it is reported."""
    found = status(model, field)
    return {"unknown": "unknown", "reported": str(getattr(model, field))}.get(found) or f"{getattr(model, field)} ({found})"
