"""What the raters found, on small reviews written, rated and merged by the real functions."""

import json
import random
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image
from scipy.stats import binomtest

from utils.evaluation.intervals import wilson
from utils.review import agreement, analysis, charts, reviewed
from utils.review.analysis import FEW, against_metric, agreement_rows, duels, error_types, people_say, read_key, scores, spread, summary, votes, wins
from utils.review.ratings import merge, rating_path, save_rating
from utils.review.rubric import CRITERIA
from utils.review.sampling import Said, read_review, write_review
from utils.runs import UserError

KEYS = [criterion.key for criterion in CRITERIA]
ATTACK = '<script>alert(1)</script> & "x" $\\bad{$'


def made(folder, said, seed=0):
    """A review on disk of `said`: a list of (answers by system, right by system); item ids are item-0, item-1, …"""
    rows = [
        Said(f"item-{n}", "naming", Image.new("RGB", (24, 24), (n % 256, 80, 90)), f"<a thing> {n}", f"Pergunta {n}?", f"ouro {n}", answers, right)
        for n, (answers, right) in enumerate(said)
    ]  # fmt: skip
    write_review(folder, rows, "pt-BR", "tiny", seed, "Test")
    review = read_review(folder)
    return review, read_key(folder, review)


def rate(folder, review, key, rater, judge):
    """Save a rating of every item for which `judge(item-n, systems' answer ids)` gives {"best", "answers"}."""
    for item in review["items"]:
        ids = {system: answer["id"] for answer in item["answers"] for system in key["answers"][answer["id"]]}
        said = judge(key["sources"][item["id"]], ids)
        if said:
            answers = {ids.get(name, name): {"scores": {}, "errors": [], "remark": "", **one} for name, one in said.get("answers", {}).items()}
            best = ids.get(said.get("best"), said.get("best"))
            rating = {"best": best, "answers": answers, "at": "2026-11-21T10:00:00Z", "seconds": 3.0}
            save_rating(rating_path(folder, rater), review, rater, item["id"], rating)


def rated(folder, said, **judges):
    """Review, key and merged ratings of a new review that these raters have rated."""
    review, key = made(folder, said)
    for rater, judge in judges.items():
        rate(folder, review, key, rater, judge)
    merged, skipped = merge(sorted((folder / "ratings").glob("*.json")), review)
    assert not skipped
    return review, key, merged


def two(n, right=(True, False)):
    return [({"tuned": f"certo {k}", "base": f"wrong {k}"}, dict(zip(("tuned", "base"), right, strict=True))) for k in range(n)]


def same(value, **more):
    return {"scores": dict.fromkeys(KEYS, value), **more}


def row(rows, **wanted):
    (found,) = [one for one in rows if all(one[key] == value for key, value in wanted.items())]
    return found


def test_scores_are_means_over_items_of_means_over_raters(tmp_path):
    def ana(item, ids):
        return {"answers": {"tuned": {"scores": {"seen": 2, "fluency": 1}}, "base": {"scores": {"seen": 0}}}}

    def bia(item, ids):  # rates the first item alone, and lower: it must not weigh as much as an item more
        return {"answers": {"tuned": {"scores": {"seen": 0}}}} if item == "item-0" else None

    review, key, merged = rated(tmp_path, two(4), Ana=ana, Bia=bia)
    rows = scores(votes(review, key, merged))
    tuned = row(rows, system="tuned", criterion="seen")
    assert (tuned["mean"], tuned["items"], tuned["ratings"]) == (pytest.approx((1 + 2 + 2 + 2) / 4), 4, 5)
    assert row(rows, system="base", criterion="seen")["mean"] == 0 and row(rows, system="tuned", criterion="fluency")["mean"] == 1
    empty = row(rows, system="base", criterion="length")
    assert (empty["mean"], empty["low"], empty["high"], empty["items"]) == (None, None, None, 0)
    assert [(one["system"], one["criterion"]) for one in rows] == [(system, key) for system in ("base", "tuned") for key in KEYS]


