"""LLaVA-NDiNO's data: WIT and its like, PDF pages, The Cauldron, single rounds, the mix, the whole build, checks on translated strings."""

import csv
import dataclasses
import gzip
import io
import json
import random
import re
import shutil
import stat
import subprocess
import sys
from collections import Counter

import pytest
from PIL import Image

from utils.corpus.conversations import picture_problems, problems, read_rows, turns_of
from utils.corpus.ndino import cauldron, documents, mix, pages, rounds, tasks
from utils.corpus.scenes.asks import SHORT, possible, truth
from utils.corpus.scenes.instruct import picture_scene
from utils.evaluation import matching
from utils.evaluation.reading import counted, places, read, values
from utils.runs import ROOT, UserError
from utils.scales import TINY
from utils.translation.ndino_checks import as_string, as_turn, read_back, sample_of, translate_rows

LANGUAGES = ("en", "pt-BR", "pt-PT", "it")
LONG = "A capivara é o maior roedor do mundo; vive em grupos junto de rios e lagos, e nada muito bem. " * 2
URL = "http://upload.wikimedia.org/wikipedia/commons/a/ab/{}"


def wit_record(**fields):
    blank = dict.fromkeys(pages.COLUMNS, "")
    return blank | {
        "language": "pt", "image_url": URL.format("Capivara.jpg"), "page_title": "Capivara", "section_title": "Hábitos",
        "caption_reference_description": 'Uma "capivara"\tno lago, à tarde', "context_section_description": LONG, **fields,
    }  # fmt: skip


@pytest.fixture()
def wit(tmp_path):
    """A function that writes a WIT table of records; one picture lies in its published place, one by its bare name, one is torn."""
    (tmp_path / "pictures/commons/a/ab").mkdir(parents=True)
    Image.new("RGB", (8, 8), "red").save(tmp_path / "pictures/commons/a/ab/Capivara.jpg")
    Image.new("RGB", (8, 8), "blue").save(tmp_path / "pictures/Maçã (fruta).jpg")
    (tmp_path / "pictures/Torn.jpg").write_bytes(b"\xff\xd8\xff")
    Image.new("RGB", (8, 8)).save(tmp_path / "outside.jpg")

    def write(*records, name="wit_v1.val.tsv", header=pages.COLUMNS, tail=""):
        text = io.StringIO(newline="")
        table = csv.writer(text, delimiter="\t", lineterminator="\n")
        table.writerow(header)
        table.writerows([record[column] for column in header] for record in records)
        data = (text.getvalue() + tail).encode()
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return tmp_path / name

    return write


def wit_rows(path, kind="sections", language="pt-BR", **choice):
    report = pages.Report()
    return list(pages.wit_rows([path], path.parent / "pictures", language, kind, report, **choice)), report


def test_a_wit_section_is_its_titles_and_text_beside_its_picture(wit):
    rows, report = wit_rows(wit(wit_record(), wit_record(image_url=URL.format("Ma%C3%A7%C3%A3_(fruta).jpg").replace("_", " "))))
    assert [row["image"] for row in rows] == ["commons/a/ab/Capivara.jpg", "Maçã (fruta).jpg"]
    assert turns_of(rows[0]) == [("Descreva a imagem.", f"Capivara\nHábitos\n{LONG.strip()}")]
    assert report.counts == {"read": 2, "kept": 2} and not list(problems(rows))


def test_a_wit_caption_is_one_line_and_keeps_its_quotes(wit):
    rows, _ = wit_rows(wit(wit_record(language="it")), "captions", "it")
    assert turns_of(rows[0]) == [("Descrivi l'immagine.", 'Uma "capivara" no lago, à tarde')]


def test_what_wit_rows_leave_out_is_counted_and_lost_pictures_are_named(wit):
    table = wit(
        wit_record(), wit_record(), wit_record(language="es"), wit_record(context_section_description="Curto."),
        wit_record(context_section_description=LONG + "\ufffd"), wit_record(context_section_description=LONG + "<image>"),
        wit_record(image_url=URL.format("Gone.jpg")), wit_record(image_url=URL.format("Torn.jpg")),
        wit_record(image_url="http://upload.wikimedia.org/wikipedia/../outside.jpg"),
        name="wit.tsv.gz", tail="pt\tonly three\tcolumns\n",
    )  # fmt: skip
    rows, report = wit_rows(table)
    assert len(rows) == 1 and report.counts == {
        "read": 9, "kept": 1, "repeated": 1, "other language": 1, "too short": 1, "broken text": 2, "picture missing": 2,
        "picture unreadable": 1, "broken line": 1,
    }  # fmt: skip
    assert [name.rpartition("/")[2] for name in report.missing] == ["Gone.jpg", "Torn.jpg", "outside.jpg"]


