"""Published test files as tasks: every layout read, `datasets` folders, answers kept and resumed, and the export for lmms-eval."""

import gzip
import http.server
import importlib.util
import json
import os
import subprocess
import sys
import threading

import pytest
import yaml

from utils.evaluation import task_files
from utils.evaluation.lmms_eval import PACKAGE, export
from utils.evaluation.run_tasks import run_task
from utils.evaluation.tasks import TASKS, Row, prompt, rows, task
from utils.runs import ROOT, UserError


def lines(*records):
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def people(*answers):
    return [{"answer": text, "raw_answer": text, "answer_confidence": "yes", "answer_id": n} for n, text in enumerate(answers, start=1)]


# Task -> (published files, part, ids, image of the first row, question of the first row, gold of the first row)
PUBLISHED = {
    "pope": (
        {"coco_pope_random.json": lines({"question_id": 1, "image": "a.jpg", "text": "Há um gato?", "label": "yes"}),
         "coco_pope_popular.json": lines({"question_id": 1, "image": "b.jpg", "text": "Há um cão?", "label": "no"})},
        "popular", ["1"], "b.jpg", "Há um cão?", ("no",)),
    "xgqa": (
        {"testdev_balanced_questions_pt.json": json.dumps({"07": {"question": "O que é?", "answer": "cat", "imageId": "n3", "semantic": []},
                                                           "08": {"question": "É azul?", "answer": "no", "imageId": "n4"}}),
         "testdev_balanced_questions_de.json": "{}"},
        "pt", ["07", "08"], "n3", "O que é?", ("cat",)),
    "gqa-it": (
        {"testdev.json.gz": json.dumps([{"img_id": "n1", "label": {"gatto": 1.0}, "question_id": "5", "sent": "Che cos'è?"}])},
        "", ["5"], "n1", "Che cos'è?", ("gatto",)),
    "ok-vqa": (
        {"OpenEnded_mscoco_val2014_questions.json": json.dumps({"info": {}, "questions": [{"image_id": 42, "question": "Que raça?", "question_id": 425}]}),
         "mscoco_val2014_annotations.json": json.dumps({"annotations": [
             {"question_id": 425, "image_id": 42, "question_type": "one", "answers": people("poodle", "poodle", "dog")}]})},
        "", ["425"], "COCO_val2014_000000000042.jpg", "Que raça?", ("poodle", "poodle", "dog")),
    "seed": (
        {"SEED-Bench.json": json.dumps({"question_type": {"Scene": 1}, "questions": [
            {"answer": "B", "choice_a": "um", "choice_b": "dois", "choice_c": "três", "choice_d": "quatro", "data_id": "x.jpg", "data_type": "image",
             "question": "Quantos?", "question_id": "101", "question_type_id": 5},
            {"answer": "A", "data_type": "video", "question": "?", "question_id": "102"}]})},
        "", ["101"], "x.jpg", "Quantos?\nA. um\nB. dois\nC. três\nD. quatro", ("B",)),
    "exams-v": ({"test.jsonl": lines({"image": "q.png", "sample_id": "s1", "answer_key": "C", "subject": "Fisica", "language": "Italian"})},
                "", ["s1"], "q.png", "", ("C",)),
    "captions": (
        {"captions_val2014.json": json.dumps({"images": [{"id": 9, "file_name": "c9.jpg"}], "annotations": [
            {"image_id": 9, "id": 1, "caption": "Um gato."}, {"image_id": 9, "id": 2, "caption": "Um gato na mesa."}]})},
        "", ["9"], "c9.jpg", "", ("Um gato.", "Um gato na mesa.")),
    "llava-bench": (
        {"questions.jsonl": lines({"question_id": 0, "image": "001.jpg", "text": "Descreva.", "category": "detail"}),
         "answers_gpt4.jsonl": lines({"question_id": 0, "text": "Um gato na mesa.", "answer_id": "x"})},
        "", ["0"], "001.jpg", "Descreva.", ("Um gato na mesa.",)),
    "mtvqa": (
        {"test_it.json": json.dumps([{"image": "i.jpg", "id": "it_1", "lang": "IT", "qa_pairs": str([
            {"question": "Che c'è scritto?", "answer": "Bar l'Angolo"}, {"question": "Prezzo?", "answer": "3"}])}])},
        "", ["it_1_0", "it_1_1"], "i.jpg", "Che c'è scritto?", ("Bar l'Angolo",)),
}  # fmt: skip


