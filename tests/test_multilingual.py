"""The multilingual mix: names, templates, shares, near misses, writing whole or not at all, and judging in fourteen languages."""

import re
import unicodedata
from collections import Counter

import pytest
from PIL import Image, ImageChops

from utils.corpus.conversations import problems, read_rows
from utils.corpus.multilingual import files, mix
from utils.corpus.multilingual.names import FROM_EMOJI, LANGUAGES, agreement, common, left_out, names
from utils.corpus.multilingual.templates import TONGUES, TYPES, ask, listed, token_costs
from utils.corpus.scenes.render import render
from utils.corpus.scenes.words import KIND
from utils.corpus.scenes.world import belongs
from utils.evaluation import multilingual as judging
from utils.runs import UserError

SCRIPTS = {"ru": "CYRILLIC", "zh": "CJK", "ar": "ARABIC", "fa": "ARABIC", "ko": "HANGUL"}
SOME = ("en", "pt-BR", "es", "ru", "zh", "ar")
EVEN = dict.fromkeys(TONGUES, 1.0)


@pytest.fixture(scope="module")
def drawn():
    return list(mix.draw("train", 400, mix.LANGUAGES, seed=3))


@pytest.fixture(scope="module")
def rows(drawn):
    return mix.mixed(drawn, mix.checked_shares(mix.LANGUAGES, mix.MC4), seed=3)


@pytest.fixture(scope="module")
def asked():
    """A few held-out pictures, every question in every language."""
    return mix.held_out_rows("known", 24, tuple(TONGUES))


def said(row: dict) -> tuple[str, str]:
    return tuple(turn["value"] for turn in row["conversations"])


# ---- names


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_kind_has_a_name_of_its_own_or_a_reason(code):
    told = names(code)
    assert set(told) | set(left_out(code)) == set(KIND) and not set(told) & set(left_out(code))
    assert len({judging.fold(name) for name in told.values()}) == len(told) >= 50
    assert not any(re.search(r"[_:\d]|^\W|\W$", name) for name in told.values()), "a name is not clean"
    script = SCRIPTS.get(code, "HIRAGANA|KATAKANA|CJK" if code == "ja" else "LATIN")
    letters = [sign for name in told.values() for sign in name if sign.isalpha() and sign != "ー"]
    assert [sign for sign in letters if not re.match(script, unicodedata.name(sign))] == []


@pytest.mark.parametrize(
    ("code", "kind", "name"),
    [
        ("es", "lion", "león"), ("es", "cheese", "queso"), ("fr", "lion", "lion"), ("fr", "tree", "arbre"), ("de", "apple", "Apfel"),
        ("de", "cheese", "Käse"), ("ru", "star", "звезда"), ("zh", "cake", "蛋糕"), ("tr", "sunset", "gün batımı"), ("ar", "frog", "ضفدع"),
        ("ja", "apple", "リンゴ"), ("ja", "baby", "赤ん坊"), ("fa", "hat", "کلاه"), ("ko", "castle", "성"), ("id", "sun", "matahari"),
        ("pt-BR", "dog", "cachorro"), ("it", "bee", "ape"),
    ],
)  # fmt: skip
def test_names_are_bare_nouns(code, kind, name):
    assert names(code)[kind] == name


def test_odd_names_are_left_out_where_no_cut_helps_and_only_there():
    assert set(left_out("ru")) == {"sun with sunglasses", "tennis ball", "soccer ball", "lion", "frog"}
    assert set(left_out("es")) == {"sun with sunglasses"} and left_out("it") == {}
    assert set(KIND) - set(common(LANGUAGES)) == {kind for code in FROM_EMOJI for kind in left_out(code)}
    assert set(common(("en", "es"))) == set(KIND) - {"sun with sunglasses"}