def test_a_field_too_long_costs_its_own_line(wit, monkeypatch):
    monkeypatch.setattr(pages, "FIELD", 1000)
    rows, report = wit_rows(wit(wit_record(context_page_description="x" * 2000), wit_record()))
    assert len(rows) == 1 and report.counts["broken line"] == 1


def test_the_least_length_and_the_limit_hold(wit):
    table = wit(*(wit_record(context_section_description=f"{number} {LONG}") for number in range(5)))
    assert [len(wit_rows(table, **choice)[0]) for choice in ({"limit": 2}, {"least": 10**6}, {})] == [2, 0, 5]


def test_a_table_that_is_not_wit_is_told_in_one_sentence(wit, tmp_path):
    with pytest.raises(UserError, match="no column 'image_url'"):
        wit_rows(wit(wit_record(), header=("language", "page_title")))
    with pytest.raises(UserError, match="missing"):
        wit_rows(tmp_path / "none.tsv")
    whole = wit(wit_record(), name="torn.tsv.gz")
    whole.write_bytes(whole.read_bytes()[:-12])
    with pytest.raises(UserError, match="breaks off"):
        wit_rows(whole)
    (tmp_path / "latin.tsv").write_bytes("\t".join(pages.COLUMNS).encode() + b"\npt\xe9\n")
    with pytest.raises(UserError, match="not UTF-8"):
        wit_rows(tmp_path / "latin.tsv")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_caption_says_what_the_picture_shows_and_a_section_says_more(language):
    for index in range(30):
        scene = picture_scene(index, 0)
        (_, caption), (_, section) = (turns_of(pages.world_row(scene, "1", language, task))[0] for task in ("captions", "sections"))
        assert counted(read(caption, language)) == scene.counts and caption.count(".") == 1
        marks = read(section, language)
        assert scene.background in values(marks, "colour") and set(scene.counts) <= set(values(marks, "kind"))
        assert section.count(".") >= len(scene.items) + 2


def test_plain_prompts_learn_the_whole_text_and_nothing_else(wit, tokenizer):
    from utils.models.prompt_formats import PLAIN_NDINO
    from utils.models.prompts import IGNORE
    from utils.training.data import packs_of

    (row,), _ = wit_rows(wit(wit_record()))
    (pack,) = packs_of([row], tokenizer, 50, 4000, PLAIN_NDINO)
    ids, labels = pack.branches[0]
    assert IGNORE not in labels and turns_of(row)[0][1] in tokenizer.decode(ids)


# --- PDF pages.

FAKE = """#!/bin/sh
case "$1" in
  --version) echo "tesseract 9.9"; exit 0;;
  --list-langs) printf 'List of available languages (2):\\npor\\nita\\n'; exit 0;;
esac
echo "$@" >> "{log}"
case "$1" in
  *fails.pdf*) echo "Error in pixRead" >&2; exit 1;;
  *hangs.pdf*) exec sleep 30;;
esac
printf 'Um texto com duas pala-\\nvras cortadas e\\n\\nmuitas linhas soltas.\\n\\nOutro parágrafo.\\f'
"""


