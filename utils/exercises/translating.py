"""The exercises of notebook 03: what a translator breaks, a gate for what no gate saw, and a file of one's own."""

import functools
import random
import re
from collections.abc import Callable

from utils.corpus.conversations import IMAGE_TOKEN, problems
from utils.languages import Language, language

SHOWN = "What is in the top left corner?"  # section 2's own question
_DENIES = re.compile(r"\b(?:não|nenhum\w*|nunca|ninguém|nada)\b ?", re.IGNORECASE)
_VERB = re.compile(r"\b(há|é|está|são|estão|mostra|tem)\b")
CATCH, ALARMS = 0.9, 0.05  # the least share of planted defects that a gate must hold, the most of sound pairs


def raw_row(answer: dict) -> str:
    """a dict with "sent" and "returned", two texts

    Copy: send another raw row to the engine and hand in what came back.
    """
    from utils.translation.engines import bergamot

    sent, returned = answer["sent"], answer["returned"]
    if IMAGE_TOKEN not in sent:
        return "the start of what you send: without `<image>` in it there is nothing to break"
    if sent.replace(IMAGE_TOKEN, "").strip() in ("", SHOWN):
        return "the question: send one of your own beside `<image>`"
    real = next(bergamot.translate([sent], "pt-BR"))
    if returned.strip() != real.strip():
        return "what you hand in as returned: the engine's own words for this text are others, before anything is repaired"
    if IMAGE_TOKEN in returned:
        return "the row: here `<image>` came through; send one in which it breaks"
    return ""


@functools.cache
def sound_pairs() -> tuple[tuple[str, str], ...]:
    """(English, Portuguese) that belong together: answers about scenes in both languages, and the probe's sentences with their references."""
    from utils.corpus.probe import probe
    from utils.corpus.scenes.asks import possible
    from utils.corpus.scenes.grammar import say
    from utils.corpus.scenes.world import scene_of

    rng, found = random.Random(3), []
    for index in range(24):
        for kind_of_question in ("yes_no", "naming", "position", "counting", "relation"):
            found += [(say(ask, "en")[1], say(ask, "pt-BR")[1]) for ask in possible(scene_of("known", index), kind_of_question, rng)[:2]]
    return tuple(dict.fromkeys(found)) + tuple((one.english, one.reference) for one in probe())


@functools.cache
def planted_pairs() -> tuple[tuple[str, str], ...]:
    """Pairs whose Portuguese denies what the English says, or says what it denies: one "não" too many, or all of them lost."""
    from utils.corpus.probe import probe

    apart = {one.english for one in probe()}  # hand-written sentences with "not only" and "without": too rich to plant in blindly
    found = []
    for english, portuguese in sound_pairs():
        denied = bool(_DENIES.search(portuguese))
        if english in apart:
            continue
        found.append((english, (_DENIES.sub("", portuguese) if denied else _VERB.sub(r"não \1", portuguese, count=1)).lstrip(", ")))
    return tuple(pair for pair in found if pair not in sound_pairs())


@functools.cache
def engine_pairs() -> tuple[tuple[str, str], ...]:
    """The probe's ninety sentences and what the offline engine makes of them in pt-BR."""
    from utils.corpus.probe import probe
    from utils.translation.engines import bergamot

    english = [one.english for one in probe()]
    return tuple(zip(english, bergamot.translate(english, "pt-BR"), strict=True))


def negation_gate(answer: dict) -> str:
    """a dict with "gate", a function of (English, Portuguese) that is True for a pair to hold, and "held", how many of the engine's ninety it holds

    Adapt: a gate for a lost or an added "não", which passes all gates of section 4.
    """
    gate: Callable = answer["gate"]
    planted, sound = planted_pairs(), sound_pairs()
    missed = [pair for pair in planted if not gate(*pair)]
    alarms = [pair for pair in sound if gate(*pair)]
    if len(alarms) > ALARMS * len(sound):
        return f"what it holds without need: {len(alarms)} of {len(sound)} sound pairs, such as {alarms[0]}"
    if len(missed) > (1 - CATCH) * len(planted):
        return f"what it lets pass: {len(missed)} of {len(planted)} planted defects, such as {missed[0]}"
    held = sum(bool(gate(*pair)) for pair in engine_pairs())
    if answer["held"] != held:
        return f"“held”: count the pairs of `engine_pairs()` for which your gate is True; you hand in {answer['held']}"
    return ""


def own_rows(answer: dict) -> str:
    """a dict with "language" (a code, or a Language record of your own), "rows" (English) and "translated", two lists of at least three LLaVA rows

    Own data: rows about your own pictures, translated by you or an engine, that pass every check and gate.
    """
    from utils.translation.gates import Band
    from utils.translation.row_gates import row_reasons

    rows, translated = list(answer["rows"]), list(answer["translated"])
    spoken = answer["language"] if isinstance(answer["language"], Language) else language(answer["language"])
    if len(rows) < 3 or len(rows) != len(translated):
        return f"the number of rows: {len(rows)} in English and {len(translated)} translated; at least three, and as many of each"
    for name, some in (("rows", rows), ("translated", translated)):
        found = next(iter(problems(some)), None)
        if found:
            return f"“{name}”, row {found.row}: {found.problem}; {found.fix}"
    if len({turn["value"] for row in rows for turn in row["conversations"][1::2]}) < 3:
        return "the answers: write at least three different ones"
    for number, (source, target) in enumerate(zip(rows, translated, strict=True)):
        reasons = row_reasons(source, target, spoken, Band())
        if reasons:
            return f"translated row {number}: a gate holds it, because of {reasons[0]!r}"
    return ""


EXERCISES = {"03.1": raw_row, "03.2": negation_gate, "03.3": own_rows}
