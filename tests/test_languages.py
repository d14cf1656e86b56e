"""Every language of the course: its record, its words, its sentences, and how answers in it are read; Spanish by hand, as the example."""

import dataclasses
import random
import re
import subprocess
import sys

import pytest

from utils.corpus.scenes import frames
from utils.corpus.scenes.asks import TYPES, WORDINGS, Ask, possible, truth
from utils.corpus.scenes.grammar import say
from utils.corpus.scenes.instruct import FILES, write_corpus
from utils.corpus.scenes.lists import LISTS, read_list
from utils.corpus.scenes.word_list import entry_of, without_common
from utils.corpus.scenes.words import CATEGORIES, COLOURS, KIND, KINDS, NUMBERS, parse
from utils.corpus.scenes.world import Item, Scene, scene_of, single
from utils.corpus.texts import mangled
from utils.evaluation.matching import match, suffix
from utils.evaluation.reading import answer_language, lexicon
from utils.evaluation.scenes_task import counterpart
from utils.evaluation.scoring import judge
from utils.journey.notebook import begin
from utils.languages import ALL, LANGUAGES
from utils.runs import ROOT, UserError

SPANISH = LISTS["es"]
FARM = Scene("blue", (Item("dog", 0, "red"), Item("dog", 1), Item("butterfly", 2, "white"), Item("cow", 3)), 7)
PAIR = Scene("purple", (Item("girl", 0, "purple"), Item("book", 1)), 7)
# Question type, wording, what it speaks of, question, answer: written by hand.
CASES = [
    (FARM, "naming", 0, {"kind": "dog", "cell": 0}, "¿Qué hay en la esquina superior izquierda?", "Es un perro."),
    (FARM, "naming", 1, {"kind": "butterfly", "cell": 2}, "¿Qué se ve en la esquina inferior izquierda?", "Es una mariposa."),
    (single("sunset"), "naming", 2, {"kind": "sunset", "cell": 0}, "¿Qué es esto?", "Es un atardecer."),
    (FARM, "yes_no", 0, {"kind": "dog"}, "¿Hay un perro en la imagen?", "Sí, hay dos perros."),
    (FARM, "yes_no", 1, {"kind": "cow"}, "¿Se ve una vaca en la imagen?", "Sí, hay una vaca."),
    (FARM, "yes_no", 0, {"kind": "lion"}, "¿Hay un león en la imagen?", "No, no hay ningún león."),
    (FARM, "yes_no", 0, {"kind": "flower"}, "¿Hay una flor en la imagen?", "No, no hay ninguna flor."),
    (FARM, "counting", 0, {"kind": "dog"}, "¿Cuántos perros hay?", "Hay dos perros."),
    (FARM, "counting", 1, {"kind": "butterfly"}, "¿Cuántas mariposas se ven?", "Hay una mariposa."),
    (FARM, "total", 0, {}, "¿Cuántas cosas hay en total?", "Hay cuatro cosas."),
    (single("pizza"), "total", 1, {}, "¿Cuántas cosas se ven?", "Hay una cosa."),
    (FARM, "position", 0, {"kind": "cow", "cell": 3}, "¿Dónde está la vaca?", "La vaca está en la esquina inferior derecha."),
    (PAIR, "position", 1, {"kind": "book", "cell": 1}, "¿Dónde se ve el libro?", "El libro está en la esquina superior derecha."),
    (FARM, "background", 0, {}, "¿De qué color es el fondo?", "El fondo es azul."),
    (PAIR, "background", 1, {}, "¿Cuál es el color de fondo de la imagen?", "El fondo es morado."),
    (PAIR, "card", 0, {"kind": "girl", "cell": 0}, "¿De qué color es la tarjeta que hay detrás de la niña?", "La tarjeta es morada."),
    (FARM, "card", 1, {"kind": "dog", "cell": 0}, "¿Cuál es el color de la tarjeta que hay detrás del perro?", "La tarjeta es roja."),
    (FARM, "category", 0, {"kind": "cow", "cell": 3}, "¿Qué tipo de cosa hay en la esquina inferior derecha?", "Es un animal."),
    (PAIR, "category", 1, {"kind": "girl", "cell": 0}, "¿Qué tipo de cosa es la niña?", "Es una persona."),
    (FARM, "listing", 2, {}, "¿Qué cosas hay en la imagen?", "Dos perros, una mariposa y una vaca."),
    (PAIR, "description", 1, {}, "Describe esta imagen.", "El fondo es morado y hay dos cosas. En la esquina superior izquierda hay una niña sobre una tarjeta morada. "
     "En la esquina superior derecha hay un libro."),
    (FARM, "comparison", 0, {"kind": "cow", "other": "dog"}, "¿Hay más vacas o más perros?", "Hay una vaca y dos perros, así que hay más perros."),
    (PAIR, "comparison", 0, {"kind": "girl", "other": "book"}, "¿Hay más niñas o más libros?",
     "Hay una niña y un libro, así que hay el mismo número de cada uno."),
    (PAIR, "relation", 1, {"kind": "girl", "other": "book", "cell": 0}, "¿Qué hay a la derecha de la niña?",
     "La niña está en la esquina superior izquierda, y a su derecha hay un libro."),
    (FARM, "relation", 2, {"kind": "cow", "other": "dog", "cell": 3}, "¿Qué hay encima de la vaca?",
     "La vaca está en la esquina inferior derecha, y encima hay un perro."),
    (FARM, "arithmetic", 0, {"kind": "dog"}, "Si se quita un perro, ¿cuántos perros quedan?", "Hay dos perros, y dos menos uno es uno."),
    (FARM, "arithmetic", 1, {"number": 1}, "Si añadimos una cosa, ¿cuántas cosas habrá?", "Hay cuatro cosas, y cuatro más uno son cinco."),
    (FARM, "group", 0, {"category": "animal"}, "¿Cuántos animales hay?", "Hay dos perros, una mariposa y una vaca, así que hay cuatro animales."),
    (PAIR, "group", 1, {"category": "person"}, "¿Cuántas personas se ven?", "Hay una niña, así que hay una persona."),
]  # fmt: skip


