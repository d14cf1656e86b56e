"""The exercises of notebook 01: filter the records, take a head start away, and add a model with its doubts marked."""

import re
from collections.abc import Mapping
from itertools import combinations

from utils.taxonomy.models import MODELS
from utils.taxonomy.record import SHOWN, Model, status
from utils.taxonomy.table import choose


def lora_models(answer: list) -> str:
    """a list of names of models

    Copy: the filter of section 4, for every type.
    """
    names, wanted = {str(name).strip() for name in list(answer)}, {model.name for model in choose(MODELS, trained="LoRA")}
    strange = sorted(names - {model.name for model in MODELS})
    if strange:
        return f"the names: no record is called {strange[0]!r}"
    if names == wanted:
        return ""
    if names == {model.name for model in choose(MODELS, type="C", trained="LoRA")}:
        return "the filter on the type: section 4's last table shows type C alone"
    extra = sorted(names - wanted)
    if extra:
        return f"{extra[0]}: its record does not list LoRA among what it trains; a word in a remark is no filter"
    return f"how many you have: {len(names)} of {len(wanted)}"


def intervals_of(study: dict, kind: str = "all") -> dict[str, tuple[float, float]]:
    """Letter of a fusion -> the 95 % interval of its share right, for one type of question or for all."""
    from utils.taxonomy.results import fusions_of, pooled

    found = {}
    for name in fusions_of(study):
        row = next(row for row in pooled(study, name) if row["type"] == kind)
        found[next(run["letter"] for run in study["runs"] if run["fusion"] == name)] = (row["low"], row["high"])
    return found


def new_projector(study: dict) -> tuple[float, float]:
    """The interval of type C without the base's projector: the study's control."""
    from utils.evaluation.intervals import wilson

    rows = [run["types"]["all"] for run in study["controls"] if run["fusion"] == "projector"]
    return wilson(round(sum(row["right"] for row in rows) / len(rows)), rows[0]["total"])


def level(intervals: Mapping[str, tuple[float, float]]) -> set[str]:
    """Pairs of letters whose intervals overlap: the study does not tell them apart."""
    return {a + b for a, b in combinations(sorted(intervals), 2) if intervals[a][0] <= intervals[b][1] and intervals[b][0] <= intervals[a][1]}


def head_start(answer: dict) -> str:
    """a dict with "as it is", "new projector" and "counting", each a list of the pairs ("AB") that are not told apart

    Adapt: read the study once as it stands, once with the control in C's place, and once for one type of question.
    """
    from utils.runs import ROOT, read_json

    study = read_json(ROOT / "data" / "taxonomy" / "study.json")
    every = intervals_of(study)
    wanted = {
        "as it is": level(every),
        "new projector": level(every | {"C": new_projector(study)}),
        "counting": level(intervals_of(study, "counting")),
    }
    pairs = {"".join(pair) for pair in combinations(sorted(every), 2)}
    got = {key: {"".join(sorted(str(pair).upper())) for pair in list(answer[key])} for key in wanted}
    strange = sorted(set().union(*got.values()) - pairs)
    if strange:
        raise ValueError(f"{strange[0]!r} is no pair of two letters of {', '.join(sorted(every))}")
    if got["new projector"] != wanted["new projector"] and got["new projector"] == wanted["as it is"]:
        return "“new projector”: put the control's interval in C's place; section 8's second table has it"
    for key in wanted:
        if got[key] == pairs - wanted[key] and got[key]:
            return f"“{key}”: these are the pairs that are told apart; wanted are the others, whose intervals overlap"
        missed, extra = sorted(wanted[key] - got[key]), sorted(got[key] - wanted[key])
        if missed or extra:
            return f"“{key}”: compare the ends of the intervals of {' and '.join((missed or extra)[0])} once more"
    return ""


def own_model(answer: Model) -> str:
    """a Model record (utils/taxonomy/record.py) of a model that the table does not have

    Own data: a model you know, with its source, and a mark at what you did not read there.
    """
    if not isinstance(answer, Model):
        raise TypeError(f"this is a {type(answer).__name__}")
    if answer.name.strip().casefold() in {model.name.casefold() for model in MODELS}:
        return f"the name: the table has {answer.name} already"
    number = re.search(r"\b(\d{2})(\d{2})\.\d{4,5}\b", answer.source)
    if not number and not re.search(r"10\.\d{4,}/\S|https?://\S|[\w-]+/[\w.-]+", answer.source):
        return "the source: name an arXiv number, a DOI or a repository, so that a reader can look"
    if number and (answer.year, answer.month) != (2000 + int(number[1]), int(number[2])):
        return f"year and month: arXiv {number[0]} was first sent in month {int(number[2])} of {2000 + int(number[1])}"
    if (answer.trained and not answer.trains) or (answer.connector and not answer.kind):
        return "`kind` and `trains`: the filters read them, and the words beside them alone are not found"
    if all(status(answer, field) == "reported" for field in SHOWN):
        return "the marks: every value counts as read in the source; put what you recall or infer into `unsure` or `assumed`, and None where nobody tells"
    return ""


EXERCISES = {"01.1": lora_models, "01.2": head_start, "01.3": own_model}
