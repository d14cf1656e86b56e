"""Which variety an answer is in, what share is in the one asked for, and whether seeing was kept; the other languages stay as they were."""

import dataclasses
import hashlib
import math
import random
import unicodedata

import pytest
from scipy.optimize import minimize_scalar

from utils.corpus.scenes import portuguese
from utils.corpus.scenes.asks import TYPES, WORDINGS, Ask
from utils.corpus.scenes.grammar import say
from utils.corpus.scenes.instruct import FILES
from utils.corpus.scenes.varieties import meanings, sister
from utils.corpus.scenes.world import single
from utils.evaluation.intervals import wilson
from utils.evaluation.matching import match, suffix
from utils.evaluation.scenes_task import Answer, questions
from utils.evaluation.tasks import Row, prompt, task
from utils.evaluation.variety import marks, paired_interval, seeing_kept, telling, variety_gain, variety_of, variety_table
from utils.runs import UserError

BR, PT = "pt-BR", "pt-PT"
# SHA-256 of the five files of forty pictures, seed 0, in order: as they were before European Portuguese was widened.
UNCHANGED = {
    "en": "59334d474eb3e643a75c38317ffc931bfb7ca1adf33c5655e96bd0ff4442997a",
    "pt-BR": "354b8395149d2c37bc79bae790dc20ebba2de8774d31b47715576a15ad394df5",
    "it": "5ee7f8322675579e93fc144649593b0dd7ee8bef33bcea9f0b203a9e733a8e86",
}


@pytest.fixture(scope="module")
def asks():
    return questions("known", 40)


def answered(asks, said_in, asked_in=PT, right=True):
    return [Answer(a.type, a.scene, "", asked_in, say(a, asked_in)[0], "", {}, say(a, said_in)[1], right, 1.0, None) for a in asks]


def one(said, question="O que vês?", kind="naming", right=True):
    return Answer(kind, single("dog"), "", PT, question, "", {}, said, right, 1.0, None)


@pytest.mark.parametrize("language", UNCHANGED)
def test_no_other_language_changed_by_a_byte(corpus, language):
    place = corpus if language == "en" else corpus / "gold" / language
    digest = hashlib.sha256()
    for name in FILES:
        digest.update((place / name).read_bytes())
    assert digest.hexdigest() == UNCHANGED[language]


@pytest.mark.parametrize(
    "said, european, brazilian",
    [
        (Ask("naming", single("girl"), 2, kind="girl", cell=0), ("O que é isto?", "É uma rapariga."), ("O que é isso?", "É uma menina.")),
        (
            Ask("listing", single("truck"), 1),
            ("O que vês na imagem?", "Um camião."),
            ("O que você vê na imagem?", "Um caminhão."),
        ),
        (
            Ask("description", single("baby", "orange", 0, "brown"), 2),
            ("Consegues descrever a imagem em detalhe?", "O fundo é cor de laranja e há uma coisa. No canto superior esquerdo há um bebé num cartão castanho."),
            ("Você pode descrever a imagem em detalhes?", "O fundo é laranja e há uma coisa. No canto superior esquerdo há um bebê em um cartão marrom."),
        ),
    ],
)  # fmt: skip
def test_european_portuguese_is_spoken_to_a_friend_and_has_its_own_words(said, european, brazilian):
    assert say(said, PT) == european and say(said, BR) == brazilian
    assert {name: len(forms) for name, forms in portuguese.QUESTIONS_PT.items()} == WORDINGS


@pytest.mark.parametrize(
    "text, variety",
    [
        ("É um autocarro.", PT), ("É um ônibus.", BR), ("O COMBOIO está no canto.", PT), ("Dois trens e uma vaca.", BR),
        ("O fundo é cor-de-rosa.", PT), ("O fundo é cor de rosa.", PT), ("O fundo é rosa.", BR), ("O fundo é cor de laranja.", PT),
        ("Há uma vaca num cartão azul.", PT), ("Há uma vaca em um cartão azul.", BR), ("Uma bola de ténis", PT), ("A mala é castanha.", PT),
        ("Ele está a comer um gelado.", PT), ("Ele está comendo.", BR), ("Vês dezasseis coisas.", PT), ("Você vê dezesseis coisas.", BR),
        ("O fenómeno é económico.", PT), ("O fenômeno é econômico.", BR),
        # At home on both sides, or nothing that tells
        ("É um cão.", None), ("É um sapo.", None), ("É um edifício.", None), ("Há duas coisas.", None), ("", None), ("A dog.", None),
        # Look like a gerund, an infinitive, a contraction, a word
        ("O cão está no fundo.", None), ("Está a mulher na sala.", None), ("O cão está redondo.", None), ("Número 3", None), ("um catolé", None),
        # As many of each
        ("Um bebé e um ônibus.", None), ("Um bebé, um camião e um ônibus.", PT), ("Um bebê, um camião e um ônibus.", BR),
        (unicodedata.normalize("NFD", "É um bebé."), PT), (unicodedata.normalize("NFD", "É um bebê."), BR),
    ],
)  # fmt: skip
def test_the_variety_of_an_answer(text, variety):
    assert variety_of(text, PT) == variety == variety_of(text, BR)