def publish(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return folder


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_layout(tmp_path, name):
    files, part, ids, image, question, gold = PUBLISHED[name]
    found = list(rows(task(name), publish(tmp_path / name, files), part))
    assert [row.id for row in found] == ids
    assert (found[0].image, found[0].question, found[0].gold) == (image, question, gold)


def test_every_task_has_a_published_layout_here():
    assert set(PUBLISHED) == set(TASKS)


def test_captions_of_xm3600_by_language(tmp_path):
    record = {"image/key": "k1", "image/locale": "pt", "pt": {"caption": ["Um gato.", "Gato."]}, "it": {"caption": ["Un gatto."]}}
    folder = publish(tmp_path, {"captions.jsonl": lines(record)})
    assert next(rows(task("captions"), folder, "it")).gold == ("Un gatto.",)


def test_several_files_ask_for_a_part(tmp_path):
    folder = publish(tmp_path, PUBLISHED["pope"][0])
    with pytest.raises(UserError, match=r"2 files .*coco_pope_popular.json, coco_pope_random.json.*by its part"):
        next(rows(task("pope"), folder))
    with pytest.raises(UserError, match="no file named"):
        next(rows(task("pope"), folder, "adversarial"))
    # "de" is inside "testdev" too: a part is a whole word of the name.
    assert list(rows(task("xgqa"), publish(tmp_path / "x", PUBLISHED["xgqa"][0]), "de")) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [("", "is not as pope|is not JSON|record"), ('{"question_id": 1', "not JSON"), ("[1]", "record 0 is a int"), ('[{"question_id": 1, "text": "?"}]', "is not as pope"), ("{}", "is not as pope")],
)  # fmt: skip
def test_a_broken_file_is_one_sentence(tmp_path, text, told):
    folder = publish(tmp_path, {"pope.json": text})
    if not text:
        assert list(rows(task("pope"), folder)) == []
        return
    with pytest.raises(UserError, match=told):
        list(rows(task("pope"), folder))


def test_torn_gzip_and_a_missing_folder(tmp_path):
    (tmp_path / "testdev.json.gz").write_bytes(gzip.compress(b"[" + b'{"question_id": 1},' * 99)[:-9])
    with pytest.raises(UserError, match="breaks off|not JSON"):
        list(task_files.keyed(tmp_path / "testdev.json.gz"))
    with pytest.raises(UserError, match="is missing"):
        list(rows(task("pope"), tmp_path / "nowhere"))


def test_rows_are_streamed_not_held(tmp_path):
    """The first row comes though the file breaks later: nothing reads it whole."""
    folder = publish(tmp_path, {"testdev_pt.json": '{"1": {"question": "?", "answer": "a", "imageId": "n"}, ' + '"2": {"question": "?"} ' * 50_000})
    stream = rows(task("xgqa"), folder)
    assert next(stream).id == "1"
    with pytest.raises(UserError, match="not JSON"):
        list(stream)


