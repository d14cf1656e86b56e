"""Type B, custom layers: in each layer picture tokens pass through weights of their own, words through the language model's."""

import copy

import torch
from torch import nn

from utils.models.fusions.parts import Fusion, shipped
from utils.models.fusions.projector import language_of
from utils.models.tiny import IMAGE_TOKENS

LETTER, TITLE, SLOTS, PACKED = "B", "custom layers: a visual expert", IMAGE_TOKENS, True
SOURCE = (
    "CogVLM (Wang et al. 2023, arXiv 2311.03079): separate attention and feed-forward weights for picture tokens, copied from the language model's. "
    "Assumed: the language model learns too, because it has to learn Portuguese"
)
ROUTED = ("q_proj", "k_proj", "v_proj", "o_proj")
READ_LAST = ("k_proj", "v_proj")  # in the last layer words read nothing else of a picture token: other experts there would never learn


class Expert(nn.Module):
    """A module of the language model and its copy for picture tokens; `where` (batch, length) says which tokens those are."""

    def __init__(self, words):
        super().__init__()
        self.words, self.expert, self.where, self.chosen = words, copy.deepcopy(words), None, None

    def forward(self, hidden):
        out = self.words(hidden)
        if self.where is None or self.where.shape != hidden.shape[:2]:  # the steps of generation hold words only
            return out
        out = out.masked_scatter(self.where[..., None], self.expert(hidden[self.where]))
        if self.chosen is None:
            return out
        second = self.where & self.chosen[:, None]  # rows whose picture is of the second modality
        return out.masked_scatter(second[..., None], self.second(hidden[second]))


class VisualExpert(Fusion):
    """Projected patches in the sequence, as in type C, and an expert for them in every layer."""

    rates = (("expert", 1e-3), ("connector", 1e-3), ("second", 1e-3), ("language", 1e-3))

    def embed(self, batch: dict):
        where = batch["input_ids"] == self.image_id
        for module in self.modules():
            if isinstance(module, Expert):
                module.where, module.chosen = (where if where.any() else None), batch.get("second")
        return self.scatter(batch["input_ids"], self.connected(batch)), batch["labels"]


def build(tokenizer, seed: int) -> VisualExpert:
    """The fusion; experts start as copies, so before training it equals type C."""
    torch.manual_seed(seed)
    llava = shipped(tokenizer)
    language = language_of(llava)
    last = len(language.model.layers) - 1
    for number, layer in enumerate(language.model.layers):
        for name in ROUTED if number < last else READ_LAST:
            setattr(layer.self_attn, name, Expert(getattr(layer.self_attn, name)))
        if number < last:
            layer.mlp = Expert(layer.mlp)
    return VisualExpert(tokenizer, llava.model.vision_tower, llava.model.multi_modal_projector, language)


def add_second(model: VisualExpert, llava, seed: int) -> None:
    """A second modality: a projector and in every layer experts of its own, which start as copies of the picture's."""
    model.second = copy.deepcopy(model.connector)
    for module in [module for module in model.modules() if isinstance(module, Expert)]:
        module.second = copy.deepcopy(module.expert)