def test_a_word_counts_once_and_strict_marks_leave_out_what_portugal_may_say_too():
    assert marks("Um camião e uma bola de ténis.", PT) == [(PT, "camião"), (PT, "bola de ténis")]
    for text in ("O fundo é rosa.", "É uma menina.", "Um cato.", "Num cartão azul."):
        assert variety_of(text, PT) is not None and variety_of(text, PT, strict=True) is None
    assert variety_of("É um camião.", PT, strict=True) == PT and variety_of("É um trem.", PT, strict=True) == BR


def test_gold_answers_are_never_taken_for_the_sister_and_neither_is_easier_to_find(asks):
    strict = lambda code: [variety_of(say(ask, code)[1], PT, strict=True) for ask in asks]  # noqa: E731
    for code in (PT, BR):
        found = [variety_of(say(ask, code)[1], PT) for ask in asks]
        assert sister(code) not in found
        assert [variety is not None for variety in found] == [variety_of(say(ask, sister(code))[1], PT) is not None for ask in asks]
        assert [v is not None for v in strict(code)] == [v is not None for v in strict(sister(code))]
        assert 0.18 < found.count(code) / len(found) < 0.30
    assert {ask.type for ask in telling(asks, PT)} >= {"naming", "listing", "description", "card"} and len(telling(asks, PT)) == found.count(BR)
    assert meanings("it") == {} and set(meanings(PT)) == set(meanings(BR))