def test_a_folder_of_the_datasets_library(tmp_path):
    import datasets
    from PIL import Image

    picture = Image.new("RGB", (4, 4), "red")
    records = [
        {"question_id": str(n), "question": "Há um gato?", "answer": "yes", "image_source": "i", "image": picture, "category": "random"}
        for n in range(3)
    ]
    made = datasets.Dataset.from_list(records)
    made.save_to_disk(str(tmp_path / "plain"))
    found = list(rows(task("pope"), tmp_path / "plain"))
    assert [row.id for row in found] == ["0", "1", "2"] and found[0].picture.size == (4, 4) and found[0].group == "random"
    datasets.DatasetDict(test=made, train=made.select([0])).save_to_disk(str(tmp_path / "splits"))
    assert len(list(rows(task("pope"), tmp_path / "splits", "train"))) == 1
    with pytest.raises(UserError, match="has the parts test, train"):
        next(rows(task("pope"), tmp_path / "splits"))


def from_hub(folder, **settings):
    """What the unmodified client gives, in a process of its own: it reads its settings on import."""
    code = (
        "from utils.evaluation.tasks import rows, task\nfrom utils.runs import UserError\n"
        "try:\n    next(rows(task('pope'), 'hub'))\nexcept UserError as error:\n    print(error)\n"
    )
    own = {"HF_HOME": str(folder), "PYTHONPATH": str(ROOT)} | settings
    ended = subprocess.run([sys.executable, "-c", code], env=os.environ | own, capture_output=True, text=True, timeout=120, cwd=folder)
    assert ended.stdout.count("\n") == 1 and "lmms-lab/POPE could not be read from the hub" in ended.stdout, ended.stderr
    return ended.stdout


def test_a_hub_that_cannot_be_reached_is_one_sentence(tmp_path):
    assert "download it and name its folder" in from_hub(tmp_path, HF_HUB_OFFLINE="1")


