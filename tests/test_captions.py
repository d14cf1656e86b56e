"""Caption scores: CIDEr-D against hand-computed values and a kept library's, chrF and BLEU's special cases, and any text at all."""

import math
import random

import pytest

from utils.evaluation.captions import caption_scores, cider_d, words
from utils.runs import UserError

TWO = [["a b"], ["a c"]]  # "a" is in both pictures and weighs 0; "b", "c", "a b" and "a c" weigh log 2
DISTINCT = ["um cão corre na praia azul", "dois gatos dormem no sofá velho", "três pássaros voam sobre o mar", "a menina come uma maçã verde"]


def test_the_words_of_a_caption():
    assert words("O guarda-chuva É-ÉL l'uomo d’água, 3 cães_x! 🐕\x00") == ["o", "guarda-chuva", "é-él", "l'", "uomo", "d’", "água", "3", "cães", "x"]
    assert words("mac\u0327a\u0303") == ["maçã"] and words("") == words("… 🐕!") == []


@pytest.mark.parametrize(
    "answer,wanted",
    [
        ("a b", 10 * (1 + 1) / 4),  # words and pairs agree; there is no triple
        ("b", 10 * 1 / 4 * math.exp(-1 / 72)),  # the word agrees, and it is one word short: exp(-1² / (2 · 6²))
        ("b b", 10 * 0.5 / 4),  # what is said twice is cut to once: min(2, 1) · 1 / (2 · 1); the pair "b b" is not there
        ("a", 0.0),  # it fits every picture
        ("c a", 0.0),
        ("a b x", 10 * (1 / math.sqrt(2) + 1 / math.sqrt(2)) / 4 * math.exp(-1 / 72)),  # "x" weighs like a word of one picture
    ],
)
def test_cider_d_by_hand(answer, wanted):
    assert cider_d([answer, "?"], TWO) == pytest.approx([wanted, 0.0], abs=1e-12)


def test_cider_d_is_that_of_a_kept_library():
    # Values of aac-metrics 0.6.0 (functional/cider_d.py) with this tokenizer; 200 random corpora agreed to 2e-15.
    answers = ["Um cão corre na praia.", "Dois gatos pretos dormem no sofá."]
    references = [["Um cão corre na areia.", "Um cachorro marrom corre na praia."], ["Dois gatos dormem no sofá.", "Gatos pretos dormem."]]
    assert cider_d(answers, references) == pytest.approx([5.203286518793506, 4.3374364607424285], abs=1e-9)


def test_equal_captions_of_distinct_pictures_have_ten_and_another_pictures_has_none():
    one = [[text] for text in DISTINCT]
    assert cider_d(DISTINCT, one) == pytest.approx([10.0] * 4)
    assert cider_d([f"  {text.upper()} !" for text in DISTINCT], one) == pytest.approx([10.0] * 4)
    assert cider_d(DISTINCT[1:] + DISTINCT[:1], one) == [0.0] * 4
    twice = cider_d(DISTINCT, [[text, "nada disso aqui agora"] for text in DISTINCT])
    assert twice == pytest.approx([5.0] * 4)  # the mean over references, not the best


def test_a_longer_caption_is_held_to_its_length():
    padded = [f"{DISTINCT[0]} um cão um cão um cão", *DISTINCT[1:]]
    assert cider_d(padded, [[text] for text in DISTINCT])[0] < 10 * math.exp(-36 / 72)


def test_the_order_of_the_pictures_changes_nothing():
    rng = random.Random(0)
    pool = " ".join(DISTINCT).split()
    answers = [" ".join(rng.choices(pool, k=rng.randint(0, 9))) for _ in range(30)]
    references = [[" ".join(rng.choices(pool, k=rng.randint(1, 9))) for _ in range(rng.randint(1, 4))] for _ in range(30)]
    order = rng.sample(range(30), 30)
    turned = cider_d([answers[at] for at in order], [references[at][::-1] for at in order])
    straight = cider_d(answers, references)
    assert turned == pytest.approx([straight[at] for at in order], abs=1e-12)
    whole, other = (caption_scores(*both) for both in ((answers, references), ([answers[at] for at in order], [references[at] for at in order])))
    assert whole == pytest.approx(other, abs=1e-9)


def test_all_three_scores_of_a_set():
    perfect = caption_scores(DISTINCT, [[text, "outra coisa"] if n % 2 else [text] for n, text in enumerate(DISTINCT)])
    assert perfect["bleu"] == pytest.approx(100) and perfect["chrf"] == pytest.approx(100) and 5 < perfect["cider_d"] < 10
    assert (perfect["items"], perfect["empty"]) == (4, 0)
    half = caption_scores([DISTINCT[0], "", " ", DISTINCT[3]], [[text] for text in DISTINCT])
    assert half["empty"] == 2 and half["cider_d"] == pytest.approx(5.0) and 0 < half["bleu"] < 100 and 0 < half["chrf"] < 100
    assert caption_scores([""], [["um cão"]]) == {"items": 1, "empty": 1, "chrf": 0.0, "bleu": 0.0, "cider_d": None}
    assert caption_scores([], []) == {"items": 0, "empty": 0, "chrf": None, "bleu": None, "cider_d": None}


def test_bleu_and_chrf_take_the_second_reference_of_a_picture_that_has_one():
    first = caption_scores(DISTINCT[:2], [["nada disso aqui", DISTINCT[0]], [DISTINCT[1]]])
    assert first["bleu"] == pytest.approx(100) and first["chrf"] == pytest.approx(100)


def test_any_text_gets_a_score_in_its_range():
    rng = random.Random(3)
    pieces = ["", "🐕", "\x00", "um cão", "na praia azul", "日本語", "A" * 3000, "\n", "'", "-", "\ud800", "é", "ß", "مرحبا", "<s>", ".", "l'"]
    references = [[text, text[5:]] for text in DISTINCT]
    for _ in range(150):
        answers = [" ".join(rng.choices(pieces, k=rng.randint(0, 6))) for _ in DISTINCT]
        found = caption_scores(answers, references)
        assert 0 <= found["chrf"] <= 100 and 0 <= found["bleu"] <= 100
        assert all(0 <= score <= 10 for score in cider_d(answers, references))
    assert cider_d(["um cão " * 150_000, "x"], TWO) == [0.0, 0.0]


def test_missing_references_are_one_sentence():
    with pytest.raises(UserError, match="2 captions and references for 1 pictures"):
        caption_scores(["a", "b"], [["a"]])
    for references in ([["a"], []], [["a"], "a caption as it is"]):
        with pytest.raises(UserError, match="1 pictures have no list of references, the first is number 2"):
            cider_d(["a", "b"], references)
