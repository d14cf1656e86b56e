"""Notebook 02's probe: trained at any scale through one door, its tables in words, and a hub's LLaVA where the scale asks for one."""

import dataclasses

import pytest

from utils.evaluation.probe import gap, held_out_prompts, probe_rows, thesis_prompts
from utils.journey import probes
from utils.runs import UserError
from utils.scales import A100, TINY, shrink

SMALL = dataclasses.replace(shrink(TINY, 0.02), fusion_share=0.003)


@pytest.fixture()
def made():
    return probes.trained(SMALL, "pt-BR")


def test_all_are_trained_on_the_same_pictures_and_asked(made):
    assert list(made) == ["VL-T5, pretrain", "VL-T5, tune", "LLaVA"]
    assert made["LLaVA"]["steps"] == made["VL-T5, tune"]["steps"] == 2
    rows = {row["training"]: row for row in probes.lessons(made, SMALL)}
    assert rows["LLaVA"]["pictures seen"] == rows["VL-T5, tune"]["pictures seen"] and rows["VL-T5, pretrain"]["targets"] == "words"
    models = probes.answerers(SMALL, "pt-BR")
    assert list(models) == ["VL-T5, raw", "VL-T5, with prefix", "VL-T5, caption-tuned", "LLaVA"]
    prompts = thesis_prompts("pt-BR")[:2]
    told = probes.side_by_side(models, prompts)
    assert [row["picture"] for row in told] == ["butterfly", "tennis ball"] and all(isinstance(row[name], str) for row in told for name in models)
    table = probes.probe_table(probe_rows(models, prompts))
    assert [row["model"] for row in table] == list(models)
    again = probes.trained(SMALL, "pt-BR")
    assert {name: one["finished"] for name, one in again.items()} == {name: one["finished"] for name, one in made.items()}


def test_a_big_scale_takes_llava_from_the_hub_and_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(probes, "train_fusion", lambda *_, **__: pytest.fail("a small LLaVA was trained at a big scale"))
    scale = dataclasses.replace(A100, fusion_share=0.003)
    assert list(probes.trained(scale, "pt-BR")) == ["VL-T5, pretrain", "VL-T5, tune"]
    with pytest.raises(UserError, match="llava-hf/llava-1.5-13b-hf|CUDA|GPU"):
        probes.answerers(scale, "pt-BR")


def test_tables_say_the_numbers_with_their_intervals():
    prompts = held_out_prompts("pt-BR", 2, ("background",))
    right = lambda pictures, asked: [f"O fundo é {colour}." for colour in colours(pictures)]  # noqa: E731
    blind = lambda pictures, asked: ["azul"] * len(asked)  # noqa: E731
    rows = probe_rows({"one": blind, "two": right, "three": right, "four": right}, prompts)
    first, *_, last = probes.probe_table(rows)
    assert last["right"].startswith("100% [") and last["changes with the picture"].startswith("100% [") and first["words"] == "1.0"
    assert first["changes with the picture"].startswith("0% [") and first["facts told"] == "–"
    found = gap(rows)
    described = [row | {"facts": n / 10} for n, row in enumerate(found)]
    told = probes.conclusion(described, found)
    assert f"{100 * (rows[-1]['right'] - rows[0]['right']):+.0f} points right" in told and "+30 points of the facts" in told
    assert probes.gap_table(found)[-1]["words more"] == "+3.0" and probes.gap_table(found)[1]["points right"].startswith("+0 [")


def colours(pictures):
    """The background's Portuguese name, read from the corner pixel."""
    from utils.corpus.scenes.words import COLOURS

    by_rgb = {colour.rgb: colour.words["pt-BR"].singular for colour in COLOURS}
    return [by_rgb[picture.getpixel((0, 0))] for picture in pictures]


def test_the_regions_shown_are_those_that_the_model_gets():
    rows = probes.region_rows(2)
    *real, rest = rows
    assert real[0]["box (x1, y1, x2, y2)"] == "0.00, 0.00, 1.00, 1.00" and rest["region"] == f"and {36 - len(real)} more"
    assert probes.with_regions(2).size == (384, 384)
