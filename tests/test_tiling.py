"""Pixels, tiles and token counts against the worked examples, transformers' own processors, and its own models."""

import random
import types

import numpy as np
import pytest
import torch
from PIL import Image

from utils.models.pixels import SIGLIP, pad_square, to_pixels
from utils.models.small import small_next
from utils.models.tiling import LLAVA_NEXT, ONEVISION, Tiling, choose_grid, patch_map, picture_inputs, tile_pixels, tiled_tokens, tiles, tiling_of

SMALL = Tiling(28, 7, tuple((28 * h // 336, 28 * w // 336) for h, w in LLAVA_NEXT.grids))


def sizes(count, largest, seed=0):
    """Random (height, width), with the thin ones that rounding trips over."""
    rng = random.Random(seed)
    return [(1, largest), (largest, 1), (1, 1), *((rng.randint(1, largest), rng.randint(1, largest)) for _ in range(count - 3))]


def noise(height, width, seed=0):
    rng = random.Random(seed)
    return Image.frombytes("RGB", (width, height), rng.randbytes(3 * height * width))


def next_processor(tokenizer, tiling, patch):
    from transformers import LlavaNextImageProcessorPil, LlavaNextProcessor

    images = LlavaNextImageProcessorPil(
        size={"shortest_edge": tiling.tile},
        crop_size={"height": tiling.tile, "width": tiling.tile},
        image_grid_pinpoints=[list(g) for g in tiling.grids],
    )
    return LlavaNextProcessor(images, tokenizer, patch_size=patch, vision_feature_select_strategy="default", num_additional_image_tokens=1)


@pytest.mark.parametrize("width,height,tokens", [(1000, 1000, 2928), (672, 336, 1752), (500, 1000, 1776), (640, 480, 2340)])
def test_the_worked_examples(width, height, tokens):
    assert tiled_tokens((height, width), LLAVA_NEXT) == tokens


def test_the_first_grid_wins_a_tie_and_the_least_waste_comes_second():
    assert choose_grid((336, 336), LLAVA_NEXT.grids) == (336, 672)  # (672, 336) keeps and wastes as much
    assert choose_grid((336, 336), ((672, 672), (672, 336))) == (672, 336)
    assert choose_grid((1000, 400), LLAVA_NEXT.grids) == (1008, 336)


def test_counts_are_those_of_the_llava_next_processor(tokenizer):
    asked = sizes(200, 2000)
    counted = next_processor(tokenizer, LLAVA_NEXT, 14)._get_num_multimodal_tokens(asked).num_image_tokens
    assert [tiled_tokens(size, LLAVA_NEXT) for size in asked] == counted


def test_pixels_and_placeholders_are_those_of_the_llava_next_processor(tokenizer):
    processor = next_processor(tokenizer, SMALL, 4)
    image = tokenizer.convert_tokens_to_ids("<image>")
    for height, width in sizes(40, 90, seed=1):
        picture = noise(height, width)
        made = processor(images=picture, text="<image>", return_tensors="pt")
        assert (made["input_ids"] == image).sum() == tiled_tokens((height, width), SMALL), (height, width)
        torch.testing.assert_close(tile_pixels(picture, SMALL), made["pixel_values"][0].float(), atol=1e-5, rtol=0)


def test_counts_are_those_of_the_onevision_processor():
    from transformers import LlavaOnevisionProcessor

    # The class cannot be made without a video library; its counting needs these four fields only.
    stand_in = types.SimpleNamespace(
        image_processor=types.SimpleNamespace(image_grid_pinpoints=[list(g) for g in ONEVISION.grids]), num_image_tokens=729,
        vision_aspect_ratio="anyres_max_9",
    )  # fmt: skip
    stand_in._get_unpadded_features = types.MethodType(LlavaOnevisionProcessor._get_unpadded_features, stand_in)
    counted = [LlavaOnevisionProcessor._get_number_of_features(stand_in, *size, 384, 384) for size in sizes(200, 4000)]
    assert [tiled_tokens(size, ONEVISION) for size in sizes(200, 4000)] == counted
    assert max(counted) > 7290 > min(counted)  # both sides of the limit are in the sample


def test_onevision_shrinks_what_is_over_nine_tiles():
    # 2304 x 2304: 6 x 6 tiles are a map of 162 x 162, four times nine tiles; half of each side stays.
    assert patch_map((2304, 2304), ONEVISION) == (81, 81)
    assert tiled_tokens((2304, 2304), ONEVISION) == 729 + 81 * 81 + 81
    assert patch_map((1152, 1152), ONEVISION) == (81, 81)


@pytest.mark.parametrize("cls,limit", [("LlavaNext", None), ("LlavaOnevision", 9), ("LlavaOnevision", 2)])
def test_counts_are_what_the_models_make_of_the_tiles(tokenizer, cls, limit):
    model = small_next(tokenizer, "clip" if limit is None else "siglip", cls=f"{cls}ForConditionalGeneration").eval()
    if limit:
        model.config.vision_aspect_ratio = f"anyres_max_{limit}"
    tiling = tiling_of(model.config)
    assert tiling.limit == limit
    for size in sizes(12, 400, seed=2):
        with torch.no_grad():
            made = model.model.get_image_features(**picture_inputs(model.config, noise(*size)), return_dict=True).pooler_output
        assert made[0].shape[0] == tiled_tokens(size, tiling), size


def test_the_base_view_comes_first_and_tiles_go_row_by_row():
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)]
    picture = Image.new("RGB", (672, 672))
    for n, colour in enumerate(colours):
        picture.paste(colour, (336 * (n % 2), 336 * (n // 2), 336 * (n % 2) + 336, 336 * (n // 2) + 336))
    base, *rest = tiles(picture, LLAVA_NEXT)
    assert base.size == (336, 336) and [base.getpixel(xy) for xy in ((50, 50), (280, 50), (50, 280), (280, 280))] == colours
    assert [tile.getcolors() for tile in rest] == [[(336 * 336, colour)] for colour in colours]


def test_the_base_view_is_squeezed_and_the_canvas_is_black():
    picture = Image.new("RGB", (640, 480), "white")
    base, *rest = tiles(picture, LLAVA_NEXT)
    assert base.getcolors() == [(336 * 336, (255, 255, 255))]
    assert len(rest) == 4
    assert [rest[0].getpixel((100, y)) for y in (0, 83, 84, 335)] == [(0, 0, 0), (0, 0, 0), (255, 255, 255), (255, 255, 255)]
    assert [rest[2].getpixel((100, y)) for y in (0, 251, 252, 335)] == [(255, 255, 255), (255, 255, 255), (0, 0, 0), (0, 0, 0)]


def test_siglip_tiles_have_siglip_values(tokenizer):
    config = small_next(tokenizer, "siglip").config
    values = picture_inputs(config, Image.new("RGB", (96, 192), "white"))["pixel_values"]
    assert values.shape == (1, 3, 3, 96, 96) and torch.all(values == 1.0)
    assert torch.equal(values[0, 0], tile_pixels(Image.new("RGB", (96, 192), "white"), tiling_of(config), SIGLIP)[0])


def expand2square(picture, colour):
    """haotian-liu/LLaVA llava/mm_utils.py pads so; the numbers are those of its processor for CLIP."""
    side = max(picture.size)
    values = np.full((side, side, 3), colour, dtype=np.uint8)
    top, left = (side - picture.height) // 2, (side - picture.width) // 2
    values[top : top + picture.height, left : left + picture.width] = np.asarray(picture)
    return Image.fromarray(values)


def test_pixels_are_those_of_the_towers_own_processors():
    from transformers import BlipImageProcessorPil, CLIPImageProcessorPil, SiglipImageProcessorPil

    square, picture = {"height": 98, "width": 98}, noise(90, 150)
    for processor, padded, options in (
        (CLIPImageProcessorPil(size={"shortest_edge": 98}, crop_size=98), expand2square(picture, (122, 116, 104)), {}),
        (SiglipImageProcessorPil(size=square, resample=3), expand2square(picture, (127, 127, 127)), {"norm": SIGLIP}),
        (BlipImageProcessorPil(size=square), picture, {"pad": False}),
    ):
        wanted = processor(images=padded, return_tensors="pt")["pixel_values"][0]
        torch.testing.assert_close(to_pixels(picture, 98, **options), wanted.float(), atol=1e-5, rtol=0)


def test_a_square_picture_is_not_padded():
    square = Image.new("RGB", (50, 50), "white")
    assert pad_square(square) is square
    assert pad_square(Image.new("RGB", (50, 51), "white"), SIGLIP).getpixel((50, 0)) == (127, 127, 127)
