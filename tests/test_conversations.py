"""LLaVA JSON and pictures: every planted defect is named with row, turn and fix."""

import copy
import errno
import json
import os
import random
import subprocess
import sys
import zlib

import pytest
from PIL import Image

from utils.__main__ import main
from utils.corpus import conversations
from utils.corpus.conversations import iter_rows, picture_problems, problems, read_rows, rows_writer, turns_of, write_rows
from utils.corpus.images import inside, load_picture
from utils.languages import LANGUAGES
from utils.runs import ROOT, UserError

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
MORE = lambda *turns: changed(more=[TURN(*turn) for turn in turns])  # noqa: E731
ROW = None  # the problem is the row's, not a turn's
DEFECTS = [
    (changed(q="<imagem>\nO que é isso?"), 0, "image token became '<imagem>'"),
    (changed(q="-imagem>\nO que é isso?"), 0, "image token became '-imagem>'"),
    (changed(q="<immagine>\nChe cos'è?"), 0, "image token became '<immagine>'"),
    (changed(q="O que é isso?\n< image >"), 0, "image token became '< image >'"),
    (changed(q="<Image>\nO que é isso?"), 0, "image token became '<Image>'"),
    (changed(q="<IMAGE>\nO que é isso?"), 0, "image token became '<IMAGE>'"),
    (changed(q="&lt;image&gt;\nO que é isso?"), 0, "image token became '&lt;image&gt;'"),
    (changed(q="<image\nO que é isso?"), 0, "image token became '<image'"),
    (changed(q="O que é isso?\nimage>"), 0, "image token became 'image>'"),
    (changed(q="</image>O que é isso?"), 0, "image token became '</image>'"),
    (changed(q="<image 1>O que é isso?"), 0, "image token became '<image 1>'"),
    (changed(q="＜imagem＞\nO que é isso?"), 0, "image token became '＜imagem＞'"),
    (changed(q="[imagem] O que é isso?"), 0, "image token became '[imagem]'"),
    (changed(q="imagem\nO que é isso?"), 0, "image token became 'imagem'"),
    (changed(q="O que é isso?\n<foto>"), 0, "image token became '<foto>'"),
    (changed(a="Um cão. <imagem>"), 1, "image token became '<imagem>'"),
    (changed(q="O que é isso?"), ROW, "has an image but no <image>"),
    (changed(drop="image"), 0, "<image> without an image"),
    (changed(a="<image> Um cão."), 1, "<image> in an answer"),
    (MORE(("human", "<image>\nE isso?"), ("gpt", "Um gato.")), 2, "<image> in turn 2"),
    (changed(q="<image>\n<image>\nO que é isso?"), 0, "2 image tokens in one turn"),
    (changed(speaker="humano"), 0, "`from` is 'humano'; write human"),
    (changed(speaker="Usuário"), 0, "`from` is 'Usuário'; write human"),
    (changed(conversations=[TURN("human", "<image>\nQ"), TURN("assistente", "A")]), 1, "`from` is 'assistente'; write gpt"),
    (changed(conversations=[TURN("utente", "<image>\nQ"), TURN("gpt", "A")]), 0, "`from` is 'utente'; write human"),
    (changed(conversations=[TURN("user", "<image>\nQ"), TURN("gpt", "A")]), 0, "`from` is 'user'"),
    (changed(conversations=[TURN("human", "<image>\nQ"), TURN("bing", "A")]), 1, "`from` is 'bing'"),
    (changed(conversations=[TURN("system", "S"), TURN("human", "<image>\nQ"), TURN("gpt", "A")]), 0, "`from` is 'system'"),
    (changed(conversations=[TURN("human", "<image>\nQ"), {"value": "A"}]), 1, "`from` is None"),
    (changed(speaker="gpt"), 0, "`from` is gpt, human is due: LLaVA drops this turn"),
    (MORE(("gpt", "Ou um gato.")), 2, "`from` is gpt, human is due"),
    (MORE(("human", "E?"), ("human", "Hein?"), ("gpt", "Sim.")), 3, "`from` is human, gpt is due"),
    (MORE(("human", "E?")), 2, "the last question has no answer"),
    (changed(a="  "), 1, "the text is empty (spaces or line breaks only)"),
    (changed(a="\n\n"), 1, "the text is empty"),
    (changed(a="\u200b"), 1, "the text is empty"),
    (changed(a=""), 1, "the text is empty"),
    (changed(q="<image>\n"), 0, "the text is empty"),
    (changed(a=7), 1, "`value` is the number 7, not text"),
    (changed(a=None), 1, "`value` is the JSON word null, not text"),
    (changed(a=True), 1, "`value` is the JSON word true, not text"),
    (changed(a=["Um cão."]), 1, "`value` is a JSON list, not text"),
    (changed(conversations=[TURN("human", "<image>\nQ"), {"from": "gpt"}]), 1, "the turn has no `value`"),
    (changed(conversations=[TURN("human", "<image>\nQ"), "A"]), 1, "the turn is text, not an object"),
    (changed(conversations=[{"role": "user", "content": "<image>\nQ"}, TURN("gpt", "A")]), 0, "`role` and `content`"),
    (changed(a="Um ASSISTANT: cão."), 1, "'ASSISTANT:': it splits the round in two"),
    (changed(a="ASSISTANT: Um cão."), 1, "'ASSISTANT:'"),
    (changed(a="Um cão. ASSISTANT:"), 1, "'ASSISTANT:'"),
    (changed(a="Um cão.\nASSISTANT:\nSim."), 1, "'ASSISTANT:': it is left over from a prompt"),
    (changed(q="<image>\nUSER: O que é isso?"), 0, "'USER:'"),
    (changed(a="Um cão.\nUSER:"), 1, "'USER:'"),
    (changed(a="Um cão.</s>"), 1, "ends the answer early"),
    (changed(a="<s>Um cão."), 1, "start token"),
    (changed(a="Um <unk>."), 1, "padding token"),
    (changed(q="<im_start><image><im_end>\nO que é isso?"), 0, "'<im_start>'"),
    (changed(q="<im_start><image><im_end>\nO que é isso?"), 0, "'<im_end>'"),
    (changed(a="<im_patch>"), 1, "'<im_patch>'"),
    (changed(a="Um cÃ£o."), 1, "UTF-8 was read as Latin-1"),
    (changed(a="Ele vai Ã\u00a0 praia."), 1, "UTF-8 was read as Latin-1"),
    (changed(a="Um cão â€“ e um gato."), 1, "UTF-8 was read as Latin-1"),
    (changed(a="20 Â°C"), 1, "UTF-8 was read as Latin-1"),
    (changed(a="Um c\ufffdo."), 1, "a character was lost"),
    (changed(q="<video>O que é isso?"), 0, "LLaVA has no video"),
    (changed(q="O que é isso?<audio>"), 0, "LLaVA has no sound"),
    (changed(videos=["a.mp4"]), ROW, "the row has `videos`"),
    (changed(audio="a.wav"), ROW, "the row has `audio`"),
    (changed(id=42), ROW, "the id is 42, not text"),
    (changed(drop="id"), ROW, "the id is None, not text"),
    (changed(id=" "), ROW, "the id is empty"),
    (changed(id="42"), ROW, "lost its zeros"),
    (changed(image="/etc/passwd.jpg"), ROW, "leaves the image folder"),
    (changed(image="../a.jpg"), ROW, "leaves the image folder"),
    (changed(image="C:\\data\\a.jpg"), ROW, "leaves the image folder"),
    (changed(image="train\\a.jpg"), ROW, "Windows separators"),
    (changed(image="https://example.org/a.jpg"), ROW, "is a URL"),
    (changed(image="data:image/png;base64,AAAA"), ROW, "is a URL"),
    (changed(image=["a.jpg", "b.jpg"]), ROW, "a list of 2 (LLaVA-NeXT interleaved)"),
    (changed(image=None), ROW, "the image is the JSON word null, not a path"),
    (changed(image={"path": "a.jpg"}), ROW, "the image is a JSON object, not a path"),
    (changed(image=" a.jpg"), ROW, "spaces at its ends"),
    ({"id": "1", "images": ["a.jpg"], "conversations": GOOD["conversations"]}, ROW, "the row has `images`"),
    ({"id": "1", "conversation": GOOD["conversations"]}, ROW, "no conversations but `conversation`"),
    (changed(conversations=[]), ROW, "no conversations"),
    (changed(conversations="Q"), ROW, "`conversations` is text"),
    ({"messages": []}, ROW, "OpenAI schema"),
    ("text", ROW, "not an object"),
    (None, ROW, "not an object"),
    (copy.deepcopy(GOOD), ROW, "the row repeats row 0"),
    (changed(id="42a", image="42b.jpg"), ROW, "the id already stands on row 1"),
]


