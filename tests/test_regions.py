"""Regions for VL-T5: the detector against the world's truth, pooling against a slow reference, files in the published layout."""

import random
import sys

import numpy as np
import pytest
from PIL import Image

from utils.corpus.scenes.render import CELL, render, sprite
from utils.corpus.scenes.world import Item, Scene, scene_of
from utils.models.regions import REGIONS, RegionFeatures, connected, detect, find_regions, pool, read_regions, tower_patches, write_regions
from utils.runs import UserError

PICTURE = "COCO_val2014_000000000042"


def drawn(scene):
    """Cell -> the box that the drawing fills: the card, or the artwork's own box; told by the scene, not by pixels."""
    rng, boxes = random.Random(scene.seed), {}
    for item in scene.items:
        x, y = (item.cell % 2) * CELL, (item.cell // 2) * CELL
        side = rng.choice((34, 37, 40))
        dx, dy = x + 1 + rng.randint(0, CELL - side - 2), y + 1 + rng.randint(0, CELL - side - 2)
        left, top, right, bottom = sprite(item.kind, side).getbbox()
        art = (dx + left, dy + top, dx + right, dy + bottom)
        boxes[item.cell] = (x + 1, y + 1, x + CELL - 1, y + CELL - 1) if item.card else art
    return boxes


def overlap(a, b):
    """Intersection over union."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, 0) * max(height, 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def raw(seed=0, width=640, height=480):
    """One picture as the published files hold it, boxes in pixels."""
    rng = np.random.default_rng(seed)
    corners = rng.random((REGIONS, 2, 2))
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1) * [width, height, width, height]
    return {
        "features": rng.random((REGIONS, 2048), dtype=np.float32), "boxes": boxes.astype(np.float32), "img_w": np.int64(width),
        "img_h": np.int64(height), "obj_id": rng.integers(0, 1600, REGIONS),
    }  # fmt: skip


def save(path, group, picture=PICTURE):
    np.savez(path, **{f"{picture}/{key}": value for key, value in group.items()})
    return path


def test_the_detector_finds_every_thing_of_100_scenes_where_it_was_drawn():
    overlaps = []
    for index in range(100):
        scene = scene_of("train", index)
        truth = drawn(scene)
        found = detect(render(scene))
        assert len(found) == len(truth), scene
        overlaps += [overlap(box, truth[cell]) for box, cell in zip(found, sorted(truth), strict=True)]
    assert np.mean(overlaps) >= 0.9 and min(overlaps) >= 0.7


def test_a_resized_picture_has_the_same_things():
    for index in range(10):
        scene = scene_of("known", index)
        found = [[value / 224 for value in box] for box in detect(render(scene, size=224))]
        truth = [[value / 96 for value in box] for _, box in sorted(drawn(scene).items())]
        assert len(found) == len(truth) and all(overlap(a, b) > 0.8 for a, b in zip(found, truth, strict=True))


def test_an_empty_picture_is_told_in_one_sentence():
    speck = Image.new("RGB", (96, 96), "white")
    speck.putpixel((20, 20), (0, 0, 0))
    for picture in (Image.new("RGB", (96, 96), "blue"), speck):
        with pytest.raises(UserError, match="nothing stands out from the background"):
            detect(picture)


def test_connected_regions_are_scipys():
    from scipy.ndimage import label

    rng = np.random.default_rng(3)
    for share in (0.2, 0.4, 0.6, 1.0):
        mask = rng.random((40, 31)) < share
        found, (truth, count) = connected(mask), label(mask, structure=np.ones((3, 3)))
        pairs = set(zip(found.ravel().tolist(), truth.ravel().tolist(), strict=True)) - {(0, 0)}
        assert len(pairs) == count == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def slow_pool(patches, box, side):
    """Bilinear reading at the middle of each bin, number by number."""
    rows, columns, size = patches.shape
    out = []
    for j in range(side):
        for i in range(side):
            x = min(max((box[0] + (box[2] - box[0]) * (i + 0.5) / side) * columns - 0.5, 0), columns - 1)
            y = min(max((box[1] + (box[3] - box[1]) * (j + 0.5) / side) * rows - 0.5, 0), rows - 1)
            x0, y0 = int(x), int(y)
            x1, y1, fx, fy = min(x0 + 1, columns - 1), min(y0 + 1, rows - 1), x - x0, y - y0
            top = patches[y0, x0] * (1 - fx) + patches[y0, x1] * fx
            out.append(top * (1 - fy) + (patches[y1, x0] * (1 - fx) + patches[y1, x1] * fx) * fy)
    return np.array(out).reshape(side * side * size)


def test_pooling_is_the_slow_reference():
    rng = np.random.default_rng(0)
    for side, shape in ((4, (6, 6, 5)), (3, (5, 7, 2)), (1, (2, 3, 4))):
        patches = rng.normal(size=shape)
        for box in ((0, 0, 1, 1), (0.1, 0.3, 0.45, 0.9), (0.9, 0.0, 1.0, 0.2)):
            assert np.allclose(pool(patches, box, side), slow_pool(patches, box, side), atol=1e-6)


def test_regions_have_the_published_shape_and_the_features_of_their_own_thing(base):
    scenes = [Scene("blue", (Item(kind, cell),), seed) for kind, cell, seed in (("cat", 0, 1), ("cat", 0, 5), ("dog", 0, 1), ("dog", 3, 1))]
    cat, shifted, dog, corner = find_regions([render(scene) for scene in scenes], base[0])
    assert (
        cat.features.shape == (36, 2048) and cat.boxes.shape == (36, 4) and cat.real.tolist() == [True] * 2 + [False] * 34
    )  # the thing and the whole picture
    assert (cat.boxes[1, 2:] <= 0.5).all() and (corner.boxes[1, :2] >= 0.5).all() and cat.boxes[0].tolist() == [0, 0, 1, 1]
    assert not cat.features[2:].any() and not cat.boxes[2:].any() and (cat.ids == -1).all()
    distance = lambda a, b: np.linalg.norm(a.features[1] - b.features[1])  # noqa: E731
    assert 0 < distance(cat, shifted) < 0.9 * distance(cat, dog)
    [patches] = tower_patches([render(scenes[3])], base[0])
    assert np.allclose(corner.features[1], slow_pool(patches, corner.boxes[1], 4), atol=1e-4)


def test_a_wide_picture_keeps_its_shares(base):
    wide = Image.new("RGB", (192, 96), "white")
    wide.paste((200, 0, 0), (150, 10, 180, 40))
    [found] = find_regions([wide], base[0])
    squeezed = wide.resize((96, 96), Image.Resampling.BICUBIC)
    assert np.allclose(tower_patches([wide], base[0]), tower_patches([squeezed], base[0]), atol=1e-4)
    assert np.allclose(found.boxes[1], [150 / 192, 10 / 96, 180 / 192, 40 / 96])


def test_npz_round_trip_and_boxes_become_shares(tmp_path):
    group = raw()
    read = read_regions(save(tmp_path / "a.npz", group), PICTURE)
    assert np.array_equal(read.features, group["features"]) and np.array_equal(read.ids, group["obj_id"])
    assert np.allclose(read.boxes, group["boxes"] / [640, 480, 640, 480]) and read.boxes.dtype == np.float32 and read.real.all()
    write_regions(tmp_path / "b.npz", {"one": read, "x/two": RegionFeatures(read.features * 2, read.boxes, read.ids)})
    assert np.allclose(read_regions(tmp_path / "b.npz", "one").boxes, read.boxes)
    assert np.array_equal(read_regions(tmp_path / "b.npz", "x/two").features, read.features * 2)
    assert [p.name for p in tmp_path.iterdir() if "part" in p.name] == []


def test_h5_of_the_published_layout(tmp_path):
    h5py = pytest.importorskip("h5py")
    group = raw(1, 500, 375)
    with h5py.File(tmp_path / "val2014_obj36.h5", "w") as file:
        for key, value in group.items():
            file[f"{PICTURE}/{key}"] = value
    read = read_regions(tmp_path / "val2014_obj36.h5", PICTURE)
    assert np.array_equal(read.features, group["features"]) and np.allclose(read.boxes, group["boxes"] / [500, 375, 500, 375])
    with pytest.raises(UserError, match="val2014_obj36.h5 has no picture 'x'"):
        read_regions(tmp_path / "val2014_obj36.h5", "x")
    (tmp_path / "torn.h5").write_bytes((tmp_path / "val2014_obj36.h5").read_bytes()[:900])
    with pytest.raises(UserError, match="torn.h5 cannot be read"):
        read_regions(tmp_path / "torn.h5", PICTURE)


def test_without_h5py_the_fix_is_told(tmp_path, monkeypatch):
    (tmp_path / "a.h5").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(UserError, match="pip install h5py"):
        read_regions(tmp_path / "a.h5", PICTURE)


def without(key):
    return lambda group: group.pop(key)


def setting(key, make):
    return lambda group: group.update({key: make(group[key])})


def not_a_number(values):
    values = values.copy()
    values[3, 2] = np.nan
    return values


@pytest.mark.parametrize(
    "spoil,told",
    [
        (without("features"), "the key features is missing"),
        (without("img_h"), "the key img_h is missing"),
        (setting("features", lambda v: v[:35]), r"features is float32 of the shape \(35, 2048\)"),
        (setting("features", lambda v: v[:, :1024]), r"features is float32 of the shape \(36, 1024\)"),
        (setting("boxes", lambda v: v[:35]), r"boxes is float32 of the shape \(35, 4\)"),
        (setting("features", lambda v: v.astype("S8")), r"features is \|S8"),
        (setting("features", not_a_number), "features holds a number that is not finite"),
        (setting("boxes", not_a_number), "boxes holds a number that is not finite"),
        (setting("boxes", lambda v: v * 2), "boxes leave the picture of 640×480"),
        (setting("boxes", lambda v: v[:, [2, 3, 0, 1]]), "end before they begin"),
        (setting("img_w", lambda v: v * 0), "img_w and img_h must be above zero"),
    ],
)
def test_a_bad_file_is_told_with_its_name_and_key(tmp_path, spoil, told):
    group = raw()
    spoil(group)
    with pytest.raises(UserError, match=told) as error:
        read_regions(save(tmp_path / "bad.npz", group), PICTURE)
    assert "bad.npz" in str(error.value) and PICTURE in str(error.value) and "\n" not in str(error.value)


def test_other_files_are_told(tmp_path):
    (tmp_path / "torn.npz").write_bytes(b"PK\x03\x04 torn")
    save(tmp_path / "good.npz", raw())
    for name, picture, told in (
        ("no.npz", PICTURE, "is missing"), ("torn.npz", PICTURE, "cannot be read"), ("a.tsv", PICTURE, "no ending that is known"),
        ("good.npz", "COCO_val2014_0", "has no picture"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=told) as error:
            read_regions(tmp_path / name, picture)
        assert name in str(error.value)
