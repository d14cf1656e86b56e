"""The translator's errors against gold: planted ones are found in their class, type and side; gold itself has none."""

import random
import re

import pytest

from utils.corpus.conversations import read_rows, write_rows
from utils.corpus.scenes.asks import TYPES, possible
from utils.corpus.scenes.grammar import say
from utils.corpus.scenes.instruct import GOLD, PARTS
from utils.corpus.scenes.world import scene_of
from utils.evaluation.translator_errors import CLASSES, disagreements, error_class, error_table, examples, turns
from utils.runs import UserError

SAME, OTHER, THING, NUMBER, COLOUR, PLACE, VERDICT, AGREEMENT, ENGLISH = CLASSES
CASES = [  # translated, gold, language, class
    ("É um gato.", "É um gato.", "pt-BR", SAME),
    ("É um cão.", "É um cachorro.", "pt-BR", OTHER),
    ("Há um ovo na foto?", "Existe um ovo na imagem?", "pt-BR", OTHER),
    ("O fundo é castanho.", "O fundo é marrom.", "pt-BR", OTHER),
    ("Há 2 gatos.", "Há dois gatos.", "pt-BR", OTHER),
    ("Não, não há nenhum queijo.", "Não, não há queijo.", "pt-BR", OTHER),
    ("Há um gato e uma vaca, então há o mesmo número de cada um.", "Há um gato e uma vaca, então há o mesmo número de cada.", "pt-BR", OTHER),
    ("Há duas coisas, e duas mais uma é três.", "Há duas coisas, e dois mais um é três.", "pt-BR", OTHER),
    ("Na parte superior esquerda está o gato.", "No canto superior esquerdo está o gato.", "pt-BR", OTHER),
    ("O gato está no canto esquerdo superior.", "O gato está no canto superior esquerdo.", "pt-BR", OTHER),
    ("È un bambino.", "È un neonato.", "it", OTHER),
    ("É uma a bea.", "É uma abelha.", "pt-BR", THING),
    ("É um animal.", "É um objeto.", "pt-BR", THING),
    ("Há um gato à esquerda do cachorro.", "Há um cachorro à esquerda do gato.", "pt-BR", THING),
    ("Qual é a cor por trás do queijo?", "Qual é a cor do cartão atrás do queijo?", "pt-BR", THING),
    ("Há três gatos.", "Há dois gatos.", "pt-BR", NUMBER),
    ("Há um gato.", "Há dois gatos.", "pt-BR", NUMBER),
    ("Há 3 gatos.", "Há dois gatos.", "pt-BR", NUMBER),
    ("Um gato e duas vacas.", "Dois gatos e uma vaca.", "pt-BR", NUMBER),
    ("Ci sono tre cani.", "Ci sono due cani.", "it", NUMBER),
    ("O fundo é vermelho.", "O fundo é laranja.", "pt-BR", COLOUR),
    ("O gato está no canto superior direito.", "O gato está no canto superior esquerdo.", "pt-BR", PLACE),
    ("O gato está no canto.", "O gato está no canto superior esquerdo.", "pt-BR", PLACE),
    ("No canto inferior direito há um gato. No canto superior esquerdo há um gato.", "No canto superior esquerdo há um gato. No canto inferior direito há um gato.", "pt-BR", PLACE),
    ("Sim, não há gato.", "Não, não há gato.", "pt-BR", VERDICT),
    ("Há um gato e uma vaca, então há mais.", "Há um gato e uma vaca, então há o mesmo número de cada.", "pt-BR", VERDICT),
    ("É uma gato.", "É um gato.", "pt-BR", AGREEMENT),
    ("Há dois pôr do sol.", "Há dois pores do sol.", "pt-BR", AGREEMENT),
    ("Se tirarmos uma abelhas, quantas abelhas restam?", "Se tirarmos uma abelha, quantas abelhas restam?", "pt-BR", AGREEMENT),
    ("O cartão é vermelha.", "O cartão é vermelho.", "pt-BR", AGREEMENT),
    ("È una cane.", "È un cane.", "it", AGREEMENT),
    ("There is one dog.", "Há um cachorro.", "pt-BR", ENGLISH),
    ("It is a dog.", "È un cane.", "it", ENGLISH),
]  # fmt: skip


@pytest.mark.parametrize("said,gold,language,wanted", CASES)
def test_each_error_has_its_class(said, gold, language, wanted):
    assert error_class(said, gold, language) == wanted


@pytest.mark.parametrize("language", GOLD)
def test_gold_agrees_with_itself_in_every_language(language):
    rng = random.Random(2)
    said = {text for n in range(60) for kind in TYPES for ask in possible(scene_of("known", n), kind, rng)[:3] for text in say(ask, language)}
    assert len(said) > 600 and [(text, disagreements(text, language)) for text in said if disagreements(text, language)] == []


