"""Ninety English sentences of ten kinds, with Brazilian references and what a translation must keep; written for this course."""

import json
from dataclasses import dataclass

from utils.runs import ROOT

PATH = ROOT / "data" / "probe" / "probe.json"


@dataclass(frozen=True)
class Probe:
    """One sentence: its kind, the reference, and a pattern that a Portuguese translation must hold ("" where none can tell)."""

    kind: str
    english: str
    reference: str
    keeps: str


def probe() -> list[Probe]:
    """The ninety sentences, nine of a kind."""
    return [Probe(row["kind"], row["en"], row["pt-BR"], row["keeps"]) for row in json.loads(PATH.read_text(encoding="utf-8"))]
