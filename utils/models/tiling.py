"""Pictures of any size as tiles (anyres), the count of tokens that they become, and the inputs that each class of model wants.

Sizes are (height, width) in pixels, as in transformers' configurations; PIL's own `size` is (width, height).
Source: haotian-liu/LLaVA llava/mm_utils.py and llava/model/llava_arch.py; LLaVA-OneVision's limit from LLaVA-VL/LLaVA-NeXT llava/model/llava_arch.py.
"""

import math
from dataclasses import dataclass

from PIL import Image

from utils.models.pixels import CLIP, Norm, norm_of, normalise, to_pixels

Size = tuple[int, int]


@dataclass(frozen=True)
class Tiling:
    """How a model cuts pictures: a tile's side in pixels and in patches, the allowed canvases, and the limit on the map of patches.

    With `limit` n (LLaVA-OneVision's anyres_max_n) a map of more than n tiles' patches is shrunk.
    """

    tile: int
    patches: int
    grids: tuple[Size, ...]
    limit: int | None = None


LLAVA_NEXT = Tiling(336, 24, ((336, 672), (672, 336), (672, 672), (1008, 336), (336, 1008)))
ONEVISION = Tiling(384, 27, tuple((384 * rows, 384 * columns) for rows in range(1, 7) for columns in range(1, 7)), limit=9)


def tiling_of(config) -> Tiling | None:
    """The tiling in a model's configuration, or None for a class that takes one view."""
    grids = getattr(config, "image_grid_pinpoints", None)
    if grids is None:
        return None
    vision = config.vision_config
    aspect = getattr(config, "vision_aspect_ratio", "anyres")
    limit = int(aspect.removeprefix("anyres_max_")) if aspect.startswith("anyres_max_") else None
    return Tiling(vision.image_size, vision.image_size // vision.patch_size, tuple((h, w) for h, w in grids), limit)


def choose_grid(size: Size, grids: tuple[Size, ...]) -> Size:
    """The canvas that keeps most of the picture's pixels, then wastes least; the first wins ties."""
    height, width = size
    best, kept, wasted = grids[0], -1, 0
    for canvas in grids:
        scale = min(canvas[1] / width, canvas[0] / height)
        effective = min(int(width * scale) * int(height * scale), width * height)
        waste = canvas[0] * canvas[1] - effective
        if effective > kept or (effective == kept and waste < wasted):
            best, kept, wasted = canvas, effective, waste
    return best


def fit(size: Size, canvas: Size) -> Size:
    """The size of a picture scaled into a canvas: one side fills it, the other is rounded up."""
    scale_w, scale_h = canvas[1] / size[1], canvas[0] / size[0]
    if scale_w < scale_h:
        return min(math.ceil(size[0] * scale_w), canvas[0]), canvas[1]
    return canvas[0], min(math.ceil(size[1] * scale_h), canvas[1])


def tiles(picture: Image.Image, tiling: Tiling) -> list[Image.Image]:
    """The base view (the whole picture squeezed to one tile) and then the tiles row by row, of an RGB picture on a black canvas."""
    canvas = choose_grid((picture.height, picture.width), tiling.grids)
    height, width = fit((picture.height, picture.width), canvas)
    board = Image.new("RGB", (canvas[1], canvas[0]))
    scaled = picture.resize((width, height), Image.Resampling.BICUBIC)
    board.paste(scaled, ((canvas[1] - width) // 2, (canvas[0] - height) // 2))
    side = tiling.tile
    corners = [(x, y) for y in range(0, canvas[0], side) for x in range(0, canvas[1], side)]
    return [picture.resize((side, side), Image.Resampling.BICUBIC), *(board.crop((x, y, x + side, y + side)) for x, y in corners)]


def patch_map(size: Size, tiling: Tiling) -> Size:
    """(rows, columns) of patches that stay of the tiles: padding cut off (`spatial_unpad`), and shrunk where the tiling has a limit.

    The rounding is that of transformers' processor and model, which must agree with each other to the token.
    """
    canvas = choose_grid(size, tiling.grids)
    rows, columns = canvas[0] // tiling.tile * tiling.patches, canvas[1] // tiling.tile * tiling.patches
    height, width = size
    if width / height > columns / rows:
        rows -= (rows - int(round(height * (columns / width), 7))) // 2 * 2
    else:
        columns -= (columns - int(round(width * (rows / height), 7))) // 2 * 2
    if tiling.limit is not None:
        ratio = math.sqrt(rows * columns / (tiling.limit * tiling.patches**2))
        if ratio > 1.1:
            rows, columns = int(rows // ratio), int(columns // ratio)
    return rows, columns


def tiled_tokens(size: Size, tiling: Tiling) -> int:
    """Image tokens of a tiled picture: base view, the map of patches, and one `image_newline` at the end of each of its rows."""
    rows, columns = patch_map(size, tiling)
    return tiling.patches**2 + rows * columns + rows


def tile_pixels(picture: Image.Image, tiling: Tiling, norm: Norm = CLIP):
    """(views, 3, tile, tile) float32: the views of `tiles`, normalised."""
    import torch

    return torch.stack([normalise(view, norm) for view in tiles(picture, tiling)])


def picture_tokens(config, size: Size) -> int:
    """Placeholders that one picture needs in the text, for a Llava, LlavaNext, LlavaOnevision or Blip2 configuration."""
    tiling = tiling_of(config)
    if tiling is not None:
        return tiled_tokens(size, tiling)
    return config.num_query_tokens if hasattr(config, "num_query_tokens") else config.image_seq_length


def picture_inputs(config, picture: Image.Image) -> dict:
    """What a model of this configuration takes of one RGB picture: `pixel_values` with a batch of one, and `image_sizes` where it tiles."""
    import torch

    norm, tiling = norm_of(config), tiling_of(config)
    if tiling is None:
        pixels = to_pixels(picture, config.vision_config.image_size, norm, pad=not hasattr(config, "num_query_tokens"))
        return {"pixel_values": pixels[None]}
    return {"pixel_values": tile_pixels(picture, tiling, norm)[None], "image_sizes": torch.tensor([[picture.height, picture.width]])}
