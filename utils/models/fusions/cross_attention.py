"""Type A, cross-attention inside the language model: before each layer, a gated layer lets every token look at the picture."""

import copy

import torch
from torch import nn

from utils.models.fusions.parts import Fusion, shipped
from utils.models.fusions.projector import language_of

LETTER, TITLE, SLOTS, PACKED = "A", "cross-attention inside the language model", 0, True
SOURCE = (
    "Flamingo (Alayrac et al. 2022, arXiv 2204.14198), gated layers before the language model's, gates from 0; built of Idefics' layer. "
    "Assumed: no resampler, 36 patches need none; the language model learns too, because it has to learn Portuguese"
)


class Gated(nn.Module):
    """A layer of the language model behind a gated cross-attention layer (`IdeficsGatedCrossAttentionLayer`)."""

    def __init__(self, gated, layer):
        super().__init__()
        self.gated, self.layer, self.picture = gated, layer, None

    def forward(self, hidden, *arguments, **options):
        batch, length, _ = hidden.shape
        # Without a mask of its own the layer would take the picture's patches for earlier and later words.
        everywhere = hidden.new_zeros(batch, 1, length, self.picture.shape[1])
        seen = self.gated(
            hidden, image_hidden_states=self.picture, image_attention_mask=everywhere, cross_attention_gate=hidden.new_ones(batch, length)
        )
        return self.layer(seen, *arguments, **options)


class CrossAttention(Fusion):
    """The picture never enters the sequence; the gated layers hold it while a batch runs."""

    rates = (("alpha_", 2e-2), ("gated", 2e-3), ("connector", 1e-3), ("second", 1e-3), ("language", 1e-3))

    def embed(self, batch: dict):
        picture = self.connected(batch)
        for layer in self.language.model.layers:
            layer.picture = picture
        return self.language.get_input_embeddings()(batch["input_ids"]), batch["labels"]


def build(tokenizer, seed: int) -> CrossAttention:
    """The fusion; the gated layers are new, from `seed`, and closed: before training it is the plain language model."""
    from transformers import IdeficsConfig
    from transformers.models.idefics.modeling_idefics import IdeficsGatedCrossAttentionLayer

    llava = shipped(tokenizer)
    language = language_of(llava)
    text = language.config
    config = IdeficsConfig(
        hidden_size=text.hidden_size, num_attention_heads=text.num_attention_heads, intermediate_size=text.intermediate_size,
        vision_config={"embed_dim": text.hidden_size}, alpha_initializer="zeros", alpha_type="float", dropout=0.0,
        attn_implementation="sdpa",
    )  # fmt: skip
    torch.manual_seed(seed)
    for number, layer in enumerate(language.model.layers):
        language.model.layers[number] = Gated(IdeficsGatedCrossAttentionLayer(config, number), layer)
    return CrossAttention(tokenizer, llava.model.vision_tower, llava.model.multi_modal_projector, language)


def add_second(model: CrossAttention, llava, seed: int) -> None:
    """A second modality: a projector of its own to the same gated layers, which starts as a copy of the picture's."""
    model.second = copy.deepcopy(model.connector)
