"""AdMIRe: the official score against a plain transcription of its rules, the reader's refusals, permutations, rankers, baselines."""

import dataclasses
import gzip
import itertools
import math
import random
import unicodedata

import pytest

from tests.admire_files import a_rows, b_rows, draw, write_tsv
from utils.evaluation import admire_models
from utils.evaluation.admire import (
    DCG_BEST,
    DCG_RANDOM,
    DCG_WORST,
    FAILED,
    Item,
    Prediction,
    permuted,
    picture_path,
    read_items,
    read_predictions,
    score_a,
    score_b,
    write_predictions,
)
from utils.evaluation.admire_models import (
    answer_a,
    answer_b,
    baselines_a,
    baselines_b,
    both_senses,
    llava_score,
    majority_type,
    one_sense,
    question,
    rank_by_likelihood,
)
from utils.runs import UserError


@pytest.fixture()
def gold(tmp_path):
    return read_items(write_tsv(tmp_path / "gold.tsv", a_rows()), "a")


@pytest.fixture()
def gold_b(tmp_path):
    return read_items(write_tsv(tmp_path / "gold_b.tsv", b_rows()), "b")


def shuffled(gold, seed=0):
    rng = random.Random(seed)
    return [Prediction(item.compound, tuple(rng.sample(item.images, 5))) for item in gold]


def official_a(gold_rows, said):
    """The rules as the scoring archive states them, on plain lists: {split: (accuracy, dcg, correlation)}."""
    from scipy.stats import spearmanr

    figures = {"all": [], "literal": [], "idiomatic": []}
    for compound, sense, expected in gold_rows:
        predicted = said[compound]
        accuracy = 1.0 if predicted[0] == expected[0] else 0.0
        gain = 0.0
        for i, name in enumerate(expected):
            gain += [3.0, 1.0, 0.0, 0.0, 0.0][i] / math.log2(predicted.index(name) + 2)
        correlation = float(spearmanr(expected, predicted).statistic)
        for split in ("all", sense):
            figures[split].append((accuracy, gain, correlation))
    return {split: [sum(column) / len(rows) for column in zip(*rows, strict=True)] for split, rows in figures.items()}


def test_part_a_equals_the_official_rules_on_random_orders(gold):
    plain = [(item.compound, item.sentence_type, list(item.gold)) for item in gold]
    for seed in range(60):
        said = shuffled(gold, seed)
        expected = official_a(plain, {one.compound: list(one.order) for one in said})
        found = score_a(gold, said)
        for split, figures in expected.items():
            assert list(found["official"][split].values()) == pytest.approx(figures, abs=1e-6)
            assert [found["splits"][split][key] for key in ("top1", "dcg", "name_correlation")] == pytest.approx(figures, abs=1e-6)
        assert found["unusable"] == []


def test_the_dcg_constants_are_those_of_all_120_orders():
    item = Item("bolo de rolo", sentence_type="literal", gold=tuple("abcde"), images=tuple("abcde"))
    figures = [score_a([item], [Prediction(item.compound, order)])["splits"]["all"]["dcg"] for order in itertools.permutations("abcde")]
    assert len(figures) == 120 and max(figures) == pytest.approx(DCG_BEST) and min(figures) == pytest.approx(DCG_WORST)
    assert sum(figures) / 120 == pytest.approx(DCG_RANDOM)
    assert (round(DCG_BEST, 4), round(DCG_WORST, 4), round(DCG_RANDOM, 4)) == (3.6309, 1.5912, 2.3588)


def test_the_order_of_rows_changes_no_bit_and_the_note_warns():
    rng, five = random.Random(0), [f"{n}.png" for n in range(5)]
    gold = [
        Item(f"palavra {n}", sentence_type=rng.choice(["literal", "idiomatic"]), gold=tuple(rng.sample(five, 5)), images=tuple(five))
        for n in range(300)
    ]
    said = shuffled(gold, 3)
    first = score_a(gold, said)
    for _ in range(5):
        rng.shuffle(gold)
        rng.shuffle(said)
        assert score_a(gold, said)["splits"] == first["splits"]
    assert "hardly" in first["note"]


