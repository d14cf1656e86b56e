"""Other schemas: what can be a LLaVA row becomes a sound one, the rest is kept with its reason, nothing is lost."""

import json
import os

import pytest

from utils.__main__ import main
from utils.corpus.conversations import iter_json_lines, problems, read_rows, write_rows
from utils.corpus.schemas import convert_file, to_llava
from utils.runs import UserError


def openai(*said: object, **keys: object) -> dict:
    """Messages that alternate user and assistant."""
    return {"messages": [{"role": ("user", "assistant")[n % 2], "content": content} for n, content in enumerate(said)], **keys}


def llava(*said: str, **keys: object) -> dict:
    conversations = [{"from": ("human", "gpt")[n % 2], "value": text} for n, text in enumerate(said)]
    head = {key: keys.pop(key) for key in ("id", "image") if key in keys}
    return {**head, "conversations": conversations, **keys}


PART = {"type": "image_url", "image_url": {"url": "a.jpg"}}
CONVERTED = {
    "token first": (openai("<image>Q", "A", images=["a.jpg"]), llava("<image>\nQ", "A", id="made", image="a.jpg")),
    "token last": (openai("Q <image>", "A", images=["a.jpg"]), llava("Q\n<image>", "A", id="made", image="a.jpg")),
    "token inside": (openai("Q <image> R", "A", images=["a.jpg"]), llava("Q R\n<image>", "A", id="made", image="a.jpg")),
    "no token": (openai("Q", "A", images=["a.jpg"]), llava("<image>\nQ", "A", id="made", image="a.jpg")),
    "one picture twice": (
        openai("<image>Q", "A", "R?<image>", "B", images=["a.jpg", "a.jpg"]),
        llava("<image>\nQ", "A", "R?", "B", id="made", image="a.jpg"),
    ),
    "token only later": (openai("Q", "A", "R\n<image>\nS", "B", images="a.jpg"), llava("Q\n<image>", "A", "R\nS", "B", id="made", image="a.jpg")),
    "parts, picture first": (openai([PART, {"type": "text", "text": "Q"}], "A"), llava("<image>\nQ", "A", id="made", image="a.jpg")),
    "parts, picture last": (openai([{"type": "text", "text": "Q"}, PART], ["A"]), llava("Q\n<image>", "A", id="made", image="a.jpg")),
    "parts with value": (openai([{"type": "image_url", "value": "a.jpg"}, {"type": "text", "value": "Q"}], "A"), llava("<image>\nQ", "A", id="made", image="a.jpg")),
    "parts without paths": (openai([{"type": "image"}, {"type": "text", "text": "Q"}], "A", images=[{"path": "a.jpg"}]), llava("<image>\nQ", "A", id="made", image="a.jpg")),
    "text only": (openai("Q", "A", id="t"), llava("Q", "A", id="t")),
    "system and unknown keys": (
        {"messages": [{"role": "system", "content": "S"}, *openai("Q", "A")["messages"]], "license": 3, "videos": []},
        llava("Q", "A", id="made", license=3, videos=[], system="S"),
    ),
    "keys of a turn": (
        {"id": "t", "messages": [{"role": "user", "content": "Q", "weight": 0}, {"role": "assistant", "content": "A"}]},
        {"id": "t", "conversations": [{"from": "human", "value": "Q", "weight": 0}, {"from": "gpt", "value": "A"}]},
    ),
    "ShareGPT words": (
        {"id": 7, "images": ["a.jpg"], "conversations": [{"from": "User", "value": "<image>Q"}, {"from": "chatgpt", "value": "A"}]},
        llava("<image>\nQ", "A", id="7", image="a.jpg"),
    ),
    "OpenAI keys in conversations": ({"id": "t", "conversations": openai("Q", "A")["messages"]}, llava("Q", "A", id="t")),
    "conversation": ({"id": "t", "conversation": llava("Q", "A")["conversations"]}, llava("Q", "A", id="t")),
    "translated words": (
        {"id": "t", "image": "a.jpg", "conversations": [{"from": "humano", "value": "Q\n<image>"}, {"from": "assistente", "value": "A"}]},
        llava("Q\n<image>", "A", id="t", image="a.jpg"),
    ),
    "lost zeros": (openai("<image>Q", "A", id=42, images=["x/000042.jpg"]), llava("<image>\nQ", "A", id="000042", image="x/000042.jpg")),
    "null picture": (llava("Q", "A", id="t", image=None), llava("Q", "A", id="t")),
}  # fmt: skip


