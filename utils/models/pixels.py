"""Pictures to tensors, as LLaVA prepares them: padded to a square of CLIP's mean colour, then CLIP's scale."""

import numpy as np
import torch
from PIL import Image

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


def pad_square(picture: Image.Image) -> Image.Image:
    """The picture centred on a square of int(255·CLIP mean), as `image_aspect_ratio pad` does in haotian-liu/LLaVA."""
    side = max(picture.size)
    if picture.size == (side, side):
        return picture
    square = Image.new("RGB", (side, side), tuple(int(255 * m) for m in CLIP_MEAN))
    square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return square


def to_pixels(picture: Image.Image, size: int = 96) -> torch.Tensor:
    """(3, size, size) float32, normalised with CLIP's mean and standard deviation."""
    square = pad_square(picture)
    if square.width != size:
        square = square.resize((size, size), Image.Resampling.BICUBIC)
    values = np.asarray(square, dtype=np.float32) / 255
    values = (values - np.array(CLIP_MEAN, dtype=np.float32)) / np.array(CLIP_STD, dtype=np.float32)
    return torch.from_numpy(values).permute(2, 0, 1).contiguous()
