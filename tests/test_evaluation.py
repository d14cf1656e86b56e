"""Reading and judging answers: meaning counts, wording does not; every accepted form has a rejected near-miss."""

import random

import pytest

from utils.corpus.scenes.asks import TYPES, Ask, possible, truth
from utils.corpus.scenes.grammar import LANGUAGES, say
from utils.corpus.scenes.world import Item, Scene, scene_of
from utils.evaluation.intervals import majority_share, wilson
from utils.evaluation.reading import answer_language, read, values
from utils.evaluation.scenes_task import Answer, answer_key, ask_all, counterpart, questions, seeing, table
from utils.evaluation.scoring import judge
from utils.review.errors import cause, unknown_words
from utils.review.gallery import cards, unselected, worst

DOG, FROG = {"kind": "dog"}, {"kind": "frog"}
THINGS = {
    "colour": "blue",
    "number": 2,
    "things": [{"place": "top left", "kind": "dog", "card": "red"}, {"place": "bottom right", "kind": "cat", "card": None}],
}
CASES = [  # type, truth, language, right answers, near-misses
    ("naming", DOG, "pt-BR", ["É um cachorro.", "É um cão.", "Cães.", "um cao"], ["É um gato.", "É um cachorro e um gato.", "Sim.", ""]),
    ("naming", FROG, "pt-BR", ["É um sapo.", "É uma rã."], ["É uma tartaruga."]),
    ("naming", {"kind": "sun with sunglasses"}, "pt-BR", ["É um sol com óculos de sol.", "É um sol de óculos escuros."], ["É um sol."]),
    ("naming", {"kind": "truck"}, "pt-PT", ["É um camião.", "É um caminhão."], ["É um comboio."]),
    ("naming", {"kind": "tennis ball"}, "pt-BR", ["É uma bola de tênis.", "É uma bola de ténis"], ["É uma bola de futebol."]),
    ("naming", {"kind": "watermelon"}, "it", ["È un'anguria."], ["È un'ape."]),
    ("yes_no", {"yes": True}, "pt-BR", ["Sim, há um cão.", "sim"], ["Não, não há cão.", "Há um cão.", "No."]),
    ("yes_no", {"yes": False}, "pt-BR", ["Não, não há cão.", "Nao."], ["Sim, não.", "Há não."]),
    ("yes_no", {"yes": False}, "en", ["No, there is no dog.", "No"], ["Yes, no.", "There is no dog."]),
    ("yes_no", {"yes": True}, "it", ["Sì, c'è un cane.", "Si."], ["No."]),
    ("counting", {"number": 2, "kind": "dog"}, "pt-BR", ["Há dois cachorros.", "Duas.", "Existem dois cães."], ["Há três cachorros.", "Há dois gatos."]),
    ("counting", {"number": 1, "kind": "cow"}, "pt-BR", ["Há uma vaca."], ["Há duas vacas."]),
    ("total", {"number": 3}, "en", ["There are three things.", "Three."], ["There are two things.", "Things."]),
    ("position", {"place": "top left", "kind": "dog"}, "pt-BR", ["O cão está no canto superior esquerdo.", "Na parte superior esquerda.", "No topo esquerdo"], ["No canto superior direito.", "O gato está no canto superior esquerdo.", "No canto."]),
    ("position", {"place": "bottom right", "kind": "dog"}, "it", ["Il cane è nell'angolo in basso a destra."], ["Il cane è nell'angolo in alto a destra."]),
    ("background", {"colour": "brown"}, "pt-BR", ["O fundo é marrom.", "O fundo é castanho."], ["O fundo é vermelho.", "O fundo é marrom e vermelho."]),
    ("card", {"colour": "gray"}, "en", ["The card is gray.", "grey"], ["The card is green."]),
    ("category", {"category": "building"}, "pt-BR", ["É uma construção.", "É um edifício.", "É um prédio."], ["É um objeto."]),
    ("listing", {"counts": {"dog": 2, "cat": 1}}, "pt-BR", ["Dois cães e um gato.", "Um gato e dois cachorros."], ["Um cão e um gato.", "Dois cães.", "Dois cães, um gato e uma vaca."]),
    ("comparison", {"more": "dog"}, "pt-BR", ["Há um gato e dois cães, então há mais cães."], ["Há dois cães e um gato, então há mais gatos.", "Há o mesmo número de cada um."]),
    ("comparison", {"more": "equal"}, "pt-BR", ["Há um cão e um gato, então há o mesmo número de cada um.", "Há tantos cães quanto gatos."], ["Há mais cães."]),
    ("relation", {"kind": "cat"}, "pt-BR", ["O cão está no canto superior direito, e à sua esquerda há um gato."], ["O gato está à esquerda do cão."]),
    ("arithmetic", {"number": 2}, "pt-BR", ["Há três cães, e três menos um é dois."], ["Há dois cães, e dois menos um é um."]),
    ("group", {"number": 3}, "it", ["Ci sono due cani e un gatto, quindi ci sono tre animali."], ["Ci sono tre cani, quindi ci sono due animali."]),
    ("description", THINGS, "pt-BR", ["O fundo é azul e há duas coisas. No canto superior esquerdo há um cão em um cartão vermelho. No canto inferior direito há um gato."],
     ["O fundo é azul e há duas coisas. No canto superior esquerdo há um cão em um cartão verde. No canto inferior direito há um gato."]),
]  # fmt: skip