@pytest.fixture()
def fake_reader(tmp_path, monkeypatch):
    """A tesseract of our own, alone on PATH but for the shell's tools; returns its log."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "tesseract").write_text(FAKE.format(log=tmp_path / "log"))
    (folder / "tesseract").chmod(stat.S_IRWXU)
    (folder / "sleep").symlink_to(shutil.which("sleep"))
    monkeypatch.setenv("PATH", str(folder))
    return tmp_path / "log"


@pytest.fixture()
def no_reader(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))


def raw_pdf(number, locked=False, side=100):
    """The bytes of a PDF of blank pages; `locked` with a password that nobody knows."""
    kids = " ".join(f"{n + 3} 0 R" for n in range(number))
    objects = ["<</Type/Catalog/Pages 2 0 R>>", f"<</Type/Pages/Count {number}/Kids[{kids}]>>"]
    objects += [f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 {side} {side}]>>"] * number
    trailer = "/Root 1 0 R"
    if locked:
        objects.append(f"<</Filter/Standard/V 1/R 2/P -4/O<{'41' * 32}>/U<{'42' * 32}>>>")
        trailer += f"/Encrypt {len(objects)} 0 R/ID[<{'43' * 16}><{'43' * 16}>]"
    body, places = "%PDF-1.4\n", []
    for n, one in enumerate(objects, start=1):
        places.append(len(body))
        body += f"{n} 0 obj{one}endobj\n"
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    return f"{body}xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer<</Size {len(objects) + 1}{trailer}>>\nstartxref\n{len(body)}\n%%EOF".encode()


def read_documents(folder, language="pt-BR", **choice):
    report = documents.Report()
    return list(documents.document_rows(folder, folder.parent / "images", language, report, **choice)), report


@pytest.fixture()
def pdfs(tmp_path):
    folder = tmp_path / "pdfs"
    (folder / "deep").mkdir(parents=True)
    return folder


def test_no_document_stops_the_run(pdfs, fake_reader):
    files = {
        "a locked.pdf": raw_pdf(1, locked=True), "b empty.pdf": b"", "c broken.pdf": b"%PDF-1.4 nothing", "d long.PDF": raw_pdf(500),
        "deep/e.pdf": raw_pdf(1), "f no pages.pdf": raw_pdf(0), "notes.txt": b"no PDF",
    }  # fmt: skip
    for name, data in files.items():
        (pdfs / name).write_bytes(data)
    rows, report = read_documents(pdfs, first=4)
    assert (report.documents, report.pages, report.kept, report.pages_left) == (6, 5, 5, 496)
    told = {one["file"]: one["why"] for one in report.skipped}
    assert set(told) == {"a locked.pdf", "b empty.pdf", "c broken.pdf", "f no pages.pdf"}
    assert "encrypted" in told["a locked.pdf"] and "empty" in told["b empty.pdf"] and "no sound PDF" in told["c broken.pdf"]
    assert len(fake_reader.read_text().splitlines()) == 5 and all("-l por" in line for line in fake_reader.read_text().splitlines())
    assert not list(problems(rows)) and not list(picture_problems(rows, pdfs.parent / "images"))
    assert len({row["id"] for row in rows}) == 5
    assert turns_of(rows[0])[0][1] == "Um texto com duas palavras cortadas e muitas linhas soltas.\n\nOutro parágrafo."


def test_a_page_that_fails_is_named_and_the_next_one_is_read(pdfs, fake_reader):
    for name in ("fails", "sound"):
        (pdfs / f"{name}.pdf").write_bytes(raw_pdf(1))
    rows, report = read_documents(pdfs)
    assert [row["id"][:5] for row in rows] == ["sound"]
    assert [(one["file"], one["page"]) for one in report.skipped] == [("fails.pdf", 1)] and "Error in pixRead" in report.skipped[0]["why"]
    assert len(list((pdfs.parent / "images/documents").iterdir())) == 1, "no picture is left of a page without text"


def test_a_page_that_hangs_is_given_up(fake_reader, monkeypatch):
    monkeypatch.setattr(documents, "PATIENCE", 1)
    with pytest.raises(UserError, match="tesseract took over 1 s for hangs.pdf.png"):
        documents.read_page("hangs.pdf.png", "it")


def test_a_wall_poster_is_drawn_small_enough(pdfs):
    (pdfs / "poster.pdf").write_bytes(raw_pdf(1, side=14_400))
    with documents.open_pdf(pdfs / "poster.pdf") as document:
        width, height = documents.draw_page(document, 0).size
    assert 0.98 * documents.LARGEST < width * height < 1.02 * documents.LARGEST


def test_the_limit_is_kept(pdfs, fake_reader):
    (pdfs / "one.pdf").write_bytes(raw_pdf(3))
    (pdfs / "two.pdf").write_bytes(raw_pdf(3))
    assert [row["id"][:3] for row in read_documents(pdfs, limit=4)[0]] == ["one", "one", "one", "two"]


def test_a_missing_reader_or_language_is_one_sentence(pdfs, no_reader):
    (pdfs / "one.pdf").write_bytes(raw_pdf(3))
    rows, report = read_documents(pdfs)
    assert (
        rows == []
        and report.documents == 1
        and re.fullmatch(r"the program tesseract was not found[^.\n]*install tesseract-ocr[^.\n]*", report.no_reader)
    )
    assert "documents.CODES" in documents.reader_missing("xx")
    with pytest.raises(UserError, match="no folder"):
        read_documents(pdfs / "none")


def test_a_reader_without_the_language_says_what_to_install(fake_reader):
    assert documents.reader_missing("it") == "" and documents.reader_missing("pt-PT") == ""
    assert documents.reader_missing("en").endswith("install tesseract-ocr-eng")


@pytest.mark.parametrize("language", ["pt-BR", "it"])
def test_tesseract_reads_back_what_the_pages_say(pdfs, language):
    missing = documents.reader_missing(language)
    if missing:
        pytest.skip(missing)
    texts = [pages.sentences_about(picture_scene(index, 0), language, random.Random(index)) for index in range(2)]
    documents.write_pdf(pdfs / "scenes.pdf", texts)
    rows, report = read_documents(pdfs, language)
    said = [turns_of(row)[0][1] for row in rows]
    assert report.kept == 2 and not list(picture_problems(rows, pdfs.parent / "images"))
    for text, found in zip(texts, said, strict=True):
        lost = Counter(text.split()) - Counter(found.split())
        assert lost.total() <= 0.05 * len(text.split()), (text, found)


# --- The Cauldron.


def picture_bytes(colour="red", size=(20, 10)):
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return {"bytes": file.getvalue(), "path": None}


def said(*pairs):
    return [{"user": user, "assistant": assistant, "source": "test"} for user, assistant in pairs]


@pytest.fixture()
def hub(tmp_path):
    """A function that writes a sub-set as the hub's Parquet, or as `save_to_disk` does."""
    import datasets

    def write(name, records, saved=False):
        text = {key: datasets.Value("string") for key in ("user", "assistant", "source")}
        features = datasets.Features({"images": datasets.List(datasets.Image()), "texts": datasets.List(text)})
        made = datasets.Dataset.from_list(records, features=features)
        (tmp_path / "hub" / name).mkdir(parents=True)
        if saved:
            made.save_to_disk(tmp_path / "hub" / name)
        else:
            made.to_parquet(tmp_path / "hub" / name / "train-00000-of-00001-abc.parquet")
        return tmp_path / "hub"

    return write


