"""Type C, projector at the input: projected patches stand in the sequence like words; the language model's layers are unchanged."""

import copy

from utils.models.fusions.parts import Fusion, shipped
from utils.models.tiny import IMAGE_TOKENS

LETTER, TITLE, SLOTS, PACKED = "C", "projector at the input", IMAGE_TOKENS, True
SOURCE = "LLaVA-1.5 (Liu et al. 2023, arXiv 2310.03744): two-layer MLP, stage 2 trains projector and language model"


class Projector(Fusion):
    """LLaVA's own parts: tower, two-layer MLP, LLaMA."""

    rates = (("connector", 1e-3), ("second", 1e-3), ("language", 1e-3))

    def embed(self, batch: dict):
        return self.scatter(batch["input_ids"], self.connected(batch)), batch["labels"]


def build(tokenizer, seed: int) -> Projector:
    """The fusion; all its weights come from the shipped base, so `seed` decides nothing but the order of training."""
    llava = shipped(tokenizer)
    return Projector(tokenizer, llava.model.vision_tower, llava.model.multi_modal_projector, language_of(llava))


def add_second(model: Projector, llava, seed: int) -> None:
    """A second modality: a projector of its own, which starts as a copy of the picture's."""
    model.second = copy.deepcopy(model.connector)


def language_of(llava):
    """The base's language model as transformers' own `LlamaForCausalLM`, its input and output matrices tied."""
    from transformers import LlamaForCausalLM

    language = LlamaForCausalLM(llava.config.text_config)
    language.model.load_state_dict(llava.model.language_model.state_dict())
    language.tie_weights()
    return language.to(llava.dtype)