def test_an_unusable_answer_counts_as_wrong_is_named_and_fails_officially(gold):
    right = [Prediction(item.compound, item.gold) for item in gold]
    assert score_a(gold, right)["splits"]["all"]["top1"] == 1.0
    a, b, c, d, *rest = right
    strange = Prediction(b.compound, (*b.order[:4], "9.png"))
    found = score_a(gold, [Prediction(a.compound, ()), strange, c, c, Prediction("colher falante", a.order), *rest])
    assert found["splits"]["all"]["top1"] == pytest.approx(2 / 6) and found["splits"]["all"]["dcg"] == pytest.approx(DCG_BEST * 2 / 6)
    assert found["official"]["all"] == {"top1": FAILED, "dcg": FAILED, "name_correlation": FAILED}
    for compound, told in ((a, "empty"), (b, "once each"), (c, "2 times"), (d, "not answered")):
        assert any(compound.compound in text and told in text for text in found["unusable"])
    assert any("colher falante" in text and "no compound" in text for text in found["unusable"]) and len(found["unusable"]) == 5


def test_random_answers_never_break_the_scores(gold, gold_b):
    rng = random.Random(5)
    bits = ["", "🙂", "\0", "é" * 50, "sim", *gold[0].images, "x" * 1_000_000, "Ωж中"]
    for turn in range(300):
        if turn % 2:
            said = [
                Prediction(rng.choice([gold[0].compound, "", "🙂"]), tuple(rng.choices(bits, k=rng.randint(0, 6))), rng.choice(bits))
                for _ in range(4)
            ]
        else:
            said = [Prediction(item.compound, tuple(rng.choices(item.images, k=5)), rng.choice(["literal", ""])) for item in gold]
        for scored in (score_a(gold, said), score_b(gold_b, said)):
            for figures in scored["splits"].values():
                top = figures.get("top1", figures.get("item"))
                assert 0 <= top <= 1 and 0 <= figures.get("dcg", 0) <= DCG_BEST
        twin = said[::-1]
        first, again = score_a(gold, said), score_a(gold, twin)
        assert (first["splits"], first["unusable"]) == (again["splits"], again["unusable"])


def test_part_b_scores_pictures_and_types(gold_b):
    said = [Prediction(gold_b[0].compound, gold_b[0].gold, "literal"), Prediction(gold_b[1].compound, gold_b[0].images[:1], "idiomatic")]
    said.append(Prediction(gold_b[2].compound, gold_b[2].gold, "idiomatic"))
    found = score_b(gold_b, said)
    assert found["official"] == {"item": pytest.approx(2 / 3), "type": pytest.approx(2 / 3)}
    assert found["splits"]["literal"]["type"] == 0.5 and found["splits"]["idiomatic"]["item"] == 0.0
    lost = score_b(gold_b, said[:2])
    assert lost["splits"]["all"]["item"] == pytest.approx(1 / 3) and lost["official"]["item"] == FAILED


def test_hidden_or_doubled_gold_is_refused(tmp_path, gold):
    hidden = read_items(write_tsv(tmp_path / "hidden.tsv", [row | {"sentence_type": "", "expected_order": ""} for row in a_rows()]), "a")
    assert hidden[0].gold == () and hidden[0].images == gold[0].images
    with pytest.raises(UserError, match="hides the answers of 6 items"):
        score_a(hidden, [])
    with pytest.raises(UserError, match="twice"):
        score_a(gold + gold, [])


def test_a_file_is_read_as_it_was_written(tmp_path, gold):
    assert gold[0].images[0].startswith("000") and len(gold[0].images[0]) == 15
    assert gold[1].captions_pt[0].startswith("papel") and gold[1].captions[0].startswith("role")
    assert set(gold[1].gold) == set(gold[1].images) and gold[1].sentence_type == "idiomatic"
    text = unicodedata.normalize("NFD", (tmp_path / "gold.tsv").read_text(encoding="utf-8"))
    (tmp_path / "nfd.tsv").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    (tmp_path / "gold.tsv.gz").write_bytes(gzip.compress((tmp_path / "gold.tsv").read_bytes()))
    assert read_items(tmp_path / "nfd.tsv", "a") == gold == read_items(tmp_path / "gold.tsv.gz", "a")
    bare = write_tsv(tmp_path / "bare.tsv", [{key: row[key] for key in ("compound", "sentence_type", "expected_order")} for row in a_rows()])
    assert score_a(read_items(bare, "a"), shuffled(gold)) == score_a(gold, shuffled(gold))