@pytest.mark.parametrize("kind,right,language,good,bad", CASES)
def test_what_counts_as_right_and_its_near_misses(kind, right, language, good, bad):
    for answer in good:
        assert judge(answer, kind, right, language).right, answer
    for answer in bad:
        assert not judge(answer, kind, right, language).right, answer


def test_a_description_counts_its_facts_and_inventions():
    whole = "O fundo é azul e há duas coisas. No canto superior esquerdo há um cão em um cartão vermelho. No canto inferior direito há um gato."
    assert judge(whole, "description", THINGS, "pt-BR").share == 1
    assert judge(whole.replace("vermelho", "verde"), "description", THINGS, "pt-BR").share == pytest.approx(4 / 5)
    assert judge(whole + " No canto superior direito há uma vaca.", "description", THINGS, "pt-BR").share == pytest.approx(5 / 6)
    assert judge("", "description", THINGS, "pt-BR").share == 0


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_gold_answer_is_right_and_in_its_own_language(language):
    rng, decided, total = random.Random(1), 0, 0
    for index in range(120):
        scene = scene_of("known", index)
        for kind_of_question in TYPES:
            for ask in possible(scene, kind_of_question, rng)[:2]:
                answer = say(ask, language)[1]
                assert judge(answer, ask.type, truth(ask), language).right, answer
                spoken = answer_language(
                    answer, tuple(dict.fromkeys(("en", "pt-BR", "it", language))) if language != "pt-PT" else ("en", "pt-PT", "it")
                )
                assert spoken in (language, None), answer
                decided, total = decided + (spoken is not None), total + 1
    assert decided / total > 0.97


def test_language_is_apart_from_correctness():
    assert answer_language("There are two dogs.", ("en", "pt-BR")) == "en"
    assert answer_language("Há dois gatos.", ("en", "pt-BR")) == "pt-BR"
    assert answer_language("", ("en", "pt-BR")) is None
    assert answer_language("Banana", ("en", "pt-BR")) is None


def test_any_text_gets_a_verdict():
    rng = random.Random(0)
    pieces = ["", "🐕", "\x00", "sim", "não", "two", "dois", "<script>", "é", "\n", "A" * 5000, "top left", "vermelho", "ß", "日本", "'", "-"]
    scene = scene_of("known", 3)
    asks = [possible(scene, t, rng)[0] for t in TYPES if possible(scene, t, rng)]
    for _ in range(400):
        text = " ".join(rng.choices(pieces, k=rng.randint(0, 6)))
        ask, language = rng.choice(asks), rng.choice(LANGUAGES)
        verdict = judge(text, ask.type, truth(ask), language)
        assert 0 <= verdict.share <= 1 and verdict.right in (True, False)


def test_intervals_and_baseline():
    low, high = wilson(8, 10)
    assert (round(low, 4), round(high, 4)) == (0.4902, 0.9433)  # Wilson 1927, as in every table
    assert wilson(0, 0) == (0.0, 1.0)
    assert majority_share(["a", "a", "b", "c"]) == 0.5 and majority_share([]) == 0.0


def test_questions_are_balanced_and_from_their_split():
    asked = questions("known", 12)
    by_type = {t: [a for a in asked if a.type == t] for t in TYPES}
    assert all(len(found) == 12 for found in by_type.values())
    assert majority_share([answer_key(a) for a in by_type["yes_no"]]) == 0.5
    assert majority_share([answer_key(a) for a in by_type["comparison"]]) <= 0.42
    assert majority_share([answer_key(a) for a in by_type["counting"]]) <= 0.34
    assert asked == questions("known", 12)


