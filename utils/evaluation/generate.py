"""Answers from a model: greedy, batched, left-padded, through transformers' own `generate`."""

import torch
from PIL import Image

from utils.models.prompt_formats import PROMPTS, PromptFormat
from utils.models.prompts import encode_prefix, encode_question, end_id
from utils.models.tiling import picture_inputs, picture_tokens


@torch.inference_mode()
def answer_all(
    model, tokenizer, pictures: list[Image.Image], questions: list[str], batch: int = 64, max_new_tokens: int = 96, prompt: str = ""
) -> list[str]:
    """One answer per (picture, question), in order, from any of the course's classes. An answer may be empty.

    Without a `prompt` it is the format that the model was trained with here; vicuna_v1 for others.
    """
    form = PROMPTS[prompt or getattr(model.config, "prompt", "vicuna_v1")]
    asked = _asked(model.config, tokenizer, pictures, questions, form)
    order = sorted(range(len(asked)), key=lambda i: len(asked[i]))
    answers = [""] * len(asked)
    alone = model.config.text_config.is_encoder_decoder  # the others return the question with its answer
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        length = max(len(asked[i]) for i in chosen)
        ids = torch.full((len(chosen), length), tokenizer.pad_token_id)
        for row, i in enumerate(chosen):
            ids[row, length - len(asked[i]) :] = torch.tensor(asked[i])
        lengths = torch.tensor([len(asked[i]) for i in chosen])
        attention = (torch.arange(length)[None] >= length - lengths[:, None]).long()
        out = model.generate(
            input_ids=ids.to(model.device), attention_mask=attention.to(model.device), **shown(model, [pictures[i] for i in chosen]),
            max_new_tokens=max_new_tokens, do_sample=False, pad_token_id=tokenizer.pad_token_id, eos_token_id=end_id(tokenizer, form),
        )  # fmt: skip
        for row, i in enumerate(chosen):
            answers[i] = tokenizer.decode(out[row] if alone else out[row, length:], skip_special_tokens=True).strip()
    return answers


def _asked(config, tokenizer, pictures: list[Image.Image], questions: list[str], form: PromptFormat) -> list[list[int]]:
    """Ids of each question behind its picture's placeholders."""
    prefixes: dict[int, list[int]] = {}
    found = []
    for picture, question in zip(pictures, questions, strict=True):
        size = picture_tokens(config, (picture.height, picture.width))
        if size not in prefixes:
            prefixes[size] = encode_prefix(tokenizer, size, form)
        found.append(prefixes[size] + encode_question(tokenizer, question, form))
    return found


def shown(model, pictures: list[Image.Image]) -> dict[str, torch.Tensor]:
    """What the model's class takes of a batch of pictures; blank views behind those of pictures with fewer tiles."""
    inputs = [picture_inputs(model.config, picture) for picture in pictures]
    pixels = torch.nn.utils.rnn.pad_sequence([one["pixel_values"][0] for one in inputs], batch_first=True)
    sizes = {"image_sizes": torch.cat([one["image_sizes"] for one in inputs]).to(model.device)} if "image_sizes" in inputs[0] else {}
    return {"pixel_values": pixels.to(model.device, model.dtype)} | sizes
