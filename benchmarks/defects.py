"""Planted defects: good rows, each broken in one known way, and what share of them the gates find."""

import copy
import random
import re
from collections.abc import Callable

from utils.corpus.probe import probe
from utils.languages import PORTUGUESE_BR
from utils.translation.gates import Band
from utils.translation.row_gates import row_reasons

ROWS = 60
NOUNS = (
    ("dog", "cachorro"),
    ("horse", "cavalo"),
    ("boat", "barco"),
    ("kite", "pipa"),
    ("umbrella", "guarda-chuva"),
    ("pear", "pera"),
    ("truck", "caminhão"),
)
Pair = tuple[dict, dict]


def _row(number: int, turns: list[str]) -> dict:
    speakers = ("human", "gpt")
    picture = f"{number:012d}"
    return {"id": picture, "image": f"{picture}.jpg", "conversations": [{"from": speakers[n % 2], "value": text} for n, text in enumerate(turns)]}


def good_rows(rows: int = ROWS) -> list[Pair]:
    """(English, Portuguese) rows with everything that can break: options, lists, numbers, boxes, code, URLs, paragraphs."""
    rng, sentences, pairs = random.Random(11), probe(), []
    for number in range(rows):
        asks = rng.sample([p for p in sentences if p.kind == "question"], 2)
        tells = rng.sample([p for p in sentences if p.kind not in ("question", "idiom")], 5)
        (a, x), (b, y), (c, z) = rng.sample(NOUNS, 3)
        size, near = 10 + number, f"[0.{number + 11}, 0.25]"
        made = []
        for code, key, nouns in (("en", "english", (a, b, c)), ("pt", "reference", (x, y, z))):
            english = code == "en"
            made.append(_row(number, [
                f"<image>\n{getattr(asks[0], key)}",
                " ".join(getattr(p, key) for p in tells[:3]),
                f"{getattr(asks[1], key)}\nA. {nouns[0]}\nB. {nouns[1]}\nC. {nouns[2]}",
                f"B. {nouns[1]}",
                ("Read `crop.py` and https://example.org/p/" if english else "Leia `crop.py` e https://example.org/p/") + f"{number}.\n"
                + ("What is at " if english else "O que há em ") + f"{near}?",
                (f"It is {size}.5 meters wide and costs 1,{size}0 euros." if english else f"Tem {size},5 metros de largura e custa 1.{size}0 euros.")
                + f"\n- {getattr(tells[3], key)}\n- {getattr(tells[4], key)}",
            ]))  # fmt: skip
        pairs.append((made[0], made[1]))
    return pairs


def _edit(turn: int, change: Callable[[str], str]) -> Callable[[dict, dict], None]:
    def apply(source: dict, target: dict) -> None:
        target["conversations"][turn]["value"] = change(target["conversations"][turn]["value"])

    return apply


def _swap(turn: int, old: str, new: str, flags: int = 0) -> Callable[[dict, dict], None]:
    return _edit(turn, lambda text: re.sub(old, new, text, count=1, flags=flags))


def _copy(turn: int) -> Callable[[dict, dict], None]:
    def apply(source: dict, target: dict) -> None:
        target["conversations"][turn]["value"] = source["conversations"][turn]["value"]

    return apply


