"""The four systems' table: records of real trainings made small, one set of questions, sentences and charts that follow the numbers."""

import dataclasses

import pytest
import torch

from utils.corpus.scenes.world import single
from utils.evaluation.four import System, check_same_questions, one_table, title_of, what_each_bought
from utils.evaluation.four_chart import systems_alt, systems_chart, types_chart
from utils.evaluation.scenes_task import Answer
from utils.figures import plt
from utils.journey import four as journey
from utils.journey.four import data_of, four_systems, run_system, stage_model
from utils.journey.systems import steps_of
from utils.models.load import load_folder
from utils.runs import UserError, write_json
from utils.scales import TINY

SMALL = dataclasses.replace(TINY, name="small", pictures=24, steps=8, batch=1, row_tokens=200, max_rank=4)
KINDS = ("dog", "cat", "car", "sun", "tree")


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """Two systems trained for a few steps and asked one question of each type, in processes of their own; and the outputs."""
    folder = tmp_path_factory.mktemp("four")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OUTPUTS", str(folder))
        patch.delenv("SHARE", raising=False)
        return four_systems(SMALL, "it", ("llava-pt", "llava-ndino"), per_type=1), folder


@pytest.fixture()
def trained(once, monkeypatch):
    monkeypatch.setenv("OUTPUTS", str(once[1]))
    return once[0]


def test_records_hold_what_two_real_trainings_were(trained):
    systems, missing = trained
    ours, tiles = systems["llava-pt"], systems["llava-ndino"]
    assert not missing and [one.steps for one in systems.values()] == [sum(steps_of(name, SMALL).values()) for name in systems] == [4, 5]
    assert (ours.views, ours.picture_tokens, tiles.views, tiles.picture_tokens) == (1, 36, 3, 36 + 36 + 6), "the whole, one tile more, line ends"
    model, _ = load_folder(stage_model("llava-ndino", "long", SMALL, "it"))
    assert tiles.parameters == sum(p.numel() for p in model.parameters()) and tiles.trained > 0.99 * tiles.parameters, "all parts learn in full"
    assert 0 < ours.trained < ours.parameters < tiles.parameters + 1
    assert set(ours.answers) == {"it", "en"} and len(ours.answers["it"]) == len(tiles.answers["en"]) == 14
    assert ours.data.startswith("gold conversations") and ours.scale == "small" and ours.memory_mb > 100
    table = one_table(list(systems.values()))
    assert set(table[0]) == {"", "llava-pt", "llava-ndino"} and sum(row[""].endswith(": it · en") for row in table) == 14
    assert f"{tiles.parameters:,}" in {row["llava-ndino"] for row in table}


def test_what_is_done_is_not_done_again(trained):
    systems, _ = trained
    threads = torch.get_num_threads()
    told = run_system("llava-pt", SMALL, "it", 0, 1)
    torch.set_num_threads(threads)
    kept = systems["llava-pt"]
    assert {name: getattr(kept, name) for name in told if name != "asked"} == {name: value for name, value in told.items() if name != "asked"}
    assert list(told["asked"]) == ["en", "it"], "even the seconds and the memory are those of the first time"


def answered(right: str, language: str) -> list[Answer]:
    """Answers to one kind of question each, 1 for right; the same questions whatever was said."""
    return [
        Answer("naming" if n % 2 else "yes_no", single(KINDS[n % 5]), str(n % 3), language, f"{n}?", "", {}, "", bit == "1", 1.0, language)
        for n, bit in enumerate(right)
    ]


def system(name: str, own: str, english: str | None = None, **facts) -> System:
    plain = {
        "trained": 100,
        "parameters": 400,
        "views": 1,
        "picture_tokens": 36,
        "steps": 600,
        "seconds": 50.0,
        "answer_seconds": 2.0,
        "memory_mb": 500,
    }
    answers = {"en": answered(english or own, "en"), "it": answered(own, "it")}
    return System(name, "an idea", "gold", "tiny", "it", answers, **(plain | facts))


FEW, MANY = "1" * 10 + "0" * 50, "1" * 50 + "0" * 10