def test_a_set_that_the_hub_does_not_know_is_one_sentence(tmp_path):
    """A loopback hub that knows nothing."""

    class Nothing(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Nothing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        told = from_hub(tmp_path, HF_ENDPOINT=f"http://127.0.0.1:{server.server_port}", HF_HUB_OFFLINE="0", HF_DATASETS_OFFLINE="0")
        server.shutdown()
    assert "DatasetNotFoundError" in told


def test_a_set_without_a_name_on_the_hub_says_where_it_is():
    with pytest.raises(UserError, match="crux82/gqa-it"):
        next(rows(task("gqa-it"), "hub"))


def pope_rows(count=7):
    return [Row(str(n), "i.jpg", f"Há {n}?", ("yes" if n % 2 else "no",), "random") for n in range(count)]


def always(text, calls=None):
    def answer(some, prompts):
        if calls is not None:
            calls.extend(prompts)
        return [text] * len(some)

    return answer


def test_answers_are_kept_and_a_stopped_run_goes_on(tmp_path):
    out, calls, on_disk = tmp_path / "deep" / "pope.jsonl", [], []

    def stops(some, prompts):
        if len(calls) >= 4:
            raise KeyboardInterrupt
        on_disk.append(len(out.read_text().splitlines()))  # what a kill at this moment would leave
        calls.extend(prompts)
        return ["Sim."] * len(some)

    with pytest.raises(KeyboardInterrupt):
        run_task(task("pope"), pope_rows(), stops, out, batch=2)
    assert on_disk == [0, 2] and len(out.read_text().splitlines()) == 4
    text = out.read_bytes()
    out.write_bytes(text[:-20])  # a torn last line
    calls.clear()
    again = run_task(task("pope"), pope_rows(), always("Sim.", calls), out, batch=2)
    assert [asked.split("?")[0] for asked in calls] == ["Há 3", "Há 4", "Há 5", "Há 6"]
    whole = run_task(task("pope"), pope_rows(), always("Sim."), tmp_path / "whole.jsonl", batch=7)
    assert again == whole and out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert whole["items"] == 7 and whole["relaxed"]["yes_ratio"] == 1.0 and whole["relaxed"]["true_yes"] == 3


def test_a_finished_run_asks_nothing_and_scores_the_same(tmp_path):
    out, calls = tmp_path / "pope.jsonl", []
    first = run_task(task("pope"), pope_rows(), always("Não."), out)
    assert run_task(task("pope"), pope_rows(), always("Sim", calls), out) == first and calls == []
    # A smaller cap afterwards scores what was asked for now, not all that the file holds.
    assert run_task(task("pope"), pope_rows(3), always("Sim", calls), out)["items"] == 3 and calls == []


def test_a_file_of_other_answers_is_not_continued(tmp_path):
    out = tmp_path / "answers.jsonl"
    run_task(task("pope"), pope_rows(2), always("Sim"), out)
    with pytest.raises(UserError, match="another question under the id '0'"):
        run_task(task("pope"), pope_rows(2), always("Sì"), out, language="it")
    out.write_text('{"id": "0"}\nno json\n{"id": "1"}\n')
    with pytest.raises(UserError, match="line 2"):
        run_task(task("pope"), pope_rows(2), always("Sim"), out)


def test_an_id_twice_and_too_few_answers(tmp_path):
    with pytest.raises(UserError, match="'0' twice"):
        run_task(task("pope"), pope_rows(2) + pope_rows(1), always("Sim"), tmp_path / "a.jsonl")
    with pytest.raises(ValueError, match="1 answers to 2 questions"):
        run_task(task("pope"), pope_rows(2), lambda some, prompts: ["Sim"], tmp_path / "b.jsonl")


def test_empty_answers_and_odd_ones_are_kept_as_they_are(tmp_path):
    said = ["", None, "\0", "\ud800", "não\nsei", "🐈", "x" * 1_000_000]
    out = tmp_path / "odd.jsonl"
    found = run_task(task("pope"), pope_rows(), lambda some, prompts: said, out)
    assert found["empty"] == 2 and found["relaxed"]["unreadable"] == 7 and found["relaxed"]["accuracy"]["right"] == 0
    records = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [record["answer"] for record in records] == ["", "", "\0", "\ud800", "não\nsei", "🐈", "x" * 1_000_000]
    assert run_task(task("pope"), pope_rows(), always("Sim"), out) == found


def test_the_language_of_an_answer_stands_beside_its_correctness(tmp_path):
    out = tmp_path / "gqa.jsonl"
    found = run_task(task("gqa-it"), [Row("1", "", "Che cos'è?", ("gatto",)), Row("2", "", "Che cos'è?", ("gatto",))],
                     lambda some, prompts: ["un gatto sulla sedia", "the cat is on it"], out, language="it")  # fmt: skip
    kept = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["said_in"] for line in kept] == ["it", "en"] and found["languages"] == {"en": 1, "it": 1}


def test_xgqa_is_asked_in_portuguese_and_judged_by_its_english_gold(tmp_path):
    said = {"1": "A cat.", "2": "gato", "3": "No"}
    some = [Row("1", "", "O que é?", ("cat",)), Row("2", "", "O que é?", ("cat",)), Row("3", "", "É azul?", ("no",))]
    found = run_task(task("xgqa"), some, lambda some, prompts: [said[row.id] for row in some], tmp_path / "x.jsonl")
    assert found["relaxed"]["right"] == 2 and found["strict"]["right"] == 0


def test_ok_vqa_accuracy_of_ten_people(tmp_path):
    some = [Row("1", "", "?", ("gato",) * 2 + ("cão",) * 8), Row("2", "", "?", ("gato",) * 10)]
    found = run_task(task("ok-vqa"), some, lambda some, prompts: ["Um gato.", "gato"], tmp_path / "v.jsonl")
    two_of_ten = (2 * 1 / 3 + 8 * 2 / 3) / 10
    assert found["relaxed"]["mean"] == pytest.approx((two_of_ten + 1) / 2) and found["strict"]["share"] == 0.5


