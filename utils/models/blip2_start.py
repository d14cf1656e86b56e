"""The small BLIP-2 that mBLIP starts from: eyes that learnt in English, beside a language model that has read and never seen.

BLIP-2's checkpoint brings tower and Q-Former, mT0's or BLOOMZ's the language model, and they have never met (Geigle et al. 2024, arXiv
2307.06930): so it is here. `training/blip2_base.py` makes the files.
"""

from collections.abc import Mapping
from pathlib import Path

import torch

from utils.models.small import small_blip2
from utils.runs import ROOT, UserError

SHIPPED = ROOT / "data" / "blip2"
EYES = "eyes.safetensors"  # tower, Q-Former and the projection to the English language model
_TOWER = "model.vision_tower."


def eva_from_clip(clip: Mapping[str, torch.Tensor], layers: int) -> dict[str, torch.Tensor]:
    """A LLaVA's CLIP tower under the names of BLIP-2's: queries, keys and values in one matrix, no norm before the first layer.

    The missing norm, a patch's bias and the norm at the end are what training has to make up for. `clip` is a LLaVA's state.
    """
    embeddings = f"{_TOWER}embeddings."
    found = {
        "embeddings.class_embedding": clip[embeddings + "class_embedding"][None, None],
        "embeddings.patch_embedding.weight": clip[embeddings + "patch_embedding.weight"],
        "embeddings.position_embedding": clip[embeddings + "position_embedding.weight"][None],
    }
    for n in range(layers):
        there, here = f"{_TOWER}encoder.layers.{n}.", f"encoder.layers.{n}."
        for what in ("weight", "bias"):
            found[f"{here}self_attn.qkv.{what}"] = torch.cat([clip[f"{there}self_attn.{one}_proj.{what}"] for one in "qkv"])
            found[f"{here}self_attn.projection.{what}"] = clip[f"{there}self_attn.out_proj.{what}"]
            for same in ("layer_norm1", "layer_norm2", "mlp.fc1", "mlp.fc2"):
                found[f"{here}{same}.{what}"] = clip[f"{there}{same}.{what}"]
    return {f"vision_model.{name}": value for name, value in found.items()}


def blip2_from_llava(llava, tokenizer, seed: int = 0):
    """A small BLIP-2 around a tiny LLaVA's language model and tower; Q-Former and projection are new, from `seed`."""
    model, state = small_blip2(tokenizer, "llama", seed), llava.state_dict()
    language = {name.replace("model.language_model.", "language_model.model."): value for name, value in state.items() if "language_model" in name}
    _put(model, eva_from_clip(state, model.config.vision_config.num_hidden_layers) | language)
    return model


def with_eyes(model, folder: Path = SHIPPED):
    """The small BLIP-2 with the trained tower, Q-Former and queries; what stood between them and its language model stays its own."""
    return _put(model, {name: value for name, value in _read(folder / EYES).items() if not name.startswith("language_projection")})


def blip2_start(kind: str, tokenizer, folder: Path = SHIPPED, seed: int = 0):
    """mBLIP's start at the tiny scale: the English eyes and the language model `kind`, "mt5" with its projection, "bloom" with a random one.

    Raises UserError when a file is missing.
    """
    model = with_eyes(small_blip2(tokenizer, kind, seed), folder)
    return _put(model, _read(folder / f"{kind}.safetensors"))


def english_blip2(llava, tokenizer, folder: Path = SHIPPED, seed: int = 0):
    """The English BLIP-2 itself: the eyes with their projection, beside the language model of a tiny LLaVA. Raises UserError."""
    return _put(blip2_from_llava(llava, tokenizer, seed), _read(folder / EYES))


def _read(path: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    if not path.exists():
        raise UserError(f"{path} is missing; take it from the repository, or make it with: python -m utils base --blip2 --install")
    return {name: value.float() for name, value in load_file(path).items()}


def _put(model, tensors: Mapping[str, torch.Tensor]):
    """The model with these tensors in place; raises UserError for one that has no place or another size."""
    own = model.state_dict()
    for name, value in tensors.items():
        if name not in own or own[name].shape != value.shape:
            raise UserError(f"the tensor {name} {tuple(value.shape)} has no place in the small BLIP-2; take data/blip2 of this version of the course")
    model.load_state_dict(dict(tensors), strict=False)
    return model