def test_a_counterpart_asks_the_same_and_means_something_else():
    rng, found = random.Random(2), 0
    for ask in questions("known", 4):
        scene = counterpart(ask, rng)
        if scene is None:
            continue
        found += 1
        assert scene != ask.scene
        if ask.type == "counting":
            assert scene.counts[ask.kind] != ask.scene.counts[ask.kind]
        if ask.type == "background":
            assert scene.background != ask.scene.background
    assert found >= 50


def _answer(said: str, right: bool, scene: Scene, share: float = 0.0, said_in: str | None = "pt-BR") -> Answer:
    ask = Ask("naming", scene, 0, kind="dog", cell=0)
    return Answer("naming", scene, "k", "pt-BR", say(ask, "pt-BR")[0], "É um cachorro.", truth(ask), said, right, share or float(right), said_in)


SCENE, OTHER = Scene("blue", (Item("dog", 0),), 1), Scene("red", (Item("cat", 0),), 2)


def test_seeing_counts_only_right_answers_whose_picture_changed():
    before = [_answer("a", True, SCENE), _answer("b", True, SCENE), _answer("c", False, SCENE), _answer("d", True, SCENE)]
    after = [_answer("x", False, SCENE), _answer("b", False, SCENE), _answer("y", False, SCENE), _answer("z", False, SCENE)]
    assert seeing(before, after, [OTHER, OTHER, OTHER, SCENE]) | {"low": 0, "high": 0} == {
        "right": 2,
        "changed": 1,
        "share": 0.5,
        "low": 0,
        "high": 0,
    }


def test_a_model_without_eyes_fails_the_seeing_test(base):
    model, tokenizer = base
    asks = questions("known", 6, types=("naming", "background", "total"))
    shown = [counterpart(ask, random.Random(n)) for n, ask in enumerate(asks)]
    answers = ask_all(model, tokenizer, asks, "en")
    assert seeing(answers, ask_all(model, tokenizer, asks, "en", shown=shown), shown)["share"] >= 0.7
    projector = model.model.multi_modal_projector.linear_2
    weight, bias = projector.weight.data.clone(), projector.bias.data.clone()
    try:
        projector.weight.data.zero_()
        projector.bias.data.zero_()
        blind = ask_all(model, tokenizer, asks, "en")
        assert sum(a.right for a in blind) < 0.5 * sum(a.right for a in answers)
        assert all(a.said == b.said for a, b in zip(blind, ask_all(model, tokenizer, asks, "en", shown=shown), strict=True))
    finally:
        projector.weight.data, projector.bias.data = weight, bias


def test_the_shipped_base_answers_english_and_not_portuguese(base):
    model, tokenizer = base
    asks = questions("known", 8)
    english, portuguese = (table(ask_all(model, tokenizer, asks, code))[-1] for code in ("en", "pt-BR"))
    assert english["share"] >= 0.8 and english["in_language"] >= 0.97
    assert portuguese["share"] <= 0.1


def test_gallery_is_a_sample_and_text_is_escaped():
    answers = [_answer(f"<script>alert({n})</script>", n % 3 == 0, SCENE, said_in="en" if n % 2 else "pt-BR") for n in range(40)]
    assert unselected(answers, 24) == unselected(answers, 24) and len(unselected(answers, 24)) == 24
    assert not any(a.right for a in worst(answers, 12)) and len(worst(answers, 12)) == 12
    page = cards(unselected(answers, 4), answers)
    assert "<script>" not in page and "&lt;script&gt;" in page and 'alt="1 things on blue: dog"' in page


def test_errors_are_sorted_by_cause():
    assert cause(_answer("It is a dog.", False, SCENE, said_in="en")) == "other language"
    assert cause(_answer("hmm", False, SCENE, said_in=None)) == "nothing readable"
    assert cause(_answer("É um gato.", False, SCENE)) == "wrong kind of thing"
    assert cause(_answer("Sim, dois.", False, SCENE)) == "wrong number, colour, place or verdict"
    assert values(read("três vacas vermelhas", "pt-BR"), "colour") == ["red"]


def test_unknown_words_stand_in_an_order_of_their_own():
    made_up = ["zebo", "abro", "mirto", "cuvo", "lapo", "foto", "nurro", "quibo"]
    answers = [_answer(f"É uma casa: {' '.join(made_up)}.", False, SCENE), _answer("É um zebo.", False, SCENE)]
    found = unknown_words(answers, "pt-BR")
    words = [row["word"] for row in found if row["word"] in made_up]
    assert words == ["zebo", *sorted(made_up[1:])] and found[0] == {"word": "zebo", "answers": 2, "for example": answers[0].said}