def test_another_release_of_the_names_is_refused_and_not_mixed_in(monkeypatch):
    import emoji

    names("es")
    monkeypatch.setitem(emoji.EMOJI_DATA["🍎"], "es", ":poma:")
    names.cache_clear()
    with pytest.raises(UserError, match="'apple' 'poma' in 'es'.*requirements.txt"):
        names("es")
    monkeypatch.undo()
    assert names("es")["apple"] == "manzana"


def test_the_package_agrees_with_our_own_words_for_most_kinds():
    for code in ("en", "pt-BR", "it"):
        found = agreement(code)
        assert found["equal"] + len(found["other"]) == found["total"] == len(KIND)
        assert found["equal"] / found["total"] > 0.65
    assert agreement("pt-BR")["other"]["star"] == "estrela branca média" and "sunset" not in agreement("pt-BR")["other"]
    with pytest.raises(UserError, match="'es'"):
        agreement("es")


# ---- templates


@pytest.mark.parametrize("code", TONGUES)
def test_a_language_has_every_question_and_verdicts_that_differ(code):
    record = TONGUES[code]
    assert [getattr(record, type).count("{}") for type in TYPES] == [0, 1, 1, 0, 1]
    assert len({getattr(record, type) for type in TYPES}) == len(TYPES) and len(record.numbers.split()) == 7
    assert not {judging.fold(word) for word in record.yes} & {judging.fold(word) for word in record.no}
    for type in ("presence", "counting", "matching"):
        assert re.search(r"[«“„「]\s?\{\}\s?[»”“」]", getattr(record, type)), "a noun without quotation marks would have to agree"


def test_sentences_are_the_languages_own():
    assert ask("counting", "es", names("es")["dog"]) == "¿Cuántas veces aparece «perro» en la imagen?"
    assert listed({"dog": 2, "butterfly": 1}, "es") == "perro × 2, mariposa × 1"
    assert listed({"dog": 2, "butterfly": 1}, "ar") == "كلب × 2، فراشة × 1" and listed({"dog": 2, "cat": 1}, "ja") == "イヌ × 2、ネコ × 1"
    with pytest.raises(UserError, match="'xx'.*pt-BR"):
        ask("naming", "xx")


def test_every_text_survives_the_byte_level_tokenizer_and_its_cost_is_counted(asked, tokenizer):
    for row in asked[1]:
        for text in said(row):
            bare = text.replace("<image>", "")
            assert tokenizer.decode(tokenizer.encode(bare, add_special_tokens=False)) == bare
    costs = {code: token_costs(tokenizer, code) for code in ("en", "pt-BR", "ru", "zh")}
    assert costs["en"]["tokens_per_word"] < costs["pt-BR"]["tokens_per_word"] < costs["ru"]["tokens_per_word"]
    assert costs["zh"]["tokens_per_word"] is None and costs["zh"]["tokens_per_sign"] > 2 * costs["en"]["tokens_per_sign"]
    counted = [len(tokenizer.encode(f" {name}", add_special_tokens=False)) for name in names("ru").values()]
    assert costs["ru"]["tokens_per_noun"] == pytest.approx(sum(counted) / len(counted))


# ---- the mix


def test_languages_have_their_shares_within_each_type(rows):
    shares = mix.checked_shares(mix.LANGUAGES, mix.MC4)
    for type in TYPES:
        some = [row["language"] for row in rows if row["type"] == type]
        counted = Counter(some)
        assert len(some) > 80 and all(abs(counted[code] - len(some) * share) < 1 for code, share in shares.items()), type
        assert some != sorted(some), "languages come in blocks"
    assert list(problems(rows)) == []
    assert len({row["id"] for row in rows}) == len(rows)


def test_apportion_gives_the_remainders_to_the_largest():
    import random

    assert Counter(mix.apportion(7, {"en": 0.5, "es": 0.3, "fr": 0.2}, random.Random(0))) == {"en": 4, "es": 2, "fr": 1}
    assert mix.apportion(0, {"en": 1.0}, random.Random(0)) == []


