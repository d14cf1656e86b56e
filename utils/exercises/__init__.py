"""The exercises of the notebooks: `check("03.1", answer)` says whether an answer is right, and where to look when it is not."""

import importlib

# Notebook -> the module of its exercises; each holds EXERCISES, a number -> the function that reads an answer.
MODULES = {
    "00": "start", "01": "taxonomy", "02": "probes", "03": "translating", "04": "planning", "05": "tuning", "06": "reviewing", "07": "evaluating",
    "08": "idioms", "09": "systems", "10": "sharing",
}  # fmt: skip


def hint(number: str, answer: object) -> str | None:
    """Where to look when the answer to an exercise is not right; "" when it is, None when there is none yet.

    An answer of another form than asked gets that form told: the first line of the exercise's docstring. Raises KeyError for a
    number that no exercise has.
    """
    exercise = importlib.import_module(f"utils.exercises.{MODULES[number[:2]]}").EXERCISES[number]
    if answer is None:
        return None
    try:
        return exercise(answer)
    except Exception as error:  # whatever a student hands in, Run All goes on
        form = (exercise.__doc__ or "").strip().splitlines()[0].rstrip(".")
        return f"the form of the answer, which is: {form} ({type(error).__name__}: {str(error)[:80]})"


def check(number: str, answer: object) -> None:
    """Print "not answered yet", "close, look at …" or "right" for an answer; raises nothing for any answer."""
    found = hint(number, answer)
    said = {None: "not answered yet", "": "right"}.get(found, f"close, look at {found}")
    print(f"{number}: {said}")
