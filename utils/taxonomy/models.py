"""All records of multimodal models, and what can be counted over them. To add a model, add one record to the tuple in `deep.py` or `early.py`."""

from collections import Counter
from collections.abc import Iterable

from utils.runs import UserError
from utils.taxonomy.deep import DEEP
from utils.taxonomy.early import EARLY
from utils.taxonomy.record import SHOWN, STATUSES, Model, status
from utils.taxonomy.types import TYPES

MODELS = (*DEEP, *EARLY)


def counts(models: Iterable[Model]) -> dict[str, int]:
    """How many records each type has, types without one included."""
    found = Counter(model.type for model in models)
    return {t.code: found[t.code] for t in TYPES}


def statuses(models: Iterable[Model]) -> list[dict]:
    """Rows: a field that is shown, and how many records have it with each status."""
    models = list(models)
    return [{"field": head, **{s: sum(status(model, field) == s for model in models) for s in STATUSES}} for field, head in SHOWN.items()]


def model_of(name: str, models: Iterable[Model]) -> Model:
    """The record of this name; raises UserError when there is none."""
    for model in models:
        if model.name == name:
            return model
    raise UserError(f"no record is named {name!r}; look at the names in utils/taxonomy/deep.py and early.py")
