"""LLaVA-NDiNO's way with short tasks: question, options and answer go out as one string, and what comes back broken is dropped.

The string and three checks by regular expression are reported (Musacchio et al. 2024, CEUR-WS Vol-3877, paper 9, section 3): the
question is still at the beginning, the options are as many as before, the answer is at the end. How the string is written is not
told; the marks here are assumed. The paper gives no drop rates: a run of this one counts them for each task and each check.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from utils.corpus.conversations import IMAGE_TOKEN, turns_of
from utils.corpus.ndino.tasks import SUFFIXES, suffix

CHECKS = ("question", "options", "answer")
LETTERS = "ABCDEFGH"
ANSWER = "Answer:"
# How engines say "Answer:" in our languages; the mark is compared without case.
_ANSWER = re.compile(r"(?:\b(?:answer|resposta|risposta|respuesta|réponse|antwort)\s*[:：])", re.IGNORECASE)
_LINE = re.compile(r"\s*\(?([A-Ha-h])[.):]\)?\s+(.*\S)\s*")
_MARK = re.compile(r"(?<!\w)\(\s*([A-Ha-h])\s*\)")
_CHOICES = re.compile(r"\s*(?:choices|options)\s*:?\s*", re.IGNORECASE)
_LEAD = re.compile(r"\s*(?:question|answer)\s*:\s*", re.IGNORECASE)
# Lines after the question that ask for a form; they are put in again in the target language, never translated.
_ASKS = re.compile(r"\b(?:answer|response|reply|letter|solution|briefly|brief|brevity|concise)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Sample:
    """A question with its options, if any, and its answer; `asks` is the form it asks for: "short", "option" or ""."""

    question: str
    options: tuple[str, ...]
    answer: str
    asks: str = ""


@dataclass
class Drops:
    """Turns by task: all, kept, and how many each check failed; a turn may fail several."""

    turns: Counter = field(default_factory=Counter)
    kept: Counter = field(default_factory=Counter)
    failed: dict[str, Counter] = field(default_factory=dict)

    def count(self, task: str, broken: Sequence[str]) -> None:
        self.turns[task] += 1
        self.kept[task] += not broken
        self.failed.setdefault(task, Counter()).update(broken)

    def table(self) -> list[dict]:
        """A row for each task and one for all: turns, dropped, the share dropped, and the count of each check."""
        rows = [(task, self.turns[task], self.kept[task], self.failed[task]) for task in sorted(self.turns)]
        whole = sum(self.failed.values(), Counter())
        return [
            {"task": task, "turns": turns, "dropped": turns - kept, "share": round((turns - kept) / turns, 4), **{c: failed[c] for c in CHECKS}}
            for task, turns, kept, failed in (*rows, ("all", self.turns.total(), self.kept.total(), whole))
            if turns
        ]


def sample_of(question: str, answer: str) -> Sample:
    """A turn taken apart: option lines, the sentence that asks for a form, and what is left as the question.

    Takes LLaVA 1.5's turns and The Cauldron's ("Question: …", "Choices:", "Answer: B").
    """
    kept, options, asks = [], [], ""
    own = {sentence for pair in SUFFIXES.values() for sentence in pair}
    for line in question.replace(IMAGE_TOKEN, "").strip().splitlines():
        option = _LINE.fullmatch(line)
        if option and len(options) < len(LETTERS) and option[1].upper() == LETTERS[len(options)]:
            options.append(option[2])
        elif line.strip() in own or (kept and _ASKS.search(line)):
            asks = "short"
        elif line.strip() and not _CHOICES.fullmatch(line):
            kept.append(line.strip())
    asked = _LEAD.sub("", " ".join(kept), count=1) if kept else ""
    return Sample(asked, tuple(options), _LEAD.sub("", answer.strip(), count=1), "option" if options else asks)


def as_string(sample: Sample) -> str:
    """The one line that an engine gets: question, options with their letters, the answer behind its mark."""
    listed = [f"({letter}) {option}" for letter, option in zip(LETTERS, sample.options, strict=False)]
    return " ".join([sample.question, *listed, f"{ANSWER} {sample.answer}"])


def read_back(sample: Sample, said: str) -> tuple[Sample | None, tuple[str, ...]]:
    """The translated sample, or None with the checks that its string failed."""
    said = said.strip()
    marks, found = list(_MARK.finditer(said)) if sample.options else [], list(_ANSWER.finditer(said))
    last = found[-1] if found else None
    end = last.start() if last else len(said)
    inner = [mark for mark in marks if mark.start() < end]
    asked = said[: inner[0].start() if inner else end].strip()
    bounds = [*(mark.start() for mark in inner), end]
    options = tuple(said[mark.end() : stop].strip(" ;,\n") for mark, stop in zip(inner, bounds[1:], strict=True))
    answer = said[last.end() :].strip() if last else ""
    letters = "".join(mark[1].upper() for mark in inner)
    broken = []
    if not asked or (sample.question.endswith("?") and not asked.endswith("?")):
        broken.append("question")
    if letters != LETTERS[: len(sample.options)] or not all(options):
        broken.append("options")
    if not _answer_stands(sample, answer, options, len(found)):
        broken.append("answer")
    return (None, tuple(broken)) if broken else (Sample(asked, options, answer, sample.asks), ())


def _letter(text: str) -> str:
    """The option's letter where an answer is no more than that, else ""."""
    alone = re.fullmatch(r"\(?([A-Ha-h])[.)]*", text.strip())
    return alone[1].upper() if alone else ""


