"""The review: a sample that a seed fixes, a folder that tells no system, rating files that survive a kill and merge."""

import itertools
import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import datetime

import pytest
from PIL import Image

from utils.corpus.scenes.asks import Ask
from utils.corpus.scenes.render import render
from utils.corpus.scenes.world import single
from utils.evaluation.scenes_task import Answer
from utils.review import ratings as files
from utils.review import rubric
from utils.review.ratings import Change, complete, merge, rating_path, read_ratings, save_rating, undo
from utils.review.sampling import Said, from_scenes, read_review, sample, webp, write_review
from utils.runs import ROOT, UserError

SYSTEMS = ("base", "tuned", "gold")


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    """A busy disk takes 0.1 s for each sync; only a power cut, which is not tested here, would miss it."""
    monkeypatch.setattr("os.fsync", lambda number: None)


def said(number, kind="naming", answers=None):
    answers = answers or {system: f"Resposta {number} de {name}" for system, name in zip(SYSTEMS, ("Ana", "Bia", "Caio"), strict=True)}
    picture = Image.new("RGB", (24, 16), (number * 37 % 256, number * 11 % 256, 90))
    right = {"base": False, "tuned": True, "gold": None}
    return Said(f"item-{number}", kind, picture, f"alt {number}", f"Pergunta {number}?", f"gold {number}", answers, right)


def mixed(per_type=30):
    kinds = ("naming", "counting", "description")
    return [said(n, kinds[n % 3]) for n in range(per_type * 3)]


def written(folder, items, seed=3):
    write_review(folder, items, "pt-BR", "tiny", seed, "Revisão às cegas")
    return json.loads((folder / "items.json").read_text("utf-8")), json.loads((folder / "key.json").read_text("utf-8"))


# The rubric


def test_the_rubric_has_six_criteria_from_0_to_2_with_a_good_and_a_bad_example_in_both_languages():
    keys = [one.key for one in rubric.CRITERIA]
    assert keys == ["seen", "answers", "hallucination", "language", "fluency", "length"]
    for one in rubric.CRITERIA:
        assert [value for value, _ in one.levels] == [0, 1, 2]
        good, bad = (example["value"] for example in one.examples)
        assert good == 2 and bad < 2
        texts = [one.names, one.question, *(text for _, text in one.levels), *(e[part] for e in one.examples for part in ("seen", "why"))]
        assert all(set(text) == {"pt", "en"} and all(text.values()) and text["pt"] != text["en"] for text in texts)
    assert len({one.key for one in rubric.ERRORS}) == len(rubric.ERRORS) >= 14


def test_the_rubric_reaches_the_page_as_json_unchanged():
    plain = rubric.as_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["criteria"][2]["levels"][0] == [0, {"pt": "Inventa algo importante.", "en": "It invents something important."}]
    assert plain["version"] == rubric.VERSION and plain["errors"][0]["key"] == "wrong_kind"


# Sampling


def test_a_seed_fixes_the_sample_and_the_order_of_the_input_changes_nothing():
    items = mixed()
    drawn = [item.item_id for item in sample(items, 4, seed=1)]
    for turn in range(5):
        shuffled = random.Random(turn).sample(items, len(items))
        assert [item.item_id for item in sample(shuffled, 4, seed=1)] == drawn
    assert [item.item_id for item in sample(items, 4, seed=2)] != drawn


def test_every_type_gives_as_many_as_asked_or_all_it_has():
    items = [*mixed(5), said(900, "rare")]
    assert Counter(item.type for item in sample(items, 4, seed=0)) == {"naming": 4, "counting": 4, "description": 4, "rare": 1}


def test_every_item_is_drawn_about_as_often_over_seeds():
    items = [said(n) for n in range(10)]
    drawn = Counter(item.item_id for seed in range(600) for item in sample(items, 3, seed))
    assert len(drawn) == 10 and all(130 < times < 230 for times in drawn.values())  # 180 expected, σ = 11


@pytest.mark.parametrize("items,per_type,words", [([], 3, "empty"), ([said(1)], 0, "empty"), ([said(1), said(1)], 3, "'item-1' stands twice")])
def test_what_cannot_be_sampled_is_said_in_one_sentence(items, per_type, words):
    with pytest.raises(UserError, match=words):
        sample(items, per_type, seed=0)


