"""Answer matching: the hand-made cases, the defects of earlier scripts by name, and 10,000 answers that nobody would write."""

import importlib.util
import random
import tracemalloc
from dataclasses import astuple

import pytest

from tests.matching_cases import CASES
from utils.evaluation.answer_words import WORDS
from utils.evaluation.matching import KINDS, Match, match, suffix
from utils.evaluation.reading import answer_language
from utils.runs import UserError

HAND_MADE = ("en", "pt-BR", "pt-PT", "it")  # the others are made from a word list, which knows fewer words
NAMES = [f"{c.language} {c.kind} {c.accepted!r} not {c.rejected!r}" for c in CASES]


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_a_match_and_its_near_miss(case):
    accepted, rejected = match(case.accepted, case.gold, case.language, case.kind), match(case.rejected, case.gold, case.language, case.kind)
    assert (accepted.relaxed, rejected.relaxed) == (True, False), (case, accepted, rejected)


def test_the_table_covers_every_language_and_kind_with_reasons():
    assert len(CASES) >= 60 and {(c.language, c.kind) for c in CASES} == {(code, kind) for code in HAND_MADE for kind in KINDS}
    assert all(c.reason and c.because and c.accepted != c.rejected for c in CASES)
    assert len({(c.language, c.kind, c.gold, c.accepted) for c in CASES}) == len(CASES)


def test_strict_is_plain_equality_and_implies_relaxed():
    assert match("gato", "gato", "pt-BR") == Match(True, True, "equal")
    assert match("Gato", "gato", "pt-BR") == Match(False, True, "same words")
    assert match(" gato", "gato", "pt-BR").strict is False
    assert match("", "", "pt-BR").strict and match("b", ["a", "b"], "en", "option").strict


def test_any_of_several_gold_answers_will_do():
    golds = ["cachorro", "cão"]
    assert match("Um cão.", golds, "pt-BR").relaxed and match("Cachorros", golds, "pt-BR").relaxed
    assert not match("gato", golds, "pt-BR").relaxed and match("gato", [], "pt-BR") == Match(False, False, "no gold answer")


def llavas_pope_script(text: str) -> str:
    """The reading of an answer in LLaVA's llava/eval/eval_pope.py: the first sentence, then three English words."""
    text = text.split(".")[0] if "." in text else text
    words = text.replace(",", "").split(" ")
    return "no" if "No" in words or "not" in words or "no" in words else "yes"


@pytest.mark.parametrize("answer", ["Não", "não", "Não.", "NÃO", "Não, não há um cachorro.", "A resposta é não."])
@pytest.mark.parametrize("language", ["pt-BR", "pt-PT"])
def test_llavas_pope_script_scores_a_portuguese_nao_as_yes_and_this_one_as_no(answer, language):
    assert llavas_pope_script(answer) == "yes"
    assert match(answer, "no", language, "yes_no").relaxed and not match(answer, "yes", language, "yes_no").relaxed


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("language", WORDS)
def test_an_empty_answer_is_wrong_and_does_not_crash_as_llava_ndinos_script_does(language, kind):
    for answer in ("", " ", ".", "\0", "?!", "\ud800", "\u200b"):
        assert match(answer, "sim", language, kind).relaxed is False


def test_the_language_of_an_answer_is_measured_apart():
    """A right answer in the wrong language: unreadable in Portuguese, right in English, and told as English."""
    answer = "Yes, there is a dog."
    assert not match(answer, "sim", "pt-BR", "yes_no").relaxed and match(answer, "sim", "en", "yes_no").relaxed
    assert answer_language(answer, ("pt-BR", "en")) == "en"


@pytest.mark.parametrize("language", HAND_MADE)
def test_every_number_to_a_hundred_is_read_in_words(language):
    words = WORDS[language]
    named = dict(words.numbers)
    for ten, value in words.tens.items():
        for unit, more in words.numbers.items():
            if 1 <= more <= 9:
                named[f"{ten} {words.joiner} {unit}".replace("  ", " ")] = value + more
    assert set(named.values()) == set(range(101))
    for word, value in named.items():
        assert match(word, str(value), language, "number").relaxed, word
        assert not match(word, str(value + 1), language, "number").relaxed, word