def test_captions_have_no_right_and_wrong(tmp_path):
    some = [Row(str(n), "", "", (text,)) for n, text in enumerate(("Um gato preto dorme na mesa.", "Duas crianças jogam bola no parque."))]
    found = run_task(task("captions"), some, lambda some, prompts: [row.gold[0] for row in some], tmp_path / "c.jsonl")
    assert found["cider_d"] == pytest.approx(10) and found["bleu"] == pytest.approx(100)
    assert json.loads((tmp_path / "c.jsonl").read_text().splitlines()[0])["relaxed"] is None


@pytest.mark.parametrize("name", ["ok-vqa", "captions", "pope"])
def test_the_order_of_the_rows_changes_no_score(tmp_path, name):
    gold = {"ok-vqa": ("gato",) * 3 + ("cão",) * 7, "captions": ("Um gato preto.", "Gato na mesa."), "pope": ("yes",)}[name]
    said = {str(n): ("sim", "Um gato preto.", "cão", "", "gato na mesa")[n % 5] for n in range(60)}
    some = [Row(of, "", "?", gold if int(of) % 3 else gold[:1], f"{int(of) % 4}") for of in said]
    answer = lambda some, prompts: [said[row.id] for row in some]  # noqa: E731
    first = run_task(task(name), some, answer, tmp_path / "first.jsonl")
    assert run_task(task(name), some[::-1], answer, tmp_path / "second.jsonl") == first and first["items"] == 60


def test_the_prompt_asks_for_the_form_in_the_variety():
    row = Row("1", "", "Há um gato?", ("yes",))
    brazil, portugal = (prompt(task("pope"), row, code) for code in ("pt-BR", "pt-PT"))
    assert brazil.startswith("Há um gato?\n") and brazil.count("\n") == 1 and brazil != portugal
    letter = prompt(task("exams-v"), Row("1", "", "", ("A",)), "it")
    assert letter.startswith("Rispondi alla domanda nell'immagine.\n") and "lettera" in letter
    assert "\n" not in prompt(task("captions"), Row("1", "", "", ("a",)), "pt-PT")


def test_a_kept_file_is_both_gold_and_predictions_for_the_score_command(tmp_path):
    from utils.evaluation.score import score

    out = tmp_path / "pope.jsonl"
    found = run_task(task("pope"), pope_rows(), always("Não."), out)
    judged = score("pope", out, [out])["files"][0]
    assert judged["relaxed"] == found["relaxed"] and judged["strict"] == found["strict"]


def test_published_questions_of_llava_and_pope(samples):
    bench = list(rows(task("llava-bench"), samples / "llava_qa90"))
    assert len(bench) == 90 and {row.group for row in bench} == {"conv", "detail", "complex"} and all(row.gold[0] for row in bench)
    pope = list(rows(task("pope"), samples / "pope", "random"))
    assert len(pope) == 3000 and pope[0] == Row("1", "COCO_val2014_000000310196.jpg", "Is there a snowboard in the image?", ("yes",))