@pytest.mark.parametrize("scene,type,wording,about,question,answer", CASES)
def test_spanish_as_it_was_written_by_hand(scene, type, wording, about, question, answer):
    assert say(Ask(type, scene, wording, **about), "es") == (question, answer)


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_record_is_complete(code):
    record = LANGUAGES[code]
    assert record.code == code and record.name and record.prompt_name and record.short_answer.endswith(".")
    assert set(record.engine_codes) == {"googletrans", "nllb", "madlad"} and record.decimal in (".", ",")
    assert record.yes and record.no and not set(record.yes) & set(record.no) and record.equal
    assert list(record.numerals) == [str(n) for n in range(len(record.numerals))] and len(record.numerals) > 12
    assert all(record.numerals[str(n)][0] in (forms[0], *forms) for n, forms in enumerate(NUMBERS[code])), "record and word list count alike"
    assert record.manglings and all(mangled(form, lost=True) for form in record.manglings)
    assert suffix(code, "short") != suffix(code, "option")


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_word_is_there_once_with_gender_and_plural(code):
    for entry in (*KINDS, *CATEGORIES):
        word = entry.words[code]
        assert word.gender in ("m", "f", "n") and word.singular and word.plural, entry.key
        assert word.singular == word.singular.strip() and not re.search(r"[/=:,]", word.singular + word.plural), entry.key
    assert all(colour.words[code].singular for colour in COLOURS) and len(NUMBERS[code]) == 7
    for entries in (KINDS, COLOURS, CATEGORIES):
        assert len({entry.words[code].singular for entry in entries}) == len(entries)
    read = lexicon(code)
    for sort, entries in (("kind", KINDS), ("category", CATEGORIES), ("colour", COLOURS)):
        found = {value for kind_of_mark, value in read.values() if kind_of_mark == sort}
        assert found == {entry.key for entry in entries}, "each can be read"


@pytest.mark.parametrize("code", LANGUAGES)
def test_question_gold_and_judge_agree_for_every_type_and_wording(code):
    rng, asked, told = random.Random(5), set(), []
    for index in range(90):
        scene = scene_of("known", index)
        for kind_of_question in TYPES:
            for ask in possible(scene, kind_of_question, rng)[:2]:
                question, answer = say(ask, code)
                assert "{" not in question + answer and re.match(r"[^\w]?[A-ZÀ-Ý]", question) and re.match(r"[A-ZÀ-Ý]", answer), question
                assert question[-1] in ".?" and answer[-1] == "." and "  " not in question + answer and question != say(ask, "en")[0]
                assert judge(answer, ask.type, truth(ask), code).right, answer
                asked.add((ask.type, ask.wording))
                told.append(answer_language(answer, ("en", code)))
    assert asked == {(name, n) for name, count in WORDINGS.items() for n in range(count)}
    assert told.count(code) > 0.99 * len(told)


@pytest.mark.parametrize("code", LANGUAGES)
def test_the_gold_answer_of_another_picture_is_wrong(code):
    rng, tried = random.Random(3), 0
    for index in range(6):
        for kind_of_question in TYPES:
            for ask in possible(scene_of("known", index), kind_of_question, rng)[:1]:
                other = counterpart(ask, rng)
                same = [a for a in possible(other, ask.type, rng) if truth(a) != truth(ask)] if other else []
                for changed in same[:1]:
                    assert not judge(say(changed, code)[1], ask.type, truth(ask), code).right, (say(ask, code), say(changed, code))
                    tried += 1
    assert tried > 60