@pytest.mark.parametrize("row,turn,words", DEFECTS, ids=[f"{number} {words[:40]}" for number, (_, _, words) in enumerate(DEFECTS)])
def test_defect_is_named_with_its_row_its_turn_and_a_fix(row, turn, words):
    other = changed(id="42a", image="42a.jpg", a="Um gato.")
    found = [p for p in problems([GOOD, other, row]) if words in str(p)]
    assert len(found) == 1 and found[0].row == 2 and found[0].turn == turn and found[0].fix
    assert str(found[0]).count("\n") == 0


SOUND_TEXTS = [
    "Esta imagem (image) mostra um cão.", "Imagem: a > b, x < y.", "Use <img src='a.png'> or <b>bold</b>.",
    "Ele disse “NÃO”, «MAÇÃ», AMANHÃ… e ATÉ—", "O USER: aparece no meio de uma frase.", "The assistant: helpful; ASSISTANTS: two.",
    "À noite, às 20 °C, café à 1.ª mesa – “é”.", "È così. PERCHÉ» Città", "3.5", "🐕", "imagine>0", "(imagem) vazia", "imagem\nvazia", "List<Imagine> x",
]  # fmt: skip


@pytest.mark.parametrize("text", SOUND_TEXTS)
def test_ordinary_words_are_no_alarm(text):
    assert not list(problems([changed(a=text), {"id": "t", "conversations": [TURN("human", text), TURN("gpt", text)]}]))