def test_the_prompt_names_the_language_of_the_answer(rows):
    for row in rows:
        question, answer = said(row)
        assert question.startswith("<image>\n") and question.endswith(f"\nAnswer in {TONGUES[row['answer_language']].prompt_name}.")
        assert row["answer_language"] in (row["language"], "en")
        assert judging.in_language(answer, row["answer_language"], mix.LANGUAGES) is not False
        own = getattr(TONGUES[row["language"]], row["type"]).partition("{}")[0]
        assert question.removeprefix("<image>\n").startswith(own), "the question is not in the language drawn"


def test_half_of_the_short_questions_in_other_languages_are_answered_in_english(rows, drawn):
    def crossed(some):
        return [row["answer_language"] == "en" for row in some if row["language"] != "en"]

    short = crossed([row for row in rows if row["type"] in mix.VQA])
    assert 0.42 < sum(short) / len(short) < 0.58
    assert not any(crossed([row for row in rows if row["type"] not in mix.VQA]))
    assert not any(crossed(mix.mixed(drawn, mix.checked_shares(mix.LANGUAGES, mix.MC4), in_english=0.0)))
    no_english = mix.mixed(drawn[:60], mix.checked_shares(("es", "fr"), EVEN))
    assert {row["answer_language"] for row in no_english} == {"es", "fr"}


def test_a_near_miss_differs_in_one_kind_or_one_number_and_leaks_nothing_held_out(drawn):
    for some in drawn:
        one = next(example for example in some if example.type == "matching")
        shown, counts = Counter(dict(one.shown)), Counter(one.scene.counts)
        assert one.truth["yes"] is (shown == counts)
        more, fewer = shown - counts, counts - shown
        assert more.total() <= 1 and fewer.total() <= 1, (shown, counts)
        assert belongs(one.scene, "train")
    verdicts = Counter(example.truth["yes"] for some in drawn for example in some if example.type == "matching")
    assert 0.4 < verdicts[True] / len(drawn) < 0.6


def test_a_near_miss_to_learn_from_stays_in_the_training_split():
    import random

    kinds, rng = common(mix.LANGUAGES), random.Random(0)
    scenes = [some[0].scene for some in mix.draw("train", 60, mix.LANGUAGES)]
    assert all(belongs(other, "train") for scene in scenes if (other := mix.near_miss(scene, kinds, "train", rng)))


def test_a_list_alone_does_not_tell_whether_it_fits():
    lists = [one for some in mix.draw("train", 1500, mix.LANGUAGES, seed=1) for one in some if one.type == "matching"]
    for look in (lambda one: sum(n for _, n in one.shown), lambda one: len(one.shown), lambda one: max(n for _, n in one.shown)):
        counted = Counter((look(one), one.truth["yes"]) for one in lists)
        guessed = sum(max(counted[value, True], counted[value, False]) for value in {value for value, _ in counted})
        assert guessed / len(lists) < 0.56


def test_only_kinds_that_every_language_names_are_shown_and_pictures_do_not_hang_on_shares(drawn):
    kinds = set(common(mix.LANGUAGES))
    assert all(set(one.scene.counts) <= kinds and set(dict(one.shown)) <= kinds for some in drawn for one in some)
    again = list(mix.draw("train", 5, mix.LANGUAGES, seed=3))
    assert again == drawn[:5]
    one, other = (mix.mixed(again, mix.checked_shares(mix.LANGUAGES, shares)) for shares in (mix.MC4, mix.MT5))
    assert [(row["id"], row["truth"]) for row in one] == [(row["id"], row["truth"]) for row in other]


def test_a_test_asks_the_same_of_every_language(asked):
    scenes, tested = asked
    by_language = {code: [(row["image"], row["type"], row["truth"]) for row in tested if row["language"] == code] for code in TONGUES}
    assert len(scenes) == 24 and all(told == by_language["en"] for told in by_language.values())
    assert all(belongs(scene, "known") for scene in scenes) and {type for _, type, _ in by_language["en"]} == set(TYPES)
    assert all(belongs(scene, "pairs") for scene in mix.held_out_rows("pairs", 6, SOME)[0])


