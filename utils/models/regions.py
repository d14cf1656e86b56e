"""Regions of a picture for VL-T5: read from a file in the published layout, or found in a picture of the picture world.

Published layout: airsplay/lxmert's and j-min/VL-T5's HDF5 files (`train2014_obj36.h5` and others), one group for each picture.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from utils.runs import UserError

if TYPE_CHECKING:
    import numpy as np

REGIONS, FEATURE_SIZE = 36, 2048  # reported: n_boxes and feat_dim in j-min/VL-T5, VL-T5/src/param.py
SIDE = 4  # bins a side into which a box is pooled: 4·4 bins of the tiny tower's 128 numbers give the published 2048
CONTRAST = 24  # of 255: a pixel that is further from the background in some colour belongs to a thing
SPECK = 4  # pixels: smaller parts are noise
HDF5 = (".h5", ".hdf5")


@dataclass(frozen=True)
class RegionFeatures:
    """A picture's regions, float32: `features` (36, size), `boxes` (36, 4) as x1, y1, x2, y2 in shares of width and height.

    `ids` (36) are the detector's class numbers, -1 where it names none. Rows past the last region are zero, as released.
    """

    features: "np.ndarray"
    boxes: "np.ndarray"
    ids: "np.ndarray"

    @property
    def real(self) -> "np.ndarray":
        """True (36) for each row that is a region and not padding, which is zero in features and box."""
        return self.features.any(axis=1) | self.boxes.any(axis=1)


def shortened(regions: RegionFeatures, rows: int = 5) -> RegionFeatures:
    """The first `rows` regions alone, copied, so that many pictures fit in memory; a picture of the world has at most five."""
    return RegionFeatures(regions.features[:rows].copy(), regions.boxes[:rows].copy(), regions.ids[:rows].copy())


def read_regions(path: Path, picture: str, size: int = FEATURE_SIZE) -> RegionFeatures:
    """The regions of one picture from `.h5` or `.npz`, under `<picture>/features`, `/boxes` (pixels), `/img_w`, `/img_h` and, if there, `/obj_id`.

    Reads this picture alone: the published files are tens of gigabytes. Raises UserError naming file and key when
    something is missing, of another shape, not finite, or a box lies outside its picture.
    """
    import numpy as np

    raw = _read_group(Path(path), picture)
    where = f"{path}, {picture}"
    features = _array(raw, "features", where, (REGIONS, size))
    boxes = _array(raw, "boxes", where, (REGIONS, 4))
    width, height = (float(_array(raw, key, where, ())) for key in ("img_w", "img_h"))
    if width <= 0 or height <= 0:
        raise UserError(f"{where}: img_w and img_h must be above zero, not {width:g} and {height:g}; extract the features again")
    boxes = boxes / np.array([width, height, width, height], dtype=np.float32)
    # The released code stops at the same limits.
    if boxes.min() < -1e-5 or boxes.max() > 1 + 1e-5 or (boxes[:, 2:] < boxes[:, :2]).any():
        raise UserError(f"{where}: boxes leave the picture of {width:g}×{height:g} or end before they begin; give pixels as x1, y1, x2, y2")
    ids = _array(raw, "obj_id", where, (REGIONS,)).astype(int) if "obj_id" in raw else np.full(REGIONS, -1)
    return RegionFeatures(features, boxes.clip(0, 1), ids)


def _read_group(path: Path, picture: str) -> dict:
    """Everything that a file holds under a picture's name, as arrays."""
    import zipfile

    import numpy as np

    if path.suffix not in (*HDF5, ".npz"):
        raise UserError(f"{path} has no ending that is known for region features; use .h5 or .npz")
    if not path.exists():
        raise UserError(f"{path} is missing; check the path")
    try:
        if path.suffix in HDF5:
            with _h5py(path).File(path) as file:
                group = file.get(picture)
                found = {key: value[()] for key, value in group.items()} if hasattr(group, "items") else {}
        else:
            with np.load(path, allow_pickle=False) as file:
                found = {key.rpartition("/")[2]: file[key] for key in file.files if key.rpartition("/")[0] == picture}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} cannot be read ({str(error).splitlines()[0]}); download or write it again") from error
    if not found:
        raise UserError(f"{path} has no picture {picture!r}; check its name, such as COCO_val2014_000000000042")
    return found


def _h5py(path: Path):
    try:
        import h5py
    except ImportError as error:
        raise UserError(f"{path} needs the package h5py; install it with: pip install h5py") from error
    return h5py


def _array(raw: dict, key: str, where: str, shape: tuple[int, ...]) -> "np.ndarray":
    import numpy as np

    if key not in raw:
        raise UserError(f"{where}: the key {key} is missing; the published layout has features, boxes, img_w and img_h for each picture")
    value = np.asarray(raw[key])
    if value.shape != shape or value.dtype.kind not in "fiu":
        raise UserError(f"{where}: {key} is {value.dtype} of the shape {value.shape}, not numbers of {shape}; extract {REGIONS} regions a picture")
    if not np.isfinite(value).all():
        raise UserError(f"{where}: {key} holds a number that is not finite; extract the features of this picture again")
    return value.astype(np.float32)


