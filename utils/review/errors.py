"""Sort wrong answers by what went wrong, and find words that only the translator can have taught."""

from collections import Counter
from collections.abc import Sequence

from utils.corpus.scenes.asks import TYPES
from utils.evaluation.reading import answer_language, lexicon, read, tokens, values
from utils.evaluation.scenes_task import Answer

CAUSES = ("other language", "nothing readable", "wrong kind of thing", "wrong number, colour, place or verdict")


def cause(answer: Answer) -> str:
    """The first of CAUSES that fits a wrong answer."""
    if answer.said_in not in (answer.asked_in, None):
        return CAUSES[0]
    marks, gold = read(answer.said, answer.asked_in), read(answer.gold, answer.asked_in)
    if not marks:
        return CAUSES[1]
    kinds = set(values(marks, "kind")) | set(values(marks, "category"))
    if not kinds <= set(values(gold, "kind")) | set(values(gold, "category")):
        return CAUSES[2]
    return CAUSES[3]


def error_rows(answers: Sequence[Answer]) -> list[dict]:
    """Counts of wrong answers by question type and cause, most errors first."""
    rows = []
    for name in TYPES:
        wrong = [a for a in answers if a.type == name and not a.right]
        counts = Counter(cause(a) for a in wrong)
        asked = sum(a.type == name for a in answers)
        rows.append({"type": name, "asked": asked, "wrong": len(wrong), **{c: counts.get(c, 0) for c in CAUSES}})
    return sorted(rows, key=lambda row: -row["wrong"])


def unknown_words(answers: Sequence[Answer], language: str, most: int = 12) -> list[dict]:
    """Words in answers in the right language that stand in no gold answer and no word list, with one example each."""
    known = {word for a in answers for word in tokens(a.gold)} | {word for phrase in lexicon(language) for word in phrase}
    counts: Counter[str] = Counter()
    example: dict[str, str] = {}
    for answer in answers:
        if answer_language(answer.said, tuple(dict.fromkeys(("en", language)))) != language:
            continue
        for word in sorted(set(tokens(answer.said)) - known):  # the order of a set differs from run to run
            counts[word] += 1
            example.setdefault(word, answer.said)
    found = [{"word": word, "answers": n, "for example": example[word]} for word, n in counts.most_common(most)]
    return found or [{"word": "none", "answers": 0, "for example": ""}]