@pytest.mark.parametrize(
    ("languages", "shares", "told"),
    [((), mix.MC4, "none"), (("es", "es"), mix.MC4, "es, es"), (("xx",), {"xx": 1}, "'xx'"), (("es", "fr"), {"es": 1}, "'fr' has no share"),
     (("es",), {"es": -1}, "'es' has no share"), (("es",), {"es": float("nan")}, "'es' has no share")],
)  # fmt: skip
def test_languages_and_shares_that_cannot_be_are_named(languages, shares, told, tmp_path):
    with pytest.raises(UserError, match=told):
        files.write_mix(tmp_path / "mix", 3, languages, shares)
    assert list(tmp_path.iterdir()) == []


# ---- writing


def stop_after(monkeypatch, pictures: int):
    """The program is stopped while it draws picture number `pictures` + 1."""
    drawn = []

    def drawing(scene):
        if len(drawn) == pictures:
            raise KeyboardInterrupt
        drawn.append(scene)
        return render(scene)

    monkeypatch.setattr(files, "render", drawing)
    return drawn


def test_a_mix_is_whole_and_its_pictures_are_what_its_rows_say(tmp_path):
    manifest = files.write_mix(tmp_path / "mix", 12, SOME, EVEN, seed=5)
    written = read_rows(tmp_path / "mix" / files.ROWS)
    assert manifest["rows"] == len(written) == sum(manifest["multilingual"]["type"].values())
    assert set(manifest["multilingual"]["language"]) == set(SOME) and manifest["shares"]["es"] == pytest.approx(1 / 6)
    for number, some in enumerate(mix.draw("train", 12, SOME, seed=5), start=1):
        with Image.open(tmp_path / "mix" / files.PICTURES / f"{number:012d}.png") as picture:
            assert ImageChops.difference(picture, render(some[0].scene)).getbbox() is None
    assert {row["image"] for row in written} == {path.name for path in (tmp_path / "mix" / files.PICTURES).iterdir()}
    assert not (tmp_path / "mix" / files.BEGUN).exists()


def test_a_stopped_run_leaves_nothing_and_the_next_goes_on(tmp_path, monkeypatch):
    whole = tmp_path / "other" / "mix"
    files.write_mix(whole, 12, SOME, EVEN)
    stop_after(monkeypatch, 7)
    with pytest.raises(KeyboardInterrupt):
        files.write_mix(tmp_path / "mix", 12, SOME, EVEN)
    assert not (tmp_path / "mix").exists()
    drawn = stop_after(monkeypatch, 99)
    files.write_mix(tmp_path / "mix", 12, SOME, EVEN)
    assert len(drawn) == 5, "pictures that were there are drawn once more"
    for path in whole.rglob("*"):
        if path.suffix in (".png", ".json") and path.name != "manifest.json":
            assert (tmp_path / "mix" / path.relative_to(whole)).read_bytes() == path.read_bytes()
    files.write_mix(tmp_path / "mix", 12, SOME, EVEN)
    assert len(drawn) == 5, "a complete mix is made anew"


def test_a_stopped_run_of_other_inputs_touches_no_old_mix_and_lends_no_pictures(tmp_path, monkeypatch):
    files.write_mix(tmp_path / "mix", 6, SOME, EVEN)
    before = (tmp_path / "mix" / files.ROWS).read_bytes()
    stop_after(monkeypatch, 3)
    with pytest.raises(KeyboardInterrupt):
        files.write_mix(tmp_path / "mix", 6, SOME, EVEN, seed=1)
    assert (tmp_path / "mix" / files.ROWS).read_bytes() == before
    drawn = stop_after(monkeypatch, 99)
    files.write_mix(tmp_path / "mix", 6, SOME, EVEN, seed=2)
    assert len(drawn) == 6 and (tmp_path / "mix" / files.ROWS).read_bytes() != before