def test_every_known_mangling_of_every_language_is_found():
    for form in {form for language in LANGUAGES.values() for form in language.manglings}:
        assert any("image token became" in p.problem for p in problems([changed(q=f"{form}\nO que é isso?")])), form


def test_an_id_may_repeat_where_it_names_the_picture_but_a_row_may_not():
    rows = [changed(a=str(n), image=image) for n, image in enumerate((GOOD["image"], f"train/{GOOD['image']}", f"COCO_train2014_{GOOD['image']}"))]
    assert not list(problems(rows))
    (found,) = problems([*rows, rows[1]])
    assert found.row == 3 and "the row repeats row 1" in found.problem
    assert not list(problems([changed(id="abc", image=f"set_abc.{kind}", a=kind) for kind in ("png", "jpg")]))
    assert ["lost its zeros" in p.problem for p in problems([changed(id="42", a=answer) for answer in "AB"])] == [True, True]
    text_only = [{"id": "same", "conversations": [TURN("human", "Oi?"), TURN("gpt", answer)]} for answer in "ABCA"]
    told = [(p.row, p.problem.partition(":")[0]) for p in problems(text_only)]
    assert told == [(1, "the id already stands on row 0"), (2, "the id already stands on row 0"), (3, "the row repeats row 0")]


def test_a_row_of_another_medium_is_told_once():
    (found,) = problems([{"messages": [{"role": "user", "content": "<audio>Q"}], "audios": ["a.mp3"]}])
    assert found.problem == "the row has `audios`: LLaVA has no sound"