@pytest.mark.parametrize(
    "answer,kind_of_question,right",
    [
        ("Hay dos perros.", "counting", True), ("Dos.", "counting", True), ("Hay dos canes.", "counting", True), ("hay 2 perros", "counting", False),
        ("Hay tres perros.", "counting", False), ("Hay dos gatos.", "counting", False), ("Hay un perro.", "counting", False), ("", "counting", False),
        ("Sí, hay dos perros.", "yes_no", True), ("si", "yes_no", True), ("No, no hay ningún perro.", "yes_no", False), ("Perros.", "yes_no", False),
        ("La tarjeta es roja.", "card", True), ("Rojo", "card", True), ("La tarjeta es rosa.", "card", False), ("Roja y azul", "card", False),
    ],
)  # fmt: skip
def test_spanish_answers_are_judged(answer, kind_of_question, right):
    ask = {"counting": Ask("counting", FARM, kind="dog"), "yes_no": Ask("yes_no", FARM, kind="dog"), "card": Ask("card", FARM, kind="dog", cell=0)}
    assert judge(answer, kind_of_question, truth(ask[kind_of_question]), "es").right == right


@pytest.mark.parametrize(
    "answer,gold,kind,right",
    [
        ("Es un perro.", "perro", "text", True), ("Es un gato.", "perro", "text", False), ("los leones", "león", "text", True),
        ("No es un perro", "perro", "text", False), ("Sí, claro", "sí", "yes_no", True), ("No hay", "sí", "yes_no", False),
        ("tres gatos", "3", "number", True), ("3", "13", "number", False), ("La respuesta es B.", "B", "option", True), ("La opción A", "B", "option", False),
        ("roja", "rojo", "text", True), ("rosa", "rojo", "text", False),
    ],
)  # fmt: skip
def test_spanish_answers_are_matched_by_a_record_made_from_the_list(answer, gold, kind, right):
    assert match(answer, gold, "es", kind).relaxed == right


PLANTED = [
    ({"kinds": SPANISH.kinds.replace("rana/ranas", "rana")}, "'frog' in `kinds` has no plural"),
    ({"kinds": SPANISH.kinds.replace("m caballo/caballos", "m caballo/caballos = perro")}, "'perro' stands for 'dog' and for 'horse'"),
    ({"kinds": SPANISH.kinds + "\nunicorn: m unicornio/unicornios"}, "'unicorn', which the picture world does not have"),
    ({"articles": SPANISH.articles | {"the": {"m": "el "}}}, "'the' needs a form for the gender 'f'"),
    ({"numbers": "cero uno dos"}, "the 7 words from 0 to 6, and has 3"),
    ({"places": (SPANISH.places[0],) * 4}, "`places` needs four entries"),
    ({"sides": {**SPANISH.sides, "left": ()}}, "`sides` needs words for 'left'"),
    ({"questions": SPANISH.questions | {"relation": ("¿Qué hay?",)}}, "'relation' need 4 wordings, and have 1"),
    ({"questions": SPANISH.questions | {"total": ("¿Cuántos {plural} hay?", "¿Cuántos?")}}, "has the gap {plural}, which 'total' cannot fill; it has: none"),
    ({"answers": {k: v for k, v in SPANISH.answers.items() if k != "equal"}}, "the answer 'equal' is missing"),
]  # fmt: skip


@pytest.mark.parametrize("change,said", PLANTED, ids=[said[:40] for _, said in PLANTED])
def test_what_is_wrong_with_a_word_list_is_told(change, said, monkeypatch):
    assert frames.problems(SPANISH) == []
    wrong = dataclasses.replace(SPANISH, **change)
    assert any(said in problem for problem in frames.problems(wrong))
    monkeypatch.setitem(LISTS, "es", wrong)
    frames.complete_list.cache_clear()
    with pytest.raises(UserError, match="the word list of 'es': "):
        say(Ask("total", FARM), "es")
    frames.complete_list.cache_clear()


def test_a_missing_line_and_a_missing_list_are_told():
    with pytest.raises(UserError, match="'es' has no line for 'dog' in `kinds`; add one such as “dog: m singular/plural”"):
        entry_of(dataclasses.replace(SPANISH, kinds=SPANISH.kinds.replace("dog:", "hound:")), "kinds", "dog")
    with pytest.raises(UserError, match="utils/corpus/scenes/klingon.py is missing; write it as spanish.py is written"):
        read_list("tlh", "klingon")
    with pytest.raises(UserError, match="must hold WORD_LIST = WordList.code='ca'"):
        read_list("ca", "spanish")