RECORDS = [
    {"images": [picture_bytes()], "texts": said(("How many cats?\nAnswer briefly.", "Two."), ("Is it red?", "Yes."))},
    {"images": [picture_bytes("red"), picture_bytes("blue", (30, 40))], "texts": said(("Is it true?", "No."))},
    {"images": [{"bytes": picture_bytes()["bytes"][:40], "path": None}], "texts": said(("What?", "A cat."))},
    {"images": [], "texts": said(("What?", "A cat."))},
    {"images": [picture_bytes()], "texts": said(("What?", ""))},
    {"images": [picture_bytes()], "texts": said(("What is it?", "A dog."))},
]


@pytest.mark.parametrize("saved", [False, True])
def test_cauldron_rows_become_llava_rows(hub, tmp_path, saved):
    folder, report = hub("nlvr2", RECORDS, saved), Counter()
    rows = list(cauldron.rows(cauldron.records(folder, "nlvr2"), "nlvr2", tmp_path / "images", report))
    assert [turns_of(row) for row in rows] == [
        [("How many cats?\nAnswer briefly.", "Two."), ("Is it red?", "Yes.")], [("Is it true?", "No.")], [("What is it?", "A dog.")],
    ]  # fmt: skip
    assert report == {"read": 6, "kept": 3, "questions": 4, "several pictures": 1, "picture broken": 1, "no picture": 1, "no question": 1}
    assert not list(problems(rows)) and not list(picture_problems(rows, tmp_path / "images"))
    with Image.open(tmp_path / "images" / rows[1]["image"]) as both:
        assert both.size == (60, 40)
        assert [max(range(3), key=both.getpixel((x, 5)).__getitem__) for x in (10, 45)] == [0, 2]  # red left, blue right


def test_only_the_first_rows_are_read(hub, tmp_path):
    folder, report = hub("tallyqa", RECORDS), Counter()
    rows = list(cauldron.rows(cauldron.records(folder, "tallyqa"), "tallyqa", tmp_path / "images", report, first=2))
    assert len(rows) == 2 and report["read"] == 2
    assert cauldron.FIRST == 10_000


