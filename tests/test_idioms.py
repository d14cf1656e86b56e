"""Idiom pairs for training: sound LLaVA rows, balanced, and apart from every evaluation compound however it is spelt."""

from collections import Counter

import pytest

from tests.admire_files import a_rows, write_tsv
from utils.corpus import idioms
from utils.corpus.conversations import iter_rows, problems, turns_of
from utils.corpus.idioms import ADMIRE_PORTUGUESE, PEOPLE, compounds, overlap, pairs, rows, write_idioms
from utils.evaluation.admire import read_items

PREPOSITIONS = {"de", "da", "do", "dos", "na", "no", "sem", "com", "atrás"}


def row(*texts):
    return {"id": "r1", "conversations": [{"from": ("human", "gpt")[n % 2], "value": text} for n, text in enumerate(texts)]}


def test_every_compound_has_both_senses_and_keeps_its_form():
    made = pairs(each=len(PEOPLE))
    assert len(set(compounds())) == len(compounds()) >= 25 and len(set(made)) == len(made) == len(PEOPLE) * len(compounds())
    for pair in made:
        who = [name for name in PEOPLE if name in pair.literal]
        assert pair.literal.count(pair.compound) == pair.idiomatic.count(pair.compound) == 1 and pair.literal != pair.idiomatic
        assert len(who) == 1 and who[0] in pair.idiomatic and "{" not in pair.literal + pair.idiomatic
        assert pair.literal[-1] == pair.idiomatic[-1] == "." and pair.meanings[0] != pair.meanings[1] and "-" not in pair.compound


def test_compounds_are_of_another_form_than_admires():
    assert all(PREPOSITIONS & set(name.split()) for name in compounds())
    assert not any(PREPOSITIONS & set(name.split()) for name in ADMIRE_PORTUGUESE)


def test_no_training_row_holds_a_known_evaluation_compound(tmp_path):
    items = read_items(write_tsv(tmp_path / "test.tsv", a_rows()), "a")
    made = list(rows(pairs(each=len(PEOPLE))))
    assert overlap(made, [*items, *ADMIRE_PORTUGUESE]) == []
    assert {hit["compound"] for hit in overlap(made, compounds())} == set(compounds())  # the net does catch


@pytest.mark.parametrize(
    "text, compound",
    [
        ("Aquele tio é um pão-duro.", "pão duro"), ("OS PAES DUROS da família", "pão duro"), ("duas ovelhas\nnegras", "ovelha negra"),
        ("Os pés frios da torcida", "pé frio"), ("os sinais verdes", "sinal verde"), ("As águas doces", "água doce"), ("a caixa\u2011preta", "caixa preta"),
        ("uma cai\u00adxa pre\u200bta", "caixa preta"), ("o me\u0301s longo", "mês longo"), ("três meses longos", "mês longo"), ("as luzes más", "luz má"),
        ("bad apples", "bad apple"), ("two silver boxes", "silver box"), ("busy parties", "busy party"), ("clay pigeons", "clay pigeon"), ("lone wolves", "lone wolf"), ("red shoes", "red shoe"), ("trens noturnos", "trem noturno"),
        ("mães corujas", "mãe coruja"), ("limões doces", "limão doce"), ("papéis finos", "papel fino"), ("copos d’água cheia", "copo d'água"),
    ],
)  # fmt: skip
def test_overlap_sees_through_spelling(text, compound):
    assert overlap([row("O que é isto?", text)], [compound]) == [{"compound": compound, "rows": 1, "ids": ["r1"]}]


@pytest.mark.parametrize(
    "text, compound",
    [
        ("O pão estava muito duro.", "pão duro"), ("A ovelha branca e a negra", "ovelha negra"), ("Um compão duro", "pão duro"), ("duro pão", "pão duro"),
        ("A caixa. Preta é a cor do carro preto", "caixa pretas de voo"), ("", "pão duro"), ("pão", ""),
    ],
)  # fmt: skip
def test_overlap_leaves_near_misses_alone(text, compound):
    assert overlap([row("Olá", text)], [compound]) == []


def test_overlap_counts_rows_and_reads_questions_too():
    made = [row("É um pão duro?", "Sim, um pão duro."), row("Não", "nada"), row("Ok", "Pães duros")]
    assert overlap(made, iter(["mesa redonda", "pão-duro"])) == [{"compound": "pão-duro", "rows": 2, "ids": ["r1", "r1"]}]


def test_rows_are_sound_and_balanced():
    made = list(rows(pairs(each=6)))
    assert list(problems(made)) == [] and len(made) == 12 * len(compounds())
    said = [turns_of(one) for one in made]
    senses = Counter(turns[0][1].split(":")[0] for turns in said)
    assert senses == {"Está em sentido literal": len(made) / 2, "Está em sentido figurado": len(made) / 2}
    verdicts = Counter((turns[1][1], "figurado" in turns[1][0]) for turns in said)
    assert (
        verdicts["Sim.", True] == verdicts["Não.", True]
        and verdicts["Sim.", False] == verdicts["Não.", False]
        and len(verdicts) == 4
        and min(verdicts.values()) > 50
    )


def test_verdicts_fit_their_sense_and_a_pair_differs_in_its_sentence_only():
    made = list(rows(pairs(each=3)))
    for literal, figure in zip(made[::2], made[1::2], strict=True):
        for one, sense in ((literal, "literal"), (figure, "figurado")):
            (_, told), (ask, verdict) = turns_of(one)
            assert f"sentido {sense}" in told and (verdict == "Sim.") == (f"sentido {sense}" in ask)
        assert turns_of(literal)[1][0] == turns_of(figure)[1][0]
        frames = []
        for one, pair_sense in ((literal, "literal"), (figure, "idiomatic")):
            sentence = next(getattr(pair, pair_sense) for pair in pairs(each=3) if getattr(pair, pair_sense) in turns_of(one)[0][0])
            frames.append(turns_of(one)[0][0].replace(sentence, "…"))
        assert frames[0] == frames[1]


def test_a_file_is_written_and_a_picture_is_placed(tmp_path):
    assert write_idioms(tmp_path / "idioms.json", each=2, picture="blank.png") == 4 * len(compounds())
    made = list(iter_rows(tmp_path / "idioms.json"))
    assert list(problems(made)) == [] and all(one["image"] == "blank.png" for one in made)
    assert [one["id"] for one in made] != [one["id"] for one in rows(pairs(2))]
    first = (tmp_path / "idioms.json").read_bytes()
    write_idioms(tmp_path / "idioms.json", each=2, picture="blank.png")
    assert (tmp_path / "idioms.json").read_bytes() == first
    with pytest.raises(ValueError, match="so many people"):
        pairs(each=len(PEOPLE) + 1)


def test_a_slip_into_the_evaluation_set_would_be_seen(monkeypatch):
    monkeypatch.setattr(idioms, "_WRITTEN", "pão duro | {q} mordeu o pão duro. | {q} é pão duro. | pão velho | avarento")
    assert [hit["compound"] for hit in overlap(rows(pairs(1)), ADMIRE_PORTUGUESE)] == ["pão duro"]