def test_the_suffix_asks_in_the_variety_and_names_what_it_wants():
    assert suffix("pt-BR", "short").startswith("Responda") and suffix("pt-PT", "short").startswith("Responde ")
    for code in WORDS:
        assert any(word in suffix(code, "option") for word in ("letra", "letter"))
        assert suffix(code, "short") != suffix(code, "option")


def test_unknown_names_are_told_in_one_sentence():
    for call in (lambda: match("a", "b", "fr"), lambda: match("a", "a", "en", "essay"), lambda: suffix("fr", "short"), lambda: suffix("en", "long")):
        with pytest.raises(UserError, match="unknown"):
            call()


SCRIPTS = [
    "abcdeéãõçABC",
    "αβγ",
    "абвг",
    "中文字",
    "ابجد",
    "हिन्दी",
    "0123456789.,-",
    "🐱😀👩‍👧",
    " \t\n\0\x07",
    "()[]{}\"'’`*_#+%",
    "\u0301\u0323\u0f73",
    "\ud800\udfff",
]
PIECES = [
    "não",
    "sim",
    "no",
    "yes",
    "sì",
    "a resposta é",
    "opção",
    "B",
    "A)",
    "ou",
    "três",
    "vinte e",
    "um",
    "na mesa",
    "it's",
    "l'",
    "non so",
    "gatos",
    "twenty",
    "1.000",
    "-",
]


def odd_answer(draw: random.Random) -> str:
    """Empty, words of the trade in wild order, or letters of any script."""
    roll = draw.random()
    if roll < 0.02:
        return ""
    if roll < 0.5:
        return draw.choice(["", " ", ", "]).join(draw.choices(PIECES, k=draw.choice((1, 1, 1, 2, 6))))
    return "".join(draw.choice(draw.choice(SCRIPTS)) for _ in range(draw.randint(1, 40)))


LONG = ["gato " * 200_000, "\u0301\u0323" * 500_000, "\u0f73" * 300_000, "(" * 1_000_000, " " * 999_999 + "B", "9" * 1_000_000, "é" * 1_000_000]
GOLDS = {
    "yes_no": ["sim", "no", "não", "yes"],
    "option": list("ABCDE"),
    "number": ["0", "1", "3", "21", "1000"],
    "text": ["sim", "três", "na mesa", "gato", "1"],
}


def odd_rows() -> list[tuple[str, str, str, str]]:
    """10,000 rows for `match`; the first answers have a million characters (no quadratic step would live through them)."""
    draw = random.Random(6)
    rows = [(answer, "gato", "pt-BR", kind) for answer in LONG for kind in ("text", "option", "yes_no")]
    rows += [(answer, "3", "en", "number") for answer in LONG[-2:]]
    while len(rows) < 10_000:
        kind = draw.choice(KINDS)
        gold = draw.choice(["", odd_answer(draw), *GOLDS[kind] * 2])
        answer = odd_answer(draw) if draw.random() < 0.9 else draw.choice(["\0{}", "{}\u0301", "🐱 {}", "{}."]).format(gold.upper())
        rows.append((answer, gold, draw.choice(list(WORDS)), kind))
    return rows


def test_ten_thousand_odd_answers_raise_nothing_and_their_order_changes_nothing():
    """The second round runs with empty caches and in another order."""
    rows = odd_rows()
    assert len(rows) == 10_000
    first = [astuple(match(*row)) for row in rows]
    order = random.Random(7).sample(range(len(rows)), len(rows))
    spec = importlib.util.find_spec("utils.evaluation.matching")
    fresh = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fresh)
    again = {at: astuple(fresh.match(*rows[at])) for at in order}
    assert first == [again[at] for at in range(len(rows))]
    for (answer, gold, _, _), (strict, relaxed, why) in zip(rows, first, strict=True):
        assert strict is (answer == gold) and relaxed in (True, False) and (relaxed or not strict) and why
    assert 200 < sum(relaxed for _, relaxed, _ in first) < 5_000  # the rows reach both verdicts


def test_long_answers_are_not_kept_in_memory():
    tracemalloc.start()
    for number in range(20):
        match(f"{number} " + "x" * 1_000_000, "3", "en", "number")
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert kept < 2_000_000