def test_a_sub_set_that_is_not_kept_not_there_or_not_the_cauldron_is_refused(hub, tmp_path):
    import datasets

    with pytest.raises(UserError, match="'docvqa' is not among the 15 .English text inside the picture"):
        list(cauldron.rows([], "docvqa", tmp_path, Counter()))
    with pytest.raises(UserError, match="no Parquet file"):
        cauldron.records(tmp_path, "raven")
    (tmp_path / "clevr").mkdir()
    datasets.Dataset.from_list([{"a": 1}]).to_parquet(tmp_path / "clevr/x.parquet")
    with pytest.raises(UserError, match="has the columns a, not images and texts"):
        cauldron.records(tmp_path, "clevr")
    (tmp_path / "raven").mkdir()
    (tmp_path / "raven/x.parquet").write_bytes(b"PAR1 torn")
    with pytest.raises(UserError, match="download it again"):
        list(cauldron.records(tmp_path, "raven"))


def test_every_sub_set_is_decided_with_a_reason_and_its_source():
    assert len({one.name for one in cauldron.SUBSETS}) == len(cauldron.SUBSETS) == 50 and len(cauldron.KEPT) == 15
    assert all(one.kept or one.reason for one in cauldron.SUBSETS)
    reported = {one.name for one in cauldron.SUBSETS if one.status == "reported"} - set(cauldron.KEPT)
    assert reported == {"docvqa", "ocrvqa"}, "the paper names these two alone"
    assert [row["decision"] for row in cauldron.table()] == ["kept"] * 15 + ["excluded"] * 35
    assert {*tasks.TYPES, *tasks.NO_COUNTERPART} == set(cauldron.KEPT) and not {*tasks.TYPES} & {*tasks.NO_COUNTERPART}


# --- The picture world's short tasks.


def meaning(text, ask, language):
    """What an answer says, in the shape of the truth about a question."""
    marks = read(text, language)
    first = lambda sort: values(marks, sort)[0]  # noqa: E731
    match ask.type:
        case "yes_no":
            return {"yes": first("yes")}
        case "counting" | "total" | "arithmetic" | "group":
            return {"number": first("number")}
        case "position":
            return {"place": places(marks)[0][1]}
        case "background" | "card":
            return {"colour": first("colour")}
        case "category":
            return {"category": first("category")}
        case "comparison":
            return {"more": "equal" if values(marks, "equal") else first("kind")}
    return {"kind": first("kind")}


@pytest.mark.parametrize("language", LANGUAGES)
def test_short_answers_are_true_and_short(language):
    rng, seen = random.Random(0), set()
    for index in range(60):
        for kind in (kind for kind in SHORT if kind != "listing"):
            for ask in possible(picture_scene(index, 0), kind, rng):
                said_so = tasks.short_answer(ask, language)
                seen.add(said_so)
                assert meaning(said_so, ask, language).items() <= truth(ask).items(), (said_so, ask)
                assert len(said_so.split()) <= 6 and said_so[0].isupper() and said_so.endswith(".") and "." not in said_so[:-1]
    wanted = {"en": "Two.", "pt-BR": "Duas.", "pt-PT": "Duas.", "it": "Una."}
    assert wanted[language] in seen


@pytest.mark.parametrize("language", LANGUAGES)
def test_training_asks_for_short_answers_as_evaluation_does(language):
    for kind in ("short", "option"):
        assert tasks.suffix(language, kind) == matching.suffix(language, kind).strip()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_task_asks_in_its_own_way(language):
    rows = [row for index in range(40) for row in tasks.world_rows(picture_scene(index, 0), f"{index:012d}", language, each=9)]
    assert not list(problems(rows)) and {row["task"] for row in rows} == set(tasks.TYPES)
    letters = Counter()
    for row in rows:
        for question, answer in turns_of(row):
            asks = matching.suffix(language, "option" if row["task"] == "aokvqa" else "short").strip()
            assert question.endswith(f"\n{asks}") != (row["task"] == "localized_narratives")
            if row["task"] == "aokvqa":
                scene, letters[answer] = picture_scene(int(row["id"]), 0), letters[answer] + 1
                chosen = next(line for line in question.splitlines() if line.startswith(f"{answer}. "))
                category = values(read(chosen[3:], language), "category")[0]
                assert category in {truth(ask)["category"] for ask in possible(scene, "category", random.Random(0))}
    assert set(letters) == set("ABCD")
    assert len({row["task"] for row in tasks.world_rows(picture_scene(1, 0), "1", language, each=3)}) <= 3