def test_sentences_are_made_of_the_numbers():
    first, other = system("one", FEW), system("two", MANY, FEW, picture_tokens=180, views=5, trained=250, seconds=125.0, memory_mb=250)
    (told,) = what_each_bought([first, other])
    assert told.startswith("two (an idea): 5 views and 180 picture tokens instead of 36, 2.5 times the parameters that learn, 2.5 times the training")
    assert "0.5 times the memory" in told and "1 times the seconds per answer" in told
    assert "asked in it +66.7 points [" in told and "more (types better beyond chance: naming, yes_no; worse: none)" in told
    assert "asked in en +0.0 points [+0.0, +0.0], no difference shown (types better beyond chance: none; worse: none)" in told
    (swapped,) = what_each_bought([other, first])
    assert swapped.startswith("one (an idea): 1 view and 36 picture tokens instead of 180, 0.4 times")
    assert "asked in it -66.7 points [" in swapped and "less (types better beyond chance: none; worse: naming, yes_no)" in swapped
    assert what_each_bought([first]) == what_each_bought([]) == []


@pytest.mark.parametrize("change", [{"scene": single("lion")}, {"question": "another?"}, {"type": "counting"}])
def test_systems_that_were_asked_other_questions_are_not_compared(change):
    first, other = system("one", FEW), system("two", MANY)
    check_same_questions([first, other])
    other.answers["en"][3] = dataclasses.replace(other.answers["en"][3], **change)
    for compare in (check_same_questions, one_table, what_each_bought):
        with pytest.raises(UserError, match="two and one answered different questions"):
            compare([first, other])
    with pytest.raises(UserError):
        check_same_questions([first, dataclasses.replace(system("two", MANY), answers={"it": first.answers["it"]})])


def test_the_table_tells_both_languages():
    rows = {row[""]: row for row in one_table([system("one", FEW, MANY), system("two", MANY, FEW)])}
    assert rows["right, asked in it"]["one"].startswith("17 % [") and rows["right, asked in en"]["one"].startswith("83 % [")
    kind = rows["naming: it · en"]
    assert kind["one"].startswith("17 % [") and " · 83 % [" in kind["one"] and kind["two"].startswith("83 % [")
    assert rows["always the commonest answer"]["one"] == "33 %" and rows["picture: views, tokens"]["one"] == "1, 36"


def test_charts_show_the_numbers_and_carry_scale_language_and_budget():
    systems = [system("one", FEW, MANY), system("two", MANY, FEW, steps=500)]
    figure = systems_chart(systems, " · gold text")
    axis = figure.axes[0]
    drawn = [line.get_xdata()[0] for line in axis.lines if line.get_marker() in "os"]
    assert drawn == pytest.approx([100 / 6, 500 / 6, 500 / 6, 100 / 6]), "in it, then in English"
    assert any(list(line.get_xdata()) == pytest.approx([100 / 3] * 2) for line in axis.lines), "the baseline"
    title = axis.get_title(loc="left")
    assert "scale tiny · it · 500–600 steps each" in title and title.endswith("· gold text")
    assert title_of(systems[:1], "T") == "T\nscale tiny · it · 600 steps each, all stages together, one seed"
    assert systems_alt(systems) == "Answers right: one 17 % in it and 83 % in en; two 83 % in it and 17 % in en"
    grid = types_chart(systems).axes[0]
    assert [label.get_text() for label in grid.get_xticklabels()] == ["one", "two", "always the commonest\nanswer"]
    assert [text.get_text() for text in grid.texts[:2]] == ["17", "83"]
    plt.close("all")


def test_a_scale_whose_data_is_published_says_what_to_give(monkeypatch):
    big = dataclasses.replace(SMALL, name="big", weights="some/hub-id")
    found, missing = four_systems(big, "it", ("mblip", "amalia-vl"))
    assert (
        found == {}
        and set(missing) == {"mblip", "amalia-vl"}
        and missing["mblip"]
        == ("mblip is not here at scale big: the data of mblip is published, not made here; give train your own: --data FOLDER --images FOLDER")
    )

    def broken(*_):
        raise UserError("the picture folder is gone")

    monkeypatch.setattr(journey, "stage_data", broken)
    with pytest.raises(UserError, match="the picture folder is gone"):
        four_systems(SMALL, "it", ("mblip",))


def test_what_was_learnt_from_names_the_translator(tmp_path, monkeypatch):
    monkeypatch.setenv("OUTPUTS", str(tmp_path))
    write_json(tmp_path / "small" / "pt-BR" / "corpus" / "report.json", {"engine": "bergamot"})
    assert data_of("llava-pt", SMALL, "pt-BR") == "conversations translated by bergamot, some English"
    assert data_of("llava-ndino", SMALL, "pt-BR").startswith("gold: ") and "unknown" in data_of("mblip", SMALL, "it")
