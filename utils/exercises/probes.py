"""The exercises of notebook 02: probe the English base, answer well without looking, and be the fifth model."""

import functools
from collections.abc import Callable

from utils.evaluation.probe import Prompt, held_out_prompts, llava_way, probe_row, probe_rows
from utils.exercises.start import base

PER_TYPE, BLIND_PER_TYPE = 2, 8  # held-out questions of each type in 02.1 and 02.2
LEAST_RIGHT, LEAST_WORDS = 0.12, 3  # what a blind answerer must reach
BY_EYE = ("naming", "counting", "position", "background")  # one question of each is answered by a person


@functools.cache
def base_row(language: str) -> dict:
    """The probe's row of the shipped base, asked in a language."""
    return probe_rows({"base": llava_way(*base())}, held_out_prompts(language, PER_TYPE))[0]


def two_rows(answer: dict) -> str:
    """a dict with "en" and "pt-BR", each the row of `probe_rows`: at least its "right" and "moved", shares from 0 to 1

    Copy: section 6's probe, for the shipped English base.
    """
    got = {language: {key: float(answer[language][key]) for key in ("right", "moved")} for language in ("en", "pt-BR")}
    if any(not 0 <= share <= 1 for row in got.values() for share in row.values()):
        return "the unit: a share lies between 0 and 1"
    near = lambda a, b: abs(a - b) < 0.005  # noqa: E731
    real = {language: base_row(language) for language in got}
    if all(near(got["en"][key], real["pt-BR"][key]) and near(got["pt-BR"][key], real["en"][key]) for key in ("right", "moved")):
        return "which row is which: the base reads English"
    for language, row in got.items():
        if not near(row["right"], real[language]["right"]):
            return f"“right” in {language}: ask `held_out_prompts({language!r}, {PER_TYPE})`, that many of each type"
        if near(row["moved"], real[language]["moved_right"]) and not near(row["moved"], real[language]["moved"]):
            return f"“moved” in {language}: this is “moved_right”, which counts the right answers alone"
        if not near(row["moved"], real[language]["moved"]):
            return f"“moved” in {language}: it is the share of all answers that another picture changed"
    return ""


def blind(answer: Callable) -> str:
    """a function of (pictures, questions) that returns one English sentence for each

    Adapt: an answerer that never looks, in full sentences, in the right language, and right as often as one can be by guessing.
    """
    from utils.corpus.scenes.render import render

    prompts = held_out_prompts("en", BLIND_PER_TYPE)
    asked = [prompt.question for prompt in prompts]
    said, swapped = ([str(text) for text in answer([render(scene) for scene in scenes], asked)] for scenes in _two_sets(prompts))
    if len(said) != len(asked) or len(swapped) != len(asked):
        raise ValueError(f"{len(said)} answers to {len(asked)} questions")
    row = probe_row("blind", prompts, said, swapped)
    if row["moved"]:
        return f"where it looks: another picture changed {row['moved']:.0%} of its answers, and a blind one has no reason to change any"
    if row["words"] < LEAST_WORDS:
        return f"the length: {row['words']:.1f} words on average; write sentences of at least {LEAST_WORDS}"
    if row["in_language"] < 0.95:
        return f"the language: {row['in_language']:.0%} of the answers read as English"
    if row["right"] < LEAST_RIGHT:
        none = [t for t in _types(prompts) if not probe_row("", *_of_type(t, prompts, said, swapped))["right"]]
        return f"what it guesses: {row['right']:.0%} right, {LEAST_RIGHT:.0%} can be had; it never hits {', '.join(none)}"
    return ""


def _two_sets(prompts: list[Prompt]) -> list[list]:
    """The prompts' pictures, and the pictures with which they are exchanged."""
    return [[prompt.scene for prompt in prompts], [prompt.other or prompt.scene for prompt in prompts]]


def _types(prompts: list[Prompt]) -> list[str]:
    return list(dict.fromkeys(prompt.type for prompt in prompts))


def _of_type(name: str, *columns: list) -> list[list]:
    """The columns' entries whose prompt, in the first column, has a type."""
    kept = [n for n, prompt in enumerate(columns[0]) if prompt.type == name]
    return [[column[n] for n in kept] for column in columns]


def by_eye(answer: dict) -> str:
    """a dict with "language" (a code of the course), "said" and "other": your four answers to the pictures, and to the exchanged ones

    Own data: a person as the fifth model, in their own words.
    """
    from utils.evaluation.reading import answer_language
    from utils.evaluation.scoring import judge

    language = answer["language"]
    prompts = held_out_prompts(language, 1, BY_EYE)
    said, other = ([str(text).strip() for text in list(answer[key])] for key in ("said", "other"))
    if len(said) != len(prompts) or len(other) != len(prompts):
        raise ValueError(f"{len(said)} and {len(other)} answers to {len(prompts)} questions")
    for prompt, text, second in zip(prompts, said, other, strict=True):
        if not judge(text, prompt.type, prompt.truth, language).right:
            return (
                f"your answer to {prompt.question!r}: the scorer reads {text!r} as wrong; look again, and say the whole fact in words of {language}"
            )
        if text == second:
            return f"the second picture of {prompt.question!r}: its right answer is another"
    spoken = [answer_language(text, tuple(dict.fromkeys(("en", language)))) for text in said]
    foreign = [text for text, code in zip(said, spoken, strict=True) if code not in (language, None)]
    return f"the language of {foreign[0]!r}: it does not read as {language}" if foreign else ""


EXERCISES = {"02.1": two_rows, "02.2": blind, "02.3": by_eye}