def answer_of(scene, text, right, question="O que é?"):
    ask = Ask("naming", scene, cell=scene.items[0].cell)
    return Answer(ask.type, scene, "dog", "pt-BR", question, "um cachorro", {"kind": "dog"}, text, right, float(right), "pt-BR")


def test_rows_from_the_picture_world_match_by_scene_and_question_whatever_the_order():
    dog, cat = single("dog"), single("cat")
    one = [answer_of(dog, "um cão", True), answer_of(cat, "um gato", True), answer_of(dog, "azul", False, "Que cor?")]
    two = [answer_of(dog, "blue", False, "Que cor?"), answer_of(cat, "a cat", False), answer_of(dog, "a dog", False)]
    rows = {(row.question, row.answers["base"]): row for row in from_scenes({"tuned": one, "base": two}, gold=True)}
    assert rows["O que é?", "a dog"].answers == {"tuned": "um cão", "base": "a dog", "gold": "um cachorro"}
    assert rows["O que é?", "a cat"].right == {"tuned": True, "base": False, "gold": True}
    assert rows["Que cor?", "blue"].answers["tuned"] == "azul"
    assert len({row.item_id for row in rows.values()}) == 3
    picture = rows["O que é?", "a dog"].picture()
    assert picture.tobytes() == render(dog).tobytes() != render(cat).tobytes()


def test_systems_that_were_asked_different_things_are_refused():
    one, two = [answer_of(single("dog"), "um cão", True)], [answer_of(single("cat"), "um gato", True)]
    with pytest.raises(UserError, match="'a' and 'b' were not asked the same: 2 questions differ"):
        from_scenes({"a": one, "b": two})
    with pytest.raises(UserError, match="named 'gold'"):
        from_scenes({"gold": one}, gold=True)


# Blindness


def test_nothing_that_raters_get_names_a_system_or_tells_the_answer(tmp_path):
    items, key = written(tmp_path, sample(mixed(), 5, seed=1))
    text = (tmp_path / "items.json").read_text("utf-8")
    for hidden in (*SYSTEMS, "item-", "alt ", "gold ", "seed", "right"):
        assert hidden not in text
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == [f"q{n:04d}.webp" for n in range(1, 16)]
    assert [item["alt"] for item in items["items"]] == [f"Picture {n} of 15" for n in range(1, 16)]
    assert items["review"] == key["review"] and items["rubric"] == rubric.VERSION and (items["language"], items["scale"]) == ("pt-BR", "tiny")


def test_the_key_opens_every_answer_to_the_system_that_gave_it(tmp_path):
    drawn = sample(mixed(), 5, seed=1)
    items, key = written(tmp_path, drawn)
    rows = {item.item_id: item for item in drawn}
    assert sorted(key["sources"].values()) == sorted(rows)
    for item in items["items"]:
        row = rows[key["sources"][item["id"]]]
        assert (item["question"], item["type"], key["gold"][item["id"]]) == (row.question, row.type, row.gold)
        with Image.open(tmp_path / item["picture"]) as picture:
            assert picture.convert("RGB").tobytes() == row.picture.tobytes()
        for answer in item["answers"]:
            (system,) = key["answers"][answer["id"]]
            assert answer["text"] == row.answers[system]
            assert key["right"].get(answer["id"], {}) == ({} if system == "gold" else {system: system == "tuned"})


def test_equal_answers_are_shown_once_and_the_key_tells_all_who_gave_them(tmp_path):
    same = {"base": "maçã", "tuned": " mac\u0327a\u0303\n", "gold": "uva"}  # the same word, its accents coded in another way
    items, key = written(tmp_path, [said(1, answers=same)])
    (item,) = items["items"]
    found = {answer["text"]: key["answers"][answer["id"]] for answer in item["answers"]}
    assert found == {"maçã": ["base", "tuned"], "uva": ["gold"]}
    (apple,) = (answer["id"] for answer in item["answers"] if answer["text"] == "maçã")
    assert key["right"][apple] == {"base": False, "tuned": True}


def test_over_many_seeds_each_system_stands_in_each_place_about_as_often(tmp_path):
    places, firsts = Counter(), Counter()
    for seed in range(40):
        items, key = written(tmp_path, [said(n) for n in range(9)], seed)
        places.update((place, *key["answers"][a["id"]]) for item in items["items"] for place, a in enumerate(item["answers"]))
        firsts[key["sources"]["q0001"]] += 1
    assert len(places) == 9 and all(85 < times < 155 for times in places.values())  # 120 of 360 expected, σ = 9
    assert len(firsts) == 9 and max(firsts.values()) < 15  # 4.4 expected


