"""Load a LLaVA: the shipped tiny one, a folder, a hub's, or the true shape with random weights. One door."""

import os
from pathlib import Path

import torch
from transformers import AutoTokenizer, CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration
from transformers.utils import logging

from utils.corpus.conversations import IMAGE_TOKEN
from utils.models.tokenizer import train_tokenizer
from utils.runs import ROOT, UserError
from utils.scales import Scale

SHIPPED = ROOT / "data" / "base"

# LLaVA-1.5 (arXiv 2310.03744; haotian-liu/LLaVA): CLIP ViT-L/14 at 336 pixels, Vicuna v1.5.
_SHAPES = {
    "llava-hf/llava-1.5-7b-hf": {"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32},
    "llava-hf/llava-1.5-13b-hf": {"hidden_size": 5120, "intermediate_size": 13824, "num_hidden_layers": 40, "num_attention_heads": 40},
}


def true_shape(hub_id: str) -> LlavaConfig:
    """The configuration of a LLaVA-1.5 checkpoint, without asking the hub."""
    vision = CLIPVisionConfig(
        hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16, image_size=336, patch_size=14, projection_dim=768
    )
    text = LlamaConfig(vocab_size=32064, max_position_embeddings=4096, rms_norm_eps=1e-5, pad_token_id=32001, **_SHAPES[hub_id])
    return LlavaConfig(
        vision_config=vision, text_config=text, image_token_index=32000, vision_feature_layer=-2, vision_feature_select_strategy="default",
        image_seq_length=576, projector_hidden_act="gelu",
    )  # fmt: skip


def load_folder(folder: Path, dtype: torch.dtype = torch.float32) -> tuple[LlavaForConditionalGeneration, object]:
    """(model, tokenizer) from a folder in llava-hf layout; safetensors only.

    Raises UserError when the folder is missing or is no such model.
    """
    folder = Path(folder)
    if not (folder / "config.json").exists():
        raise UserError(f"{folder} holds no model (no config.json); train one with: make journey, or name another folder with --model")
    if not list(folder.glob("*.safetensors")):
        raise UserError(f"{folder} has no .safetensors weights; other formats are not loaded, because they can run code")
    logging.disable_progress_bar()  # a local folder loads in no time
    try:
        model = LlavaForConditionalGeneration.from_pretrained(folder, dtype=dtype, use_safetensors=True, local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"the model in {folder} cannot be loaded ({str(error).splitlines()[0]}); train or copy it again") from error
    return model.eval(), tokenizer


def load_hub(hub_id: str, dtype: torch.dtype, four_bit: bool = False) -> tuple[LlavaForConditionalGeneration, object]:
    """(model, tokenizer) of a hub id; raises UserError telling what is missing when the hub cannot be reached."""
    extra = {}
    if four_bit:
        from transformers import BitsAndBytesConfig

        extra["quantization_config"] = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)
    try:
        tokenizer = AutoTokenizer.from_pretrained(hub_id)
        model = LlavaForConditionalGeneration.from_pretrained(hub_id, dtype=dtype, use_safetensors=True, **extra)
    except (OSError, ImportError) as error:
        raise UserError(
            f"the weights {hub_id} are not here ({type(error).__name__}): connect to the hub, or download them elsewhere and set HF_HOME, "
            "or rehearse the shape with WEIGHTS=random"
        ) from error
    return model.eval(), tokenizer


def load_start(scale: Scale, weights: str | None = None) -> tuple[LlavaForConditionalGeneration, object]:
    """The model a recipe starts from at a scale. `weights` (or the environment variable WEIGHTS) may say "random"."""
    weights = weights or os.environ.get("WEIGHTS") or "hub"
    if weights not in ("hub", "random"):
        raise UserError(f"WEIGHTS {weights!r} is unknown; use hub or random")
    if scale.weights == "data":
        return load_folder(SHIPPED)
    dtype = getattr(torch, scale.dtype)
    if weights == "hub":
        model, tokenizer = load_hub(scale.weights, dtype, scale.four_bit)
    else:
        tokenizer = train_tokenizer()
        config = true_shape(scale.weights)
        config.image_token_index = tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)
        with torch.device(scale.device if torch.cuda.is_available() else "cpu"):
            model = LlavaForConditionalGeneration._from_config(config, dtype=dtype)
    if scale.device == "cuda" and not torch.cuda.is_available():
        raise UserError(f"scale {scale.name} wants {scale.machine}, and no GPU was found; use SCALE=tiny here")
    return (model if scale.four_bit else model.to(scale.device)).eval(), tokenizer


def load_model(reference: Path | str, scale: Scale) -> tuple[LlavaForConditionalGeneration, object]:
    """(model, tokenizer) on the scale's device: from a folder, or the scale's start model when `reference` is its name."""
    if str(reference) == scale.weights:
        return load_start(scale)
    model, tokenizer = load_folder(Path(reference), getattr(torch, scale.dtype))
    return model.to(scale.device if torch.cuda.is_available() else "cpu"), tokenizer


def image_tokens(model) -> int:
    return model.config.image_seq_length


def image_size(model) -> int:
    return model.config.vision_config.image_size
