"""The rating form, driven through its widgets as a rater would: by clicks, by keys, killed and opened again."""

import html
import json
import os
import re

import pytest
from PIL import Image

from utils.review.ratings import rating_path, read_ratings
from utils.review.rubric import CRITERIA, ERRORS
from utils.review.sampling import Said, read_review, write_review
from utils.runs import UserError

XSS = "<script>alert(1)</script><img src=x onerror=alert(2)>"
NAMES = [one.names["pt"] for one in CRITERIA]


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    """A busy disk takes 0.1 s for each sync; only a power cut, which is not tested here, would miss it."""
    monkeypatch.setattr("os.fsync", lambda number: None)


@pytest.fixture()
def folder(tmp_path):
    rows = [
        Said(f"i{n}", "naming", Image.new("RGB", (24, 24), (40 * n, 90, 9)), "", f"Pergunta {n}?", "g", {"base": f"um {n}", "tuned": f"dois {n}"}, {})
        for n in range(4)
    ]
    rows.append(Said("one", "naming", Image.new("RGB", (24, 24)), "", f"Só uma? {XSS}", "g", {"base": XSS, "tuned": XSS}, {}))
    return write_review(tmp_path / "review", rows, "pt-BR", "tiny", 5, f"Título {XSS}")


def opened(folder, rater="Ana", **options):
    from utils.review.form import form

    return form(folder, rater, **options)


