"""Prompts and label masks, frozen: most silent LLaVA failures live here.

`tests/snapshots/prompts.json` holds, per format, a row's text and the pieces that carry loss. After a wanted change,
write it anew with WRITE_SNAPSHOTS=1 and read the difference.
"""

import json
import os
from itertools import product

import pytest

from utils.models.prompt_formats import PROMPTS
from utils.models.prompts import IGNORE, STAND_INS, encode_prefix, encode_question, encode_row, encode_turns, end_id, render_prompt
from utils.runs import ROOT

SNAPSHOT = ROOT / "tests" / "snapshots" / "prompts.json"
SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
TURNS = [("What is this?", "It is a dog."), ("Where is the dog?", "The dog is in the top left corner.")]
PLAIN, CHATML = PROMPTS["plain"], PROMPTS["chatml"]
CHATS = [p for p in PROMPTS.values() if p.asks]
PICTURE = 2  # image tokens of the rows below

# The whole of a two-turn row (the plain formats: of a caption), copied from the sources that prompts.py names.
TEXTS = {
    "mblip": "<image><image>What is this? It is a dog.</s>\nWhere is the dog? The dog is in the top left corner.</s>",
    "plain": "<s><image><image>It is a dog.\n",
    "plain_ndino": "<|begin_of_text|><image><image>It is a dog.<|end_of_text|>",
    "vicuna_v1": (
        f"<s>{SYSTEM} USER: <image><image>\nWhat is this? ASSISTANT: It is a dog.</s>"
        "USER: Where is the dog? ASSISTANT: The dog is in the top left corner.</s>"
    ),
    "llama_3": (
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n<image><image>\nWhat is this?<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\nIt is a dog.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nWhere is the dog?<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\nThe dog is in the top left corner.<|eot_id|>"
    ),
    "chatml": (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<image><image>\nWhat is this?<|im_end|>\n"
        "<|im_start|>assistant\nIt is a dog.<|im_end|>\n<|im_start|>user\nWhere is the dog?<|im_end|>\n"
        "<|im_start|>assistant\nThe dog is in the top left corner.<|im_end|>"
    ),
    "chatml_direct": (
        "<|im_start|>system\nAnswer the questions.<|im_end|><|im_start|>user\n<image><image>\nWhat is this?<|im_end|>"
        "<|im_start|>assistant\nIt is a dog.<|im_end|><|im_start|>user\nWhere is the dog?<|im_end|>"
        "<|im_start|>assistant\nThe dog is in the top left corner.<|im_end|>"
    ),
}
LEARNT = {
    "plain": "It is a dog.\n", "plain_ndino": "It is a dog.<|end_of_text|>",
    "vicuna_v1": " It is a dog.</s> The dog is in the top left corner.</s>",
    "llama_3": "It is a dog.<|eot_id|>The dog is in the top left corner.<|eot_id|>",
    "chatml": "It is a dog.<|im_end|>The dog is in the top left corner.<|im_end|>",
    "chatml_direct": "It is a dog.<|im_end|>The dog is in the top left corner.<|im_end|>",
    "mblip": " It is a dog.</s> The dog is in the top left corner.</s>",
}  # fmt: skip

LESSONS = [*TEXTS.values(), "\n\nuser\n\nassistant\n\nsystem\n\n", *(word for turn in TURNS for word in turn)] * 5
LLAMA_3_SPLIT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def _trained(pre_tokenizer, size: int) -> dict:
    """Vocabulary and merges of a small BPE."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    draft = Tokenizer(models.BPE())
    draft.pre_tokenizer = pre_tokenizer
    alphabet = pre_tokenizers.ByteLevel.alphabet() if isinstance(pre_tokenizer, pre_tokenizers.Sequence) else []
    plain = [text.replace("<|", " ").replace("|>", " ").replace("<image>", "") for text in LESSONS]
    draft.train_from_iterator(plain, trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False))
    trained = json.loads(draft.to_str())["model"]
    return {"vocab": trained["vocab"], "merges": [tuple(pair) for pair in trained["merges"]]}


def _byte_level(digits: str):
    from tokenizers import Regex, pre_tokenizers

    split = pre_tokenizers.Split(Regex(LLAMA_3_SPLIT.replace("{1,3}", digits)), behavior="isolated")
    return pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def _llama_3():
    """Byte-level BPE with control tokens added behind the vocabulary, as Llama 3's."""
    from tokenizers import Tokenizer, decoders, models
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE(**_trained(_byte_level("{1,3}"), 340)))
    bpe.pre_tokenizer, bpe.decoder = _byte_level("{1,3}"), decoders.ByteLevel()
    start, end, *others = "<|begin_of_text|> <|end_of_text|> <|start_header_id|> <|end_header_id|> <|eot_id|> <image>".split()
    return PreTrainedTokenizerFast(tokenizer_object=bpe, bos_token=start, eos_token=end, additional_special_tokens=others)


