"""Our own idiom items: drawn from the artwork, sound in the published layout, contrast pairs balanced, test sentences never trained on."""

from collections import Counter

import pytest
from PIL import Image

from utils.corpus.conversations import problems, read_rows, turns_of
from utils.corpus.idiom_pictures import (
    KINDS,
    ROLES,
    SENSE,
    SHOWN,
    SHOWS,
    WHICH,
    drawn,
    gold_order,
    other,
    rows,
    sense_of,
    sentence_in,
    sentences,
    split,
    write_pictures,
)  # fmt: skip
from utils.corpus.idioms import ADMIRE_PORTUGUESE, FIGURATIVE, LITERAL, compounds, overlap
from utils.evaluation import admire_own
from utils.evaluation.admire import Prediction, score_a
from utils.evaluation.admire_files import read_items, write_items
from utils.evaluation.admire_own import ask, asked, own_items
from utils.evaluation.admire_results import EXTENDED_ITEMS, PORTUGUESE, TEST_ITEMS, best_of, right_of, with_intervals
from utils.journey import idioms
from utils.models.load import SHIPPED, load_folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("idioms")
    names, files = idioms.prepare(folder)
    return folder, names, files


def test_every_compound_with_sentences_has_four_pictures_of_its_own():
    table = drawn()
    assert list(table) == compounds()
    emoji = Counter(one for roles in table.values() for one in roles.values())
    assert all(len(roles) == 4 for roles in table.values()) and max(emoji.values()) == 1, "two compounds would share a picture"


def test_pictures_differ_and_their_names_tell_nothing(made):
    folder, names, _ = made
    for compound, roles in names.items():
        pixels = set()
        for role in ROLES:
            with Image.open(folder / "images" / compound / roles[role]) as picture:
                assert picture.mode == "RGB" and len(picture.getcolors(1 << 16)) > 8, f"{compound}, {role} is drawn blank"
                pixels.add(picture.tobytes())
        assert len(pixels) == 5 and all(len(name) == 15 and name[:11].isdigit() for name in roles.values())
    places = Counter(sorted(roles.values()).index(roles["literal"]) for roles in names.values())
    assert max(places.values()) < len(names) * 0.6, "the literal picture must not stand in one place"
    again = write_pictures(folder / "again")
    assert again == names


def test_both_sets_have_every_compound_in_opposite_senses(made):
    _, names, _ = made
    first, flipped = own_items(compounds(), names), own_items(compounds(), names, flipped=True)
    for one, two in zip(first, flipped, strict=True):
        assert one.compound == two.compound and {one.sentence_type, two.sentence_type} == {LITERAL, FIGURATIVE}
        assert set(one.gold) == set(two.gold) and one.gold[:2] == two.gold[2:4] and one.gold[4] == two.gold[4] == names[one.compound]["distractor"]
        assert one.compound in one.sentence and one.sentence != two.sentence
    assert abs(Counter(item.sentence_type for item in first)[LITERAL] - len(first) / 2) <= 1


def test_items_are_read_back_from_the_published_layout(made, tmp_path):
    _, names, _ = made
    items = own_items(split()[1], names)
    assert len(items) == TEST_ITEMS
    write_items(tmp_path / "items.tsv", items)
    assert read_items(tmp_path / "items.tsv", "a") == items


def test_training_rows_are_sound_balanced_and_apart_from_every_test(made):
    _, names, files = made
    known, held = split()
    tested = {item.sentence for group in idioms.test_sets(names).values() for item in group}
    sizes = {}
    for kind in KINDS:
        found = rows(known, names, ask, kind)
        assert list(problems(found)) == [] and found == read_rows(files[kind])
        questions = [(row["image"], *turn) for row in found for turn in turns_of(row)]
        said = Counter(answer for *_, answer in questions)
        half = len(questions) // 2
        if kind == "two steps":
            assert said[SENSE[LITERAL]] == said[SENSE[FIGURATIVE]] and sum(said[SHOWN[role]] for role in ROLES) == len(questions)
        else:
            assert said == {"Sim.": half, "Não.": half}
        assert overlap(found, [*held, *ADMIRE_PORTUGUESE]) == []
        assert not any(sentence in question for sentence in tested for _, question, _ in questions)
        sizes[kind] = len(questions)
    assert len(set(sizes.values())) == 1, "all trainings have as many questions"
    with pytest.raises(ValueError, match="use one of: one sense, both senses, two steps"):
        rows(known, names, ask, "three senses")


def test_one_sense_is_told_by_the_picture_alone_and_both_senses_are_not(made):
    """A best picture is always a yes where a compound has one sense, and half the time where it has both."""
    _, names, _ = made
    for kind, low, high in (("one sense", 1.0, 1.0), ("both senses", 0.5, 0.75)):
        said = Counter()
        for row in rows(split()[0], names, ask, kind):
            compound, name = row["id"].split("/")
            best = names[compound][sense_of(compound)] == name
            said.update(answer for _, answer in turns_of(row) if best)
        assert low <= said["Sim."] / said.total() <= high, (kind, said)