def test_the_order_follows_the_texts_and_never_the_names_of_systems(tmp_path):
    texts = {"base": "um", "tuned": "dois", "gold": "três"}
    shown = set()
    for number, names in enumerate(itertools.permutations(SYSTEMS)):
        items, _ = written(tmp_path / str(number), [said(n, answers=dict(zip(names, texts.values(), strict=True))) for n in range(6)])
        shown.add(json.dumps(items))
    assert len(shown) == 1


def test_a_picture_carries_no_metadata_and_keeps_its_pixels(tmp_path):
    from PIL.PngImagePlugin import PngInfo

    notes = PngInfo()
    notes.add_text("Comment", "made by tuned")
    exif = Image.Exif()
    exif[0x010E] = "made by tuned"
    small = Image.effect_noise((50, 40), 60).convert("RGB")
    for name, options in (
        ("a.png", {"pnginfo": notes, "exif": exif, "icc_profile": b"made by tuned" * 20}),
        ("b.webp", {"exif": exif, "lossless": True}),
    ):
        small.save(tmp_path / name, **options)
        assert b"made by tuned" in (tmp_path / name).read_bytes()
        data = webp(tmp_path / name)
        assert b"made by" not in data and not any(chunk in data for chunk in (b"EXIF", b"ICCP", b"XMP "))
        (tmp_path / "out.webp").write_bytes(data)
        with Image.open(tmp_path / "out.webp") as picture:
            assert picture.convert("RGB").tobytes() == small.tobytes() and not picture.getexif()
    assert Image.open(tmp_path / "out.webp").size == (50, 40)
    (tmp_path / "big.webp").write_bytes(webp(Image.new("RGB", (3000, 1500))))
    assert Image.open(tmp_path / "big.webp").size == (1024, 512)


def test_a_review_that_people_rate_is_not_written_over_by_another(tmp_path):
    items, _ = written(tmp_path, [said(1), said(2)])
    first = items["items"][0]
    path = rating_path(tmp_path, "Ana")
    save_rating(path, items, "Ana", first["id"], rating(first))
    assert written(tmp_path, [said(2), said(1)])[0] == items  # the same again is no harm
    assert len(read_ratings(path, read_review(tmp_path)).ratings) == 1
    with pytest.raises(UserError, match="ratings of another review"):
        written(tmp_path, [said(1), said(3)])
    assert read_review(tmp_path) == items and len(list((tmp_path / "pictures").iterdir())) == 2


@pytest.mark.parametrize(
    "change", [{"format": 2}, {"rubric": "0"}, {"items": []}, {"items": [{"id": "q1"}]}, {"review": None}], ids=lambda change: next(iter(change))
)
def test_a_damaged_review_is_refused(tmp_path, change):
    items, _ = written(tmp_path, [said(1)])
    (tmp_path / "items.json").write_text(json.dumps(items | change))
    with pytest.raises(UserError, match="items.json"):
        read_review(tmp_path)


def test_a_picture_outside_the_folder_is_refused(tmp_path):
    items, _ = written(tmp_path, [said(1)])
    items["items"][0]["picture"] = "pictures/../../secret.webp"
    (tmp_path / "items.json").write_text(json.dumps(items))
    with pytest.raises(UserError, match="picture inside the folder"):
        read_review(tmp_path)


# Rating files

REVIEW = {
    "review": "abc",
    "items": [{"id": f"q{n:04d}", "answers": [{"id": f"q{n:04d}{letter}", "text": letter} for letter in "ab"]} for n in range(1, 4)],
}


def rating(item, value=2, at="2026-11-21T10:00:00Z", best="tie", remark="", seconds=3.5):
    scores = {one.key: value for one in rubric.CRITERIA}
    answers = {answer["id"]: {"scores": dict(scores), "errors": [], "remark": remark} for answer in item["answers"]}
    return {"best": best, "answers": answers, "at": at, "seconds": seconds}


def file_of(path, rater="Ana", ratings=None, **other):
    ratings = {item["id"]: rating(item) for item in REVIEW["items"]} if ratings is None else ratings
    path.write_text(json.dumps({"format": 1, "review": "abc", "rubric": "1", "rater": rater, "ratings": ratings, **other}), "utf-8")
    return path