def _qwen():
    """The real class of Qwen 2: no start token, <|endoftext|> as its own end."""
    from transformers import Qwen2Tokenizer

    return Qwen2Tokenizer(**_trained(_byte_level(""), 340), additional_special_tokens=["<|im_start|>", "<|im_end|>", "<image>"])


def _llama_2(legacy: bool, merges: tuple = ()):
    """The real class of Llama 2, with byte pieces: a legacy one puts a space behind every control token, a new one only first."""
    from tokenizers import pre_tokenizers
    from transformers import LlamaTokenizer

    trained = _trained(pre_tokenizers.Metaspace(), 150)
    first = ["<unk>", "<s>", "</s>", *(f"<0x{n:02X}>" for n in range(256)), "▁"]
    words = [word for word in (*trained["vocab"], *map("".join, merges)) if word not in first]
    vocab = {word: n for n, word in enumerate([*first, *words])}
    return LlamaTokenizer(vocab=vocab, merges=[*merges, *trained["merges"]], legacy=legacy, additional_special_tokens=["<image>"])


KINDS = {"llama_3": _llama_3, "qwen": _qwen, "llama_2 legacy": lambda: _llama_2(True), "llama_2 new": lambda: _llama_2(False)}


@pytest.fixture(scope="module")
def kinds(tokenizer) -> dict:
    return {"tiny": tokenizer} | {name: make() for name, make in KINDS.items()}


def _row(prompt) -> list[tuple[str, str]]:
    return TURNS if prompt.asks else TURNS[:1]


def _local(text: str, tokenizer) -> str:
    """A source's text as a tokenizer has it that knows fewer control tokens: its own start and end stand in."""
    for marker in {"<s>", "<|begin_of_text|>", "</s>", "<|im_end|>", "<|eot_id|>", "<|end_of_text|>"}.difference(tokenizer.all_special_tokens):
        own = tokenizer.bos_token if marker in ("<s>", "<|begin_of_text|>") else tokenizer.eos_token
        text = text.replace(marker, own or "")
    return text


def _spans(tokenizer, ids: list[int], labels: list[int]) -> str:
    return tokenizer.decode([i for i, label in zip(ids, labels, strict=True) if label != IGNORE])


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_text_and_loss_are_the_sources(name, kinds):
    """Where the tokenizer has the format's control tokens, decoding gives the source's text back, and loss lies on answers and ends."""
    kind = {"llama_3": "llama_3", "plain_ndino": "llama_3", "chatml": "qwen", "chatml_direct": "qwen"}.get(name, "tiny")
    prompt, tokenizer = PROMPTS[name], kinds[kind]
    ids, labels = encode_turns(tokenizer, _row(prompt), prompt)
    assert tokenizer.decode(encode_prefix(tokenizer, PICTURE, prompt) + ids) == TEXTS[name]
    assert _spans(tokenizer, ids, labels) == LEARNT[name]
    assert [label for label in labels if label != IGNORE] == [i for i, label in zip(ids, labels, strict=True) if label != IGNORE]


@pytest.mark.parametrize("kind", ["tiny", *KINDS])
@pytest.mark.parametrize("name", sorted(TEXTS))
def test_pieces_equal_the_whole_text(name, kind, kinds):
    """Ids made piece by piece are those of the whole text: what was learnt in training is what a processor asks for."""
    prompt, tokenizer = PROMPTS[name], kinds[kind]
    ids, _ = encode_turns(tokenizer, _row(prompt), prompt)
    start = _local("<s>" if prompt.start else "", tokenizer)
    whole = _local(TEXTS[name], tokenizer).removeprefix(start)  # the tokenizer adds its start token itself, before its first space
    expected = [tokenizer.bos_token_id] * bool(start) + tokenizer(whole, add_special_tokens=False)["input_ids"]
    assert encode_prefix(tokenizer, PICTURE, prompt) + ids == expected


@pytest.mark.parametrize("kind", ["tiny", *KINDS])
@pytest.mark.parametrize("prompt", CHATS, ids=lambda p: p.name)
def test_generation_sees_the_ids_of_training_and_learns_to_end(prompt, kind, kinds):
    tokenizer = kinds[kind]
    asked, end = encode_question(tokenizer, TURNS[0][0], prompt), end_id(tokenizer, prompt)
    ids, labels = encode_turns(tokenizer, TURNS, prompt)
    assert ids[: len(asked)] == asked and labels[: len(asked)] == [IGNORE] * len(asked) and labels[len(asked)] != IGNORE
    assert labels.count(end) == 2 and labels[-1] == end == ids[-1]
    roles = prompt.name not in ("vicuna_v1", "mblip")
    assert ids.count(end) == (4 if roles else 2), "a user's turn ends too, without loss, where the format marks it"


