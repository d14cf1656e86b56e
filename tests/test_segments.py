"""Cutting and joining: what must never be sent is never sent, and everything comes back in its place."""

import random

import pytest

from utils.corpus.conversations import IMAGE_TOKEN
from utils.translation import segments
from utils.translation.engines import bergamot
from utils.translation.options import cut_row, join_row, options_of
from utils.translation.segments import cut, join, wanted

TRICKY = [
    "<image>\nWhat is this?", "What is this?\n<image>", "One. Two! Three? \"Four.\" Five", "  spaces  \n\n kept\t", "",
    "1. First thing. Second thing.\n2) Another\n- a dash\nA. option a\nB) option b\n(C) c (D) d", "3.5 and 1,000 dogs", "Mr. Smith saw J. Doe. He left.",
    "línea ünïcode 🐕. Next one.", "...", "\r\nWindows\r\n", "<image><image>\nTwo. Images.", "See https://a.org/b.html. The box [0.1, 0.25] is `x = 1. Y`.",
    "```python\nprint('Hello. World')\n```\nDone.", "null \0 byte. Next.", "__PH0__ was here. (1, 2) too.", "mail me@b.org. <ref>dog</ref>!",
]  # fmt: skip


@pytest.mark.parametrize("text", TRICKY)
def test_cutting_and_joining_gives_the_text_back(text):
    pieces = cut(text)
    assert "".join(p.text for p in pieces) == text
    assert join(pieces, {p.sent: p.sent for p in pieces if p.sent}) == text
    for piece in pieces:
        if piece.sent:
            assert IMAGE_TOKEN not in piece.sent and "\n" not in piece.sent and piece.sent == piece.sent.strip()


def test_cutting_random_text_gives_it_back():
    rng = random.Random(0)
    parts = ["<image>", "\n", " ", ". ", "? ", "Dog", "cão", "1. ", "- ", '"', "A. ", "(B) ", "é", "<", "3.5", "\t", "\r\n", "🐕", "`c`", "[0.1, 2]",
             "https://a.b/c", "```", "\0", "__PH1__"]  # fmt: skip
    for _ in range(800):
        text = "".join(rng.choices(parts, k=rng.randint(0, 30)))
        pieces = cut(text)
        assert "".join(p.text for p in pieces) == text
        assert join(pieces, {p.sent: p.sent for p in pieces if p.sent}) == text
        rows = cut_row([text, "dog", text])
        assert join_row(rows, {p.sent: p.sent for turn in rows for p in turn if p.sent}, {}) == [text, "dog", text]


def test_sentences_are_whole():
    sent = [p.sent for p in cut("The dog is red. Is it big? Dr. Who knows. It is at www.a.org. Yes.") if p.sent]
    assert sent == ["The dog is red.", "Is it big?", "Dr. Who knows.", "It is at __PH0__.", "Yes."]


@pytest.mark.parametrize("kept", ["https://a.org/x?y=1", "`crop.py`", "[0.12, 0.35, 0.48, 0.90]", "me@b.org", "<ref>", "(3, 4)"])
def test_protected_text_is_never_sent_and_comes_back(kept):
    text = f"The dog at {kept} is red."
    (piece,) = cut(text)
    assert kept not in piece.sent and "__PH0__" in piece.sent
    assert join([piece], {piece.sent: "O cão em __PH0__ é vermelho."}) == f"O cão em {kept} é vermelho."


@pytest.mark.parametrize("broken", ["O cão é vermelho.", "O cão em __PH0__ e __PH0__.", "O cão em __PH1__."])
def test_a_sentence_whose_placeholder_broke_goes_out_in_parts(broken):
    (piece,) = cut("The dog at [0.1, 0.2] is red.")
    said = {piece.sent: broken}
    assert list(wanted(piece, {}, {})) == [piece.sent]
    assert list(wanted(piece, said, {})) == ["The dog at", "is red."]
    assert join([piece], {**said, "The dog at": "O cão em", "is red.": "é vermelho."}) == "O cão em [0.1, 0.2] é vermelho."


def test_option_letters_and_bare_letters_are_never_sent():
    turns = cut_row(["<image>\nWhich one?\nA. dog\n(B) cat\nC) bird", "B", "(C)", "A."])
    sent = [piece.sent for turn in turns for piece in turn if piece.sent]
    assert sent == ["Which one? dog; cat; bird"]
    assert options_of(cut("Which? (A) red dog (B) cat\n(C) bird.")) == [("A", "red dog"), ("B", "cat"), ("C", "bird.")]


def test_question_and_options_go_out_together_and_the_answer_repeats_its_option():
    turns = cut_row(["<image>\nWhat is it?\nA. bat\nB. seal", "B. Seal."])
    whole = "What is it? bat; seal"
    assert [t for turn in turns for piece in turn for t in wanted(piece, {}, {})] == [whole]
    said = {whole: "O que é? taco; foca."}
    assert join_row(turns, said, {}) == ["<image>\nO que é?\nA. taco\nB. foca", "B. Foca."]


@pytest.mark.parametrize("broken", ["O que é? taco foca", "taco; foca", "O que é? taco; ; foca", "O que é? taco; foca; rato"])
def test_an_option_list_that_broke_is_translated_part_by_part(broken):
    turns = cut_row(["What is it?\nA. bat\nB. seal", "seal"])
    said = {"What is it? bat; seal": broken}
    parts = [t for turn in turns for piece in turn for t in wanted(piece, said, {})]
    assert parts == ["What is it?", "bat", "seal"]
    said |= {"What is it?": "O que é isso?", "bat": "morcego", "seal": "selo"}
    assert join_row(turns, said, {}) == ["O que é isso?\nA. morcego\nB. selo", "selo"]


def test_a_list_that_cannot_be_taken_apart_is_not_joined():
    for question in ("What did Mr. Smith eat?\nA. pie\nB. cake", "What is it?\nA. pie; fruit\nB. cake", "What is it?\nA. `x` y\nB. cake"):
        assert not any(piece.joined for piece in cut_row([question])[0])


def test_the_real_engine_keeps_options_and_placeholders_together():
    turns = cut_row(["<image>\nWhat animal is on the card?\nA. dog\nB. bat\nC. flamingo", "flamingo", "See https://a.org/b for the red dog."])
    texts = [t for turn in turns for piece in turn for t in wanted(piece, {}, {})]
    said = dict(zip(texts, bergamot.translate(texts, "pt-BR"), strict=True))
    question, answer, link = join_row(turns, said, {})
    assert [letter for letter, _ in options_of(cut(question))] == ["A", "B", "C"] and options_of(cut(question))[2][1] == answer == "flamingo"
    assert "https://a.org/b" in link and "See" not in link
    assert segments.settled(turns[0][-1], said) is not None
