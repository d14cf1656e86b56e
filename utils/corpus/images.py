"""Load pictures that nobody here made: safely, as RGB, with one sentence when it cannot be done."""

import os
import stat
import unicodedata
import warnings
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from utils.runs import UserError

MAX_PIXELS = 80_000_000  # above this a picture is a decompression bomb or a mistake
PLAIN_MODES = ("RGB", "RGBA", "L", "LA")
_MODES = {"P": "palette colours", "PA": "palette colours", "1": "1-bit black and white", "CMYK": "print colours"}


def inside(folder: Path, relative: str) -> Path:
    """`folder/relative`, proven to stay inside `folder`; raises UserError for absolute paths, `..` and links out."""
    path = (Path(folder) / relative).resolve()
    if not path.is_relative_to(Path(folder).resolve()):
        raise UserError(f"the image path {relative!r} leaves the folder {folder}; use a path inside it")
    return path


def open_picture(path: Path) -> Image.Image:
    """A picture whose header is read and whose pixels are not.

    Raises UserError: missing, a folder, empty, not a picture, over MAX_PIXELS.
    """
    path = Path(path)
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):  # a pipe would wait for ever
            raise UserError(f"{path} is a folder or a device, not a picture; name a picture file")
        if facts.st_size == 0:
            raise UserError(f"picture {path} is empty (0 bytes); download it again")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(path)
    except FileNotFoundError as error:
        raise UserError(f"picture {path} is missing; check the path") from error
    except UnidentifiedImageError as error:
        raise UserError(f"{path} is not a picture that Pillow can read; use PNG or JPEG") from error
    except Image.DecompressionBombError as error:
        raise UserError(f"{path} is too large to open safely; make it smaller than {MAX_PIXELS // 1_000_000} megapixels") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"picture {path} is broken ({error}); download it again") from error
    if picture.width * picture.height > MAX_PIXELS:
        picture.close()
        raise UserError(f"{path} has {picture.width}×{picture.height} pixels; make it smaller than {MAX_PIXELS // 1_000_000} megapixels")
    return picture


def _decode(picture: Image.Image, path: Path) -> None:
    try:
        picture.load()
    except UserError:
        raise
    except Exception as error:  # Pillow's decoders raise struct.error, zlib.error, KeyError and more on torn files
        raise UserError(f"picture {path} is broken ({error}); download it again") from error


def load_picture(path: Path) -> Image.Image:
    """The first frame of a picture file as RGB, transparency laid on white.

    Raises UserError: missing, not a picture, cut off, or over MAX_PIXELS.
    """
    picture = open_picture(path)
    _decode(picture, path)
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("RGB")
    return picture.convert("RGB")


def flaws(path: Path) -> list[tuple[str, str]]:
    """(problem, fix) for everything that makes a picture unfit or doubtful for training; empty for a sound one."""
    try:
        picture = open_picture(path)
        with picture:
            mode, frames = picture.mode, _frames(picture)
            # A JPEG tells as well at an eighth of its size whether it is whole, in a third of the time.
            picture.draft(mode, (max(1, picture.width // 8), max(1, picture.height // 8)))
            _decode(picture, path)
    except UserError as error:
        problem, _, fix = str(error).rpartition("; ")
        return [(problem, fix)]
    found = []
    if mode not in PLAIN_MODES:
        kind = f"{_MODES[mode]} (mode {mode})" if mode in _MODES else f"pixels of mode {mode}"
        found.append((f"picture {path} has {kind}: programs turn it into RGB in different ways", "save it as RGB"))
    if frames > 1:
        found.append(
            (f"picture {path} is animated or has pages: {frames} frames, of which only the first is read", "save the frame you mean as PNG or JPEG")
        )
    return found


def _frames(picture: Image.Image) -> int:
    if picture.format == "MPO":  # a camera's JPEG with a preview behind it
        return 1
    try:
        return getattr(picture, "n_frames", 1)
    except Exception:  # torn after the first frame: decoding tells
        return 1


def misspelt(folder: Path, relative: str, listings: dict[Path, dict[str, str]]) -> str | None:
    """The path as the disk spells it when it differs from `relative` only in case or in how accents are coded, else None.

    `listings` keeps each folder's names between calls.
    """
    here, spelt = Path(folder), []
    for part in Path(relative).parts:
        if here not in listings:
            try:
                names = os.listdir(here)
            except OSError:
                names = []
            listings[here] = {_folded(name): name for name in names} | {name: name for name in names}
        found = listings[here].get(part) or listings[here].get(_folded(part))
        if not found:
            return None
        spelt.append(found)
        here = here / found
    return None if tuple(spelt) == Path(relative).parts else "/".join(spelt)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
