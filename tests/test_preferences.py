"""Preference pairs: the better answer is better, the worse one differs in one way, twins turn it round, and nothing is unbalanced."""

import dataclasses
import random
from collections import Counter

import pytest

from utils.corpus.conversations import IMAGE_TOKEN, problems, read_rows
from utils.corpus.images import load_picture
from utils.corpus.preferences import FACTS, FILE, OF_COLOURS, OF_KINDS, draw_pairs, write_pairs
from utils.corpus.scenes.asks import WORDINGS, Ask, possible, truth
from utils.corpus.scenes.grammar import say
from utils.corpus.scenes.render import render
from utils.corpus.scenes.varieties import meanings, sister
from utils.corpus.scenes.words import KIND, KINDS
from utils.corpus.scenes.world import belongs
from utils.evaluation.scoring import judge
from utils.evaluation.variety import variety_of
from utils.runs import UserError
from utils.training.preference import pair_of

PICTURES = 400


@pytest.fixture(scope="module", params=["pt-PT", "pt-BR"])
def pairs(request):
    return request.param, draw_pairs(PICTURES, request.param, seed=3)


def texts(row):
    return row["conversations"][0]["value"].removeprefix(f"{IMAGE_TOKEN}\n"), row["conversations"][1]["value"], row["rejected"]


def ask_of(row, scene, language):
    """The question of a row, found again from its text and its picture."""
    asks = [Ask("yes_no", scene, kind=kind.key) for kind in KINDS] if row["type"] == "yes_no" else possible(scene, row["type"], random.Random(0))
    relation = row["type"] == "relation"
    for ask in asks:
        for wording in (ask.wording,) if relation else range(WORDINGS[row["type"]]):
            if row["type"] == "arithmetic" and (wording == 0) != (ask.kind is not None):
                continue
            for number in (1, 2) if ask.number else (None,):
                again = dataclasses.replace(ask, wording=wording, number=number)
                if say(again, language)[:2] == texts(row)[:2]:
                    return again
    raise AssertionError(f"{row['id']}: {texts(row)[0]} has not this answer on its picture")


def test_the_chosen_answer_is_right_and_only_a_made_up_one_is_wrong(pairs):
    language, drawn = pairs
    for row, scene in drawn:
        facts = truth(ask_of(row, scene, language))
        _, chosen, rejected = texts(row)
        assert judge(chosen, row["type"], facts, language).right, row
        assert judge(rejected, row["type"], facts, language).right == (row["pair"] == "variety"), row


def test_a_variety_pair_says_the_same_in_the_sisters_words(pairs):
    language, drawn = pairs
    rows = [(row, scene) for row, scene in drawn if row["pair"] == "variety"]
    assert len(rows) == PICTURES / 2
    for row, scene in rows:
        question, chosen, rejected = texts(row)
        assert (variety_of(chosen, language), variety_of(rejected, language)) == (language, sister(language)), row
        assert rejected == say(ask_of(row, scene, language), sister(language))[1]
        assert any(form in chosen.lower() for form in meanings(language)[row["about"]]), row


def test_a_made_up_answer_keeps_the_wording_and_is_right_on_its_twin(pairs):
    language, drawn = pairs
    rows = [row for row, _ in drawn if row["pair"] == "seeing"]
    assert Counter(texts(row) for row in rows) == Counter((question, rejected, chosen) for question, chosen, rejected in map(texts, rows))
    assert len(rows) == PICTURES / 2
    for row in rows:
        said = {variety_of(text, language) for text in texts(row)[1:]}
        assert said <= {language, None}, row
    scenes = {}
    for row, scene in drawn:
        if row["pair"] == "seeing":
            scenes.setdefault((frozenset(texts(row)[1:]), texts(row)[0]), []).append((row["about"], scene))
    for some in scenes.values():
        changes = [differs(fact, a, b) for n, (fact, a) in enumerate(some) for _, b in some[n + 1 :]]
        assert any(changes), some


def differs(fact, a, b) -> bool:
    """Whether two pictures differ in the one way that `fact` names."""
    cells = lambda scene: {item.cell: (item.kind, item.card) for item in scene.items}  # noqa: E731
    shared = [cells(a)[cell] == cells(b)[cell] for cell in cells(a).keys() & cells(b).keys()]
    match fact:
        case "kind":
            return a.background == b.background and cells(a).keys() == cells(b).keys() and {i.kind for i in a.items} != {i.kind for i in b.items}
        case "number":
            return a.background == b.background and set(a.counts) == set(b.counts) and abs(len(a.items) - len(b.items)) == 1 and all(shared)
        case "colour":
            background = a.background != b.background
            cards = sum(one.card != two.card for one, two in zip(a.items, b.items, strict=True))
            return [(i.kind, i.cell) for i in a.items] == [(i.kind, i.cell) for i in b.items] and background + cards == 1
        case "place":
            return a.background == b.background and Counter(cells(a).values()) == Counter(cells(b).values()) and cells(a) != cells(b)
    raise AssertionError(fact)