@pytest.mark.parametrize("row,expected", CONVERTED.values(), ids=CONVERTED)
def test_rows_of_other_schemas_become_sound_llava_rows(row, expected):
    before = json.dumps(row)
    made = to_llava(row, "made")
    assert made == expected and list(made)[0] == "id" and not list(problems([made]))
    assert json.dumps(row) == before and to_llava(made) == made


def test_a_sound_llava_row_is_left_as_it_is():
    row = llava("Q <image> R", "A", id="t", image="a.jpg", images=["a.jpg", "b.jpg"])
    assert to_llava(row) is row


TOOL = {"role": "tool", "content": "4"}
LEFT = {
    "sound key": (openai("<audio>Q", "A", audios=["a.mp3"]), "the row has `audios`: LLaVA has no sound"),
    "video key": (openai("<video>Q", "A", videos=["a.mp4"]), "the row has `videos`: LLaVA has no video"),
    "video token": (openai("<video>Q", "A"), "LLaVA has no video"),
    "sound part": (openai([{"type": "input_audio", "input_audio": {}}, "Q"], "A"), "turn 0 has a part of type 'input_audio'"),
    "video part": (openai([{"type": "video_url", "video_url": "a.mp4"}], "A"), "turn 0 has a part of type 'video_url'"),
    "two pictures": (openai("<image><image>Q", "A", images=["a.jpg", "b.jpg"]), "the row has 2 pictures"),
    "two pictures in parts": (openai([PART, {**PART, "image_url": "b.jpg"}, "Q"], "A"), "the row has 2 pictures"),
    "a tool's turn": ({"messages": [*openai("Q", "A")["messages"], TOOL]}, "turn 2 calls a tool"),
    "a call": ({"messages": [*openai("Q")["messages"], {"role": "assistant", "content": None, "tool_calls": [{}]}]}, "turn 1 calls a tool"),
    "ShareGPT's call": ({"conversations": [*llava("Q")["conversations"], {"from": "function_call", "value": "{}"}]}, "turn 1 calls a tool"),
    "unknown speaker": ({"messages": [{"role": "narrator", "content": "Q"}]}, "turn 0 is said by 'narrator'"),
    "late system": ({"messages": [*openai("Q", "A")["messages"], {"role": "system", "content": "S"}]}, "turn 2 is a system message"),
    "picture in an answer": (openai("Q", "<image>", images=["a.jpg"]), "turn 1 is an answer with a picture"),
    "token without a picture": (openai("<image>Q", "A"), "<image> without an image"),
    "picture at a URL": (openai([{"type": "image_url", "image_url": {"url": "https://example.org/a.jpg"}}, "Q"], "A"), "is a URL"),
    "picture in the row": (openai("<image>Q", "A", images=[{"bytes": "AAAA"}]), "the picture is inside the row"),
    "no answer": (openai("Q"), "the last question has no answer"),
    "no text": (openai("Q", None), "turn 1 has no text"),
    "broken token": (openai("<imagem>Q", "A", images=["a.jpg"]), "the image token became '<imagem>'"),
    "no turns": ({"instruction": "Q", "output": "A"}, "the row has none of messages, conversations, conversation"),
    "no row": ([1], "not an object"),
    "no turn": ({"messages": ["Q", "A"]}, "turn 0 is a JSON str"),
}


