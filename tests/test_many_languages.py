"""mBLIP's languages: their shares of the answers learnt, the same questions in each, and sentences and a chart that follow the numbers."""

import dataclasses

import pytest

from utils.evaluation.four_chart import language_chart
from utils.evaluation.measures import share
from utils.figures import plt
from utils.journey import many_languages as journey
from utils.journey.many_languages import answer_shares, ask_languages, asked_languages, finding, language_lines
from utils.models.small import small_blip2
from utils.scales import TINY


def row(name: str, said: tuple[str, ...], **more) -> dict:
    return {"id": name, "conversations": [turn for text in said for turn in ({"from": "human", "value": "?"}, {"from": "gpt", "value": text})]} | more


def test_shares_count_answers_by_the_language_that_they_are_in():
    english = [row("a", ("a dog", "two")), row("b", ("a cat",))]
    learnt = [
        row("a", ("um cão", "dois")),
        english[1],
        row("c", ("Ja",), answer_language="de"),
        row("d", ("a dog",), answer_language="en", language="de"),
    ]
    assert answer_shares(learnt, english, "pt-BR") == {"pt-BR": 0.4, "en": 0.4, "de": 0.2}
    assert answer_shares(learnt, english, "pt-PT")["pt-BR"] == 0.4, "the mix has one Portuguese"
    assert asked_languages("pt-PT") == asked_languages("it") and "pt-PT" not in asked_languages("pt-PT")


def test_every_language_is_asked_the_same_and_once(tokenizer, tmp_path, monkeypatch):
    model = small_blip2(tokenizer, "mt5")
    model.config.prompt = "mblip"
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    monkeypatch.setattr(journey, "NEW_TOKENS", 2)
    scale = dataclasses.replace(TINY, name="small")
    rows, said = ask_languages(tmp_path / "model", scale, ("en", "it", "ar"), tmp_path / "out", 2)
    asked = {code: [(r["image"], r["type"], r["truth"]) for r in rows if r["answer_language"] == code] for code in ("en", "it", "ar")}
    assert asked["en"] == asked["it"] == asked["ar"] and len(rows) == len(said) == 3 * len(asked["en"]) > 20
    monkeypatch.setattr("utils.models.load.load_model", None)  # kept: no model is opened again
    assert ask_languages(tmp_path / "model", scale, ("en", "it", "ar"), tmp_path / "out", 2) == (rows, said)


def table(rights: dict[str, tuple[float, int]]) -> list[dict]:
    """Language -> (share of the data, right answers of 50)."""
    return [
        {"language": code, "data_share": part, "accuracy": share(right, 50), "in_language": share(right, 50), "baseline": 0.3,
         "tokens_per_word": None if code == "zh" else 2.5, "tokens_per_noun": 3.0}
        for code, (part, right) in rights.items()
    ]  # fmt: skip


UP = {"en": (0.5, 45), "it": (0.2, 40), "de": (0.1, 35), "ru": (0.08, 30), "zh": (0.05, 25), "ar": (0.01, 5)}


def test_findings_follow_the_numbers():
    above, related = finding(table(UP))
    assert above == "languages whose interval lies above the commonest answer: en, it, de, ru, zh (5 of 6)"
    assert "+1.00" in related and related.endswith("more data goes with more right answers")
    turned = {code: (part, UP[other][1]) for (code, (part, _)), other in zip(UP.items(), reversed(UP), strict=True)}
    assert finding(table(turned))[1].endswith("more data goes with fewer right answers") and "-1.00" in finding(table(turned))[1]
    assert finding(table({"en": (0.5, 45), "it": (0.2, 40), "de": (0.1, 42)}))[1].endswith("no relation is shown")
    assert "cannot be told" in finding(table({"en": (0.5, 4), "it": (0.5, 5)}))[1]
    lines = language_lines(table(UP))
    assert lines[0]["right"].startswith("90 % [") and lines[0]["right"].endswith(" of 50") and lines[4]["tokens per word"] == "–"


def test_the_chart_has_a_point_per_language_and_room_for_one_without_data():
    rows = table(UP | {"ja": (0.0, 1)})
    axis = language_chart(rows, "mblip · tiny").axes[0]
    points = {round(line.get_ydata()[0]): line.get_xdata()[0] for line in axis.lines if line.get_marker() in ("o", "x")}
    assert points[90] == pytest.approx(50) and points[10] == pytest.approx(1) and 0 < points[2] < points[10]
    assert axis.get_xscale() == "log" and {text.get_text() for text in axis.texts} == {*UP, "ja"} and axis.get_title(loc="left") == "mblip · tiny"
    plt.close("all")
