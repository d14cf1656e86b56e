"""The model card and the data card of an exported model, written from manifests in the hub's convention."""

from pathlib import Path

from utils import runs
from utils.corpus.scenes.instruct import PARTS
from utils.languages import ALL
from utils.serving import card_text
from utils.serving.card_facts import UNKNOWN, Facts, Score, gather

MODEL_CARD = "README.md"  # a model repository shows it
DATA_CARD = "DATA_CARD.md"  # README.md of a data repository, where the corpus itself is shared

TYPES = {
    "naming": "naming", "yes_no": "yes or no", "counting": "counting one kind", "total": "counting all", "position": "position",
    "background": "background colour", "card": "card colour", "category": "category", "listing": "listing", "description": "description",
    "comparison": "comparing counts", "relation": "relation of two things", "arithmetic": "arithmetic", "group": "counting a category",
    "all": "**all**",
}  # fmt: skip


def write_cards(course_folder: Path, model_folder: Path, out: Path, recipes: dict[str, list[dict]] | None = None) -> tuple[Path, Path]:
    """Write the model card and the data card into the exported folder `out`; returns their paths.

    `course_folder` is outputs/<scale>/<language>; `recipes` holds by name each recipe's fields with their status, as
    `provenance` in training/recipes.py lists them. What no manifest tells is written as "unknown".
    """
    facts, out = gather(course_folder, model_folder, out, recipes), Path(out)
    runs.write_text(out / MODEL_CARD, f"---\n{model_front(facts)}\n---\n\n{model_body(facts)}")
    runs.write_text(out / DATA_CARD, f"---\n{data_front(facts)}\n---\n\n{data_body(facts)}")
    return out / MODEL_CARD, out / DATA_CARD


def name_of(facts: Facts) -> str:
    return "-".join(facts.said(part) for part in ("recipe", "language", "scale"))


def licence_of(facts: Facts) -> str:
    """The hub's identifier: the strictest licence of the data, "unknown" where the data is."""
    if facts.scale is None:
        return UNKNOWN
    return "cc-by-sa-4.0" if facts.scale.weights == "data" else "cc-by-nc-4.0"


def _languages(facts: Facts) -> dict:
    """Language tags: the hub's list has two letters; the variety goes beside it."""
    code = facts.said("language")
    if code == UNKNOWN:
        return {}
    return {"language": [code.split("-")[0], "en"], "language_bcp47": [code]}


def model_front(facts: Facts) -> str:
    """The YAML head of the model card, with a model index of every evaluation of these weights."""
    from huggingface_hub import EvalResult, ModelCardData

    name = name_of(facts)
    results = [
        EvalResult(
            task_type="visual-question-answering", task_name="Questions about pictures", dataset_type="picture-world",
            dataset_name=f"Held-out pictures of the course ({score.split}, {score.style})", dataset_config=score.language, dataset_split=score.split,
            metric_type="accuracy", metric_name=f"right answers, questions in {score.language}", metric_value=round(score.overall()["share"], 4),
            metric_args={
                "right": score.overall()["right"], "questions": score.overall()["total"],
                "interval_95": [round(score.overall()["low"], 4), round(score.overall()["high"], 4)],
                "majority_baseline": round(score.overall()["baseline"], 4),
            },
        )
        for score in facts.scores
    ]  # fmt: skip
    more = {"base_model": facts.start} if facts.start not in (None, "data") else {}
    if facts.scale is not None and facts.scale.weights != "data":
        more["datasets"] = ["liuhaotian/LLaVA-Instruct-150K"]
    card = ModelCardData(
        license=licence_of(facts), library_name="transformers", pipeline_tag="image-text-to-text", model_name=name if results else None,
        tags=["llava", "vision-language-model", *([facts.scale.name] if facts.scale else [])],
        eval_results=results or None, metrics=["accuracy"] if results else None, **more, **_languages(facts),
    )  # fmt: skip
    return card.to_yaml().strip()