def write_regions(path: Path, regions: dict[str, RegionFeatures]) -> None:
    """Write pictures' regions as `.npz` in the published layout; the sides are 1, because the boxes are shares already."""
    import numpy as np

    parts = {}
    for picture, found in regions.items():
        values = {"features": found.features, "boxes": found.boxes, "img_w": 1.0, "img_h": 1.0, "obj_id": found.ids}
        parts |= {f"{picture}/{key}": value for key, value in values.items()}
    path = Path(path)
    part = path.with_name(f".{path.stem}.part.npz")
    np.savez(part, **parts)
    part.replace(path)


def connected(mask: "np.ndarray") -> "np.ndarray":
    """Numbers of the connected regions of a mask, 0 outside; pixels that touch at a side or a corner are one region.

    Each pixel takes the largest number around it, and then the number of the pixel that this number stands for, until nothing changes.
    """
    import numpy as np

    numbers = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    while True:
        wide = np.pad(numbers, 1)
        rows = np.maximum(np.maximum(wide[:-2], wide[1:-1]), wide[2:])
        grown = np.where(mask, np.maximum(np.maximum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:]), 0)
        grown[mask] = grown.ravel()[grown[mask] - 1]
        if (grown == numbers).all():
            return numbers
        numbers = grown


def detect(picture: Image.Image) -> list[tuple[int, int, int, int]]:
    """Boxes (x1, y1, x2, y2 in pixels, the last ones exclusive) of the things in a picture of the picture world, in reading order.

    It looks at pixels alone: the background is the commonest colour of the border, a thing is what differs from it.
    Connected regions whose centres lie in one quarter of the picture are one thing: that things stand in a 2×2 grid is
    all it knows of the world. Raises UserError when nothing differs from the background.
    """
    import numpy as np

    pixels = np.asarray(picture.convert("RGB"))
    colours, times = np.unique(np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]), axis=0, return_counts=True)
    numbers = connected(np.abs(pixels.astype(int) - colours[times.argmax()]).max(axis=-1) > CONTRAST)
    quarters: dict[tuple[bool, bool], list[int]] = {}
    for number in np.unique(numbers[numbers > 0]):
        ys, xs = np.nonzero(numbers == number)
        if len(ys) < SPECK:
            continue
        box = [int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1]
        quarter = (box[1] + box[3] > picture.height, box[0] + box[2] > picture.width)
        old = quarters.get(quarter, box)
        quarters[quarter] = [min(old[0], box[0]), min(old[1], box[1]), max(old[2], box[2]), max(old[3], box[3])]
    if not quarters:
        raise UserError("nothing stands out from the background of this picture; give a picture with at least one thing on a plain ground")
    return [tuple(box) for _, box in sorted(quarters.items())]


def pool(patches: "np.ndarray", box: tuple[float, float, float, float], side: int = SIDE) -> "np.ndarray":
    """Features of a box (shares of width and height) from a patch map (rows, columns, size), read at the middles of side×side bins.

    Between patches it reads linearly, as RoI-align does with one sample a bin (He et al. 2017, arXiv 1703.06870, section 3).
    """
    import numpy as np

    def weights(low: float, high: float, count: int) -> "np.ndarray":
        at = low + (high - low) * (np.arange(side) + 0.5) / side
        at = np.clip(at * count - 0.5, 0, count - 1)
        return np.clip(1 - np.abs(at[:, None] - np.arange(count)[None]), 0, None)

    rows, columns = weights(box[1], box[3], patches.shape[0]), weights(box[0], box[2], patches.shape[1])
    return np.einsum("yi,xj,ijd->yxd", rows, columns, patches).reshape(-1).astype(np.float32)


def tower_patches(pictures: Iterable[Image.Image], llava) -> "np.ndarray":
    """(pictures, rows, columns, width) of a LLaVA's vision tower, from the layer that the LLaVA reads.

    Pictures are squeezed to a square, not padded, so that shares of their width and height are shares of the map.
    """
    import torch

    from utils.models.pixels import norm_of, to_pixels

    config, tower = llava.config, llava.model.vision_tower
    pixels = torch.stack([to_pixels(picture, config.vision_config.image_size, norm_of(config), pad=False) for picture in pictures])
    with torch.no_grad():
        states = tower(pixels.to(tower.device, tower.dtype), output_hidden_states=True).hidden_states[config.vision_feature_layer]
    rows = config.vision_config.image_size // config.vision_config.patch_size
    return states[:, -rows * rows :].reshape(len(states), rows, rows, -1).float().cpu().numpy()  # a class token, if any, stands first


def find_regions(pictures: list[Image.Image], llava) -> list[RegionFeatures]:
    """Regions of pictures of the picture world: the whole picture, then each thing; zeros after them, as the published detector pads.

    The whole picture comes first so that its place in the row, and with it its name <vis_extra_id_0>, is always the same. A box's features are the patches of `llava`'s own tower pooled over it, so that VL-T5 and that LLaVA see with one eye.
    Raises UserError as `detect` does.
    """
    import numpy as np

    found = []
    for picture, patches in zip(pictures, tower_patches(pictures, llava), strict=True):
        sides = np.array([picture.width, picture.height] * 2, dtype=np.float32)
        shares = [np.array(box, dtype=np.float32) / sides for box in [(0, 0, *picture.size), *detect(picture)]]
        boxes = np.zeros((REGIONS, 4), dtype=np.float32)
        boxes[: len(shares)] = shares
        features = np.zeros((REGIONS, SIDE * SIDE * patches.shape[-1]), dtype=np.float32)
        features[: len(shares)] = [pool(patches, share) for share in shares]
        found.append(RegionFeatures(features, boxes, np.full(REGIONS, -1)))
    return found