def test_a_saved_rating_reads_back_in_the_format_of_the_page(tmp_path):
    path, (first, second, _) = rating_path(tmp_path, "Ana Luísa"), REVIEW["items"]
    one = rating(first, 1, best="q0001b", remark="<script>alert(1)</script> ção")
    one["answers"]["q0001a"]["errors"] = ["agreement"]
    assert save_rating(path, REVIEW, "Ana Luísa", "q0001", one) == Change("q0001", None)
    save_rating(path, REVIEW, "Ana Luísa", "q0002", rating(second))
    data = json.loads(path.read_text("utf-8"))
    assert {k: v for k, v in data.items() if k != "ratings"} == {"format": 1, "review": "abc", "rubric": "1", "rater": "Ana Luísa"}
    assert data["ratings"]["q0001"] == one
    assert read_ratings(path, REVIEW).ratings == {"q0001": one, "q0002": rating(second)}


def test_undo_gives_back_what_a_save_replaced_and_can_itself_be_undone(tmp_path):
    path, (first, *_) = tmp_path / "a.json", REVIEW["items"]
    old, new = rating(first, 0), rating(first, 2)
    save_rating(path, REVIEW, "Ana", "q0001", old)
    change = save_rating(path, REVIEW, "Ana", "q0001", new)
    back = undo(path, REVIEW, "Ana", change)
    assert read_ratings(path, REVIEW).ratings == {"q0001": old}
    undo(path, REVIEW, "Ana", back)
    assert read_ratings(path, REVIEW).ratings == {"q0001": new}
    undo(path, REVIEW, "Ana", Change("q0001", None))
    assert read_ratings(path, REVIEW).ratings == {}


def test_two_windows_of_one_rater_keep_each_others_ratings_and_two_raters_have_two_files(tmp_path):
    path = rating_path(tmp_path, "Ana")
    for item in REVIEW["items"]:
        save_rating(path, REVIEW, " Ana ", item["id"], rating(item))
    assert len(read_ratings(path, REVIEW).ratings) == 3
    names = ("Ana", "ana", "Àna", "安娜", "../../etc", "a" * 80)
    paths = {rating_path(tmp_path, name) for name in names}
    assert len(paths) == len(names) and {one.parent for one in paths} == {tmp_path / "ratings"}
    with pytest.raises(UserError, match="holds ratings by 'Ana', not 'Bia'"):
        save_rating(path, REVIEW, "Bia", "q0001", None)


