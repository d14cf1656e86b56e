"""The conversation formats of the systems that the course compares, each as its source writes it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PromptFormat:
    """A conversation format: the text before the picture, around each question and after each answer.

    `start` comes first of all; `end` closes each answer and is learnt. With `asks` false there are no questions: a
    row is one caption, and what the human said is left out.
    """

    name: str
    before_image: str
    after_image: str
    after_question: str
    before_answer: str
    next_turn: str
    start: str = "<s>"
    end: str = "</s>"
    asks: bool = True


VICUNA_V1 = PromptFormat(  # haotian-liu/LLaVA llava/conversation.py, conv_vicuna_v1
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

PLAIN = PromptFormat(  # the same file, conv_llava_plain: stage 1; a line break is the only end
    name="plain", before_image="", after_image="", after_question="", before_answer="", next_turn="", end="\n", asks=False
)

PLAIN_NDINO = PromptFormat(  # LLaVA-NDiNO, Listing 1: pre-training in Italian
    name="plain_ndino", before_image="", after_image="", after_question="", before_answer="", next_turn="",
    start="<|begin_of_text|>", end="<|end_of_text|>", asks=False,
)  # fmt: skip

LLAMA_3 = PromptFormat(  # LLaVA-NDiNO, Listing 2: Llama 3's chat without a system prompt
    name="llama_3",
    before_image="<|start_header_id|>user<|end_header_id|>\n\n",
    after_image="\n",
    after_question="<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
    before_answer="",
    next_turn="<|start_header_id|>user<|end_header_id|>\n\n",
    start="<|begin_of_text|>",
    end="<|eot_id|>",
)

# LLaVA-VL/LLaVA-NeXT llava/train/train.py, preprocess_qwen (OneVision). The line break after an answer's end opens the
# next turn here, so that nothing follows the last end token. No start token: Qwen's tokenizers have none.
CHATML = PromptFormat(
    name="chatml",
    before_image="<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n",
    after_image="\n",
    after_question="<|im_end|>\n<|im_start|>assistant\n",
    before_answer="",
    next_turn="\n<|im_start|>user\n",
    start="",
    end="<|im_end|>",
)

# haotian-liu/LLaVA llava/conversation.py, conv_chatml_direct: no line break between messages. That it goes without a
# start token is assumed: there the tokenizer decides.
CHATML_DIRECT = PromptFormat(
    name="chatml_direct",
    before_image="<|im_start|>system\nAnswer the questions.<|im_end|><|im_start|>user\n",
    after_image="\n",
    after_question="<|im_end|><|im_start|>assistant\n",
    before_answer="",
    next_turn="<|im_start|>user\n",
    start="",
    end="<|im_end|>",
)

# gregor-ge/mBLIP src/tasks/vllm/data.py: the queries, the instruction, the answer; no roles and no system text.
MBLIP = PromptFormat(
    name="mblip", before_image="", after_image="", after_question="", before_answer=" ", next_turn="\n", start=""
)  # fmt: skip

PROMPTS = {prompt.name: prompt for prompt in (PLAIN, PLAIN_NDINO, VICUNA_V1, LLAMA_3, CHATML, CHATML_DIRECT, MBLIP)}
