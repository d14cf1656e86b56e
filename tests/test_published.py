"""`evaluate` on published sets and AdMIRe: a real small model, pictures that are missing or broken, runs that go on, one result."""

import json
import shutil

import pytest
from PIL import Image

from tests.admire_files import a_rows, b_rows, draw, write_tsv
from utils.__main__ import TASKS, main
from utils.corpus.scenes.render import render
from utils.corpus.scenes.world import scene_of
from utils.evaluation import published, tasks
from utils.evaluation.admire import Prediction, read_items, read_predictions, score_a, score_b
from utils.evaluation.admire_models import answer_a, answer_b, llava_score
from utils.evaluation.admire_run import evaluate_admire
from utils.evaluation.perplexity import answer_nll, summary
from utils.evaluation.published import evaluate_published
from utils.evaluation.score import score
from utils.models.load import SHIPPED
from utils.runs import UserError


def write_lines(path, records):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def kept_lines(result, out, key="answers"):
    return (out.parent / result[key]).read_text(encoding="utf-8").splitlines()


@pytest.fixture()
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for n in range(5):
        render(scene_of("known", n)).save(folder / f"{n}.png")
    return folder


@pytest.fixture()
def pope(tmp_path):
    names = ["0.png", "1.png", "2", "3.PNG", "4.png", "late.png", "torn.png", "../secret.png", ""]
    return write_lines(
        tmp_path / "coco_pope_random.json",
        [{"question_id": n, "image": name, "text": "Is there a dog?", "label": ("yes", "no")[n % 2]} for n, name in enumerate(names)],
    )


@pytest.fixture()
def no_model(monkeypatch):
    """From here on, whoever loads a model fails."""

    def forbid():
        import utils.models.load

        def load_model(*_):
            raise AssertionError("a finished run loaded a model")

        monkeypatch.setattr(utils.models.load, "load_model", load_model)

    return forbid


def test_rows_without_a_picture_are_named_left_out_and_asked_when_they_are_there(tmp_path, pope, pictures, no_model):
    (pictures / "torn.png").write_bytes((pictures / "0.png").read_bytes()[:200])
    shutil.copy(pictures / "0.png", tmp_path / "secret.png")
    out = tmp_path / "out" / "pope.json"
    result = evaluate_published(SHIPPED, "pope", pope, pictures, out, "en")
    assert json.loads(out.read_text(encoding="utf-8")) == result and not result["complete"]
    assert [each["id"] for each in result["pictures"]["named"]] == ["5", "6", "7", "8"] and result["pictures"]["left_out"] == 4
    for each, told in zip(result["pictures"]["named"], ("is missing", "is broken", "leaves the folder", "names no picture"), strict=True):
        assert told in each["reason"]
    first = kept_lines(result, out)
    assert [json.loads(line)["id"] for line in first] == ["0", "1", "2", "3", "4"] and result["score"]["items"] == 5
    assert result["score"]["relaxed"]["accuracy"]["total"] == 5
    for name in ("late", "torn"):
        shutil.copy(pictures / "1.png", pictures / f"{name}.png")
    again = evaluate_published(SHIPPED, "pope", pope, pictures, out, "en")
    assert kept_lines(again, out)[:5] == first and again["score"]["items"] == 7 and again["pictures"]["left_out"] == 2
    no_model()
    assert evaluate_published(SHIPPED, "pope", pope, pictures, out, "en") == again


def test_answers_are_those_of_the_model_in_the_language_asked_and_a_limit_grows(tmp_path, pope, pictures, base):
    from utils.corpus.images import load_picture
    from utils.evaluation.generate import answer_all

    out = tmp_path / "pope.json"
    some = evaluate_published(SHIPPED, "pope", pope, pictures, out, "pt-BR", limit=2)
    lines = [json.loads(line) for line in kept_lines(some, out)]
    asked = [line["question"] for line in lines]
    assert len(lines) == some["score"]["items"] == some["limit"] == 2 and some["complete"] and "uma única palavra" in asked[0]
    assert [line["answer"] for line in lines] == answer_all(*base, [load_picture(pictures / f"{n}.png") for n in range(2)], asked)
    more = evaluate_published(SHIPPED, "pope", pope, pictures, out, "pt-BR", limit=4)
    assert kept_lines(more, out)[:2] == kept_lines(some, out)[:2] and more["score"]["items"] == 4