def translate(corpus, folder, language, change=lambda row: row):
    """Gold as a translation, every row of every part through `change` (None: held back)."""
    for part in PARTS:
        rows = [change(row) for row in read_rows(corpus / "gold" / language / part)]
        write_rows(folder / part, [row for row in rows if row])
    return folder


@pytest.mark.parametrize("language", GOLD)
def test_gold_as_a_translation_has_no_error(corpus, tmp_path, language):
    rows = error_table(corpus, translate(corpus, tmp_path, language), language)
    assert all(row[SAME] == row["turns"] > 0 and sum(row[name] for name in CLASSES) == row["turns"] for row in rows)
    for side in ("answer", "question"):
        kinds = [row for row in rows if row["side"] == side]
        assert {row["type"] for row in kinds} == {"all", *TYPES}
        assert kinds[0]["type"] == "all" and kinds[0]["turns"] == sum(row["turns"] for row in kinds[1:])
    assert examples(corpus, tmp_path, language) == []


def test_planted_errors_are_counted_under_their_type_and_side_and_shown(corpus, tmp_path):
    def change(row):
        for turn in row["conversations"]:
            if turn["from"] == "gpt":
                turn["value"] = re.sub(r"O fundo é \w+", "O fundo é roxo", turn["value"]).replace("É um gato.", "É uma gato.")
            else:
                turn["value"] = turn["value"].replace("na imagem", "na foto")
        return row

    before = turns(corpus, translate(corpus, tmp_path / "gold", "pt-BR"), "pt-BR")
    cats = [turn for turn in before if turn.gold == "É um gato."]
    changed = {
        kind: sum(turn.type == kind and turn.gold.startswith("O fundo é") and "O fundo é roxo" not in turn.gold for turn in before) for kind in TYPES
    }
    assert cats and {turn.type for turn in cats} == {"naming"} and changed["background"] and changed["description"]
    folder = translate(corpus, tmp_path / "bad", "pt-BR", change)
    found = {(row["side"], row["type"]): row for row in error_table(corpus, folder, "pt-BR")}
    assert found["answer", "naming"][AGREEMENT] == len(cats) == found["answer", "all"][AGREEMENT]
    assert found["answer", "background"][COLOUR] == changed["background"] and found["answer", "description"][COLOUR] == changed["description"]
    assert found["answer", "all"][COLOUR] == sum(changed.values()) and found["answer", "all"][OTHER] == 0
    asked = found["question", "yes_no"]
    assert asked[OTHER] == asked["turns"] > 0 and found["question", "all"][COLOUR] == 0
    shown = examples(corpus, folder, "pt-BR")
    assert [(row["side"], row["class"]) for row in shown] == [("answer", COLOUR), ("answer", AGREEMENT), ("question", OTHER)]
    assert shown[1] == {"side": "answer", "class": AGREEMENT, "type": "naming", "english": "It is a cat.",
                        "translated": "É uma gato.", "gold": "É um gato.", "turns": len(cats)}  # fmt: skip
    counts = [row["turns"] for row in examples(corpus, folder, "pt-BR", most=3) if row["side"] == "question"]
    assert len(counts) == 3 and counts == sorted(counts, reverse=True)


def test_rows_held_back_by_the_gates_are_not_counted(corpus, tmp_path):
    whole = turns(corpus, translate(corpus, tmp_path / "all", "pt-BR"), "pt-BR")
    fewer = turns(corpus, translate(corpus, tmp_path / "some", "pt-BR", lambda row: row if int(row["id"]) % 2 else None), "pt-BR")
    assert 0 < len(fewer) < len(whole) and set(fewer) < set(whole)


@pytest.mark.parametrize("broken", ["another text", "a lost turn"])
def test_a_corpus_that_does_not_fit_is_one_sentence(corpus, tmp_path, broken):
    folder = translate(corpus, tmp_path / "pt", "pt-BR")
    english = tmp_path / "english"
    (english / "gold" / "pt-BR").mkdir(parents=True)
    for name in ("manifest.json", *PARTS, *(f"gold/pt-BR/{part}" for part in PARTS)):
        (english / name).write_bytes((corpus / name).read_bytes())
    assert turns(english, folder, "pt-BR") == turns(corpus, folder, "pt-BR")
    where = english if broken == "another text" else folder
    rows = list(read_rows(where / PARTS[2]))
    if broken == "another text":
        rows[3]["conversations"][1]["value"] = "There are seven dogs."
    else:
        rows[3]["conversations"] = rows[3]["conversations"][:-2]
    write_rows(where / PARTS[2], rows)
    with pytest.raises(UserError, match=f"row {rows[3]['id']} of {PARTS[2]} is not as seed 0 makes it"):
        turns(english, folder, "pt-BR")