def test_sound_rows_have_no_problems_and_all_problems_come_at_once():
    text_only = {"id": "t", "conversations": [TURN("human", "Oi?"), TURN("gpt", "Oi. A imagem é azul.")]}
    assert not list(problems([GOOD, text_only]))
    rows = [row for row, _, words in DEFECTS if "row" not in words]
    assert {p.row for p in problems(rows)} == set(range(len(rows)))
    (bad,) = [changed(id=7, image="../x.jpg", q="<imagem>", a="ASSISTANT: cÃ£o</s>")]
    assert {(p.turn, p.problem.split()[1]) for p in problems([bad])} >= {(None, "id"), (None, "image"), (0, "image"), (1, "text"), (None, "row")}
    assert len([p for p in problems([bad]) if p.turn == 1]) == 3


def test_the_five_files_and_their_gold_are_sound(corpus):
    files = sorted(corpus.rglob("*.json"))
    checked = [path for path in files if path.name.endswith("k.json")]
    assert len(checked) == 5 * (1 + len(LANGUAGES)) and not [p for path in checked for p in problems(iter_rows(path))]
    assert not list(picture_problems(read_rows(corpus / "llava_instruct_150k.json"), corpus / "images"))


CUT = json.dumps([GOOD] * 3, indent=1).encode()
UNREADABLE = [
    (b"[{", "is not JSON .line 1: it ends before the list does.; download it again, it may be cut off"),
    (CUT[:-30], "line 40: it ends before the list does.; download it again"),
    (CUT.replace(b'"gpt"', b"gpt", 2).replace(b"gpt", b'"gpt"', 1), "not JSON .line 25: lexical error: invalid char in json text.; mend that line"),
    (CUT + b"[]", "not JSON .line 44: parse error: trailing garbage"),
    (b'[{"score": NaN}]', "line 1: NaN and Infinity are no JSON values"),
    (b"[1e999999999999999999999]", "line 1: a number is too large"),
    (b"[" * 300 + b"]" * 300, "row 0 is nested over 100 levels deep"),
    (b"", "the file is empty"),
    (b" \n", "the file is empty"),
    (b"id,image\n1,a.jpg", "it starts with 'id,image"),
    (b'{"a": 1}', "a JSON object, not a list"),
    (b'"rows"', "a JSON str, not a list"),
    (b'{"id": "1"}\n{"id": "2"}\n', "is JSON Lines, not a JSON list; turn it into one: python -m utils convert"),
    (b"\xff\xfe[\0]\0", "is UTF-16, not UTF-8; save it as UTF-8"),
    (b"[\0]\0", "is UTF-16 or UTF-32, not UTF-8"),
    ('["não é"]'.encode("cp1252"), "not UTF-8 at byte 3 .as Windows-1252 it reads .*não é.*; save it as UTF-8"),
    (b'["' + b"a" * 70 + "é".encode() + b'\xe9"]', "not UTF-8 at byte 74"),
    (b'["' + b"a" * 13 + "é".encode() + b'\xe9"]', "not UTF-8 at byte 17"),
    (b"version https://git-lfs.github.com/spec/v1\n", "Git-LFS pointer, not the data; run: git lfs pull"),
    (b"\x1f\x8b\x08", "packed with gzip"),
    (b"PK\x03\x04", "is a zip file"),
    (b"PAR1", "is a Parquet file"),
    (b"\n<!DOCTYPE html>", "is a web page"),
]


@pytest.mark.parametrize("content,words", UNREADABLE, ids=[words[:30] for _, words in UNREADABLE])
@pytest.mark.parametrize("chunk", [16, 1 << 18])
def test_unreadable_files_say_what_is_wrong(tmp_path, monkeypatch, content, words, chunk):
    monkeypatch.setattr(conversations, "CHUNK", chunk)
    path = tmp_path / "rows.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=words):
        read_rows(path)