def test_few_or_equal_items_get_wilsons_interval():
    for right, total in ((0, 30), (30, 30), (3, 4), (1, 1), (9, 9)):
        by_item = {str(n): [float(n < right)] for n in range(total)}
        found = spread(by_item)
        assert (found["low"], found["high"]) == pytest.approx(wilson(right, total), abs=1e-9) and found["how"] == "wilson"
        doubled = spread({item: [2 * value for value in values] for item, values in by_item.items()}, top=2)
        assert (doubled["low"], doubled["high"]) == pytest.approx((2 * found["low"], 2 * found["high"]))


def test_the_bootstrap_draws_items_with_all_their_raters():
    rng = random.Random(0)
    by_item = {str(n): [rng.choice((0, 1, 2)) for _ in range(rng.randint(1, 3))] for n in range(25)}
    found, means = spread(by_item, 2), np.array([np.mean(values) for values in by_item.values()])
    drawn = means[np.random.default_rng(1).integers(0, 25, (10_000, 25))].mean(axis=1)
    assert found["how"] == "bootstrap" and found["mean"] == pytest.approx(means.mean())
    assert (found["low"], found["high"]) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=0.02)
    thrice = spread({item: values * 3 for item, values in by_item.items()}, 2)
    assert {**thrice, "ratings": 0} == {**found, "ratings": 0}  # the same people thrice are no more items
    assert spread(by_item, 2, seed=1) != found == spread(by_item, 2)


@pytest.mark.parametrize("items", [5, 12, 40])
def test_the_interval_holds_the_truth_about_as_often_as_it_says(items):
    rng, held = np.random.default_rng(items), 0
    for n in range(300):
        drawn = rng.choice([0, 1, 2], p=[0.1, 0.3, 0.6], size=items)
        found = spread({str(k): [float(value)] for k, value in enumerate(drawn)}, 2, rounds=400, seed=n)
        held += found["low"] <= 1.5 <= found["high"]
    assert binomtest(held, 300, 0.95, alternative="less").pvalue > 1e-4


def test_wins_share_ties_and_none_wins_for_nobody(tmp_path):
    choices = {"item-0": "tuned", "item-1": "tuned", "item-2": "tie", "item-3": "none", "item-4": "base", "item-5": None}
    review, key, merged = rated(tmp_path, two(6), Ana=lambda item, ids: {"best": choices[item], "answers": {"tuned": same(1)}})
    found = votes(review, key, merged)
    rows = wins(found)
    assert [one["system"] for one in rows] == ["base", "tuned", "none of them"]
    assert [one["mean"] for one in rows] == pytest.approx([1.5 / 5, 2.5 / 5, 1 / 5]) and {one["items"] for one in rows} == {5}
    (duel,) = duels(found)
    assert (duel["first"], duel["second"], duel["won"], duel["tied"], duel["lost"]) == ("base", "tuned", 1, 2, 2)
    assert duel["mean"] == pytest.approx((1 + 2 * 0.5) / 5)


def test_an_answer_that_two_systems_gave_is_shared(tmp_path):
    said = [({"tuned": "o mesmo", "base": "o mesmo", "gold": "outro"}, {}), ({"tuned": "igual", "base": "igual", "gold": "igual"}, {})]
    review, key, merged = rated(
        tmp_path, said, Ana=lambda item, ids: {"best": ids["tuned"] if item == "item-0" else None, "answers": {"tuned": same(2)}}
    )
    found = votes(review, key, merged)
    assert {one["system"]: one["mean"] for one in wins(found)} == pytest.approx(
        {"tuned": (1 / 2 + 1 / 3) / 2, "base": (1 / 2 + 1 / 3) / 2, "gold": 1 / 6, "none of them": 0}
    )
    assert row(scores(found), system="tuned", criterion="seen") | {"system": 0} == row(scores(found), system="base", criterion="seen") | {"system": 0}
    assert row(duels(found), first="base", second="tuned")["tied"] == 2 and row(duels(found), first="base", second="gold")["won"] == 1
    review, key, merged = rated(tmp_path / "none", said[1:], Ana=lambda item, ids: {"best": "none"})
    assert {one["system"]: one["mean"] for one in wins(votes(review, key, merged))} == {"tuned": 0, "base": 0, "gold": 0, "none of them": 1}