def test_pairs_are_balanced_by_kind_type_fact_and_word(pairs):
    language, drawn = pairs
    rows = [row for row, _ in drawn]
    types = {kind: Counter(row["type"] for row in rows if row["pair"] == kind) for kind in ("variety", "seeing")}
    assert set(types["seeing"]) == set(FACTS) and set(types["variety"]) == {*OF_COLOURS, *OF_KINDS}
    for counted in types.values():
        assert max(counted.values()) - min(counted.values()) <= 2
    facts = Counter(row["about"] for row in rows if row["pair"] == "seeing" and row["type"] == "description")
    assert set(facts) == set(FACTS["description"]) and max(facts.values()) - min(facts.values()) <= 2
    words = Counter(row["about"] for row in rows if row["pair"] == "variety" and row["type"] == "naming")
    assert set(words) == {meaning for meaning in meanings(language) if meaning in KIND} and max(words.values()) - min(words.values()) <= 1
    for kind in ("variety", "seeing"):
        yes = [texts(row)[1].startswith("Sim") for row in rows if row["pair"] == kind and row["type"] == "yes_no"]
        assert abs(2 * sum(yes) - len(yes)) <= 2, kind


def test_no_picture_shows_what_training_must_not_show(pairs):
    _, drawn = pairs
    assert all(belongs(scene, "train") for _, scene in drawn)


def test_the_file_is_llava_json_that_the_preference_stage_reads(tmp_path, tokenizer):
    manifest = write_pairs(tmp_path, 18, "pt-PT", seed=1)
    rows = read_rows(tmp_path / FILE)
    assert list(problems(rows)) == [] and len(rows) == 16 == manifest["pictures"], "a multiple of four"
    assert {row["image"] for row in rows} == {path.name for path in (tmp_path / "images").iterdir()} and len({row["id"] for row in rows}) == 16
    assert sum(manifest["pairs"]["variety"].values()) == sum(manifest["pairs"]["seeing"].values()) == 8 and manifest["sister"] == "pt-BR"
    drawn = draw_pairs(18, "pt-PT", seed=1)
    assert rows == [row for row, _ in drawn]
    for row in rows:
        pair = pair_of(row, tokenizer, 400)
        assert tokenizer.decode([i for i, learnt in zip(pair["rejected"], pair["rejected_learnt"], strict=True) if learnt]).strip() == (
            row["rejected"] + "</s>"
        )
        assert pair["picture"] == row["image"]
    for row, scene in drawn:
        assert load_picture(tmp_path / "images" / row["image"]).tobytes() == render(scene).convert("RGB").tobytes()


def test_the_same_arguments_give_the_same_file_once(tmp_path):
    write_pairs(tmp_path / "a", 8, "pt-PT")
    stamp, first = (tmp_path / "a" / FILE).stat().st_mtime_ns, (tmp_path / "a" / FILE).read_bytes()
    write_pairs(tmp_path / "a", 8, "pt-PT")
    assert (tmp_path / "a" / FILE).stat().st_mtime_ns == stamp, "it skips itself"
    write_pairs(tmp_path / "b", 8, "pt-PT")
    assert (tmp_path / "b" / FILE).read_bytes() == first
    write_pairs(tmp_path / "a", 8, "pt-PT", seed=1)
    assert (tmp_path / "a" / FILE).read_bytes() != first
    before = (tmp_path / "a" / FILE).read_bytes()
    assert write_pairs(tmp_path / "a", 8, "pt-BR", seed=1)["language"] == "pt-BR" and (tmp_path / "a" / FILE).read_bytes() != before


@pytest.mark.parametrize("language", ["it", "en"])
def test_a_language_without_a_sister_gets_seeing_pairs_alone(language, tmp_path):
    manifest = write_pairs(tmp_path, 32, language)
    rows = read_rows(tmp_path / FILE)
    assert manifest["sister"] is None and {row["pair"] for row in rows} == {"seeing"} and {row["type"] for row in rows} == set(FACTS)


@pytest.mark.parametrize(
    "pictures, language, words", [(8, "fr", "no preference pairs in 'fr'; use one of: en, pt-BR"), (3, "pt-PT", "3 pictures are too few")]
)
def test_what_cannot_be_drawn_is_told(pictures, language, words):
    with pytest.raises(UserError, match=words):
        draw_pairs(pictures, language)