def test_another_model_language_or_gold_never_takes_kept_answers(tmp_path, pope, pictures, model, tokenizer):
    model.save_pretrained(tmp_path / "other")
    tokenizer.save_pretrained(tmp_path / "other")
    out, files = tmp_path / "pope.json", set()
    for folder, language in ((SHIPPED, "en"), (tmp_path / "other", "en"), (SHIPPED, "it")):
        result = evaluate_published(folder, "pope", pope, pictures, out, language, limit=2)
        files.add(result["answers"])
        assert {json.loads(line)["language"] for line in kept_lines(result, out)} == {language}
    assert len(files) == 3
    pope.write_text(pope.read_text().replace('"yes"', '"no"'))
    with pytest.raises(UserError, match="the gold answer or picture of '0' changed"):
        evaluate_published(SHIPPED, "pope", pope, pictures, out, "en", limit=2)


@pytest.fixture()
def bench(tmp_path):
    golds = ["It is a dog.", "The background is red.", "two things " * 600, ""]
    write_lines(tmp_path / "bench" / "questions.jsonl", [{"question_id": n, "image": f"{n}.png", "text": "What is it?"} for n in range(4)])
    write_lines(tmp_path / "bench" / "answers_gpt4.jsonl", [{"question_id": n, "text": text} for n, text in enumerate(golds)])
    return tmp_path / "bench"


def test_llava_bench_has_the_perplexity_of_its_gold_answers(tmp_path, bench, pictures, base, no_model, monkeypatch):
    monkeypatch.setattr(published, "LONG_ANSWER", 8)
    monkeypatch.setattr(published, "BATCH", 3)
    out = tmp_path / "bench.json"
    result = evaluate_published(SHIPPED, "llava-bench", bench, pictures, out, "en")
    shown = [Image.open(pictures / f"{n}.png") for n in (0, 1)]
    wanted = summary(answer_nll(*base, shown, ["What is it?"] * 2, ["It is a dog.", "The background is red."]))
    found = result["perplexity"]
    assert found["all"]["items"] == 2 and found["empty"] == ["3"] and found["all"]["tokens"] == wanted["all"]["tokens"]
    assert found["all"]["per_token"]["corpus"] == pytest.approx(wanted["all"]["per_token"]["corpus"], rel=1e-4)
    assert found["left_out"] == 1 and found["named"][0]["id"] == "2" and "1024 positions" in found["named"][0]["reason"] and not result["complete"]
    assert result["score"]["items"] == 4
    (tmp_path / "gold.json").write_text(json.dumps([{"id": of, "answer": "x"} for of in "013"]))
    (read,) = score("perplexity", tmp_path / "gold.json", [tmp_path / found["likelihoods"]])["files"]
    assert read["all"] == found["all"]
    lines = kept_lines(found, out, "likelihoods")
    write_lines(bench / "answers_gpt4.jsonl", [{"question_id": n, "text": text} for n, text in enumerate(("It is a dog.", "Red."))])
    write_lines(bench / "questions.jsonl", [{"question_id": n, "image": f"{n}.png", "text": "What is it?"} for n in range(2)])
    with pytest.raises(UserError, match="the gold answer or picture of '1' changed"):
        evaluate_published(SHIPPED, "llava-bench", bench, pictures, out, "en")
    no_model()
    assert evaluate_published(SHIPPED, "llava-bench", bench, pictures, out, "en", limit=1)["perplexity"]["all"]["items"] == 1
    assert kept_lines(found, out, "likelihoods") == lines


