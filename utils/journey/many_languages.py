"""mBLIP asked the same questions in all its languages: accuracy against each language's share of what it learnt from, and what its words cost."""

import contextlib
import io
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from utils import runs
from utils.corpus.conversations import read_rows, turns_of
from utils.corpus.multilingual.mix import LANGUAGES
from utils.corpus.multilingual.templates import TONGUES
from utils.scales import Scale

PICTURES = 12  # held out; each is asked about four or five times in every language
NEW_TOKENS = 60  # the tiny tokenizer spells what it has no piece for, letter by letter
CODE = "1"  # raise when questions or judging change: kept answers are then asked again


def _tongue(language: str) -> str:
    """The mix's name of a language: it has one Portuguese, as mC4 has."""
    return language if language in TONGUES else {"pt-PT": "pt-BR"}.get(language, "en")


def asked_languages(language: str) -> tuple[str, ...]:
    """The languages of the mix that a model of this language learnt from."""
    return tuple(dict.fromkeys((*LANGUAGES, _tongue(language))))


def answer_shares(rows: Sequence[Mapping], english: Sequence[Mapping], language: str) -> dict[str, float]:
    """Language -> its share of the answers in the rows that a model learnt from.

    Rows of the mix name their answer's language; the conversations do not, and are English where their text is that of `english`.
    """
    originals = {(row["id"], row["conversations"][-1]["value"]) for row in english}
    counts: Counter[str] = Counter()
    for row in rows:
        told = "en" if (row["id"], row["conversations"][-1]["value"]) in originals else _tongue(language)
        counts[row.get("answer_language", told)] += len(row["conversations"]) // 2
    return {code: number / counts.total() for code, number in counts.items()}


def learnt_shares(scale: Scale, language: str) -> dict[str, float]:
    """`answer_shares` of the data that mBLIP's last stage learnt from here; raises UserError where the scale's data is not made here."""
    from utils.journey.steps import corpus_of
    from utils.journey.systems import stage_data
    from utils.training.recipes import recipe

    with contextlib.redirect_stdout(io.StringIO()):  # what the corpus is made of was told when it was made
        corpus = stage_data(recipe("mblip"), scale, language)["instruct"]
    english = [row for path in corpus_of(scale, language).english for row in read_rows(path)]
    return answer_shares([row for path in corpus.translated for row in read_rows(path)], english, language)


def ask_languages(model: Path | str, scale: Scale, languages: Sequence[str], out: Path, pictures: int = PICTURES) -> tuple[list[dict], list[str]]:
    """Put the held-out rows in every language to a model; returns (rows, answers), kept in `out` and never asked twice."""
    from utils.corpus.multilingual.mix import held_out_rows
    from utils.corpus.scenes.render import render
    from utils.evaluation.generate import answer_all
    from utils.evaluation.runner import inputs_of
    from utils.models.load import load_model

    out, inputs, started = Path(out), inputs_of(model, CODE, list(languages), pictures), time.monotonic()
    scenes, rows = held_out_rows("known", pictures, tuple(languages))
    if not runs.complete(out, inputs):
        opened, tokenizer = load_model(model, scale)
        drawn = {f"{number:012d}.png": render(scene) for number, scene in enumerate(scenes, start=1)}
        asked = [turns_of(row)[0][0] for row in rows]
        said = answer_all(opened, tokenizer, [drawn[row["image"]] for row in rows], asked, max_new_tokens=NEW_TOKENS)
        runs.write_json(out / "answers.json", said)
        runs.finish(out, inputs, started, languages=list(languages), pictures=pictures)
    return rows, runs.read_json(out / "answers.json")


def many_languages(model: Path, scale: Scale, language: str, out: Path, pictures: int = PICTURES) -> list[dict]:
    """A row per language, the largest share of the data first: `multilingual.by_language`, with the tokenizer's "tokens_per_word" and "_per_noun".

    Raises UserError where the data that the model learnt from is not made here.
    """
    from transformers import AutoTokenizer

    from utils.corpus.multilingual.templates import token_costs
    from utils.evaluation.multilingual import by_language, judge

    rows, said = ask_languages(model, scale, asked_languages(language), out, pictures)
    tokenizer = AutoTokenizer.from_pretrained(model, local_files_only=True)
    return [row | token_costs(tokenizer, row["language"]) for row in by_language(judge(rows, said), learnt_shares(scale, language))]


def language_lines(rows: Sequence[Mapping]) -> list[dict]:
    """The rows of `many_languages` as text for a table."""
    percent = lambda row: f"{100 * row['share']:.0f} % [{100 * row['low']:.0f}–{100 * row['high']:.0f}]"  # noqa: E731
    return [
        {
            "language": row["language"],
            "share of the answers learnt": f"{100 * row['data_share']:.1f} %",
            "right": f"{percent(row['accuracy'])} of {row['accuracy']['total']}",
            "always the commonest": f"{100 * row['baseline']:.0f} %",
            "answered in it": percent(row["in_language"]) if row["in_language"]["total"] else "no words",
            "tokens per word": f"{row['tokens_per_word']:.1f}" if row["tokens_per_word"] else "–",
            "tokens per noun": f"{row['tokens_per_noun']:.1f}",
        }  # fmt: skip
        for row in rows
    ]


def finding(rows: Sequence[Mapping]) -> list[str]:
    """What the languages show, from their numbers: the rank correlation with the share of the data, and who stands above the safest guess."""
    from utils.evaluation.multilingual import against_share

    found = against_share(rows)
    above = [row["language"] for row in rows if row["accuracy"]["low"] > row["baseline"]]
    told = [f"languages whose interval lies above the commonest answer: {', '.join(above) or 'none'} ({len(above)} of {len(rows)})"]
    if found["rho"] is None:
        return [*told, "a rank correlation with the share of the data cannot be told: too few languages, or all alike"]
    verdict = "more data goes with more right answers" if found["rho"] > 0 else "more data goes with fewer right answers"
    if found["p"] >= 0.05:
        verdict = "no relation is shown"
    told.append(
        f"rank correlation with the share of the data over {found['languages']} languages: {found['rho']:+.2f} (p = {found['p']:.3f}): {verdict}"
    )
    return told