def test_a_third_systems_win_says_nothing_of_two_others(tmp_path):
    said = [({"a": f"um {n}", "b": f"dois {n}", "c": f"três {n}"}, {}) for n in range(4)]
    choices = {"item-0": "c", "item-1": "a", "item-2": "c", "item-3": "none"}
    review, key, merged = rated(tmp_path, said, Ana=lambda item, ids: {"best": choices[item]})
    duel = row(duels(votes(review, key, merged)), first="a", second="b")
    assert (duel["won"], duel["tied"], duel["lost"], duel["items"], duel["mean"]) == (1, 1, 0, 2, 0.75)


def test_errors_are_shares_of_the_ratings_of_each_system(tmp_path):
    def judge(item, ids):
        errors = ["agreement", "invented"] if item == "item-0" else ["agreement"]
        return {"best": "tuned", "answers": {"base": same(0, errors=errors)} | ({"tuned": same(2, errors=["too_long"])} if item == "item-1" else {})}

    review, key, merged = rated(tmp_path, two(4), Ana=judge)
    rows = error_types(votes(review, key, merged))
    assert rows[0] == {"error": "agreement", "name": "Agreement", "base": 1.0, "tuned": 0.0}
    assert row(rows, error="invented")["base"] == 0.25 and row(rows, error="too_long")["tuned"] == 1.0  # of its one rated answer
    assert [one["error"] for one in rows] == ["agreement", "invented", "too_long"]


def test_agreement_by_criterion_is_that_of_the_ratings(tmp_path):
    rng = random.Random(3)
    given = {}

    def judge(rater):
        def one(item, ids):
            if rater == "Caio" and item == "item-2":
                return None
            answers = {}
            for system in ("tuned", "base"):
                truth = (int(item[5:]) + (system == "base")) % 3
                value = truth if rng.random() < 0.7 else rng.randint(0, 2)
                answers[system] = {"scores": {"seen": value, "fluency": 2}}
                given[ids[system], rater] = value
            return {"best": rng.choice(["tuned", "base", "tie", "none"]), "answers": answers}

        return one

    review, key, merged = rated(tmp_path, two(14), Ana=judge("Ana"), Bia=judge("Bia"), Caio=judge("Caio"))
    rows = agreement_rows(votes(review, key, merged))
    units = [[given.get((answer, rater)) for rater in ("Ana", "Bia", "Caio")] for answer in sorted(key["answers"])]
    seen = row(rows, what="Seen correctly")
    assert seen["alpha"] == agreement.krippendorff_alpha(units, "ordinal").value and seen["kappa of"] == "Fleiss" and seen["compared"] == 28
    assert seen["low"] < seen["alpha"] < seen["high"] and 0 < seen["same"] < 1
    fluent = row(rows, what="Agreement and fluency")
    assert fluent["alpha"] is None and fluent["kappa"] is None and fluent["reason"] == agreement.NO_SPREAD and fluent["same"] == 1
    assert row(rows, what="Length asked for")["reason"] == agreement.NO_OVERLAP
    assert row(rows, what="Best answer")["compared"] == 14 and abs(row(rows, what="Best answer")["alpha"]) < 0.5
    shown = row(reviewed.agreement_table(rows), criterion="Seen correctly")
    assert shown["Krippendorff's alpha"] == f"{seen['alpha']:.2f}" and shown["kappa"] == f"{seen['kappa']:.2f} (Fleiss)"
    assert shown["95 % interval"] == f"{seen['low']:.2f} to {seen['high']:.2f}" and shown["equal pairs"] == f"{100 * seen['same']:.0f} %"
    pair = agreement_rows(votes(review, key, {rater: merged[rater] for rater in ("Ana", "Bia")}))
    assert row(pair, what="Seen correctly")["kappa"] == agreement.cohen_kappa([unit[:2] for unit in units], "quadratic", (0, 1, 2)).value