def test_two_steps_ask_what_a_sentence_means_and_what_a_picture_shows(made):
    _, names, _ = made
    for row in rows(split()[0][:3], names, ask, "two steps"):
        compound, name = row["id"].split("/")
        role = next(role for role, file in names[compound].items() if file == name)
        for question, answer in turns_of(row):
            question = question.replace("<image>", "").strip()
            if question == SHOWS.format(c=compound):
                assert answer == SHOWN[role]
            else:
                sense = next(s for pair in sentences(compound)[0] for s in (LITERAL, FIGURATIVE) if sentence_in(pair, s) in question)
                assert answer == SENSE[sense]


def test_the_test_sentence_is_about_somebody_new():
    for compound in compounds()[:5]:
        learnt, test = sentences(compound)
        assert test not in learnt and len({pair.literal for pair in learnt}) == len(learnt)
        assert sentence_in(test, LITERAL) != sentence_in(test, other(LITERAL)) and sense_of(compound) in (LITERAL, FIGURATIVE)


def test_gold_puts_the_sense_of_the_sentence_first():
    roles = {role: role for role in ROLES}
    assert gold_order(roles, LITERAL)[:2] == ("literal", "literal-related") and gold_order(roles, FIGURATIVE)[0] == "idiomatic"


@pytest.mark.parametrize("steps", [1, 2])
def test_a_model_is_asked_with_its_pictures(made, steps):
    folder, names, _ = made
    items = own_items(compounds()[:2], names)
    result = asked(*load_folder(SHIPPED), folder / "images", items, "pt-BR", steps)
    assert [sorted(said.order) for said in result["predictions"]] == [sorted(item.gold) for item in items]
    assert result["splits"]["all"]["items"] == 2 and result["unusable"] == []


def test_two_steps_put_the_sure_sense_first(made, monkeypatch):
    """A model that is sure of the sentence's sense and of every picture's role gets every order right, but for the last ones."""
    folder, names, _ = made
    roles = {(compound, name): role for compound, files in names.items() for role, name in files.items()}
    items = own_items(compounds()[:6], names)

    def surprised(model, tokenizer, pictures, questions, answers):
        item = model
        right = {WHICH.format(s=item.sentence, c=item.compound): SENSE[item.sentence_type]}
        at = [questions[0] in right or SHOWN[roles[item.compound, picture]] for picture in pictures]
        return [
            (0.1 if answer == (right.get(question) or told) else 5.0, 3, 9) for question, answer, told in zip(questions, answers, at, strict=True)
        ]

    monkeypatch.setattr(admire_own, "answer_nll", surprised)
    monkeypatch.setattr(admire_own, "load_picture", lambda path: path.name)
    for item in items:
        assert admire_own.two_steps(item, None, folder / "images", item)[:2] == item.gold[:2]


def test_the_finding_tells_memory_from_reading(made):
    _, names, _ = made
    sets = idioms.test_sets(names)
    right = {of: score_a(items, [Prediction(i.compound, i.gold) for i in items]) for of, items in sets.items()}
    wrong = {of: score_a(items, [Prediction(i.compound, i.gold[::-1]) for i in items]) for of, items in sets.items()}
    memory = right | {"known, other sense": wrong["known, other sense"]}
    told = idioms.finding({"one sense": memory, "both senses": right, "two steps": memory})
    assert "one sense: 100 % right in the first sense and 0 % in the other (McNemar over the compounds, p = 0.000)" in told
    assert "in the other sense, both senses instead of one sense changes 0 % to 100 % (p = 0.000)" in told
    assert "in the other sense, two steps instead of one sense changes 0 % to 0 % (p = 1.000)" in told
    assert "both senses: 100 % right in the first sense and 100 % in the other (McNemar over the compounds, p = 1.000)" in told
    assert "both senses, compounds never learnt: 100 % of 26 items, where chance is 20 %" in told


def test_reported_shares_are_counts_of_their_sets():
    found = with_intervals()
    assert len(found) == sum(1 + (team.extended is not None) for team in PORTUGUESE)
    assert all(row["low"] <= row["right"] / row["items"] <= row["high"] and row["items"] in (TEST_ITEMS, EXTENDED_ITEMS) for row in found)
    with pytest.raises(ValueError, match="check the figure"):
        right_of(0.5, 13)


def test_the_best_of_equal_teams_looks_better_on_few_items():
    one = best_of(1, 0.6, 13)
    assert one["best"] == pytest.approx(0.6) and one["lucky"] == pytest.approx(13 * 0.6**12 * 0.4 + 0.6**13)
    few, many = best_of(12, 0.6, 13), best_of(12, 0.6, 55)
    assert few["best"] > many["best"] > 0.6 and few["lucky"] > 100 * many["lucky"]