def _cut_half(text: str) -> str:
    words = text.split(" ")
    return " ".join(words[: len(words) // 2]).rstrip(".,;")


STRUCTURAL: dict[str, Callable[[dict, dict], None]] = {
    "image token translated": _swap(0, "<image>", "<imagem>"),
    "image token dropped": _swap(0, "<image>\n", ""),
    "image token moved behind": _edit(0, lambda t: t.removeprefix("<image>\n") + "\n<image>"),
    "image token doubled": _swap(0, "<image>", "<image><image>"),
    "image token in an answer": _edit(1, lambda t: "<image> " + t),
    "number changed": _edit(5, lambda t: re.sub(r"(\d\d),5", lambda m: f"{int(m.group(1)) + 1},5", t, count=1)),
    "number dropped": _swap(5, r"\d\d,5 ", ""),
    "fraction lost (3,5 to 35)": _swap(5, r"(\d\d),5", r"\g<1>5"),
    "English thousands kept (1,500)": _swap(5, r"1\.(\d)", r"1,\1"),
    "empty answer": _edit(1, lambda t: ""),
    "copy of the source": _copy(1),
    "line breaks flattened": _edit(5, lambda t: t.replace("\n", " ")),
    "line break added": _edit(1, lambda t: t.replace(". ", ".\n", 1)),
    "option lost": _edit(2, lambda t: t.rpartition("\n")[0]),
    "options merged": _swap(2, r"\nC\. ", " "),
    "option letter translated": _swap(2, r"\nA\. ", "\nUm. "),
    "option letters swapped": _edit(2, lambda t: t.replace("\nA. ", "\n\0. ").replace("\nB. ", "\nA. ").replace("\n\0. ", "\nB. ")),
    "option emptied": _swap(2, r"\nC\. .*", "\nC. "),
    "two options alike": _edit(2, lambda t: re.sub(r"\nC\. .*", "\nC. " + re.search(r"\nA\. (.*)", t).group(1), t)),
    "answer is no option": _edit(3, lambda t: "B. avestruz"),
    "list marker lost": _swap(5, r"\n- ", "\n"),
    "URL changed": _swap(4, "example.org/p", "exemplo.org/p"),
    "box changed": _swap(4, r", 0\.25\]", ", 0.52]"),
    "code translated": _swap(4, "`crop.py`", "`recorte.py`"),
    "one word in a loop": _edit(1, lambda t: t + " muito" * 8 + "."),
    "a phrase in a loop": _edit(1, lambda t: t + " na mesa e na mesa" * 6 + "."),
    "broken characters": _edit(1, lambda t: t.encode("utf-8").decode("latin-1").replace("\x83", "ƒ") if any(c in t for c in "áéíóúãõçê") else t + " nÃ£o."),
    "replacement character": _swap(1, "[aeiou]", "\ufffd"),
    "cut in half": _edit(1, _cut_half),
    "last sentence dropped": _edit(1, lambda t: t[: t.rstrip(".").rindex(". ") + 1]),
    "question turned into a statement": _edit(0, lambda t: t.rstrip("?") + "."),
    "placeholder left in": _edit(1, lambda t: t.replace(" ", " __PH0__ ", 1)),
    "special token leaked": _edit(1, lambda t: t + "</s>"),
    "entity leaked": _edit(1, lambda t: t.replace(" ", " &quot;", 1)),
    "speaker translated": lambda source, target: target["conversations"][0].update({"from": "humano"}),
    "id lost its zeros": lambda source, target: target.update(id=target["id"].lstrip("0") or "0"),
    "turn lost": lambda source, target: target["conversations"].pop(),
    "one sentence left in English": lambda source, target: _half_english(source, target, 1),
}  # fmt: skip


def _half_english(source: dict, target: dict, sentences: int) -> None:
    """Put the first English sentences of an answer back into its translation."""
    english, said = (re.split(r"(?<=[.!?]) ", row["conversations"][1]["value"]) for row in (source, target))
    target["conversations"][1]["value"] = " ".join(english[:sentences] + said[sentences:])


def _mix_words(source: dict, target: dict) -> None:
    """The second half of every sentence in English."""
    english, said = (re.split(r"(?<=[.!?]) ", row["conversations"][1]["value"]) for row in (source, target))
    half = lambda one, two: " ".join(two.split()[: len(two.split()) // 2] + one.split()[len(one.split()) // 2 :])  # noqa: E731
    target["conversations"][1]["value"] = " ".join(half(one, two) for one, two in zip(english, said, strict=True))


def _shuffle(text: str) -> str:
    words = text.rstrip(".").split()
    random.Random(len(text)).shuffle(words)
    return " ".join(words).capitalize() + "."


MEANING: dict[str, Callable[[dict, dict], None]] = {
    "second half of each sentence in English": _mix_words,
    "words of a sentence shuffled": _edit(1, _shuffle),
    "a \u201cnão\u201d added": _swap(1, r" (está|há|tem|são|é|estão|foi|deve|pode) ", r" não \1 "),
    "a noun swapped": _swap(1, r"\b(mesa|rua|imagem|mulher|homem|casa|cachorro|gato|janela|porta|carros?|barcos?|água)\b", "bicicleta"),
}


def plant(kind: str, pairs: list[Pair]) -> list[Pair]:
    """Copies of the rows with one defect each; rows that the defect does not change are left out."""
    planted = []
    for source, target in pairs:
        broken = copy.deepcopy(target)
        (STRUCTURAL | MEANING)[kind](source, broken)
        if broken != target:
            planted.append((source, broken))
    return planted


def wrong_rows(pairs: list[Pair]) -> list[Pair]:
    """Every answer from the next row: fluent, complete, and about another picture."""
    return [(source, {**target, "conversations": [*target["conversations"][:1], after["conversations"][1], *target["conversations"][2:]]})
            for (source, target), (_, after) in zip(pairs, pairs[1:] + pairs[:1], strict=True)]  # fmt: skip


def found(pairs: list[Pair]) -> int:
    """How many rows the gates hold."""
    return sum(bool(row_reasons(source, target, PORTUGUESE_BR, Band())) for source, target in pairs)
