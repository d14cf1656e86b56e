"""Prompts and label masks, built together: a token's label is decided where the token is made, never re-found.

A format is text around the picture, the question and the answer. Its control tokens are written out in that text:

* `<s>` and `</s>` are the tokenizer's own start and end, whatever it calls them;
* `<|eot_id|>`, `<|im_end|>` and their like are one id each where the tokenizer has them;
* where it has not, what begins or ends a text becomes the tokenizer's own start or end (`STAND_INS`), and role headers
  are spelt in ordinary pieces. So the tiny tokenizer serves every format, and every chat answer ends in one learnt id.

Loss lies on each answer and its end, nothing else; in the plain formats that is all but the start and the picture. So
it is in haotian-liu/LLaVA `llava/train/train.py`. LLaVA-VL/LLaVA-NeXT (`preprocess_llama3`, `preprocess_qwen`) and
LLaVA-NDiNO after it (swap-uniba/LLaVA-NDiNO) also learn role headers, and control tokens and line breaks of user turns
(`unmask_tokens_idx`): a quirk that is not copied, for no model has to write them.

Everything before the first question is the prefix, which all conversations about one picture share: start token, system
text, user header, picture, line break; in the plain formats start token and picture. The picture always stands first, as
in LLaVA's `preprocess_multimodal`: `<image>` behind the first question is moved, and anywhere else it is an error.
"""

import functools
import re
from dataclasses import dataclass

from utils.corpus.conversations import IMAGE_TOKEN
from utils.models.prompt_formats import VICUNA_V1, PromptFormat

IGNORE = -100  # label of tokens without loss, as in PyTorch's cross entropy

# Control token of a format -> which of the tokenizer's own tokens stands in; None: it is spelt in ordinary pieces.
STAND_INS = {
    "<s>": "bos_token_id", "<|begin_of_text|>": "bos_token_id",
    "</s>": "eos_token_id", "<|end_of_text|>": "eos_token_id", "<|eot_id|>": "eos_token_id", "<|im_end|>": "eos_token_id",
    "<|start_header_id|>": None, "<|end_header_id|>": None, "<|im_start|>": None,
}  # fmt: skip
_OWN = ("<s>", "</s>")
_MARKERS = re.compile("(" + "|".join(map(re.escape, STAND_INS)) + ")")


@dataclass(frozen=True)
class EncodedRow:
    """One conversation after its prefix; `dropped` turns at its end did not fit."""

    ids: list[int]
    labels: list[int]
    dropped: int


def render_prompt(question: str, prompt: PromptFormat = VICUNA_V1) -> str:
    """The text that asks one question about one picture, ready for generation (no space at the end, no start token)."""
    asked = question + prompt.after_question if prompt.asks else ""
    return f"{prompt.before_image}{IMAGE_TOKEN}{prompt.after_image}{asked}"


def _ids(tokenizer, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False)["input_ids"] if text else []


@functools.lru_cache(maxsize=4)
def _spaces_first(tokenizer) -> bool:
    """Whether the tokenizer puts a space before the first word it sees; Llama 2's kind does, byte-level ones do not."""
    return _ids(tokenizer, "1a")[-1:] != _ids(tokenizer, "a")


def _following(tokenizer, before: str, text: str) -> list[int]:
    """Ids of `text` where it follows `before`, as the whole text would give them: no space that the whole text has not.

    Where a token would span the border, the border wins: in generation nothing stands behind it yet.
    """
    if not before or not text or not _spaces_first(tokenizer):
        return _ids(tokenizer, text)
    head, whole = _ids(tokenizer, before), _ids(tokenizer, before + text)
    return whole[len(head) :] if whole[: len(head)] == head else _ids(tokenizer, text)


def _id_of(tokenizer, token: str) -> int | None:
    """The single id of `token`, None where the tokenizer does not have it."""
    found = tokenizer.convert_tokens_to_ids(token)
    return None if found == tokenizer.unk_token_id else found


def _marker_id(tokenizer, marker: str) -> int | None:
    """The one id for a format's control token: its own or the stand-in; None when it has to be spelt.

    Raises ValueError for an end marker when the tokenizer has no end token: answers would never stop.
    """
    found = None if marker in _OWN else _id_of(tokenizer, marker)
    own = STAND_INS[marker]
    if found is None and own:
        found = getattr(tokenizer, own)
        if found is None and own == "eos_token_id":
            raise ValueError(f"the tokenizer has neither {marker} nor an end token of its own; set its eos_token")
    return found


def _parts(text: str) -> list[tuple[str, bool]]:
    """(text, whether it is a control token) for a format's text."""
    return [(part, n % 2 == 1) for n, part in enumerate(_MARKERS.split(text)) if part]


def _encode(tokenizer, parts: list[tuple[str, bool]], before: str) -> list[int]:
    """Ids of the parts, which stand behind the text `before`; text between two control tokens is one piece."""
    ids: list[int] = []
    run = ""
    for text, is_marker in parts:
        marker = _marker_id(tokenizer, text) if is_marker else None
        if marker is None:
            run += text
            continue
        ids += [*_following(tokenizer, before, run), marker]
        before, run = tokenizer.convert_ids_to_tokens(marker), ""
    return ids + _following(tokenizer, before, run)


def image_id(tokenizer) -> int:
    """The id of `<image>`; raises ValueError for a tokenizer without it."""
    found = _id_of(tokenizer, IMAGE_TOKEN)
    if found is None:
        raise ValueError(f"the tokenizer has no {IMAGE_TOKEN} token, so the picture would have no place; add it as a special token")
    return found