def test_a_folder_of_other_files_is_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("keep", encoding="utf-8")
    with pytest.raises(UserError, match="holds other files; name an empty folder"):
        files.write_mix(tmp_path / "mine", 3, SOME, EVEN)
    assert (tmp_path / "mine" / "thesis.txt").read_text(encoding="utf-8") == "keep"
    with pytest.raises(UserError, match="0 pictures"):
        files.write_mix(tmp_path / "mix", 0, SOME, EVEN)


# ---- judging


def test_every_right_answer_is_right_and_in_its_language(asked):
    judged = judging.judge(asked[1], [said(row)[1] for row in asked[1]])
    assert [(row["id"], said(row)[1]) for row, one in zip(asked[1], judged, strict=True) if not one.right] == []
    assert {one.in_language for one in judged if one.type == "counting"} == {None}
    assert {one.in_language for one in judged if one.type != "counting"} == {True}


def test_the_answers_to_other_pictures_are_wrong(asked):
    for code in TONGUES:
        tested = [row for row in asked[1] if row["language"] == code]
        for one in tested:
            for other in tested:
                if one["type"] == other["type"]:
                    assert judging.right(said(other)[1], one["type"], one["truth"], code) is (one["truth"] == other["truth"])


@pytest.mark.parametrize(
    ("code", "type", "truth", "answer", "right"),
    [
        ("es", "naming", {"kind": "lion"}, "Leon.", True), ("es", "naming", {"kind": "lion"}, "león y perro", False),
        ("es", "naming", {"kind": "cat"}, "gatos", False), ("pt-BR", "naming", {"kind": "dog"}, "Um cão", True),
        ("es", "naming", {"kind": "dog"}, "dog", False), ("de", "naming", {"kind": "cheese"}, "der käse", True),
        ("id", "naming", {"kind": "flower"}, "bunga matahari", True), ("id", "naming", {"kind": "sun"}, "bunga matahari", False),
        ("zh", "naming", {"kind": "dog"}, "图片里有一只狗。", True), ("zh", "naming", {"kind": "volcano"}, "火", False),
        ("ja", "naming", {"kind": "bus"}, "ハス", False), ("ja", "naming", {"kind": "bus"}, "ﾊﾞｽ", True),
        ("ar", "naming", {"kind": "airplane"}, "طَائِرَة", True), ("fa", "naming", {"kind": "fish"}, "ماهي", True),
        ("fa", "naming", {"kind": "turtle"}, "لاک‌پشت", True), ("ru", "naming", {"kind": "airplane"}, "самолёт", True),
        ("tr", "naming", {"kind": "fish"}, "BALIK", True), ("fr", "naming", {"kind": "egg"}, "oeuf", True),
        ("es", "counting", {"number": 2}, "dos", True), ("es", "counting", {"number": 2}, "2 o 3", False),
        ("ar", "counting", {"number": 3}, "٣", True), ("fa", "counting", {"number": 3}, "۳", True), ("ja", "counting", {"number": 2}, "２つ", True),
        ("zh", "counting", {"number": 2}, "两个", True), ("ja", "counting", {"number": 3}, "三日月", False),
        ("es", "counting", {"number": 2}, "12", False), ("ko", "counting", {"number": 4}, "네", True), ("it", "counting", {"number": 1}, "", False),
        ("es", "presence", {"yes": True}, "si, hay un perro", True), ("es", "presence", {"yes": False}, "Sí", False),
        ("es", "presence", {"yes": False}, "perro", False), ("zh", "presence", {"yes": False}, "没有。", True),
        ("zh", "presence", {"yes": True}, "不是", False), ("it", "presence", {"yes": True}, "si", True),
        ("pt-BR", "presence", {"yes": False}, "nao", True), ("pt-BR", "presence", {"yes": False}, "Não sei", False), ("zh", "presence", {"yes": False}, "不知道", False),
        ("fr", "caption", {"counts": {"dog": 2, "cat": 1}}, "chat × 1, chien × 2", True),
        ("fr", "caption", {"counts": {"dog": 2, "cat": 1}}, "2 chien, 1 chat", True),
        ("fr", "caption", {"counts": {"dog": 2, "cat": 1}}, "chien × 2", False),
        ("fr", "caption", {"counts": {"dog": 2}}, "chien × 1, chien × 1", False), ("fr", "caption", {"counts": {"dog": 2}}, "chien", False),
        ("fr", "caption", {"counts": {"dog": 2}}, "chien × 2, dragon × 1", False),
    ],
)  # fmt: skip
def test_answers_are_read_by_meaning(code, type, truth, answer, right):
    assert judging.right(answer, type, truth, code) is right


