"""Is an answer about a scene right? One rule per question type, on the answer's reading."""

from dataclasses import dataclass

from utils.evaluation.reading import Mark, counted, places, read, values


@dataclass(frozen=True)
class Verdict:
    """`right` says whether the answer holds; `share` is the share of its facts that hold (1 or 0 for short types)."""

    right: bool
    share: float


def _things(marks: list[Mark]) -> set[tuple]:
    """Facts of a description: (place, kind) and (place, "card", colour), each thing under the nearest place before it."""
    facts, spots = set(), places(marks)
    for mark in marks:
        place = next((name for at, name in reversed(spots) if at <= mark.at), None)
        if mark.sort == "kind":
            facts.add((place, mark.value))
        elif mark.sort == "colour" and place:
            facts.add((place, "card", mark.value))
    return facts


def _description(marks: list[Mark], truth: dict) -> Verdict:
    first_place = min((at for at, _ in places(marks)), default=1 << 30)
    opening = [m for m in marks if m.at < first_place]
    said = _things(marks) | {("background", c) for c in values(opening, "colour")[:1]} | {("total", n) for n in values(opening, "number")[-1:]}
    wanted = {("background", truth["colour"]), ("total", truth["number"])}
    for thing in truth["things"]:
        wanted.add((thing["place"], thing["kind"]))
        if thing["card"]:
            wanted.add((thing["place"], "card", thing["card"]))
    # Invented facts weigh as much as missing ones.
    share = len(said & wanted) / max(len(said), len(wanted))
    return Verdict(said == wanted, share)


def _right(kind_of_question: str, marks: list[Mark], truth: dict) -> bool:
    kinds, numbers, colours = values(marks, "kind"), values(marks, "number"), values(marks, "colour")
    match kind_of_question:
        case "naming":
            return set(kinds) == {truth["kind"]}
        case "yes_no":
            return values(marks, "yes")[:1] == [truth["yes"]]
        case "counting":
            return numbers[:1] == [truth["number"]] and set(kinds) <= {truth["kind"]}
        case "total":
            return numbers[:1] == [truth["number"]]
        case "position":
            return {name for _, name in places(marks)} == {truth["place"]} and set(kinds) <= {truth["kind"]}
        case "background" | "card":
            return set(colours) == {truth["colour"]}
        case "category":
            return set(values(marks, "category")) == {truth["category"]}
        case "listing":
            return counted(marks) == truth["counts"]
        case "comparison":
            said = "equal" if values(marks, "equal") else kinds[-1] if kinds else None
            return said == truth["more"]
        case "relation":
            return kinds[-1:] == [truth["kind"]]
        case "arithmetic" | "group":
            return numbers[-1:] == [truth["number"]]
    raise ValueError(f"question type {kind_of_question!r} has no rule")


def judge(answer: str, kind_of_question: str, truth: dict, language: str) -> Verdict:
    """The verdict on one answer, read in `language`. Any text gets one, the empty text too."""
    marks = read(answer, language)
    if kind_of_question == "description":
        return _description(marks, truth)
    right = _right(kind_of_question, marks, truth)
    return Verdict(right, float(right))