def test_a_save_that_fails_leaves_the_old_file_whole(tmp_path, monkeypatch):
    path, (first, second, _) = tmp_path / "a.json", REVIEW["items"]
    save_rating(path, REVIEW, "Ana", "q0001", rating(first))
    before = path.read_bytes()
    monkeypatch.setattr("os.fsync", lambda number: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(UserError, match="No space left"):
        save_rating(path, REVIEW, "Ana", "q0002", rating(second))
    assert path.read_bytes() == before
    with pytest.raises(UserError, match="seen is 3"):
        save_rating(path, REVIEW, "Ana", "q0001", rating(first, 3))
    path.write_text("{broken")
    with pytest.raises(UserError, match="not JSON"):
        save_rating(path, REVIEW, "Ana", "q0002", rating(second))
    assert path.read_text() == "{broken"


SAVER = """
import json, os, sys
from utils.review.ratings import save_rating
os.fsync = lambda number: None
review, path = json.load(open(sys.argv[1])), sys.argv[2]
for turn in range(10**6):
    item = review["items"][turn % len(review["items"])]
    answers = {a["id"]: {"scores": {"seen": turn % 3}, "errors": [], "remark": str(turn) + " " + "á" * 3000} for a in item["answers"]}
    save_rating(path, review, "Ana", item["id"], {"best": None, "answers": answers, "at": "2026-11-21T10:00:00Z", "seconds": turn})
    print(turn, flush=True)
"""


def test_a_killed_process_loses_at_most_the_rating_in_flight(tmp_path):
    many = {"review": "abc", "items": [{"id": f"q{n}", "answers": [{"id": f"q{n}a"}, {"id": f"q{n}b"}]} for n in range(25)]}
    (tmp_path / "review.json").write_text(json.dumps(many))
    path = tmp_path / "ratings" / "a.json"
    for turn in range(6):
        saver = subprocess.Popen([sys.executable, "-c", SAVER, tmp_path / "review.json", path], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        told = [saver.stdout.readline() for _ in range(30 + turn)]
        time.sleep(0.003 * turn)  # another moment of the save each time
        saver.send_signal(signal.SIGKILL)
        told += saver.stdout.readlines()
        saver.wait()
        last = int(told[-1])
        kept = read_ratings(path, many).ratings
        turns = sorted(int(rating["seconds"]) for rating in kept.values())
        assert len(kept) == 25 and turns[-1] in (last, last + 1)
        assert turns == list(range(turns[-1] - 24, turns[-1] + 1))
    item = many["items"][0]
    save_rating(path, many, "Ana", "q0", rating(item))  # what the killed one left behind is in nobody's way
    assert read_ratings(path, many).ratings["q0"] == rating(item)


def test_many_raters_merge_and_the_later_rating_of_an_item_wins_whatever_the_order(tmp_path):
    first, second, _ = REVIEW["items"]
    early = file_of(
        tmp_path / "1.json", "Ana", {"q0002": rating(second, 0, "2026-11-21T12:00:00Z"), "q0001": rating(first, 0, "2026-11-21T09:00:00Z")}
    )
    late = file_of(tmp_path / "2.json", " Ana", {"q0001": rating(first, 2, "2026-11-21T08:00:00-03:00")})  # 11:00 in UTC
    old = file_of(tmp_path / "3.json", "Ana", {"q0002": rating(second, 1, "2026-11-21T11:59:59.999Z")})
    other = file_of(tmp_path / "4.json", "Bia")
    for paths in itertools.permutations((early, late, old, other)):
        merged, skipped = merge(paths, REVIEW)
        assert skipped == [] and list(merged) == ["Ana", "Bia"] and list(merged["Ana"]) == ["q0001", "q0002"]
        assert merged["Ana"] == {"q0001": rating(first, 2, "2026-11-21T08:00:00-03:00"), "q0002": rating(second, 0, "2026-11-21T12:00:00Z")}
        assert len(merged["Bia"]) == 3


def test_two_ratings_of_the_same_moment_merge_the_same_way_in_any_order(tmp_path):
    first, *_ = REVIEW["items"]
    pair = [file_of(tmp_path / f"{value}.json", "Ana", {"q0001": rating(first, value)}) for value in (0, 2)]
    assert merge(pair, REVIEW) == merge(pair[::-1], REVIEW)


def wrong(**change):
    one = rating(REVIEW["items"][0])
    one["answers"]["q0001a"] |= {key: value for key, value in change.items() if key in ("scores", "errors", "remark")}
    return {"q0001": one | {key: value for key, value in change.items() if key in ("best", "at", "seconds")}}


BAD = {
    "another review": (lambda p: file_of(p, review="xyz"), "belongs to review 'xyz'"),
    "another rubric": (lambda p: file_of(p, rubric="7"), "follows rubric '7'"),
    "another format": (lambda p: file_of(p, format=2), "not marked as format 1"),
    "no name": (lambda p: file_of(p, rater=" "), "the rater's name is ' '"),
    "a name with a bell": (lambda p: file_of(p, rater="A\x07"), "the rater's name"),
    "a number for a name": (lambda p: file_of(p, rater=7), "the rater's name is 7"),
    "unknown item": (lambda p: file_of(p, ratings={"q9999": rating(REVIEW["items"][0])}), "item 'q9999' is not in the review"),
    "another item's answer": (lambda p: file_of(p, ratings={"q0002": rating(REVIEW["items"][0])}), "answer 'q0001a' is not one of this item"),
    "unknown criterion": (lambda p: file_of(p, ratings=wrong(scores={"beauty": 1})), "q0001a: 'beauty' is no criterion"),
    "value too high": (lambda p: file_of(p, ratings=wrong(scores={"seen": 3})), "seen is 3, not one of 0, 1, 2"),
    "truth for a value": (lambda p: file_of(p, ratings=wrong(scores={"seen": True})), "seen is True"),
    "half a value": (lambda p: file_of(p, ratings=wrong(scores={"seen": 1.5})), "seen is 1.5"),
    "unknown error": (lambda p: file_of(p, ratings=wrong(errors=["ugly"])), "'ugly' is no error type"),
    "an error that is no word": (lambda p: file_of(p, ratings=wrong(errors=[["other"]])), "is no error type"),
    "best of another item": (lambda p: file_of(p, ratings=wrong(best="q0002a")), "best is 'q0002a'"),
    "best is a list": (lambda p: file_of(p, ratings=wrong(best=["tie"])), "best is "),
    "no time": (lambda p: file_of(p, ratings=wrong(at="yesterday")), "at is 'yesterday', not a time"),
    "time backwards": (lambda p: file_of(p, ratings=wrong(seconds=-1)), "seconds is -1"),
    "half a character": (lambda p: file_of(p, ratings=wrong(remark="\ud800")), "remark is not a text"),
    "a NUL in a remark": (lambda p: file_of(p, ratings=wrong(remark="a\x00b")), "remark is not a text"),
    "a book for a remark": (lambda p: file_of(p, ratings=wrong(remark="a" * 10_001)), "remark is not a text"),
    "ratings are a list": (lambda p: file_of(p, ratings=[1]), "it has no ratings"),
    "a rating is a list": (lambda p: file_of(p, ratings={"q0001": []}), "q0001: it has no answers"),
    "a list": (lambda p: p.write_text("[1]"), "not marked as format 1"),
    "empty": (lambda p: p.write_text(""), "is not JSON"),
    "cut off": (lambda p: p.write_bytes(file_of(p).read_bytes()[:200]), "is not JSON"),
    "not a number": (lambda p: p.write_text('{"format": NaN}'), "NaN is not a number"),
    "deep": (lambda p: p.write_text("[" * 200_000), "is not JSON"),
    "a long number": (lambda p: p.write_text('{"format": ' + "9" * 5000 + "}"), "is not JSON"),
    "NUL bytes": (lambda p: p.write_bytes(b"\x00" * 100), "holds NUL bytes"),
    "not UTF-8": (lambda p: p.write_bytes(b'{"format": "\xff\xfe"}'), "is not JSON"),
    "50 MB": (lambda p: p.write_bytes(b" " * (50 << 20)), "has 50 MB, more than the 32 MB"),
    "a folder": (lambda p: p.mkdir(), "is missing or not a file"),
    "nothing there": (lambda p: None, "is missing or not a file"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_named_with_its_reason_and_the_others_still_count(name, tmp_path):
    make, words = BAD[name]
    bad, good = tmp_path / "bad.json", file_of(tmp_path / "good.json", "Bia")
    make(bad)
    merged, skipped = merge([bad, good], REVIEW)
    assert list(merged) == ["Bia"] and len(merged["Bia"]) == 3
    ((path, reason),) = skipped
    assert path == bad and str(bad) in reason and words in reason and len(reason) < 600 + len(str(bad)) and "\n" not in reason


def test_all_problems_of_a_file_come_at_once_and_a_flood_is_counted(tmp_path):
    ratings = {f"x{n}": {} for n in range(100)}
    bad = file_of(tmp_path / "bad.json", rater="", ratings=ratings, rubric="0")
    with pytest.raises(UserError) as told:
        read_ratings(bad, REVIEW)
    assert all(words in str(told.value) for words in ("follows rubric '0'", "the rater's name is ''", "item 'x0'", "and 97 more"))


def test_parts_left_out_are_filled_in_and_parts_unknown_are_dropped(tmp_path):
    short = {"q0001": {"answers": {"q0001a": {"scores": {"seen": 1}}}, "at": "2026-11-21T10:00:00Z", "mood": "good"}}
    path = file_of(tmp_path / "a.json", ratings=short)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())  # some programs put a mark before UTF-8
    whole = {"scores": {"seen": 1}, "errors": [], "remark": ""}
    assert read_ratings(path, REVIEW).ratings["q0001"] == {"best": None, "answers": {"q0001a": whole}, "at": "2026-11-21T10:00:00Z", "seconds": 0}


def test_an_item_is_complete_with_every_score_and_a_best_answer_where_there_is_a_choice():
    item, alone = REVIEW["items"][0], {"id": "q1", "answers": [{"id": "q1a"}]}
    assert complete(item, rating(item)) and complete(alone, rating(alone, best=None))
    assert not complete(item, None) and not complete(item, rating(item, best=None))
    lacking = rating(item)
    del lacking["answers"]["q0001b"]["scores"]["length"]
    assert not complete(item, lacking)
    del lacking["answers"]["q0001b"]
    assert not complete(item, lacking)


def test_the_time_is_written_as_a_browser_writes_it():
    assert len(files.now()) == len("2026-11-21T10:00:00.000Z") and files.now().endswith("Z")
    assert datetime.fromisoformat(files.now()).utcoffset().total_seconds() == 0