def every(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from every(child)


def found(shown, description):
    """All widgets with this description, in order: one per answer for what each answer has."""
    return [w for w in every(shown) if getattr(w, "description", None) == description]


def click(shown, description):
    (button,) = found(shown, description)
    button.click()


def markup(shown):
    """All HTML of the form."""
    return " ".join(part.value for part in every(shown) if type(part).__name__ == "HTML")


def text(shown):
    """What that HTML shows, tags taken out."""
    return html.unescape(re.sub(r"<[^>]*>", " ", markup(shown)))


def here(shown):
    return int(re.search(r"Item (\d+) de", text(shown))[1])


def press(shown, keys):
    """Keys arrive in the key field one by one, behind those that stand there."""
    (field,) = found(shown, "Teclas")
    for key in keys:
        field.value += key


def saved(folder, rater="Ana"):
    return read_ratings(rating_path(folder, rater), read_review(folder)).ratings


def rate(shown, value=2, best="tie"):
    for name in NAMES:
        for row in found(shown, name):
            row.value = value
    found(shown, "Melhor resposta")[0].value = best


def item_of(folder, place):
    return read_review(folder)["items"][place]


def pair_at(folder):
    """The place of an item with two answers."""
    return next(n for n, item in enumerate(read_review(folder)["items"]) if len(item["answers"]) == 2)


def test_every_click_is_on_disk_at_once(folder):
    shown, item = opened(folder), item_of(folder, 0)
    assert not rating_path(folder, "Ana").exists()
    found(shown, "Viu certo")[0].value = 1
    assert saved(folder)[item["id"]]["answers"] == {item["answers"][0]["id"]: {"scores": {"seen": 1}, "errors": [], "remark": ""}}
    found(shown, "Cor errada")[0].value = True
    found(shown, "Observação")[0].value = "meia palavr"
    said = saved(folder)[item["id"]]["answers"][item["answers"][0]["id"]]
    assert said == {"scores": {"seen": 1}, "errors": ["wrong_colour"], "remark": "meia palavr"}
    found(shown, "Cor errada")[0].value = False
    assert saved(folder)[item["id"]]["answers"][item["answers"][0]["id"]]["errors"] == []


def test_the_form_shows_picture_question_and_answers_and_no_system(folder):
    shown = opened(folder)
    for place, item in enumerate(read_review(folder)["items"], start=1):
        assert here(shown) == place and item["question"] in text(shown)
        hidden = [w for w in every(shown) if w.layout.display == "none"]  # the second panel and the choice of the best
        assert len(hidden) == (2 if len(item["answers"]) == 1 else 0)
        assert all(answer["text"] in text(shown) for answer in item["answers"])
        assert f'" alt="Figura {place} de 5"' in markup(shown)
        assert not re.search(r"\b(base|tuned)\b", text(shown))
        click(shown, "Próxima →")
    assert here(shown) == 5  # the last one stays


def test_every_answer_has_its_panel_and_its_key(tmp_path):
    picture = Image.new("RGB", (24, 24))
    rows = [Said(f"i{n}", "naming", picture, "", f"P{n}?", "g", {s: s * (n + 1) for s in "vwxyz"[: 2 + n]}, {}) for n in range(4)]
    folder = write_review(tmp_path / "review", rows, "pt-BR", "tiny", 0, "Título")
    shown = opened(folder)
    for item in read_review(folder)["items"]:
        press(shown, "2" * 6 * len(item["answers"]) + "abcde"[len(item["answers"]) - 1] + "n")
        assert saved(folder)[item["id"]]["best"] == item["answers"][-1]["id"]
    assert "4 de 4 completas" in text(shown)


def test_a_form_opened_again_goes_on_at_the_first_incomplete_item_with_all_that_was_said(folder):
    shown = opened(folder)
    rate(shown)
    click(shown, "Próxima →")
    rate(shown, 1, best="none" if len(item_of(folder, 1)["answers"]) > 1 else None)
    click(shown, "Próxima →")
    found(shown, "Concordância e fluência")[0].value = 0
    found(shown, "Observação")[0].value = "parei aqui"
    found(shown, "Cor errada")[0].value = True
    again = opened(folder)  # a killed kernel: nothing but the disk is left
    assert here(again) == 3 and "2 de 5 completas" in text(again)
    assert found(again, "Concordância e fluência")[0].value == 0 and found(again, "Observação")[0].value == "parei aqui"
    assert found(again, "Viu certo")[0].value is None and found(again, "Cor errada")[0].value
    click(again, "← Anterior")
    assert not found(again, "Cor errada")[0].value
    assert [row.value for name in NAMES for row in found(again, name)][0] == 1
    click(again, "Primeira incompleta")
    assert here(again) == 3
    assert here(opened(folder, "Bia")) == 1  # each rater has a file of their own


def test_undo_goes_back_step_by_step_over_items(folder):
    shown = opened(folder)
    found(shown, "Viu certo")[0].value = 0
    found(shown, "Viu certo")[0].value = 2
    click(shown, "Próxima →")
    for typed in ("b", "bo", "bom"):
        found(shown, "Observação")[0].value = typed
    second = item_of(folder, 1)["id"]
    assert second in saved(folder)
    click(shown, "Desfazer")  # the whole remark
    assert second not in saved(folder) and here(shown) == 2 and found(shown, "Observação")[0].value == ""
    click(shown, "Desfazer")
    assert here(shown) == 1 and found(shown, "Viu certo")[0].value == 0
    click(shown, "Desfazer")
    assert saved(folder) == {} and found(shown, "Viu certo")[0].value is None
    click(shown, "Desfazer")
    assert "Não há nada a desfazer" in text(shown) and saved(folder) == {}


def test_an_item_rated_by_keys_alone_is_complete(folder):
    place = pair_at(folder)
    shown, item = opened(folder), item_of(folder, place)
    press(shown, "n" * place + "012012" + "210210" + "b")
    rating = saved(folder)[item["id"]]
    assert list(rating["answers"][item["answers"][0]["id"]]["scores"].values()) == [0, 1, 2, 0, 1, 2]
    assert list(rating["answers"][item["answers"][1]["id"]]["scores"].values()) == [2, 1, 0, 2, 1, 0]
    assert rating["best"] == item["answers"][1]["id"] and "1 de 5 completas" in text(shown) and "Item completo" in text(shown)
    press(shown, "=")
    assert saved(folder)[item["id"]]["best"] == "tie"
    press(shown, "u")
    assert saved(folder)[item["id"]]["best"] == item["answers"][1]["id"]
    press(shown, "-")
    assert saved(folder)[item["id"]]["best"] == "none"
    press(shown, "n?9ãx")  # keys without a meaning do nothing
    assert here(shown) == place + 2
    press(shown, "pp")
    assert here(shown) == max(1, place)


def test_j_and_k_choose_the_criterion_that_the_next_digit_rates(folder):
    shown, item = opened(folder), item_of(folder, 0)
    press(shown, "jj1")
    press(shown, "kkk2")  # from the fourth back to the first
    assert saved(folder)[item["id"]]["answers"][item["answers"][0]["id"]]["scores"] == {"hallucination": 1, "seen": 2}
    assert "A próxima tecla avalia: Resposta A, Responde à pergunta. 0: Fala de outra coisa" in text(shown)
    press(shown, "2")
    assert "A próxima tecla avalia: Resposta A, Língua e variedade" in text(shown)  # what has a score already is passed over


def test_keys_count_once_however_they_arrive(folder):
    shown, item = opened(folder), item_of(folder, 0)
    (field,) = found(shown, "Teclas")
    answer = item["answers"][0]["id"]
    field.value = "21"  # two at once
    field.value = "2"  # one deleted
    assert saved(folder)[item["id"]]["answers"][answer]["scores"] == {"seen": 2, "answers": 1}
    field.value = "20"
    assert saved(folder)[item["id"]]["answers"][answer]["scores"] == {"seen": 2, "answers": 1, "hallucination": 0}
    field.value = ""
    field.value = "1"
    assert saved(folder)[item["id"]]["answers"][answer]["scores"]["language"] == 1
    long = "1" + "x" * 200
    field.value = long
    assert field.value == ""  # emptied by the form
    field.value = long + "0"  # this key was on its way
    field.value = long + "02"
    scores = saved(folder)[item["id"]]["answers"][answer]["scores"]
    assert (scores["fluency"], scores["length"]) == (0, 2)


def test_text_from_data_stays_text(folder):
    place = next(n for n, item in enumerate(read_review(folder)["items"]) if len(item["answers"]) == 1)
    shown = opened(folder, rater="Ana <script>")
    press(shown, "n" * place)
    found(shown, "Observação")[0].value = XSS
    again = opened(folder, rater="Ana <script>")
    press(again, "n" * place)
    assert found(again, "Observação")[0].value == XSS
    for one in (shown, again):
        assert "<script" not in markup(one) and "<img src=x" not in markup(one)
        assert text(one).count(XSS) >= 2 and "Só uma?" in text(one) and "Ana <script>" in text(one)
    assert not any(getattr(w, "description_allow_html", False) for w in every(shown))


def test_a_save_that_fails_is_told_and_the_item_stays_on_show_until_it_is_saved(folder, monkeypatch):
    shown, item = opened(folder), item_of(folder, 0)
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", lambda number: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        found(shown, "Viu certo")[0].value = 1
        assert "NÃO foi salvo" in text(shown) and "No space left" in text(shown)
        click(shown, "Próxima →")
        assert here(shown) == 1
    click(shown, "Próxima →")
    assert here(shown) == 2 and saved(folder)[item["id"]]["answers"][item["answers"][0]["id"]]["scores"] == {"seen": 1}
    assert "NÃO foi salvo" not in text(shown)


def test_an_undo_takes_back_a_click_that_never_reached_the_disk(folder, monkeypatch):
    shown = opened(folder)
    found(shown, "Viu certo")[0].value = 1
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", lambda number: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        found(shown, "Viu certo")[0].value = 2
        click(shown, "Desfazer")
    assert found(shown, "Viu certo")[0].value == 1
    click(shown, "Desfazer")
    assert saved(folder) == {}


def test_a_review_rated_to_the_end_says_so_and_counts_the_time(folder, monkeypatch):
    from utils.review import form_desk

    clock = [0.0]
    monkeypatch.setattr(form_desk.time, "monotonic", lambda: clock[0])
    shown = opened(folder)
    for item in read_review(folder)["items"]:
        clock[0] += 10
        press(shown, "2" * 6 * len(item["answers"]) + ("=" if len(item["answers"]) > 1 else ""))
        clock[0] += 10_000  # lunch
        found(shown, "Observação")[0].value = "ok"
        press(shown, "n")
    assert "Tudo avaliado" in text(shown) and {rating["seconds"] for rating in saved(folder).values()} == {310.0}
    assert all(len(one["scores"]) == 6 for rating in saved(folder).values() for one in rating["answers"].values())


def test_the_form_speaks_english_with_the_same_file(folder):
    shown = opened(folder, tongue="en", picture_size=100)
    assert (
        "Seen correctly" in text(shown)
        and "Viu certo" not in text(shown)
        and "width:100px" in " ".join(w.value for w in every(shown) if type(w).__name__ == "HTML")
    )
    found(shown, "Seen correctly")[0].value = 2
    assert found(opened(folder), "Viu certo")[0].value == 2
    assert {one.names["en"] for one in ERRORS} <= {getattr(w, "description", "") for w in every(shown)}


def test_what_keeps_the_form_from_opening_is_one_sentence_and_nothing_is_lost(folder):
    with pytest.raises(UserError, match="does not speak 'fr'"):
        opened(folder, tongue="fr")
    with pytest.raises(UserError, match="rater's name"):
        opened(folder, rater="  ")
    path = rating_path(folder, "Ana")
    found(opened(folder), "Viu certo")[0].value = 2
    broken = path.read_bytes()[:-20]
    path.write_bytes(broken)
    with pytest.raises(UserError, match="not JSON"):
        opened(folder)
    assert path.read_bytes() == broken
    (folder / item_of(folder, 2)["picture"]).unlink()
    with pytest.raises(UserError, match="lacks 1 pictures, the first is pictures/q0003.webp"):
        opened(folder, rater="Bia")


def test_the_files_of_the_form_carry_no_system_and_the_format_of_the_page(folder):
    shown = opened(folder)
    press(shown, "2")
    data = json.loads(rating_path(folder, "Ana").read_text("utf-8"))
    assert set(data) == {"format", "review", "rubric", "rater", "ratings"}
    ((_, rating),) = data["ratings"].items()
    assert set(rating) == {"best", "answers", "at", "seconds"} and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", rating["at"])
