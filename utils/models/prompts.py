"""Prompts and label masks, built together: a token's label is decided where the token is made, never re-found.

Formats from haotian-liu/LLaVA `llava/conversation.py`; which tokens carry loss from its `llava/train/train.py`:
each answer and its end token, nothing else.
"""

from dataclasses import dataclass

from utils.corpus.conversations import IMAGE_TOKEN

IGNORE = -100  # label of tokens without loss, as in PyTorch's cross entropy


@dataclass(frozen=True)
class PromptFormat:
    """A conversation format: the text before the picture, around each question and after each answer."""

    name: str
    before_image: str
    after_image: str
    after_question: str
    before_answer: str
    next_turn: str


VICUNA_V1 = PromptFormat(
    name="vicuna_v1",
    before_image=(
        "A chat between a curious user and an artificial intelligence assistant. "
        "The assistant gives helpful, detailed, and polite answers to the user's questions. USER: "
    ),
    after_image="\n",
    after_question=" ASSISTANT:",
    before_answer=" ",
    next_turn="USER: ",
)
PROMPTS = {VICUNA_V1.name: VICUNA_V1}


def render_prompt(question: str, prompt: PromptFormat = VICUNA_V1) -> str:
    """The text that asks one question about one picture, ready for generation (no space at the end)."""
    return f"{prompt.before_image}{IMAGE_TOKEN}{prompt.after_image}{question}{prompt.after_question}"


def _ids(tokenizer, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def encode_prefix(tokenizer, image_tokens: int, prompt: PromptFormat = VICUNA_V1) -> list[int]:
    """Ids of everything up to the first question: start token, system text, `image_tokens` placeholders, line break."""
    image = tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)
    before, after = _ids(tokenizer, prompt.before_image), _ids(tokenizer, prompt.after_image)
    return [tokenizer.bos_token_id, *before, *[image] * image_tokens, *after]


def encode_turns(tokenizer, turns: list[tuple[str, str]], prompt: PromptFormat = VICUNA_V1) -> tuple[list[int], list[int]]:
    """Ids and labels of one conversation after the prefix; labels are IGNORE except on answers and their end tokens.

    Raises ValueError when a question or an answer is empty: LLaVA would then train on a broken turn.
    """
    ids: list[int] = []
    labels: list[int] = []
    for n, (question, answer) in enumerate(turns, start=1):
        if not question.strip() or not answer.strip():
            raise ValueError(f"turn {n} has an empty {'question' if not question.strip() else 'answer'}; give it text or remove the turn")
        asked = _ids(tokenizer, (prompt.next_turn if n > 1 else "") + question.strip() + prompt.after_question)
        told = [*_ids(tokenizer, prompt.before_answer + answer.strip()), tokenizer.eos_token_id]
        ids += asked + told
        labels += [IGNORE] * len(asked) + told
    return ids, labels
