"""Answers from a model: greedy, batched, left-padded, through transformers' own `generate`."""

import torch
from PIL import Image

from utils.models.load import image_size, image_tokens
from utils.models.pixels import to_pixels
from utils.models.prompts import PROMPTS, encode_prefix, encode_question, end_id


@torch.inference_mode()
def answer_all(
    model, tokenizer, pictures: list[Image.Image], questions: list[str], batch: int = 64, max_new_tokens: int = 96, prompt: str = "vicuna_v1"
) -> list[str]:
    """One answer per (picture, question), in order. An answer may be empty."""
    form = PROMPTS[prompt]
    prefix = encode_prefix(tokenizer, image_tokens(model), form)
    asked = [prefix + encode_question(tokenizer, question, form) for question in questions]
    order = sorted(range(len(asked)), key=lambda i: len(asked[i]))
    answers = [""] * len(asked)
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        length = max(len(asked[i]) for i in chosen)
        ids = torch.full((len(chosen), length), tokenizer.pad_token_id)
        for row, i in enumerate(chosen):
            ids[row, length - len(asked[i]) :] = torch.tensor(asked[i])
        lengths = torch.tensor([len(asked[i]) for i in chosen])
        attention = (torch.arange(length)[None] >= length - lengths[:, None]).long()
        pixels = torch.stack([to_pixels(pictures[i], image_size(model)) for i in chosen])
        out = model.generate(
            input_ids=ids.to(model.device), attention_mask=attention.to(model.device), pixel_values=pixels.to(model.device, model.dtype),
            max_new_tokens=max_new_tokens, do_sample=False, pad_token_id=tokenizer.pad_token_id, eos_token_id=end_id(tokenizer, form),
        )  # fmt: skip
        for row, i in enumerate(chosen):
            answers[i] = tokenizer.decode(out[row, length:], skip_special_tokens=True).strip()
    return answers
