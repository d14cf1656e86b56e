"""LLaVA-Instruct's conversations as single rounds, the way LLaVA-NDiNO trains its long answers.

"Conversation-58k, single round" is reported (CEUR-WS Vol-3877, paper 9); which round is not. The first is assumed: its number of
rows is the reported one, and later rounds lean on earlier ones ("What else do they carry?").
"""

from collections import Counter
from collections.abc import Iterable, Iterator

from utils.corpus.conversations import IMAGE_TOKEN, problems, turns_of

WHICH = ("first", "each")


def single_rounds(rows: Iterable[dict], report: Counter, which: str = "first") -> Iterator[dict]:
    """Rows of one round, the picture before the question; rows that `check` would name are left out and counted.

    `which` is "first", or "each" for every round as a row of its own. Raises ValueError for any other word.
    """
    if which not in WHICH:
        raise ValueError(f"which {which!r} is unknown; use one of: {', '.join(WHICH)}")
    for row in rows:
        if next(iter(problems([row])), None):
            report["unsound row"] += 1
            continue
        rounds = turns_of(row)
        report["rows"] += 1
        report["rounds left out"] += len(rounds) - 1 if which == "first" else 0
        for number, (question, answer) in enumerate(rounds[:1] if which == "first" else rounds):
            asked = f"{IMAGE_TOKEN}\n{question}" if row.get("image") else question
            turns = [{"from": "human", "value": asked}, {"from": "gpt", "value": answer}]
            yield {**row, "id": row["id"] if number == 0 else f"{row['id']}-{number}", "conversations": turns}