def data_front(facts: Facts) -> str:
    """The YAML head of the data card."""
    from huggingface_hub import DatasetCardData

    rows = sum(one.get("translated", 0) for one in facts.files if one["file"] in PARTS)
    sizes = [(1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")]
    size = next((label for limit, label in sizes if rows < limit), "n>1M") if rows else None
    translated = {"multilinguality": "translation"} if facts.engine not in ("", "gold") else {}
    card = DatasetCardData(
        license=licence_of(facts), task_categories=["visual-question-answering"], size_categories=size,
        pretty_name=f"LLaVA instructions in {_name(facts.said('language'))}", **translated, **_languages(facts),
    )  # fmt: skip
    return card.to_yaml().strip()


def _name(code: str) -> str:
    """A language as a sentence names it; a code from a manifest is data."""
    return ALL[code].prompt_name if code in ALL else cell(code)


def cell(value: object) -> str:
    """Text from data in one cell of a Markdown table: no column, line or tag of its own."""
    text = " ".join(str(UNKNOWN if value is None else value).split())
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")


def table(header: tuple[str, ...], rows: list[tuple]) -> str:
    lines = [header, ("---",) * len(header), *([cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def interval(row: dict) -> str:
    """A share with its 95 % interval (Wilson)."""
    return f"{percent(row['share'])} ({100 * row['low']:.0f}–{100 * row['high']:.0f})"


def _above(row: dict) -> str:
    return "yes" if row["low"] > row["baseline"] else "no"


def _score_table(score: Score) -> str:
    header = ("question type", "right", "share, 95 % interval", "majority baseline", "interval above it", f"answers in {_name(score.language)}")
    rows = [
        (
            TYPES.get(row["type"], row["type"]), f"{row['right']} of {row['total']}", interval(row), percent(row["baseline"]), _above(row),
            percent(row["in_language"]),
        )
        for row in score.table
    ]  # fmt: skip
    return table(header, rows)


def _results(facts: Facts) -> str:
    """Scores by question type for the pictures of known kinds, one line each for the other splits, and what is left of English."""
    if not facts.scores:
        return "Unknown: no kept evaluation in the course's folder was made with these weights."
    known = [score for score in facts.scores if (score.split, score.style) == ("known", "openmoji")]
    parts = [f"### Questions in {_name(score.language)}\n\n{_score_table(score)}" for score in known]
    parts += [
        f"Of {score.seeing['right']} right answers, {interval(score.seeing)} changed when the picture was changed so that another answer was right."
        for score in known if score.seeing
    ]  # fmt: skip
    rows = [
        (f"{s.split}, {s.style}", _name(s.language), interval(s.overall()), percent(s.overall()["baseline"])) for s in facts.scores if s not in known
    ]
    if rows:
        parts.append("### Other pictures\n\n" + table(("split, artwork", "language", "share, 95 % interval", "majority baseline"), rows))
    return "\n\n".join([*parts, f"### English kept\n\n{_english_kept(facts)}"])


def _english_kept(facts: Facts) -> str:
    told = []
    for what, scores in (("the start model", facts.start_scores), ("this model", facts.scores)):
        found = next((s for s in scores if (s.language, s.split, s.style) == ("en", "known", "openmoji")), None)
        told.append(f"{what} {interval(found.overall()) if found else UNKNOWN}")
    return f"English questions right, with 95 % intervals: {', '.join(told)}."


def _run_table(training: dict) -> str:
    """What the stage's manifest tells of the run."""
    counts, versions = training.get("parameters") or {}, training.get("versions") or {}
    rows = [(name, training.get(name)) for name in ("recipe", "stage", "seed", "steps", "pictures", "finished")]
    rows += [(said, training[name]) for name, said in (("packs", "packs (a picture with its questions)"), ("pairs", "pairs")) if name in training]
    rows.append(("pieces of the vocabulary given a start", training.get("aligned_pieces")))
    rows.append(("parameters trained, of all with the adapter", f"{counts['trained']:,} of {counts['all']:,}" if counts else None))
    rows.append(("hash of all inputs", training.get("inputs")))
    rows.append(("versions", ", ".join(f"{name} {version}" for name, version in versions.items()) or None))
    return table(("the run", ""), rows)


def _training(facts: Facts) -> str:
    """What ran, the recipe's fields with their status, and what the scale did to them."""
    if not facts.rows:
        return f"{_run_table(facts.training)}\n\n{card_text.NO_RECIPE}"
    rows = [
        (row["field"], _value(row["value"]), row["status"], "; ".join(filter(None, (row["source"], row["note"]))))
        for row in facts.rows if row["field"] != "optional"
    ]  # fmt: skip
    listed = table(("field", "value", "status", "from"), rows)
    scale = card_text.scale_said(facts.scale) if facts.scale else f"What the scale changed: {UNKNOWN}."
    return "\n\n".join([_run_table(facts.training), card_text.RECIPE, listed, scale])


def _value(value: object) -> object:
    return ", ".join(map(str, value)) if isinstance(value, (tuple, list)) else value


def _file_table(files: list[dict]) -> str:
    """Counts and hashes of translated files."""
    rows = [(one["file"], one.get("rows"), one.get("translated"), one.get("quarantined"), one["hash"]) for one in files]
    return table(("file", "rows", "translated", "in quarantine", "SHA-256, first 16 digits"), rows)


def _data(facts: Facts) -> str:
    if not facts.files:
        return "Unknown: the course's folder has no report of a translation."
    parts = [one for one in facts.files if one["file"] in PARTS] or facts.files
    told = card_text.DATA_HASHES.format(inputs=facts.said("inputs"))
    return f"{_file_table(parts)}\n\n{told}\n\n{_translation(facts)}\n\nMore is in [{DATA_CARD}]({DATA_CARD})."


def _translation(facts: Facts) -> str:
    """The translator, and what its gates held."""
    report, parts = facts.report, [one for one in facts.files if one["file"] in PARTS] or facts.files
    if not report:
        return "Translator: unknown. Quarantine: unknown."
    held, rows = (sum(one.get(name, 0) for one in parts) for name in ("quarantined", "rows"))
    reasons = ", ".join(f"{cell(reason)}: {count}" for reason, count in report.get("reasons", {}).items()) or UNKNOWN
    return (
        f"Translator: `{cell(report.get('engine'))}`; second engine: {cell(report.get('second_engine') or 'none')}. "
        f"Quarantine: {held} of {rows} rows were held back by the gates and not trained on (reasons over all files: {reasons})."
    )


def model_body(facts: Facts) -> str:
    """The text of the model card."""
    size = facts.config.get("vision_config", {}).get("image_size", UNKNOWN)
    count = facts.export.get("parameters")
    what = card_text.WHAT.format(
        language=_name(facts.said("language")), start=card_text.start_said(facts.start), corpus=card_text.corpus_said(facts.engine),
        parameters=f"{count:,}" if count else UNKNOWN, size=cell(size),
        dtype=cell(facts.export.get("dtype")), prompt=cell(facts.export.get("prompt")),
    )  # fmt: skip
    version = cell(facts.export.get("versions", {}).get("transformers"))
    sections = {
        "How to use it": card_text.USE.format(version=version, processor=card_text.processor_said(facts.export.get("check"))),
        "Data": _data(facts), "Training": _training(facts), "Results": f"{card_text.RESULTS}\n\n{_results(facts)}",
        "Limits": card_text.limits_said(facts.scale), "Licences": card_text.licences_said(facts.scale, facts.engine, facts.start),
        "How to cite": card_text.CITE,
    }  # fmt: skip
    portuguese = card_text.portuguese_said(facts.engine) if facts.said("language").startswith("pt") else ""
    head = [f"# {cell(name_of(facts))}", what, *([portuguese] if portuguese else [])]
    return "\n\n".join([*head, *(f"## {name}\n\n{text}" for name, text in sections.items())]) + "\n"


def data_body(facts: Facts) -> str:
    """The text of the data card."""
    known, marks = facts.report, facts.report.get("marks", {})
    counted = [("sentences", known.get("sentences")), ("different sentences", known.get("unique_sentences")), ("characters", known.get("characters"))]
    counted += [(f"words that only {cell(variety)} uses", count) for variety, count in marks.items()]
    made = f"Made of {facts.pictures.get('pictures', UNKNOWN)} pictures with seed {facts.pictures.get('seed', UNKNOWN)}."
    english = table(("file", "SHA-256, first 16 digits"), [(one["file"], one["hash"]) for one in facts.english]) if facts.english else "Unknown."
    sections = {
        "What it is": card_text.data_said(_name(facts.said("language")), facts.engine),
        "Files": _file_table(facts.files) if facts.files else "Unknown: the course's folder has no report of a translation.",
        "English originals": f"{english}\n\n{made}" if facts.english else english,
        "Translator and quarantine": f"{_translation(facts)}\n\n{table(('counted', ''), counted)}",
        "Limits": card_text.data_limits_said(facts.engine),
        "Licences": card_text.licences_said(facts.scale, facts.engine, facts.start), "How to cite": card_text.CITE,
    }  # fmt: skip
    title = f"# LLaVA instructions in {_name(facts.said('language'))}"
    return "\n\n".join([title, *(f"## {name}\n\n{text}" for name, text in sections.items())]) + "\n"
