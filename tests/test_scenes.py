"""The picture world: words, grammars, scenes, and the five files."""

import random
from collections import Counter

import numpy as np
import pytest

from utils.corpus.conversations import IMAGE_TOKEN, problems, read_rows
from utils.corpus.scenes import english, italian, portuguese
from utils.corpus.scenes.asks import WORDINGS, Ask, possible, truth, yes_no_pair
from utils.corpus.scenes.grammar import LANGUAGES, say
from utils.corpus.scenes.instruct import FILES, GOLD, PARTS, write_corpus
from utils.corpus.scenes.render import render, sprite
from utils.corpus.scenes.words import CATEGORIES, COLOURS, KINDS
from utils.corpus.scenes.world import SPLITS, THESIS_PICTURES, Item, Scene, belongs, novelty, scene_of, single

DOGS = Scene("blue", (Item("dog", 0, "red"), Item("dog", 1), Item("butterfly", 3, "white")), 7)


def test_every_word_has_every_language_and_a_gender_where_the_language_has_one():
    for entry in (*KINDS, *CATEGORIES, *COLOURS):
        assert set(entry.words) == set(LANGUAGES)
        for code in ("pt-BR", "pt-PT", "it"):
            assert entry.words[code].gender in ("m", "f"), (entry.key, code)
    for code in LANGUAGES:
        singulars = [kind.words[code].singular for kind in KINDS]
        assert len(set(singulars)) == len(singulars), f"two kinds share a word in {code}"


@pytest.mark.parametrize("grammar", [english, portuguese, italian])
def test_every_grammar_has_every_wording(grammar):
    assert {name: len(forms) for name, forms in grammar.QUESTIONS.items()} == WORDINGS


def test_gender_number_and_contractions():
    ask = Ask("card", DOGS, 0, kind="butterfly", cell=3)
    assert say(ask, "pt-BR")[0] == "Qual é a cor do cartão atrás da borboleta?"
    assert say(Ask("counting", DOGS, 0, kind="dog"), "pt-BR") == ("Quantos cachorros há?", "Há dois cachorros.")
    assert say(Ask("counting", DOGS, 0, kind="dog"), "pt-PT") == ("Quantos cães há?", "Há dois cães.")
    assert say(Ask("yes_no", DOGS, 0, kind="cow"), "pt-BR") == ("Existe uma vaca na imagem?", "Não, não há vaca.")
    assert say(Ask("position", single("bee"), 0, kind="bee", cell=0), "it")[0] == "Dov'è l'ape?"
    assert say(Ask("relation", single("bee"), 2, kind="bee", other="bee", cell=0), "it")[0] == "Che cosa c'è sopra l'ape?"
    assert italian.of_the(next(k for k in KINDS if k.key == "dog").words["it"]) == "del cane"
    assert italian.of_the(next(k for k in KINDS if k.key == "bee").words["it"]) == "dell'ape"
    assert english.answer(Ask("naming", single("apple"), kind="apple", cell=0)) == "It is an apple."


def test_truths():
    assert truth(Ask("counting", DOGS, kind="dog")) == {"number": 2, "kind": "dog"}
    assert truth(Ask("comparison", DOGS, kind="butterfly", other="dog")) == {"more": "dog"}
    assert truth(Ask("arithmetic", DOGS, 0, kind="dog")) == {"number": 1}
    assert truth(Ask("arithmetic", DOGS, 1, number=2)) == {"number": 5}
    assert truth(Ask("group", DOGS, category="animal")) == {"number": 3}
    relations = {(a.wording, a.kind, a.other) for a in possible(DOGS, "relation", random.Random(0))}
    assert relations == {(2, "butterfly", "dog")}  # one dog stands above; "the dog" would be unclear with two


def test_every_scene_can_be_asked_every_general_type():
    for index in range(50):
        scene = scene_of("train", index)
        for kind_of_question in ("naming", "yes_no", "counting", "total", "background", "category", "listing", "description", "group"):
            assert possible(scene, kind_of_question, random.Random(index)), (scene, kind_of_question)


def test_yes_and_no_are_balanced_on_the_same_picture_with_look_alikes():
    verdicts, hard = Counter(), 0
    category = {kind.key: kind.category for kind in KINDS}
    for index in range(200):
        scene = scene_of("train", index)
        yes, no = yes_no_pair(scene, random.Random(index))
        verdicts.update([truth(yes)["yes"], truth(no)["yes"]])
        hard += category[yes.kind] == category[no.kind]
    assert verdicts == {True: 200, False: 200}
    assert hard > 100


def test_splits_keep_their_promise():
    train = [scene_of("train", i) for i in range(400)]
    assert not any(novelty(scene) for scene in train)
    for split in SPLITS[1:]:
        held = [scene_of(split, i) for i in range(60)]
        assert all(belongs(scene, split) for scene in held)
        assert not {(s.background, s.items) for s in held} & {(s.background, s.items) for s in train}
    pairs = {frozenset((a, b)) for s in train for a in s.counts for b in s.counts if a != b}
    assert all(any(frozenset((a, b)) not in pairs for a in s.counts for b in s.counts if a != b) for s in (scene_of("pairs", i) for i in range(60)))


def test_unknown_split_is_named():
    with pytest.raises(ValueError, match="train, known, pairs"):
        scene_of("tset", 0)


@pytest.mark.parametrize("kind", [kind.key for kind in KINDS])
def test_every_kind_has_artwork_of_its_own(kind):
    art = np.asarray(sprite(kind, 40))
    assert (art[..., 3] > 0).mean() > 0.1, "the artwork is blank"
    others = [np.asarray(sprite(k.key, 40)) for k in KINDS if k.key != kind]
    assert min(np.abs(art.astype(int) - other).mean() for other in others) > 2


def test_the_same_scene_gives_the_same_pixels_and_thesis_pictures_exist():
    assert render(DOGS).tobytes() == render(DOGS).tobytes()
    assert len({render(single(kind)).tobytes() for kind in THESIS_PICTURES}) == len(THESIS_PICTURES)


def test_five_files_have_the_relations_of_the_originals(corpus):
    rows = {name: read_rows(corpus / name) for name in FILES}
    assert [list(problems(r)) for r in rows.values()] == [[]] * 5
    conversation, detail, reasoning, union, sample = rows.values()
    assert union == conversation + detail + reasoning
    assert all(row in conversation + reasoning for row in sample) and not any(row in detail for row in sample)
    assert {len(row["conversations"]) for row in detail} == {2}
    firsts = [row["conversations"][0]["value"] for row in union]
    before = sum(text.startswith(f"{IMAGE_TOKEN}\n") for text in firsts)
    assert before + sum(text.endswith(f"\n{IMAGE_TOKEN}") for text in firsts) == len(firsts) and 0 < before < len(firsts)
    for language in GOLD:
        gold = read_rows(corpus / "gold" / language / PARTS[0])
        assert [row["id"] for row in gold] == [row["id"] for row in conversation]
        assert not any(t["value"] in {u["value"] for u in conversation[0]["conversations"]} for t in gold[0]["conversations"])


def test_corpus_is_reproducible_and_skips_itself(tmp_path):
    write_corpus(tmp_path / "a", 6)
    first = (tmp_path / "a" / FILES[3]).read_bytes()
    stamp = (tmp_path / "a" / FILES[3]).stat().st_mtime_ns
    write_corpus(tmp_path / "a", 6)
    assert (tmp_path / "a" / FILES[3]).stat().st_mtime_ns == stamp
    write_corpus(tmp_path / "b", 6)
    assert (tmp_path / "b" / FILES[3]).read_bytes() == first