def test_the_best_answer_is_compared_by_who_gave_it_and_only_where_there_is_a_choice(tmp_path):
    """Answer ids differ from item to item, so equal ids would say nothing; one answer of both systems is no choice."""
    said = [*two(6), *[({"tuned": f"igual {n}", "base": f"igual {n}"}, {}) for n in range(5)]]
    bests = dict(zip((f"item-{n}" for n in range(6)), ("tuned", "base", "tie", "none", "tuned", "base"), strict=True))
    judge = lambda item, ids: {"best": bests.get(item), "answers": {"tuned": same(1)}}  # noqa: E731
    review, key, merged = rated(tmp_path, said, Ana=judge, Bia=judge)
    best = row(agreement_rows(votes(review, key, merged)), what="Best answer")
    assert (best["alpha"], best["kappa"], best["kappa of"], best["compared"], best["same"]) == (1.0, 1.0, "Cohen", 6, 1.0)
    always = lambda item, ids: {"best": "tuned"}  # noqa: E731
    review, key, merged = rated(tmp_path / "always", two(6), Ana=always, Bia=always)
    assert row(agreement_rows(votes(review, key, merged)), what="Best answer")["reason"] == agreement.NO_SPREAD


def test_one_rater_is_told_that_agreement_cannot_be_told(tmp_path):
    review, key, merged = rated(
        tmp_path, two(3), Ana=lambda item, ids: {"best": "tuned", "answers": {"tuned": same(2)}} if item != "item-2" else None
    )
    found = summary(review, key, merged)
    assert all(one["alpha"] is None and one["kappa"] is None and one["same"] is None for one in found["agreement"])
    assert {one["reason"] for one in found["agreement"]} == {agreement.ONE_RATER}
    assert [note.split(",")[0].split(" items")[0] for note in found["notes"]] == ["Only one person has rated", "2 of 3", f"With fewer than {FEW}"]
    nobody = summary(review, key, {})
    assert nobody["notes"] == ["Nobody has rated yet."] and nobody["scores"] == [] and nobody["raters"] == 0
    assert nobody["metric"]["kappa"]["reason"].startswith("no answer has a clear verdict")
    for one in (found, nobody):
        assert "NaN" not in json.dumps(one)  # plain JSON data
    assert {tuple(shown.values())[1:] for shown in reviewed.agreement_table(found["agreement"])} == {("–", "–", "–", "–", 0, agreement.ONE_RATER)}


def test_people_and_the_metric_are_laid_side_by_side(tmp_path):
    said = two(5, (True, False)) + two(1, (None, None))
    # tuned is right by the metric and base wrong; people see it the other way round on two items
    people = {0: (2, 0), 1: (0, 2), 2: (2, 1), 3: (1, 0), 4: (0, 0), 5: (2, 2)}
    said = [({"tuned": f"certo {n}", "base": f"wrong {n}"}, right) for n, (_, right) in enumerate(said)]

    def judge(item, ids):
        tuned, base = people[int(item[5:])]
        return {"answers": {"tuned": same(tuned, remark="não é isso" if item == "item-1" else ""), "base": same(base)}}

    review, key, merged = rated(tmp_path, said, Ana=judge)
    found = against_metric(votes(review, key, merged), review, key)
    assert found["counts"] == {
        "tuned": {"right": {"right": 2, "undecided": 1, "wrong": 2}, "wrong": {"right": 0, "undecided": 0, "wrong": 0}},
        "base": {"right": {"right": 0, "undecided": 0, "wrong": 0}, "wrong": {"right": 1, "undecided": 1, "wrong": 3}},
    }
    told = {(one["answer"], one["metric"], one["people"], one["remarks"]) for one in found["rows"]}
    assert told == {("certo 1", "right", "wrong", "não é isso"), ("wrong 1", "wrong", "right", ""), ("certo 4", "right", "wrong", "")}
    assert {(one["question"], one["gold"], one["systems"]) for one in found["rows"]} == {
        ("Pergunta 1?", "ouro 1", "tuned"), ("Pergunta 1?", "ouro 1", "base"), ("Pergunta 4?", "ouro 4", "tuned")
    }  # fmt: skip
    decided = [("right", "right")] * 2 + [("right", "wrong")] * 2 + [("wrong", "right")] + [("wrong", "wrong")] * 3
    assert found["kappa"]["value"] == pytest.approx(agreement.cohen_kappa(decided).value) and found["kappa"]["units"] == 8