@pytest.mark.parametrize("row,words", LEFT.values(), ids=LEFT)
def test_rows_that_cannot_be_llava_say_why(row, words):
    with pytest.raises(UserError) as error:
        to_llava(row)
    assert words in str(error.value) and "; " in str(error.value)


def test_a_file_is_converted_row_for_row(tmp_path, capsys):
    rows = [row for row, _ in CONVERTED.values()] + [row for row, _ in LEFT.values()]
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    write_rows(tmp_path / "list.json", rows)
    for name in ("rows.jsonl", "list.json"):
        out = tmp_path / "out" / name
        assert main(["convert", str(tmp_path / name), "--out", str(out)]) == 1
        told = capsys.readouterr().out
        assert f"{len(rows)} rows, {len(CONVERTED)} converted, {len(LEFT)} left" in told and f"{out}.left.jsonl" in told
        made = read_rows(out)
        assert made[0]["id"] == f"{name.split('.')[0]}_0" and [row["conversations"] for row in made] == [
            row["conversations"] for _, row in CONVERTED.values()
        ]
        left = list(iter_json_lines(tmp_path / "out" / f"{name}.left.jsonl"))
        assert [entry["row"] for entry in left] == list(range(len(CONVERTED), len(rows))) and [entry["source"] for entry in left] == [
            row for row, _ in LEFT.values()
        ]
        assert all(words in entry["reason"] for entry, (_, words) in zip(left, LEFT.values(), strict=True))
        assert not list(problems([{**row, "id": str(n)} for n, row in enumerate(made)]))


def test_a_sound_file_comes_through_as_it_is_and_takes_an_old_left_file_away(tmp_path, corpus):
    source, out = corpus / "llava_instruct_150k.json", tmp_path / "out.json"
    (tmp_path / "out.json.left.jsonl").write_text("{}\n")
    assert main(["convert", str(source), "--out", str(out)]) == 0
    assert out.read_bytes() == source.read_bytes() and os.listdir(tmp_path) == ["out.json"]


@pytest.mark.parametrize(
    "content,words",
    [
        (b'{"id": "1"}\n{"id"', "is not JSON Lines (line 2: "),
        (b"[{", "is not JSON (line 1"),
        (b'{"score": NaN}\n', "(line 1: NaN is no JSON value)"),
        (b"\xff\xfe{\0", "UTF-16"),
    ],
)
def test_an_unreadable_file_leaves_what_was_there(tmp_path, capsys, content, words):
    (tmp_path / "rows").write_bytes(content)
    write_rows(tmp_path / "out.json", [])
    assert main(["convert", str(tmp_path / "rows"), "--out", str(tmp_path / "out.json")]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1
    assert read_rows(tmp_path / "out.json") == [] and sorted(os.listdir(tmp_path)) == ["out.json", "rows"]


def test_the_source_is_never_overwritten(tmp_path):
    for source, out in (("a.json", "a.json"), ("b.json.left.jsonl", "b.json")):
        (tmp_path / source).write_text("[]")
        with pytest.raises(UserError, match="would be overwritten; give --out another name"):
            convert_file(tmp_path / source, tmp_path / out)
    with pytest.raises(UserError, match="none.json is missing"):
        convert_file(tmp_path / "none.json", tmp_path / "out.json")


def test_real_rows_of_other_schemas(samples, tmp_path):
    demo = samples / "mllm_demo"
    for name, good, left in (
        ("mllm_demo.json", 6, 0),
        ("v1_multimodal_demo.jsonl", 24, 0),
        ("mllm_audio_demo.json", 0, 3),
        ("mllm_video_demo.json", 0, 3),
    ):
        done = convert_file(demo / name, tmp_path / name)
        assert (done.converted, done.left) == (good, left)
        made = read_rows(tmp_path / name)
        assert not list(problems(made)) and all(sum("<image>" in turn["value"] for turn in row["conversations"]) == 1 for row in made)