def test_one_row_of_json_lines_is_known_by_its_name(tmp_path):
    (tmp_path / "rows.jsonl").write_text(json.dumps(GOOD))
    with pytest.raises(UserError, match="rows.jsonl is JSON Lines, not a JSON list"):
        read_rows(tmp_path / "rows.jsonl")


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(UserError, match="none.json is missing; check the path"):
        read_rows(tmp_path / "none.json")
    with pytest.raises(UserError, match="cannot be read .Is a directory."):
        read_rows(tmp_path)


def nested(rng: random.Random, depth: int = 0) -> object:
    kinds = ["text", "int", "big", "float", "word"] + (["list", "dict"] * 2 if depth < 4 else [])
    kind = rng.choice(kinds)
    text = "".join(rng.choices('aé\u00a0\u2028😀🇧🇷"\\/\n\t\u0000\u007fud83.-{}[],:中', k=rng.randrange(9)))
    if kind in ("list", "dict"):
        parts = [nested(rng, depth + 1) for _ in range(rng.randrange(5))]
        return parts if kind == "list" else {rng.choice(["", "item", "a.b", "id", text]): part for part in parts}
    return {
        "text": text, "int": rng.randrange(-999, 999), "big": rng.choice((-1, 1)) * rng.getrandbits(rng.randrange(1, 400)),
        "float": rng.choice([-0.0, 1e22, 5e-324, 1.7976931348623157e308, rng.random(), rng.gauss(0, 1e9), 1.0]), "word": rng.choice([None, True, False]),
    }[kind]  # fmt: skip


@pytest.mark.parametrize("chunk", [1, 2, 7, 64, 1 << 18])
def test_rows_are_those_of_json_loads(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr(conversations, "CHUNK", chunk)
    rng, path = random.Random(chunk), tmp_path / "rows.json"
    texts = [json.dumps([nested(rng) for _ in range(40)], ensure_ascii=rng.random() < 0.5, indent=rng.choice([None, 1, 4])) for _ in range(12)]
    texts += ["[]", " [ ] \n", '[{"a": 1, "b": 2, "a": 3}]', "[1E5, 1e-7, -0, -0.0, 1E400, 0.1000000000000000055, 123456789012345678901234567890]"]
    texts += [
        '["\\ud83d\\ude00\\\\ud83d \\u00e9 \\/ \\uD83D\\uDE00"]',
        '["\\\\\\ud83d\\ude00"]',
        '[{"a": {"item": [[], {}, [1, [2.5]]]}}, null, "x"]',
    ]
    for text in texts:
        path.write_bytes(rng.choice([b"", b"\xef\xbb\xbf"]) + text.encode())
        assert repr(read_rows(path)) == repr(json.loads(text))


def test_half_a_character_is_replaced_and_named(tmp_path):
    text = json.dumps([changed(a="Um c\ud83do."), changed(id="x", a="Um \ude00 c\\ud83do")])
    (tmp_path / "rows.json").write_text(text)
    rows = read_rows(tmp_path / "rows.json")
    assert [row["conversations"][1]["value"] for row in rows] == ["Um c\ufffdo.", "Um \ufffd c\\ud83do"]
    assert [(p.row, p.turn) for p in problems(rows) if "a character was lost" in p.problem] == [(0, 1), (1, 1)]


def test_a_number_too_long_for_python_does_not_end_the_process(tmp_path):
    (tmp_path / "rows.json").write_text(f'[{{"id": {"9" * 4200}}}, {{"id": {"9" * 5000}}}]')
    code = """if True:
        import sys
        from utils.corpus.conversations import iter_rows
        try:
            for row in iter_rows(sys.argv[1]):
                print(len(str(row["id"])))
        except Exception as error:
            print(type(error).__name__, error, sys.get_int_max_str_digits())
    """
    ended = subprocess.run([sys.executable, "-c", code, tmp_path / "rows.json"], cwd=ROOT, capture_output=True, text=True)
    told = f"{tmp_path / 'rows.json'}: row 1 holds a number of over 4,300 digits; write it as text"
    assert ended.stdout.splitlines() == ["4200", f"UserError {told} {sys.int_info.default_max_str_digits}"], ended.stderr


def test_rows_come_before_the_file_is_read_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(conversations, "CHUNK", 64)
    (tmp_path / "rows.json").write_bytes(CUT[:-30])
    rows = iter_rows(tmp_path / "rows.json")
    assert [next(rows), next(rows)] == [GOOD, GOOD]
    with pytest.raises(UserError, match="cut off"):
        next(rows)


@pytest.mark.parametrize("rows", [[], [GOOD], [GOOD, {"a": [], "b": {}, "c": "\n\u2028é😀"}, 3, None, [[1.5]]]])
def test_a_file_written_row_by_row_has_the_bytes_of_json_dumps(tmp_path, rows):
    with rows_writer(tmp_path / "a.json") as write:
        for row in rows:
            write(row)
    expected = (json.dumps(rows, ensure_ascii=False, indent=1) + "\n").encode()
    assert (tmp_path / "a.json").read_bytes() == expected
    write_rows(tmp_path / "b.json", iter(rows))
    assert (tmp_path / "b.json").read_bytes() == expected and sorted(os.listdir(tmp_path)) == ["a.json", "b.json"]


def test_a_broken_off_write_leaves_the_old_file(tmp_path, monkeypatch):
    write_rows(tmp_path / "a.json", [GOOD])
    with pytest.raises(KeyError), rows_writer(tmp_path / "a.json") as write:
        write({"new": 1})
        raise KeyError

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="cannot write .*a.json .No space left on device.; the old file, if any, is untouched"):
        write_rows(tmp_path / "a.json", [{"new": 2}])
    assert read_rows(tmp_path / "a.json") == [GOOD] and os.listdir(tmp_path) == ["a.json"]


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