def test_generation_stops_where_answers_end(kinds):
    ends = {name: kinds["llama_3" if "llama" in name or "ndino" in name else "qwen"] for name in PROMPTS}
    found = {name: t.convert_ids_to_tokens(end_id(t, PROMPTS[name])) for name, t in ends.items()}
    assert found == {
        "plain": "<|endoftext|>", "plain_ndino": "<|end_of_text|>", "vicuna_v1": "<|endoftext|>",
        "llama_3": "<|eot_id|>", "chatml": "<|im_end|>", "chatml_direct": "<|im_end|>", "mblip": "<|endoftext|>",
    }  # fmt: skip
    other = _qwen()
    other.add_tokens(["</s>"])
    assert end_id(other) == other.eos_token_id != other.convert_tokens_to_ids("</s>"), "the end is the tokenizer's own, not one that looks so"


def test_a_piece_that_would_span_question_and_answer_is_not_made():
    """The prompt of generation ends at the colon: a piece ":▁I" would teach what can never be asked for."""
    for legacy in (True, False):
        spanning = _llama_2(legacy, ((":", "▁"), (":▁", "I")))
        assert ":▁I" in spanning.tokenize("ASSISTANT: It")
        ids, labels = encode_turns(spanning, TURNS[:1])
        assert ids[: labels.count(IGNORE)] == encode_question(spanning, TURNS[0][0])
        assert _spans(spanning, ids, labels).strip() == "It is a dog.</s>"


def test_a_prefix_is_the_beginning_of_every_row(kinds):
    """Shared-image packing computes it once: a row's question must not change it."""
    for prompt in CHATS:
        text = _local(TEXTS[prompt.name], kinds["tiny"])
        assert kinds["tiny"].decode(encode_prefix(kinds["tiny"], PICTURE, prompt)) == text[: text.index("What is this?")]
    for prompt in (PLAIN, PROMPTS["plain_ndino"]):
        assert kinds["tiny"].decode(encode_prefix(kinds["tiny"], 1, prompt)) == "<s><image>"


def test_render_prompt_asks_and_plain_has_nothing_to_ask():
    assert render_prompt("What is this?") == f"{SYSTEM} USER: <image>\nWhat is this? ASSISTANT:"
    assert render_prompt("What?", PROMPTS["llama_3"]).endswith("<image>\nWhat?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n")
    assert render_prompt("Describe it.", PLAIN) == "<image>"


@pytest.mark.parametrize("question", ["<image>\nWhat is this?", "What is this?\n<image>", "What is this? <image>"])
def test_a_picture_behind_the_question_is_moved_before_it(question, tokenizer):
    for prompt in CHATS:
        assert encode_turns(tokenizer, [(question, "A dog.")], prompt) == encode_turns(tokenizer, [("What is this?", "A dog.")], prompt)


@pytest.mark.parametrize(
    "turns,words",
    [
        ([], "no token carries loss"),
        ([TURNS[0], ("", "a")], "turn 2 has an empty question"),
        ([TURNS[0], ("q", " ")], "turn 2 has an empty answer"),
        ([("q", "\u200b")], "turn 1 has an empty answer"),
        ([("<image>\n<image>\nq", "a")], "turn 1 has <image> in its question; one picture"),
        ([TURNS[0], ("<image>\nq", "a")], "turn 2 has <image> in its question"),
        ([("q", "an <image>")], "turn 1 has <image> in its answer"),
        ([("q", "stop</s> here")], "turn 1 has the control token </s> in its answer"),
        ([("a <pad>?", "a")], "turn 1 has the control token <pad> in its question"),
    ],
)
def test_a_turn_that_would_train_wrongly_is_an_error_that_names_it(tokenizer, turns, words):
    with pytest.raises(ValueError, match=words):
        encode_turns(tokenizer, turns)


def test_text_that_only_looks_like_a_control_token_stays_text(kinds):
    """<s> is no token of Qwen's, and <|im_end|> none of the vicuna format's."""
    ids, labels = encode_turns(kinds["qwen"], [("What does <s> mean?", "It is <s>.")], CHATML)
    assert kinds["qwen"].decode(ids).startswith("What does <s> mean?<|im_end|>") and _spans(kinds["qwen"], ids, labels) == "It is <s>.<|im_end|>"
    ids, _ = encode_turns(kinds["tiny"], [("What is <|im_end|>?", "It is <|im_end|>.")])
    assert ids.count(kinds["tiny"].eos_token_id) == 1 and kinds["tiny"].decode(ids).count("<|im_end|>") == 2
    with pytest.raises(ValueError, match=r"control token <\|im_end\|>"):
        encode_turns(kinds["tiny"], [("q", "It is <|im_end|>.")], CHATML)