def test_an_unknown_type_is_no_wrong_answer():
    with pytest.raises(ValueError, match="'colour'"):
        judging.right("azul", "colour", {"colour": "blue"}, "es")


@pytest.mark.parametrize(
    ("answer", "code", "found"),
    [("perro", "es", True), ("dog", "es", False), ("Não", "es", False), ("pizza", "es", True), ("3", "es", None), ("", "es", None),
     ("xyz", "es", False), ("perro × 2, dog × 1", "es", True), ("dog × 1, mariposa × 1", "en", False), ("火山", "ja", True), ("سگ", "ar", False)],
)  # fmt: skip
def test_the_language_of_an_answer(answer, code, found):
    assert judging.in_language(answer, code, tuple(TONGUES)) is found


@pytest.mark.parametrize("text", ["İSTANBUL ışık", "طائرة رئيس ۱۲٣", "ﾊﾞｽ ガ が", "Straße Œuvre ČĆ", "لاک‌پشت × ２"])
def test_folding_twice_changes_nothing(text):
    assert judging.fold(judging.fold(text)) == judging.fold(text)


def test_each_language_stands_with_its_share_interval_and_baseline():
    judged = [judging.Judged("presence", "es", right, right, "True") for right in [True] * 6 + [False] * 2]
    judged += [judging.Judged("presence", "en", True, True, key) for key in ("True", "True", "False", "False")]
    judged += [judging.Judged("counting", "en", False, None, "2")]
    english, spanish = judging.by_language(judged, {"en": 0.8, "es": 0.2})
    assert (english["language"], english["data_share"], english["accuracy"]["right"], english["accuracy"]["total"]) == ("en", 0.8, 4, 5)
    assert english["in_language"]["total"] == 4 and english["baseline"] == pytest.approx((0.5 * 4 + 1) / 5)
    assert spanish["accuracy"]["share"] == 0.75 and spanish["in_language"]["right"] == 6
    # The Wilson interval of 6 in 8 at 95 %, by the formula of Wilson 1927.
    assert (spanish["accuracy"]["low"], spanish["accuracy"]["high"]) == pytest.approx((0.40927, 0.92852), abs=1e-5)
    assert english["types"]["counting"]["right"] == 0 and "counting" not in spanish["types"]
    assert judging.by_language(judged[:8], {})[0]["data_share"] == 0.0


def table(pairs):
    return [{"data_share": share, "accuracy": {"share": accuracy}} for share, accuracy in pairs]


def test_spearman_against_a_published_example_and_its_exact_p():
    # Wikipedia, "Spearman's rank correlation coefficient", IQ and hours of television: rho = -29/165.
    published = [(86, 2), (97, 20), (99, 28), (100, 27), (101, 50), (103, 29), (106, 7), (110, 17), (112, 6), (113, 12)]
    assert judging.against_share(table(published))["rho"] == pytest.approx(-29 / 165)
    perfect = judging.against_share(table([(1, 0.1), (2, 0.2), (3, 0.3), (4, 0.4), (5, 0.5)]))
    assert perfect["rho"] == pytest.approx(1) and perfect["p"] == pytest.approx(2 / 120)  # two of the 5! orders are as far out
    assert judging.against_share(table([(1, 0.5), (2, 0.5), (3, 0.5)])) == {"rho": None, "p": None, "languages": 3}
    assert judging.against_share(table([(1, 0.5), (2, 0.6)]))["rho"] is None