def test_what_people_say_is_the_lower_score_and_the_mean_of_raters(tmp_path):
    def vote(seen, answers):
        return analysis.Vote("r", "q", "t", "qa", "s", {"seen": seen, "answers": answers}, (), "", None, False)

    assert (
        people_say([vote(2, 2)]) == "right"
        and people_say([vote(2, 0)]) == people_say([vote(0, 2)]) == "wrong"
        and people_say([vote(2, 1)]) == "undecided"
    )
    assert people_say([vote(2, 2), vote(2, 2), vote(0, 2)]) == "right" and people_say([vote(2, 2), vote(2, 0)]) == "undecided"
    assert people_say([]) is None and people_say([analysis.Vote("r", "q", "t", "qa", "s", {"seen": 2}, (), "", None, False)]) is None


def test_the_worst_answers_come_first_and_each_once(tmp_path):
    said = [*two(4), ({"tuned": "os dois", "base": "os dois"}, {})]
    marks = {("item-0", "base"): 0, ("item-3", "tuned"): 1, ("item-4", "tuned"): 0}

    def judge(item, ids):
        answers = {system: same(marks.get((item, system), 2)) for system in ("tuned", "base")}
        if item == "item-4":
            answers = {"tuned": same(0, errors=["invented", "agreement"], remark="inventou")}
        return {"answers": answers}

    review, key, merged = rated(tmp_path, said, Ana=judge, Bia=judge)
    rows = reviewed.worst(votes(review, key, merged), review, key, 3)
    assert [(one["answer"], one["systems"], one["score"], one["raters"]) for one in rows] == [
        ("os dois", ["base", "tuned"], 0, 2), ("wrong 0", ["base"], 0, 2), ("certo 3", ["tuned"], 1, 2)
    ]  # fmt: skip
    assert rows[0]["errors"] == {"invented": 2, "agreement": 2} and rows[0]["remarks"] == ["inventou"] * 2


def test_cards_escape_everything_and_need_no_network(tmp_path):
    said = [({"tuned": ATTACK, "base": ""}, {})]
    review, key, merged = rated(
        tmp_path, said, Ana=lambda item, ids: {"answers": {"tuned": same(0, remark=ATTACK, errors=["invented"]), "base": same(1)}}
    )
    rows = reviewed.worst(votes(review, key, merged), review, key)
    page = reviewed.cards(rows, tmp_path, review)
    tags, texts, alts = [], [], []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            tags.append(tag)
            alts.extend(value for name, value in attrs if name == "alt")
            assert all(name != "src" or value.startswith("data:image/webp;base64,UklG") for name, value in attrs)

        def handle_data(self, data):
            texts.append(data)

    Reader().feed(page)
    assert set(tags) == {"div", "p", "img", "b", "span"} and alts == ["<a thing> 0"] * 2
    assert texts.count(ATTACK) == 1 and f"“{ATTACK}”" in texts and "(empty)" in texts and "Invented" in texts and "http" not in page
    assert "Test · tiny · pt-BR" in texts
    (tmp_path / rows[0]["picture"]).unlink()
    gone = reviewed.cards(rows, tmp_path, review)
    assert "picture missing: &lt;a thing&gt; 0" in gone and "<img" not in gone
    assert "No answer has been rated yet" in reviewed.cards([], tmp_path, review)


