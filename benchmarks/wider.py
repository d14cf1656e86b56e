"""A LLaVA with the same weights for a bigger picture, so that a picture takes as large a share of a row as it does in LLaVA-Instruct."""

import copy

from utils.runs import UserError

LONGEST = 4096  # positions of the language model: several bigger pictures share a row


def wider_picture(model, pixels: int):
    """A copy of a CLIP-towered LLaVA for pictures of `pixels` × `pixels`, in the same dtype, on the same device and in the same mode.

    All weights stay but the tower's position embeddings, which are interpolated (bicubic) to the new grid of patches, as
    transformers' CLIPVisionEmbeddings.interpolate_pos_encoding does; the class token's stays. The configuration's image_size,
    image_seq_length and max_position_embeddings follow. Raises UserError where the patches do not tile the side.
    """
    import torch

    patch = model.config.vision_config.patch_size
    if pixels < patch or pixels % patch:
        raise UserError(f"a picture of {pixels} pixels is no grid of the model's patches of {patch}; choose a multiple of {patch}")
    side = pixels // patch
    config = copy.deepcopy(model.config)
    config.vision_config.image_size, config.image_seq_length = pixels, side * side
    config.text_config.max_position_embeddings = max(LONGEST, config.text_config.max_position_embeddings)
    with torch.random.fork_rng():  # the fresh weights are replaced: they must not move the caller's random numbers
        wider = type(model)(config).to(model.device, model.dtype)
    weights = model.state_dict()
    name = next(key for key in weights if key.endswith("vision_tower.embeddings.position_embedding.weight"))
    weights[name] = _positions(weights[name], side)
    wider.load_state_dict(weights)
    wider.generation_config = copy.deepcopy(model.generation_config)
    return wider.train(model.training)


def _positions(embeddings, side: int):
    """(1 + side², width): the class token's position, then the patches' grid interpolated to `side` × `side`."""
    import torch

    own, patches = embeddings[:1], embeddings[1:]
    before = round(len(patches) ** 0.5)
    grid = patches.float().reshape(1, before, before, -1).permute(0, 3, 1, 2)
    grid = torch.nn.functional.interpolate(grid, size=(side, side), mode="bicubic", align_corners=False)
    return torch.cat([own, grid.permute(0, 2, 3, 1).reshape(side * side, -1).to(own.dtype)])