def test_the_table_counts_each_type_with_its_interval(asks):
    mixed = answered(asks, PT)[: len(asks) // 2] + answered(asks, BR)[len(asks) // 2 :]
    rows = {row["type"]: row for row in variety_table(mixed, PT)}
    assert set(rows) == {*TYPES, "all"}
    half = [variety_of(a.said, PT) for a in mixed]
    assert (rows["all"]["own"], rows["all"]["decidable"]) == (half.count(PT), half.count(PT) + half.count(BR)) and rows["all"]["answers"] == len(asks)
    assert (rows["all"]["low"], rows["all"]["high"]) == wilson(half.count(PT), rows["all"]["decidable"])
    assert (rows["naming"]["share"], rows["listing"]["share"]) == (1, 0), "the first types were answered in one, the last in the other"
    assert rows["total"]["decidable"] == 0 and rows["total"]["share"] is None and (rows["total"]["low"], rows["total"]["high"]) == (0, 1)
    swapped = {row["type"]: row for row in variety_table(mixed, BR)}
    assert swapped["all"]["own"] == rows["all"]["decidable"] - rows["all"]["own"]


def test_an_echo_and_a_mix_are_told():
    echo, free = one("O comboio está no canto.", "Onde está o comboio?"), one("É um comboio.", "O que está no canto?")
    row = variety_table([echo, free, one("Um bebé e um ônibus."), one("É uma menina.")], PT)[-1]
    assert (row["decidable"], row["own"], row["mixed"]) == (3, 2, 1)
    assert (row["free_decidable"], row["free_own"]) == (2, 1) and (row["strict_decidable"], row["strict_own"]) == (2, 2)


def test_the_gain_is_that_of_the_decidable_answers_and_its_interval_that_of_drawn_questions():
    before = [one(said) for said in ("É um ônibus.", "É um trem.", "É um comboio.", "É um cão.") * 10]
    after = [one(said) for said in ("É um autocarro.", "É um cão.", "É um comboio.", "É um trem.") * 10]
    gain = variety_gain(before, after, PT)
    assert gain["before"] == pytest.approx(1 / 3) and gain["after"] == pytest.approx(2 / 3) and gain["difference"] == pytest.approx(1 / 3)
    assert (gain["decidable_before"], gain["decidable_after"]) == (30, 30)
    rng, drawn = random.Random(0), []
    read = [[variety_of(a.said, PT) for a in some] for some in (before, after)]
    for _ in range(3000):
        at = rng.choices(range(40), k=40)
        first, second = ([some[n] for n in at if some[n]] for some in read)
        drawn.append(second.count(PT) / len(second) - first.count(PT) / len(first))
    drawn.sort()
    assert gain["low"] == pytest.approx(drawn[75], abs=0.02) and gain["high"] == pytest.approx(drawn[2924], abs=0.02)
    none = variety_gain(before, [one("É um cão.")] * 40, PT)
    assert none["difference"] is None and none["decidable_after"] == 0


@pytest.mark.parametrize(
    "both, only_before, only_after, verdict",
    [(500, 5, 5, "kept"), (120, 0, 0, "not shown"), (130, 0, 0, "kept"), (400, 60, 5, "lost"), (100, 4, 3, "not shown"), (500, 12, 1, "not shown")],
)
def test_seeing_is_kept_only_where_the_interval_says_so(both, only_before, only_after, verdict):
    right = [(True, True)] * both + [(True, False)] * only_before + [(False, True)] * only_after
    before, after = ([one("É um cão.", right=pair[side]) for pair in right] for side in (0, 1))
    found = seeing_kept(before, after)
    assert found["verdict"] == verdict and found["kept"] == (verdict == "kept") == (found["low"] > -0.03)
    assert found["difference"] == pytest.approx(found["after"] - found["before"]) and found["low"] <= found["difference"] <= found["high"]
    assert seeing_kept(before, after, margin=0.5)["kept"] and seeing_kept(after, before)["low"] == pytest.approx(-found["high"])
    more = found["questions_for"] / len(right)  # as many more questions, answered as often differently, would show it
    low, _ = paired_interval(round(more * 0.5 * (only_before + only_after)), round(more * 0.5 * (only_before + only_after)), found["questions_for"])
    assert low > -0.03


@pytest.mark.parametrize("first, second, total", [(20, 40, 160), (7, 1, 21), (0, 3, 30), (0, 0, 50), (12, 12, 40), (2, 9, 11)])
def test_the_ends_of_the_paired_interval_lie_z_standard_errors_off(first, second, total):
    low, high = paired_interval(second, first, total)
    assert -1 <= low < (second - first) / total < high <= 1
    for delta in (low, high):
        likelihood = lambda q: -_log(second, q + delta) - _log(first, q) - _log(total - first - second, 1 - 2 * q - delta)  # noqa: B023, E731
        ends = max(0, -delta) + 1e-12, (1 - delta) / 2 - 1e-12
        q = minimize_scalar(likelihood, bounds=ends, method="bounded", options={"xatol": 1e-12}).x
        error = math.sqrt((2 * q + delta - delta**2) / total)
        assert abs((second - first) / total - delta) / error == pytest.approx(1.959964, abs=1e-3)
    if first + second:  # zero lies inside just where McNemar's statistic is small
        assert (low <= 0 <= high) == ((second - first) ** 2 / (first + second) <= 1.959964**2)


def _log(count, p):
    return count * math.log(max(p, 1e-300)) if count else 0.0


def test_what_cannot_be_compared_is_told():
    some = [one("É um cão.")]
    for call in (variety_gain, seeing_kept):
        with pytest.raises(UserError, match="the same questions in the same order"):
            call(some, [dataclasses.replace(some[0], question="Onde?")])
        with pytest.raises(UserError, match="no answer to compare"):
            call([], [])
    for call in (variety_of, variety_table):
        with pytest.raises(UserError, match="'it' has no sister variety to be told from; ask for pt-PT or pt-BR"):
            call("Un cane." if call is variety_of else some, "it")


def test_translated_benchmarks_are_asked_as_amalia_vl_was():
    """The sentences of github.com/AMALIA-LLM/amalia-vl-eval, lmms_eval/tasks/{pope,seedbench,coco_cap}/*_pt.yaml."""
    assert suffix(PT, "short") == "Responde à pergunta utilizando uma palavra ou frase."
    assert suffix(PT, "option") == "Responde diretamente com a letra da opção das opções disponíveis."
    assert prompt(task("pope"), Row("1", "", "Há um gato?", ("yes",)), PT) == f"Há um gato?\n{suffix(PT, 'short')}"
    assert prompt(task("captions"), Row("1", "", "", ("a",)), PT) == "Apresenta uma legenda de uma frase para a imagem fornecida."
    assert match("Não.", "no", PT, "yes_no").relaxed and not match("Sim", "no", PT, "yes_no").relaxed
    for said in ("Opção B", "A resposta é B", "b"):
        assert match(said, "B", PT, "option").relaxed and not match(said, "A", PT, "option").relaxed