def test_articles_may_depend_on_the_first_sound_and_on_a_third_gender():
    the = {"m": "le ", "f": "la ", "m'": "l'", "f'": "l'", "n": "das "}
    words = dataclasses.replace(SPANISH, elided="aeéi", articles={"the": the})
    said = [
        frames.articled(words, parse(noun))["the"]
        for noun in ("m chien/chiens", "m arbre/arbres", "f étoile/étoiles", "f lune/lunes", "n Haus/Häuser")
    ]
    assert said == ["le chien", "l'arbre", "l'étoile", "la lune", "das Haus"]
    assert without_common(["en haut à gauche", "en haut à droite"]) == ["gauche", "droite"]


def test_a_corpus_written_before_a_language_came_gets_its_gold_text_alone(tmp_path):
    made = write_corpus(tmp_path, 6)
    gold = tmp_path / "gold" / "es"
    texts = {path: path.read_bytes() for path in tmp_path.rglob("*.json")}
    for path in gold.iterdir():
        path.unlink()
    english = (tmp_path / FILES[0]).stat().st_mtime_ns
    assert write_corpus(tmp_path, 6) == made and (tmp_path / FILES[0]).stat().st_mtime_ns == english
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.json")} == texts and len(list(gold.iterdir())) == 5


@pytest.mark.parametrize("code", LANGUAGES)
def test_where_no_engine_translates_the_course_says_so_and_marks_its_figures(code, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("OUTPUTS", str(tmp_path))
    monkeypatch.delenv("ENGINE", raising=False)
    course, said = begin("tiny", code, "llava-pt"), capsys.readouterr().out
    gold = not code.startswith("pt")
    assert course.title("x").endswith(" · gold text") == gold == ("The offline engine does not translate into" in said)
    assert (said == "") == (code == "pt-BR")
    monkeypatch.setenv("ENGINE", "huggingface:SOME/MODEL")
    assert "gold text" not in course.title("x")


BARE = """
import dataclasses, importlib.machinery, sys, types
import utils.languages as languages
from utils.languages import SPANISH
record = dataclasses.replace(SPANISH, code="xx", name="Xx", prompt_name="Xxish", word_list="made_up")
languages.LANGUAGES["xx"] = languages.ALL["xx"] = record
module = types.ModuleType("utils.corpus.scenes.made_up")
module.__spec__ = importlib.machinery.ModuleSpec(module.__name__, None)
sys.modules[module.__name__] = module
from utils.corpus.scenes.spanish import WORD_LIST
needed = [f.name for f in dataclasses.fields(WORD_LIST) if f.default is f.default_factory is dataclasses.MISSING]
module.WORD_LIST = type(WORD_LIST)(**{**{name: getattr(WORD_LIST, name) for name in needed}, "code": "xx"})
import random
from utils.corpus.ndino.tasks import short_answer, suffix
from utils.corpus.preferences import draw_pairs
from utils.corpus.scenes.asks import CONVERSATION, REASONING, possible, truth
from utils.corpus.scenes.grammar import say
from utils.corpus.scenes.instruct import GOLD
from utils.corpus.scenes.world import scene_of
from utils.corpus.sounds import asks_of, sound_of
from utils.evaluation.matching import match
from utils.evaluation.measures import said_in
from utils.evaluation.probe import thesis_prompts, with_prefix
from utils.evaluation.scoring import judge
from utils.evaluation.translator_errors import error_class
from utils.runs import UserError
from utils.training import vl_t5_rows
assert "xx" in GOLD
for index in range(12):
    for name in (*CONVERSATION, *REASONING):
        for ask in possible(scene_of("known", index), name, random.Random(0)):
            question, answer = say(ask, "xx")
            assert judge(answer, name, truth(ask), "xx").right and match(answer, answer.lower(), "xx").relaxed
            assert error_class(answer, answer, "xx") == "identical"
            if name != "listing":
                short_answer(ask, "xx")
            if name in CONVERSATION:
                vl_t5_rows.short_answer(ask, "xx")
assert asks_of(sound_of("known", 3), "xx")[0][1].startswith("How many") and suffix("xx") == record.short_answer
assert said_in("Hay un perro y una vaca.", "xx") == "xx" and len(draw_pairs(4, "xx", 0)) == 4
assert {with_prefix(p.question).split()[0] for p in thesis_prompts("xx")} == {"caption:", "vqa:"}
try:
    suffix("xx", "option")
except UserError as error:
    print(error)
"""


def test_one_record_and_one_word_list_are_all_that_a_language_needs():
    """A language that exists nowhere in the code: Spanish under another name, with nothing of what may be left out."""
    ended = subprocess.run([sys.executable, "-c", BARE], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert "'xx' has no sentence that asks for a letter" in ended.stdout


def test_all_languages_are_english_and_those_of_the_course():
    assert list(ALL) == ["en", *LANGUAGES] and set(LISTS) <= set(LANGUAGES) and all(set(kind.words) == set(ALL) for kind in KIND.values())
