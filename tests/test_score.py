"""`python -m utils score`: every layout read, files that do not fit told at once, both readings, POPE's old defects gone."""

import gzip
import json
import math
import random

import pytest

from utils.__main__ import main
from utils.evaluation import measures
from utils.evaluation.score import score
from utils.evaluation.score_text import plain, text_of
from utils.runs import UserError

GOLD = {"1": "gato", "2": "cão", "3": "três", "4": "vermelho"}
SAID = {"1": "gato", "2": "Um cão.", "3": "3", "4": "azul"}


def as_list(pairs, key, name):
    return json.dumps([{key: of, name: value} for of, value in pairs.items()], ensure_ascii=False)


def as_lines(pairs, key, name):
    return "".join(json.dumps({key: int(of), name: value}, ensure_ascii=False) + "\n" for of, value in pairs.items())


def as_table(pairs, key, name):
    return f"{key}\t{name}\n" + "".join(f"{of}\t{value}\n" for of, value in pairs.items())


LAYOUTS = {
    "ours.json": as_list(GOLD, "id", "gold"),
    "ours.jsonl": as_lines(GOLD, "id", "gold"),
    "table.tsv": as_table(GOLD, "id", "gold"),
    "lxmert.json": json.dumps([{"question_id": of, "img_id": "n1", "sent": "?", "label": {gold: 1.0}} for of, gold in GOLD.items()]),
    "lxmert_text.json": as_list(GOLD, "question_id", "label"),
    "gqa.json": json.dumps({of: {"question": "?", "answer": gold, "imageId": "n1"} for of, gold in GOLD.items()}),
    "bom.json": "\ufeff" + as_list(GOLD, "id", "gold"),
}
PREDICTIONS = {
    "ours.jsonl": as_lines(SAID, "id", "answer"),
    "lxmert.json": as_list(SAID, "questionId", "prediction"),
    "llava.jsonl": "".join(
        json.dumps({"question_id": int(of), "prompt": "?", "text": said, "answer_id": "x", "model_id": "m", "metadata": {}}) + "\n"
        for of, said in SAID.items()
    ),
    "by_id.json": json.dumps(SAID),
    "table.tsv": as_table(SAID, "id", "answer"),
}


def write(folder, name, text, packed=False):
    path = folder / (name + ".gz" * packed)
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    return path


def pair(folder, gold, said):
    """Files of our own layout."""
    return write(folder, "gold.json", as_list(gold, "id", "gold")), write(folder, "said.json", as_list(said, "id", "answer"))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("gold", LAYOUTS)
@pytest.mark.parametrize("said", PREDICTIONS)
def test_every_layout_gives_the_same_scores(tmp_path, gold, said, packed):
    (tmp_path / "p").mkdir()
    found = score("exact-match", write(tmp_path, gold, LAYOUTS[gold], packed), [write(tmp_path / "p", said, PREDICTIONS[said], packed)])
    file = found["files"][0]
    assert (file["strict"]["right"], file["relaxed"]["right"], file["relaxed"]["total"]) == (1, 3, 4)
    assert file["strict"]["low"] < 0.25 < file["strict"]["high"]
    assert found["headline"] == "relaxed"


def test_strict_is_the_headline_when_asked_and_both_are_there(tmp_path, capsys):
    gold, said = pair(tmp_path, GOLD, SAID)
    assert main(["score", "exact-match", str(gold), str(said), "--strict"]) == 0
    printed = capsys.readouterr().out
    assert "said.json: strict 25.0%" in printed and "relaxed  75.0%" in printed
    assert main(["score", "exact-match", str(gold), str(said), "--json"]) == 0
    file = json.loads(capsys.readouterr().out)["files"][0]
    assert file["strict"]["share"] == 0.25 and file["relaxed"]["share"] == 0.75
    with pytest.raises(UserError, match="--strict is for"):
        score("perplexity", gold, [said], strict=True)