def make_pictures(folder) -> None:
    noise = Image.effect_noise((300, 300), 90)
    for mode in ("RGB", "RGBA", "L", "LA", "P", "1", "I;16"):
        Image.new(mode, (9, 5)).save(folder / f"{mode.replace(';', '')}.png")
    Image.new("PA", (9, 5)).convert("P").save(folder / "P2.png")
    Image.new("CMYK", (9, 5)).save(folder / "CMYK.jpg")
    frames = [Image.new("RGB", (9, 5), colour) for colour in ("red", "blue")]
    frames[0].save(folder / "moving.webp", save_all=True, append_images=frames[1:])
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    frames[0].save(folder / "two.mpo", save_all=True, append_images=frames[1:])
    for kind in ("png", "jpg"):
        noise.save(folder / f"good.{kind}")
        (folder / f"cut.{kind}").write_bytes((folder / f"good.{kind}").read_bytes()[:2000])
    (folder / "text.jpg").write_text("no picture")
    (folder / "empty.jpg").touch()
    (folder / "folder.jpg").mkdir()
    (folder / "Árvore.PNG").write_bytes((folder / "good.png").read_bytes())
    (folder.parent / "outside.png").write_bytes((folder / "good.png").read_bytes())
    (folder / "link.png").symlink_to(folder.parent / "outside.png")
    os.mkfifo(folder / "pipe.png")
    # A PNG header that promises 100 million pixels, and one that Pillow itself refuses.
    for side, name in ((10_000, "large"), (60_000, "bomb")):
        header = b"IHDR" + side.to_bytes(4) * 2 + bytes((8, 2, 0, 0, 0))
        (folder / f"{name}.png").write_bytes(
            b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4) + header + zlib.crc32(header).to_bytes(4) + (99).to_bytes(4) + b"IDAT"
        )


