"""Pictures to tensors, as LLaVA prepares them: padded to a square of CLIP's mean colour, then CLIP's scale."""

from dataclasses import dataclass

from PIL import Image

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class Norm:
    """A tower's mean and standard deviation per colour, on values from 0 to 1."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


CLIP = Norm(CLIP_MEAN, CLIP_STD)
SIGLIP = Norm((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def norm_of(config) -> Norm:
    """The norm that a model's tower was trained with, from its configuration; EVA in BLIP-2 takes CLIP's."""
    return SIGLIP if config.vision_config.model_type.startswith("siglip") else CLIP


def pad_square(picture: Image.Image, norm: Norm = CLIP) -> Image.Image:
    """The picture centred on a square of int(255·mean), as `image_aspect_ratio pad` does in haotian-liu/LLaVA."""
    side = max(picture.size)
    if picture.size == (side, side):
        return picture
    square = Image.new("RGB", (side, side), tuple(int(255 * m) for m in norm.mean))
    square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return square


def to_pixels(picture: Image.Image, size: int = 96, norm: Norm = CLIP, pad: bool = True):
    """A (3, size, size) float32 tensor, normalised; without `pad` the picture is squeezed to a square, as BLIP-2 does and as tiles' base view is."""
    square = pad_square(picture, norm) if pad else picture
    if square.size != (size, size):
        square = square.resize((size, size), Image.Resampling.BICUBIC)
    return normalise(square, norm)


def normalise(picture: Image.Image, norm: Norm = CLIP):
    """A (3, height, width) float32 tensor of an RGB picture, with the norm's mean and standard deviation."""
    import numpy as np
    import torch

    values = np.asarray(picture, dtype=np.float32) / 255
    values = (values - np.array(norm.mean, dtype=np.float32)) / np.array(norm.std, dtype=np.float32)
    return torch.from_numpy(values).permute(2, 0, 1).contiguous()