def read_yaml(path):
    """As lmms-eval reads it: `!function utils.name` is the function of the file beside the YAML."""
    spec = importlib.util.spec_from_file_location("exported", path.parent / "utils.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    class Loader(yaml.FullLoader):
        pass

    Loader.add_constructor("!function", lambda loader, node: getattr(module, node.value.rpartition(".")[2]))
    return yaml.load(path.read_text(encoding="utf-8"), Loader)  # noqa: S506


@pytest.fixture()
def clean_modules():
    """Each export brings its own copy of the scoring, as in a process of its own."""
    before = sys.path[:]
    yield
    sys.path[:] = before
    for name in [name for name in sys.modules if name.split(".")[0] == PACKAGE]:
        del sys.modules[name]


EXPORTED = {
    "pope": ({"question_id": "1", "question": "Há um gato?", "answer": "yes", "category": "random"}, "Sim.", {"strict": 0.0, "relaxed": 1.0, "f1": (True, True)}),
    "xgqa": ({"question": "O que é?", "answer": "cat", "image_id": "n1"}, "The cat.", {"strict": 0.0, "relaxed": 1.0}),
    "ok-vqa": ({"question_id": "1", "question": "?", "answers": ["gato"] * 10}, "gato", {"strict": 1.0, "relaxed": 1.0}),
    "seed": ({"question_id": "1", "question": "?", "choice_a": "a", "choice_b": "b", "choice_c": "c", "choice_d": "d", "answer": "B", "data_type": "image"},
             "opção B", {"strict": 0.0, "relaxed": 1.0}),
    "exams-v": ({"sample_id": "1", "answer_key": "A", "language": "Italian"}, "C", {"strict": 0.0, "relaxed": 0.0}),
    "captions": ({"question_id": "1", "answer": ["Um gato."]}, "Um gato.", {"chrf": ("Um gato.", ["Um gato."])}),
    "llava-bench": ({"question_id": "1", "question": "?", "gpt_answer": "Um gato"}, (-14.0, False), {"nats_per_character": 2.0}),
    "mtvqa": ({"id": "1", "lang": "IT", "qa_pairs": "[{'question': '?', 'answer': 'bar'}]"}, "Bar.", {"strict": 0.0, "relaxed": 1.0}),
}  # fmt: skip


@pytest.mark.parametrize("name", EXPORTED)
def test_the_export_runs_without_the_course_and_without_lmms_eval(tmp_path, name, clean_modules):
    from PIL import Image

    doc, said, wanted = EXPORTED[name]
    config = read_yaml(export(task(name), tmp_path, "pt-BR"))
    doc = {**doc, "image": [Image.new("L", (3, 3))] if name == "seed" else Image.new("L", (3, 3))}
    assert config["dataset_path"] == task(name).hub and config["task"] == f"{name.replace('-', '_')}_pt_br"
    assert [picture.mode for picture in config["doc_to_visual"](doc)] == ["RGB"]
    row = next(iter(task(name).row({"_row": 0, **doc})))
    assert config["doc_to_text"](doc) == prompt(task(name), row, "pt-BR") and config["doc_to_target"](doc) == row.gold[0]
    found = config["process_results"](doc, [said])
    assert {key: found[key] for key in wanted} == wanted
    assert set(found) == {metric["metric"] for metric in config["metric_list"]}
    for metric in config["metric_list"]:
        if callable(metric["aggregation"]):
            value = metric["aggregation"]([found[metric["metric"]]] * 2)
            assert value is None or 0 <= value <= 100
    assert config["process_results"](doc, [""])  # an empty answer is judged, not a crash


def test_the_export_imports_nothing_of_ours(tmp_path):
    """In a process that cannot see the course, from the folder alone; several questions of one picture become rows."""
    export(task("mtvqa"), tmp_path / "out", "it")
    code = (
        "import sys; sys.path.insert(0, '.'); import utils\n"
        "from datasets import Dataset\n"
        "made = utils.process_docs(Dataset.from_list([{'id': 'a', 'lang': 'IT', 'image': None, 'qa_pairs': str([{'question': q, 'answer': q} for q in 'xyz'])}]))\n"
        "print([utils.doc_to_target(doc) for doc in made], utils.process_results(made[0], ['X.'])['relaxed'])\n"
        "print([name for name in sys.modules if name.startswith('utils')])\n"
    )
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"HF_HOME": str(tmp_path / "hf")}
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path / "out", env=env, capture_output=True, text=True)
    assert ended.stdout.splitlines()[-2:] == ["['x', 'y', 'z'] 1.0", "['utils']"], ended.stderr


def test_an_export_without_a_set_or_of_an_unknown_language(tmp_path):
    with pytest.raises(UserError, match="give dataset_path"):
        export(task("gqa-it"), tmp_path, "it")
    with pytest.raises(UserError, match="'xx' is unknown"):
        export(task("pope"), tmp_path, "xx")
    assert read_yaml(export(task("gqa-it"), tmp_path, "it", dataset_path="my: folder # 1"))["dataset_path"] == "my: folder # 1"