def test_yes_and_no_are_asked_equally_often():
    rng = random.Random(0)
    answers = [a for n in range(20) for _, a in tasks.turns_of_task(picture_scene(n, 0), "vqav2", "pt-BR", rng) if a in ("Sim.", "Não.")]
    assert answers.count("Sim.") == answers.count("Não.") == 20


# --- Single rounds.


def test_the_first_round_alone_with_its_picture(corpus):
    rows, report = read_rows(corpus / "conversation_58k.json"), Counter()
    single = list(rounds.single_rounds(rows, report))
    assert [turns_of(row) for row in single] == [turns_of(row)[:1] for row in rows]
    assert not list(problems(single)) and report["rows"] == len(rows)
    assert report["rounds left out"] == sum(len(turns_of(row)) - 1 for row in rows) > 0


def test_each_round_as_a_row_of_its_own(corpus):
    rows = read_rows(corpus / "conversation_58k.json")
    single = list(rounds.single_rounds(rows, Counter(), which="each"))
    assert [turns_of(row)[0] for row in single] == [turn for row in rows for turn in turns_of(row)]
    assert len({row["id"] for row in single}) == len(single)
    assert all("<image>" in row["conversations"][0]["value"] for row in single)


def test_a_row_that_is_no_conversation_is_counted_and_a_wrong_word_refused():
    report = Counter()
    half = {"id": "1", "image": "1.png", "conversations": [{"from": "human", "value": "<image>\nWhat?"}]}
    assert list(rounds.single_rounds([half], report)) == [] and report["unsound row"] == 1
    with pytest.raises(ValueError, match="first, each"):
        list(rounds.single_rounds([], Counter(), which="last"))


# --- The mix.


@pytest.mark.parametrize("total", [0, 1, 7, 99, 250, 2400, 250_000])
def test_shares_hold_at_any_size(total):
    found = mix.counts(total)
    assert sum(found.values()) == total
    assert all(abs(found[name] - total * share / 250) < 1 for name, share in {"sections": 168, "captions": 72, "documents": 10}.items())


def pools(sections=500, captions=500, number=500):
    sizes = {"sections": sections, "captions": captions, "documents": number}
    return {name: [{"id": f"{name}-{n}", "task": name} for n in range(size)] for name, size in sizes.items()}


def test_a_mix_takes_each_row_once_and_the_seed_decides_which():
    rows, report = mix.mix(pools(), 250, seed=1)
    assert Counter(row["task"] for row in rows) == {"sections": 168, "captions": 72, "documents": 10}
    assert len({row["id"] for row in rows}) == 250 and report["short"] == 0
    assert rows == mix.mix(pools(), 250, seed=1)[0] != mix.mix(pools(), 250, seed=2)[0]
    order = [row["task"] for row in rows]
    assert order != sorted(order, key=list(mix.SHARES).index), "sources are shuffled among each other"


def test_what_is_short_is_told_and_not_filled_up():
    rows, report = mix.mix(pools(captions=50, number=0), 250, seed=0)
    assert len(rows) == report["taken"] == 218 and report["short"] == 32
    assert report["sources"]["captions"] == {"wanted": 72, "there": 50, "taken": 50, "short": 22}
    assert report["sources"]["documents"]["short"] == 10 and report["sources"]["sections"]["short"] == 0


def test_the_mix_of_published_data_on_disk(wit, pdfs, fake_reader, tmp_path):
    table = wit(*(wit_record(context_section_description=f"{n} {LONG}", caption_reference_description=f"{n} capivaras no lago") for n in range(40)))
    (pdfs / "law.pdf").write_bytes(raw_pdf(1))
    rows, report = mix.adapt_rows([table], tmp_path / "pictures", pdfs, tmp_path / "pictures", "pt-BR", 50)
    assert Counter(row["task"] for row in rows) == {"sections": 34, "captions": 14, "documents": 1}
    assert report["sources"]["documents"]["short"] == 1 and report["read"]["documents"]["documents"] == 1
    assert not list(picture_problems(rows, tmp_path / "pictures"))


# --- The whole build.

SMALL = dataclasses.replace(TINY, pictures=50)


def built(folder, **choice):
    return mix.build(choice.pop("scale", SMALL), choice.pop("language", "pt-BR"), folder, **choice)