def test_the_key_of_other_items_is_refused(tmp_path):
    review, _ = made(tmp_path / "one", two(2))
    made(tmp_path / "two", two(3))
    with pytest.raises(UserError, match=f"is not the key of review {review['review']}"):
        read_key(tmp_path / "two", review)
    (tmp_path / "one" / "key.json").unlink()
    with pytest.raises(UserError, match="key.json is missing"):
        read_key(tmp_path / "one", review)
    with pytest.raises(UserError, match="Ana rated q0009, which review"):
        votes(review, {"answers": {}}, {"Ana": {"q0009": {}}})


def figures_of(found):
    return (
        (charts.scores(found["scores"], charts.title(found, "Scores")), charts.scores_alt(found["scores"])),
        (charts.wins(found["wins"], charts.title(found, "Wins")), charts.wins_alt(found["wins"])),
        (charts.against_metric(found["metric"]["counts"], charts.title(found, "Metric")), charts.against_metric_alt(found["metric"]["counts"])),
    )


def test_figures_say_scale_language_and_people_and_their_texts_the_numbers(tmp_path):
    from utils.figures import finish

    judge = lambda item, ids: {"best": "tuned", "answers": {"tuned": same(2), "base": same(0)}}  # noqa: E731
    review, key, merged = rated(tmp_path, two(4), Ana=judge)
    pictures = figures_of(summary(review, key, merged))
    for number, (figure, alt) in enumerate(pictures):
        axis = figure.axes[0]
        assert axis.get_title().endswith("\ntiny · pt-BR · 1 rater · 4 of 4 items")
        finish(figure, tmp_path, str(number), alt)
        assert (tmp_path / "figures" / f"{number}.txt").read_text(encoding="utf-8") == alt
        with Image.open(tmp_path / "figures" / f"{number}.png") as drawn:
            assert drawn.width > 400
    scores_text, wins_text, metric_text = (alt for _, alt in pictures)
    assert "tuned, Seen correctly: 2.00 (1.02 to 2.00)" in scores_text and "base, Seen correctly: 0.00 (0.00 to 0.98)" in scores_text
    assert "tuned 100 % (51 to 100)" in wins_text and "none of them 0 % (0 to 49)" in wins_text
    assert "tuned, metric right: 4 right, 0 undecided, 0 wrong" in metric_text and "base, metric wrong: 0 right, 0 undecided, 4 wrong" in metric_text


def test_what_the_figures_draw_is_what_was_counted(tmp_path):
    judge = lambda item, ids: {"best": "tuned", "answers": {"tuned": {"scores": {"seen": 2}}, "base": {"scores": {"seen": 1}}}}  # noqa: E731
    review, key, merged = rated(tmp_path, two(12), Ana=judge)
    (drawn, _), (won, _), (metric, _) = figures_of(summary(review, key, merged))
    assert sorted(float(x) for line in drawn.axes[0].lines for x in line.get_xdata() if line.get_label() in ("tuned", "base")) == [1, 2]
    assert [text.get_text() for text in won.axes[0].texts] == ["0 %", "100 %", "0 %"]
    assert [text.get_text() for text in won.axes[0].get_yticklabels()] == ["base", "tuned", "none of them"]
    assert sum(bar.get_width() for bar in metric.axes[0].patches) == 0  # without "answers the question" people have no verdict


@pytest.mark.parametrize("people", [{}, {"Ana": lambda item, ids: {"best": "none"}}])
def test_figures_of_next_to_nothing_are_drawn_too(tmp_path, people):
    from utils.figures import png

    said = [({ATTACK: "um", "b$": "dois"}, {})]
    review, key, merged = rated(tmp_path, said, **people)
    for figure, alt in figures_of(summary(review, key, merged)):
        assert png(figure)[:4] == b"\x89PNG" and not re.search(r"\bnan\b|None", alt)
