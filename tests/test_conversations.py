"""LLaVA JSON and pictures: every planted defect is named with row, turn and fix."""

import copy
import json

import pytest
from PIL import Image

from utils.corpus.conversations import problems, read_rows, turns_of, write_rows
from utils.corpus.images import inside, load_picture
from utils.runs import UserError

GOOD = {
    "id": "000000000042", "image": "000000000042.jpg",
    "conversations": [{"from": "human", "value": "<image>\nO que é isso?"}, {"from": "gpt", "value": "Um cão."}],
}  # fmt: skip


def changed(**edits) -> dict:
    row = copy.deepcopy(GOOD)
    turns = row["conversations"]
    for name, value in edits.items():
        if name in ("q", "a"):
            turns["qa".index(name)]["value"] = value
        elif name == "drop":
            row.pop(value)
        elif name == "more":
            turns.extend(value)
        elif name == "speaker":
            turns[0]["from"] = value
        else:
            row[name] = value
    return row


TURN = lambda speaker, value: {"from": speaker, "value": value}  # noqa: E731
DEFECTS = [
    (changed(q="<imagem>\nO que é isso?"), "image token became '<imagem>'"),
    (changed(q="-imagem>\nO que é isso?"), "image token became '-imagem>'"),
    (changed(q="<immagine>\nChe cos'è?"), "image token became '<immagine>'"),
    (changed(q="O que é isso?"), "has an image but no <image>"),
    (changed(drop="image"), "<image> without an image"),
    (changed(a="<image> Um cão."), "<image> in an answer"),
    (changed(more=[TURN("human", "<image>\nE isso?"), TURN("gpt", "Um gato.")]), "<image> in turn 2"),
    (changed(q="<image>\n<image>\nO que é isso?"), "2 image tokens in one turn"),
    (changed(speaker="humano"), "`from` is 'humano'"),
    (changed(speaker="gpt"), "`from` is gpt, human is due"),
    (changed(a="  "), "the text is empty"),
    (changed(q="<image>\n"), "the text is empty"),
    (changed(a="Um ASSISTANT: cão."), "splits the round"),
    (changed(a="Um cão.</s>"), "ends the answer early"),
    (changed(a="Um <unk>."), "padding token"),
    (changed(id=42), "the id is 42, not text"),
    (changed(id="42"), "lost its zeros"),
    (changed(image="/etc/passwd.jpg"), "leaves the image folder"),
    (changed(image="../a.jpg"), "leaves the image folder"),
    (changed(more=[TURN("human", "E?")]), "the last question has no answer"),
    (changed(conversations=[]), "no conversations"),
    ({"messages": []}, "OpenAI schema"),
    ("text", "not an object"),
]


@pytest.mark.parametrize("row,words", DEFECTS, ids=[words for _, words in DEFECTS])
def test_defect_is_named_with_its_row_and_a_fix(row, words):
    found = [p for p in problems([GOOD, row]) if words in str(p)]
    assert found and all(p.row == 1 and p.fix for p in found)


def test_sound_rows_have_no_problems_and_all_problems_come_at_once():
    text_only = {"id": "t", "conversations": [TURN("human", "Oi?"), TURN("gpt", "Oi. A imagem é azul.")]}
    assert not list(problems([GOOD, text_only]))
    rows = [row for row, _ in DEFECTS]
    assert {p.row for p in problems(rows)} == set(range(len(rows)))


@pytest.mark.parametrize(
    "content,words",
    [(b"[{", "not JSON"), (b'{"a": 1}', "not a list"), (b"\xff\xfe[", "not UTF-8"), (b"version https://git-lfs.github.com/spec/v1\n", "Git-LFS")],
)
def test_unreadable_files_say_what_is_wrong(tmp_path, content, words):
    path = tmp_path / "rows.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=words):
        read_rows(path)
    with pytest.raises(UserError, match="is missing"):
        read_rows(tmp_path / "none.json")


def test_round_trip_keeps_unknown_keys_and_turns_lose_the_token(tmp_path):
    row = {**GOOD, "license": 3, "extra": {"é": [1]}}
    write_rows(tmp_path / "a.json", [row])
    assert read_rows(tmp_path / "a.json") == [row]
    assert turns_of(row) == [("O que é isso?", "Um cão.")]
    assert "é" in (tmp_path / "a.json").read_text(encoding="utf-8")


def test_pictures_of_every_mode_become_rgb(tmp_path):
    for mode in ("1", "L", "P", "RGBA", "LA", "I;16", "CMYK"):
        path = tmp_path / f"{mode.replace(';', '')}.{'tif' if mode == 'CMYK' else 'png'}"
        Image.new(mode, (9, 5)).save(path)
        assert load_picture(path).mode == "RGB" and load_picture(path).size == (9, 5)
    clear = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    clear.save(tmp_path / "clear.png")
    assert load_picture(tmp_path / "clear.png").getpixel((0, 0)) == (255, 255, 255)


def test_bad_pictures_say_what_is_wrong(tmp_path, monkeypatch):
    good = tmp_path / "good.png"
    Image.effect_noise((300, 300), 90).save(good)
    (tmp_path / "cut.png").write_bytes(good.read_bytes()[:2000])
    (tmp_path / "text.jpg").write_text("no picture")
    for name, words in (("cut.png", "broken"), ("text.jpg", "not a picture"), ("none.png", "missing")):
        with pytest.raises(UserError, match=words):
            load_picture(tmp_path / name)
    monkeypatch.setattr("utils.corpus.images.MAX_PIXELS", 1000)
    with pytest.raises(UserError, match="300×300"):
        load_picture(good)


def test_image_paths_stay_inside_their_folder(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to(tmp_path)
    for path in ("../secret.png", "/etc/hostname", "link/secret.png"):
        with pytest.raises(UserError, match="leaves the folder"):
            inside(tmp_path / "in", path)
    assert inside(tmp_path / "in", "a/b.png").is_relative_to(tmp_path.resolve())


def test_real_photos_and_rows(samples):
    for path in sorted((samples / "photos").iterdir()):
        if "truncated" in path.name:
            with pytest.raises(UserError, match="broken"):
                load_picture(path)
        else:
            assert load_picture(path).mode == "RGB"
    rows = json.loads((samples / "mllm_demo" / "mllm_demo.json").read_text())
    assert all("messages" in str(p) for p in problems(rows) if "no conversations" in p.problem)
    assert {p.row for p in problems(rows)} == set(range(len(rows)))