def test_pictures_that_come_with_the_rows(tmp_path, model, tokenizer):
    import datasets

    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    rows = [{"question_id": str(n), "question": "Há um gato?", "answer": "yes", "image": clear} for n in range(2)]
    datasets.Dataset.from_list(rows).save_to_disk(str(tmp_path / "set"))
    result = evaluate_published(SHIPPED, "pope", tmp_path / "set", None, tmp_path / "o.json", "pt-BR")
    assert result["complete"] and result["score"]["items"] == 2
    row = next(tasks.rows(tasks.task("pope"), tmp_path / "set"))
    (shown,) = published.with_pictures(tasks.task("pope"), [row], None, {}, published.Left())
    assert shown.picture.mode == "RGB" and shown.picture.getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("change, told", [
    ({"images": "nowhere"}, "has nothing to ask: none of its 9 pictures can be shown, the first: picture .*0.png is missing"),
    ({"images": None}, "nothing to ask.*name it with --images"),
    ({"model": "nowhere"}, "nowhere is missing; name the folder of a model"),
    ({"language": "de"}, "language 'de' is unknown"),
    ({"task": "vqa"}, "task 'vqa' is unknown"),
    ({"data": "nowhere.json"}, "is missing"),
    ({"out": "data/o.json", "data": "data"}, "is inside the folder of the set"),
])  # fmt: skip
def test_what_cannot_be_asked_is_one_sentence(tmp_path, pope, pictures, change, told):
    use = {"model": SHIPPED, "task": "pope", "data": pope.name, "images": "pictures", "out": "o.json", "language": "en"} | change
    (tmp_path / "data").mkdir()
    path = lambda name: use[name] and tmp_path / use[name]  # noqa: E731
    with pytest.raises(UserError, match=told) as caught:
        evaluate_published(path("model"), use["task"], path("data"), path("images"), path("out"), use["language"])
    assert "\n" not in str(caught.value) and not path("out").exists()


def test_a_question_that_no_prompt_can_hold_is_one_sentence(tmp_path, pictures):
    data = write_lines(tmp_path / "pope.json", [{"question_id": 1, "image": "0.png", "text": "</s> What?", "label": "yes"}])
    with pytest.raises(UserError, match="a question from '1' to '1' cannot be asked .*control token"):
        evaluate_published(SHIPPED, "pope", data, pictures, tmp_path / "o.json", "en")


def test_the_command(tmp_path, pope, pictures, capsys, monkeypatch):
    assert set(TASKS) == {"scenes", "admire-a", "admire-b", *tasks.TASKS}
    monkeypatch.chdir(tmp_path)
    arguments = ["evaluate", "--model", str(SHIPPED), "--task", "pope", "--data", pope.name, "--images", "pictures", "--language", "en"]
    assert main([*arguments, "--out", "o.json", "--limit", "3"]) == 0
    told = capsys.readouterr().out
    assert "relaxed accuracy" in told and "of 3)" in told and "left out" not in told
    assert main([*arguments, "--out", "o.json"]) == 1
    assert "left out 4 rows without a picture" in capsys.readouterr().out
    for wrong, words in ((["--out", "o"], "has no suffix"), (["--out", "o.json", "--limit", "0"], "asks nothing"),
                         (["--out", "o.json", "--task", "admire-a", "--images", "x", "--data", "none.tsv", "--language", "it"], "is in pt-BR and en"),
                         (["--out", "o.json", "--data", ""], "needs --data")):  # fmt: skip
        assert main([*arguments, *wrong]) == 2
        error = capsys.readouterr().err
        assert words in error and error.count("\n") == 1