def test_all_problems_of_a_file_come_at_once(tmp_path):
    rows = a_rows()
    rows[0]["sentence_type"] = "figurado"
    rows[1]["expected_order"] = "[1, 2, 3, 4, 5]"
    rows[2]["image3_name"] = "../../etc/passwd"
    rows[3]["compound"] = rows[0]["compound"]
    rows[4]["expected_order"] = "[str(n) for n in range(5)]"
    rows[5]["image2_name"] = rows[5]["image1_name"]
    with pytest.raises(UserError) as caught:
        read_items(write_tsv(tmp_path / "bad.tsv", rows), "a")
    told = str(caught.value)
    for place in (
        "line 2, column sentence_type", "line 3, column expected_order: holds a name that is not text", "line 4, column image3_name",
        "line 5, column compound", "stands in line 2 too", "line 6, column expected_order: is no list", "line 7, column image2_name",
    ):  # fmt: skip
        assert place in told
    assert "\n" not in told and "'figurado' is unknown (use literal or idiomatic" in told


@pytest.mark.parametrize(
    "text, told",
    [
        ("compound,expected_order\na,b\n", "no column compound"),
        ("compound\tsubset\na\tb\n", "neither image1_name"),
        ("compound\texpected_order\n", "no items"),
        ("", "no column compound"),
        ("compound\texpected_order\na\tb\tc\n", "line 2: 3 cells for 2 columns"),
        ('compound\texpected_order\n"a\tb\nc\td\n', "line 2: a cell runs over several lines"),
        ("compound\tcompound\texpected_order\n", "column compound twice"),
        ("compound\texpected_order\na\t" + "[" * 1900 + "\n", "is no list of names"),
        ("compound\texpected_order\na\t['1.png', '2.png', '2.png', '4.png', '5.png']\n", "4 different names of 5"),
        ("compound\texpected_order\na\t" + "x" * 200_000 + "\n", "no tab-separated table"),
        ("compound\texpected_order\n../b\t\n", "no plain name"),
    ],
)
def test_what_is_no_admire_file_is_told(tmp_path, text, told):
    (tmp_path / "x.tsv").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=told.replace("(", r"\(")):
        read_items(tmp_path / "x.tsv", "a")


def test_unreadable_files_are_told(tmp_path):
    (tmp_path / "latin.tsv").write_bytes("compound\texpected_order\npé\t\n".encode("latin-1"))
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"compound" * 9999)[:60])
    for name, told in (("latin.tsv", "not UTF-8 at byte 25"), ("cut.gz", "cannot be read"), ("none.tsv", "is missing")):
        with pytest.raises(UserError, match=told):
            read_predictions(tmp_path / name, "a")
    with pytest.raises(ValueError, match="parts a and b"):
        read_items(tmp_path / "latin.tsv", "c")