def test_all_that_does_not_fit_is_told_at_once(tmp_path, capsys):
    gold = write(tmp_path, "gold.json", json.dumps([{"id": n, "gold": "a"} for n in (1, 2, 3, 3)]))
    first = write(tmp_path, "first.json", json.dumps([{"id": 1, "answer": "a"}, {"id": 1, "answer": "b"}, {"id": 9, "answer": "a"}]))
    second = write(tmp_path, "second.json", json.dumps([{"id": 1, "answer": ["a"]}, {"answer": "a"}, {"id": 2, "answer": "a"}]))
    assert main(["score", "exact-match", str(gold), str(first), str(second)]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    for part in (
        "gold.json has 1 ids twice: '3'", "first.json has 1 ids twice: '1'", "first.json misses 2 ids of gold.json: '2', '3'",
        "first.json has 1 ids that gold.json does not know: '9'", "row 1: the answer is a list, not text", "row 2 has no 'id'", "second.json misses 1 ids of gold.json: '3'",
    ):  # fmt: skip
        assert part in captured.err


def test_an_id_that_a_dict_holds_twice_is_told(tmp_path):
    gold = write(tmp_path, "gold.json", json.dumps({"1": {"answer": "a"}, "2": {"answer": "a"}}))
    with pytest.raises(UserError, match="said.json has 1 ids twice: '1'"):
        score("exact-match", gold, [write(tmp_path, "said.json", '{"1": "a", "2": "a", "1": "b"}')])


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("p.json", '[{"id": 1, "answer": "a"}', "is not JSON"),
        ("p.jsonl", '{"id": 1, "answer": "a"}\n{"id": 2, "ans', "line 2"),
        ("p.json", "id,answer", "neither JSON nor"),
        ("p.json", "[]", "has no rows"),
        ("p.json", '[{"key": 1, "answer": "a"}]', "no columns id or"),
        ("p.json", '[{"id": 1, "x": "a"}]', "its first row has: id, x"),
        ("p.json", "[1]", "no columns"),
        ("p.tsv", 'id\tanswer\n1\t"a\n', "tab-separated"),
        ("p.json", '[{"id": true, "answer": "a"}]', "neither text nor a whole number"),
        ("p.json", "[" * 3000, "is not JSON"),
        ("p.json", None, "is missing"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path, name, text, told, capsys):
    gold = write(tmp_path, "gold.json", '[{"id": 1, "gold": "a"}]')
    path = tmp_path / name if text is None else write(tmp_path, name, text)
    assert main(["score", "exact-match", str(gold), str(path)]) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1


def test_a_table_takes_an_answer_of_a_megabyte_and_nul(tmp_path):
    gold = write(tmp_path, "gold.tsv", "id\tgold\n1\tgato\n2\tcão\n")
    said = write(tmp_path, "said.tsv", "id\tanswer\n1\t" + "x" * 1_000_000 + "\n2\tcão\0\n")
    assert score("exact-match", gold, [said])["files"][0]["strict"]["total"] == 2


def test_gzip_that_breaks_off_and_other_encodings(tmp_path):
    gold, said = pair(tmp_path, GOLD, SAID)
    torn = tmp_path / "torn.json.gz"
    torn.write_bytes(gzip.compress(said.read_bytes())[:-12])
    with pytest.raises(UserError, match="breaks off"):
        score("exact-match", gold, [torn])
    said.write_bytes('[{"id": 1, "answer": "cão"}]'.encode("latin-1"))
    with pytest.raises(UserError, match="not UTF-8 at byte"):
        score("exact-match", gold, [said])


def test_empty_answers_and_their_language_are_counted(tmp_path):
    gold, said = pair(tmp_path, {**GOLD, "5": "sim"}, {"1": "", "2": None, "3": "the cat is there", "4": "há um gato na mesa", "5": "  "})
    file = score("exact-match", gold, [said])["files"][0]
    assert file["empty"] == 3 and file["languages"] == {"empty": 3, "en": 1, "pt-BR": 1}
    assert file["relaxed"]["right"] == 0


def test_portuguese_answers_to_english_questions_are_seen():
    assert measures.said_in("há um gato na mesa", "en") == "pt-BR" and measures.said_in("há um gato na mesa", "pt-PT") == "pt-PT"
    assert measures.said_in("the cat is on it", "pt-BR") == "en" and measures.said_in("🐈", "it") is None


def test_weights_of_a_vqa_gold(tmp_path):
    gold = write(tmp_path, "gold.json", json.dumps([
        {"question_id": 1, "label": {"gato": 0.3, "cão": 1.0}}, {"question_id": 2, "label": {"azul": 1.0}}, {"question_id": 3, "label": {}},
    ]))  # fmt: skip
    said = write(tmp_path, "said.json", json.dumps([{"questionId": n, "prediction": text} for n, text in ((1, "gato"), (2, "azul"), (3, "nada"))]))
    file = score("exact-match", gold, [said])["files"][0]
    assert file["strict"]["right"] == 2 and file["strict"]["mean"] == pytest.approx(1.3 / 3)
    heavy = write(tmp_path, "heavy.json", json.dumps([{"question_id": 1, "label": {"gato": 7}}]))
    with pytest.raises(UserError, match="no number from 0 to 1"):
        score("exact-match", heavy, [write(tmp_path, "one.json", '{"1": "gato"}')])


def test_options_are_read_as_letters_only_when_every_gold_is_one(tmp_path):
    letters = pair(tmp_path, {"1": "A", "2": "B"}, {"1": "A resposta é A", "2": "opção B"})
    assert score("exact-match", letters[0], [letters[1]])["files"][0]["relaxed"]["right"] == 2
    mixed = pair(tmp_path, {"1": "A", "2": "gato"}, {"1": "opção A", "2": "gato"})
    assert score("exact-match", mixed[0], [mixed[1]])["files"][0]["relaxed"]["right"] == 1


def test_groups_are_scored_apart(tmp_path):
    rows = [{"id": n, "gold": "gato", "category": "ab"[n % 2]} for n in range(6)]
    gold = write(tmp_path, "gold.json", json.dumps(rows))
    said = write(tmp_path, "said.json", json.dumps({str(n): "gato" if n % 2 else "cão" for n in range(6)}))
    groups = score("exact-match", gold, [said])["files"][0]["groups"]
    assert {name: found["strict"]["right"] for name, found in groups.items()} == {"a": 0, "b": 3}


def test_two_files_add_mcnemar_and_bootstrap(tmp_path, capsys):
    gold = {str(n): "gato" for n in range(40)}
    first = {of: "gato" if int(of) < 12 else "cão" for of in gold}
    second = {of: "gato" if 2 <= int(of) < 30 else "cão" for of in gold}
    paths = pair(tmp_path, gold, first)
    other = write(tmp_path, "other.json", as_list(second, "id", "answer"))
    found = score("exact-match", paths[0], [paths[1], other])["compared"]["relaxed"]
    table = found["mcnemar"]
    assert (table["both"], table["only_first"], table["only_second"], table["neither"]) == (10, 2, 18, 10)
    assert table["exact_p"] == pytest.approx(2 * sum(math.comb(20, k) for k in range(3)) / 2**20)
    assert table["chi2"] == pytest.approx((16 - 1) ** 2 / 20)
    assert found["bootstrap"]["difference"] == pytest.approx(0.4)
    assert 0 < found["bootstrap"]["low"] < 0.4 < found["bootstrap"]["high"] < 0.8
    assert main(["score", "exact-match", str(paths[0]), str(paths[1]), str(other)]) == 0
    assert "McNemar exact p 0.0004025" in capsys.readouterr().out


def pope_files(folder, labels, said):
    gold = write(folder, "pope.json", "".join(
        json.dumps({"question_id": n, "image": "i.jpg", "text": f"Há {n}?", "label": label}) + "\n" for n, label in enumerate(labels)
    ))  # fmt: skip
    return gold, write(folder, "answers.jsonl", "".join(json.dumps({"question_id": n, "text": text}) + "\n" for n, text in enumerate(said)))


def llava_reads(text):
    """What LLaVA's eval_pope.py makes of an answer: "no" when one of three English words stands in its first sentence, else "yes"."""
    words = text.split(".")[0].replace(",", "").split(" ")
    return not ({"No", "not", "no"} & set(words))


def test_llavas_defect_a_portuguese_no_counted_as_yes(tmp_path):
    answers = ["Não", "não.", "Não, não há.", "Não há um gato aqui"]
    assert all(map(llava_reads, answers))  # the defect: each of them was a yes
    found = score("pope", *(lambda g, s: (g, [s]))(*pope_files(tmp_path, ["no"] * 4 + ["yes"], [*answers, "Sim"])))["files"][0]["relaxed"]
    assert found["true_no"] == 4 and found["false_yes"] == 0 and found["yes_ratio"] == pytest.approx(0.2)
    assert found["accuracy"]["share"] == found["f1"] == 1.0
    # And the reverse: "no" is a contraction in Portuguese, LLaVA's script takes it for a refusal.
    assert not llava_reads("Sim há um gato no canto") and measures.verdict("Sim há um gato no canto", "pt-BR") is True


def test_ndinos_defects_yes_ratio_of_the_gold_and_a_crash_on_an_empty_answer(tmp_path):
    gold, said = pope_files(tmp_path, ["yes", "no", "yes", "no"], ["Sim", "Sim", "Sim", ""])
    found = score("pope", gold, [said])["files"][0]
    assert found["relaxed"]["yes_ratio"] == 0.75 and found["relaxed"]["gold_yes_ratio"] == 0.5
    assert found["relaxed"]["unreadable"] == 1 and found["empty"] == 1
    assert found["relaxed"]["accuracy"]["right"] == 2


def test_pope_counts_by_hand(tmp_path):
    said = ["sim", "Sim.", "não", "talvez", "sim", "não", "Não.", "não sei"]
    gold, path = pope_files(tmp_path, ["yes"] * 4 + ["no"] * 4, said)
    found = score("pope", gold, [path])["files"][0]
    relaxed = found["relaxed"]
    assert (relaxed["true_yes"], relaxed["false_no"], relaxed["false_yes"], relaxed["true_no"], relaxed["unreadable"]) == (2, 1, 1, 2, 2)
    assert relaxed["precision"] == pytest.approx(2 / 3) and relaxed["recall"] == pytest.approx(2 / 4)  # one gold yes was unreadable: not found
    assert relaxed["f1"] == pytest.approx(2 * (2 / 3) * (1 / 2) / (2 / 3 + 1 / 2)) and relaxed["accuracy"]["share"] == 0.5
    assert found["strict"]["unreadable"] == 8  # plain equality with "yes" and "no" knows no Portuguese
    gold, path = pope_files(tmp_path, ["sim", "não"], ["sim", "não."])
    assert score("pope", gold, [path])["files"][0]["strict"]["true_yes"] == 1


def test_popes_own_answer_files_follow_the_golds_order(tmp_path):
    gold, _ = pope_files(tmp_path, ["yes", "no"], ["", ""])
    lines = [{"question": "Há 0?", "answer": "sim"}, {"question": "Há 1?", "answer": "não"}]
    path = write(tmp_path, "own.json", "".join(json.dumps(line) + "\n" for line in lines))
    assert score("pope", gold, [path])["files"][0]["relaxed"]["accuracy"]["right"] == 2
    path = write(tmp_path, "turned.json", "".join(json.dumps(line) + "\n" for line in reversed(lines)))
    with pytest.raises(UserError, match="row 1 asks another question"):
        score("pope", gold, [path])


def test_pope_gold_that_is_neither(tmp_path):
    gold, said = pope_files(tmp_path, ["maybe", "no"], ["sim", "não"])
    with pytest.raises(UserError, match="row 1: the label 'maybe' is neither"):
        score("pope", gold, [said])


def test_the_published_pope_questions(samples, tmp_path):
    gold = samples / "pope" / "coco_pope_random.json"
    rows = [json.loads(line) for line in gold.read_text().splitlines()]
    always = write(tmp_path, "always.jsonl", "".join(json.dumps({"question_id": r["question_id"], "text": "Yes"}) + "\n" for r in rows))
    right = write(tmp_path, "right.jsonl", "".join(json.dumps({"question_id": r["question_id"], "text": r["label"]}) + "\n" for r in rows))
    found = score("pope", gold, [always, right], language="en")
    first, second = (file["relaxed"] for file in found["files"])
    assert first["yes_ratio"] == 1.0 and first["recall"] == 1.0 and first["accuracy"]["share"] == first["gold_yes_ratio"]
    assert second["accuracy"]["share"] == second["f1"] == 1.0 and found["files"][1]["strict"]["accuracy"]["share"] == 1.0


def nll_files(folder, rows, name="nll.jsonl"):
    gold = write(folder, "questions.jsonl", "".join(json.dumps({"question_id": n, "text": "?"}) + "\n" for n in range(len(rows))))
    lines = (json.dumps(dict(zip(("id", "nll", "tokens", "characters"), (n, *row), strict=True))) + "\n" for n, row in enumerate(rows))
    return gold, write(folder, name, "".join(lines))


def test_perplexity_counts_what_others_drop(tmp_path, capsys):
    gold, first = nll_files(tmp_path, [(10.0, 10, 40), (200.0, 10, 40), (0.0, 0, 0), (math.inf, 2, 8)])
    found = score("perplexity", gold, [first])["files"][0]
    assert found["all"]["items"] == 3 and found["within"]["items"] == 1 and found["empty"] == ["2"]
    assert [each["id"] for each in found["outliers"]] == ["1", "3"] and found["infinite"] == 1
    assert found["within"]["per_token"]["corpus"] == pytest.approx(math.e)
    _, second = nll_files(tmp_path, [(5.0, 10, 40), (20.0, 10, 40), (1.0, 1, 4), (4.0, 2, 8)], "second.jsonl")
    compared = score("perplexity", gold, [first, second])["compared"]
    assert compared["within_limit"]["mcnemar"]["only_second"] == 3
    assert compared["nats_per_character"]["items"] == 2 and compared["nats_per_character"]["left_out"] == 2
    assert compared["nats_per_character"]["bootstrap"]["difference"] == pytest.approx(-(5 / 40 + 180 / 40) / 2)
    assert "mcnemar" not in compared["nats_per_character"]
    assert main(["score", "perplexity", str(gold), str(first), str(second), "--json"]) == 0
    json.loads(capsys.readouterr().out, parse_constant=pytest.fail)  # no Infinity in the JSON


def test_any_likelihoods_give_perplexities_whatever_the_order(tmp_path):
    rng = random.Random(9)
    odd = [0.0, 1e-300, 1e308, math.inf, math.nan]
    items = [(rng.choice([*odd, rng.expovariate(0.05)]), rng.choice((0, 1, 40)), rng.choice((0, 3, 10**9))) for _ in range(10_000)]
    gold, path = nll_files(tmp_path, items)
    first = score("perplexity", gold, [path])["files"][0]
    lines = path.read_text().splitlines(keepends=True)
    rng.shuffle(lines)
    path.write_text("".join(lines))
    second = score("perplexity", gold, [path])["files"][0]
    assert json.dumps(plain(first)) == json.dumps(plain(second))
    assert first["all"]["items"] + len(first["empty"]) + len(first["not_a_number"]) == 10_000
    assert all(first[group][unit]["corpus"] >= 1 for group in ("all", "within") for unit in ("per_token", "per_character"))


@pytest.mark.parametrize("bad", [{"nll": -1.0}, {"tokens": 1.5}, {"characters": "many"}, {"tokens": True}, {"nll": None}])
def test_a_likelihood_that_is_none(tmp_path, bad):
    gold, _ = nll_files(tmp_path, [(1.0, 1, 1)])
    path = write(tmp_path, "bad.jsonl", json.dumps({"id": 0, "nll": 1.0, "tokens": 2, "characters": 3} | bad))
    with pytest.raises(UserError, match=f"row 1: {next(iter(bad))} "):
        score("perplexity", gold, [path])


def admire_a(folder, name, rows):
    head = "compound\tsentence_type\tsentence\texpected_order\t" + "\t".join(f"image{n}_name" for n in range(1, 6))
    lines = [
        "\t".join([c, kind, f"Frase com {c}.", str([f"{c[0]}{n}.png" for n in order]), *(f"{c[0]}{n}.png" for n in range(5))])
        for c, kind, order in rows
    ]
    return write(folder, name, "\n".join([head, *lines]) + "\n")


def test_admire_files(tmp_path):
    gold = admire_a(tmp_path, "gold.tsv", [("bolo de rolo", "idiomatic", range(5)), ("pé de valsa", "literal", range(5))])
    first = admire_a(tmp_path, "submission_pt.tsv", [("bolo de rolo", "", range(5)), ("pé de valsa", "", (4, 3, 2, 1, 0))])
    packed = tmp_path / "second.tsv.gz"
    packed.write_bytes(gzip.compress(gold.read_bytes()))
    found = score("admire-a", gold, [first, packed])
    one, two = (file["splits"] for file in found["files"])
    assert one["all"]["top1"] == 0.5 and one["literal"]["top1"] == 0 and two["all"]["top1"] == 1
    assert two["all"]["dcg"] == pytest.approx(3 + 1 / math.log2(3))
    assert found["compared"]["top1"]["mcnemar"]["only_second"] == 1 and "mcnemar" not in found["compared"]["dcg"]
    assert "top1 50.0%" in text_of(found)
    with pytest.raises(UserError, match=r"misses 1 ids of gold.tsv: 'pé de valsa'.*does not know: 'mão de vaca'"):
        score("admire-a", gold, [admire_a(tmp_path, "other.tsv", [("bolo de rolo", "", range(5)), ("mão de vaca", "", range(5))])])


def test_admire_part_b(tmp_path):
    head = "compound\tsentence_type\texpected_item\t" + "\t".join(f"image{n}_name" for n in range(1, 5))
    gold = write(tmp_path, "b.tsv", f"{head}\nred tape\tidiomatic\t1.png\t1.png\t2.png\t3.png\t4.png\n")
    said = write(tmp_path, "said.tsv", "compound\tsentence_type\texpected_item\nred tape\tliteral\t1.png\n")
    split = score("admire-b", gold, [said], language="en")["files"][0]["splits"]["all"]
    assert split["item"] == 1 and split["type"] == 0


def random_answers(count, seed):
    rng = random.Random(seed)
    pieces = [
        "",
        " ",
        "sim",
        "Não",
        "não sei",
        "no",
        "A",
        "opção B",
        "três",
        "🐈",
        "\0",
        "\ud800",
        "кот",
        "猫",
        "قط",
        "e\u0301",
        "\u202e",
        "“gato”",
        "{",
        "1e309",
        "\n",
        "\t",
        "yes, no",
    ]
    answers = ["".join(rng.choice(pieces) for _ in range(rng.randint(0, 6))) for _ in range(count - 2)]
    return [*answers, "gato " * 200_000, "\0" * 1_000_000]


def shuffled_scores(folder, task, golds, said, files, turns=2):
    """The same rows scored in several orders."""
    rng, results = random.Random(6), []
    for turn in range(turns):
        order = list(range(len(said)))
        rng.shuffle(order) if turn else None
        gold = write(folder, f"gold{turn}.jsonl", "".join(json.dumps({"id": n, "gold": golds[n]}) + "\n" for n in order))
        rng.shuffle(order) if turn else None
        lines = [[json.dumps({"id": n, "answer": said[n - shift]}) + "\n" for n in order] for shift in range(files)]
        found = score(task, gold, [write(folder, f"said{turn}{shift}.jsonl", "".join(text)) for shift, text in enumerate(lines)])
        assert text_of(found) and json.dumps(plain(found), allow_nan=False)
        results.append((found.get("compared"), [file | {"file": ""} for file in found["files"]]))
    return results


@pytest.mark.parametrize("task", ["exact-match", "pope"])
def test_any_answers_give_scores_in_range_whatever_the_order(tmp_path, task):
    said = random_answers(10_000, 5)
    rng = random.Random(7)
    golds = [rng.choice(["yes", "no"] if task == "pope" else ["gato", "3", "sim", "A", ["cão", "cachorro"]]) for _ in said]
    first, second = shuffled_scores(tmp_path, task, golds, said, files=1)
    assert first == second
    for name in ("strict", "relaxed"):
        found = first[1][0][name]
        table = found if task == "exact-match" else found["accuracy"]
        assert 0 <= table["low"] <= table["share"] <= table["high"] <= 1 and table["total"] == 10_000
        assert task == "exact-match" or all(0 <= found[key] <= 1 for key in ("precision", "recall", "f1", "yes_ratio"))


def test_the_order_of_rows_changes_no_comparison(tmp_path):
    said = random_answers(400, 8)[:300]
    rng = random.Random(10)  # weights that all differ: the bootstrap's ends move when its items come in another order
    golds = [{"sim": rng.uniform(0.1, 1), "A": rng.uniform(0.1, 1)} for _ in said]
    first, second = shuffled_scores(tmp_path, "exact-match", golds, said, files=2)
    assert first == second and first[0]["relaxed"]["mcnemar"]["only_first"] > 0


def test_vqa_accuracy_leaves_one_person_out():
    for people in (1, 4, 10):
        for matches in range(people + 1):
            given = [1] * matches + [0] * (people - matches)
            by_hand = sum(min(1.0, (sum(given) - given[left]) / 3) for left in range(people)) / people
            assert measures.vqa_score(matches, people) == pytest.approx(by_hand)
    assert measures.vqa_score(0, 0) == 0.0


def test_unknown_task_and_language(tmp_path):
    gold, said = pair(tmp_path, GOLD, SAID)
    with pytest.raises(UserError, match="use one of: exact-match"):
        score("bleu", gold, [said])
    with pytest.raises(UserError, match="pt-BR"):
        score("exact-match", gold, [said], language="xx")


def test_answers_of_our_own_evaluation_are_read(tmp_path):
    answers = [
        {"type": "naming", "scene": {"seed": n}, "question": "O que é?", "gold": "Um gato.", "said": text}
        for n, text in enumerate(("Um gato.", "Um cão."))
    ]
    path = write(tmp_path, "result.json", json.dumps({"table": [], "answers": answers, "seeing": None}))
    assert score("exact-match", path, [path])["files"][0]["strict"]["right"] == 1