def test_admire_a_from_the_model_to_the_official_score(tmp_path, base, no_model):
    gold, pictures, out = write_tsv(tmp_path / "gold.tsv", a_rows()[:3]), draw(tmp_path / "pictures", a_rows()[:3]), tmp_path / "a.json"
    result = evaluate_admire(SHIPPED, "a", gold, pictures, out, "pt-BR")
    items = read_items(gold, "a")
    wanted = answer_a(llava_score(*base, pictures, "pt-BR"), items, "pt-BR")
    assert read_predictions(tmp_path / result["submission"], "a") == wanted
    assert result["score"] == score_a(items, wanted) and result["complete"] and result["order_dependence"] == 0
    assert json.loads(out.read_text(encoding="utf-8"))["score"]["official"] == result["score"]["official"]
    assert result["baselines"]["random"]["all"]["top1"] == 0.2
    other = write_tsv(tmp_path / "extended.tsv", a_rows(flipped=True)[:1])  # the same pictures, another sentence
    flipped = evaluate_admire(SHIPPED, "a", other, pictures, out, "pt-BR")
    assert len({line["score"] for line in map(json.loads, next((tmp_path / "a-answers").glob("*.jsonl")).read_text().splitlines())}) == 20
    assert read_predictions(tmp_path / flipped["submission"], "a") == answer_a(llava_score(*base, pictures, "pt-BR"), read_items(other, "a"), "pt-BR")
    no_model()
    assert evaluate_admire(SHIPPED, "a", gold, pictures, out, "pt-BR") == result


def test_admire_counts_an_item_without_its_pictures_as_wrong_until_they_are_there(tmp_path, base):
    rows = a_rows()[:3]
    gold, pictures, out = write_tsv(tmp_path / "gold.tsv", rows), draw(tmp_path / "pictures", rows), tmp_path / "a.json"
    lost = pictures / rows[1]["compound"] / rows[1]["image3_name"]
    kept = lost.read_bytes()
    lost.unlink()
    result = evaluate_admire(SHIPPED, "a", gold, pictures, out, "pt-BR")
    assert not result["complete"] and [each["id"] for each in result["pictures"]["named"]] == [rows[1]["compound"]]
    assert result["score"]["rows"][1]["top1"] is False and result["score"]["official"]["all"]["top1"] == -999
    assert read_predictions(tmp_path / result["submission"], "a")[1] == Prediction(rows[1]["compound"], ())
    lost.write_bytes(kept)
    again = evaluate_admire(SHIPPED, "a", gold, pictures, out, "pt-BR")
    wanted = answer_a(llava_score(*base, pictures, "pt-BR"), read_items(gold, "a"), "pt-BR")
    assert again["complete"] and read_predictions(tmp_path / again["submission"], "a") == wanted


def test_admire_without_gold_has_a_submission_and_no_score(tmp_path, capsys):
    rows = [row | {"expected_order": "", "sentence_type": ""} for row in a_rows()[:2]]
    gold, pictures = write_tsv(tmp_path / "hidden.tsv", rows), draw(tmp_path / "pictures", rows)
    arguments = ["--model", str(SHIPPED), "--data", str(gold), "--images", str(pictures), "--out", str(tmp_path / "o.json"), "--language", "en"]
    assert main(["evaluate", "--task", "admire-a", *arguments]) == 0
    told, found = capsys.readouterr().out, json.loads((tmp_path / "o.json").read_text(encoding="utf-8"))
    assert "no score" in told and found["score"] is None and found["baselines"] is None
    assert len(read_predictions(tmp_path / found["submission"], "a")) == 2


def test_admire_b(tmp_path, base):
    gold, pictures, out = write_tsv(tmp_path / "gold.tsv", b_rows()), draw(tmp_path / "pictures", b_rows(), sequence=True), tmp_path / "b.json"
    result = evaluate_admire(SHIPPED, "b", gold, pictures, out, "en")
    items = read_items(gold, "b")
    wanted = answer_b(llava_score(*base, pictures, "en"), items)
    assert read_predictions(tmp_path / result["submission"], "b") == wanted and result["score"] == score_b(items, wanted)
    with pytest.raises(UserError, match="part B is in en, not in 'pt-BR'"):
        evaluate_admire(SHIPPED, "b", gold, pictures, out, "pt-BR")
    (pictures / "paper kettle" / "s2.png").unlink()
    assert evaluate_admire(SHIPPED, "b", gold, pictures, out, "en")["pictures"]["named"][0]["id"] == "paper kettle"
    bare = write_tsv(tmp_path / "bare.tsv", [{key: row[key] for key in row if not key.startswith("image")} for row in b_rows()])
    with pytest.raises(UserError, match="no image1_name to image4_name"):  # its only candidate would be the right one
        evaluate_admire(SHIPPED, "b", bare, pictures, out, "en")
