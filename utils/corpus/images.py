"""Load pictures that nobody here made: safely, as RGB, with one sentence when it cannot be done."""

import warnings
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from utils.runs import UserError

MAX_PIXELS = 80_000_000  # above this a picture is a decompression bomb or a mistake


def inside(folder: Path, relative: str) -> Path:
    """`folder/relative`, proven to stay inside `folder`; raises UserError for absolute paths, `..` and links out."""
    path = (Path(folder) / relative).resolve()
    if not path.is_relative_to(Path(folder).resolve()):
        raise UserError(f"the image path {relative!r} leaves the folder {folder}; use a path inside it")
    return path


def load_picture(path: Path) -> Image.Image:
    """The first frame of a picture file as RGB, transparency laid on white.

    Raises UserError: missing, not a picture, cut off, or over MAX_PIXELS.
    """
    path = Path(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(path)
            if picture.width * picture.height > MAX_PIXELS:
                raise UserError(f"{path} has {picture.width}×{picture.height} pixels; make it smaller than {MAX_PIXELS // 1_000_000} megapixels")
            picture.load()
    except FileNotFoundError as error:
        raise UserError(f"picture {path} is missing; check the path") from error
    except UnidentifiedImageError as error:
        raise UserError(f"{path} is not a picture that Pillow can read; use PNG or JPEG") from error
    except Image.DecompressionBombError as error:
        raise UserError(f"{path} is too large to open safely; make it smaller than {MAX_PIXELS // 1_000_000} megapixels") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"picture {path} is broken ({error}); download it again") from error
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("RGB")
    return picture.convert("RGB")