def test_all_stages_are_built_and_sound(tmp_path, fake_reader):
    found = built(tmp_path / "data")
    assert list(found) == ["align", "adapt", "short", "long"]
    rows = {stage: [row for path in paths for row in read_rows(path)] for stage, paths in found.items()}
    for stage, every in rows.items():
        assert every and not list(problems(every)) and not list(picture_problems(every, tmp_path / "data/images")), stage
    assert Counter(row["task"] for row in rows["adapt"]) == {"sections": 34, "captions": 14, "documents": 2}
    assert {len(turns_of(row)) for stage in ("align", "adapt", "long") for row in rows[stage]} == {1}
    assert len(rows["align"]) == 50 and "<image>\nO que" not in json.dumps(rows["align"]), "the projector is aligned in English"
    report = json.loads((tmp_path / "data/report.json").read_text(encoding="utf-8"))
    assert report["rows"] == {stage: len(every) for stage, every in rows.items()} and "gold" in report["text"]


def test_without_a_reader_the_build_goes_on_and_says_what_is_short(tmp_path, no_reader):
    found = built(tmp_path / "data", language="it")
    report = json.loads((tmp_path / "data/report.json").read_text(encoding="utf-8"))["adapt"]
    assert len(read_rows(found["adapt"][0])) == 48 and report["short"] == 2
    assert "tesseract was not found" in report["documents"]["no_reader"]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.json")}


def test_a_finished_build_is_left_alone_and_other_inputs_make_another(tmp_path, no_reader):
    folder, small = tmp_path / "data", dataclasses.replace(TINY, pictures=6)
    built(folder, scale=small)
    before = contents(folder)
    assert built(folder, scale=small) and contents(folder) == before, "the manifest tells when it was made"
    (folder / mix.FILES["short"]).unlink()
    built(folder, scale=small)
    again = contents(folder)
    assert again.keys() == before.keys() and all(again[name] == before[name] for name in (*mix.FILES.values(), mix.REPORT))
    built(folder, scale=small, seed=1)
    assert contents(folder)[mix.FILES["align"]] != before[mix.FILES["align"]]


def test_a_build_that_breaks_off_leaves_nothing_half(tmp_path, no_reader, monkeypatch):
    folder, small, write, written = tmp_path / "data", dataclasses.replace(TINY, pictures=6), mix.write_rows, []

    def full(path, rows):
        written.append(path)
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        write(path, rows)

    monkeypatch.setattr(mix, "write_rows", full)
    with pytest.raises(UserError, match="is full"):
        built(folder, scale=small)
    assert not contents(folder) and not (folder / "images").exists()
    monkeypatch.setattr(mix, "write_rows", write)
    found = built(folder, scale=small)
    assert all(read_rows(path) for paths in found.values() for path in paths) and not (folder / ".part").exists()


def test_a_rebuild_that_breaks_off_is_not_taken_for_the_old_build(tmp_path, no_reader, monkeypatch):
    folder, small, replace = tmp_path / "data", dataclasses.replace(TINY, pictures=6), mix._replace
    built(folder, scale=small)
    before = {name: data for name, data in contents(folder).items() if name in mix.FILES.values()}

    def stop(new, old):
        replace(new, old)
        raise KeyboardInterrupt

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(mix, "_write", interrupt)
        built(folder, scale=small, seed=1)
    assert mix.runs.complete(folder, json.loads((folder / "manifest.json").read_text())["inputs"]), "nothing was moved yet: the old build stands"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(mix, "_replace", stop)
        built(folder, scale=small, seed=1)
    built(folder, scale=small)
    assert contents(folder).items() >= before.items()


def test_a_language_without_a_grammar_is_told(tmp_path):
    with pytest.raises(UserError, match="no grammar for 'xx'"):
        built(tmp_path, language="xx")


def test_nothing_heavy_is_loaded_at_import():
    code = "import sys; from utils.corpus.ndino import cauldron, documents, mix; print(sorted({'torch', 'datasets', 'pypdfium2', 'matplotlib'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip() == "[]"


# --- Checks on translated strings.

CAULDRON = "<image>\nQuestion: What is it?\nChoices:\nA. A dog.\nB. A red bus.\nAnswer with the letter."
SAMPLE = sample_of(CAULDRON, "Answer: B")


def test_a_turn_is_taken_apart_and_put_into_one_line():
    assert as_string(SAMPLE) == "What is it? (A) A dog. (B) A red bus. Answer: B"
    plain = sample_of("<image>\nIs it red?\nAnswer the question using a single word or phrase.", "Yes.")
    assert as_string(plain) == "Is it red? Answer: Yes." and plain.asks == "short"
    told = sample_of("Give a brief description of this picture.", "A dog runs.")
    assert as_string(told) == "Give a brief description of this picture. Answer: A dog runs." and told.asks == ""


