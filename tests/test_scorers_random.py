"""Every scorer meets 10,000 random answers: no exception, no score outside its range, and the order of the rows changes nothing."""

import json
import math
import random
import unicodedata

import pytest

from utils.corpus.scenes.asks import TYPES, possible, truth
from utils.corpus.scenes.grammar import say
from utils.corpus.scenes.world import scene_of
from utils.evaluation import measures
from utils.evaluation.admire import DCG_BEST, Item, Prediction, read_predictions, score_a, score_b
from utils.evaluation.captions import caption_scores
from utils.evaluation.perplexity import summary
from utils.evaluation.reading import answer_language, fold, read
from utils.evaluation.run_tasks import judged
from utils.evaluation.run_tasks import summary as task_summary
from utils.evaluation.scenes_task import Answer, answer_key, table
from utils.evaluation.score import score
from utils.evaluation.scoring import judge
from utils.evaluation.tasks import Row, task
from utils.runs import UserError

COUNT = 10_000
MEGABYTE = 1_000_000
PIECES = (
    "", " ", "\n", "\t", "\0", "\x1b[0m", "\ufeff", "\u200b", "\u202e", "\ud800", "\uffff", "🙂", "👩‍👩‍👧", "🇧🇷", "e\u0301", "\u0301\u0323", "\u0f73", "ﬁ", "Ⅻ", "½",
    "٣", "中文", "Ωж", "한국어", "שלום", "ไทย", "sim", "Não", "nao", "não sei", "sì", "yes", "No", "A", "(B)", "opção C", "a resposta é", "é", "um", "uma", "dois",
    "três", "three", "gato", "cães", "vermelho", "canto", "superior", "esquerdo", "in alto", "a sinistra", "the same number", "tantos", "1", "-0", "1e999", "1.000,5", "007",
    "%", "'", '"', "’", "\\", "<image>", "</s>", "{", "[[", "nan", "None", "-" * 40, "x" * 90, "ção" * 30, "não-não-",
)  # fmt: skip
HUGE = (
    "dois gatos, " * (MEGABYTE // 12), "a" * MEGABYTE, "\u0301\u0323" * (MEGABYTE // 2), "🙂" * (MEGABYTE // 4), "sim-" * (MEGABYTE // 4), "\0" * MEGABYTE,
)  # fmt: skip


def texts(seed, count=COUNT, huge=None):
    """Random answers, among them, without `huge`, one of a megabyte of plain text and one of another kind."""
    rng = random.Random(seed)
    huge = (rng.choice(HUGE[:2]), rng.choice(HUGE[2:])) if huge is None else huge
    made = ["".join(rng.choice(("", " ", " ", ", ")) + piece for piece in rng.choices(PIECES, k=rng.randint(0, 6))) for _ in range(count - len(huge))]
    made += huge
    rng.shuffle(made)
    return made


def shuffled(rows, seed=9):
    return random.Random(seed).sample(rows, len(rows))


def shares(found):
    """Every share of a result with its interval, however deep."""
    if isinstance(found, dict):
        if {"share", "low", "high"} <= found.keys():
            yield found
        for part in found.values():
            yield from shares(part)


def assert_shares(found, count):
    seen = list(shares(found))
    assert len(seen) == count and all(0 <= one["low"] <= one["share"] <= one["high"] <= 1 and one["right"] <= one["total"] for one in seen)


def scored_both_ways(folder, name, gold, said, language):
    """The result of the command's function, after it was seen to be the same with all rows in another order."""
    results = []
    for turn, order in enumerate((list, shuffled)):
        for file, rows in (("gold", gold), ("said", said)):
            (folder / f"{file}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in order(rows)), encoding="utf-8")
        results.append(score(name, folder / "gold.jsonl", [folder / "said.jsonl"], language))
        assert turn == 0 or results[0] == results[1]
    return results[0]["files"][0]


@pytest.mark.parametrize("language", ["pt-BR", "it"])
def test_exact_match(tmp_path, language):
    rng, made = random.Random(1), texts(language, COUNT // 2)
    golds = ["gato", "dois", "sim", "não", "um gato preto", "3", "😀", "casa azul"]
    gold = [
        {"id": str(n), "answer": text if n % 50 == 0 and len(text) < 99 else rng.choice(golds), "category": str(n % 3)} for n, text in enumerate(made)
    ]
    found = scored_both_ways(tmp_path, "exact-match", gold, [{"id": str(n), "answer": text} for n, text in enumerate(made)], language)
    assert_shares(found, 2 * 4)
    assert found["strict"]["total"] == len(gold) == sum(found["languages"].values())
    assert 0 < found["strict"]["right"] < found["relaxed"]["right"] < len(gold) and found["languages"]["empty"] == found["empty"] > 0


def test_pope(tmp_path):
    gold = [{"question_id": n, "label": ("yes", "no")[n % 2]} for n in range(COUNT)]
    found = scored_both_ways(tmp_path, "pope", gold, [{"question_id": n, "text": text} for n, text in enumerate(texts("pope"))], "pt-BR")
    assert_shares(found, 2)
    for reading in (found["strict"], found["relaxed"]):
        assert all(0 <= reading[key] <= 1 for key in ("precision", "recall", "f1", "yes_ratio", "gold_yes_ratio"))
        assert reading["unreadable"] + reading["true_yes"] + reading["false_yes"] + reading["true_no"] <= COUNT == reading["accuracy"]["total"]
    assert found["relaxed"]["true_yes"] > found["strict"]["true_yes"] and found["relaxed"]["gold_yes_ratio"] == 0.5


@pytest.mark.parametrize("name, golds", [
    ("ok-vqa", [("gato",) * 6 + ("dois", "🙂", "", "\0")]), ("seed", [("A",), ("B",), ("C",)]), ("mtvqa", [("três",), ("não",)]),
])  # fmt: skip
def test_tasks_with_vqa_accuracy_options_and_text(name, golds):
    of, made = task(name), texts(name)
    lines = [judged(of, Row(str(n), "", "?", golds[n % len(golds)], str(n % 2)), "?", text, "pt-BR") for n, text in enumerate(made)]
    assert all(0 <= line["strict"] <= line["relaxed"] <= 1 for line in lines)
    found = task_summary(of, lines, "pt-BR")
    assert_shares(found, 2 * 3)
    assert found["items"] == COUNT and 0 < found["relaxed"]["right"] < COUNT and 0 <= found["relaxed"].get("mean", 0) <= 1
    assert task_summary(of, shuffled(lines), "pt-BR") == found
    if name == "ok-vqa":  # whose answers stand first is as little to the point
        for text in made[:200]:
            assert measures.item_scores("vqa", "text", text, golds[0], "pt-BR") == measures.item_scores("vqa", "text", text, golds[0][::-1], "pt-BR")


def test_captions():
    rng, made = random.Random(3), texts("captions", huge=(HUGE[0][:30_000],))
    pairs = [
        (
            text if len(text) > 999 else text[:80],
            rng.sample(["Um gato na mesa azul.", "Dois cães.", "中文", "", "\0", "🙂 três gatos"], k=rng.choice((1, 1, 3))),
        )
        for text in made
    ]
    scores = lambda rows: caption_scores(*map(list, zip(*rows, strict=True)))  # noqa: E731
    found = scores(pairs)
    assert found["items"] == COUNT and found["empty"] > 100 and scores(pairs[:1000]) == scores(shuffled(pairs[:1000]))
    assert 0 < found["chrf"] < 100 and 0 <= found["bleu"] < 100 and 0 < found["cider_d"] < 10


def test_captions_of_a_megabyte():
    found = caption_scores([HUGE[1], "Um gato."], [["Um gato."]] * 2)
    assert all(0 <= found[name] <= limit for name, limit in (("chrf", 100), ("bleu", 100), ("cider_d", 10)))


def test_perplexity():
    rng = random.Random(4)
    values = lambda: rng.choice([rng.random() * 40, 0.0, -0.0, 5e-324, 709.9, 1e308, math.inf, math.nan])  # noqa: E731
    items = [(values(), rng.choice([0, 1, 7, 10**12]), rng.choice([0, 1, 30, 10**9])) for _ in range(COUNT)]
    found, again = summary(items), summary(shuffled(items))
    assert (found["all"], found["within"], found["infinite"]) == (again["all"], again["within"], again["infinite"])
    assert found["items"] == COUNT == found["all"]["items"] + len(found["empty"]) + len(found["not_a_number"])
    assert found["all"]["items"] == found["within"]["items"] + len(found["outliers"])
    assert all(value >= 1 for group in ("all", "within") for unit in ("per_token", "per_character") for value in found[group][unit].values())
    assert found["within"]["per_token"]["mean"] <= found["limit"]
    for broken in ((-1.0, 1, 1), (1.0, -1, 1), (-math.inf, 1, 1)):
        with pytest.raises(UserError, match="1 of 10001 items have a negative"):
            summary([*items, broken])


def admire_gold(part, count=200):
    rng, size = random.Random(f"gold {part}"), {"a": 5, "b": 4}[part]
    names = tuple(f"{n}.png" for n in range(size))
    golds = [tuple(rng.sample(names, size))[: None if part == "a" else 1] for _ in range(count)]
    return [Item(f"lápis {n}", sentence_type=rng.choice(["literal", "idiomatic"]), gold=gold, images=names) for n, gold in enumerate(golds)]


@pytest.mark.parametrize("part", ["a", "b"])
def test_admire(part):
    """Submissions of right, random, doubled, strange and absent rows: 10,000 in all."""
    gold, rng, count, scorer = admire_gold(part), random.Random(part), 0, {"a": score_a, "b": score_b}[part]
    strange = texts(f"admire {part}", 400)

    def said(item: Item) -> Prediction:
        names = rng.choice([item.gold, tuple(rng.sample(item.images, len(item.gold))), tuple(rng.choices(item.images, k=rng.randint(0, 7)))])
        names = (*names[:-1], rng.choice(strange)) if rng.random() < 0.2 else names
        compound = rng.choice(strange) if rng.random() < 0.1 else item.compound
        return Prediction(compound, names, rng.choice(["literal", "idiomatic", "", rng.choice(strange)]))

    while count < COUNT:
        rows = [said(item) for item in gold for _ in range(rng.choice([1, 1, 1, 0, 2]))]
        count += len(rows)
        found, again = scorer(gold, rows), scorer(shuffled(gold, count), shuffled(rows, count))
        assert (found["splits"], found["unusable"], found["official"]) == (again["splits"], again["unusable"], again["official"])
        assert len(found["unusable"]) > 20 and not any(len(line) > 1000 for line in found["unusable"])
        for figures in found["splits"].values():
            for name in {"a": ("top1",), "b": ("item", "type")}[part]:
                assert 0 <= figures[f"{name}_low"] <= figures[name] <= figures[f"{name}_high"] <= 1
                assert figures[name] > 0
            assert 0 <= figures.get("dcg", 0) <= DCG_BEST and -1 <= figures.get("name_correlation", 0) <= 1


def test_an_admire_file_of_random_cells_is_read_or_refused(tmp_path):
    rng, strange, refused = random.Random(6), texts("cells", 500, HUGE[:1]), 0
    for _ in range(150):
        cells = [[rng.choice(["lápis", rng.choice(strange)]), rng.choice(["['1', '2', '3', '4', '5']", "", rng.choice(strange)])] for _ in range(3)]
        text = "compound\texpected_order\n" + "".join("\t".join(row) + rng.choice(["\n", "\r\n", ""]) for row in cells)
        (tmp_path / "x.tsv").write_text(text, encoding="utf-8", errors="surrogatepass")
        try:
            found = read_predictions(tmp_path / "x.tsv", "a")
            assert all(len(one.order) in (0, 5) for one in found)
        except UserError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 50


@pytest.mark.parametrize("language", ["pt-BR", "it"])
def test_answers_about_scenes(language):
    rng, made = random.Random(7), texts(language, COUNT // 2)
    asks = [ask for n in range(12) for kind in TYPES for ask in possible(scene_of("known", n), kind, rng)[:1]]
    right, answers = 0, []
    for n, text in enumerate(made):
        ask = asks[n % len(asks)]
        text = say(ask, language)[1] + text if n % 100 == 0 else text
        verdict, marks = judge(text, ask.type, truth(ask), language), read(text, language)
        assert 0 <= verdict.share <= 1 and verdict.right in (True, False) and (not verdict.right or verdict.share == 1)
        assert [mark.at for mark in marks] == sorted({mark.at for mark in marks})
        spoken, other = answer_language(text, ("en", language, "it")), measures.said_in(text, language)
        assert spoken in ("en", language, "it", None) and other in ("en", "pt-BR", "pt-PT", "it", None)
        right += verdict.right
        answers.append(Answer(ask.type, ask.scene, answer_key(ask), language, "?", "", truth(ask), text[:99], verdict.right, verdict.share, spoken))
    assert 0 < right < len(made) / 2
    found, again = table(answers), table(shuffled(answers))
    for row, twin in zip(found, again, strict=True):
        assert row | {"facts": 0} == twin | {"facts": 0} and row["facts"] == pytest.approx(twin["facts"], abs=1e-12)
        assert 0 <= row["low"] <= row["share"] <= row["high"] <= 1 and 0 <= row["facts"] <= 1 and 0 <= row["baseline"] <= 1


def test_a_long_text_folds_as_a_short_one_does_and_keeps_no_accents():
    """Loose accents go before they are sorted: a run of n of them took n² steps."""
    rng = random.Random(8)
    letters = [chr(n) for n in range(0x20, 0x3100) if unicodedata.category(chr(n))[0] != "C"]
    for _ in range(50):
        long = "".join(rng.choices(letters, k=3000)) + "\u0345\u0f73\u0f75\u0f81\uff9e"
        plain = unicodedata.normalize("NFKD", long.lower())
        assert fold(long) == "".join(c for c in plain if not unicodedata.combining(c))
    assert fold("Ç" + HUGE[2]) == "c" and fold("C\u0327" * 5000) == "c" * 5000