def encode_prefix(tokenizer, image_tokens: int, prompt: PromptFormat = VICUNA_V1) -> list[int]:
    """Ids of everything up to the first question: start token, system text, `image_tokens` placeholders, line break.

    A tokenizer without a start token has none here. Raises ValueError when it has no image token.
    """
    start = _marker_id(tokenizer, prompt.start) if prompt.start else None
    before = _encode(tokenizer, _parts(prompt.before_image), "")
    after = _encode(tokenizer, _parts(prompt.after_image), IMAGE_TOKEN)
    return [*([] if start is None else [start]), *before, *[image_id(tokenizer)] * image_tokens, *after]


def end_id(tokenizer, prompt: PromptFormat = VICUNA_V1) -> int:
    """The id at which generation stops: the format's end token; the tokenizer's own where that is a line break (plain)."""
    return _marker_id(tokenizer, prompt.end if prompt.end in STAND_INS else "</s>")


def _clean(tokenizer, text: str, what: str, n: int, prompt: PromptFormat) -> str:
    """The text of a question or an answer, stripped; raises ValueError for what would break the turn."""
    if what == "question" and n == 1 and text.count(IMAGE_TOKEN) == 1:
        text = text.replace(IMAGE_TOKEN, "")  # the prefix holds the picture, wherever the row had it
    text = text.strip()
    if IMAGE_TOKEN in text:
        raise ValueError(f"turn {n} has {IMAGE_TOKEN} in its {what}; one picture stands before the first question, take the others out")
    if not any(letter.isprintable() and letter != " " for letter in text):
        raise ValueError(f"turn {n} has an empty {what}; give it text or remove the turn")
    if "<" in text or "[" in text:
        own = _MARKERS.findall(prompt.before_image + prompt.end)  # where it is spelt, a text could play a role header
        known = (token.content for token in tokenizer.added_tokens_decoder.values() if token.special)
        held = next((token for token in (*known, *own) if token in text), None)
        if held:
            raise ValueError(f"turn {n} has the control token {held} in its {what}; take it out")
    return text


def _asked(tokenizer, question: str, n: int, prompt: PromptFormat) -> list[int]:
    """Ids from a turn's beginning to where its answer begins."""
    if not prompt.asks:
        return []
    question = _clean(tokenizer, question, "question", n, prompt)
    parts = [*(_parts(prompt.next_turn) if n > 1 else []), (question, False), *_parts(prompt.after_question)]
    before = tokenizer.convert_ids_to_tokens(end_id(tokenizer, prompt)) if n > 1 else prompt.after_image or IMAGE_TOKEN
    return _encode(tokenizer, parts, before)


def _turn(tokenizer, question: str, answer: str, n: int, prompt: PromptFormat) -> tuple[list[int], list[int]]:
    """Ids of turn `n`, counted from 1: those without loss, then those with it."""
    asked = _asked(tokenizer, question, n, prompt)
    answer = _clean(tokenizer, answer, "answer", n, prompt)
    before = _parts(prompt.after_question)[-1][0] if prompt.after_question else prompt.after_image or IMAGE_TOKEN
    return asked, _encode(tokenizer, [(prompt.before_answer + answer, False), *_parts(prompt.end)], before)


def encode_question(tokenizer, question: str, prompt: PromptFormat = VICUNA_V1) -> list[int]:
    """Ids between the prefix and the answer that is to be generated: those that training sees for a first question.

    Raises ValueError for an empty question. The plain formats have none: nothing stands between picture and caption.
    """
    return _asked(tokenizer, question, 1, prompt)


def _turns(tokenizer, turns: list[tuple[str, str]], prompt: PromptFormat, room: int | None) -> EncodedRow:
    """Turn after turn while they fit in `room` tokens (None: all do); raises ValueError, see `encode_turns` and `encode_row`."""
    if not turns:
        raise ValueError("there is no answer, so no token carries loss; give it one or remove the row")
    if not prompt.asks and len(turns) > 1:
        raise ValueError(f"the prompt {prompt.name} takes one caption a row, and there are {len(turns)} turns; make a row of each")
    ids: list[int] = []
    labels: list[int] = []
    for n, (question, answer) in enumerate(turns, start=1):
        asked, told = _turn(tokenizer, question, answer, n, prompt)
        size = len(asked) + len(told)
        if room is not None and len(ids) + size > room:
            if n == 1:
                raise ValueError(f"its first question and answer have {size} tokens, {room} fit beside the picture; shorten them")
            return EncodedRow(ids, labels, dropped=len(turns) - n + 1)
        ids += asked + told
        labels += [IGNORE] * len(asked) + told
    return EncodedRow(ids, labels, dropped=0)


def encode_turns(tokenizer, turns: list[tuple[str, str]], prompt: PromptFormat = VICUNA_V1) -> tuple[list[int], list[int]]:
    """Ids and labels of one conversation after the prefix; labels are IGNORE except on answers and their end tokens.

    Raises ValueError when there is no turn, when a question or an answer is empty (LLaVA would then train on a broken
    turn), or when one holds a control token or a second picture.
    """
    row = _turns(tokenizer, turns, prompt, room=None)
    return row.ids, row.labels


def encode_row(tokenizer, name: str, turns: list[tuple[str, str]], room: int, prompt: PromptFormat = VICUNA_V1) -> EncodedRow:
    """`encode_turns` in at most `room` tokens (those left beside the prefix): whole turns are dropped from the end.

    haotian-liu/LLaVA cuts at the length instead, inside a word or an answer, whose end is then never learnt. Raises
    ValueError naming the row when the first turn alone is too long, and for everything that `encode_turns` refuses.
    """
    try:
        return _turns(tokenizer, turns, prompt, room)
    except ValueError as error:
        raise ValueError(f"row {name}: {error}") from error