def test_plain_takes_one_caption_and_no_question(tokenizer):
    caption = encode_turns(tokenizer, [("Describe the picture.\n<image>", "A dog.")], PLAIN)
    assert caption == encode_turns(tokenizer, [("", "A dog.")], PLAIN) and caption[0] == caption[1]
    assert encode_question(tokenizer, "Describe it.", PLAIN) == []
    with pytest.raises(ValueError, match="plain takes one caption a row, and there are 2 turns"):
        encode_turns(tokenizer, TURNS, PLAIN)


@pytest.mark.parametrize("prompt", CHATS, ids=lambda p: p.name)
def test_a_long_row_loses_whole_turns_from_its_end(prompt, tokenizer):
    turns = TURNS + [("What colour is it?", "It is red.")]
    ids, labels = encode_turns(tokenizer, turns, prompt)
    one, two = (encode_turns(tokenizer, turns[:count], prompt)[0] for count in (1, 2))
    fits = {room: encode_row(tokenizer, "7", turns, room, prompt) for room in range(len(one), len(ids) + 1)}
    assert {row.dropped for row in fits.values()} == {0, 1, 2}
    for room, row in fits.items():
        kept = ids if room >= len(ids) else two if room >= len(two) else one
        assert (row.ids, row.labels) == (kept, labels[: len(kept)]) and row.labels[-1] == end_id(tokenizer, prompt)
        assert row.dropped == {len(ids): 0, len(two): 1, len(one): 2}[len(kept)]
    with pytest.raises(ValueError, match=f"row 7: its first question and answer have {len(one)} tokens, {len(one) - 1} fit beside the picture"):
        encode_row(tokenizer, "7", turns, len(one) - 1, prompt)


@pytest.mark.parametrize("turns,words", [([], "row 000123: there is no answer"), ([("q", "")], "row 000123: turn 1 has an empty answer")])
def test_a_row_without_a_learnable_token_is_named(tokenizer, turns, words):
    with pytest.raises(ValueError, match=words):
        encode_row(tokenizer, "000123", turns, 100)


def test_a_tokenizer_without_a_picture_or_an_end_is_refused(kinds):
    from transformers import LlamaTokenizer

    with pytest.raises(ValueError, match="the tokenizer has no <image> token"):
        encode_prefix(LlamaTokenizer(), 4)
    endless = _qwen()
    endless.eos_token = None
    with pytest.raises(ValueError, match="neither </s> nor an end token of its own"):
        encode_turns(endless, TURNS)
    assert encode_turns(endless, TURNS, CHATML) == encode_turns(kinds["qwen"], TURNS, CHATML), "it has <|im_end|>"


def test_snapshot_of_text_and_loss():
    """Per format, with the shipped tokenizer as it is and with control tokens added to it: text and learnt pieces."""
    from transformers import PreTrainedTokenizerFast

    shipped, full = (PreTrainedTokenizerFast.from_pretrained(ROOT / "data" / "base", local_files_only=True) for _ in range(2))
    full.add_special_tokens({"additional_special_tokens": ["<image>", *(m for m in STAND_INS if m.startswith("<|"))]})
    found: dict = {name: {} for name in sorted(PROMPTS)}
    for name, (kind, tokenizer), count in product(found, (("stand-ins", shipped), ("control tokens", full)), (1, 2)):
        if count <= len(_row(PROMPTS[name])):
            ids, labels = encode_turns(tokenizer, TURNS[:count], PROMPTS[name])
            pieces = [tokenizer.decode([i]) for i, label in zip(ids, labels, strict=True) if label != IGNORE]
            text = tokenizer.decode(encode_prefix(tokenizer, PICTURE, PROMPTS[name]) + ids)
            found[name][f"{kind}, {count} turn{'s' * (count - 1)}"] = {"text": text, "learnt": "¦".join(pieces)}
    if os.environ.get("WRITE_SNAPSHOTS"):
        SNAPSHOT.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    assert found == json.loads(SNAPSHOT.read_text(encoding="utf-8")), "prompts changed; if that is wanted, write anew with WRITE_SNAPSHOTS=1"
    assert set(PROMPTS) == set(TEXTS) == set(LEARNT), "a new format wants its text here, copied from its source"