def test_a_sound_translation_comes_back_as_a_turn_with_the_languages_own_suffix():
    made, broken = read_back(SAMPLE, "O que é isso? (A) Um cachorro. (B) Um ônibus vermelho. Resposta: B")
    assert broken == ()
    assert as_turn(made, "pt-BR") == (
        "O que é isso?\nA. Um cachorro.\nB. Um ônibus vermelho.\nResponda diretamente com a letra da alternativa correta.", "B",
    )  # fmt: skip


@pytest.mark.parametrize(
    "said_so,broken",
    [
        ("(A) Um cachorro. (B) Um ônibus. O que é isso? Resposta: B", {"question"}),
        ("O que é isso. (A) Um cachorro. (B) Um ônibus. Resposta: B", {"question"}),
        ("O que é isso? (A) Um cachorro e um ônibus. Resposta: B", {"options"}),
        ("O que é isso? (A) Um cachorro. (B) Um ônibus. (C) Um gato. Resposta: B", {"options"}),
        ("O que é isso? (B) Um ônibus. (A) Um cachorro. Resposta: B", {"options"}),
        ("O que é isso? (A) (B) Um ônibus. Resposta: B", {"options"}),
        ("O que é isso? (A) Um cachorro. (B) Um ônibus.", {"answer"}),
        ("O que é isso? (A) Um cachorro. (B) Um ônibus. Resposta:", {"answer"}),
        ("O que é isso? (A) Um cachorro. (B) Um ônibus. Resposta: A", {"answer"}),
        ("O que é isso? Resposta: (A) Um cachorro. (B) Um ônibus. B", {"options", "answer"}),
        ("", {"question", "options", "answer"}),
    ],
)
def test_each_check_finds_its_own_defect(said_so, broken):
    made, found = read_back(SAMPLE, said_so)
    assert made is None and set(found) == broken


def test_an_answer_that_repeats_an_option_must_still_repeat_it():
    words = sample_of("What is it?\nA. dog\nB. bus", "Bus.")
    assert read_back(words, "O que é? (A) cachorro (B) ônibus Resposta: Ônibus.")[1] == ()
    assert read_back(words, "O que é? (A) cachorro (B) ônibus Resposta: Autocarro.")[1] == ("answer",)


def test_broken_turns_are_dropped_and_counted_by_task_and_check():
    rows = [
        {"id": "1", "image": "1.png", "task": "vqav2", "conversations": sum((
            [{"from": "human", "value": q}, {"from": "gpt", "value": a}] for q, a in (("<image>\nIs it red?", "Yes."), ("Is it blue?", "No."))), [])},
        {"id": "2", "image": "2.png", "task": "aokvqa",
         "conversations": [{"from": "human", "value": CAULDRON}, {"from": "gpt", "value": "B"}]},
    ]  # fmt: skip
    answers = {
        "Is it red? Answer: Yes.": "Sim.", "Is it blue? Answer: No.": "É azul? Resposta: Não.",
        as_string(SAMPLE): "O que é isso? (A) Um cachorro. Resposta: B",
    }  # fmt: skip
    kept, drops = translate_rows(rows, lambda texts: [answers[text] for text in texts], "pt-BR")
    assert [(row["id"], row["image"], turns_of(row)) for row in kept] == [("1", "1.png", [("É azul?", "Não.")])]
    assert kept[0]["conversations"][0]["value"].startswith("<image>\n") and not list(problems(kept))
    assert drops.table() == [
        {"task": "aokvqa", "turns": 1, "dropped": 1, "share": 1.0, "question": 0, "options": 1, "answer": 0},
        {"task": "vqav2", "turns": 2, "dropped": 1, "share": 0.5, "question": 1, "options": 0, "answer": 1},
        {"task": "all", "turns": 3, "dropped": 2, "share": 0.6667, "question": 1, "options": 1, "answer": 1},
    ]  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
def test_text_that_needs_no_translation_passes_every_check(language):
    rows = [row for index in range(30) for row in tasks.world_rows(picture_scene(index, 0), f"{index:012d}", language, each=9)]
    kept, drops = translate_rows(rows, list, language)
    assert drops.kept == drops.turns and [row["task"] for row in kept] == [row["task"] for row in rows]
    assert [turns_of(row) for row in kept] == [turns_of(row) for row in rows], "what is put together again is what was taken apart"
