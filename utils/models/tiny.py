"""A LLaVA of two to three million parameters, built from transformers' own classes."""

import math

import torch
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

from utils.corpus.conversations import IMAGE_TOKEN

IMAGE_SIZE, PATCH = 96, 16
IMAGE_TOKENS = (IMAGE_SIZE // PATCH) ** 2  # 36


def tiny_config(tokenizer) -> LlavaConfig:
    """CLIP-class tower (128 wide, 4 layers), two-layer MLP projector, LLaMA (192 wide, 4 layers, tied embeddings)."""
    vision = CLIPVisionConfig(
        hidden_size=128, intermediate_size=512, num_hidden_layers=4, num_attention_heads=4, image_size=IMAGE_SIZE, patch_size=PATCH
    )
    text = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=192, intermediate_size=512, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=4, max_position_embeddings=1024, initializer_range=0.06, tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    return LlavaConfig(
        vision_config=vision, text_config=text, image_token_index=tokenizer.convert_tokens_to_ids(IMAGE_TOKEN),
        projector_hidden_act="gelu", vision_feature_select_strategy="default",
        # LLaVA takes layer -2 because CLIP's last layer is bent to its contrastive loss; this tower has no such loss.
        vision_feature_layer=-1, image_seq_length=IMAGE_TOKENS, tie_word_embeddings=True,
    )  # fmt: skip


def _sine_positions(side: int, width: int) -> torch.Tensor:
    """2-D sine-cosine positions, (side*side, width): a ViT trained on few pictures needs this start."""
    rates = torch.exp(-math.log(100.0) * torch.arange(width // 4) / (width // 4))
    one = torch.cat([f(torch.arange(side)[:, None] * rates[None]) for f in (torch.sin, torch.cos)], dim=1)
    rows, columns = one[:, None].expand(side, side, -1), one[None].expand(side, side, -1)
    return torch.cat([rows, columns], dim=-1).reshape(side * side, width)


def build_tiny(tokenizer, seed: int = 0) -> LlavaForConditionalGeneration:
    """The tiny model with random weights from `seed`."""
    torch.manual_seed(seed)
    model = LlavaForConditionalGeneration(tiny_config(tokenizer))
    with torch.no_grad():
        model.model.vision_tower.embeddings.position_embedding.weight[1:] = 0.5 * _sine_positions(IMAGE_SIZE // PATCH, 128)
    return model