def _answer_stands(sample: Sample, answer: str, options: Sequence[str], marks: int) -> bool:
    """One answer at the end, and the same one: the letter it was, or the option it repeated."""
    if not answer or marks != 1 or _MARK.search(answer) and not _letter(answer):
        return False
    plain = lambda text: text.strip().rstrip(".!").casefold()  # noqa: E731
    if sample.options and _letter(sample.answer):
        return _letter(answer) == _letter(sample.answer)
    at = next((n for n, option in enumerate(sample.options) if plain(option) == plain(sample.answer)), None)
    return at is None or (at < len(options) and plain(options[at]) == plain(answer))


def as_turn(sample: Sample, language: str) -> tuple[str, str]:
    """A translated sample as a turn: question, options a line each, and the language's own sentence that asks for the form."""
    listed = [f"{letter}. {option}" for letter, option in zip(LETTERS, sample.options, strict=False)]
    asks = [suffix(language, sample.asks)] if sample.asks else []
    return "\n".join([sample.question, *listed, *asks]), sample.answer


def translate_rows(rows: Iterable[dict], say: Callable[[list[str]], list[str]], language: str) -> tuple[list[dict], Drops]:
    """LLaVA rows translated turn by turn, broken turns dropped and not mended; a row without a turn left goes too.

    `say` gives one translation for each text, in order. Drops are counted under the row's `task`.
    """
    rows, drops, found = list(rows), Drops(), []
    samples = [[sample_of(*turn) for turn in turns_of(row)] for row in rows]
    texts = [as_string(sample) for each in samples for sample in each]
    answers = iter(zip(texts, say(texts), strict=True))
    for row, each in zip(rows, samples, strict=True):
        turns = []
        for sample in each:
            made, broken = read_back(sample, next(answers)[1])
            drops.count(row.get("task", "all rows"), broken)
            turns += [as_turn(made, language)] if made else []
        if turns:
            found.append({**row, "conversations": _conversation(turns, bool(row.get("image")))})
    return found, drops


def _conversation(turns: Sequence[tuple[str, str]], has_image: bool) -> list[dict]:
    conversation = []
    for number, (question, answer) in enumerate(turns):
        asked = f"{IMAGE_TOKEN}\n{question}" if number == 0 and has_image else question
        conversation += [{"from": "human", "value": asked}, {"from": "gpt", "value": answer}]
    return conversation