PICTURES = {
    "none.png": ["none.png is missing"], "cut.png": ["broken"], "cut.jpg": ["broken"], "text.jpg": ["not a picture"], "empty.jpg": ["empty (0 bytes)"],
    "folder.jpg": ["folder or a device"], "pipe.png": ["folder or a device"], "../outside.png": ["leaves the folder"], "link.png": ["leaves the folder"],
    "P.png": ["palette colours (mode P)"], "1.png": ["1-bit black and white (mode 1)"], "CMYK.jpg": ["print colours (mode CMYK)"], "I16.png": ["mode I;16"],
    "moving.webp": ["2 frames"], "moving.gif": ["palette", "2 frames"], "large.png": ["10000×10000 pixels"], "bomb.png": ["too large to open safely"],
    "GOOD.png": ["'GOOD.png' is 'good.png' on the disk"], "A\u0301rvore.png": ["is 'Árvore.PNG' on the disk"], "CUT.png": ["is 'cut.png'", "broken"],
    "a\0.png": ["cannot be used"], "x" * 300 + ".png": [""],
}  # fmt: skip


def test_every_unfit_picture_is_named_with_its_row_and_a_fix(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    make_pictures(tmp_path / "in")
    rows = [{"id": name, "image": name} for name in PICTURES]
    found = list(picture_problems(rows, tmp_path / "in"))
    assert [p.row for p in found] == [row for row, words in enumerate(PICTURES.values()) for _ in words]
    for problem, expected in zip(found, (words for listed in PICTURES.values() for words in listed), strict=True):
        assert expected in problem.problem and problem.fix and problem.turn is None
    sound = ("RGB.png", "RGBA.png", "L.png", "LA.png", "good.png", "good.jpg", "two.mpo", "./good.png")
    assert not list(picture_problems([{"image": name} for name in sound] + [{}, "row", {"image": None}], tmp_path / "in"))
    assert capsys.readouterr().err == ""
    with pytest.raises(UserError, match="is no folder"):
        picture_problems(rows, tmp_path / "none")


def test_a_picture_of_many_rows_is_opened_once_and_long_runs_say_so(tmp_path, monkeypatch, capsys):
    Image.new("P", (9, 5)).save(tmp_path / "a.png")
    opened, original = [], Image.open
    monkeypatch.setattr(Image, "open", lambda path: opened.append(path) or original(path))
    monkeypatch.setattr("utils.corpus.checks.PROGRESS", 0)
    found = list(picture_problems([{"id": str(n), "image": "a.png"} for n in range(5)], tmp_path))
    assert [p.row for p in found] == list(range(5)) and len(opened) == 1
    assert capsys.readouterr().err == "pictures: 1 opened, at row 0\n"


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


def test_check_tells_all_and_its_exit_code(tmp_path, capsys):
    path = tmp_path / "rows.json"
    write_rows(path, [GOOD, changed(id=7, a="")])
    assert main(["check", str(path)]) == 1
    told = capsys.readouterr()
    assert told.out.splitlines() == [str(p) for p in problems(read_rows(path))] and len(told.out.splitlines()) == 2
    assert told.err == f"{path}: 2 rows, 2 problems, 1 rows affected\n"
    assert main(["check", str(path), "--json"]) == 1
    listed = json.loads(capsys.readouterr().out)
    assert [(f["row"], f["id"], f["turn"]) for f in listed] == [(1, "7", None), (1, "7", 1)] and all(f["problem"] and f["fix"] for f in listed)
    write_rows(path, [GOOD])
    assert main(["check", str(path), "--json"]) == 0 and json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_check_of_a_cut_file_tells_what_it_read_and_fails(tmp_path, capsys, options):
    whole = json.dumps([changed(id=7), GOOD], indent=1)
    (tmp_path / "rows.json").write_text(whole[:-20])
    assert main(["check", str(tmp_path / "rows.json"), *options]) == 2
    told = capsys.readouterr()
    assert "the id is 7" in told.out and told.err.startswith("error: ") and "cut off" in told.err and told.err.count("\n") == 1
    with pytest.raises(ValueError):  # a part is never taken for the whole list
        json.loads(told.out)


def test_check_bears_a_reader_that_leaves_early(tmp_path):
    write_rows(tmp_path / "rows.json", [changed(id=n) for n in range(9000)])
    check = [sys.executable, "-m", "utils", "check", str(tmp_path / "rows.json")]
    with subprocess.Popen(check, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert "row 0" in process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == "" and process.wait() == 1
