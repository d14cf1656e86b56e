"""What an answer costs a fusion: parameters, tokens in the sequence, multiplications and memory, measured on the real module."""

from dataclasses import dataclass

from utils.models.fusions import fusion
from utils.models.fusions.parts import PROMPT, Fusion, counts


@dataclass(frozen=True)
class Cost:
    """What an answer needs: a tower that only helped at the start of training does not count.

    `sequence` counts tokens before the answer; `flops` is one forward pass over them, tower included; `memory_mb` holds the weights in 32 bits.
    """

    parameters: int
    trained: int
    sequence: int
    flops: int
    memory_mb: float


def cost(name: str, model: Fusion, tokenizer, question: str = "O que está no canto superior esquerdo?") -> Cost:
    """The cost of reading one picture and one question; operations counted by torch's `FlopCounterMode` (a multiply and an add are two).

    It counts matrix products and convolutions. A state-space model's decays are elementwise products, which it leaves out:
    there the number is a lower bound.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from utils.models.prompts import encode_prefix, encode_question
    from utils.models.tiny import IMAGE_SIZE

    ids = torch.tensor([encode_prefix(tokenizer, fusion(name).SLOTS, PROMPT) + encode_question(tokenizer, question, PROMPT)])
    batch = {"input_ids": ids, "labels": ids, "attention_mask": torch.ones_like(ids), "pixel_values": torch.zeros(1, 3, IMAGE_SIZE, IMAGE_SIZE)}
    with torch.no_grad(), FlopCounterMode(display=False) as counted:
        embeddings, _ = model.embed(batch)
        model.language(inputs_embeds=embeddings, attention_mask=batch["attention_mask"], use_cache=False, logits_to_keep=1)
    sizes = counts(model)
    used = sizes["all"] - (0 if model.tower_looks else sizes["tower"])
    return Cost(used, sizes["trained"], ids.shape[1], counted.get_total_flops(), used * 4 / 2**20)


def own_parts(name: str) -> int:
    """How many modules of the fusion's own stand inside its language model: 0 where the layers are transformers' own, untouched."""
    from utils.models.fusions.parts import base_tokenizer

    language = fusion(name).build(base_tokenizer(), 0).language
    return sum(type(module).__module__.startswith("utils.") for module in language.modules())


def costs() -> dict[str, Cost]:
    """The cost of every fusion as built, untrained: learning changes none of these numbers."""
    from utils.models.fusions import fusions
    from utils.models.fusions.parts import base_tokenizer

    tokenizer = base_tokenizer()
    return {name: cost(name, module.build(tokenizer, 0), tokenizer) for name, module in fusions().items()}


def rows(found: dict[str, Cost]) -> list[dict]:
    """Costs as rows of a table, in the order of the types."""
    return [
        {
            "type": fusion(name).LETTER, "how": fusion(name).TITLE, "parameters": f"{one.parameters:,}", "learn": f"{one.trained:,}",
            "tokens before an answer": one.sequence, "operations, millions": f"{'≥ ' if name == 'state_space' else ''}{one.flops / 1e6:.0f}",
            "weights, MB": f"{one.memory_mb:.1f}",
        }
        for name, one in found.items()
    ]  # fmt: skip