def test_submissions_go_out_and_come_back(tmp_path, gold, gold_b):
    said = shuffled(gold)
    write_predictions(tmp_path / "submission_pt.tsv", said, "a")
    assert (tmp_path / "submission_pt.tsv").read_text(encoding="utf-8").splitlines()[0] == "compound\texpected_order"
    assert read_predictions(tmp_path / "submission_pt.tsv", "a") == said
    answers = [Prediction(item.compound, item.images[:1], "literal") for item in gold_b]
    write_predictions(tmp_path / "submission_en.tsv", answers, "b")
    assert read_predictions(tmp_path / "submission_en.tsv", "b") == answers
    (tmp_path / "empty.tsv").write_text("compound\texpected_order\nbolo de rolo\t\n", encoding="utf-8")
    assert read_predictions(tmp_path / "empty.tsv", "a") == [Prediction("bolo de rolo", ())]
    (tmp_path / "bad.tsv").write_text("compound\tsentence_type\texpected_item\na\tx\t1.png\na\tliteral\t/etc\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"3 problems.*line 2, column sentence_type.*line 3, column compound.*line 3, column expected_item"):
        read_predictions(tmp_path / "bad.tsv", "b")


def test_pictures_stay_in_their_folder_however_accents_are_coded(tmp_path):
    (tmp_path / "pictures" / unicodedata.normalize("NFD", "chapéu cantor")).mkdir(parents=True)
    (tmp_path / "pictures" / unicodedata.normalize("NFD", "chapéu cantor") / "1.png").touch()
    (tmp_path / "secret.png").touch()
    (tmp_path / "pictures" / "link").symlink_to(tmp_path)
    assert picture_path(tmp_path / "pictures", "chapéu cantor/1.png").exists()
    for outside in ("../secret.png", "link/secret.png", "/etc/passwd"):
        with pytest.raises(UserError, match="leaves the folder"):
            picture_path(tmp_path / "pictures", outside)


def test_permutations_tell_a_liking_for_the_third_place(gold):
    def third(item):
        return [item.images[2], *(name for name in item.images if name != item.images[2])]

    found = permuted(third, gold[0], rounds=20)
    assert found["first_places"] == [0, 0, 20, 0, 0] and found["dependence"] > 0.9
    assert found["order"] == tuple(sorted(gold[0].images))  # nothing but places was known, and it is averaged away
    by_place = permuted(lambda item: item.images, dataclasses.replace(gold[0], images=gold[0].images[::-1]), rounds=10)
    assert by_place["order"] == found["order"]
    assert by_place["dependence"] == pytest.approx(1.0) and set(by_place["mean_ranks"].values()) == {2.0}


def test_a_scorer_of_single_pictures_does_not_depend_on_the_order(gold):
    def score(picture, asked):
        return math.sin(int(picture.split("/")[1].removesuffix(".png")) % 97)

    found = permuted(lambda item: rank_by_likelihood(score, item), gold[1], rounds=15, seed=4)
    assert found["dependence"] == 0.0 and list(found["order"]) == rank_by_likelihood(score, gold[1]) and sum(found["first_places"]) == 15


def test_a_weak_liking_for_a_place_is_averaged_away(gold):
    def drawn(item):  # knows the order, but moves what stands third two places up
        known = sorted(item.images)
        return sorted(known, key=lambda name: known.index(name) - (2.5 if item.images.index(name) == 2 else 0))

    item, alone = gold[2], []
    for places in itertools.permutations(gold[2].images):
        alone.append(list(drawn(Item(item.compound, images=places))) == sorted(item.images))
    found = permuted(drawn, item, rounds=50)
    assert not all(alone) and list(found["order"]) == sorted(item.images) and 0 < found["dependence"] < 0.6


def test_captions_move_with_their_pictures_and_a_silent_ranker_is_no_error(gold):
    at_home = dict(zip(gold[0].images, zip(gold[0].captions, gold[0].captions_pt, strict=True), strict=True))
    seen = []

    def look(item):
        assert dict(zip(item.images, zip(item.captions, item.captions_pt, strict=True), strict=True)) == at_home
        seen.append(item.images)
        return ["strange.png"]

    found = permuted(look, gold[0], rounds=10)
    assert len(set(seen)) > 5 and found["dependence"] == 0.0 and set(found["mean_ranks"].values()) == {2.0}


def test_the_ranking_follows_the_score_and_asks_in_the_items_language(gold):
    asked = set()

    def score(picture, text):
        asked.add(text)
        return {gold[1].gold[0]: 2.0, gold[1].gold[1]: 1.0, gold[1].gold[2]: math.nan}.get(picture.split("/")[1], 0.0)

    found = rank_by_likelihood(score, gold[1], "pt-BR")
    for places in itertools.permutations(gold[1].images):
        assert rank_by_likelihood(score, dataclasses.replace(gold[1], images=places), "pt-BR") == found
    assert found[:2] == list(gold[1].gold[:2]) and found[-1] == gold[1].gold[2] and found[2:4] == sorted(gold[1].gold[3:])
    (text,) = asked
    assert gold[1].sentence in text and f'"{gold[1].compound}"' in text and "sim ou não" in text
    assert "Answer yes or no" in question(gold[1], "en")
    with pytest.raises(UserError, match="no question in 'de'"):
        question(gold[1], "de")
    with pytest.raises(UserError, match="has no sentence"):
        question(Item("x", gold=tuple("abcde"), images=tuple("abcde")), "en")


def test_part_b_asks_with_the_story_and_its_two_pictures(gold_b):
    put = []

    def score(picture, text):
        put.append((picture, text))
        return {"s1.png": -0.5, "s2.png": 1.0}.get(picture.split("/")[1], float(picture.split("/")[1] == gold_b[0].gold[0]))

    (said,) = answer_b(score, gold_b[:1])
    assert said == Prediction("paper kettle", gold_b[0].gold, "literal")
    assert all("A hand takes it." in text for picture, text in put if "/s" not in picture) and len(put) == 6
    assert answer_b(lambda picture, _: {"s1.png": 0.5}.get(picture.split("/")[1], -1.0), gold_b[:1])[0].sentence_type == "idiomatic"
    with pytest.raises(UserError, match="sequence_caption1"):
        answer_b(score, [Item("x", gold=("1.png",), images=tuple("abcd"))])


def test_a_llava_ranks_pictures_one_by_one(tmp_path, gold, base):
    model, tokenizer = base
    folder = draw(tmp_path / "pictures", a_rows())
    score = llava_score(model, tokenizer, folder, "pt-BR")
    (said,) = answer_a(score, gold[:1], "pt-BR")
    figures = [score(f"{said.compound}/{name}", question(gold[0], "pt-BR")) for name in said.order]
    assert figures == sorted(figures, reverse=True) and len(set(figures)) == 5
    assert permuted(lambda item: rank_by_likelihood(score, item), gold[0], rounds=2)["dependence"] == 0.0
    with pytest.raises(UserError, match="is missing"):
        score("bolo de rolo/0.png", "?")


def test_the_llava_score_is_yes_against_no_in_its_language(tmp_path, gold, monkeypatch):
    import utils.evaluation.perplexity as perplexity

    folder, said = draw(tmp_path / "pictures", a_rows()), []

    def nll(model, tokenizer, pictures, questions, answers):
        said.extend(answers)
        return [({"Sim": 0.5, "Não": 2.0, "Yes": 4.0, "No": 1.0}[answer], 1, 3) for answer in answers]

    monkeypatch.setattr(perplexity, "answer_nll", nll)
    picture = f"{gold[0].compound}/{gold[0].images[0]}"
    assert llava_score(None, None, folder, "pt-BR")(picture, "?") == 1.5 and llava_score(None, None, folder, "en")(picture, "?") == -3.0
    assert said == ["Sim", "Não", "Yes", "No"]


def test_baselines_are_exact(gold, gold_b, tmp_path):
    found = baselines_a(gold)
    assert found["random"]["all"] == {"items": 6, "top1": 0.2, "dcg": DCG_RANDOM}
    assert found["literal only"]["literal"]["top1"] == 1.0 and found["literal only"]["idiomatic"]["top1"] == 0.0
    assert found["literal only"]["literal"]["dcg"] == pytest.approx(DCG_BEST)
    assert found["literal only"]["idiomatic"]["dcg"] == pytest.approx(3 / 2 + 1 / math.log2(5))
    assert found["idiomatic only"]["idiomatic"]["top1"] == 1.0 and found["idiomatic only"]["all"]["top1"] == 0.5
    train = [item for item in gold if item.sentence_type == "idiomatic"]
    assert baselines_a(gold, train)["majority type"] == found["idiomatic only"] != found["majority type"]
    assert baselines_b(gold_b) == {
        "random": {"item": 0.25, "type": 0.5},
        "literal only": {"item": 0.25, "type": pytest.approx(2 / 3)},
        "majority type": {"item": 0.25, "type": pytest.approx(2 / 3)},
    }
    for broken in (lambda: one_sense([Item("x")], "literal"), lambda: majority_type([Item("x")])):
        with pytest.raises(UserError, match="hide"):
            broken()


def test_literal_pictures_come_first_in_the_literal_baseline(gold):
    shows = {item.compound: dict(zip(item.images, item.captions, strict=True)) for item in gold}
    for said in one_sense(gold, "literal"):
        assert all(shows[said.compound][name].split()[1] in "lm" for name in said.order[:2])


def test_both_senses_shows_who_learnt_compounds_by_heart(tmp_path, gold):
    other = read_items(write_tsv(tmp_path / "extended.tsv", a_rows("Extended Evaluation", flipped=True)), "a")
    knows = [score_a(items, [Prediction(item.compound, item.gold) for item in items]) for items in (gold, other)]
    literal = [score_a(items, one_sense(items, "literal")) for items in (gold, other)]
    assert both_senses(*knows) == {"pairs": 6, "both": 6, "one": 0, "neither": 0}
    assert both_senses(*literal) == {"pairs": 6, "both": 0, "one": 6, "neither": 0}
    assert both_senses(knows[0], knows[0])["pairs"] == 0


def test_the_translator_refuses_an_admire_file(tmp_path):
    from utils.translation.pipeline import translate_files

    for name, rows in (("test.tsv", a_rows()), ("test.json", a_rows()), ("submission_pt.tsv", b_rows())):
        path = write_tsv(tmp_path / name, rows)
        with pytest.raises(UserError, match="is not JSON"):
            translate_files([path], tmp_path / f"out {name}", "pt-PT", memory_path=tmp_path / "memory.sqlite")
        assert not (tmp_path / f"out {name}" / name).exists()


def test_no_question_pastes_five_pictures():
    assert not any("<image>" in text for text in (*admire_models.ASKS.values(), admire_models.CONTINUES, admire_models.LITERAL))
