"""Pictures on their way into a row: pixels, the tower's features (cached where it is frozen), tokens in the language model's width."""

from collections.abc import Callable
from pathlib import Path

import torch

from utils.corpus.images import inside, load_picture
from utils.models.prompt_formats import VICUNA_V1, PromptFormat
from utils.models.prompts import encode_prefix
from utils.models.tiling import picture_inputs, picture_tokens, tiling_of

CACHE_LIMIT = 2 << 30  # bytes of tower features kept in memory; more are computed again at each step


def plain_model(model):
    """The model inside a PEFT wrapper, or the model itself; adapters stay in place."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def prefixes(tokenizer, config, images: Path, prompt: PromptFormat = VICUNA_V1) -> Callable[[str], tuple[int, ...]]:
    """A function that gives the prefix of a picture by its name: one for all, or as many placeholders as the picture's tiles need."""
    if tiling_of(config) is None:
        one = tuple(encode_prefix(tokenizer, picture_tokens(config, (0, 0)), prompt))
        return lambda _: one
    known: dict[int, tuple[int, ...]] = {}

    def of_picture(name: str) -> tuple[int, ...]:
        shown = load_picture(inside(images, name))
        size = picture_tokens(config, (shown.height, shown.width))
        if size not in known:
            known[size] = tuple(encode_prefix(tokenizer, size, prompt))
        return known[size]

    return of_picture


def picture_of(config, images: Path, name: str) -> dict[str, torch.Tensor]:
    """One picture's `pixels` (views, 3, side, side), and `image_sizes` (1, 2), height and width, where the model tiles."""
    found = picture_inputs(config, load_picture(inside(images, name)))
    pixels = found["pixel_values"]
    return {"pixels": pixels[0] if pixels.dim() == 5 else pixels} | {k: v for k, v in found.items() if k != "pixel_values"}


def joined(pictures: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Pictures of a batch one after another: `pixel_values`, `features` (views, …) or told `words`, and for tiles `views` (pictures,) and `image_sizes`."""
    what = next(name for name in ("features", "words", "pixels") if name in pictures[0])
    batch = {"pixel_values" if what == "pixels" else what: torch.cat([one[what] for one in pictures])}
    if "image_sizes" in pictures[0]:
        batch["views"] = torch.tensor([len(one[what]) for one in pictures])
        batch["image_sizes"] = torch.cat([one["image_sizes"] for one in pictures])
    return batch


def tower_features(model, pixel_values: torch.Tensor) -> torch.Tensor:
    """(views, patches, vision width): the tower's chosen layer, without the class token where the model drops it; all tokens for a Q-Former."""
    plain = plain_model(model)
    queried = hasattr(plain.config, "qformer_config")
    tower = plain.vision_model if queried else plain.model.vision_tower
    # Activation checkpointing hooks the tower's input: without this a frozen tower would be walked backwards for nothing.
    learns = torch.is_grad_enabled() and any(parameter.requires_grad for parameter in tower.parameters())
    with torch.set_grad_enabled(learns):
        if queried:
            return tower(pixel_values).last_hidden_state
        found = tower(pixel_values, output_hidden_states=True).hidden_states[plain.config.vision_feature_layer]
    return found[:, 1:] if plain.config.vision_feature_select_strategy == "default" else found


def image_embeddings(model, batch: dict) -> torch.Tensor:
    """(views, patches, text width) of projected patches; for tiles (tokens, text width), unpadded and with line ends, as the class packs them.

    From pixels or from cached tower features.
    """
    features = batch["features"] if "features" in batch else tower_features(model, batch["pixel_values"])
    core = plain_model(model).model
    projected = core.multi_modal_projector(features)
    if "views" not in batch:
        return projected
    aspect = getattr(core.config, "vision_aspect_ratio", None)  # LLaVA-OneVision's limit on the map of patches
    extra = {"vision_aspect_ratio": aspect} if aspect else {"vision_feature_select_strategy": core.config.vision_feature_select_strategy}
    pieces = projected.split(batch["views"].tolist())
    return torch.cat(core.pack_image_features(pieces, batch["image_sizes"], image_newline=core.image_newline, **extra)[0])


@torch.no_grad()
def cache_features(model, pictures: list[str], images: Path, batch: int = 64) -> dict[str, dict] | None:
    """Per picture what `joined` takes, with tower features computed once because the tower is frozen; None when memory would not hold them."""
    found: dict[str, dict] = {}
    config, used = plain_model(model).config, 0
    for start in range(0, len(pictures), batch):
        shown = [picture_of(config, images, name) for name in pictures[start : start + batch]]
        features = tower_features(model, torch.cat([one["pixels"] for one in shown]).to(model.device, model.dtype)).cpu()
        pieces = features.split([len(one["pixels"]) for one in shown])
        used += features.numel() * features.element_size()
        if used / (start + len(shown)) * len(pictures) > CACHE_LIMIT:
            return None
        for name, one, piece in zip(pictures[start : start + batch], shown, pieces, strict=True):
            # A copy: a slice would keep the whole batch alive, and a pickled one would carry it.
            found[name] = {"features": piece.clone()} | {k: v for k, v in one.items() if k != "pixels"}
    return found
