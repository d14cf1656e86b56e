"""Prompts and label masks, frozen: most silent LLaVA failures live here."""

import pytest

from utils.models.prompts import IGNORE, PROMPTS, VICUNA_V1, encode_prefix, encode_turns, render_prompt

SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
TURNS = [("What is this?", "It is a dog."), ("Where is the dog?", "The dog is in the top left corner.")]


def test_vicuna_v1_text_is_llavas():
    assert render_prompt("What is this?") == f"{SYSTEM} USER: <image>\nWhat is this? ASSISTANT:"
    assert set(PROMPTS) == {"vicuna_v1"}


def test_snapshot_of_a_two_turn_row(tokenizer):
    ids, labels = encode_turns(tokenizer, TURNS)
    text = tokenizer.decode(encode_prefix(tokenizer, 2) + ids)
    assert text == (
        f"<s>{SYSTEM} USER: <image><image>\nWhat is this? ASSISTANT: It is a dog.</s>"
        "USER: Where is the dog? ASSISTANT: The dog is in the top left corner.</s>"
    )


def test_snapshot_of_what_carries_loss(tokenizer):
    ids, labels = encode_turns(tokenizer, TURNS)
    assert len(ids) == len(labels)
    learnt = "".join(tokenizer.decode([i]) if label != IGNORE else "·" for i, label in zip(ids, labels, strict=True))
    assert learnt.replace("·", "") == " It is a dog.</s> The dog is in the top left corner.</s>"
    assert [label for label in labels if label != IGNORE] == [i for i, label in zip(ids, labels, strict=True) if label != IGNORE]


def test_the_end_token_is_learnt_in_every_turn(tokenizer):
    _, labels = encode_turns(tokenizer, TURNS)
    assert labels.count(tokenizer.eos_token_id) == 2 and labels[-1] == tokenizer.eos_token_id


def test_pieces_equal_the_whole_text(tokenizer):
    """Ids made piece by piece are the ids of the whole prompt: training and inference see the same tokens."""
    question = TURNS[0][0]
    whole = tokenizer(render_prompt(question).replace("<image>", "<image>" * 3), add_special_tokens=False)["input_ids"]
    asked = tokenizer(question + VICUNA_V1.after_question, add_special_tokens=False)["input_ids"]
    assert encode_prefix(tokenizer, 3)[1:] + asked == whole


@pytest.mark.parametrize("turn,words", [(("", "a"), "turn 2 has an empty question"), (("q", " "), "turn 2 has an empty answer")])
def test_a_row_without_a_label_is_an_error_that_names_the_turn(tokenizer, turn, words):
    with pytest.raises(ValueError, match=words):
        encode_turns(tokenizer, [TURNS[0], turn])
